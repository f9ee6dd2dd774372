//! What some options choose among: the ways that systems have of doing one thing. Decides nothing itself.

use crate::congestion::Custom;

/// Which congestion controller a connection uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Algorithm {
    /// NewReno: RFC 5681 and 6582.
    NewReno,
    /// CUBIC: RFC 9438. The default, as everywhere.
    #[default]
    Cubic,
    /// None: the peer's window is the only limit. For devices that lose nothing but what overflows their queue.
    Local,
    /// BBR, version 3: draft-ietf-ccwg-bbr. It models the path and paces, whatever else asks for pacing. For long or lossy
    /// paths; on memory and loopback devices pacing costs more than it gives.
    Bbr,
    /// The application's own.
    Custom(Custom),
}

impl Algorithm {
    /// Its name, as `ss` and Linux's `TCP_CONGESTION` have it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NewReno => "reno",
            Self::Cubic => "cubic",
            Self::Local => "local",
            Self::Bbr => "bbr",
            Self::Custom(custom) => custom.name(),
        }
    }
}

/// What ends CUBIC's slow start before the first loss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HyStart {
    /// Nothing: it lasts until something is lost.
    Off,
    /// HyStart++ (RFC 9406): where the round-trip time rises, slow start goes on more slowly, and ends if it stays there.
    #[default]
    Rfc9406,
    /// HyStart as it was first, and as Linux has it (`tcp_cubic.hystart`): it ends at once where the round-trip time rises, or where
    /// ACKs that follow each other closely fill half of the shortest round trip.
    Classic,
}

/// What segments say of the room in the receive buffer. That the window is never taken back, and that no segment goes out
/// to open it by little (RFC 9293 3.8.6.2.2), holds for all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WindowPolicy {
    /// The window opens by steps worth a segment, and rounding by the scale gives a little more than there is, as on Linux.
    #[default]
    Steps,
    /// The buffer is rounded up to whole segments, and each segment offers all that is free, as on FreeBSD. What fits into
    /// the buffer lies in the window, even where the window field cannot say so for want of a scale.
    Everything,
}

/// Which ICMP errors about its SYN end an active open. The others are remembered, and told if it times out (RFC 9293 3.9.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OpenErrors {
    /// None, as with FreeBSD's `icmp_may_rst=0`.
    Nothing,
    /// Those that say that the destination cannot be reached (RFC 5461 2.1).
    #[default]
    Unreachable,
    /// Those that RFC 9293 3.9.2.2 calls hard, what a filter forbids, and that the packet's time was exceeded on the way, as on
    /// FreeBSD. A network or host that cannot be reached now may be reached later.
    Hard,
}

/// When a listener answers SYNs with cookies (RFC 4987 3.6), as Linux `tcp_syncookies` has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cookies {
    /// Never: a SYN that finds the queue full is dropped.
    Never,
    /// Where the queue of half-open connections is full.
    #[default]
    WhenFull,
    /// Always: nothing is kept of a SYN.
    Always,
}

/// When to find out by probes what the path carries (RFC 4821, RFC 8899), for routers that do not tell, as Linux
/// `tcp_mtu_probing`. Lossless devices have no path to search.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MtuProbing {
    /// Never: what the device and ICMP say holds (Linux 0).
    Off,
    /// Once full segments have timed out three times in a row (Linux 1).
    #[default]
    BlackHole,
    /// From the beginning, starting with [`base_mss`](super::Options::base_mss) (Linux 2).
    Always,
}
