//! Packets as scripts describe them. What a script leaves out is `None`: chosen on the way in, not looked at on the way out.

use bowline_wire::{Ecn, TcpFlags};

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To the stack: the runner sends it.
    In,
    /// From the stack: it must be seen.
    Out,
}

/// A packet.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// Which way it goes.
    pub direction: Direction,
    /// The traffic class.
    pub tos: Tos,
    /// TTL, hop limit.
    pub ttl: Option<u8>,
    /// The IPv6 flow label.
    pub flow_label: Option<u32>,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// What is in it.
    pub body: Body,
}

/// What a script says of the traffic class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tos {
    /// Nothing.
    #[default]
    Any,
    /// `[ect0]`: the ECN bits.
    Ecn(Ecn),
    /// `[ect01]`: either of the ECN-capable marks; only on the way out.
    Ect01,
    /// `[dscp 0x0a]`, `[dscp 0x0a, ecn ce]`: the code point, and perhaps the ECN bits.
    Dscp(u8, Option<Ecn>),
    /// `[tos 0x10]`: the whole byte.
    Byte(u8),
}

/// What is in a packet.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram with so many bytes of payload.
    Udp(u16),
    /// An ICMP message.
    Icmp(Icmp),
}

/// A sequence number, and how it is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seq {
    /// As the connection's numbers are: relative, absolute in a SYN.
    Mapped(u32),
    /// `!`: as it stands on the wire.
    Absolute(u32),
    /// `...`: whatever it is; only on the way out.
    Any,
}

/// A TCP segment.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcp {
    /// The control bits; where `ace` is present, without AE, CWR and ECE.
    pub flags: TcpFlags,
    /// AccECN's counter in AE, CWR and ECE.
    pub ace: Option<u8>,
    /// The first sequence number.
    pub seq: Seq,
    /// Bytes of payload.
    pub len: u16,
    /// The acknowledgement number.
    pub ack: u32,
    /// The window, not scaled.
    pub window: Option<u16>,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options, in order; `None` is `<...>`.
    pub options: Option<Vec<TcpOption>>,
}

/// A TCP option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TcpOption {
    /// End of the list.
    End,
    /// Padding.
    Nop,
    /// Maximum segment size.
    Mss(u16),
    /// Window scale.
    WindowScale(u8),
    /// SACK permitted.
    SackPermitted,
    /// SACK blocks.
    Sack(Vec<(u32, u32)>),
    /// Timestamps.
    Timestamps {
        /// TSval; `None` is `...`.
        value: Option<u32>,
        /// TSecr.
        echo: u32,
        /// `!`: the echo is what stands on the wire.
        absolute: bool,
    },
    /// TCP Fast Open (RFC 7413), or its experimental form, with this cookie.
    FastOpen {
        /// Kind 254 with its magic number.
        experimental: bool,
        /// Nothing where a cookie is asked for.
        cookie: Vec<u8>,
    },
    /// A signature (RFC 2385).
    Md5(Md5),
    /// AccECN's counters (RFC 9768 3.2.3).
    AccEcn {
        /// 172 or 174 (or 254 with its experiment's number in `prefix`).
        kind: u8,
        /// An experiment's number.
        prefix: Option<u16>,
        /// 24-bit counters, in the order of the kind.
        counters: Vec<u32>,
    },
    /// Any other: kind and bytes.
    Other(u8, Vec<u8>),
}

/// What a script says of a signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Md5 {
    /// `md5 valid`
    Valid,
    /// `md5 invalid`
    Invalid,
    /// These bytes, which may be fewer than 16.
    Digest(Vec<u8>),
}

/// An ICMP message: type and code are numbers once the version is known, so that they are names here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// `unreachable`, `echo_reply`, `packet_too_big`, …, or a number.
    pub kind: String,
    /// `port_unreachable`, `frag_needed`, …, or a number.
    pub code: Option<String>,
    /// The next hop's MTU.
    pub mtu: Option<u32>,
    /// The identifier of an echo.
    pub ident: Option<u16>,
    /// The packet that it quotes.
    pub quoted: Option<Quoted>,
}

/// A packet of ours that an ICMP message quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quoted {
    /// A TCP segment that begins with this number, and has so many bytes of payload.
    Tcp(u32, u16),
    /// A UDP datagram with so many bytes of payload.
    Udp(u16),
    /// Bytes of an echo.
    Raw(u16),
}
