//! ICMP for both versions (RFC 792, RFC 4443) in one shape: echo, and errors that quote a packet of ours.
//!
//! Decides what a message says. Whether to believe it (RFC 5927) is decided by the transport whose packet it quotes.
//! Source quench (RFC 6633), redirects and the timestamp messages are [`Icmp::Other`]: nobody here acts on them.

use crate::checksum::{self, Accumulator};
use crate::ip::{self, IpHeader, Protocol};
use crate::packet::RxChecksum;
use crate::{u16_at, u32_at};
use core::fmt;
use core::net::IpAddr;

/// The length of the header of every message that we know, in bytes.
pub const HEADER: usize = 8;

/// What an ICMP error says, for both versions. The codes are those of the version in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// The packet could not be delivered. Codes: [`unreachable4`], [`unreachable6`].
    Unreachable {
        /// Why.
        code: u8,
    },
    /// The packet was too big for a link on its way and must not be fragmented (RFC 1191, RFC 8201).
    PacketTooBig {
        /// The largest packet that fits, IP header included; zero from an IPv4 router older than RFC 1191.
        mtu: u32,
    },
    /// The hop limit ran out (code 0), or reassembly took too long (code 1).
    TimeExceeded {
        /// Which of the two.
        code: u8,
    },
    /// A field of the packet was not understood.
    ParameterProblem {
        /// What about it.
        code: u8,
        /// Where the field stands, in bytes from the start of the packet; eight bits in IPv4.
        pointer: u32,
    },
}

/// Codes of IPv4's "destination unreachable" (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1).
#[allow(missing_docs, reason = "the names say it")]
pub mod unreachable4 {
    pub const NETWORK: u8 = 0;
    pub const HOST: u8 = 1;
    pub const PROTOCOL: u8 = 2;
    pub const PORT: u8 = 3;
    pub const SOURCE_ROUTE_FAILED: u8 = 5;
    pub const NETWORK_PROHIBITED: u8 = 9;
    pub const HOST_PROHIBITED: u8 = 10;
    pub const PROHIBITED: u8 = 13;
}

/// Codes of IPv6's "destination unreachable" (RFC 4443 3.1).
#[allow(missing_docs, reason = "the names say it")]
pub mod unreachable6 {
    pub const NO_ROUTE: u8 = 0;
    pub const PROHIBITED: u8 = 1;
    pub const BEYOND_SCOPE: u8 = 2;
    pub const ADDRESS: u8 = 3;
    pub const PORT: u8 = 4;
    pub const POLICY: u8 = 5;
    pub const REJECT_ROUTE: u8 = 6;
}

/// An ICMP message of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmp<'a> {
    /// A ping.
    EchoRequest {
        /// Which program asks.
        ident: u16,
        /// Its number.
        sequence: u16,
        /// To be sent back.
        data: &'a [u8],
    },
    /// The answer to a ping.
    EchoReply {
        /// As in the request.
        ident: u16,
        /// As in the request.
        sequence: u16,
        /// As in the request.
        data: &'a [u8],
    },
    /// An error, with as much of the packet that caused it as its sender cared to quote.
    Error {
        /// What happened.
        error: IcmpError,
        /// The start of the packet; see [`Quoted::parse`].
        quoted: &'a [u8],
    },
    /// Anything else.
    Other {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

/// Why bytes are not an acceptable ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpParseError {
    /// Shorter than the header.
    Truncated,
    /// The checksum is wrong.
    Checksum,
}

impl fmt::Display for IcmpParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "ICMP message shorter than its header",
            Self::Checksum => "wrong ICMP checksum",
        })
    }
}

impl core::error::Error for IcmpParseError {}

/// Types of both versions: echo request, echo reply, unreachable, time exceeded, parameter problem.
struct Types {
    request: u8,
    reply: u8,
    unreachable: u8,
    time_exceeded: u8,
    parameter: u8,
}

const V4: Types = Types { request: 8, reply: 0, unreachable: 3, time_exceeded: 11, parameter: 12 };
const V6: Types = Types { request: 128, reply: 129, unreachable: 1, time_exceeded: 3, parameter: 4 };
/// Types of IPv4 errors that we do not act on: source quench (RFC 9293 3.9.2.2, MUST-55) and redirect.
const V4_OTHER_ERRORS: [u8; 2] = [4, 5];
/// IPv4's unreachable code that is IPv6's type of its own.
const V4_FRAGMENTATION_NEEDED: u8 = 4;
const V6_PACKET_TOO_BIG: u8 = 2;

const fn types(is_v4: bool) -> &'static Types {
    if is_v4 { &V4 } else { &V6 }
}

impl<'a> Icmp<'a> {
    /// The protocol number of ICMP in the version of `address`.
    #[must_use]
    pub const fn protocol(address: IpAddr) -> Protocol {
        if address.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 }
    }

    /// Parses a message, the payload of an IP packet between these addresses; they decide the version. The checksum is
    /// looked at where `check` says [`RxChecksum::Unverified`].
    ///
    /// # Errors
    /// Too short, or a wrong checksum.
    pub fn parse(src: IpAddr, dst: IpAddr, message: &'a [u8], check: RxChecksum) -> Result<Self, IcmpParseError> {
        let is_v4 = src.is_ipv4();
        let [kind, code, ..] = *message.first_chunk::<HEADER>().ok_or(IcmpParseError::Truncated)?;
        if check == RxChecksum::Unverified {
            let is_valid = if is_v4 {
                checksum::checksum(message) == 0
            } else {
                checksum::is_valid(src, dst, Protocol::ICMPV6, message)
            };
            if !is_valid {
                return Err(IcmpParseError::Checksum);
            }
        }
        let data = message.get(HEADER..).unwrap_or_default();
        let word = u32_at(message, 4).unwrap_or_default();
        let (ident, sequence) = ((word >> 16) as u16, word as u16);
        let types = types(is_v4);
        let error = |error| Self::Error { error, quoted: data };
        Ok(match kind {
            kind if kind == types.request && code == 0 => Self::EchoRequest { ident, sequence, data },
            kind if kind == types.reply && code == 0 => Self::EchoReply { ident, sequence, data },
            kind if kind == types.unreachable && is_v4 && code == V4_FRAGMENTATION_NEEDED => {
                error(IcmpError::PacketTooBig { mtu: word & 0xffff })
            }
            kind if kind == types.unreachable => error(IcmpError::Unreachable { code }),
            kind if kind == types.time_exceeded => error(IcmpError::TimeExceeded { code }),
            kind if kind == types.parameter => {
                error(IcmpError::ParameterProblem { code, pointer: if is_v4 { word >> 24 } else { word } })
            }
            V6_PACKET_TOO_BIG if !is_v4 => error(IcmpError::PacketTooBig { mtu: word }),
            kind => Self::Other { kind, code },
        })
    }

    /// Whether a message with this type byte is an error, to which no error may answer (RFC 1122 3.2.2, RFC 4443 2.4).
    #[must_use]
    pub fn is_error_type(is_v4: bool, kind: u8) -> bool {
        if is_v4 {
            [V4.unreachable, V4.time_exceeded, V4.parameter].contains(&kind) || V4_OTHER_ERRORS.contains(&kind)
        } else {
            kind < 128 // RFC 4443 2.1
        }
    }

    /// The bytes that [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn emit_len(&self) -> usize {
        HEADER
            + match self {
                Self::EchoRequest { data, .. } | Self::EchoReply { data, .. } => data.len(),
                Self::Error { quoted, .. } => quoted.len(),
                Self::Other { .. } => 0,
            }
    }

    /// Writes the message with its checksum to the front of `out`; returns its length, zero where it does not fit.
    pub fn emit(&self, src: IpAddr, dst: IpAddr, out: &mut [u8]) -> usize {
        let is_v4 = src.is_ipv4();
        let types = types(is_v4);
        let echo = |ident: u16, sequence: u16| u32::from(ident) << 16 | u32::from(sequence);
        let (kind, code, word, data) = match *self {
            Self::EchoRequest { ident, sequence, data } => (types.request, 0, echo(ident, sequence), data),
            Self::EchoReply { ident, sequence, data } => (types.reply, 0, echo(ident, sequence), data),
            Self::Error { error, quoted } => {
                let (kind, code, word) = error_fields(error, is_v4);
                (kind, code, word, quoted)
            }
            Self::Other { kind, code } => (kind, code, 0, &[][..]),
        };
        let len = self.emit_len();
        let Some((header, body)) = out.get_mut(..len).and_then(<[u8]>::split_first_chunk_mut::<HEADER>) else {
            return 0;
        };
        let [w0, w1, w2, w3] = word.to_be_bytes();
        *header = [kind, code, 0, 0, w0, w1, w2, w3];
        let mut sum = match is_v4 {
            true => Accumulator::new(),
            false => Accumulator::pseudo_header(src, dst, Protocol::ICMPV6, len),
        };
        sum.add(header);
        sum.copy(body, data);
        crate::put(header, 2, &sum.finish().to_be_bytes());
        len
    }
}

/// Type, code and second word of an error.
fn error_fields(error: IcmpError, is_v4: bool) -> (u8, u8, u32) {
    let types = types(is_v4);
    match error {
        IcmpError::Unreachable { code } => (types.unreachable, code, 0),
        IcmpError::PacketTooBig { mtu } if is_v4 => {
            (types.unreachable, V4_FRAGMENTATION_NEEDED, mtu.min(u32::from(u16::MAX)))
        }
        IcmpError::PacketTooBig { mtu } => (V6_PACKET_TOO_BIG, 0, mtu),
        IcmpError::TimeExceeded { code } => (types.time_exceeded, code, 0),
        IcmpError::ParameterProblem { code, pointer } => {
            (types.parameter, code, if is_v4 { pointer << 24 } else { pointer })
        }
    }
}

/// The packet that an ICMP error quotes, as far as it is there. It was sent by us, if the error is honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// Its IP header. `payload_len` is what it says, not what is quoted.
    pub header: IpHeader,
    /// The start of its transport header; at least eight bytes from an honest sender, but none at all in a later fragment.
    pub transport: &'a [u8],
}

impl<'a> Quoted<'a> {
    /// Reads what an error quotes; `None` where not even the IP header is there.
    #[must_use]
    pub fn parse(quoted: &'a [u8]) -> Option<Self> {
        let header = ip::parse_quoted(quoted)?;
        let transport = quoted.get(header.header_len..)?;
        let transport = transport.get(..header.payload_len).unwrap_or(transport);
        let begins_inside = header.fragment.is_some_and(|fragment| fragment.offset > 0);
        Some(Self { header, transport: if begins_inside { &[] } else { transport } })
    }

    /// Source and destination port of a quoted TCP segment or UDP datagram.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.header.protocol {
            Protocol::TCP | Protocol::UDP => Some((u16_at(self.transport, 0)?, u16_at(self.transport, 2)?)),
            _ => None,
        }
    }

    /// The sequence number of a quoted TCP segment, by which its connection can tell an honest error (RFC 5927 4.1).
    #[must_use]
    pub fn tcp_seq(&self) -> Option<crate::SeqNumber> {
        (self.header.protocol == Protocol::TCP).then_some(crate::SeqNumber(u32_at(self.transport, 4)?))
    }

    /// Identifier and sequence number of a quoted echo request.
    #[must_use]
    pub fn echo(&self) -> Option<(u16, u16)> {
        let is_v4 = self.header.src.is_ipv4();
        let is_echo = self.header.protocol == Icmp::protocol(self.header.src)
            && self.transport.first() == Some(&types(is_v4).request);
        if is_echo { Some((u16_at(self.transport, 4)?, u16_at(self.transport, 6)?)) } else { None }
    }
}

#[cfg(test)]
mod tests;
