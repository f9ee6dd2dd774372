//! One view of an IP header for both versions: what the layers above need, and nothing that differs between the two.
//!
//! Decides which of [`crate::ipv4`] and [`crate::ipv6`] reads a packet. It must not know about transports or routing.

use crate::{ipv4, ipv6};
use core::fmt;
use core::net::IpAddr;

/// The protocol number of the payload (the IANA registry).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// IPv6 routing header.
    pub const ROUTING: Self = Self(43);
    /// IPv6 fragment header.
    pub const FRAGMENT: Self = Self(44);
    /// IPsec encapsulating security payload.
    pub const ESP: Self = Self(50);
    /// IPsec authentication header.
    pub const AUTHENTICATION: Self = Self(51);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// Nothing follows.
    pub const NO_NEXT: Self = Self(59);
    /// IPv6 destination options.
    pub const DESTINATION: Self = Self(60);
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("ICMP"),
            Self::TCP => f.write_str("TCP"),
            Self::UDP => f.write_str("UDP"),
            Self::ICMPV6 => f.write_str("ICMPv6"),
            Self(number) => write!(f, "protocol {number}"),
        }
    }
}

/// What the network tells about congestion (RFC 3168 section 5): the low two bits of the traffic class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// The transport does not understand ECN.
    #[default]
    NotEct,
    /// ECN-capable, the experimental meaning (L4S, RFC 9331).
    Ect1,
    /// ECN-capable.
    Ect0,
    /// Congestion experienced.
    Ce,
}

/// The IPv4 TOS byte, the IPv6 traffic class: DSCP in the upper six bits, ECN in the lower two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TrafficClass(pub u8);

impl TrafficClass {
    /// The class of a code point and an ECN mark. Only the low six bits of `dscp` count.
    #[must_use]
    pub const fn new(dscp: u8, ecn: Ecn) -> Self {
        Self(dscp << 2 | ecn as u8)
    }

    /// The differentiated services code point (RFC 2474).
    #[must_use]
    pub const fn dscp(self) -> u8 {
        self.0 >> 2
    }

    /// The congestion mark.
    #[inline]
    #[must_use]
    pub const fn ecn(self) -> Ecn {
        match self.0 & 3 {
            0 => Ecn::NotEct,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Ce,
        }
    }

    /// The same class with another congestion mark.
    #[must_use]
    pub const fn with_ecn(self, ecn: Ecn) -> Self {
        Self(self.0 & !3 | ecn as u8)
    }
}

/// Which part of a datagram a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The datagram's identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Where the payload belongs in the datagram's payload, in bytes; a multiple of 8.
    pub offset: u16,
    /// Whether more of the datagram follows.
    pub more: bool,
}

/// The header of an IP packet of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// The source address.
    pub src: IpAddr,
    /// The destination address, of the same version.
    pub dst: IpAddr,
    /// What the payload is. In an IPv6 packet, what follows the last extension header that was walked.
    pub protocol: Protocol,
    /// Routers that it may still pass.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: TrafficClass,
    /// The IPv4 identification of a packet that is no fragment, meaningful only where `dont_fragment` is not set
    /// (RFC 6864); zero in IPv6.
    pub ident: u16,
    /// The IPv6 flow label, 20 bits (RFC 6437); zero in IPv4.
    pub flow_label: u32,
    /// Bytes of the header with its options or extension headers. Set by `parse`; `emit` writes none of those, and ignores it.
    pub header_len: usize,
    /// Bytes that follow the header.
    pub payload_len: usize,
    /// Present where the packet is only a part of a datagram.
    pub fragment: Option<Fragment>,
    /// Whether routers must not fragment it. Always so in IPv6, where it is not written.
    pub dont_fragment: bool,
}

impl IpHeader {
    /// The hop limit of packets that we send, as Linux chooses it.
    pub const DEFAULT_HOP_LIMIT: u8 = 64;

    /// A header with the default hop limit, no marks, no fragmentation and "don't fragment".
    #[must_use]
    pub const fn new(src: IpAddr, dst: IpAddr, protocol: Protocol, payload_len: usize) -> Self {
        Self {
            src,
            dst,
            protocol,
            hop_limit: Self::DEFAULT_HOP_LIMIT,
            traffic_class: TrafficClass(0),
            ident: 0,
            flow_label: 0,
            header_len: if src.is_ipv4() { ipv4::MIN_HEADER } else { ipv6::HEADER },
            payload_len,
            fragment: None,
            dont_fragment: true,
        }
    }

    /// The bytes that [`emit`] writes.
    #[inline]
    #[must_use]
    pub const fn emit_len(&self) -> usize {
        match (self.src, self.fragment) {
            (IpAddr::V4(_), _) => ipv4::MIN_HEADER,
            (IpAddr::V6(_), None) => ipv6::HEADER,
            (IpAddr::V6(_), Some(_)) => ipv6::HEADER + ipv6::FRAGMENT_HEADER,
        }
    }

    /// The congestion mark.
    #[inline]
    #[must_use]
    pub const fn ecn(&self) -> Ecn {
        self.traffic_class.ecn()
    }

    /// The payload of `packet`, which this header was parsed from; without trailing padding.
    #[inline]
    #[must_use]
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.header_len..).and_then(|rest| rest.get(..self.payload_len)).unwrap_or_default()
    }
}

/// Why bytes are not an acceptable IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpError {
    /// The bytes end inside the header, or before the length that the header promises.
    Truncated,
    /// Neither version 4 nor version 6.
    Version,
    /// The header length is below the minimum or above the packet's length.
    HeaderLength,
    /// The IPv4 header checksum is wrong.
    Checksum,
    /// An IPv6 extension header overruns the packet, stands where it may not, or there are too many.
    Extension,
    /// An IPv6 option that must not be skipped. `pointer` is its offset in the packet (RFC 8200 4.2).
    Option {
        /// Where the option's type byte stands.
        pointer: u16,
        /// Whether the sender asked for an ICMP parameter problem, code 2.
        report: IpReport,
    },
    /// An IPv6 routing header that asks us to forward (RFC 5095: always refused). `pointer` is the offset of its type.
    Routing {
        /// Where the routing type byte stands.
        pointer: u16,
    },
}

/// Whether an unknown IPv6 option wants its sender told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpReport {
    /// Discard silently.
    Never,
    /// Tell the sender, unless the packet went to a multicast address.
    Unicast,
    /// Tell the sender in every case.
    Always,
}

impl fmt::Display for IpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "packet shorter than its headers say",
            Self::Version => "neither IPv4 nor IPv6",
            Self::HeaderLength => "IP header length out of range",
            Self::Checksum => "wrong IPv4 header checksum",
            Self::Extension => "malformed IPv6 extension headers",
            Self::Option { .. } => "IPv6 option that must not be skipped",
            Self::Routing { .. } => "IPv6 routing header with segments left",
        })
    }
}

impl core::error::Error for IpError {}

/// Parses the header of an IP packet of either version; `packet` may have trailing padding.
///
/// # Errors
/// See [`IpError`]. The IPv4 header checksum is always verified: no device leaves it out.
#[inline]
pub fn parse(packet: &[u8]) -> Result<IpHeader, IpError> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => ipv4::parse(packet),
        Some(6) => ipv6::parse(packet),
        Some(_) => Err(IpError::Version),
        None => Err(IpError::Truncated),
    }
}

/// Parses the header that an ICMP error quotes: lengths beyond the quotation and a wrong checksum are tolerated.
///
/// `payload_len` is what the header says, not what is there.
#[must_use]
pub fn parse_quoted(packet: &[u8]) -> Option<IpHeader> {
    match packet.first()? >> 4 {
        4 => ipv4::parse_quoted(packet),
        6 => ipv6::parse_quoted(packet),
        _ => None,
    }
}

/// Writes the header to the front of `out` and returns its length; zero where it does not fit, or where the addresses
/// are of two versions. `payload_len` is cut to what the length field can say.
#[inline]
pub fn emit(header: &IpHeader, out: &mut [u8]) -> usize {
    match (header.src, header.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ipv4::emit(header, src, dst, out),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ipv6::emit(header, src, dst, out),
        _ => 0,
    }
}
