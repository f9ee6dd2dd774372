//! A C interface to the stack: [`bowline_posix`] under one lock, in virtual time.
//!
//! Two doors to the same functions. `include/bowline.h` declares them for programs: `bowline_new`, `bowline_socket`,
//! `bowline_read`…, packets in and out, and the clock. [`packetdrill_interface_init`] hands them over as the table that the
//! packetdrill tool drives in a kernel's place, by `--so_filename=libbowline_capi.so --so_flags=profile=linux`.
//!
//! Descriptors are real ones, one eventfd each, so that a program may pass them to its C library's `close`. Numbers, structs
//! and `errno` are Linux's, whatever profile the host has.
//!
//! | room | decides |
//! |---|---|
//! | `flags` | what a host is made of |
//! | `engine` | threads, the virtual clock, descriptors |
//! | `calls` | how C's arguments become calls |
//! | `table` | the tool's struct |
//! | `handle` | who owns a host; `getsockopt` where the library is preloaded |
//! | `memory` | every access to C's memory |

mod calls;
mod engine;
mod flags;
mod handle;
mod memory;
mod table;

pub use calls::*;
pub use handle::{bowline_count, bowline_free, bowline_new, bowline_sysctl, getsockopt};
pub use table::{PacketdrillInterface, packetdrill_interface_init};
