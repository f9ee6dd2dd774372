//! Runs an unmodified program behind Bowline.
//!
//! [`sandbox`] makes the namespaces in which the program runs and hands out the TUN that is its only way out. [`gateway`]
//! puts a network of ours on the TUN and carries every flow on through sockets of the host's. [`run()`] does both.
//! [`addresses`] says who lives where on that TUN, [`target`] what is behind which of them, [`rules`] and [`forward`] who
//! may reach whom. [`control`] is how a live instance is asked.

pub mod addresses;
pub mod control;
mod flows;
pub mod forward;
pub mod gateway;
pub mod host;
pub mod page;
pub mod ports;
pub mod rules;
pub mod run;
pub mod sandbox;
pub mod target;

pub use gateway::{Config, Gateway, QUEUE_MEMORY};
pub use run::run;
