//! A TCP super-segment that does not lie in one piece: a device in memory hands over what the sender shares.
//!
//! Its pieces go to TCP as they are, without a copy. Decides only whether a packet is as plain as that needs; any other is
//! put together first and takes the ordinary way, where everything else is decided.

use bowline_base::Instant;
use bowline_wire::checksum::Accumulator;
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{Piece, RxChecksum, RxPacket, TcpHeader, checksum, ipv4, ipv6};
use bytes::Bytes;

use crate::interface::{Cast, IfaceId};
use crate::stack::Stack;

impl Stack {
    /// Takes a packet in pieces; `None` where it has to be put together first, and nothing has been done.
    #[inline(never)]
    pub(crate) fn on_scattered(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) -> Option<()> {
        let (ip, header, start) = plain_headers(packet)?;
        let counters = self.counters.ip_of(ip.src.is_ipv4());
        counters.in_receives += 1;
        match self.admit(interface, &ip) {
            Some(Cast::Own | Cast::Any) => {}
            Some(_) => {
                self.counters.ip_of(ip.src.is_ipv4()).in_discards += 1;
                return Some(());
            }
            None => return Some(()),
        }
        self.counters.ip_of(ip.src.is_ipv4()).in_delivers += 1;
        if self.hold(now, interface, &ip, (&header, start - ip.header_len), packet) {
            return Some(());
        }
        let mut text = self.runs.list();
        if start < packet.data.len() {
            text.push(Piece { data: packet.data.slice(start..), pinned: packet.pinned });
        }
        text.extend(packet.more.drain(..).map(Piece::from));
        let head = packet.data.get(ip.header_len..start).unwrap_or_default();
        self.deliver_segment(now, interface, (&ip, &header, head), &text, packet.segment_size);
        self.runs.give_back(text);
        Some(())
    }
}

/// The headers of a whole, plain TCP segment whose checksum is correct, and where its text begins.
fn plain_headers(packet: &RxPacket) -> Option<(IpHeader, TcpHeader, usize)> {
    let data: &Bytes = &packet.data;
    let ip = ip::parse_quoted(data)?;
    let fixed = if ip.src.is_ipv4() { ipv4::MIN_HEADER } else { ipv6::HEADER };
    let is_plain = ip.protocol == Protocol::TCP
        && ip.fragment.is_none()
        && ip.header_len == fixed
        && ip.header_len + ip.payload_len == packet.len()
        && (ip.src.is_ipv6() || checksum::checksum(data.get(..fixed)?) == 0);
    if !is_plain {
        return None;
    }
    let segment = data.get(fixed..)?;
    let (header, len) = TcpHeader::parse(segment).ok()?;
    let is_intact = packet.checksum != RxChecksum::Unverified || {
        // RFC 9293 3.1, MUST-3.
        let mut sum = Accumulator::pseudo_header(ip.src, ip.dst, Protocol::TCP, ip.payload_len);
        sum.add(segment);
        packet.more.iter().for_each(|stretch| sum.add(stretch.bytes()));
        sum.finish() == 0
    };
    is_intact.then_some((ip, header, fixed + len))
}
