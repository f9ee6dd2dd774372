use alloc::vec;
use core::net::SocketAddr;

use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;

use crate::ecn::EcnAgreement;

use super::*;
use crate::negotiate::Negotiated;
use crate::{FourTuple, Options};

const LISTENER: ListenerKey = ListenerKey { index: 0, generation: 1 };
const OTHER: ListenerKey = ListenerKey { index: 1, generation: 1 };

fn entry(id: u64, listener: ListenerKey) -> HalfOpen {
    let remote = SocketAddr::from(([10, 0, 0, 1], (id as u16).wrapping_add(1000)));
    let tuple = FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), remote);
    let negotiated = Negotiated {
        iss: SeqNumber(1),
        irs: SeqNumber(2),
        peer_mss: 1460,
        window_scale: None,
        timestamps: None,
        sack: false,
        ecn: EcnAgreement::NONE,
    };
    HalfOpen::new(id, listener, &tuple, &negotiated, 1460, &Options::default())
}

/// Lets the clock run from deadline to deadline; returns when each entry was due, and whether it expired.
fn run(queue: &mut SynQueue, retries: u8) -> Vec<(u64, u64, bool)> {
    let mut log = Vec::new();
    while let Some(now) = queue.poll_timeout() {
        while let Some(due) = queue.poll_due(now, |_| retries) {
            let (id, expired) = match due {
                Due::Retransmit(place) => (queue.get(place).unwrap().id(), false),
                Due::Expired(_, entry) => (entry.id(), true),
            };
            log.push((now.as_millis(), id, expired));
        }
    }
    log
}

#[test]
fn a_place_takes_at_most_128_bytes() {
    let mut queue = SynQueue::new(1 << 16);
    for id in 0..65_536 {
        queue.insert(Instant::ZERO, entry(id, LISTENER));
    }
    assert!(queue.memory() / queue.len() <= 112, "{}", queue.memory() / queue.len());
}

#[test]
fn a_syn_ack_is_sent_again_after_1_2_4_8_and_16_seconds() {
    let mut queue = SynQueue::new(10);
    queue.insert(Instant::from_secs(100), entry(1, LISTENER));
    let times: Vec<_> = run(&mut queue, 5).into_iter().map(|(ms, _, expired)| (ms / 1000 - 100, expired)).collect();
    // As Linux with tcp_synack_retries = 5: given up after 63 s.
    assert_eq!(times, vec![(1, false), (3, false), (7, false), (15, false), (31, false), (63, true)]);
}

#[test]
fn more_retries_are_a_minute_apart_and_none_means_one_second() {
    let mut queue = SynQueue::new(10);
    queue.insert(Instant::ZERO, entry(1, LISTENER));
    let times: Vec<_> = run(&mut queue, 9).into_iter().map(|(ms, ..)| ms / 1000).collect();
    assert_eq!(times, vec![1, 3, 7, 15, 31, 63, 127, 191, 255, 319]);
    queue.insert(Instant::ZERO, entry(1, LISTENER));
    assert_eq!(run(&mut queue, 0), vec![(1000, 1, true)]);
}

#[test]
fn deadlines_come_in_order_whatever_left_in_between() {
    let mut queue = SynQueue::new(100);
    let mut places = Vec::new();
    for id in 0..40 {
        places.extend(queue.insert(Instant::from_millis(id * 137), entry(id, LISTENER)));
    }
    for place in places.iter().step_by(3) {
        assert!(queue.remove(*place).is_some());
        assert!(queue.remove(*place).is_none());
    }
    let log = run(&mut queue, 3);
    assert!(log.is_sorted_by_key(|&(ms, ..)| ms));
    for id in (0..40).filter(|id| id % 3 != 0) {
        let own: Vec<_> = log.iter().filter(|entry| entry.1 == id).map(|entry| entry.0 - id * 137).collect();
        assert_eq!(own, vec![1000, 3000, 7000, 15_000], "entry {id}");
    }
    assert_eq!(log.len(), 26 * 4);
    assert!(queue.is_empty() && queue.poll_timeout().is_none());
}

#[test]
fn it_holds_as_many_as_it_may_and_gives_memory_back() {
    let mut queue = SynQueue::new(5_000);
    for id in 0..5_000 {
        assert!(queue.insert(Instant::ZERO, entry(id, LISTENER)).is_some());
    }
    assert!(queue.is_full() && queue.insert(Instant::ZERO, entry(9, LISTENER)).is_none());
    let full = queue.memory();
    run(&mut queue, 5);
    assert!(queue.is_empty());
    assert!(queue.memory() < full / 10, "{} of {full} bytes stay", queue.memory());
}

#[test]
fn under_pressure_entries_are_given_up_sooner_unless_the_peer_has_answered() {
    let mut queue = SynQueue::new(4);
    for id in 0..3 {
        queue.insert(Instant::ZERO, entry(id, LISTENER));
    }
    let last_ack = bowline_wire::tcp::TcpHeader {
        seq: SeqNumber(3),
        ack: SeqNumber(2),
        flags: bowline_wire::tcp::TcpFlags::ACK,
        ..Default::default()
    };
    queue.get_mut(0).unwrap().on_segment(Instant::ZERO, &last_ack, (0, Ecn::NotEct), true);
    let log = run(&mut queue, 5);
    let expired: Vec<_> = log.iter().filter(|entry| entry.2).map(|&(ms, id, _)| (ms / 1000, id)).collect();
    // One goes after three retransmissions; then the queue is half empty, and the others get all five.
    assert_eq!(expired, vec![(15, 1), (63, 0), (63, 2)]);
}

#[test]
fn a_listener_takes_its_own_with_it() {
    let mut queue = SynQueue::new(100);
    for id in 0..20 {
        queue.insert(Instant::ZERO, entry(id, if id % 2 == 0 { LISTENER } else { OTHER }));
    }
    let gone: Vec<_> = queue.remove_all_of(LISTENER).iter().map(|(_, half)| half.id()).collect();
    assert_eq!(gone, (0..20).step_by(2).collect::<Vec<_>>());
    assert!(queue.iter().all(|entry| entry.listener() == OTHER));
    assert_eq!((queue.len(), run(&mut queue, 0).len()), (10, 10));
}
