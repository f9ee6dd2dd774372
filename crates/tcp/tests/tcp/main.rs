//! What a peer sees of the core: scripts, tables of state and event, every arrow of the state diagram, and random
//! conversations over a bad network. All in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says so by failing"
)]
#![allow(clippy::disallowed_methods, reason = "a seed to replay comes from the environment")]

mod arrows;
mod bench;
mod bulk;
mod chaos;
mod close;
mod fast_open;
mod fingerprints;
mod listeners;
mod marks;
mod noticed;
mod open;
mod pacing;
mod past;
mod patience;
mod random;
mod receive;
mod requirements;
mod resets;
mod send;
mod signed;
mod signed_ao;
mod tables;
mod validation;
