//! What a script is run against: a host, a clock that moves when it is told to, and the packets that the host sends.
//!
//! The runner has one of its own, with the host inside. Another one is whatever carries the same calls to the same stack another
//! way, as the table of `bowline-capi` does: a script must end the same way through each. A door knows no scripts.

use std::collections::VecDeque;
use std::fmt::Debug;

use bowline_base::Instant;
use bowline_posix::{Address, Call, EpollEvent, Errno, Fd, Host, Reply, Sysctls};
use bowline_tcp::State;

/// When a door's clock begins: far enough from zero that nothing can take it for "never".
pub const BEGIN: Instant = Instant::from_secs(1_000);

/// A packet that the host sent.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it left.
    pub at: Instant,
    /// The packet, from its IP header on.
    pub bytes: Vec<u8>,
}

/// A call that was blocked and has returned.
#[derive(Debug)]
pub struct Returned {
    /// What the call was made under.
    pub id: usize,
    /// When it returned.
    pub at: Instant,
    /// What it returned.
    pub result: Result<Reply, Errno>,
}

/// What came out of a door, and has not been taken.
#[derive(Debug, Default)]
pub struct Out {
    /// Packets, in the order in which they were sent.
    pub sent: VecDeque<Packet>,
    /// Calls that were blocked, in the order in which they returned.
    pub returned: VecDeque<Returned>,
}

/// Makes a door to a host that is made like this; or says what of it this kind of door cannot give a host.
pub type Make = fn(&Sysctls) -> Result<Box<dyn Door>, String>;

/// A host, a clock, and what came out of it. Time moves in [`pass`](Self::pass) and [`step`](Self::step) only. The calls that
/// never wait are those of [`Host`].
#[allow(missing_docs, reason = "calls are named after those of the system")]
pub trait Door: Debug {
    /// What the clock shows; [`BEGIN`] at first.
    fn now(&self) -> Instant;
    /// A packet arrives. `segment_size`: it is as many segments of so many bytes of text as it takes, which the device has joined.
    fn arrive(&mut self, packet: &[u8], segment_size: Option<u16>);
    /// Makes a call; without an answer it is blocked under `id`. `may_wait`: whether the script says that it may be.
    fn call(&mut self, id: usize, call: Call, may_wait: bool) -> Option<Result<Reply, Errno>>;
    /// Does all that can be done without time moving on.
    fn settle(&mut self);
    /// Lets time pass up to `until`, and what is due on the way happen.
    fn pass(&mut self, until: Instant);
    /// Lets time pass up to the next thing that happens by itself, if it does by `until`; returns whether it did.
    fn step(&mut self, until: Instant) -> bool;
    /// What came out of it.
    fn out(&mut self) -> &mut Out;

    /// Whether all packets that were sent have been taken.
    fn sent_is_empty(&mut self) -> bool {
        self.out().sent.is_empty()
    }

    /// Takes the oldest packet that was sent.
    fn take(&mut self) -> Option<Packet> {
        self.out().sent.pop_front()
    }

    /// Puts a packet back, to be taken next.
    fn put_back(&mut self, packet: Packet) {
        self.out().sent.push_front(packet);
    }

    /// Takes the next call that has returned.
    fn take_returned(&mut self) -> Option<Returned> {
        self.out().returned.pop_front()
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno>;
    fn bind(&mut self, fd: Fd, address: Address) -> Result<(), Errno>;
    fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno>;
    fn shutdown(&mut self, fd: Fd, how: i32) -> Result<(), Errno>;
    fn getsockname(&mut self, fd: Fd) -> Result<Address, Errno>;
    fn getpeername(&mut self, fd: Fd) -> Result<Address, Errno>;
    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno>;
    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, room: usize) -> Result<Vec<u8>, Errno>;
    fn fcntl(&mut self, fd: Fd, command: i32, argument: i64) -> Result<i32, Errno>;
    fn ioctl(&mut self, fd: Fd, request: u64, argument: i32) -> Result<i32, Errno>;
    fn pipe(&mut self) -> Result<(Fd, Fd), Errno>;
    fn epoll_create(&mut self, flags: i32) -> Result<Fd, Errno>;
    fn epoll_ctl(&mut self, epoll: Fd, operation: i32, fd: Fd, event: Option<EpollEvent>) -> Result<(), Errno>;

    /// Puts in force what is set now, or says what of it this kind of door cannot set.
    ///
    /// # Errors
    /// A setting that does not go through.
    fn apply(&mut self, sysctls: &Sysctls) -> Result<(), String>;

    /// How many connections are in this state, or listeners there are.
    ///
    /// # Errors
    /// A door that cannot tell.
    fn count_in(&mut self, state: State, is_v4: Option<bool>) -> Result<usize, String>;

    /// The host, where it can be reached: for commands that look at it.
    fn host(&mut self) -> Option<&mut Host>;

    /// What the host's own clock showed at the beginning, in microseconds: stamps that it gives count from there.
    fn began(&self) -> u64 {
        BEGIN.as_micros()
    }

    /// Microseconds since the beginning.
    fn micros(&self, at: Instant) -> u64 {
        at.as_micros() - BEGIN.as_micros()
    }

    /// The instant so many microseconds after the beginning.
    fn at(&self, micros: u64) -> Instant {
        Instant::from_micros(BEGIN.as_micros() + micros)
    }
}
