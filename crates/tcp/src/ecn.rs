//! Explicit congestion notification as values: which feedback two SYNs agree on, and how AccECN's handshake tells what
//! became of the ECN field of a SYN (RFC 3168 6.1.1; RFC 9768 3.1 and 3.2.2.1).
//!
//! | room | decides |
//! |---|---|
//! | here | who agrees on what; the handshake's encoding of the ECN field, and what its changes mean |
//! | [`counts`] | the counters themselves, of both |
//! | [`receiver`] | what has arrived with which mark, and what of it is due to be told |
//! | [`sender`] | what the peer's counters say has arrived there |
//!
//! It must not know connections: they have the counters, see the segments and act on what is found out.

use bowline_wire::Ecn;
use bowline_wire::tcp::TcpFlags;

pub mod counts;
pub mod receiver;
pub mod sender;
#[cfg(test)]
mod tests;

/// How a receiver tells the sender of congestion marks. The order is that of what they can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum EcnMode {
    /// Not at all.
    #[default]
    Off,
    /// By an echo, once a round trip (RFC 3168).
    Classic,
    /// By counters in each segment: AccECN (RFC 9768).
    Accurate,
}

/// When AccECN's options go along with its counter of three bits, as Linux's `tcp_ecn_option`. Whatever is chosen, the
/// options of a peer are read; ours are sent to a peer whose options have come through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum EcnOption {
    /// Never.
    Never,
    /// After a change of the marks, and so often in a round trip ([`Options::ecn_option_beacon`](crate::Options)).
    OnChange,
    /// In each segment with room for it, unless the path turns out to drop it.
    #[default]
    Always,
    /// In each segment with room for it, whatever the path does.
    Persistently,
}

/// What a handshake has agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EcnAgreement {
    /// The kind of feedback.
    pub mode: EcnMode,
    /// The mark of the peer's latest SYN or SYN-ACK, which AccECN feeds back.
    pub mark: Ecn,
    /// Where a SYN came, or a SYN-ACK was sent, without any of the flags although AccECN was agreed on: the peer may know
    /// nothing of it, and nothing that we send may be marked as capable.
    pub mute: Mute,
}

/// Which segments without flags were seen in an AccECN handshake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Mute {
    /// A SYN-ACK of ours.
    pub sent: bool,
    /// A SYN of the peer's.
    pub received: bool,
}

impl EcnAgreement {
    /// No ECN.
    pub const NONE: Self = Self::new(EcnMode::Off, Ecn::NotEct);

    /// This kind of feedback, where the peer's SYN or SYN-ACK had this mark.
    #[must_use]
    pub const fn new(mode: EcnMode, mark: Ecn) -> Self {
        Self { mode, mark, mute: Mute { sent: false, received: false } }
    }

    /// The flags of a SYN-ACK that says so (RFC 3168 6.1.1: ECE alone; RFC 9768 3.1.1, RFC9768-3.1.1-1, table 2).
    #[must_use]
    pub const fn flags(&self) -> TcpFlags {
        match self.mode {
            EcnMode::Off => TcpFlags::empty(),
            EcnMode::Classic => TcpFlags::ECE,
            EcnMode::Accurate => flags(reflect(self.mark)),
        }
    }
}

impl EcnMode {
    /// The flags of a SYN that asks for it.
    #[must_use]
    pub const fn request(self) -> TcpFlags {
        match self {
            Self::Off => TcpFlags::empty(),
            Self::Classic => TcpFlags::ECE.union(TcpFlags::CWR),
            Self::Accurate => flags(7),
        }
    }

    /// What a host that is ready for this agrees to when it gets a SYN with these flags.
    // RFC 9768 3.1.2, RFC9768-3.1.2-2, RFC9768-3.1.2-3; 3.1.3, RFC9768-3.1.3-1: but for none of the flags and the two of RFC 3168, every combination asks for AccECN.
    #[must_use]
    pub fn answer(self, syn: TcpFlags) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Classic if syn.contains(Self::Classic.request()) => Self::Classic,
            Self::Classic => Self::Off,
            Self::Accurate => match ace(syn) {
                0 => Self::Off,
                3 => Self::Classic,
                _ => Self::Accurate,
            },
        }
    }

    /// What is agreed on where a SYN that asked for this is answered by a SYN-ACK with these flags.
    // RFC 9768 3.1.2, RFC9768-3.1.2-1, table 2: all three flags come from a host that sends back what it gets. 3.1.3,
    // RFC9768-3.1.3-2: the fifth combination is reserved, and means AccECN.
    #[must_use]
    pub fn conclude(self, syn_ack: TcpFlags) -> Self {
        match self {
            Self::Off => Self::Off,
            // RFC 3168 6.1.1: a SYN-ACK agrees with ECE alone.
            Self::Classic if syn_ack.contains(TcpFlags::ECE) && !syn_ack.contains(TcpFlags::CWR) => Self::Classic,
            Self::Classic => Self::Off,
            Self::Accurate => match ace(syn_ack) {
                0 | 7 => Self::Off,
                1 => Self::Classic,
                _ => Self::Accurate,
            },
        }
    }

    /// Its name, as users know it: `off`, `classic`, `accurate`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Classic => "classic",
            Self::Accurate => "accurate",
        }
    }
}

/// AE, CWR and ECE as the number that they are in AccECN (RFC 9768 3.2.2).
#[must_use]
pub const fn ace(flags: TcpFlags) -> u8 {
    (flags.bits() >> 6) as u8 & 7
}

/// A number, of which three bits count, as AE, CWR and ECE.
#[must_use]
pub const fn flags(ace: u8) -> TcpFlags {
    TcpFlags::from_bits_truncate((ace as u16 & 7) << 6)
}

/// How the handshake feeds back a mark: on a SYN-ACK (RFC 9768 3.1.1, table 2), and on its acknowledgement (table 3).
#[must_use]
pub const fn reflect(mark: Ecn) -> u8 {
    match mark {
        Ecn::NotEct => 0b010,
        Ecn::Ect1 => 0b011,
        Ecn::Ect0 => 0b100,
        Ecn::Ce => 0b110,
    }
}

/// Which mark the handshake fed back; `None` for values that it does not use (RFC 9768 3.2.2.1, table 4).
#[must_use]
pub const fn reflected(ace: u8) -> Option<Ecn> {
    match ace & 7 {
        0b010 => Some(Ecn::NotEct),
        0b011 => Some(Ecn::Ect1),
        0b100 => Some(Ecn::Ect0),
        0b110 => Some(Ecn::Ce),
        _ => None,
    }
}

/// Whether a path may make the one mark out of the other (RFC 9768 3.2.2.3, RFC 3168 18): an ECT becomes the other one, or
/// CE; nothing else changes.
#[must_use]
pub fn may_become(sent: Ecn, received: Ecn) -> bool {
    sent == received || (matches!(sent, Ecn::Ect0 | Ecn::Ect1) && received != Ecn::NotEct)
}
