//! A packet that the stack sent, read whole: every field that a script can ask for, and whether its checksums are right.

use std::net::IpAddr;

use bowline_wire::{IpHeader, Protocol, RxChecksum, TcpFlags, TcpHeader, UdpHeader, checksum, ip, udp};

use super::{Ends, options};
use crate::script::TcpOption;

/// A packet that was seen.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// The IP header.
    pub ip: IpHeader,
    /// What is in it.
    pub transport: Transport,
}

/// What is in a packet.
#[derive(Clone, PartialEq, Debug)]
pub enum Transport {
    /// A TCP segment.
    Tcp(SeenTcp),
    /// A UDP datagram.
    Udp {
        /// Source and destination port.
        ports: (u16, u16),
        /// The payload.
        payload: Vec<u8>,
    },
    /// An ICMP message.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The second word: an MTU, an identifier and a number.
        word: u32,
        /// What follows.
        body: Vec<u8>,
    },
}

/// A TCP segment that was seen.
#[derive(Clone, PartialEq, Debug)]
pub struct SeenTcp {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// The control bits.
    pub flags: TcpFlags,
    /// The sequence number.
    pub seq: u32,
    /// The acknowledgement number.
    pub ack: u32,
    /// The window.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options.
    pub options: Vec<TcpOption>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Seen {
    /// Whether it is the answer to a ping (RFC 792, RFC 4443 4.2).
    #[must_use]
    pub fn is_echo_reply(&self) -> bool {
        let echo_reply = if self.ip.src.is_ipv4() { 0 } else { 129 };
        matches!(self.transport, Transport::Icmp { kind, .. } if kind == echo_reply)
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// What is wrong with it: the stack must not send such a packet.
    pub fn read(packet: &[u8]) -> Result<Self, String> {
        let ip = ip::parse(packet).map_err(|error| error.to_string())?;
        if ip.fragment.is_some() {
            return Err("a fragment".to_owned());
        }
        let payload = ip.payload(packet);
        let transport = match ip.protocol {
            Protocol::TCP => Transport::Tcp(tcp(&ip, payload)?),
            Protocol::UDP => {
                let header = UdpHeader::parse(ip.src, ip.dst, payload, RxChecksum::Unverified)
                    .map_err(|error| error.to_string())?;
                let body = payload.get(udp::HEADER..).unwrap_or_default();
                Transport::Udp { ports: (header.src_port, header.dst_port), payload: body.to_vec() }
            }
            Protocol::ICMP | Protocol::ICMPV6 => icmp(&ip, payload)?,
            other => return Err(format!("a packet of {other}")),
        };
        Ok(Self { ip, transport })
    }

    /// Who talks to whom; ICMP has no ports.
    #[must_use]
    pub const fn ends(&self) -> Ends {
        let (src_port, dst_port) = match &self.transport {
            Transport::Tcp(tcp) => tcp.ports,
            Transport::Udp { ports, .. } => *ports,
            Transport::Icmp { .. } => (0, 0),
        };
        Ends { src: self.ip.src, dst: self.ip.dst, src_port, dst_port }
    }

    /// The segment, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<&SeenTcp> {
        match &self.transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The version of its addresses.
    #[must_use]
    pub const fn is_v4(&self) -> bool {
        matches!(self.ip.src, IpAddr::V4(_))
    }
}

fn tcp(ip: &IpHeader, segment: &[u8]) -> Result<SeenTcp, String> {
    if !checksum::is_valid(ip.src, ip.dst, Protocol::TCP, segment) {
        return Err("a segment with a wrong checksum".to_owned());
    }
    let (header, len) = TcpHeader::parse(segment).map_err(|error| error.to_string())?;
    // RFC 9293 3.1: the reserved bits are sent as zero
    if segment.get(12).is_some_and(|byte| byte & 0xe != 0) {
        return Err("a segment with reserved bits".to_owned());
    }
    let raw = segment.get(bowline_wire::tcp::MIN_HEADER..len).unwrap_or_default();
    Ok(SeenTcp {
        ports: (header.src_port, header.dst_port),
        flags: header.flags,
        seq: header.seq.0,
        ack: header.ack.0,
        window: header.window,
        urgent: header.urgent,
        options: options::decode(raw),
        payload: segment.get(len..).unwrap_or_default().to_vec(),
    })
}

fn icmp(ip: &IpHeader, message: &[u8]) -> Result<Transport, String> {
    let [kind, code, _, _, w0, w1, w2, w3, ref body @ ..] = *message else {
        return Err("an ICMP message without a header".to_owned());
    };
    let is_valid = match ip.src {
        IpAddr::V4(_) => checksum::checksum(message) == 0,
        IpAddr::V6(_) => checksum::is_valid(ip.src, ip.dst, Protocol::ICMPV6, message),
    };
    if !is_valid {
        return Err("an ICMP message with a wrong checksum".to_owned());
    }
    Ok(Transport::Icmp { kind, code, word: u32::from_be_bytes([w0, w1, w2, w3]), body: body.to_vec() })
}
