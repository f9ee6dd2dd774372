//! The world's one queue of events, and the packets' way through it.
//!
//! It decides what happens next: the event with the earliest time, and of those the one that was filed first. It has no
//! idea of tasks; whom an event wakes is collected, and woken by the caller once nothing is locked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use bowline_base::Instant;
use bowline_device::{RxPacket, WakeSlot};
use bowline_wire::ip;
use bytes::Bytes;

use crate::node::NodeId;
use crate::way::{Happening, Way};

mod routes;

use routes::Routes;

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WayId(pub(crate) usize);

/// A deadline of a host or of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AlarmId(usize);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Alarm(usize),
    Way(usize),
}

#[derive(Debug, Default)]
struct AlarmPlace {
    deadline: Option<Instant>,
    /// The time of the entry in the queue that counts; later deadlines leave it where it is.
    filed: Option<Instant>,
    waker: Option<Waker>,
}

/// What a node does with packets for itself.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) packets: VecDeque<RxPacket>,
    pub(crate) slot: WakeSlot,
}

/// What of a packet's memory a host keeps when it keeps a slice: a chunk of the wire's.
const PINNED: usize = bowline_device::buffer::CHUNK;

#[derive(Debug)]
pub(crate) struct Kernel {
    now: Instant,
    /// When something happened the last time; later than that only time has passed.
    last_event: Instant,
    queue: BinaryHeap<Reverse<(Instant, u64, What)>>,
    filed: u64,
    ways: Vec<Way>,
    /// Routers have none.
    inboxes: Vec<Option<Inbox>>,
    addresses: BTreeMap<IpAddr, NodeId>,
    routes: Routes,
    alarms: Vec<AlarmPlace>,
    free_alarms: Vec<usize>,
    unroutable: u64,
    /// Whom the last events have news for.
    pub(crate) news: News,
}

/// Whom to wake, once nothing is locked.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) wakers: Vec<Waker>,
    slots: Vec<WakeSlot>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.slots.is_empty()
    }

    pub(crate) fn tell(self) {
        self.slots.iter().for_each(WakeSlot::notify);
        self.wakers.into_iter().for_each(Waker::wake);
    }
}

impl Kernel {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::ZERO,
            last_event: Instant::ZERO,
            queue: BinaryHeap::new(),
            filed: 0,
            ways: Vec::new(),
            inboxes: Vec::new(),
            addresses: BTreeMap::new(),
            routes: Routes::default(),
            alarms: Vec::new(),
            free_alarms: Vec::new(),
            unroutable: 0,
            news: News::default(),
        }
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// When something happened the last time.
    pub(crate) const fn last_event(&self) -> Instant {
        self.last_event
    }

    /// Time has passed without events.
    pub(crate) fn advance_to(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn add_node(&mut self, inbox: Option<Inbox>, addresses: &[IpAddr]) -> NodeId {
        let node = NodeId(self.inboxes.len());
        self.inboxes.push(inbox);
        self.addresses.extend(addresses.iter().map(|address| (*address, node)));
        self.routes.forget();
        node
    }

    pub(crate) fn nodes(&self) -> usize {
        self.inboxes.len()
    }

    pub(crate) fn add_way(&mut self, way: Way) -> WayId {
        self.ways.push(way);
        self.routes.forget();
        WayId(self.ways.len() - 1)
    }

    /// What befell packets since the last call, in the order of time.
    pub(crate) fn take_happenings(&mut self) -> Vec<Happening> {
        let mut happenings: Vec<Happening> = self.ways.iter_mut().flat_map(Way::take_happenings).collect();
        happenings.sort_by_key(|happening| happening.at);
        happenings
    }

    pub(crate) fn ways(&self) -> usize {
        self.ways.len()
    }

    pub(crate) fn way(&self, id: WayId) -> Option<&Way> {
        self.ways.get(id.0)
    }

    /// Changes a way, and looks at it anew.
    pub(crate) fn change_way(&mut self, id: WayId, change: impl FnOnce(Instant, &mut Way)) {
        let now = self.now;
        if let Some(way) = self.ways.get_mut(id.0) {
            change(now, way);
        }
        self.arm(id.0);
    }

    /// Packets that no way leads to the destination of, or that were too damaged to tell.
    pub(crate) const fn unroutable(&self) -> u64 {
        self.unroutable
    }

    /// What has arrived at a host.
    pub(crate) fn receive(&mut self, node: NodeId) -> Option<RxPacket> {
        self.inboxes.get_mut(node.0)?.as_mut()?.packets.pop_front()
    }

    /// Sends a wire packet on its way from a node.
    pub(crate) fn forward(&mut self, node: NodeId, packet: Bytes) {
        let Some(to) = ip::parse_quoted(&packet).and_then(|header| self.addresses.get(&header.dst).copied()) else {
            self.unroutable += 1;
            return;
        };
        if to == node {
            self.deliver(node, packet);
            return;
        }
        let transit = |node: usize| self.inboxes.get(node).is_some_and(Option::is_none);
        match self.routes.next(node, to, &self.ways, transit) {
            Some(way) => {
                if let Some(way) = self.ways.get_mut(way.0) {
                    way.offer(self.now, packet);
                }
                self.arm(way.0);
            }
            None => self.unroutable += 1,
        }
    }

    fn deliver(&mut self, node: NodeId, packet: Bytes) {
        let Some(Some(inbox)) = self.inboxes.get_mut(node.0) else { return };
        if inbox.packets.is_empty() {
            self.news.slots.push(inbox.slot.clone());
        }
        inbox.packets.push_back(RxPacket { data: packet, pinned: PINNED, ..RxPacket::default() });
    }

    /// When the next event is.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, ..))| (*at).max(self.now))
    }

    /// Lets events before `horizon` happen until one has news for somebody.
    pub(crate) fn run_until_news(&mut self, horizon: Instant) {
        while self.news.is_empty() && self.next_event().is_some_and(|at| at < horizon) {
            let Some(Reverse((at, _, what))) = self.queue.pop() else { return };
            self.now = self.now.max(at);
            match what {
                What::Alarm(place) => self.ring(place, at),
                What::Way(place) => self.move_packets(place, at),
            }
        }
    }

    fn move_packets(&mut self, place: usize, at: Instant) {
        let now = self.now;
        let Some(way) = self.ways.get_mut(place) else { return };
        if way.armed != Some(at) {
            return; // it was armed for an earlier time since
        }
        way.armed = None;
        self.last_event = now;
        let (from, to) = (way.from, way.to);
        loop {
            let mut errors = Vec::new();
            let Some(way) = self.ways.get_mut(place) else { return };
            let packet = way.next(now, |error| errors.push(Bytes::copy_from_slice(error)));
            for error in errors {
                self.forward(from, error);
            }
            let Some(packet) = packet else { break };
            self.forward(to, packet);
        }
        self.arm(place);
    }

    /// Files the next look at a way.
    fn arm(&mut self, place: usize) {
        let Some(way) = self.ways.get_mut(place) else { return };
        let Some(at) = way.poll_timeout().map(|at| at.max(self.now)) else { return };
        if way.armed.is_none_or(|armed| armed > at) {
            way.armed = Some(at);
            self.file(at, What::Way(place));
        }
    }

    fn file(&mut self, at: Instant, what: What) {
        self.filed += 1;
        self.queue.push(Reverse((at, self.filed, what)));
    }

    pub(crate) fn add_alarm(&mut self) -> AlarmId {
        let place = self.free_alarms.pop().unwrap_or_else(|| {
            self.alarms.push(AlarmPlace::default());
            self.alarms.len() - 1
        });
        AlarmId(place)
    }

    pub(crate) fn remove_alarm(&mut self, id: AlarmId) {
        if let Some(alarm) = self.alarms.get_mut(id.0) {
            // Its entry in the queue stays, and finds no deadline.
            *alarm = AlarmPlace { filed: alarm.filed, ..AlarmPlace::default() };
            self.free_alarms.push(id.0);
        }
    }

    /// Ready when `deadline` has passed; otherwise the task of `cx` is woken then.
    pub(crate) fn poll_alarm(&mut self, id: AlarmId, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let Some(alarm) = self.alarms.get_mut(id.0) else { return Poll::Pending };
        if deadline <= self.now {
            alarm.deadline = None;
            return Poll::Ready(());
        }
        alarm.deadline = Some(deadline);
        match &mut alarm.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if alarm.filed.is_none_or(|filed| filed > deadline) {
            alarm.filed = Some(deadline);
            self.file(deadline, What::Alarm(id.0));
        }
        Poll::Pending
    }

    fn ring(&mut self, place: usize, at: Instant) {
        let Some(alarm) = self.alarms.get_mut(place) else { return };
        if alarm.filed != Some(at) {
            return; // it was filed for an earlier time since
        }
        alarm.filed = None;
        match alarm.deadline {
            Some(deadline) if deadline > self.now => {
                alarm.filed = Some(deadline);
                self.file(deadline, What::Alarm(place));
            }
            Some(_) => {
                alarm.deadline = None;
                self.last_event = self.now;
                self.news.wakers.extend(alarm.waker.take());
            }
            None => {}
        }
    }

    /// Whether no packet is between two hosts: in a queue, on a wire, in an inbox.
    pub(crate) fn is_quiet(&self) -> bool {
        self.inboxes.iter().flatten().all(|inbox| inbox.packets.is_empty())
            && self.ways.iter().all(|way| way.poll_timeout().is_none())
    }
}
