//! `bowline run` with real programs on both sides: curl, wrk, nc, nginx, Python and the kernel's own TCP.
//!
//! Each test starts what it needs on this host's loopback or in namespaces of its own, and asserts what a user sees: bytes,
//! errors and how fast they come, exit statuses, what is left behind. What only a longer run shows is `cargo xtask soak`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says so by failing, or why it was skipped"
)]

mod capture;
mod errors;
mod flood;
mod leaving;
mod many;
mod page;
mod reach;
mod rootless;
mod statuses;
mod support;
mod transfers;
