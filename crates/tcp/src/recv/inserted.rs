//! What the receive queue tells of a segment's data: the facts that acknowledgements (RFC 5681 4.2) and SACK (RFC 2883) go by.

use core::ops::Range;

use bowline_base::Position;

/// What became of a segment's data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inserted {
    /// By how many bytes RCV.NXT moved: data newly in order, with what had waited behind it.
    pub advanced: u64,
    /// Bytes taken in that were not here before, in order or not.
    pub new: u64,
    /// The first part of the segment that was here already: the block that RFC 2883 wants reported.
    pub duplicate: Option<Range<Position>>,
    /// Whether data was missing below something received, and some of it came now (RFC 5681 4.2: acknowledge at once).
    pub filled_hole: bool,
    /// Whether the segment had data beyond a hole, taken or refused.
    pub out_of_order: bool,
    /// Bytes refused for want of memory. The peer will send them again.
    pub refused: u64,
}

impl Inserted {
    /// The same for a segment of which `next` follows this.
    pub(super) fn then(mut self, next: Self) -> Self {
        self.duplicate = match (self.duplicate, next.duplicate) {
            (Some(first), Some(next)) if first.end == next.start => Some(first.start..next.end),
            (first, next) => first.or(next),
        };
        Self {
            advanced: self.advanced + next.advanced,
            new: self.new + next.new,
            duplicate: self.duplicate,
            filled_hole: self.filled_hole || next.filled_hole,
            out_of_order: self.out_of_order || next.out_of_order,
            refused: self.refused + next.refused,
        }
    }
}
