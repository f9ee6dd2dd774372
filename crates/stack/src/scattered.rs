//! A TCP super-segment that does not lie in one piece: a device in memory hands over what the sender shares.
//!
//! Its pieces go to TCP as consecutive segments, without a copy. Decides only whether a packet is as plain as that needs;
//! any other is put together first and takes the ordinary way, where everything else is decided.

use core::net::SocketAddr;

use bowline_base::Instant;
use bowline_tcp::{Arrival, FourTuple};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{Ecn, RxChecksum, RxPacket, TcpFlags, TcpHeader, checksum, ipv4, ipv6};
use bytes::Bytes;

use crate::interface::{Cast, IfaceId};
use crate::stack::Stack;

/// The flags of a segment that can be split: the others mean something at a place in it, or to all of it.
const PLAIN: TcpFlags =
    TcpFlags::ACK.union(TcpFlags::PSH).union(TcpFlags::FIN).union(TcpFlags::ECE).union(TcpFlags::CWR);
/// The flags that belong to the last byte.
const AT_END: TcpFlags = TcpFlags::PSH.union(TcpFlags::FIN);

impl Stack {
    /// Takes a packet in pieces; `None` where it has to be put together first, and nothing has been done.
    pub(crate) fn on_scattered(&mut self, now: Instant, interface: IfaceId, packet: &RxPacket) -> Option<()> {
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
        let path = self.path(now, self.interfaces.get(interface)?, ip.src);
        let local = SocketAddr::new(ip.dst, header.dst_port);
        let tuple = FourTuple::new(local, SocketAddr::new(ip.src, header.src_port));
        let first = (packet.data.slice(start..), packet.pinned);
        let more = packet.more.iter().map(|piece| (piece.data.clone(), piece.pinned));
        let mut left = packet.len() - start;
        let mut next = header;
        for (payload, pinned) in core::iter::once(first).chain(more) {
            if payload.is_empty() {
                continue;
            }
            left -= payload.len();
            let following = next.seq + payload.len() as u32;
            let mut header = next.clone();
            header.flags.set(AT_END, false);
            if left == 0 {
                header.flags |= next.flags & AT_END;
            }
            self.tcp.handle_segment(
                now,
                &Arrival {
                    tuple,
                    header: &header,
                    payload,
                    pinned,
                    segment_size: packet.segment_size,
                    congestion_experienced: ip.ecn() == Ecn::Ce,
                    path,
                },
            );
            // RFC 3168 6.1.2: the first packet after the reduction says so.
            next.flags -= TcpFlags::CWR;
            next.seq = following;
        }
        Some(())
    }
}

/// The headers of a whole, plain TCP segment whose checksum needs no look, and where its text begins.
fn plain_headers(packet: &RxPacket) -> Option<(IpHeader, TcpHeader, usize)> {
    let data: &Bytes = &packet.data;
    let ip = ip::parse_quoted(data)?;
    let fixed = if ip.src.is_ipv4() { ipv4::MIN_HEADER } else { ipv6::HEADER };
    let is_plain = ip.protocol == Protocol::TCP
        && ip.fragment.is_none()
        && ip.header_len == fixed
        && ip.header_len + ip.payload_len == packet.len()
        && packet.checksum != RxChecksum::Unverified
        && (ip.src.is_ipv6() || checksum::checksum(data.get(..fixed)?) == 0);
    if !is_plain {
        return None;
    }
    let (header, len) = TcpHeader::parse(data.get(fixed..)?).ok()?;
    let start = fixed + len;
    (PLAIN.contains(header.flags) && packet.len() > start)
        .then_some((header, start))
        .map(|(header, start)| (ip, header, start))
}
