//! Runs an unmodified program behind Bowline.
//!
//! [`sandbox`] makes the namespaces in which the program runs and hands out the TUN that is its only way out.
//! [`addresses`] says who lives where on that TUN.

pub mod addresses;
pub mod control;
pub mod forward;
pub mod host;
pub mod rules;
pub mod sandbox;
pub mod target;
