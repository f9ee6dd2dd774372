//! A call that may have to wait, as a value: what was asked, what has been done of it, and until when it may wait.

use bowline_base::Instant;
use bytes::Bytes;

use crate::abi::{Address, ControlMessage, Errno};

/// A descriptor: the lowest that is free, from 3 on.
pub type Fd = i32;

/// A call that may wait. Calls that never do are methods of [`Host`](crate::Host).
///
/// Flags and sizes are those of the [`Abi`](crate::Abi) of the host; see [`Abi::constant`](crate::Abi::constant).
#[derive(Clone, PartialEq, Debug)]
pub enum Call {
    /// `accept4`; `accept` with no flags. Replies the descriptor and the peer's address.
    Accept {
        /// The listening socket.
        fd: Fd,
        /// `SOCK_NONBLOCK`, `SOCK_CLOEXEC`.
        flags: i32,
    },
    /// `connect`.
    Connect {
        /// The socket.
        fd: Fd,
        /// Whom to; [`Address::Unspecified`] takes a connection back.
        address: Address,
    },
    /// `read` and `readv`: the bytes are to be spread by the caller. Replies their number and themselves.
    Read {
        /// A socket or a pipe.
        fd: Fd,
        /// The room of all buffers together, in bytes.
        len: usize,
    },
    /// `recv`, `recvfrom` and `recvmsg`. Replies as `Read`, with address, flags and control messages.
    Receive {
        /// The socket.
        fd: Fd,
        /// The room of all buffers together, in bytes.
        len: usize,
        /// `MSG_PEEK` and others.
        flags: i32,
    },
    /// `write` and `writev`. Replies how many bytes were taken.
    Write {
        /// A socket or a pipe.
        fd: Fd,
        /// What all buffers have, one behind the other.
        data: Bytes,
    },
    /// `send`, `sendto` and `sendmsg`. Replies as `Write`.
    Send {
        /// The socket.
        fd: Fd,
        /// What all buffers have, one behind the other.
        data: Bytes,
        /// `MSG_MORE` and others.
        flags: i32,
        /// Whom to.
        to: Option<Address>,
        /// What goes along.
        control: Vec<ControlMessage>,
    },
    /// `close`. Waits where `SO_LINGER` says so.
    Close {
        /// Any descriptor.
        fd: Fd,
    },
    /// `poll`. Replies how many are ready, and all of them with `revents`.
    Poll {
        /// What to look at.
        fds: Vec<PollFd>,
        /// Milliseconds; negative: for ever.
        timeout: i32,
    },
    /// `epoll_wait`. Replies how many events there are, and themselves.
    EpollWait {
        /// The epoll descriptor.
        fd: Fd,
        /// The most events to reply.
        max: usize,
        /// Milliseconds; negative: for ever.
        timeout: i32,
    },
    /// `splice` without offsets: sockets and pipes have none. Replies how many bytes went over.
    Splice {
        /// Where they come from.
        from: Fd,
        /// Where they go.
        to: Fd,
        /// The most to move, in bytes.
        len: usize,
        /// `SPLICE_F_NONBLOCK` and others.
        flags: u32,
    },
}

/// `struct pollfd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PollFd {
    /// The descriptor; a negative one is passed over.
    pub fd: Fd,
    /// What is asked for.
    pub events: i16,
    /// What was found.
    pub revents: i16,
}

/// `struct epoll_event`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EpollEvent {
    /// `EPOLLIN` and others.
    pub events: u32,
    /// The caller's own.
    pub data: u64,
}

/// What a call returned.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reply {
    /// The return value: a descriptor, a number of bytes or of events, or zero.
    pub value: i64,
    /// The bytes that were read. With `MSG_TRUNC` there may be fewer than `value` says.
    pub data: Vec<u8>,
    /// The peer's address, where the call has one to give, as a socket of this family shows it.
    pub address: Option<Address>,
    /// `msg_flags` of `recvmsg`.
    pub flags: i32,
    /// Control messages of `recvmsg`.
    pub control: Vec<ControlMessage>,
    /// The descriptors of `poll`.
    pub polled: Vec<PollFd>,
    /// The events of `epoll_wait`.
    pub events: Vec<EpollEvent>,
}

impl Reply {
    /// Only a return value.
    pub(crate) fn value(value: usize) -> Self {
        Self { value: value as i64, ..Self::default() }
    }

    /// Bytes that were read.
    pub(crate) fn data(data: Vec<u8>) -> Self {
        Self { value: data.len() as i64, data, ..Self::default() }
    }
}

/// How far a call has come.
#[derive(Clone, PartialEq, Debug)]
pub enum Progress {
    /// It has returned.
    Done(Result<Reply, Errno>),
    /// It is blocked: hand it to [`Host::resume`](crate::Host::resume) after the next packet, time-out or call. Dropping it
    /// forgets the call; what it has done stays done.
    Waits(Waiting),
}

impl Progress {
    /// What it returned, if it has.
    #[must_use]
    pub fn done(self) -> Option<Result<Reply, Errno>> {
        match self {
            Self::Done(result) => Some(result),
            Self::Waits(_) => None,
        }
    }
}

/// A blocked call.
#[derive(Clone, PartialEq, Debug)]
pub struct Waiting {
    pub(crate) call: Call,
    /// What has been read.
    pub(crate) read: Vec<u8>,
    /// How many bytes have been sent.
    pub(crate) sent: usize,
    /// When it gives up waiting.
    pub(crate) deadline: Option<Instant>,
    /// Whether its first part is done: the SYN is on its way, the socket is closing, the deadline set.
    pub(crate) begun: bool,
}

impl Waiting {
    pub(crate) const fn new(call: Call) -> Self {
        Self { call, read: Vec::new(), sent: 0, deadline: None, begun: false }
    }

    /// When time alone lets it return (`SO_RCVTIMEO`, `SO_SNDTIMEO`, `SO_LINGER`, a time-out of `poll`): wake it then.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What was asked.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// Whether its time is up.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}
