//! From records to diagrams: one open diagram per connection, handed out a moment after the connection has closed.
//!
//! It decides which record begins and ends a diagram, which arrow a change of state belongs to, and what is remarkable.
//! It must not know how anything is drawn. Its memory is bounded: connections by [`Settings::connections`], rows by
//! [`Limits`], and those that find no place are counted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::FourTuple;
use bowline_tcp::reason::TimerKind;
use bowline_tcp::state::State;
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::ip::{self, Protocol};
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::fold::Limits;
use super::model::{Diagram, Direction};

mod conversation;
mod options;
mod sequence;

use conversation::Conversation;

/// What a collection of diagrams keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Open connections at once; default 4,096. Beyond it the longest silent one is given up, and counted.
    pub connections: usize,
    /// How much of each is kept.
    pub limits: Limits,
    /// How long a diagram stays open for late segments after its connection closed; default 50 ms.
    pub linger: Duration,
    /// Whether to tell also what holds the sender back, how the congestion window moves and each timer; default false.
    pub verbose: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections: 4096, limits: Limits::default(), linger: Duration::from_millis(50), verbose: false }
    }
}

/// What somebody between the two ends (an impairment layer) did to a segment.
#[derive(Clone, PartialEq, Debug)]
pub struct OnTheWay {
    /// When.
    pub at: Instant,
    /// On which connection.
    pub tuple: FourTuple,
    /// Which way it went.
    pub direction: Direction,
    /// Its header.
    pub header: TcpHeader,
    /// Its payload length in bytes.
    pub len: u32,
    /// Whether it did not arrive.
    pub lost: bool,
    /// What happened: `random loss`, `duplicated`.
    pub what: Cow<'static, str>,
}

impl OnTheWay {
    /// Something that happened to an IP packet, of which `head` is the beginning, as an impairment layer keeps it; `None`
    /// where it is no TCP segment, or `head` ends within its headers.
    #[must_use]
    pub fn of_packet(
        at: Instant,
        direction: Direction,
        head: &[u8],
        lost: bool,
        what: impl Into<Cow<'static, str>>,
    ) -> Option<Self> {
        let ip = ip::parse_quoted(head).filter(|ip| ip.protocol == Protocol::TCP && ip.fragment.is_none())?;
        let (header, header_len) = TcpHeader::parse(head.get(ip.header_len..)?).ok()?;
        let len = u32::try_from(ip.payload_len.checked_sub(header_len)?).ok()?;
        let source = SocketAddr::new(ip.src, header.src_port);
        let destination = SocketAddr::new(ip.dst, header.dst_port);
        let tuple = match direction {
            Direction::Out => FourTuple::new(source, destination),
            Direction::In => FourTuple::new(destination, source),
        };
        Some(Self { at, tuple, direction, header, len, lost, what: what.into() })
    }
}

/// The diagrams of all connections of one stack.
#[derive(Debug, Default)]
pub struct Diagrams {
    settings: Settings,
    open: HashMap<FourTuple, Conversation>,
    /// Connections that have closed, in that order, with the time from which they may be taken.
    closing: VecDeque<(Instant, FourTuple, u64)>,
    /// Finished before their time, because their four-tuple began anew.
    early: Vec<Diagram>,
    /// Connections already handed out, whose late records (TIME-WAIT) are ignored.
    finished: HashSet<u64>,
    finished_order: VecDeque<u64>,
    /// In the order of their beginning, stale entries among them: who yields when there are too many.
    unnumbered: VecDeque<FourTuple>,
    numbered: VecDeque<(FourTuple, u64)>,
    given_up: u64,
}

/// How many finished connections are remembered, to ignore their late records.
const FINISHED: usize = 4096;

impl Diagrams {
    /// No diagrams yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Takes one record in. Records must come in their order.
    pub fn push(&mut self, record: &Record) {
        if record.id != 0 && self.finished.contains(&record.id) {
            return;
        }
        let verbose = self.settings.verbose;
        let Some(conversation) = self.conversation(record.at, record.tuple, record.id) else { return };
        let before = conversation.is_closed();
        match &record.what {
            Trace::State { from, to, cause } => conversation.state(record.at, *from, *to, *cause),
            Trace::Sent { header, len, why, again, state } => {
                conversation.sent(record.at, header, *len, (*why, *again, *state));
            }
            Trace::Received { header, len, dropped, state } => {
                conversation.received(record.at, header, *len, (*dropped, *state));
            }
            Trace::Lost { range, why } => conversation.lost(record.at, range, *why),
            Trace::Recovery(change) => conversation.recovery(record.at, *change),
            Trace::PathMtu { mtu, most } => conversation.path_mtu(record.at, *mtu, *most),
            Trace::Ended(why) => conversation.ended(record.at, *why),
            Trace::Timer(kind) if verbose || is_telling(*kind) => conversation.timer(record.at, *kind),
            Trace::Held(what) if verbose => conversation.held(record.at, *what),
            Trace::Congestion { cwnd, ssthresh, srtt, rto, .. } if verbose => {
                conversation.congestion(record.at, (*cwnd, *ssthresh), *srtt, *rto);
            }
            Trace::Timer(_) | Trace::Held(_) | Trace::Congestion { .. } => {}
        }
        let (closed, id) = (conversation.is_closed(), conversation.id);
        if closed && !before {
            self.closing.push_back((record.at + self.settings.linger, record.tuple, id));
        }
    }

    /// Takes in what happened to a segment on the way, as an impairment layer reports it.
    ///
    /// A segment of ours gets a mark on its arrow; one of the peer's that never arrived gets an arrow of its own. Without a
    /// connection that is being drawn, only a SYN can be the beginning of one.
    pub fn on_the_way(&mut self, event: &OnTheWay) {
        let open = self.open.get(&event.tuple);
        if open.is_none() && !event.header.flags.contains(TcpFlags::SYN) {
            return;
        }
        let id = open.map_or(0, |open| open.id);
        if let Some(conversation) = self.conversation(event.at, event.tuple, id) {
            conversation.on_the_way(event);
        }
    }

    /// The diagrams of connections that have closed (CLOSED or TIME-WAIT) at least [`Settings::linger`] before `now`.
    pub fn take_closed(&mut self, now: Instant) -> Vec<Diagram> {
        let mut taken = std::mem::take(&mut self.early);
        while let Some(&(when, tuple, id)) = self.closing.front() {
            if when > now {
                break;
            }
            self.closing.pop_front();
            if self.open.get(&tuple).is_some_and(|open| open.id == id && open.is_closed()) {
                taken.extend(self.finish_one(&tuple));
            }
        }
        taken
    }

    /// All that is left, closed or still open, oldest first: for the end of a program.
    pub fn finish(&mut self) -> Vec<Diagram> {
        let mut taken = std::mem::take(&mut self.early);
        let mut open: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_by_key(|(tuple, conversation)| (conversation.start, conversation.id, *tuple));
        taken.extend(open.into_iter().map(|(_, conversation)| conversation.finish()));
        self.closing.clear();
        taken
    }

    /// How many connections are being drawn.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no connection is being drawn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many connections were given up because there were more than [`Settings::connections`].
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    fn conversation(&mut self, at: Instant, tuple: FourTuple, id: u64) -> Option<&mut Conversation> {
        if let Some(open) = self.open.get_mut(&tuple) {
            if open.id == 0 && id != 0 {
                // What was seen before the connection had a number (its SYN, on a listener) belongs to it.
                open.id = id;
                self.numbered.push_back((tuple, id));
            } else if id != 0 && open.id != id {
                let diagram = self.finish_one(&tuple);
                self.early.extend(diagram);
            }
        }
        if !self.open.contains_key(&tuple) {
            if self.open.len() >= self.settings.connections.max(1) {
                self.give_one_up();
            }
            self.open.insert(tuple, Conversation::new(at, tuple, id, self.settings.limits));
            match id {
                0 => self.unnumbered.push_back(tuple),
                _ => self.numbered.push_back((tuple, id)),
            }
            self.forget_stale();
        }
        self.open.get_mut(&tuple)
    }

    /// Gives up the oldest connection, one without a number first: a flood of SYNs must not push out the others.
    fn give_one_up(&mut self) {
        let open = &self.open;
        let is_open = |tuple: &FourTuple, id: u64| open.get(tuple).is_some_and(|open| open.id == id);
        let unnumbered = std::iter::from_fn(|| self.unnumbered.pop_front()).find(|tuple| is_open(tuple, 0));
        let oldest = unnumbered.or_else(|| {
            std::iter::from_fn(|| self.numbered.pop_front()).find(|(tuple, id)| is_open(tuple, *id)).map(|(t, _)| t)
        });
        if let Some(tuple) = oldest {
            self.open.remove(&tuple);
            self.given_up += 1;
        }
    }

    /// Keeps the two orders no longer than a small multiple of what is open.
    fn forget_stale(&mut self) {
        let (open, most) = (&self.open, 2 * self.settings.connections + 16);
        if self.unnumbered.len() > most {
            self.unnumbered.retain(|tuple| open.get(tuple).is_some_and(|open| open.id == 0));
        }
        if self.numbered.len() > most {
            self.numbered.retain(|(tuple, id)| open.get(tuple).is_some_and(|open| open.id == *id));
        }
    }

    fn finish_one(&mut self, tuple: &FourTuple) -> Option<Diagram> {
        let conversation = self.open.remove(tuple)?;
        if conversation.id != 0 && self.finished.insert(conversation.id) {
            self.finished_order.push_back(conversation.id);
            if self.finished_order.len() > FINISHED
                && let Some(id) = self.finished_order.pop_front()
            {
                self.finished.remove(&id);
            }
        }
        Some(conversation.finish())
    }
}

/// Whether a timer tells the reader something that no segment's reason does.
const fn is_telling(kind: TimerKind) -> bool {
    matches!(kind, TimerKind::User | TimerKind::FinWait2)
}

/// Whether nothing of interest follows: late segments in TIME-WAIT are noise.
const fn is_last(state: State) -> bool {
    matches!(state, State::Closed | State::TimeWait)
}
