//! Relative sequence numbers, one [`Stream`] per direction: what a reader can follow instead of random 32 bits.

use bowline_base::Position;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

/// One direction's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    /// The SYN's position, or that of the first segment seen less one.
    base: Option<Position>,
    /// The end of what was seen of it.
    end: Position,
    /// The window scale that its SYN offered.
    scale: Option<u8>,
    /// Whether its SYN was seen, so that `scale` is known.
    saw_syn: bool,
}

/// Where a segment lies in its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Its relative sequence number.
    pub(super) seq: i64,
    /// Whether all it carries was seen before.
    pub(super) repeated: bool,
}

impl Stream {
    /// Places a segment of this direction and remembers it.
    pub(super) fn place(&mut self, header: &TcpHeader, len: u32) -> Place {
        let syn = header.flags.contains(TcpFlags::SYN);
        let base = match self.base {
            Some(base) if !(syn && base.wire() != header.seq.0 && self.end.since(base) <= 1) => base,
            _ => self.begin(Position::initial(header.seq.0) - u64::from(!syn)),
        };
        if syn {
            self.saw_syn = true;
            self.scale = header.options.window_scale;
        }
        let at = self.end.nearest(header.seq.0);
        let length = u64::from(len) + u64::from(syn) + u64::from(header.flags.contains(TcpFlags::FIN));
        let repeated = length > 0 && at + length <= self.end;
        self.end = self.end.max(at + length);
        Place { seq: relative(at, base), repeated }
    }

    /// The relative number of an acknowledgement that the other direction carries.
    pub(super) fn relative_ack(&mut self, ack: u32) -> i64 {
        let base = match self.base {
            Some(base) => base,
            None => self.begin(Position::initial(ack) - 1),
        };
        relative(self.end.nearest(ack), base)
    }

    /// The relative number of a position of this stream as the core counts it.
    pub(super) fn relative(&self, position: Position) -> i64 {
        self.relative_wire(position.wire())
    }

    /// The relative number of a sequence number of this stream, near what was seen of it last.
    pub(super) fn relative_wire(&self, wire: u32) -> i64 {
        self.base.map_or(0, |base| relative(self.end.nearest(wire), base))
    }

    /// The window in bytes that `header` announces; it is scaled where both SYNs offered it (RFC 7323 2.2).
    pub(super) fn window(&self, other: &Self, header: &TcpHeader) -> u64 {
        let both = (self.saw_syn && other.saw_syn).then_some(()).and(other.scale);
        let shift = match (header.flags.contains(TcpFlags::SYN), self.scale, both) {
            (false, Some(shift), Some(_)) => shift.min(14),
            _ => 0,
        };
        u64::from(header.window) << shift
    }

    fn begin(&mut self, base: Position) -> Position {
        self.base = Some(base);
        self.end = base;
        base
    }
}

fn relative(at: Position, base: Position) -> i64 {
    at.as_u64().wrapping_sub(base.as_u64()) as i64
}
