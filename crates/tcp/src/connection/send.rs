//! The half that sends: what to send now and why, and how a segment is made of it.

mod blocks;
pub(crate) mod buffer;
mod build;
mod keepalive;
mod pacing;
mod persist;
mod plan;
pub(crate) mod records;
mod sws;
pub(crate) mod usage;

pub(crate) use buffer::Gathered;
pub(crate) use plan::Plan;
