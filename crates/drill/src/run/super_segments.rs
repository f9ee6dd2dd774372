//! Super-segments: a line may stand for several segments in a row, and one that leaves whole may be several lines.
//!
//! Decides where a script's idea of a segment and the stack's are the same on the wire: several that follow each other are what
//! one would have been, and a super-segment is what a device without segmentation offload cuts it into.

use bowline_base::Instant;
use bowline_wire::{SegmentKind, Segmenter, TcpFlags};

use super::Runner;
use crate::door::Packet as Raw;
use crate::script::{Action, Body, Direction, Packet, Seq};
use crate::wire::{Seen, Transport};

impl Runner<'_> {
    /// Adds what follows at once, where a line stands for several segments in a row.
    pub(super) fn complete(&mut self, packet: &Packet, seen: &mut Seen, index: usize, last: Instant) {
        let Body::Tcp(wanted) = &packet.body else { return };
        if self.script.options.strict_segments {
            return;
        }
        loop {
            let Transport::Tcp(tcp) = &mut seen.transport else { return };
            let len = tcp.payload.len();
            if len == 0 || len >= usize::from(wanted.len) {
                return;
            }
            let next_seq = tcp.seq.wrapping_add(len as u32);
            self.world().settle();
            while self.world().sent_is_empty() && self.world().step(last) {}
            let Some(raw) = self.world().take() else { return };
            let next = Seen::read(&raw.bytes).ok().map(|mut next| {
                if let Some(flow) = self.flows.get_mut(index) {
                    flow.receive(&mut next, None);
                }
                next
            });
            let Transport::Tcp(tcp) = &mut seen.transport else { return };
            match next.as_ref().and_then(Seen::tcp) {
                Some(next) if next.seq == next_seq && next.ports == tcp.ports && !next.payload.is_empty() => {
                    tcp.payload.extend_from_slice(&next.payload);
                    // the end of a line is pushed, or is not, as its last segment
                    tcp.flags.remove(TcpFlags::PSH);
                    tcp.flags |= next.flags;
                }
                _ => {
                    self.world().put_back(raw);
                    return;
                }
            }
        }
    }

    /// A super-segment as the script has it: where the next line goes on behind this one's, it is cut as by a device, and what this
    /// line does not have is put back.
    pub(super) fn cut(&mut self, event: usize, packet: &Packet, raw: Raw) -> Raw {
        let mtu = usize::from(self.sysctls.config.mtu);
        let Some(len) = self.goes_on(event, packet).filter(|_| raw.bytes.len() > mtu) else { return raw };
        let kind =
            if raw.bytes.first().is_some_and(|first| first >> 4 == 4) { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 };
        let mut room = vec![0; mtu];
        let mut segmenter = Segmenter::contiguous(&raw.bytes, Some((kind, len)), None);
        let mut parts = Vec::with_capacity(segmenter.count());
        while let Some(len) = segmenter.next(&mut room) {
            parts.push(Raw { at: raw.at, bytes: room.get(..len).unwrap_or_default().to_vec() });
        }
        // What is too large for the link is no segment on the wire.
        if parts.len() < 2 || parts.len() != segmenter.count() {
            return raw;
        }
        let rest = parts.split_off(1);
        rest.into_iter().rev().for_each(|part| self.world().put_back(part));
        parts.pop().unwrap_or(raw)
    }

    /// The text of a line whose next line is the segment behind it.
    fn goes_on(&self, event: usize, packet: &Packet) -> Option<u16> {
        let next = match &self.script.events.get(event + 1)?.action {
            Action::Packet(next) if next.direction == Direction::Out => next,
            _ => return None,
        };
        let (Body::Tcp(this), Body::Tcp(behind)) = (&packet.body, &next.body) else { return None };
        let (Seq::Mapped(begin), Seq::Mapped(end)) = (this.seq, behind.seq) else { return None };
        let follows = behind.len > 0 && end == begin.wrapping_add(this.len.into()) && next.ports == packet.ports;
        (follows && this.len > 0).then_some(this.len)
    }
}
