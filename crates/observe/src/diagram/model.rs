//! What a sequence diagram holds. It says nothing about how it is drawn; its `serde` form is the JSON form.
//!
//! Times are microseconds since the connection's first event. Sequence numbers are relative to each side's SYN, so that
//! the SYN is 0 and the first byte of data is 1 (RFC 9293 3.4).

use std::borrow::Cow;
use std::net::SocketAddr;

use serde::Serialize;

/// Which way a segment goes, seen from our stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// We send it.
    Out,
    /// We receive it.
    In,
}

/// How a connection ended, as far as the diagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It has not ended.
    Open,
    /// Both sides closed it.
    Closed,
    /// One side reset it.
    Reset,
    /// We refused it.
    Refused,
    /// A time-out or an ICMP error ended it, or we aborted it.
    Failed,
}

/// One connection, from its first event to its last.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Diagram {
    /// The connection's number in the trace; 0 for segments that belong to no connection.
    pub id: u64,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// The first event, in nanoseconds on the trace's clock.
    pub start: u64,
    /// From the first event to the last, in microseconds.
    pub duration: u64,
    /// How it ended.
    pub ending: Ending,
    /// Why, where there is more to say than `ending` does.
    pub ended_by: Option<String>,
    /// Payload bytes that we sent, retransmissions included.
    pub bytes_out: u64,
    /// Payload bytes that we received, copies included.
    pub bytes_in: u64,
    /// Wire segments that we sent.
    pub segments_out: u64,
    /// Wire segments that we received.
    pub segments_in: u64,
    /// Segments that we sent again.
    pub retransmissions: u64,
    /// Its events, in order.
    pub rows: Vec<Row>,
}

/// One line of a diagram.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// Microseconds since the connection's first event.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a row shows.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "row", rename_all = "lowercase")]
pub enum What {
    /// A segment.
    Segment(Box<Segment>),
    /// Many rows, folded into one.
    Fold(Fold),
    /// Something that is no segment.
    Note(Note),
}

/// A segment, as an arrow shows it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Segment {
    /// Which way it goes.
    pub direction: Direction,
    /// Its flags: `SYN,ACK`.
    pub flags: String,
    /// Its relative sequence number; below zero for what lies before the SYN.
    pub seq: i64,
    /// Its relative acknowledgement number, with ACK.
    pub ack: Option<i64>,
    /// Payload length in bytes.
    pub len: u32,
    /// Wire segments: more than one for a super-segment.
    pub count: u32,
    /// The window in bytes, scaled where both SYNs allow it.
    pub window: u64,
    /// Options worth showing: all of them on a SYN, SACK blocks elsewhere.
    pub options: Vec<String>,
    /// Our state when it left, or before it was processed.
    pub state: String,
    /// Our state after it, where it moved.
    pub next_state: Option<String>,
    /// Whether it had been sent before, and is ours.
    pub again: bool,
    /// Why it was sent, where that is remarkable: `retransmission: fast`.
    pub why: Option<Cow<'static, str>>,
    /// Why it was not processed.
    pub dropped: Option<Cow<'static, str>>,
    /// What happened to it on the way, where somebody saw it.
    pub fate: Option<Fate>,
}

/// What happened to a segment between the two ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fate {
    /// Whether it did not arrive.
    pub lost: bool,
    /// What happened: `random loss`.
    pub what: Cow<'static, str>,
}

/// Rows that were left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Fold {
    /// The last of them, in microseconds since the connection's first event.
    pub until: u64,
    /// Wire segments sent.
    pub segments_out: u64,
    /// Wire segments received.
    pub segments_in: u64,
    /// Payload bytes sent.
    pub bytes_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Retransmissions among those sent.
    pub retransmissions: u64,
    /// Segments dropped, or lost on the way.
    pub drops: u64,
    /// Notes.
    pub notes: u64,
}

/// Something to say that is no segment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Note {
    /// Whether it tells of trouble.
    pub trouble: bool,
    /// What: `lost: 1461–2921 (SACK)`.
    pub text: Cow<'static, str>,
}

impl Segment {
    /// Whether it is part of a plain transfer, and so may be folded with its neighbours. SACK blocks are part of one: they
    /// come with every acknowledgement while there is a hole.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.next_state.is_none()
            && self.why.is_none()
            && self.dropped.is_none()
            && self.fate.is_none()
            && matches!(self.flags.as_str(), "ACK" | "PSH,ACK")
    }

    /// Whether it never arrived.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.fate.as_ref().is_some_and(|fate| fate.lost)
    }
}

impl Fold {
    /// Takes a row in.
    pub fn add(&mut self, row: &Row) {
        self.until = self.until.max(row.at);
        match &row.what {
            What::Segment(segment) => {
                let (segments, bytes) = match segment.direction {
                    Direction::Out => (&mut self.segments_out, &mut self.bytes_out),
                    Direction::In => (&mut self.segments_in, &mut self.bytes_in),
                };
                *segments += u64::from(segment.count);
                *bytes += u64::from(segment.len);
                self.retransmissions += if segment.again { u64::from(segment.count) } else { 0 };
                self.drops += u64::from(segment.is_lost() || segment.dropped.is_some());
            }
            What::Note(_) => self.notes += 1,
            What::Fold(fold) => {
                self.until = self.until.max(fold.until);
                self.segments_out += fold.segments_out;
                self.segments_in += fold.segments_in;
                self.bytes_out += fold.bytes_out;
                self.bytes_in += fold.bytes_in;
                self.retransmissions += fold.retransmissions;
                self.drops += fold.drops;
                self.notes += fold.notes;
            }
        }
    }
}
