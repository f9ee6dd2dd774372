//! Runs packetdrill scripts against Bowline: the same language, in virtual time, without privilege and without a network.
//!
//! A script says what the peer sends (`<`), which packets the stack must send (`>`), which calls the program makes and what they
//! return, and when. [`parse`] reads it into [`script`]'s values, [`run`] carries it out against a
//! [`Host`](bowline_posix::Host) of its own, [`suite`] does so for many files, and [`report`] tells what came of it.
//!
//! ```
//! use bowline_drill::report::Verdict;
//! use bowline_drill::source::Source;
//! use bowline_drill::suite::{Plan, run_source};
//!
//! let script = Source::new("refused.pkt", "
//!     0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//!     +0   fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
//!     +0   connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
//!     +0   > S 0:0(0) <...>
//!     +.1  < R. 0:0(0) ack 1 win 0
//!     +0   getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
//! ");
//! // in IPv4, in IPv6, and with IPv4-mapped sockets
//! let outcomes = run_source(&script, &Plan::default());
//! assert_eq!(outcomes.len(), 3);
//! assert!(outcomes.iter().all(|outcome| outcome.verdict == Verdict::Passed));
//! ```
//!
//! # What is as in the tool, and what is not
//!
//! Sequence numbers are relative to each side's first, which a SYN states; ports and TSval are mapped in the same way. A time may
//! differ by the tolerance or by an eighth of the time since the event before, whichever is more. One line may stand for several
//! segments in a row, unless `--strict_segments` is set. The connection under test is the one of the last `connect`, or of the
//! first segment after `listen`; packets with ports belong to the connection of these ports.
//!
//! Stricter: packets are compared in the order in which they were sent, and none is passed over, also not right after the last
//! line (see [`run`]); bytes must be those that were written there, and those read must be those that the peer sent there;
//! checksums and reserved bits are looked at; TSecr is compared.
//!
//! Wider: `#ifdef`, `#ifndef`, `#else`, `#endif` and comments with `#`; all of a script's versions of IP in one run. A script
//! without `--ip_version` and `--mtu` has an MTU of 1520 in IPv6, so that its segment sizes are the same in both.
//!
//! Narrower: no shell runs. Commands are those that set the stack or ask for its state; others are errors. Of Python there is
//! what [`code`] has. There are no packets inside of packets, no SCTP, and no random mutation.

pub mod code;
pub mod door;
pub mod lex;
pub mod parse;
pub mod report;
pub mod run;
pub mod script;
pub mod source;
pub mod suite;
pub mod wire;
