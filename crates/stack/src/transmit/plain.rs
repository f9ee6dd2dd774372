//! The way out of most packets: a [plain] one, which is cut nowhere, here or on its way. It leaves as it would by any other way, at less cost.
//!
//! [plain]: bowline_wire::plain

use core::net::SocketAddr;

use bowline_tcp::Departure;
use bowline_wire::ip::TrafficClass;
use bowline_wire::plain::{MAX_HEAD, Outgoing};
use bowline_wire::{Capabilities, PartialChecksum, TxPacket, ipv4, tcp};

use super::Exit;
use crate::interface::IfaceId;

impl Exit<'_> {
    /// Sends a segment as one packet; `None` where that would not be plain, and nothing has been done.
    #[inline]
    pub(super) fn plain(
        &mut self,
        id: IfaceId,
        capabilities: &Capabilities,
        departure: &Departure<'_>,
        transmit: &mut impl FnMut(IfaceId, TxPacket<'_>),
    ) -> Option<()> {
        let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (departure.tuple.local, departure.tuple.remote) else {
            return None;
        };
        let is_cut_here = departure.segment_size.is_some_and(|size| usize::from(size) < departure.payload_len());
        if is_cut_here || !departure.dont_fragment {
            return None;
        }
        let outgoing = Outgoing {
            ends: (*src.ip(), *dst.ip()),
            traffic_class: TrafficClass(departure.traffic_class),
            hop_limit: departure.hop_limit,
            header: &departure.header,
            payload: departure.payload,
        };
        let mut head = [0; MAX_HEAD];
        let len = outgoing.write(&mut head, capabilities.checksum)?;
        let checksum = capabilities
            .checksum
            .then_some(PartialChecksum { start: ipv4::MIN_HEADER as u16, offset: tcp::CHECKSUM_OFFSET as u16 });
        self.counters.ip.out_requests += 1;
        let (payload, owners) = (departure.payload, departure.owners);
        transmit(id, TxPacket { head: head.get(..len)?, payload, owners, checksum, segment: None });
        Some(())
    }
}

#[cfg(test)]
mod tests;
