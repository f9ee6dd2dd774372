//! A case: what is done to a TCP, step by step, in numbers that mean the same to any TCP.
//!
//! Numbers are beside what an observer who never fails would expect next (`seq+0` is the peer's next, `ack+0` covers all
//! that the other side was told to send), so that a case does not depend on what came back. It knows no packets.

use std::fmt;
use std::time::Duration;

use bowline_wire::tcp::TcpFlags;

/// What the user of the TCP under test does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    /// Waits for connections; one that comes is accepted.
    Listen,
    /// Opens a connection.
    Connect,
    /// Writes so many bytes.
    Write(u16),
    /// Reads all that is there.
    Read,
    /// Ends the own direction.
    Shutdown,
    /// Gives the socket back.
    Close,
    /// Gives the socket back with a lingering time of zero.
    Abort,
}

/// The window that a segment of the peer offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Window {
    Open,
    Small,
    Closed,
}

/// The timestamps of a segment, where the case has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stamp {
    Fresh,
    Old,
    Missing,
}

/// A segment of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) flags: TcpFlags,
    /// Beside the peer's next number.
    pub(super) seq: i32,
    /// Beside the number after all that the other side has been told to send.
    pub(super) ack: i32,
    pub(super) len: u16,
    pub(super) window: Window,
    pub(super) urgent: u16,
    pub(super) stamp: Stamp,
    /// Reports as received: from, to, beside the same as `ack`.
    pub(super) sack: Option<(i32, i32)>,
    /// Options of a handshake where they do not belong.
    pub(super) misplaced: bool,
}

impl Segment {
    /// A segment with these flags, everything else as it should be.
    pub(super) const fn new(flags: TcpFlags) -> Self {
        Self {
            flags,
            seq: 0,
            ack: 0,
            len: 0,
            window: Window::Open,
            urgent: 0,
            stamp: Stamp::Fresh,
            sack: None,
            misplaced: false,
        }
    }

    pub(super) const fn at(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    pub(super) const fn acking(self, ack: i32) -> Self {
        Self { ack, ..self }
    }

    pub(super) const fn text(self, len: u16) -> Self {
        Self { len, ..self }
    }

    /// Whether it is what an honest peer might send next.
    pub(super) fn is_next(&self) -> bool {
        let odd = self.flags.contains(TcpFlags::RST) || self.stamp != Stamp::Fresh;
        self.seq == 0 && self.ack == 0 && self.flags.contains(TcpFlags::ACK) && !odd
    }
}

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Call(Call),
    Peer(Segment),
    /// Time passes.
    Wait(Duration),
}

/// The options of the peer's SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Profile {
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack: bool,
    pub(super) timestamps: bool,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Case {
    pub(super) ipv6: bool,
    pub(super) profile: Profile,
    pub(super) steps: Vec<Step>,
    /// How many of the first steps only lead to where it begins.
    pub(super) opening: usize,
}

impl Case {
    /// The same without one of its steps.
    pub(super) fn without(&self, at: usize) -> Self {
        let mut shorter = self.clone();
        shorter.steps.remove(at);
        shorter.opening -= usize::from(at < self.opening);
        shorter
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(len) => write!(f, "write {len}"),
            Self::Listen => f.write_str("listen"),
            Self::Connect => f.write_str("connect"),
            Self::Read => f.write_str("read"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Close => f.write_str("close"),
            Self::Abort => f.write_str("abort"),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seq{:+}", self.flags, self.seq)?;
        if self.flags.contains(TcpFlags::ACK) {
            write!(f, " ack{:+}", self.ack)?;
        }
        if self.len > 0 {
            write!(f, " len={}", self.len)?;
        }
        match self.window {
            Window::Open => {}
            Window::Small => f.write_str(" win=small")?,
            Window::Closed => f.write_str(" win=0")?,
        }
        if self.urgent > 0 {
            write!(f, " urg={}", self.urgent)?;
        }
        match self.stamp {
            Stamp::Fresh => {}
            Stamp::Old => f.write_str(" ts=old")?,
            Stamp::Missing => f.write_str(" ts=none")?,
        }
        if let Some((from, to)) = self.sack {
            write!(f, " sack{from:+}..{to:+}")?;
        }
        if self.misplaced { f.write_str(" misplaced") } else { Ok(()) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(f, "{call}"),
            Self::Peer(segment) => write!(f, "< {segment}"),
            Self::Wait(time) => write!(f, "+{}ms", time.as_millis()),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.mss.map(|mss| format!("mss {mss}")));
        words.extend(self.scale.map(|scale| format!("wscale {scale}")));
        words.extend(self.sack.then(|| "sackOK".to_owned()));
        words.extend(self.timestamps.then(|| "TS".to_owned()));
        if words.is_empty() { f.write_str("no options") } else { f.write_str(&words.join(", ")) }
    }
}
