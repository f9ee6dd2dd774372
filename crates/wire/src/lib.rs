//! Bowline's packet formats.
#![no_std]
extern crate alloc;

pub mod packet;
