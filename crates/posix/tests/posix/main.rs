//! Sockets as programs use them: two hosts and a wire between them, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod kernel;
mod keys;
mod options;
mod ports;
mod random;
mod streams;
mod wire;
