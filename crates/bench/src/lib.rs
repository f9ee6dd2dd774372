//! Measurements, each beside the same work done by somebody else in the same run.
//!
//! | module | what | beside |
//! |---|---|---|
//! | [`memory`] | two hosts in one thread, nothing between them but a queue | smoltcp |
//! | [`sim`] | flows through one narrow place, in virtual time | smoltcp |
//! | [`tun`] | one end of a bulk transfer over a TUN device, the kernel at the other | smoltcp |
//! | [`loss`] | goodput under random loss, over TUN devices | the kernel's sender, in turns |
//! | [`share`] | flows through one bottleneck at the same time, over TUN devices | the kernel's sender |
//! | [`gateway`] | real programs behind a gateway | slirp4netns, pasta, and no gateway at all |
//!
//! Contenders take turns within one process, so that a noisy neighbour hits all of them, and each figure is the median
//! of its turns. Every contender runs in the best configuration that we know for it; the configuration is part of its name.
//!
//! Those over TUN devices and gateways need Linux.
//!
//! This crate decides how to measure and never what is good enough: it has no thresholds.

#[cfg(target_os = "linux")]
pub mod gateway;
#[cfg(target_os = "linux")]
pub mod job;
#[cfg(target_os = "linux")]
pub mod loss;
pub mod memory;
#[cfg(target_os = "linux")]
mod path;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
pub mod process;
pub mod report;
#[cfg(target_os = "linux")]
pub mod share;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod tun;

#[cfg(target_os = "linux")]
pub use path::Controller;
pub use report::{Better, Report, Row};

/// Why a measurement could not be made, in a sentence for the person who started it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;
