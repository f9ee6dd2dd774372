//! What one sees of a host: its diagram and its numbers, from its trace and from what the network says it did.
//!
//! It decides what a wire segment is (a super-segment of the trace is shown as the segments that it became) and on whose
//! arrow a loss belongs. It changes nothing on the hosts.

use std::collections::BTreeMap;

use bowline_base::Instant;
use bowline_device::impairment::{Direction, Impairment, What};
use bowline_observe::diagram::{Diagram, Diagrams, OnTheWay, Settings};
use bowline_observe::{Summary, diagram, words};
use bowline_stack::Stack;
use bowline_tcp::info::Info;
use bowline_tcp::state::State;
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::tcp::{TcpFlags, TcpHeader};

/// The sides of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that is connected to. The network is in front of it.
    Server,
}

/// The view of one host.
#[derive(Debug)]
pub struct View {
    side: Side,
    diagrams: Diagrams,
    /// What befell segments that are still on their way to this host: it is told once they arrive.
    awaited: Vec<OnTheWay>,
    /// What was counted, in wire segments.
    pub summary: Summary,
    /// Retransmissions by their reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// What was last known about the connection while it had a control block.
    pub info: Option<Info>,
}

impl View {
    /// A view of the host on this side; its trace is switched on.
    #[must_use]
    pub fn new(side: Side, stack: &mut Stack) -> Self {
        stack.tcp_mut().trace().set_enabled(true);
        let diagrams = Diagrams::new(Settings::default());
        Self { side, diagrams, awaited: Vec::new(), summary: Summary::default(), reasons: BTreeMap::new(), info: None }
    }

    /// Takes in what happened since the last look: on the host, and to its packets.
    pub fn look(&mut self, now: Instant, stack: &mut Stack, network: &[Impairment]) {
        let live = |info: &Info| !matches!(info.state, State::TimeWait | State::SynReceived);
        if let Some(info) = stack.tcp().connections(now).into_iter().find(live) {
            self.info = Some(info);
        }
        let mss = self.info.as_ref().map_or(0, |info| info.mss);
        let mut events = std::mem::take(&mut self.awaited);
        events.extend(network.iter().filter_map(|event| on_the_way(self.side, event)));
        while let Some(record) = stack.tcp_mut().trace().pop() {
            for record in wire_segments(record, mss) {
                self.note(&record);
                // Its fate follows a segment at once, before the diagram folds it.
                if let Some(at) = events.iter().position(|event| befalls(event, &record.what)) {
                    self.diagrams.on_the_way(&events.remove(at));
                }
            }
        }
        for event in events {
            // A damaged segment may not be recognized when it arrives, and a lost one never does.
            let comes =
                event.direction == diagram::Direction::In && !event.lost && !event.what.starts_with("corrupted");
            if comes {
                self.awaited.push(event);
            } else {
                self.diagrams.on_the_way(&event);
            }
        }
    }

    /// The diagram of the exchange; `None` if no segment was seen.
    #[must_use]
    pub fn finish(&mut self) -> Option<Diagram> {
        self.diagrams.finish().into_iter().next()
    }

    fn note(&mut self, record: &Record) {
        if let Trace::Sent { why, again: true, .. } = record.what {
            *self.reasons.entry(words::again_reason(why)).or_default() += 1;
        }
        self.summary.push(record);
        self.diagrams.push(record);
    }
}

/// What happened to a packet, as the host on this side would tell it.
fn on_the_way(side: Side, event: &Impairment) -> Option<OnTheWay> {
    let from_server = event.direction == Direction::Egress;
    let ours = from_server == (side == Side::Server);
    let direction = if ours { diagram::Direction::Out } else { diagram::Direction::In };
    let what = match event.what {
        What::Lost => "random loss".to_owned(),
        other => other.to_string(),
    };
    OnTheWay::of_packet(event.at, direction, &event.head, event.what.is_drop(), what)
}

/// Whether it happened to the segment that was sent, or arrives, here.
fn befalls(event: &OnTheWay, what: &Trace) -> bool {
    let (direction, header, len) = match what {
        Trace::Sent { header, len, .. } => (diagram::Direction::Out, header, len),
        Trace::Received { header, len, .. } => (diagram::Direction::In, header, len),
        _ => return false,
    };
    let same = (header.seq, header.flags, header.ack) == (event.header.seq, event.header.flags, event.header.ack);
    let comes = direction == diagram::Direction::Out || !event.lost;
    event.direction == direction && comes && same && *len == event.len
}

/// The wire segments that a record stands for: more than one only where a super-segment was sent.
fn wire_segments(record: Record, mss: u32) -> Vec<Record> {
    let Record { at, tuple, id, what } = record;
    let Trace::Sent { header, len, why, again, state } = what else { return vec![Record { at, tuple, id, what }] };
    let size = if mss == 0 { len.max(1) } else { mss };
    let pieces = len.div_ceil(size).max(1);
    let piece = |number: u32| {
        let offset = number * size;
        let mut header = TcpHeader { seq: header.seq + offset, ..header.clone() };
        if number + 1 < pieces {
            header.flags -= TcpFlags::PSH | TcpFlags::FIN;
        }
        if number > 0 {
            header.flags -= TcpFlags::CWR;
        }
        let what = Trace::Sent { header, len: size.min(len - offset), why, again, state };
        Record { at, tuple, id, what }
    };
    (0..pieces).map(piece).collect()
}
