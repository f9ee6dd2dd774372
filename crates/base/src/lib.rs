//! What every other crate of Bowline stands on: a clock value, stream positions, randomness, slabs, timer wheels.
//!
//! This crate decides nothing about protocols. It has no IO, reads no clock, holds no lock and never panics.
#![no_std]
extern crate alloc;

pub mod position;
pub mod time;

pub use position::Position;
pub use time::Instant;
