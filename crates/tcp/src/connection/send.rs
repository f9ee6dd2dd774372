//! The half that sends: what to send now and why, and how a segment is made of it.

pub(crate) mod buffer;
mod build;
mod keepalive;
mod pacing;
mod persist;
mod plan;
mod sws;

pub(crate) use buffer::Gathered;
pub(crate) use plan::Plan;
