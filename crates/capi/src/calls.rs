//! The calls, as C makes them: `bowline_` and the name of the call of the C library, with the host before its arguments.
//!
//! Each gives what that call gives, or -1 and `errno`. They translate descriptors and structs and decide nothing.

mod network;
mod ready;
mod sockets;
mod transfer;

use core::ffi::c_int;

use bowline_posix::Errno;

pub use network::*;
pub use ready::*;
pub use sockets::*;
pub use transfer::*;

use crate::memory;

/// A result as C has it.
fn give(result: Result<i64, Errno>) -> i64 {
    result.unwrap_or_else(|errno| {
        memory::set_errno(errno);
        -1
    })
}

pub(crate) fn give_int(result: Result<i64, Errno>) -> c_int {
    give(result) as c_int
}

fn length(count: c_int) -> Result<usize, Errno> {
    usize::try_from(count).map_err(|_| Errno::EINVAL)
}
