//! One direction of a link: the shaper, then the wire with all that is wrong with it.
//!
//! The order is fixed: policer, queue and rate; loss, duplication, corruption; delay with jitter; reordering; the MTU.
//! While a way is cut, whatever enters it is lost; what was on the wire before arrives.

use std::borrow::Cow;

use bowline_base::Instant;
use bowline_device::Impairments;
use bowline_device::impairment::{Direction, Impairment, ImpairmentMonitor, Link, What};
use bowline_device::units::Rate;
use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::node::NodeId;
use crate::queue::Discipline;
use crate::seed::{self, Purpose};
use crate::shaper::{Policer, QueueSample, Shaper};

/// What has happened on one direction of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayCounters {
    /// Wire packets that entered.
    pub packets: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Came out at the other end, copies included.
    pub delivered: u64,
    /// Bytes of those.
    pub delivered_bytes: u64,
    /// Dropped by the policer.
    pub policed: u64,
    /// Dropped by the queue.
    pub queue_dropped: u64,
    /// Marked by the queue with congestion experienced.
    pub marked: u64,
    /// Lost by chance on the wire.
    pub lost: u64,
    /// Dropped for their size.
    pub too_big: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Had a bit flipped.
    pub corrupted: u64,
    /// Were passed by others.
    pub reordered: u64,
    /// Lost because the way was cut.
    pub cut: u64,
}

/// What befell a packet on the way.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) at: Instant,
    pub(crate) what: Cow<'static, str>,
    /// Whether it did not arrive.
    pub(crate) lost: bool,
    /// The packet's first bytes: all headers of TCP.
    pub(crate) head: Box<[u8]>,
}

impl From<Impairment> for Happening {
    fn from(event: Impairment) -> Self {
        let what = match event.what {
            What::Lost => Cow::Borrowed("random loss"),
            other => Cow::Owned(other.to_string()),
        };
        Self { at: event.at, what, lost: event.what.is_drop(), head: event.head }
    }
}

/// Happenings that are kept until somebody asks; later ones are not told.
const HAPPENINGS: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    shaper: Shaper,
    wire: Link,
    monitor: ImpairmentMonitor,
    /// The world's seed and our place in it, for queues that come later.
    seed: (u64, u64),
    is_cut: bool,
    counters: WayCounters,
    /// What befell packets before the wire, if anybody wants to know.
    happenings: Option<Vec<Happening>>,
    /// When the kernel will look at us.
    pub(crate) armed: Option<Instant>,
}

impl Way {
    pub(crate) fn new(from: NodeId, to: NodeId, world_seed: u64, index: u64) -> Self {
        let monitor = ImpairmentMonitor::new();
        let luck = seed::derive(world_seed, Purpose::Way, index);
        Self {
            from,
            to,
            shaper: Shaper::new(),
            wire: Link::new(Direction::Egress, Impairments::default(), luck, monitor.clone()),
            monitor,
            seed: (world_seed, index),
            is_cut: false,
            counters: WayCounters::default(),
            happenings: None,
            armed: None,
        }
    }

    pub(crate) fn shaper_mut(&mut self) -> &mut Shaper {
        &mut self.shaper
    }

    /// Changes what is wrong on the wire.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Impairments)) {
        let mut impairments = *self.wire.impairments();
        change(&mut impairments);
        self.wire.set(impairments);
    }

    pub(crate) fn set_queue(&mut self, now: Instant, discipline: Discipline) {
        let (seed, index) = self.seed;
        self.shaper.set_queue(now, discipline.queue(seed::derive(seed, Purpose::Queue, index)));
    }

    pub(crate) fn set_policer(&mut self, policer: Option<Policer>) {
        self.shaper.set_policer(policer);
    }

    pub(crate) fn set_cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// From now on, remembers what befalls packets.
    pub(crate) fn observe(&mut self) {
        self.monitor.observe(HAPPENINGS);
        self.happenings.get_or_insert_default();
    }

    /// What befell packets since the last call, what befell them before the wire first.
    pub(crate) fn take_happenings(&mut self) -> Vec<Happening> {
        let mut happenings = self.happenings.as_mut().map(std::mem::take).unwrap_or_default();
        happenings.extend(self.monitor.drain().0.into_iter().map(Happening::from));
        happenings
    }

    fn note_lost(&mut self, at: Instant, why: &'static str, packet: &[u8]) {
        let Some(happenings) = self.happenings.as_mut().filter(|kept| kept.len() < HAPPENINGS) else { return };
        let head = packet.iter().copied().take(Impairment::HEAD).collect();
        happenings.push(Happening { at, what: Cow::Borrowed(why), lost: true, head });
    }

    /// Takes a wire packet.
    pub(crate) fn offer(&mut self, now: Instant, packet: Bytes) {
        self.counters.packets += 1;
        self.counters.bytes += packet.len() as u64;
        if self.is_cut {
            self.counters.cut += 1;
            self.note_lost(now, "link cut", &packet);
            return;
        }
        if let Err(policed) = self.shaper.offer(now, packet) {
            self.note_lost(now, "by the policer", &policed);
        }
        self.enter(now);
    }

    /// Moves what the shaper has let through onto the wire.
    fn enter(&mut self, now: Instant) {
        while let Some((at, packet)) = self.shaper.next(now) {
            self.wire.offer(at, &packet);
        }
        let dropped: Vec<Bytes> = self.shaper.take_dropped().collect();
        for packet in dropped {
            self.note_lost(now, "by the queue", &packet);
        }
    }

    /// The next packet that is out by `now`; `back` gets the errors that a router tells the senders of others.
    pub(crate) fn next(&mut self, now: Instant, back: impl FnMut(&[u8])) -> Option<Bytes> {
        self.enter(now);
        let packet = self.wire.front(now, back)?;
        self.wire.pop();
        self.wire.delivered(&packet, true);
        Some(packet)
    }

    /// When [`next`](Self::next) may have something.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.shaper.poll_timeout(), self.wire.next_due()].into_iter().flatten().min()
    }

    pub(crate) fn counters(&self) -> WayCounters {
        let (queue, wire) = (self.shaper.queue_counters(), self.monitor.counters().egress);
        WayCounters {
            delivered: wire.delivered,
            delivered_bytes: wire.delivered_bytes,
            policed: self.shaper.policed(),
            queue_dropped: queue.dropped,
            marked: queue.marked,
            // The wire's own bound is of memory: it is far beyond what a queue lets through.
            lost: wire.lost + wire.queue_full,
            too_big: wire.too_big,
            duplicated: wire.duplicated,
            corrupted: wire.corrupted,
            reordered: wire.reordered,
            ..self.counters.clone()
        }
    }

    /// Bytes that wait in the queue.
    pub(crate) fn queued(&self) -> usize {
        self.shaper.queued()
    }

    pub(crate) fn rate(&self) -> Option<Rate> {
        self.shaper.rate()
    }

    pub(crate) fn waits(&self) -> &Histogram<u64> {
        self.shaper.waits()
    }

    pub(crate) fn samples(&self) -> &[QueueSample] {
        self.shaper.samples()
    }
}
