//! A packet comes in (RFC 1122 3.2, RFC 8200): is it well-formed, honest, for us, whole, and whose?
//!
//! Parses each header once. Decides nothing that a transport decides. Most packets need none of it: see `plain`.

mod plain;

use core::mem;
use core::net::SocketAddr;

use arrayvec::ArrayVec;
use bowline_base::Instant;
use bowline_tcp::reason::DropReason;
use bowline_tcp::state::State;
use bowline_tcp::trace::{Record, Trace};
use bowline_tcp::{Arrival, FourTuple};
use bowline_wire::ip::{self, IpError, IpHeader, IpReport, Protocol};
use bowline_wire::tcp::MAX_HEADER;
use bowline_wire::{
    Fragment, Piece, RxChecksum, RxPacket, Stretches, TcpHeader, UdpError, UdpHeader, checksum, icmp, ipv6, udp,
};
use bytes::{Buf, Bytes};

use crate::interface::{Cast, IfaceId, Refused};
use crate::reassembly::Outcome;
use crate::stack::Stack;
use crate::udp::Datagram;

/// A packet that was found acceptable, with what is known of it.
pub(crate) struct Inbound<'a> {
    pub(crate) interface: IfaceId,
    pub(crate) header: &'a IpHeader,
    pub(crate) cast: Cast,
    pub(crate) packet: &'a RxPacket,
}

impl Inbound<'_> {
    /// Its payload, which keeps the buffer alive.
    pub(crate) fn payload(&self) -> Bytes {
        let (from, len) = (self.header.header_len, self.header.payload_len);
        self.packet.data.slice(from..from + len)
    }
}

impl Stack {
    /// Takes a packet that came in by an interface.
    pub fn handle_packet(&mut self, now: Instant, interface: IfaceId, mut packet: RxPacket) {
        self.take_packet(now, interface, &mut packet);
    }

    /// The same. What of the packet is kept, is taken out of it.
    #[inline]
    pub(crate) fn take_packet(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) {
        if self.take_plain(now, interface, packet).is_none() {
            self.take_any(now, interface, packet);
        }
    }

    /// The same for a packet of any kind.
    #[inline(never)]
    fn take_any(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) {
        if !packet.more.is_empty() {
            if self.on_scattered(now, interface, packet).is_some() {
                return;
            }
            packet.gather();
        }
        let is_v4 = packet.data.first().is_none_or(|byte| byte >> 4 != 6);
        self.counters.ip_of(is_v4).in_receives += 1;
        // It is read where it was written: what is copied at once after it was written in parts has to wait for these.
        let parsed = ip::parse(&packet.data);
        let header = match &parsed {
            Ok(header) => header,
            Err(error) => return self.on_bad_header(now, interface, &packet.data, *error),
        };
        let Some(cast) = self.admit(interface, header) else { return };
        match header.fragment {
            None => self.deliver(now, (interface, cast), header, packet),
            Some(fragment) => self.on_fragment(now, &Inbound { interface, header, cast, packet }, fragment),
        }
    }

    /// Whether a packet is honest and for us, and how.
    pub(crate) fn admit(&mut self, id: IfaceId, header: &IpHeader) -> Option<Cast> {
        let counters = self.counters.ip_of(header.src.is_ipv4());
        match self.interfaces.admit(id, &header.src, &header.dst) {
            Ok(cast) => return Some(cast),
            Err(Refused::Martian) => counters.in_martians += 1,
            Err(Refused::NotOurs) => counters.in_addr_errors += 1,
        }
        None
    }

    /// RFC 8200 4.2 and 4.4 want the sender of some malformed packets told.
    #[cold]
    fn on_bad_header(&mut self, now: Instant, interface: IfaceId, data: &Bytes, error: IpError) {
        let is_v4 = data.first().is_none_or(|byte| byte >> 4 != 6);
        self.counters.ip_of(is_v4).in_hdr_errors += 1;
        let (code, pointer, even_multicast) = match error {
            IpError::Option { pointer, report: IpReport::Always } => (2, pointer, true),
            IpError::Option { pointer, report: IpReport::Unicast } => (2, pointer, false),
            IpError::Routing { pointer } => (0, pointer, false),
            _ => return,
        };
        let Some(header) = ipv6::parse_fixed(data) else { return };
        let Some(cast) = self.admit(interface, &header) else { return };
        if matches!(cast, Cast::Own | Cast::Any) || even_multicast {
            let problem = icmp::IcmpError::ParameterProblem { code, pointer: u32::from(pointer) };
            self.answer_with_error(now, interface, &header, data, problem);
        }
    }

    #[inline(never)]
    fn on_fragment(&mut self, now: Instant, inbound: &Inbound<'_>, fragment: Fragment) {
        let header = inbound.header;
        let is_v4 = header.src.is_ipv4();
        self.counters.ip_of(is_v4).reasm_reqds += 1;
        let data = header.payload(&inbound.packet.data);
        let before = self.reassembly.evicted;
        let outcome = self.reassembly.insert(now, header, fragment, data);
        let counters = self.counters.ip_of(is_v4);
        counters.reasm_fails += self.reassembly.evicted - before;
        let problem = |pointer| icmp::IcmpError::ParameterProblem { code: 0, pointer };
        match outcome {
            Outcome::Waiting => {}
            Outcome::Complete(data) => {
                counters.reasm_oks += 1;
                self.on_whole(now, inbound, data);
            }
            Outcome::Refused => counters.reasm_fails += 1,
            // RFC 8200 4.5: the pointer names the payload length, or the fragment offset.
            Outcome::BadLength | Outcome::TooLong => {
                counters.reasm_fails += 1;
                let pointer = if outcome == Outcome::BadLength { 4 } else { header.header_len as u32 - 6 };
                if !is_v4 && fragment.offset == 0 {
                    self.answer_with_error(now, inbound.interface, header, &inbound.packet.data, problem(pointer));
                }
            }
        }
    }

    /// A datagram has been put together: it is a packet like any other now, but for what the device knew about it.
    fn on_whole(&mut self, now: Instant, inbound: &Inbound<'_>, data: Bytes) {
        let Ok(header) = ip::parse(&data) else {
            self.counters.ip_of(inbound.header.src.is_ipv4()).in_hdr_errors += 1;
            return;
        };
        if header.fragment.is_some() {
            return; // a fragment in fragments (RFC 7112 allows it to be dropped)
        }
        let pinned = data.len();
        let mut packet =
            RxPacket { data, pinned, checksum: RxChecksum::Unverified, segment_size: None, more: Stretches::new() };
        self.deliver(now, (inbound.interface, inbound.cast), &header, &mut packet);
    }

    fn deliver(&mut self, now: Instant, (interface, cast): (IfaceId, Cast), header: &IpHeader, packet: &mut RxPacket) {
        let is_v4 = header.src.is_ipv4();
        if header.protocol == Protocol::TCP {
            self.counters.ip_of(is_v4).in_delivers += 1;
            return self.on_tcp(now, (interface, cast), header, packet);
        }
        let inbound = &Inbound { interface, header, cast, packet };
        match (header.protocol, is_v4) {
            (Protocol::UDP, _) => self.on_udp(now, inbound),
            (Protocol::ICMP, true) | (Protocol::ICMPV6, false) => self.on_icmp(now, inbound),
            (Protocol::NO_NEXT, false) => {} // RFC 8200 4.7: nothing is there
            _ => return self.on_unknown_protocol(now, inbound),
        }
        self.counters.ip_of(is_v4).in_delivers += 1;
    }

    /// RFC 1122 3.2.2.1 and RFC 8200 4: a transport that we do not know.
    #[cold]
    fn on_unknown_protocol(&mut self, now: Instant, inbound: &Inbound<'_>) {
        let Inbound { header, packet, .. } = *inbound;
        let is_v4 = header.src.is_ipv4();
        self.counters.ip_of(is_v4).in_unknown_protos += 1;
        let error = if is_v4 {
            icmp::IcmpError::Unreachable { code: icmp::unreachable4::PROTOCOL }
        } else {
            let pointer = ipv6::next_header_offset(header, &packet.data) as u32;
            icmp::IcmpError::ParameterProblem { code: 1, pointer }
        };
        self.refuse(now, inbound, error);
    }

    /// Answers with an ICMP error, if the packet was for us alone.
    fn refuse(&mut self, now: Instant, inbound: &Inbound<'_>, error: icmp::IcmpError) {
        if matches!(inbound.cast, Cast::Own | Cast::Any) {
            self.answer_with_error(now, inbound.interface, inbound.header, &inbound.packet.data, error);
        }
    }

    fn on_tcp(&mut self, now: Instant, (interface, cast): (IfaceId, Cast), ip: &IpHeader, packet: &mut RxPacket) {
        // RFC 9293 3.9.2.3, MUST-57: a SYN to a broadcast or multicast address is dropped; so is everything else there.
        if !matches!(cast, Cast::Own | Cast::Any) {
            self.counters.ip_of(ip.src.is_ipv4()).in_discards += 1;
            return;
        }
        let segment = ip.payload(&packet.data);
        let mut header = TcpHeader::default();
        let Ok(header_len) = header.read(segment) else {
            self.counters.tcp_in.in_errs += 1;
            return;
        };
        // RFC 9293 3.1, MUST-3.
        if packet.checksum == RxChecksum::Unverified && !checksum::is_valid(ip.src, ip.dst, Protocol::TCP, segment) {
            self.counters.tcp_in.in_csum_errors += 1;
            self.counters.tcp_in.in_errs += 1;
            return self.trace_bad_checksum(now, ip, header, segment.len() - header_len);
        }
        let head = if header.options.signature.is_some() { as_it_came(segment, header_len) } else { ArrayVec::new() };
        if self.hold(now, interface, ip, (&header, header_len), packet) {
            return;
        }
        let text = (ip.payload_len > header_len).then(|| {
            let mut data = mem::take(&mut packet.data);
            data.truncate(ip.header_len + ip.payload_len);
            data.advance(ip.header_len + header_len);
            Piece { data, pinned: packet.pinned }
        });
        self.deliver_segment(now, interface, (ip, &header, &head), text.as_slice(), packet.segment_size);
    }

    /// Hands TCP a segment for an address of ours, its checksum verified. Its header as it came may be left out where it is not
    /// signed.
    pub(crate) fn deliver_segment(
        &mut self,
        now: Instant,
        interface: IfaceId,
        (ip, header, head): (&IpHeader, &TcpHeader, &[u8]),
        text: &[Piece],
        segment_size: Option<u16>,
    ) {
        let Some(interface) = self.interfaces.get(interface) else { return };
        let local = SocketAddr::new(ip.dst, header.dst_port);
        let arrival = Arrival {
            tuple: FourTuple::new(local, SocketAddr::new(ip.src, header.src_port)),
            header,
            head,
            text,
            segment_size,
            mark: ip.ecn(),
            path: self.path(now, interface, ip.src),
        };
        self.tcp.handle_segment(now, &arrival);
    }

    #[cold]
    fn trace_bad_checksum(&mut self, at: Instant, ip: &IpHeader, header: TcpHeader, len: usize) {
        let trace = self.tcp.trace();
        if trace.is_enabled() {
            let local = SocketAddr::new(ip.dst, header.dst_port);
            let tuple = FourTuple::new(local, SocketAddr::new(ip.src, header.src_port));
            let dropped = Some(DropReason::Checksum);
            let what = Trace::Received { header, len: len as u32, dropped, state: State::Closed };
            trace.push(Record { at, tuple, id: 0, what });
        }
    }

    #[inline(never)]
    fn on_udp(&mut self, now: Instant, inbound: &Inbound<'_>) {
        let Inbound { header: ip, cast, packet, .. } = *inbound;
        let check = packet.checksum;
        let header = match UdpHeader::parse(ip.src, ip.dst, ip.payload(&packet.data), check) {
            Ok(header) => header,
            Err(error) => {
                self.counters.udp.in_errors += 1;
                self.counters.udp.in_csum_errors += u64::from(error == UdpError::Checksum);
                return;
            }
        };
        let destination = SocketAddr::new(ip.dst, header.dst_port);
        let source = SocketAddr::new(ip.src, header.src_port);
        let Some(key) = self.udp.find(destination, source) else {
            self.counters.udp.no_ports += 1;
            let (four, six) = (icmp::unreachable4::PORT, icmp::unreachable6::PORT);
            let code = if ip.src.is_ipv4() { four } else { six };
            return self.refuse(now, inbound, icmp::IcmpError::Unreachable { code });
        };
        // Multicast needs a group that was joined, and there are none.
        if cast == Cast::Multicast {
            self.counters.ip_of(ip.src.is_ipv4()).in_discards += 1;
            return;
        }
        let payload = inbound.payload().slice(udp::HEADER..udp::HEADER + header.payload_len);
        let (traffic_class, hop_limit) = (ip.traffic_class.0, ip.hop_limit);
        let segment_size = packet.segment_size;
        let datagram = Datagram { source, destination, payload, segment_size, traffic_class, hop_limit };
        if self.udp.deliver(key, datagram, packet.pinned) {
            self.counters.udp.in_datagrams += 1;
        } else {
            self.counters.udp.rcvbuf_errors += 1;
            self.counters.udp.in_errors += 1;
        }
    }
}

/// A copy of a segment's header, for what has to look at its very bytes: signatures.
#[cold]
fn as_it_came(segment: &[u8], len: usize) -> ArrayVec<u8, MAX_HEADER> {
    segment.get(..len).and_then(|head| head.try_into().ok()).unwrap_or_default()
}
