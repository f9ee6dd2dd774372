//! Comments for the packets of a capture: why each was sent or dropped, and our state.
//!
//! Records and packets come by two ways: the record from the core, the packet from a tap at the device. Both name the
//! four-tuple, the sequence number, the flags and the length, and by these a packet finds its record.

use std::collections::{HashMap, VecDeque};

use bowline_tcp::FourTuple;
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::tcp::TcpHeader;

use crate::diagram::Direction;
use crate::words;

/// Says about a record what a capture cannot show; `None` for one that is no segment, or needs no words.
#[must_use]
pub fn comment(record: &Record) -> Option<String> {
    match &record.what {
        Trace::Sent { why, state, .. } => Some(format!("{state}: {}", words::send_reason(*why))),
        Trace::Received { dropped: Some(why), state, .. } => {
            Some(format!("{state}: dropped, {}", words::drop_reason(*why)))
        }
        Trace::Received { dropped: None, state, .. } => Some(format!("{state}: received")),
        _ => None,
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Name {
    out: bool,
    tuple: FourTuple,
    seq: u32,
    ack: u32,
    flags: u16,
    len: u32,
}

/// Comments that wait for their packets. Bounded: the oldest yields.
#[derive(Debug)]
pub struct Comments {
    waiting: HashMap<Name, VecDeque<String>>,
    order: VecDeque<Name>,
    limit: usize,
}

impl Default for Comments {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl Comments {
    /// Room for `limit` comments that wait for their packets.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), limit: limit.max(1) }
    }

    /// Takes one record in.
    pub fn push(&mut self, record: &Record) {
        let (out, header, len) = match &record.what {
            Trace::Sent { header, len, .. } => (true, header, *len),
            Trace::Received { header, len, .. } => (false, header, *len),
            _ => return,
        };
        let Some(text) = comment(record) else { return };
        let name = name(out, record.tuple, header, len);
        self.waiting.entry(name.clone()).or_default().push_back(text);
        self.order.push_back(name);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.pop(&oldest);
        }
    }

    /// The comment for a packet, if its record has been pushed. `len` is its payload length in bytes.
    pub fn take(&mut self, direction: Direction, tuple: FourTuple, header: &TcpHeader, len: u32) -> Option<String> {
        self.pop(&name(direction == Direction::Out, tuple, header, len))
    }

    fn pop(&mut self, name: &Name) -> Option<String> {
        let queue = self.waiting.get_mut(name)?;
        let text = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(name);
        }
        text
    }
}

fn name(out: bool, tuple: FourTuple, header: &TcpHeader, len: u32) -> Name {
    Name { out, tuple, seq: header.seq.0, ack: header.ack.0, flags: header.flags.bits(), len }
}

#[cfg(test)]
mod tests;
