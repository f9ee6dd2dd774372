//! One direction of a worse network: what happens to a wire packet, in which order, and when it comes out.
//!
//! The order: the queue and its rate, loss, duplication, corruption, delay with jitter, reordering; the MTU is looked at
//! when a packet comes out. All chance is taken when a packet enters. It knows wire packets as bytes and nothing of devices.

use std::collections::VecDeque;
use std::time::Duration;

use bowline_base::Instant;
use bytes::Bytes;

use super::Direction;
use super::config::{Impairments, Loss};
use super::dice::Dice;
use super::monitor::{ImpairmentMonitor, What};
use super::too_big;
use crate::buffer::Arena;

/// What every link carries of IPv6 in one packet, in bytes (RFC 8200 5).
const IPV6_LEAST_MTU: u16 = 1280;

/// What a packet on the way costs in memory at least: its share of a chunk and its place in the queue.
const PACKET_COST: usize = 256;

#[derive(Debug)]
struct OnTheWay {
    due: Instant,
    packet: Bytes,
    reorder: bool,
}

/// A packet that others shall pass.
#[derive(Debug)]
struct HeldBack {
    until: Instant,
    /// How many packets have still to pass it.
    gap: u16,
    packet: Bytes,
}

#[derive(Debug)]
struct Luck {
    loss: Dice,
    burst: Dice,
    duplicate: Dice,
    corrupt: Dice,
    jitter: Dice,
    reorder: Dice,
}

/// One direction of a worse network: wire packets go in, and come out later, or not, or twice.
///
/// Devices use it through [`Impaired`](super::Impaired); who has a network of his own puts packets in with
/// [`offer`](Self::offer), and takes them out with [`front`](Self::front) and [`pop`](Self::pop) when
/// [`next_due`](Self::next_due) says so.
#[derive(Debug)]
pub struct Link {
    direction: Direction,
    impairments: Impairments,
    transparent: bool,
    monitor: ImpairmentMonitor,
    luck: Luck,
    arena: Arena,
    /// The loss model is in its bad state.
    bad: bool,
    /// When the last packet will have entered the link at its rate.
    busy_until: Instant,
    /// Packets that are still entering: when they are done, and their lengths.
    entering: VecDeque<(Instant, usize)>,
    entering_bytes: usize,
    /// In order of `due`: packets do not overtake each other here.
    way: VecDeque<OnTheWay>,
    held_back: VecDeque<HeldBack>,
    /// Out of the link, to be taken.
    out: VecDeque<Bytes>,
    held_packets: usize,
    held_bytes: usize,
}

impl Link {
    /// A link in this direction, all of whose luck comes from `seed`; `monitor` counts what happens.
    #[must_use]
    pub fn new(direction: Direction, impairments: Impairments, seed: u64, monitor: ImpairmentMonitor) -> Self {
        let base = if direction == Direction::Ingress { 16u64 } else { 32 };
        let dice = |purpose: u64| Dice::new(seed, base + purpose);
        Self {
            direction,
            impairments,
            transparent: impairments.is_none(),
            monitor,
            luck: Luck {
                loss: dice(0),
                burst: dice(1),
                duplicate: dice(2),
                corrupt: dice(3),
                jitter: dice(4),
                reorder: dice(5),
            },
            arena: Arena::new(64),
            bad: false,
            busy_until: Instant::ZERO,
            entering: VecDeque::new(),
            entering_bytes: 0,
            way: VecDeque::new(),
            held_back: VecDeque::new(),
            out: VecDeque::new(),
            held_packets: 0,
            held_bytes: 0,
        }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn impairments(&self) -> &Impairments {
        &self.impairments
    }

    /// Changes what is wrong with it, for packets that enter from now on; what is on the way keeps its fate, but for the
    /// MTU, which is looked at when a packet comes out.
    pub fn set(&mut self, impairments: Impairments) {
        self.impairments = impairments;
        self.transparent = impairments.is_none();
    }

    /// Whether nothing is wrong in this direction, so that packets need not pass through here.
    pub(super) fn is_transparent(&self) -> bool {
        self.transparent
    }

    /// Whether nothing is on the way. (Errors of routers also come through a transparent direction.)
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held_packets == 0
    }

    /// Packets and bytes on the way.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.held_packets, self.held_bytes)
    }

    /// Takes a wire packet and decides its fate.
    pub fn offer(&mut self, now: Instant, packet: &[u8]) {
        self.monitor.count(self.direction, |counters| {
            counters.packets += 1;
            counters.bytes += packet.len() as u64;
        });
        let Some(entered) = self.enter(now, packet.len()) else { return self.note(now, What::QueueFull, packet) };
        if self.loses() {
            return self.note(now, What::Lost, packet);
        }
        let twice = self.luck.duplicate.happens(self.impairments.duplicate);
        if twice {
            self.note(now, What::Duplicated, packet);
        }
        for _ in 0..=usize::from(twice) {
            self.send(now, entered, packet);
        }
    }

    /// Queues a packet of `len` bytes for the link's rate; returns when it is through, or `None` if there is no room.
    fn enter(&mut self, now: Instant, len: usize) -> Option<Instant> {
        // One copy more, for a duplicate. Small packets cost us more than their bytes.
        let held = (self.held_bytes + 2 * len).max(self.held_packets * PACKET_COST);
        if held > self.impairments.queue.held_bytes && self.held_packets > 0 {
            return None;
        }
        let Some(rate) = self.impairments.rate else { return Some(now) };
        while let Some(&(done, len)) = self.entering.front().filter(|(done, _)| *done <= now) {
            debug_assert!(done <= self.busy_until);
            self.entering_bytes -= len;
            self.entering.pop_front();
        }
        let full = self.entering_bytes + len > self.impairments.rate_queue_bytes()
            || self.impairments.queue.packets.is_some_and(|most| self.entering.len() >= most);
        if full && !self.entering.is_empty() {
            return None;
        }
        self.busy_until = self.busy_until.max(now) + rate.time_for(len);
        self.entering.push_back((self.busy_until, len));
        self.entering_bytes += len;
        Some(self.busy_until)
    }

    fn loses(&mut self) -> bool {
        match self.impairments.loss {
            Loss::None => false,
            Loss::Random(percent) => self.luck.loss.happens(percent),
            Loss::GilbertElliott(model) => {
                let change = if self.bad { model.to_good } else { model.to_bad };
                self.bad ^= self.luck.burst.happens(change);
                self.luck.loss.happens(if self.bad { model.loss_bad } else { model.loss_good })
            }
        }
    }

    /// Sends one copy on its way.
    fn send(&mut self, now: Instant, entered: Instant, packet: &[u8]) {
        let reorder = self.luck.reorder.happens(self.impairments.reorder);
        if reorder {
            self.note(now, What::Reordered, packet);
        }
        let due = entered + self.delay();
        let due = self.way.back().map_or(due, |last| due.max(last.due));
        let packet = self.corrupted(now, packet).unwrap_or_else(|| self.arena.carve(&[packet]));
        self.hold(packet.len());
        self.way.push_back(OnTheWay { due, packet, reorder });
    }

    /// A copy of `packet` with one bit flipped, if it has that bad luck.
    fn corrupted(&mut self, now: Instant, packet: &[u8]) -> Option<Bytes> {
        if !self.luck.corrupt.happens(self.impairments.corrupt) {
            return None;
        }
        let bit = self.luck.corrupt.below(packet.len() as u64 * 8) as usize;
        let mut copy = packet.to_vec();
        *copy.get_mut(bit / 8)? ^= 0x80 >> (bit % 8);
        self.note(now, What::Corrupted { bit: bit as u32 }, packet);
        Some(self.arena.carve(&[&copy]))
    }

    fn delay(&mut self) -> Duration {
        let Impairments { delay, jitter, .. } = self.impairments;
        if jitter.is_zero() {
            return delay;
        }
        let jitter = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
        let offset = Duration::from_nanos(self.luck.jitter.below(2 * jitter + 1));
        (delay + offset).saturating_sub(Duration::from_nanos(jitter))
    }

    /// Moves all that is due at `now` to the way out.
    fn advance(&mut self, now: Instant) {
        loop {
            let next_way = self.way.front().map(|next| next.due);
            let next_held = self.held_back.iter().map(|held| held.until).min();
            match (next_way, next_held) {
                (way, Some(until)) if until <= now && way.is_none_or(|due| until < due) => self.let_go(until),
                (Some(due), _) if due <= now => {
                    let Some(next) = self.way.pop_front() else { return };
                    if next.reorder {
                        let until = due + self.impairments.reorder_hold;
                        let gap = self.impairments.reorder_gap;
                        self.held_back.push_back(HeldBack { until, gap, packet: next.packet });
                    } else {
                        self.out.push_back(next.packet);
                        self.passed();
                    }
                }
                _ => return,
            }
        }
    }

    /// Lets the first packet go that was to be held until `until`.
    fn let_go(&mut self, until: Instant) {
        let index = self.held_back.iter().position(|held| held.until <= until);
        if let Some(held) = index.and_then(|index| self.held_back.remove(index)) {
            self.out.push_back(held.packet);
        }
    }

    /// A packet has passed those that are held back; lets go the ones that enough have passed.
    fn passed(&mut self) {
        for held in &mut self.held_back {
            held.gap = held.gap.saturating_sub(1);
        }
        while self.held_back.front().is_some_and(|held| held.gap == 0) {
            self.out.extend(self.held_back.pop_front().map(|held| held.packet));
        }
    }

    /// The next packet that is out at `now`. It stays until [`pop`](Self::pop). Packets that exceed the MTU are gone from
    /// there: `back` gets what a router tells their senders, and it must find its way to them.
    pub fn front(&mut self, now: Instant, mut back: impl FnMut(&[u8])) -> Option<Bytes> {
        self.advance(now);
        loop {
            let packet = self.out.front()?.clone();
            match self.mtu_for(&packet).filter(|mtu| packet.len() > usize::from(*mtu)) {
                None => return Some(packet),
                Some(mtu) => self.dispose(now, &packet, mtu, &mut back),
            }
        }
    }

    /// The largest packet of this one's IP version that passes.
    fn mtu_for(&self, packet: &[u8]) -> Option<u16> {
        let is_ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
        // RFC 8200 5: a link with less cuts and joins IPv6 packets below IP, where no host sees it
        self.impairments.mtu.map(|mtu| if is_ipv6 { mtu.max(IPV6_LEAST_MTU) } else { mtu })
    }

    /// Does with the front packet, which exceeds the MTU, what a router in the middle would.
    fn dispose(&mut self, now: Instant, packet: &[u8], mtu: u16, back: &mut impl FnMut(&[u8])) {
        self.pop();
        match too_big::answer(packet, mtu, self.impairments.too_big) {
            too_big::Answer::Fragments(fragments) => self.replace(now, packet, &fragments),
            too_big::Answer::Error(error) => {
                self.note(now, What::TooBig, packet);
                back(&error);
            }
            too_big::Answer::Silence => self.note(now, What::TooBig, packet),
        }
    }

    /// Removes what [`front`](Self::front) returned.
    pub fn pop(&mut self) {
        if let Some(packet) = self.out.pop_front() {
            self.held_packets -= 1;
            self.held_bytes -= packet.len();
            self.monitor.held(self.direction, self.held_packets);
        }
    }

    fn hold(&mut self, bytes: usize) {
        self.held_packets += 1;
        self.held_bytes += bytes;
        self.monitor.held(self.direction, self.held_packets);
    }

    /// When the next packet comes out; in the past if one is out already.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        if !self.out.is_empty() {
            return Some(Instant::ZERO);
        }
        self.way.front().map(|next| next.due).into_iter().chain(self.held_back.iter().map(|held| held.until)).min()
    }

    /// Counts a packet that came out.
    pub fn delivered(&self, packet: &[u8], taken: bool) {
        self.monitor.count(self.direction, |counters| {
            if taken {
                counters.delivered += 1;
                counters.delivered_bytes += packet.len() as u64;
            } else {
                counters.refused += 1;
            }
        });
    }

    pub(super) fn unreadable(&self, now: Instant, packet: &[u8]) {
        self.note(now, What::Unreadable, packet);
    }

    /// Puts fragments in the place of the packet that is leaving.
    fn replace(&mut self, now: Instant, packet: &[u8], fragments: &[Vec<u8>]) {
        self.note(now, What::Fragmented, packet);
        for fragment in fragments.iter().rev() {
            self.hold(fragment.len());
            let fragment = self.arena.carve(&[fragment]);
            self.out.push_front(fragment);
        }
    }

    fn note(&self, now: Instant, what: What, packet: &[u8]) {
        self.monitor.note(now, self.direction, what, packet);
    }
}
