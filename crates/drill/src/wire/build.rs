//! Packets that a script sends, as bytes with right checksums.

use bowline_wire::icmp::HEADER as ICMP_HEADER;
use bowline_wire::{
    IpHeader, Protocol, SeqNumber, TcpFlags, TcpHeader, TrafficClass, UdpHeader, checksum, ip, tcp, udp,
};

use super::Ends;

/// What a script says of the IP header, as far as it says anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Network {
    /// The TOS byte.
    pub traffic_class: u8,
    /// TTL, hop limit; default 255, as from a neighbour.
    pub hop_limit: Option<u8>,
    /// The IPv6 flow label.
    pub flow_label: u32,
}

/// A TCP segment to send, in the numbers of the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
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
    /// The options' bytes, a multiple of four.
    pub options: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A TCP segment as an IP packet.
#[must_use]
pub fn tcp_packet(ends: Ends, network: Network, sent: &Sent) -> Vec<u8> {
    let header = TcpHeader {
        src_port: ends.src_port,
        dst_port: ends.dst_port,
        seq: SeqNumber(sent.seq),
        ack: SeqNumber(sent.ack),
        flags: sent.flags,
        window: sent.window,
        urgent: sent.urgent,
        ..TcpHeader::default()
    };
    let mut segment = vec![0; tcp::MIN_HEADER];
    header.emit(&mut segment);
    segment.extend_from_slice(&sent.options);
    let words = (segment.len() / 4) as u8;
    if let Some(offset) = segment.get_mut(12) {
        *offset = words << 4 | *offset & 0xf;
    }
    tcp::fill_checksum(ends.src, ends.dst, &mut segment, &[&sent.payload]);
    segment.extend_from_slice(&sent.payload);
    packet(ends, network, Protocol::TCP, &segment)
}

/// A UDP datagram as an IP packet.
#[must_use]
pub fn udp_packet(ends: Ends, network: Network, payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader { src_port: ends.src_port, dst_port: ends.dst_port, payload_len: payload.len() };
    let mut datagram = vec![0; udp::HEADER];
    header.emit(&mut datagram);
    udp::fill_checksum(ends.src, ends.dst, &mut datagram, &[payload]);
    datagram.extend_from_slice(payload);
    packet(ends, network, Protocol::UDP, &datagram)
}

/// An ICMP message as an IP packet: type, code, the second word, and what follows.
#[must_use]
pub fn icmp_packet(ends: Ends, network: Network, (kind, code): (u8, u8), word: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(ICMP_HEADER + body.len());
    message.extend([kind, code, 0, 0]);
    message.extend(word);
    message.extend_from_slice(body);
    let protocol = bowline_wire::icmp::Icmp::protocol(ends.src);
    let mut sum = match ends.src.is_ipv4() {
        true => checksum::Accumulator::new(),
        false => checksum::Accumulator::pseudo_header(ends.src, ends.dst, protocol, message.len()),
    };
    sum.add(&message);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.finish().to_be_bytes());
    }
    packet(ends, network, protocol, &message)
}

/// An IP packet.
fn packet(ends: Ends, network: Network, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let header = IpHeader {
        traffic_class: TrafficClass(network.traffic_class),
        hop_limit: network.hop_limit.unwrap_or(255),
        flow_label: network.flow_label,
        ..IpHeader::new(ends.src, ends.dst, protocol, payload.len())
    };
    let mut bytes = vec![0; header.emit_len()];
    ip::emit(&header, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// The beginning of a packet of ours, as a router quotes it: at most what an ICMP error has room for.
#[must_use]
pub fn quote(packet: &[u8]) -> &[u8] {
    // RFC 1812 4.3.2.3: 576 bytes in all; RFC 4443 2.4: 1280
    let most = if packet.first().is_some_and(|byte| byte >> 4 == 4) { 576 - 28 } else { 1280 - 48 };
    packet.get(..most).unwrap_or(packet)
}
