//! The variables of a connection (RFC 9293 3.3.1): [two halves](super::halves) and what they share, and what is always true of them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::hash::{Hash, Hasher};

use bowline_base::{Instant, Position, Span};
use bowline_wire::seq::SeqNumber;

use super::context::Context;
use super::ecn::EcnState;
use super::halves::{ReceiveHalf, SendHalf};
use super::mtu::MtuSearch;
use super::rare::Rare;
use super::timers::Timers;
use super::timestamps::TimestampClock;
use crate::ConnectionError;
use crate::budget::FixedBudget;
use crate::config::Options;
use crate::congestion::{CongestionControl, Controller};
use crate::event::Readiness;
use crate::packed::PackedTuple;
use crate::reason::Hold;
use crate::recovery::Recovery;
use crate::state::{self, Cause, State};
use crate::time_wait::Remains;
use crate::trace::Trace;

/// What the caller and the endpoint's queues know of the connection.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Attachment {
    /// The user has given the handle back.
    pub(crate) orphan: bool,
    /// Readiness not reported yet.
    pub(crate) events: Readiness,
    /// In the queue of events.
    pub(crate) in_events: bool,
    /// In the queue of connections that may have something to send.
    pub(crate) in_ready: bool,
    /// The user found the send queue full.
    pub(crate) wants_write: bool,
    /// No longer in the demux table.
    pub(crate) detached: bool,
    /// Waits in, or comes from, this listener's accept queue.
    pub(crate) listener: Option<crate::ListenerKey>,
}

/// What is counted for `tcp_info`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
    pub(crate) segs_out: u64,
    pub(crate) segs_in: u64,
    pub(crate) data_segs_out: u64,
    pub(crate) data_segs_in: u64,
    pub(crate) total_retrans: u32,
    pub(crate) out_of_order: u32,
    pub(crate) last_data_sent: Instant,
    pub(crate) last_data_received: Instant,
    /// The last time an acceptable ACK came in: what keepalive waits for.
    pub(crate) last_heard: Instant,
    /// When `hold` last changed, and how long it was what.
    pub(crate) hold_since: Instant,
    /// Since when there is text that is not acknowledged, `ZERO` while there is none; and how long there was before.
    pub(crate) busy_since: Instant,
    pub(crate) busy: Span,
    pub(crate) sndbuf_limited: Span,
    pub(crate) rwnd_limited: Span,
    pub(crate) cwnd_limited: Span,
}

impl Stats {
    /// How long there was text that was not acknowledged.
    pub(crate) fn busy_until(&self, now: Instant) -> core::time::Duration {
        let since = if self.busy_since == Instant::ZERO { now } else { self.busy_since };
        self.busy.get() + now.since(since)
    }
}

/// Challenge ACKs of one connection: 10 at once, then two a second (RFC 5961 7 proposes 10 in 5 s).
pub(crate) type ChallengeBudget = FixedBudget<500, 10>;

/// A transmission control block: one connection from SYN-SENT or SYN-RECEIVED on.
#[derive(Clone, Debug)]
pub(crate) struct Tcb {
    pub(crate) tuple: PackedTuple,
    pub(crate) id: u64,
    pub(crate) state: State,
    /// Whether it began with a SYN of the peer's that a listener took.
    pub(crate) passive: bool,
    pub(crate) opened: Instant,
    pub(crate) options: Arc<Options>,
    /// What the path carries, as the device and routers say.
    pub(crate) path_mtu: u16,
    /// The first link's, of which the announced MSS is made.
    pub(crate) link_mtu: u16,
    /// What it carries as probes say, where these are needed.
    pub(crate) mtu_search: Option<Box<MtuSearch>>,
    pub(crate) lossless: bool,
    pub(crate) snd: SendHalf,
    pub(crate) rcv: ReceiveHalf,
    /// Timestamps: offered in SYN-SENT, agreed afterwards.
    pub(crate) timestamps: Option<TimestampClock>,
    pub(crate) sack: bool,
    /// Whether departures are spread over time at all.
    pub(crate) paced: bool,
    /// Whether something waits for its departure's time.
    pub(crate) waits_for_departure: bool,
    /// Where ECN was agreed on.
    pub(crate) ecn: Option<Box<EcnState>>,
    pub(crate) window_scale: Option<(u8, u8)>,
    pub(crate) recovery: Recovery,
    pub(crate) congestion: CongestionControl,
    pub(crate) timers: Timers,
    /// The endpoint's wheel may have an entry for it.
    pub(crate) timed: bool,
    pub(crate) challenge: ChallengeBudget,
    /// When what is at SND.UNA was first sent and not acknowledged; `MAX` while nothing is.
    pub(crate) stuck_since: Instant,
    pub(crate) error: Option<ConnectionError>,
    /// What ICMP said last, reported if the connection then times out (RFC 9293 3.9.2.2, MUST-56).
    pub(crate) soft_error: Option<ConnectionError>,
    pub(crate) user: Attachment,
    pub(crate) stats: Stats,
    /// What few connections have.
    pub(crate) rare: Option<Box<Rare>>,
}

impl Hash for Tcb {
    /// What decides the connection's future: all but its number in the trace, its age and what is counted.
    fn hash<H: Hasher>(&self, state: &mut H) {
        #[rustfmt::skip]
        let Self {
            id: _, opened: _, stats: _, timed: _,
            tuple, state: name, passive, options, path_mtu, link_mtu, mtu_search, lossless, snd, rcv, timestamps, sack, ecn,
            window_scale, paced, waits_for_departure, recovery, congestion, timers, challenge, stuck_since, error,
            soft_error, user, rare,
        } = self;
        (tuple, name, passive, options, path_mtu, link_mtu, mtu_search, lossless, snd, rcv).hash(state);
        (timestamps, sack, ecn, window_scale, paced, waits_for_departure, recovery, congestion, timers).hash(state);
        (challenge, stuck_since, error, soft_error, user, rare).hash(state);
    }
}

impl Tcb {
    /// Moves along the table's arrow for `cause`. There is no other way to change the state.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>, cause: Cause) {
        let from = self.state;
        let Some(to) = state::next(from, cause) else {
            debug_assert!(false, "no arrow {cause:?} from {from}");
            return;
        };
        self.state = to;
        cx.record(self.tuple, self.id, || Trace::State { from, to, cause });
        if self.rare.is_some() {
            self.on_fast_open_state(cx, from, cause);
        }
    }

    /// Ends the connection at once: no timers, nothing to send, the user told.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, cause: Cause, error: Option<ConnectionError>) {
        self.advance(cx, cause);
        if let Some(error) = error {
            self.error = Some(error);
            cx.record(self.tuple, self.id, || Trace::Ended(error));
        }
        self.quiesce();
        self.notify(Readiness::CLOSED | Readiness::READABLE | Readiness::WRITABLE);
    }

    /// Gives back what only a living connection needs; what the user has not read stays.
    pub(crate) fn quiesce(&mut self) {
        self.timers.stop_all();
        self.snd.buffer.clear();
        self.snd.probe = None;
    }

    /// Remembers readiness to report.
    pub(crate) fn notify(&mut self, readiness: Readiness) {
        self.user.events |= readiness;
    }

    /// Reads something from each part of the control block that a segment is going to need. With many connections it is
    /// in none of the processor's caches: asked for together, its lines come together, and not each after the one before.
    #[inline(never)]
    pub(crate) fn fetch(&self) {
        let Self { snd, rcv, stats, recovery, timers, user, timestamps, .. } = self;
        let receiver = rcv.queue.rcv_nxt().wire() ^ rcv.window.right_edge().wire() ^ rcv.last_ack.wire();
        let sender = snd.una.wire() ^ snd.mss ^ timestamps.map_or(0, |clock| clock.recent());
        let flags =
            user.orphan ^ rcv.fin_received ^ rcv.acks.pending().is_some() ^ recovery.is_calm() ^ recovery.is_idle();
        let times = [stats.last_heard, stats.last_data_received, timers.next(), self.stuck_since, self.opened];
        let counts = stats.segs_in ^ stats.bytes_sent;
        core::hint::black_box((receiver ^ sender, flags, times, counts, self.state));
    }

    /// Bytes of text that the peer has acknowledged.
    pub(crate) fn bytes_acked(&self) -> u64 {
        self.snd.una.min(self.snd.buffer.end()).since(self.snd.iss + 1)
    }

    /// Bytes of text received in order.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.rcv.nxt().since(self.rcv.irs + 1).saturating_sub(u64::from(self.rcv.fin_received))
    }

    /// RCV.NXT. What came along with the peer's SYN is queued in SYN-RECEIVED, and does not count before it is established
    /// (RFC 9293 3.10.7.3), unless a listener took it at once (RFC 7413).
    pub(crate) fn rcv_nxt(&self) -> Position {
        let waits = self.state == State::SynReceived && !self.is_early();
        if waits { self.rcv.irs + 1 } else { self.rcv.nxt() }
    }

    /// What TIME-WAIT needs of the connection.
    pub(crate) fn remains(&self) -> Remains {
        Remains {
            id: self.id,
            tuple: self.tuple.unpack(),
            snd_nxt: SeqNumber(self.snd.nxt.wire()),
            rcv_nxt: SeqNumber(self.rcv.nxt().wire()),
            window: u16::MAX,
            timestamps: self.timestamps.map(|clock| (clock.offset(), clock.recent())),
        }
    }

    /// Whether the connection is over for the network: CLOSED, back to its listener's LISTEN, or in TIME-WAIT, which
    /// another table keeps.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Listen | State::TimeWait)
    }

    /// The first of all deadlines.
    pub(crate) fn deadline(&self) -> Instant {
        if self.is_over() {
            return Instant::MAX;
        }
        let recovery = self.recovery.alarm().map_or(Instant::MAX, |(at, _)| at);
        let ack = self.rcv.acks.deadline().unwrap_or(Instant::MAX);
        recovery.min(ack).min(self.timers.next()).min(self.user_deadline()).min(self.departure_deadline())
    }

    /// When the user timeout ends the connection (RFC 9293 3.8.3, MUST-21; RFC 5482).
    pub(crate) fn user_deadline(&self) -> Instant {
        if self.stuck_since == Instant::MAX {
            return Instant::MAX;
        }
        self.options.user_timeout.map_or(Instant::MAX, |timeout| self.stuck_since + timeout)
    }

    /// Accounts for the time under the old hold, and takes the new one.
    pub(crate) fn set_hold(&mut self, cx: &mut Context<'_>, hold: Hold) {
        if self.snd.hold == hold {
            return;
        }
        let spent = cx.now.span_since(self.stats.hold_since);
        match self.snd.hold {
            Hold::Window | Hold::SillyWindow => self.stats.rwnd_limited += spent,
            Hold::Congestion | Hold::Pacing => self.stats.cwnd_limited += spent,
            Hold::Buffer => self.stats.sndbuf_limited += spent,
            _ => {}
        }
        if !matches!(hold, Hold::Application | Hold::Buffer) {
            self.stats.busy_since = if self.stats.busy_since == Instant::ZERO { cx.now } else { self.stats.busy_since };
        }
        self.stats.hold_since = cx.now;
        self.snd.hold = hold;
        cx.record(self.tuple, self.id, || Trace::Held(hold));
    }

    /// What must be true after every event (debug builds).
    pub(crate) fn assert_invariants(&self) {
        let snd = &self.snd;
        debug_assert!(snd.una <= snd.nxt, "SND.UNA {:?} beyond SND.NXT {:?}", snd.una, snd.nxt);
        debug_assert!(self.is_over() || snd.nxt <= snd.end().max(snd.iss + 1), "sent what was never written");
        debug_assert!(snd.mss > 0 && self.congestion.cwnd() >= u64::from(snd.mss));
        debug_assert!(!self.is_over() || self.deadline() == Instant::MAX, "a timer runs after the end");
        debug_assert!(self.state == State::SynSent || self.rcv.window.right_edge() >= self.rcv.irs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recv::{AckPolicy, ReceiveQueue, ReceiveWindow};

    #[test]
    fn an_idle_connection_stays_within_its_budget() {
        let sizes = [
            ("tcb", size_of::<Tcb>()),
            ("tuple", size_of::<PackedTuple>()),
            ("snd", size_of::<SendHalf>()),
            ("rcv", size_of::<ReceiveHalf>()),
            ("queue", size_of::<ReceiveQueue>()),
            ("window", size_of::<ReceiveWindow>()),
            ("acks", size_of::<AckPolicy>()),
            ("recovery", size_of::<Recovery>()),
            ("congestion", size_of::<CongestionControl>()),
            ("stats", size_of::<Stats>()),
            ("user", size_of::<Attachment>()),
        ];
        // With a slot's 8 bytes, the timer wheel's 24 and the hash table's 5 to 10 this is little more than 1 KiB, and 16 bytes. Nothing of an
        // idle connection lies on the heap: tests/smoke.rs looks. 8 bytes are where samples of the delivery rate would be, 8
        // the time of a paced one's next departure: wanted for each segment, it would cost more in a box. 48
        // tell how well the sender's window is used, where records end, and how long it was busy.
        // 8 where the box of what few connections have would be, 8 the search for the path's MTU; 8 begin with the 2 of the link's
        // MTU, beside that of the path.
        assert!(size_of::<Tcb>() <= 1_072, "{sizes:?}");
    }
}
