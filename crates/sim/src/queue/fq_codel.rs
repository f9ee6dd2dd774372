//! Flow queuing with controlled delay (RFC 8290): flows take turns, new ones first, and each has its own CoDel.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::time::Duration;

use bowline_base::Instant;
use bowline_wire::ip::{self, Protocol};
use bytes::Bytes;

use super::codel::CoDel;
use super::{Queue, Waiting};

/// Queues; flows that share one share its turns (RFC 8290 5.2.1).
const QUEUES: usize = 1024;
/// Bytes of a turn.
const QUANTUM: i64 = 1514;
/// Packets in all queues together.
const LIMIT: usize = 10_240;

#[derive(Clone, Debug)]
struct Flow {
    waiting: VecDeque<Bytes>,
    since: VecDeque<Instant>,
    bytes: usize,
    credit: i64,
    law: CoDel,
    /// Whether it stands in one of the two lists.
    listed: bool,
}

#[derive(Debug)]
pub(super) struct FqCoDel {
    flows: Vec<Flow>,
    new: VecDeque<usize>,
    old: VecDeque<usize>,
    seed: u64,
    packets: usize,
    bytes: usize,
    marked: u64,
}

impl FqCoDel {
    pub(super) fn new(target: Duration, interval: Duration, seed: u64) -> Self {
        let flow = Flow {
            waiting: VecDeque::new(),
            since: VecDeque::new(),
            bytes: 0,
            credit: 0,
            law: CoDel::new(target, interval),
            listed: false,
        };
        Self {
            flows: vec![flow; QUEUES],
            new: VecDeque::new(),
            old: VecDeque::new(),
            seed,
            packets: 0,
            bytes: 0,
            marked: 0,
        }
    }

    /// Which queue the packet's flow has: by addresses, protocol and, where every packet of the flow has them, ports.
    fn place(&self, packet: &[u8]) -> usize {
        let mut hash = std::hash::DefaultHasher::new();
        hash.write_u64(self.seed);
        if let Some(header) = ip::parse_quoted(packet) {
            std::hash::Hash::hash(&(header.src, header.dst, header.protocol.0), &mut hash);
            let has_ports = matches!(header.protocol, Protocol::TCP | Protocol::UDP) && header.fragment.is_none();
            if has_ports {
                hash.write(packet.get(header.header_len..header.header_len + 4).unwrap_or_default());
            }
        }
        hash.finish() as usize % QUEUES
    }

    /// RFC 8290 4.1: without room, half the packets of the longest queue go, but no more than 64.
    fn make_room(&mut self, dropped: &mut Vec<Bytes>) {
        let Some(longest) = self.flows.iter_mut().max_by_key(|flow| flow.bytes) else { return };
        for _ in 0..longest.waiting.len().div_ceil(2).min(64) {
            if let Some(waiting) = longest.pop() {
                self.packets -= 1;
                self.bytes -= waiting.packet.len();
                dropped.push(waiting.packet);
            }
        }
    }

    /// The flow whose turn it is, and whether it is a new one.
    fn turn(&mut self) -> Option<(usize, bool)> {
        loop {
            let (list, is_new) = if self.new.is_empty() { (&mut self.old, false) } else { (&mut self.new, true) };
            let place = *list.front()?;
            let flow = self.flows.get_mut(place)?;
            if flow.credit > 0 {
                return Some((place, is_new));
            }
            flow.credit += QUANTUM;
            list.pop_front();
            self.old.push_back(place);
        }
    }
}

impl Flow {
    fn pop(&mut self) -> Option<Waiting> {
        let (packet, since) = (self.waiting.pop_front()?, self.since.pop_front()?);
        self.bytes -= packet.len();
        Some(Waiting { since, packet })
    }
}

impl Queue for FqCoDel {
    fn enqueue(&mut self, now: Instant, packet: Bytes, dropped: &mut Vec<Bytes>) {
        let place = self.place(&packet);
        let Some(flow) = self.flows.get_mut(place) else { return };
        self.packets += 1;
        self.bytes += packet.len();
        flow.bytes += packet.len();
        flow.waiting.push_back(packet);
        flow.since.push_back(now);
        if !flow.listed {
            flow.listed = true;
            flow.credit = QUANTUM;
            self.new.push_back(place);
        }
        if self.packets > LIMIT {
            self.make_room(dropped);
        }
    }

    fn dequeue(&mut self, now: Instant, dropped: &mut Vec<Bytes>) -> Option<Waiting> {
        loop {
            let (place, is_new) = self.turn()?;
            let flow = self.flows.get_mut(place)?;
            let mut law = flow.law.clone();
            let (packets, bytes) = (&mut self.packets, &mut self.bytes);
            let verdict = law.dequeue(now, || {
                let next = flow.pop()?;
                *packets -= 1;
                *bytes -= next.packet.len();
                Some((next, flow.bytes))
            });
            flow.law = law;
            dropped.extend(verdict.dropped);
            self.marked += verdict.marked;
            if let Some(next) = verdict.next {
                flow.credit -= i64::try_from(next.packet.len()).unwrap_or(i64::MAX);
                return Some(next);
            }
            // RFC 8290 4.2: an empty new queue goes through the old ones once, so that it cannot keep jumping ahead.
            let list = if is_new { &mut self.new } else { &mut self.old };
            list.pop_front();
            if is_new && !self.old.is_empty() {
                self.old.push_back(place);
            } else {
                flow.listed = false;
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn marked(&self) -> u64 {
        self.marked
    }
}
