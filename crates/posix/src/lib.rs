//! BSD sockets over [`bowline_stack`]: descriptors, errno, options and structs, of Linux and of FreeBSD.
//!
//! Sans-IO like the stack below: a [`Host`] takes calls, packets and the time, and gives results, packets and deadlines. It
//! has no thread, no clock and no device, so that a test can run it in virtual time, and a C library under locks.
//!
//! ```text
//! program ─► socket, bind, listen, setsockopt, …        return at once: Result<_, Errno>
//!         ─► call(now, Call::Accept { .. })             may wait: Progress::Done(result) or Progress::Waits(waiting)
//!            resume(now, waiting)                       later: after a packet, a time-out or another call
//! device  ─► packet_in(now, &bytes)                     raw IP
//! clock   ─► handle_timeout(now)
//! then drain: poll_packet(now) ─► device     poll_timeout() ─► when to come back     waiting.deadline() ─► when to resume
//! ```
//!
//! # A call that waits
//!
//! A blocked call is a value. Keep it, and hand it back when something has happened; it says whether it goes on waiting.
//! Several may wait at once, on one socket or on many. Nothing happens while it is kept, so that dropping it is like a signal
//! that ends the call. Nonblocking descriptors and `MSG_DONTWAIT` never wait.
//!
//! # Numbers
//!
//! Families, flags, options and requests are numbers, as programs pass them, of the host's [`Abi`];
//! [`Abi::constant`] gives each by its name. Values of options and addresses in memory are little-endian structs.
//! [`Profile`] decides behaviour (which errno, what doubles) and the stack's defaults; [`HostConfig::abi`] may be chosen
//! apart from it.
//!
//! ```
//! use bowline_base::Instant;
//! use bowline_posix::{Abi, Address, Call, Errno, Host, HostConfig, Profile, Progress};
//!
//! let now = Instant::ZERO;
//! let mut host = Host::new(HostConfig::new(Profile::Linux), [7; 32], now);
//! let fd = host.socket(2, 1, 0).unwrap(); // AF_INET, SOCK_STREAM
//! host.bind(now, fd, Address::Inet("0.0.0.0:8080".parse().unwrap())).unwrap();
//! host.listen(now, fd, 1).unwrap();
//! // Nobody has connected: the call waits.
//! let Progress::Waits(accept) = host.call(now, Call::Accept { fd, flags: 0 }) else { panic!() };
//! // … host.packet_in(now, syn), host.poll_packet(now), host.packet_in(now, ack) …
//! assert!(matches!(host.resume(now, accept), Progress::Waits(_)));
//! // On a nonblocking socket it does not.
//! let abi = host.abi();
//! let number = |name| abi.constant(name).unwrap();
//! host.fcntl(fd, number("F_SETFL") as i32, number("O_NONBLOCK")).unwrap();
//! assert_eq!(host.call(now, Call::Accept { fd, flags: 0 }).done(), Some(Err(Errno::EAGAIN)));
//! ```
//!
//! # What a sender is told later
//!
//! On Linux a stream's error queue (`MSG_ERRQUEUE`) tells that writes with `MSG_ZEROCOPY` are acknowledged, and with
//! `SO_TIMESTAMPING` when the last byte of each write was sent and acknowledged. Bytes are copied all the same, which the first kind of
//! notice says; the second has the time of the caller's clock, and not the packet, as with `SOF_TIMESTAMPING_OPT_TSONLY`.
//!
//! # What is not here
//!
//! Raw and Unix sockets, `dup`, `select`, `sendfile`, multicast groups, stamps of what arrives, urgent data apart from the stream,
//! several listeners on one port (`SO_REUSEPORT`), `TCP_WINDOW_CLAMP`. Each fails with the errno of a system without
//! it. Stored and without effect, because there is nothing that they could change: `SO_DEBUG`, `SO_PRIORITY`, `SO_MARK`, `SO_NOSIGPIPE`
//! (there are no signals), `IP_BIND_ADDRESS_NO_PORT`, and `IP_RECVERR` on streams.

pub mod abi;
mod call;
mod census;
mod close;
mod connect;
mod control;
mod descriptors;
mod epoll;
mod error;
mod error_queue;
mod fast_open;
mod host;
mod names;
mod notices;
mod options;
mod ready;
mod receive;
mod send;
mod socket;
mod splice;
mod sysctl;

pub use abi::{Abi, Address, ControlMessage, Errno, Field, Linger};
pub use bowline_tcp::Profile;
pub use call::{Call, EpollEvent, Fd, PollFd, Progress, Reply, Waiting};
pub use census::state_named;
pub use host::{Host, HostConfig};
pub use sysctl::{Change, Refused, Sysctls};
