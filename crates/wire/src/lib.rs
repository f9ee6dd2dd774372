//! Bowline.
#![no_std]
extern crate alloc;
