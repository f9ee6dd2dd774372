//! The way in of most packets: a [plain] one, from and to the hosts that the packet before was from and for, whose
//! segment has a correct checksum and no signature.
//!
//! Decides only whether a packet is such a one; it is then treated as any other way would treat it, at less cost. Of what is
//! not, nothing has been done or counted when this is found out.
//!
//! [plain]: bowline_wire::plain

use core::mem;
use core::net::SocketAddrV4;

use bowline_base::Instant;
use bowline_tcp::{Arrival, FourTuple};
use bowline_wire::coalescing::may_go_on;
use bowline_wire::plain::Plain;
use bowline_wire::{Piece, RxChecksum, RxPacket, TcpHeader, ip, ipv4};
use bytes::Buf;

use crate::interface::IfaceId;
use crate::stack::Stack;

impl Stack {
    /// Takes such a packet; `None` where it is none.
    #[inline(never)]
    pub(super) fn take_plain(&mut self, now: Instant, interface: IfaceId, packet: &mut RxPacket) -> Option<()> {
        let plain = Plain::read(&packet.data).filter(|_| packet.more.is_empty())?;
        let (ends, mark, len) = (plain.ends, plain.ecn(), plain.segment.len());
        if !self.interfaces.admits_again(interface, ends) {
            return None;
        }
        let mut header = TcpHeader::default();
        let header_len = header.read(plain.segment).ok()?;
        let intact = packet.checksum != RxChecksum::Unverified || plain.is_intact();
        if !intact || header.options.signature.is_some() {
            return None;
        }
        let path = self.path(now, self.interfaces.get(interface)?, ends.0.into());
        self.counters.ip.in_receives += 1;
        self.counters.ip.in_delivers += 1;
        let has_text = len > header_len;
        if has_text && may_go_on(header.flags) && self.hold_plain(now, interface, (&header, header_len), packet) {
            return Some(());
        }
        let mut piece = None;
        if has_text {
            let data = mem::take(&mut packet.data);
            cut(
                piece.insert(Piece { data, pinned: packet.pinned }),
                ipv4::MIN_HEADER + header_len,
                ipv4::MIN_HEADER + len,
            );
        }
        let text = piece.as_slice();
        let remote = SocketAddrV4::new(ends.0, header.src_port).into();
        let local = SocketAddrV4::new(ends.1, header.dst_port).into();
        let tuple = FourTuple::new(local, remote);
        let segment_size = packet.segment_size;
        self.tcp.handle_segment(now, &Arrival { tuple, header: &header, head: &[], text, segment_size, mark, path });
        Some(())
    }

    /// Keeps it until the end of its batch, if others may follow it.
    #[inline]
    fn hold_plain(
        &mut self,
        now: Instant,
        interface: IfaceId,
        (header, header_len): (&TcpHeader, usize),
        packet: &mut RxPacket,
    ) -> bool {
        self.holds()
            && ip::parse(&packet.data).is_ok_and(|ip| self.hold(now, interface, &ip, (header, header_len), packet))
    }
}

/// Leaves of a packet what lies between two places of it. (Where it is, because bytes are large to move.)
#[inline]
fn cut(packet: &mut Piece, from: usize, to: usize) {
    if to < packet.data.len() {
        packet.data.truncate(to);
    }
    packet.data.advance(from);
}

#[cfg(test)]
mod tests;
