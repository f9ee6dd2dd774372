//! The one exit for packets: adds IP headers and checksums, fragments what is too long, and cuts super-segments where the
//! device does not.
//!
//! Decides how a packet leaves, not whether. ICMP goes first, then TCP and UDP take turns. Most packets leave by `plain`.

mod plain;

use core::net::IpAddr;

use arrayvec::ArrayVec;
use bowline_base::{Instant, KeyedHash, Randomness};
use bowline_tcp::Departure;
use bowline_wire::checksum::Accumulator;
use bowline_wire::ip::{self, IpHeader, Protocol, TrafficClass};
use bowline_wire::packet::MAX_PACKET;
use bowline_wire::{
    Capabilities, Fragment, PartialChecksum, SegmentKind, Segmenter, TxPacket, UdpHeader, ipv6, tcp, udp,
};
use bytes::Bytes;

use crate::counters::Counters;
use crate::icmp::Control;
use crate::interface::{IfaceId, Interfaces};
use crate::pmtu::PathMtus;
use crate::reassembly::split;
use crate::stack::Stack;
use crate::udp::Outgoing;

use alloc::vec::Vec;

/// Room for the longest headers that we write: IPv6 and TCP with all options.
const MAX_HEAD: usize = 128;

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Turn {
    #[default]
    Tcp,
    Udp,
}

impl Stack {
    /// Builds the next packet and hands it to `transmit`; false where there is nothing to send now.
    ///
    /// One call hands over one packet, or all pieces of one: the fragments of a datagram, or the wire packets of a
    /// super-segment that the device does not take.
    pub fn poll_transmit(&mut self, now: Instant, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) -> bool {
        if let Some(control) = self.control.pop_front() {
            self.exit(now).control(&control, transmit);
            return true;
        }
        // Most have nothing but TCP to send, and ask until there is nothing.
        if self.udp.is_quiet() {
            self.turn = Turn::Udp;
            return !self.tcp.is_quiet() && self.transmit_tcp(now, transmit);
        }
        let first = self.turn;
        self.turn = if first == Turn::Tcp { Turn::Udp } else { Turn::Tcp };
        match first {
            Turn::Tcp => self.transmit_tcp(now, transmit) || self.transmit_udp(now, transmit),
            Turn::Udp => self.transmit_udp(now, transmit) || self.transmit_tcp(now, transmit),
        }
    }

    #[inline(never)]
    fn transmit_udp(&mut self, now: Instant, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) -> bool {
        let Some(outgoing) = self.udp.dequeue() else { return false };
        self.exit(now).udp(&outgoing, transmit);
        true
    }

    fn transmit_tcp(&mut self, now: Instant, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) -> bool {
        let Self { tcp, interfaces, paths, counters, random, public_hash, scratch, .. } = self;
        let mut exit = Exit { now, interfaces, paths, counters, random, hash: public_hash, scratch };
        tcp.poll_transmit(now, |departure| exit.tcp(departure, transmit)).is_some()
    }

    const fn exit(&mut self, now: Instant) -> Exit<'_> {
        let Self { interfaces, paths, counters, random, public_hash, scratch, .. } = self;
        Exit { now, interfaces, paths, counters, random, hash: public_hash, scratch }
    }
}

/// What is needed to let a packet out.
struct Exit<'a> {
    now: Instant,
    interfaces: &'a Interfaces,
    paths: &'a PathMtus,
    counters: &'a mut Counters,
    random: &'a mut Randomness,
    hash: &'a KeyedHash,
    /// For fragments.
    scratch: &'a mut Vec<u8>,
}

/// A transport header behind an IP header, and what follows it.
struct Parts<'a> {
    ip: &'a IpHeader,
    ip_len: usize,
    head: &'a mut [u8],
    /// Where the checksum stands in the transport header.
    checksum_offset: u16,
    payload: &'a [&'a [u8]],
    owners: &'a [Option<&'a Bytes>],
    segment: Option<(SegmentKind, u16)>,
}

impl Exit<'_> {
    fn tcp(&mut self, departure: &Departure<'_>, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) {
        let dst = departure.tuple.remote.ip();
        let Some((id, interface, _)) = self.interfaces.route(dst) else {
            self.counters.ip_of(dst.is_ipv4()).out_no_routes += 1;
            return;
        };
        if self.plain(id, &interface.capabilities, departure, transmit).is_none() {
            self.tcp_of_any_kind(id, &interface.capabilities, departure, transmit);
        }
    }

    #[inline(never)]
    fn tcp_of_any_kind(
        &mut self,
        id: IfaceId,
        capabilities: &Capabilities,
        departure: &Departure<'_>,
        transmit: &mut impl FnMut(IfaceId, TxPacket<'_>),
    ) {
        let (src, dst) = (departure.tuple.local.ip(), departure.tuple.remote.ip());
        let is_v4 = src.is_ipv4();
        let payload_len = departure.payload_len();
        let size = departure.segment_size.filter(|size| usize::from(*size) < payload_len);
        let mut ip = IpHeader::new(src, dst, Protocol::TCP, payload_len);
        ip.hop_limit = departure.hop_limit;
        if is_v4 && !departure.dont_fragment {
            // RFC 6864 4: whoever may be cut needs a number to be put together by; RFC 7739: not to be guessed.
            (ip.dont_fragment, ip.ident) = (false, self.random.next_u32() as u16);
        }
        ip.traffic_class = TrafficClass(departure.traffic_class);
        ip.flow_label = self.flow_label(src, dst, departure.header.src_port, departure.header.dst_port);
        // The IP header ends where TCP's begins, whatever its length: that place is known here.
        let mut head = [0; MAX_HEAD];
        let (before, after) = head.split_at_mut(ipv6::HEADER);
        let tcp_len = departure.header.emit(after);
        ip.payload_len += tcp_len;
        let ip_len = ip.emit_len();
        let start = before.len() - ip_len;
        ip::emit(&ip, before.get_mut(start..).unwrap_or_default());
        let kind = if is_v4 { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 };
        let Some(head) = head.get_mut(start..ipv6::HEADER + tcp_len) else { return };
        let parts = Parts {
            ip: &ip,
            ip_len,
            head,
            checksum_offset: tcp::CHECKSUM_OFFSET as u16,
            payload: departure.payload,
            owners: departure.owners,
            segment: size.map(|size| (kind, size)),
        };
        self.send(id, capabilities, parts, transmit);
    }

    fn udp(&mut self, outgoing: &Outgoing, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) {
        let (src, dst) = (outgoing.source.ip(), outgoing.destination.ip());
        let is_v4 = src.is_ipv4();
        let Some((id, interface, _)) = self.interfaces.route(dst) else {
            self.counters.ip_of(is_v4).out_no_routes += 1;
            return;
        };
        let (src_port, dst_port) = (outgoing.source.port(), outgoing.destination.port());
        let header = UdpHeader { src_port, dst_port, payload_len: outgoing.payload.len() };
        let mut ip = IpHeader::new(src, dst, Protocol::UDP, udp::HEADER + outgoing.payload.len());
        ip.hop_limit = outgoing.hop_limit;
        ip.traffic_class = TrafficClass(outgoing.traffic_class);
        ip.flow_label = self.flow_label(src, dst, src_port, dst_port);
        self.counters.udp.out_datagrams += 1;
        let mtu = usize::from(self.paths.get(self.now, dst, interface.capabilities.mtu));
        let size = outgoing.segment_size.filter(|size| usize::from(*size) < outgoing.payload.len());
        if size.is_none() && ip.emit_len() + ip.payload_len > mtu {
            let mut bytes = [0; udp::HEADER];
            header.emit(&mut bytes);
            udp::fill_checksum(src, dst, &mut bytes, &[&outgoing.payload]);
            return self.fragments(id, ip, mtu, &[&bytes, &outgoing.payload], transmit);
        }
        let mut head = [0; MAX_HEAD];
        let ip_len = ip::emit(&ip, &mut head);
        let udp_len = head.get_mut(ip_len..).map_or(0, |rest| header.emit(rest));
        let Some(head) = head.get_mut(..ip_len + udp_len) else { return };
        let parts = Parts {
            ip: &ip,
            ip_len,
            head,
            checksum_offset: udp::CHECKSUM_OFFSET as u16,
            payload: &[&outgoing.payload],
            owners: &[], // whoever takes it in wants it in one piece
            segment: size.map(|size| (SegmentKind::Udp, size)),
        };
        self.send(id, &interface.capabilities, parts, transmit);
    }

    fn control(&mut self, control: &Control, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) {
        let dst = control.header.dst;
        let by_route = || self.interfaces.route(dst).map(|(id, ..)| id);
        let id = control.interface.or_else(by_route);
        let Some((id, interface)) = id.and_then(|id| Some((id, self.interfaces.get(id)?))) else {
            self.counters.ip_of(dst.is_ipv4()).out_no_routes += 1;
            return;
        };
        let mtu = usize::from(self.paths.get(self.now, dst, interface.capabilities.mtu));
        let mut ip = control.header;
        if ip.emit_len() + control.message.len() > mtu {
            return self.fragments(id, ip, mtu, &[&control.message], transmit);
        }
        ip.ident = if dst.is_ipv4() { self.random.next_u32() as u16 } else { 0 };
        let mut head = [0; MAX_HEAD];
        let len = ip::emit(&ip, &mut head);
        let head = head.get(..len).unwrap_or_default();
        self.counters.ip_of(dst.is_ipv4()).out_requests += 1;
        transmit(id, TxPacket { head, payload: &[&control.message], owners: &[], checksum: None, segment: None });
    }

    /// Sends a packet that needs no fragments, with whatever help the device gives.
    fn send(
        &mut self,
        id: IfaceId,
        capabilities: &Capabilities,
        parts: Parts<'_>,
        transmit: &mut impl FnMut(IfaceId, TxPacket<'_>),
    ) {
        let Parts { ip, ip_len, head, checksum_offset, payload, owners, segment } = parts;
        let is_v4 = ip.src.is_ipv4();
        let cuts = match segment {
            Some((SegmentKind::Udp, _)) => capabilities.udp_segmentation,
            Some(_) => capabilities.tcp_segmentation,
            None => true,
        };
        let fits = ip_len + ip.payload_len <= MAX_PACKET;
        self.counters.ip_of(is_v4).out_requests += 1;
        if segment.is_some() && !(cuts && fits && capabilities.checksum) {
            return cut(id, &TxPacket { head, payload, owners, checksum: None, segment }, transmit);
        }
        if !fits {
            self.counters.ip_of(is_v4).out_discards += 1;
            return;
        }
        let Some(transport) = head.get_mut(ip_len..) else { return };
        let checksum = if capabilities.checksum {
            let pseudo = Accumulator::pseudo_header(ip.src, ip.dst, ip.protocol, ip.payload_len);
            let at = usize::from(checksum_offset);
            if let Some(field) = transport.get_mut(at..at + 2) {
                field.copy_from_slice(&pseudo.partial().to_be_bytes());
            }
            Some(PartialChecksum { start: ip_len as u16, offset: checksum_offset })
        } else if ip.protocol == Protocol::TCP {
            tcp::fill_checksum(ip.src, ip.dst, transport, payload);
            None
        } else {
            udp::fill_checksum(ip.src, ip.dst, transport, payload);
            None
        };
        transmit(id, TxPacket { head, payload, owners, checksum, segment });
    }

    /// Sends a datagram in fragments (RFC 791 2.3, RFC 8200 4.5). Their bytes are `parts`, one after the other.
    fn fragments(
        &mut self,
        id: IfaceId,
        mut ip: IpHeader,
        mtu: usize,
        parts: &[&[u8]],
        transmit: &mut impl FnMut(IfaceId, TxPacket<'_>),
    ) {
        let is_v4 = ip.src.is_ipv4();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        // RFC 7739: not to be guessed.
        let number = self.random.next_u32();
        let ident = if is_v4 { number & 0xffff } else { number };
        ip.dont_fragment = false;
        ip.fragment = Some(Fragment { id: ident, offset: 0, more: true });
        let header_len = ip.emit_len();
        let mut created = 0;
        for (range, more) in split(total, header_len, mtu) {
            let fragment = Fragment { id: ident, offset: range.start as u16, more };
            let header = IpHeader { fragment: Some(fragment), payload_len: range.len(), ..ip };
            self.scratch.resize(header_len, 0);
            ip::emit(&header, self.scratch);
            let mut skip = range.start;
            let mut take = range.len();
            for part in parts {
                let rest = part.get(skip.min(part.len())..).unwrap_or_default();
                let piece = rest.get(..take.min(rest.len())).unwrap_or_default();
                self.scratch.extend_from_slice(piece);
                (skip, take) = (skip.saturating_sub(part.len()), take - piece.len());
            }
            transmit(id, TxPacket { head: self.scratch, payload: &[], owners: &[], checksum: None, segment: None });
            created += 1;
        }
        let counters = self.counters.ip_of(is_v4);
        counters.frag_creates += created;
        counters.out_requests += created;
        *(if created > 0 { &mut counters.frag_oks } else { &mut counters.frag_fails }) += 1;
    }

    /// A label that is the same for all packets of a flow and tells nothing else (RFC 6437); zero in IPv4.
    fn flow_label(&self, src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16) -> u32 {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) else { return 0 };
        let (src, dst) = (src.to_bits(), dst.to_bits());
        let ports = u64::from(src_port) << 16 | u64::from(dst_port);
        let hash = self.hash.hash(&[src as u64, (src >> 64) as u64, dst as u64, (dst >> 64) as u64, ports]);
        (hash as u32 & 0xf_ffff).max(1)
    }
}

/// Sends a super-segment as wire packets with complete checksums. Their payload is borrowed from its parts.
#[inline(never)]
fn cut(id: IfaceId, packet: &TxPacket<'_>, transmit: &mut impl FnMut(IfaceId, TxPacket<'_>)) {
    let (mut head, mut parts) = ([0; MAX_HEAD], ArrayVec::new());
    let mut segmenter = Segmenter::new(packet);
    loop {
        let first = segmenter.part();
        let Some(len) = segmenter.next_borrowed(&mut head, &mut parts) else { break };
        let head = head.get(..len).unwrap_or_default();
        let owners = packet.owners.get(first..first + parts.len()).unwrap_or_default();
        transmit(id, TxPacket { head, payload: &parts, owners, checksum: None, segment: None });
    }
}
