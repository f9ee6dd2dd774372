//! A path for one controller, by script: a bottleneck with a queue, a delay, and a receiver that acknowledges as it likes. Nothing
//! of the connection is in it, so that what is seen is the model's own.

extern crate std;

use core::time::Duration;
use std::collections::VecDeque;
use std::vec::Vec;

use bowline_base::Instant;

use super::super::{Bbr, State};
use crate::congestion::{AckSample, Congestion, Controller, LossSample, RateSample, Start};
use crate::recovery::Phase;

pub(super) const MSS: u64 = 1_460;

/// What the path is like.
#[derive(Clone, Copy)]
pub(super) struct Path {
    /// Bytes a second.
    pub(super) rate: u64,
    pub(super) rtt: Duration,
    /// Bytes that wait at most.
    pub(super) queue: u64,
    /// Each packet of this number is lost.
    pub(super) loss: Option<u64>,
    /// Packets that one ACK covers.
    pub(super) ack_every: usize,
    /// ACKs arrive only at multiples of this.
    pub(super) ack_slot: Duration,
    /// Marks congestion instead of queueing more than this.
    pub(super) mark_above: Option<u64>,
}

impl Path {
    /// 10 MB/s and 40 ms, with a queue as large as what the path holds.
    pub(super) const fn plain() -> Self {
        Self {
            rate: 10_000_000,
            rtt: Duration::from_millis(40),
            queue: 400_000,
            loss: None,
            ack_every: 1,
            ack_slot: Duration::ZERO,
            mark_above: None,
        }
    }

    pub(super) fn bdp(&self) -> u64 {
        self.rate * u64::try_from(self.rtt.as_nanos()).unwrap_or(0) / 1_000_000_000
    }
}

struct Packet {
    number: u64,
    sent: Instant,
    ack_at: Instant,
    dropped: bool,
    marked: bool,
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    app_limited: bool,
    in_flight: u64,
    lost: u64,
}

/// One state, and what the controller had reached in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) at: Instant,
    pub(super) state: State,
    pub(super) bw: u64,
    pub(super) cwnd: u64,
}

/// The sender, its path, and what came of it.
pub(super) struct Run {
    pub(super) bbr: Bbr,
    pub(super) path: Path,
    pub(super) now: Instant,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    pub(super) sent: u64,
    /// The backlog that each packet found, in bytes.
    pub(super) backlogs: Vec<u64>,
    pub(super) steps: Vec<Step>,
    /// Bytes that the application offers; `None`: without end.
    pub(super) offered: Option<u64>,
    flight: VecDeque<Packet>,
    next_departure: Instant,
    link_free: Instant,
    delivered_at: Instant,
    first_sent: Instant,
    in_flight: u64,
    lost: u64,
    app_limited: u64,
    recover: Option<u64>,
    marked_until: u64,
    min_rtt: Duration,
}

impl Run {
    pub(super) fn new(path: Path) -> Self {
        Self {
            bbr: Bbr::new(Start { seed: 7, ..Start::new(MSS as u32) }),
            path,
            now: Instant::from_secs(1),
            delivered: 0,
            dropped: 0,
            sent: 0,
            backlogs: Vec::new(),
            steps: Vec::new(),
            offered: None,
            flight: VecDeque::new(),
            next_departure: Instant::ZERO,
            link_free: Instant::ZERO,
            delivered_at: Instant::ZERO,
            first_sent: Instant::ZERO,
            in_flight: 0,
            lost: 0,
            app_limited: 0,
            recover: None,
            marked_until: 0,
            min_rtt: Duration::MAX,
        }
    }

    /// Until so much later.
    pub(super) fn run(&mut self, time: Duration) -> u64 {
        let (end, before) = (self.now + time, self.delivered);
        loop {
            let departure = self.may_send().then(|| self.next_departure.max(self.now));
            let arrival = self.next_ack();
            let next = departure.into_iter().chain(arrival).min();
            let Some(next) = next.filter(|&at| at <= end) else { break };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= next) { self.take_ack() } else { self.send() }
        }
        self.now = end;
        self.delivered - before
    }

    /// The application offers more, and nothing was left of what it had offered.
    pub(super) fn offer(&mut self, bytes: u64) {
        if self.offered == Some(0) && self.in_flight < self.bbr.cwnd() {
            self.mark_app_limited();
        }
        self.offered = Some(self.offered.unwrap_or(0) + bytes);
    }

    fn mark_app_limited(&mut self) {
        self.app_limited = (self.delivered + self.in_flight).max(1);
    }

    fn may_send(&self) -> bool {
        self.offered != Some(0) && self.in_flight + MSS <= self.bbr.cwnd()
    }

    fn send(&mut self) {
        if self.in_flight == 0 {
            if self.app_limited > 0 {
                self.bbr.on_restart(self.now, None);
            }
            (self.first_sent, self.delivered_at) = (self.now, self.now);
        }
        let backlog = self.link_free.since(self.now).as_nanos() as u64 * self.path.rate / 1_000_000_000;
        self.sent += 1;
        let by_chance = self.path.loss.is_some_and(|each| self.sent.is_multiple_of(each));
        let overflow = backlog + MSS > self.path.queue;
        if !overflow {
            self.backlogs.push(backlog);
            self.link_free = self.link_free.max(self.now) + Duration::from_nanos(MSS * 1_000_000_000 / self.path.rate);
        }
        let slot = self.path.ack_slot.as_nanos() as u64;
        let ack_at = (self.link_free + self.path.rtt).as_nanos();
        let ack_at = if slot > 0 { ack_at.next_multiple_of(slot) } else { ack_at };
        self.in_flight += MSS;
        self.flight.push_back(Packet {
            number: self.sent,
            sent: self.now,
            ack_at: Instant::from_nanos(ack_at),
            dropped: overflow || by_chance,
            marked: self.path.mark_above.is_some_and(|most| backlog > most),
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            app_limited: self.app_limited > 0,
            in_flight: self.in_flight,
            lost: self.lost,
        });
        if let Some(offered) = &mut self.offered {
            *offered = offered.saturating_sub(MSS);
        }
        let rate = self.bbr.pacing_rate().unwrap_or(u64::MAX).max(1);
        self.next_departure = self.next_departure.max(self.now) + Duration::from_nanos(MSS * 1_000_000_000 / rate);
    }

    /// When the next ACK arrives: as many packets as it covers have, or all that fly. A tail that was lost is noticed 3 RTTs later.
    fn next_ack(&self) -> Option<Instant> {
        let mut arrived = self.flight.iter().filter(|packet| !packet.dropped).map(|packet| packet.ack_at);
        let first = arrived.next();
        match first {
            Some(first) => Some(arrived.take(self.path.ack_every - 1).last().unwrap_or(first)),
            None => self.flight.back().map(|last| last.ack_at + 3 * self.path.rtt),
        }
    }

    fn take_ack(&mut self) {
        let before = self.in_flight;
        let (mut acked, mut newest, mut loss, mut marked) = (0, None, None::<LossSample>, false);
        let mut left = self.path.ack_every;
        let mut stretch = false;
        if self.offered == Some(0) && self.in_flight < self.bbr.cwnd() {
            self.mark_app_limited();
        }
        while let Some(packet) = self.flight.front() {
            if left == 0 || packet.ack_at > self.now {
                break;
            }
            let Some(packet) = self.flight.pop_front() else { break };
            self.in_flight -= MSS;
            if packet.dropped {
                self.lost += MSS;
                self.dropped += 1;
                let before = loss.unwrap_or_default();
                loss = Some(LossSample {
                    bytes: before.bytes + MSS,
                    stretches: before.stretches + u32::from(!stretch),
                    sent_in_flight: packet.in_flight,
                    lost: self.lost - packet.lost,
                    total_delivered: self.delivered,
                    app_limited: packet.app_limited,
                });
                stretch = true;
                continue;
            }
            stretch = false;
            left -= 1;
            acked += MSS;
            marked |= packet.marked && packet.number > self.marked_until;
            newest = Some(packet);
        }
        self.tell(before, acked, newest, loss, marked);
    }

    fn tell(&mut self, before: u64, acked: u64, newest: Option<Packet>, loss: Option<LossSample>, marked: bool) {
        if acked > 0 {
            self.delivered += acked;
            self.delivered_at = self.now;
            if self.delivered > self.app_limited {
                self.app_limited = 0;
            }
        }
        if let Some(loss) = loss {
            self.bbr.on_loss(self.now, &LossSample { total_delivered: self.delivered, ..loss });
            self.recover = self.recover.or(Some(self.sent));
        }
        if self.recover.zip(newest.as_ref()).is_some_and(|(until, newest)| newest.number > until) {
            self.recover = loss.map(|_| self.sent);
        }
        let rtt = newest.as_ref().map(|newest| self.now.since(newest.sent));
        self.min_rtt = rtt.map_or(self.min_rtt, |rtt| rtt.min(self.min_rtt));
        let rate = newest.map(|packet| {
            let interval = self.now.since(packet.delivered_at).max(packet.sent.since(packet.first_sent));
            let delivered = self.delivered - packet.delivered;
            self.first_sent = packet.sent;
            RateSample {
                rate: delivered * 1_000_000_000 / interval.as_nanos().max(1) as u64,
                delivered,
                interval,
                prior_delivered: packet.delivered,
                total_delivered: self.delivered,
                app_limited: packet.app_limited,
                sent_in_flight: packet.in_flight,
                lost: self.lost - packet.lost,
            }
        });
        let sample = AckSample {
            acked,
            rtt,
            srtt: rtt,
            min_rtt: Some(self.min_rtt),
            in_flight_before: before,
            in_flight: self.in_flight,
            phase: if self.recover.is_some() { Phase::FastRecovery } else { Phase::Open },
            sack: true,
            rate,
            ..AckSample::default()
        };
        self.bbr.on_ack(self.now, &sample);
        if self.bbr.holds_back() {
            self.mark_app_limited();
        }
        if marked {
            self.marked_until = self.sent;
            self.bbr.on_congestion_event(self.now, before, Congestion::Ecn);
        }
        self.note();
    }

    fn note(&mut self) {
        if self.steps.last().is_none_or(|last| last.state != self.bbr.state) {
            let Self { now: at, .. } = *self;
            self.steps.push(Step { at, state: self.bbr.state, bw: self.bbr.bw, cwnd: self.bbr.cwnd() });
        }
        assert!(self.bbr.cwnd() >= 4 * MSS && self.bbr.pacing_rate > 0);
    }

    /// The states, one after the other.
    pub(super) fn states(&self) -> Vec<State> {
        self.steps.iter().map(|step| step.state).collect()
    }

    /// The share of packets that found no more than this backlog, of those since the last call.
    pub(super) fn backlog_percentile(&mut self, percent: usize) -> u64 {
        let mut all = core::mem::take(&mut self.backlogs);
        all.sort_unstable();
        all.get(all.len() * percent / 100).copied().unwrap_or(0)
    }
}
