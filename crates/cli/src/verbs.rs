//! One file for each verb: its arguments, the settings they come to, and what it does.

pub mod bench;
pub mod completions;
pub mod demo;
pub mod drill;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod live;
pub mod man;
pub mod network;
#[cfg(target_os = "linux")]
pub mod run;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod ss;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{run, ss};
