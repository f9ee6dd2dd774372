//! How many wire segments a super-segment stands for: the record tells its length, the SYNs tell the size of each.
//!
//! It is what `ss` calls segments. Where no SYN was seen, a super-segment counts as one.

use bowline_wire::tcp::{TcpFlags, TcpHeader};

/// The largest segment that both ends of a connection announced.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WireCount(u16);

impl WireCount {
    /// Looks at a segment of either direction.
    pub(crate) fn observe(&mut self, header: &TcpHeader) {
        if header.flags.contains(TcpFlags::SYN)
            && let Some(mss) = header.options.mss
        {
            self.0 = if self.0 == 0 { mss } else { self.0.min(mss) };
        }
    }

    /// The wire segments of one with this header and `len` bytes of payload.
    pub(crate) fn count(self, header: &TcpHeader, len: u32) -> u32 {
        // The announced size does not allow for options (RFC 6691).
        let size = u32::from(self.0).saturating_sub(header.options.emit_len() as u32);
        if size == 0 { 1 } else { len.div_ceil(size).max(1) }
    }
}
