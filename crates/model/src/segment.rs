//! Segments under way, with small numbers for names: the same segment has the same name wherever and whenever it is sent.

use std::collections::HashMap;
use std::fmt::Write;

use bowline_wire::tcp::{TcpFlags, TcpHeader};

use crate::Side;

/// A segment and where it goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Segment {
    /// Who will get it.
    pub to: Side,
    /// Its header.
    pub header: TcpHeader,
    /// Its text.
    pub text: Vec<u8>,
}

impl Segment {
    /// Whether it has this flag.
    #[must_use]
    pub fn has(&self, flag: TcpFlags) -> bool {
        self.header.flags.contains(flag)
    }

    /// Its length in sequence numbers (RFC 9293 3.4).
    #[must_use]
    pub fn len(&self) -> u32 {
        self.text.len() as u32 + u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN))
    }

    /// Whether it takes no sequence number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It in words, its numbers relative to where the sender's and the receiver's streams begin.
    #[must_use]
    pub fn describe(&self, sender: u32, receiver: u32) -> String {
        let header = &self.header;
        let mut out = format!("{} seq={}", header.flags, relative(header.seq.0, sender));
        if self.has(TcpFlags::ACK) {
            let _ = write!(out, " ack={}", relative(header.ack.0, receiver));
        }
        if !self.text.is_empty() {
            let _ = write!(out, " len={}", self.text.len());
        }
        if let Some(times) = header.options.timestamps {
            let _ = write!(out, " ts={}/{}", times.value, times.echo);
        }
        out
    }
}

/// A number beside the one its stream begins with; those of other incarnations are far off, and shown as they are.
fn relative(number: u32, begin: u32) -> String {
    let offset = number.wrapping_sub(begin) as i32;
    if offset.unsigned_abs() < 1 << 20 { offset.to_string() } else { format!("#{number}") }
}

/// A segment's name.
pub type SegmentId = u16;

/// Every segment that was ever sent.
#[derive(Debug, Default)]
pub struct Segments {
    all: Vec<Segment>,
    names: HashMap<Segment, SegmentId>,
}

impl Segments {
    /// The name of a segment; `None` once there are 65,536 different ones.
    pub fn name(&mut self, segment: Segment) -> Option<SegmentId> {
        if let Some(&name) = self.names.get(&segment) {
            return Some(name);
        }
        let name = SegmentId::try_from(self.all.len()).ok()?;
        self.all.push(segment.clone());
        self.names.insert(segment, name);
        Some(name)
    }

    /// The segment with a name that [`name`](Self::name) has given.
    #[must_use]
    pub fn get(&self, name: SegmentId) -> Option<&Segment> {
        self.all.get(usize::from(name))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
