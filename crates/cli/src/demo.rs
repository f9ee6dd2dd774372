//! `bowline demo`: two hosts in memory that talk HTTP over a network as bad as one likes, in virtual time.
//!
//! [`world`] makes two hosts and moves time, [`http`] is what runs on them, [`story`] runs the exchange and keeps what
//! there was to see, [`report`] tells it. Nothing here reads a clock or rolls dice of its own: the same settings give the
//! same story, byte for byte, on every machine.

pub mod http;
pub mod report;
pub mod story;
pub mod watch;
pub mod world;

#[cfg(test)]
mod tests;
