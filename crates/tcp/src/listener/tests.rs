use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;

fn listener(backlog: usize) -> Listener {
    Listener::new(None, Some(80), backlog, false, Options::default().into())
}

fn connection(index: u32) -> ConnectionKey {
    ConnectionKey { index, generation: 0 }
}

fn segment(flags: TcpFlags) -> TcpHeader {
    TcpHeader { seq: SeqNumber(10), ack: SeqNumber(20), flags, ..TcpHeader::default() }
}

fn on(listener: &mut Listener, flags: TcpFlags) -> ListenOutcome {
    listener.on_segment(Instant::from_secs(1000), &segment(flags), false)
}

#[test]
fn every_segment_means_what_3_10_7_2_says() {
    use ListenOutcome::{Drop, Queue, Reset};
    for (flags, expected) in [
        (SYN, Queue),
        (SYN | FIN, Queue),
        (SYN | TcpFlags::ECE | TcpFlags::CWR, Queue),
        (ACK, Reset(SeqNumber(20))),
        (ACK | FIN, Reset(SeqNumber(20))),
        (SYN | ACK, Reset(SeqNumber(20))),
        (RST, Drop(DropReason::ResetIgnored)),
        (RST | ACK, Drop(DropReason::ResetIgnored)),
        (RST | SYN, Drop(DropReason::ResetIgnored)),
        (FIN, Drop(DropReason::NoAck)),
        (TcpFlags::empty(), Drop(DropReason::NoAck)),
    ] {
        assert_eq!(on(&mut listener(10), flags), expected, "{flags}");
    }
}

#[test]
fn backlog_plus_one_connections_wait_then_syns_are_dropped() {
    for backlog in [0, 1, 5] {
        let mut listener = listener(backlog);
        for n in 0..=backlog {
            assert_eq!(on(&mut listener, SYN), ListenOutcome::Queue, "backlog {backlog}, {n} wait");
            listener.push_accept(connection(n as u32));
        }
        assert!(listener.is_accept_queue_full());
        assert_eq!(on(&mut listener, SYN), ListenOutcome::Drop(DropReason::ListenOverflow));
        assert_eq!((listener.counters().overflows, listener.counters().drops), (1, 1));
        assert_eq!(listener.pop_accept(), Some(connection(0)), "first come, first served");
        assert_eq!(on(&mut listener, SYN), ListenOutcome::Queue);
    }
}

#[test]
fn a_full_syn_queue_answers_with_cookies_and_expects_them_back_for_a_while() {
    let mut listener = listener(20);
    let at =
        |listener: &mut Listener, secs, flags| listener.on_segment(Instant::from_secs(secs), &segment(flags), false);
    for _ in 0..20 {
        assert_eq!(at(&mut listener, 1, SYN), ListenOutcome::Queue);
        listener.on_half_open();
    }
    assert_eq!(at(&mut listener, 1, ACK), ListenOutcome::Reset(SeqNumber(20)), "no cookie was sent yet");
    assert_eq!(at(&mut listener, 2, SYN), ListenOutcome::Cookie);
    assert!(listener.info(Instant::from_secs(2), ListenerKey { index: 0, generation: 0 }, 0).cookies);
    listener.on_half_open_gone();
    assert_eq!(at(&mut listener, 3, SYN), ListenOutcome::Queue, "there is room again");
    assert_eq!(at(&mut listener, 129, ACK), ListenOutcome::CheckCookie);
    assert_eq!(at(&mut listener, 129, ACK | FIN), ListenOutcome::CheckCookie);
    assert_eq!(at(&mut listener, 129, ACK | SYN), ListenOutcome::Reset(SeqNumber(20)));
    assert_eq!(at(&mut listener, 130, ACK), ListenOutcome::Reset(SeqNumber(20)), "too late for any cookie");
    assert_eq!((listener.counters().syns, listener.counters().cookies), (22, 1));
}

#[test]
fn where_there_are_no_cookies_a_full_syn_queue_drops() {
    let options = Options { syn_cookies: Cookies::Never, ..Options::default() };
    let mut listener = Listener::new(None, Some(80), 8, false, options.into());
    assert_eq!(on(&mut listener, SYN), ListenOutcome::Queue);
    let outcome = listener.on_segment(Instant::ZERO, &segment(SYN), true);
    assert_eq!(outcome, ListenOutcome::Drop(DropReason::SynQueueFull));
    assert_eq!(on(&mut listener, ACK), ListenOutcome::Reset(SeqNumber(20)), "no cookie is expected");
}

#[test]
fn the_bound_of_the_whole_endpoint_brings_cookies_too() {
    let mut listener = listener(4096);
    let outcome = listener.on_segment(Instant::ZERO, &segment(SYN), true);
    assert_eq!(outcome, ListenOutcome::Cookie);
}

#[test]
fn a_cookie_that_finds_the_accept_queue_full_is_ignored() {
    let mut listener = listener(0);
    listener.on_segment(Instant::ZERO, &segment(SYN), true);
    listener.push_accept(connection(1));
    let outcome = listener.on_segment(Instant::ZERO, &segment(ACK), false);
    assert_eq!(outcome, ListenOutcome::Drop(DropReason::ListenOverflow));
}

#[test]
fn a_small_backlog_still_remembers_a_few_handshakes_and_a_large_one_is_cut() {
    let mut small = listener(1);
    for _ in 0..8 {
        assert_eq!(on(&mut small, SYN), ListenOutcome::Queue);
        small.on_half_open();
    }
    assert_eq!(on(&mut small, SYN), ListenOutcome::Cookie);
    assert_eq!(listener(usize::MAX).info(Instant::ZERO, ListenerKey { index: 0, generation: 0 }, 0).backlog, 4096);
}

#[test]
fn a_deferred_listener_leaves_each_syn_to_the_caller() {
    let mut listener = Listener::new(None, None, 3, true, Options::default().into());
    assert_eq!(listener.on_segment(Instant::ZERO, &segment(SYN), true), ListenOutcome::Defer);
    assert_eq!(on(&mut listener, ACK), ListenOutcome::Reset(SeqNumber(20)));
    let key = |index| PendingKey { index, generation: 7 };
    listener.push_pending(key(1), |_| true);
    listener.push_pending(key(2), |_| true);
    assert_eq!(
        (listener.pop_pending(), listener.pop_pending(), listener.pop_pending()),
        (Some(key(1)), Some(key(2)), None)
    );
}

#[test]
fn a_caller_who_never_asks_costs_no_memory() {
    let mut listener = Listener::new(None, None, 3, true, Options::default().into());
    // At any time the ten newest wait.
    for index in 0..100_000_u32 {
        let waits = |key: PendingKey| key.index + 10 > index;
        listener.push_pending(PendingKey { index, generation: 0 }, waits);
        assert!(listener.pending.len() <= 64 && listener.pending.capacity() <= 128);
    }
    let left: Vec<u32> = core::iter::from_fn(|| listener.pop_pending()).map(|key| key.index).collect();
    assert!(left.is_sorted() && left.ends_with(&[99_998, 99_999]));
}

#[test]
fn those_that_wait_are_asked_after_ever_more_rarely() {
    let mut listener = Listener::new(None, None, 3, true, Options::default().into());
    let asked = core::cell::Cell::new(0);
    for index in 0..10_000 {
        let waits = |_| {
            asked.set(asked.get() + 1);
            true
        };
        listener.push_pending(PendingKey { index, generation: 0 }, waits);
    }
    assert!((10_000..=30_000).contains(&asked.get()), "{} questions", asked.get());
}

#[test]
fn another_backlog_holds_from_then_on() {
    let mut listener = listener(0);
    listener.push_accept(connection(0));
    assert!(listener.is_accept_queue_full());
    listener.set_backlog(1);
    assert!(!listener.is_accept_queue_full());
    listener.set_backlog(usize::MAX);
    assert_eq!(listener.info(Instant::ZERO, ListenerKey { index: 0, generation: 0 }, 0).backlog, 4096);
}

proptest! {
    /// Whatever comes, in whatever order: the queues stay within their bounds.
    #[test]
    fn queues_are_bounded(backlog in 0..40_usize, steps in proptest::collection::vec(0..6_u8, 0..400)) {
        let mut listener = listener(backlog);
        let mut now = Instant::from_secs(1000);
        for step in steps {
            now += Duration::from_secs(7);
            match step {
                0 | 1 => match listener.on_segment(now, &segment(SYN), false) {
                    ListenOutcome::Queue => {
                        prop_assert!(listener.half_open() < backlog.max(8));
                        listener.on_half_open();
                    }
                    ListenOutcome::Cookie => prop_assert!(listener.half_open() >= backlog.max(8)),
                    ListenOutcome::Drop(_) => prop_assert!(listener.accept_queue_len() > backlog),
                    other => prop_assert!(false, "{:?}", other),
                },
                2 | 3 if listener.half_open() > 0 && !listener.is_accept_queue_full() => {
                    listener.on_half_open_gone();
                    listener.push_accept(connection(1));
                }
                4 => drop(listener.pop_accept()),
                _ => listener.on_half_open_gone(),
            }
            prop_assert!(listener.accept_queue_len() <= backlog + 1);
            prop_assert!(listener.half_open() <= backlog.max(8));
        }
    }
}

#[test]
fn it_says_what_it_was_made_of_and_what_it_counted() {
    let address = Some(IpAddr::from([10, 0, 0, 2]));
    for deferred in [false, true] {
        let mut listener = Listener::new(address, None, 5, deferred, Options::default().into());
        assert_eq!((listener.address(), listener.port(), listener.is_deferred()), (address, None, deferred));
        listener.on_drop();
        listener.on_drop();
        listener.on_overflow();
        assert_eq!((listener.counters().drops, listener.counters().overflows), (3, 1));
    }
}
