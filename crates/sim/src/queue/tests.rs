//! Each discipline against what its RFC says, on a clock that the test turns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bowline_base::Instant;
use bowline_wire::ip::{self, IpHeader, Protocol, TrafficClass};
use bytes::Bytes;

use super::{Discipline, Queue, QueueCounters, Waiting};

const ECT: u8 = 0b10;
const NOT_ECT: u8 = 0b00;
const CE: u8 = 0b11;
const MS: Duration = Duration::from_millis(1);

/// The flow is told apart by its port, packets of a flow by their number.
struct Packet {
    flow: u16,
    number: u32,
    len: usize,
    ecn: u8,
    v6: bool,
}

impl Packet {
    fn new(flow: u16, number: u32) -> Self {
        Self { flow, number, len: 1500, ecn: NOT_ECT, v6: false }
    }

    fn bytes(&self) -> Bytes {
        let (src, dst): (IpAddr, IpAddr) = if self.v6 {
            (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into())
        } else {
            (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
        };
        let header_len = if self.v6 { 40 } else { 20 };
        let header = IpHeader {
            src,
            dst,
            protocol: Protocol(17),
            hop_limit: 64,
            traffic_class: TrafficClass(self.ecn),
            ident: self.number as u16,
            flow_label: 0x5_a5a5,
            header_len,
            payload_len: self.len - header_len,
            fragment: None,
            dont_fragment: true,
        };
        let mut bytes = vec![0; self.len];
        assert_eq!(ip::emit(&header, &mut bytes), header_len);
        bytes[header_len..header_len + 2].copy_from_slice(&self.flow.to_be_bytes());
        bytes[header_len + 8..header_len + 12].copy_from_slice(&self.number.to_be_bytes());
        bytes.into()
    }
}

/// A packet's flow and number.
fn label(packet: &[u8]) -> (u16, u32) {
    let at = if packet[0] >> 4 == 6 { 40 } else { 20 };
    let number = [packet[at + 8], packet[at + 9], packet[at + 10], packet[at + 11]];
    (u16::from_be_bytes([packet[at], packet[at + 1]]), u32::from_be_bytes(number))
}

fn ecn(packet: &[u8]) -> u8 {
    ip::parse(packet).map_or(0, |header| header.traffic_class.0 & CE)
}

/// The sum that RFC 791 3.1 wants to be all ones, computed the plain way.
fn ipv4_sum(packet: &[u8]) -> u16 {
    let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    (sum % 0xffff) as u16
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A queue, and what it has dropped.
struct Tested {
    queue: Box<dyn Queue>,
    dropped: Vec<Bytes>,
}

impl Tested {
    fn new(discipline: Discipline, seed: u64) -> Self {
        Self { queue: discipline.queue(seed), dropped: Vec::new() }
    }

    fn enqueue(&mut self, now: Instant, packet: Bytes) {
        self.queue.enqueue(now, packet, &mut self.dropped);
    }

    fn dequeue(&mut self, now: Instant) -> Option<Waiting> {
        self.queue.dequeue(now, &mut self.dropped)
    }

    fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    fn counters(&self) -> QueueCounters {
        QueueCounters { dropped: self.dropped.len() as u64, marked: self.queue.marked() }
    }
}

fn drain(queue: &mut Tested, now: Instant) -> Vec<(u16, u32)> {
    std::iter::from_fn(|| queue.dequeue(now)).map(|waiting| label(&waiting.packet)).collect()
}

#[test]
fn drop_tail_keeps_what_came_first_and_both_bounds() {
    let by_bytes = Discipline::DropTail { bytes: 4_500, packets: usize::MAX };
    let by_packets = Discipline::DropTail { bytes: usize::MAX, packets: 3 };
    for discipline in [by_bytes, by_packets] {
        let mut queue = Tested::new(discipline, 0);
        for number in 0..5 {
            queue.enqueue(at(0), Packet::new(1, number).bytes());
        }
        assert_eq!((queue.bytes(), queue.counters().dropped), (4_500, 2), "{discipline:?}");
        assert_eq!(drain(&mut queue, at(1)), [(1, 0), (1, 1), (1, 2)], "{discipline:?}");
        assert_eq!(queue.bytes(), 0);
    }
}

#[test]
fn drop_tail_has_room_for_a_small_packet_where_a_large_one_gives_way() {
    let mut queue = Tested::new(Discipline::drop_tail(2_000), 0);
    queue.enqueue(at(0), Packet::new(1, 0).bytes());
    queue.enqueue(at(0), Packet::new(1, 1).bytes());
    queue.enqueue(at(0), Packet { len: 500, ..Packet::new(1, 2) }.bytes());
    assert_eq!(drain(&mut queue, at(0)), [(1, 0), (1, 2)]);
}

#[test]
fn one_packet_may_always_wait() {
    for discipline in [Discipline::drop_tail(0), Discipline::DropTail { bytes: 1_000_000, packets: 0 }] {
        let mut queue = Tested::new(discipline, 0);
        queue.enqueue(at(0), Packet::new(1, 0).bytes());
        queue.enqueue(at(0), Packet::new(1, 1).bytes());
        assert_eq!(drain(&mut queue, at(0)), [(1, 0)]);
    }
}

/// A queue that never empties: a packet comes and one leaves each millisecond, and each waits for `standing` of them.
///
/// Returns when packets were dropped, and what came out.
fn standing(discipline: Discipline, standing: u64, millis: u64, ecn: u8) -> (Vec<u64>, Vec<Bytes>, u64) {
    let mut queue = Tested::new(discipline, 0);
    let (mut drops, mut out, mut number) = (Vec::new(), Vec::new(), 0);
    for now in 0..millis {
        // What is dropped is replaced: the wait stays what it is.
        while queue.bytes() < 1500 * (standing as usize + 1) {
            let since = (now + 1).saturating_sub(standing) + queue.bytes() as u64 / 1500;
            queue.enqueue(at(since.min(now)), Packet { ecn, ..Packet::new(1, number) }.bytes());
            number += 1;
        }
        let before = queue.counters().dropped;
        if let Some(waiting) = queue.dequeue(at(now)) {
            out.push(waiting.packet);
        }
        drops.extend((before..queue.counters().dropped).map(|_| now));
    }
    (drops, out, queue.counters().marked)
}

#[test]
fn codel_drops_nothing_below_its_target() {
    let (drops, _, marked) = standing(Discipline::codel(), 4, 5_000, NOT_ECT);
    assert_eq!((drops, marked), (vec![], 0));
}

#[test]
fn codel_never_drops_the_last_packet() {
    // RFC 8289 4.2: with no more than one packet left, nothing is dropped, however long it waited.
    let mut queue = Tested::new(Discipline::codel(), 0);
    for number in 0..20 {
        let now = u64::from(number) * 1_000;
        queue.enqueue(at(now), Packet::new(1, number).bytes());
        assert!(queue.dequeue(at(now + 900)).is_some());
    }
    assert_eq!(queue.counters().dropped, 0);
}

#[test]
fn codel_waits_an_interval_and_then_drops_ever_faster() {
    let (drops, ..) = standing(Discipline::codel(), 20, 2_000, NOT_ECT);
    // RFC 8289 5.5: the first drop an interval after the wait first exceeded the target, the next ones INTERVAL/sqrt(count)
    // after one another. The clock here has milliseconds, at which the queue is looked at.
    let mut next = drops[0] as f64;
    assert!((100..=130).contains(&drops[0]), "{drops:?}");
    for (count, drop) in (1..).zip(&drops) {
        assert_eq!(*drop, next.ceil() as u64, "drop {count} of {drops:?}");
        next += 100.0 / f64::from(count).sqrt();
    }
    assert!(drops.len() > 60, "{drops:?}");
}

#[test]
fn codel_begins_again_where_it_ended_not_long_ago() {
    let mut queue = Tested::new(Discipline::codel(), 0);
    let mut number = 0;
    let mut run = |queue: &mut Tested, from: u64, until: u64| {
        let mut drops = Vec::new();
        for now in from..until {
            while queue.bytes() < 1500 * 20 {
                queue.enqueue(at(now.saturating_sub(20)), Packet::new(1, number).bytes());
                number += 1;
            }
            let before = queue.counters().dropped;
            queue.dequeue(at(now));
            drops.extend((before..queue.counters().dropped).map(|_| now));
        }
        drain(queue, at(until));
        drops
    };
    let first = run(&mut queue, 100, 1_100);
    let soon = run(&mut queue, 1_200, 2_200);
    let late = run(&mut queue, 60_000, 61_000);
    let gap = |drops: &[u64]| drops[1] - drops[0];
    assert_eq!(gap(&first), 100);
    assert!(gap(&soon) < 40, "{soon:?}");
    assert_eq!(gap(&late), 100, "{late:?}");
}

#[test]
fn codel_marks_where_the_sender_understands_marks_and_drops_nothing() {
    let (drops, out, marked) = standing(Discipline::codel(), 20, 1_000, ECT);
    assert!(drops.is_empty(), "{drops:?}");
    assert!(marked > 10, "{marked}");
    assert_eq!(out.iter().filter(|packet| ecn(packet) == CE).count() as u64, marked);
    for packet in &out {
        assert_eq!(ipv4_sum(packet), 0, "{packet:02x?}");
    }
    // None is missing, and they are in order.
    let numbers: Vec<u32> = out.iter().map(|packet| label(packet).1).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u32));
}

#[test]
fn a_mark_changes_two_bits_and_the_checksum_and_nothing_else() {
    for (ecn_before, v6) in [(0b01, false), (0b10, false), (0b11, false), (0b01, true), (0b10, true), (0b11, true)] {
        for number in 0..2_000 {
            let packet = Packet { ecn: ecn_before | 0xb8, v6, ..Packet::new(7, number) }.bytes();
            let Some(marked) = super::ecn::marked(&packet) else { panic!("{ecn_before:02b} may be marked") };
            let header = ip::parse(&marked).unwrap();
            assert_eq!(header, IpHeader { traffic_class: TrafficClass(0xb8 | CE), ..ip::parse(&packet).unwrap() });
            assert_eq!(packet[header.header_len..], marked[header.header_len..]);
        }
    }
    for v6 in [false, true] {
        assert_eq!(super::ecn::marked(&Packet { v6, ..Packet::new(1, 1) }.bytes()), None);
    }
    for damaged in [&[][..], &[0x45], &[0x65], &[0x45, 2], &[0x25, 2, 3, 4]] {
        assert_eq!(super::ecn::marked(damaged), None, "{damaged:02x?}");
    }
}

#[test]
fn step_marking_begins_above_the_threshold() {
    let discipline = Discipline::StepMark { threshold: MS, bytes: 1 << 20 };
    let mut queue = Tested::new(discipline, 0);
    for (number, class) in [(0, ECT), (1, ECT), (2, NOT_ECT)] {
        queue.enqueue(at(0), Packet { ecn: class, ..Packet::new(1, number) }.bytes());
    }
    let mut take = |nanos: u64| queue.dequeue(Instant::from_nanos(nanos)).map(|waiting| ecn(&waiting.packet));
    assert_eq!([take(1_000_000), take(1_000_001), take(9_000_000)], [Some(ECT), Some(CE), Some(NOT_ECT)]);
    assert_eq!((queue.counters().marked, queue.counters().dropped), (1, 0));
}

#[test]
fn fq_codel_gives_equal_bytes_to_flows_of_unequal_packets() {
    let mut queue = Tested::new(Discipline::fq_codel(), 1);
    for number in 0..600 {
        queue.enqueue(at(0), Packet::new(1, number).bytes());
        for small in 0..5 {
            queue.enqueue(at(0), Packet { len: 300, ..Packet::new(2, number * 5 + small) }.bytes());
        }
    }
    let mut bytes = [0_usize; 2];
    for _ in 0..1_500 {
        let waiting = queue.dequeue(at(1)).unwrap();
        bytes[usize::from(label(&waiting.packet).0) - 1] += waiting.packet.len();
    }
    assert!(bytes[0].abs_diff(bytes[1]) <= 2 * 1514, "{bytes:?}");
}

#[test]
fn fq_codel_lets_a_sparse_flow_go_first() {
    let mut queue = Tested::new(Discipline::fq_codel(), 2);
    for number in 0..100 {
        queue.enqueue(at(0), Packet::new(1, number).bytes());
    }
    // Two quanta make the bulky flow an old one.
    assert_eq!([0, 1].map(|_: i32| label(&queue.dequeue(at(0)).unwrap().packet)), [(1, 0), (1, 1)]);
    queue.enqueue(at(1), Packet { len: 100, ..Packet::new(9, 0) }.bytes());
    assert_eq!(label(&queue.dequeue(at(1)).unwrap().packet), (9, 0));
    // RFC 8290 4.2: what comes at once again is no longer new, or it would starve the others.
    assert_eq!(label(&queue.dequeue(at(1)).unwrap().packet).0, 1);
    queue.enqueue(at(1), Packet { len: 100, ..Packet::new(9, 1) }.bytes());
    assert_eq!(label(&queue.dequeue(at(1)).unwrap().packet).0, 9, "its turn among the old ones");
}

#[test]
fn fq_codel_beyond_its_limit_takes_from_the_longest_queue() {
    let mut queue = Tested::new(Discipline::fq_codel(), 3);
    queue.enqueue(at(0), Packet { len: 100, ..Packet::new(9, 0) }.bytes());
    for number in 0..20_000 {
        queue.enqueue(at(0), Packet { len: 200, ..Packet::new(1, number) }.bytes());
    }
    assert!(queue.bytes() <= 10_240 * 200);
    let left = drain(&mut queue, at(0));
    assert!(left.contains(&(9, 0)), "the short queue has given nothing");
    assert_eq!(left.len() as u64 + queue.counters().dropped, 20_001);
    assert_eq!(queue.bytes(), 0);
    // RFC 8290 4.1: from the head, so that the sender hears of it early.
    assert_eq!(left.iter().rfind(|label| label.0 == 1), Some(&(1, 19_999)));
    assert!(!left.contains(&(1, 0)));
    assert_eq!(queue.dropped.first().map(|packet| label(packet)), Some((1, 0)), "and it is told which");
}

#[test]
fn fq_codel_has_a_law_for_each_flow() {
    let mut queue = Tested::new(Discipline::fq_codel(), 4);
    let (mut heavy, mut light) = (0, 0);
    let mut got = [0, 0];
    for now in 0..4_000_u64 {
        while heavy - got[0] < 40 {
            queue.enqueue(at(now), Packet::new(1, heavy).bytes());
            heavy += 1;
        }
        if now.is_multiple_of(10) {
            queue.enqueue(at(now), Packet { len: 100, ..Packet::new(2, light) }.bytes());
            light += 1;
        }
        let before = queue.counters().dropped;
        let Some(waiting) = queue.dequeue(at(now)) else { continue };
        got[0] += (queue.counters().dropped - before) as u32;
        got[usize::from(label(&waiting.packet).0) - 1] += 1;
    }
    assert!(queue.counters().dropped > 50, "{:?}", queue.counters());
    assert!(light - got[1] <= 1, "the flow whose packets do not wait lost {} of {light}", light - got[1]);
}

#[test]
fn fq_codel_keeps_fragments_and_pings_in_order() {
    // The bytes behind a header are ports only where the protocol has ports and the packet is whole.
    let mut queue = Tested::new(Discipline::fq_codel(), 5);
    let mut expected = Vec::new();
    for number in 0..64_u16 {
        let mut bytes = Packet::new(number, u32::from(number)).bytes().to_vec();
        bytes[9] = 1;
        expected.push(label(&bytes));
        queue.enqueue(at(0), bytes.into());
    }
    assert_eq!(drain(&mut queue, at(0)), expected);
    for number in 0..64_u16 {
        let mut bytes = Packet::new(number, u32::from(number)).bytes().to_vec();
        bytes[6..8].copy_from_slice(&((u16::from(number < 63) << 13) | (number * 8)).to_be_bytes());
        queue.enqueue(at(0), bytes.into());
    }
    assert_eq!(drain(&mut queue, at(0)), expected);
}
