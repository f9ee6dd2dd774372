//! The host's side of the gateway: its sockets, and what their errors mean to the program.
//!
//! Nothing in here knows the stack: it takes addresses and bytes, and gives addresses, bytes and [`Verdict`]s.

pub mod dial;
pub mod echo;
pub mod errors;
pub mod resolver;
pub mod routes;
pub mod train;

pub use dial::dial;
pub use errors::{QueuedError, Verdict};
pub use resolver::Resolver;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime watch a descriptor.
///
/// # Errors
/// The runtime cannot watch it.
pub(crate) fn watch<T: AsRawFd + Into<OwnedFd>>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: what turns into an OwnedFd owns its descriptor, which is open and the same one until it is dropped; and
    // AsyncFd hands it out by shared reference only, for `Socket` and `OwnedFd` have no method that replaces it.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    watched.map_err(|error| io::Error::other(error.to_string()))
}
