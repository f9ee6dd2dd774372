//! What every other crate of Bowline stands on: a clock value, stream positions, randomness, slabs, timer wheels.
//!
//! This crate decides nothing about protocols. It has no IO, reads no clock, holds no lock and never panics.
#![no_std]
extern crate alloc;

pub mod hash;
pub mod position;
pub mod random;
pub mod slab;
pub mod time;
pub mod wheel;

pub use hash::KeyedHash;
pub use position::Position;
pub use random::Randomness;
pub use slab::Slab;
pub use time::{Instant, Span};
pub use wheel::Wheel;
