//! Sending (RFC 9293 3.8): when text leaves, when it leaves again, when it must wait, and when we give up.

use std::time::Duration;

use bowline_tcp::{
    Algorithm, CallError, ConnectionError, ConnectionKey, Event, IcmpError, Keepalive, Options, Readiness,
};
use bowline_wire::tcp::TcpFlags;

use crate::bench::peer::{Peer, plain};
use crate::bench::stream;

/// An accepted connection whose peer takes segments of 1,000 bytes.
fn open(options: Options) -> (Peer, ConnectionKey) {
    let mut p = Peer::with_options(options);
    let listener = p.listen(5);
    p.run("< SYN seq=0 mss=1000 sackok\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1");
    let key = p.accept(listener);
    p.events();
    (p, key)
}

fn reno() -> Options {
    Options { algorithm: Algorithm::NewReno, nodelay: true, ..plain() }
}

/// What was sent since the last look, as (first number, length).
fn ranges(p: &mut Peer) -> Vec<(u32, usize)> {
    let mut out = Vec::new();
    while p.has_sent() {
        let sent = p.next_sent();
        out.push((sent.header.seq.0.wrapping_sub(p.our_isn()), sent.payload.len()));
    }
    out
}

#[test]
fn nagle_lets_one_small_segment_fly() {
    // RFC 9293 3.7.4, SHLD-7; 3.9.1.2, MAY-16, SHLD-28: what waited leaves as one segment.
    let (mut p, key) = open(plain());
    p.write(key, 0, 10);
    p.run("> ACK seq=1 ack=1 len=10");
    p.write(key, 10, 10);
    p.write(key, 20, 10);
    p.run("< ACK seq=1 ack=11\n> ACK seq=11 ack=1 len=20\n< ACK seq=1 ack=31");
    // A full segment never waits.
    p.write(key, 30, 10);
    p.run("> ACK seq=31 ack=1 len=10");
    p.write(key, 40, 1_500);
    p.run("> ACK seq=41 ack=1 len=1000\n< ACK seq=1 ack=1041\n> ACK seq=1041 ack=1 len=500");
}

#[test]
fn nodelay_lets_all_fly() {
    // RFC 9293 3.7.4, MUST-17.
    let (mut p, key) = open(Options { nodelay: true, ..plain() });
    for n in 0..5_u32 {
        p.write(key, u64::from(10 * n), 10);
        p.run(&format!("> ACK seq={} ack=1 len=10", 10 * n + 1));
    }
}

#[test]
fn cork_waits_for_full_segments_or_200_ms() {
    let (mut p, key) = open(Options { cork: true, ..plain() });
    p.write(key, 0, 600);
    p.run(".");
    p.write(key, 600, 600);
    p.run("> ACK seq=1 ack=1 len=1000\n< ACK seq=1 ack=1001\n+199ms\n.\n+2ms\n> ACK seq=1001 ack=1 len=200");
    p.run("< ACK seq=1 ack=1201");
    p.write(key, 1_200, 10);
    p.run(".");
    p.call(|endpoint, now| endpoint.set_options(now, key, |o| o.cork = false)).expect("options");
    p.run("> ACK seq=1201 ack=1 len=10");
}

#[test]
fn the_first_window_is_ten_segments_and_the_last_is_pushed() {
    // RFC 6928 2, RFC 5681 3.1, RFC5681-3.1-1; RFC 9293 3.9.1.2, MUST-60, MUST-61, SHLD-27.
    let (mut p, key) = open(Options { push_bursts: false, ..reno() });
    p.write(key, 0, 25_000);
    let mut sent = 0;
    while p.has_sent() {
        let segment = p.next_sent();
        sent += segment.payload.len();
        assert!(!segment.header.flags.contains(TcpFlags::PSH), "there is more to come: {segment:?}");
    }
    assert_eq!(sent, 10_000);
    p.inject("ACK seq=1 ack=10001");
    // Slow start: RFC 5681 3.1, RFC5681-3.1-2, at most as much again as was acknowledged.
    let mut pushed = Vec::new();
    while p.has_sent() {
        let segment = p.next_sent();
        sent += segment.payload.len();
        pushed.push(segment.header.flags.contains(TcpFlags::PSH));
    }
    assert_eq!(sent, 25_000);
    assert_eq!(pushed.iter().rposition(|&push| push), Some(pushed.len() - 1), "{pushed:?}");
    assert_eq!(pushed.iter().filter(|&&push| push).count(), 1, "{pushed:?}");
}

#[test]
fn a_burst_is_pushed_and_a_segment_that_others_follow_is_not() {
    let (mut p, key) = open(reno());
    p.write(key, 0, 25_000);
    let burst = p.next_sent();
    assert_eq!((burst.payload.len(), burst.size), (10_000, Some(1_000)));
    assert!(burst.header.flags.contains(TcpFlags::PSH), "the receiver need not wait for more");
    // One segment is acknowledged by a duplicate's rule, and lets one go (RFC 3042 2).
    p.inject("ACK seq=1 ack=1 sack=1001-2001");
    let single = p.next_sent();
    assert_eq!(single.payload.len(), 1_000);
    assert!(!single.header.flags.contains(TcpFlags::PSH), "there is more to come: {single:?}");
}

#[test]
fn a_closed_window_is_probed_for_ever_while_the_peer_answers() {
    // RFC 9293 3.8.6.1, MUST-36, MUST-37, SHLD-29, SHLD-30.
    let (mut p, key) = open(plain());
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 3_000);
    p.run(".");
    let mut probes = 0;
    let mut waits = Vec::new();
    while probes < 40 {
        let next = p.endpoint.poll_timeout().expect("the persist timer");
        let wait = next.since(p.now);
        waits.push(wait);
        p.pass(wait);
        assert_eq!(ranges(&mut p), [(0, 0)], "a probe is one number before what the peer expects");
        p.run("< ACK seq=1 ack=1 win=0");
        probes += 1;
    }
    assert_eq!(waits[0], p.info().expect("info").rto, "the first after the retransmission time-out");
    assert!(waits.windows(2).all(|w| w[0] <= w[1]), "ever longer: {waits:?}");
    assert_eq!(waits[3], waits[0] * 8, "exponentially: {waits:?}");
    assert!(*waits.last().expect("waits") <= Duration::from_secs(120), "{waits:?}");
    p.run("< ACK seq=1 ack=1 win=2000\n> ACK seq=1 ack=1 len=2000\n< ACK seq=1 ack=2001 win=65535\n> ACK seq=2001 ack=1 len=1000");
}

#[test]
fn a_closed_window_whose_peer_is_silent_times_out() {
    let (mut p, key) = open(plain());
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 3_000);
    for _ in 0..400 {
        p.pass(Duration::from_secs(10));
        ranges(&mut p);
    }
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::TimedOut));
}

#[test]
fn a_lost_window_update_does_not_stop_the_conversation() {
    let (mut p, key) = open(plain());
    p.run("< ACK seq=1 ack=1 win=1000");
    p.write(key, 0, 2_000);
    p.run("> ACK seq=1 ack=1 len=1000\n< ACK seq=1 ack=1001 win=0");
    // The update to 5,000 is lost; the answer to our probe tells.
    let wait = p.endpoint.poll_timeout().expect("persist").since(p.now);
    p.pass(wait);
    assert_eq!(ranges(&mut p), [(1000, 0)]);
    p.run("< ACK seq=1 ack=1001 win=5000\n> ACK seq=1001 ack=1 len=1000");
}

#[test]
fn a_silly_window_is_not_filled_at_once() {
    // RFC 9293 3.8.6.2.1, MUST-38.
    let (mut p, key) = open(plain());
    p.run("< ACK seq=1 ack=1 win=100");
    p.write(key, 0, 3_000);
    p.run(".");
    p.run("< ACK seq=1 ack=1 win=1000\n> ACK seq=1 ack=1 len=1000");
    p.run("< ACK seq=1 ack=1001 win=100");
    // … but in the end, by the override time-out, a small one is better than none.
    let mut waited = Duration::ZERO;
    while !p.has_sent() {
        let wait = p.endpoint.poll_timeout().expect("the override").since(p.now);
        waited += wait;
        p.pass(wait);
        assert!(waited < Duration::from_secs(3), "nothing was sent into a small window");
    }
    assert_eq!(ranges(&mut p), [(1001, 100)]);
}

#[test]
fn lost_text_is_sent_again_with_exponential_backoff() {
    // RFC 6298 5.4 to 5.6, RFC6298-5-4, RFC6298-5-5; RFC 9293 3.8.2, MUST-19; RFC 2018 8, RFC2018-8-1: it is still there.
    let (mut p, key) = open(reno());
    p.write(key, 0, 500);
    p.run("> ACK seq=1 ack=1 len=500");
    for wait in ["+201ms", "+400ms", "+800ms", "+1600ms"] {
        p.run(&format!("{wait}\n> ACK seq=1 ack=1 len=500"));
    }
    p.run("< ACK seq=1 ack=501\n.");
    assert_eq!(p.info().expect("info").total_retrans, 4);
}

#[test]
fn r2_ends_a_connection_whose_peer_is_gone() {
    // RFC 9293 3.8.3, MUST-20, SHLD-11: 15 retransmissions, some 924 s as on Linux.
    let (mut p, key) = open(reno());
    p.events();
    p.write(key, 0, 500);
    let start = p.now;
    while p.endpoint.error(key).is_none() {
        let wait = p.endpoint.poll_timeout().expect("a timer").since(p.now);
        p.pass(wait);
    }
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::TimedOut));
    assert_eq!(ranges(&mut p).len(), 1 + 15);
    let took = p.now.since(start).as_secs();
    assert!((900..950).contains(&took), "{took} s");
    assert_eq!(p.call(|e, now| e.send(now, key, b"x")), Err(CallError::Ended(ConnectionError::TimedOut)));
}

#[test]
fn the_user_timeout_ends_it_sooner() {
    // RFC 5482; RFC 9293 3.8.3, MUST-21: the user sets R2 as a time, …
    let (mut p, key) = open(Options { user_timeout: Some(Duration::from_secs(10)), ..reno() });
    p.write(key, 0, 500);
    let start = p.now;
    while p.endpoint.error(key).is_none() {
        let wait = p.endpoint.poll_timeout().expect("a timer").since(p.now);
        p.pass(wait);
    }
    let took = p.now.since(start);
    assert!((Duration::from_secs(10)..Duration::from_secs(13)).contains(&took), "{took:?}");

    // … or as a number of retransmissions, also on a connection that exists already.
    let (mut p, key) = open(reno());
    p.call(|e, now| e.set_options(now, key, |o| o.retries = 3)).expect("options");
    p.write(key, 0, 500);
    p.pass(Duration::from_secs(10));
    assert_eq!((ranges(&mut p).len(), p.endpoint.error(key)), (1 + 3, Some(ConnectionError::TimedOut)));
}

#[test]
fn three_duplicate_acks_bring_a_fast_retransmission() {
    // RFC 5681 3.2, RFC5681-3.2-1; 3.1, RFC5681-3.1-4.
    let (mut p, key) = open(reno());
    p.write(key, 0, 5_000);
    assert_eq!(ranges(&mut p).iter().map(|r| r.1).sum::<usize>(), 5_000);
    p.run("< ACK seq=1 ack=1\n.\n< ACK seq=1 ack=1\n.\n< ACK seq=1 ack=1\n> ACK seq=1 ack=1 len=1000");
    p.run("< ACK seq=1 ack=5001\n.");
    let info = p.info().expect("info");
    assert_eq!((info.recoveries, info.total_retrans, info.timeouts), (1, 1, 0));
    assert!(info.cwnd < 10_000, "{}", info.cwnd);
}

#[test]
fn sack_that_was_not_agreed_on_says_nothing() {
    // RFC 2018 2, 3: the option may be sent only where the SYN permitted it.
    let (mut p, key) = open(reno());
    p.write(key, 0, 5_000);
    ranges(&mut p);
    p.run("< ACK seq=1 ack=1 sack=1001-5001\n.");
    let info = p.info().expect("info");
    assert_eq!((info.recoveries, info.total_retrans), (0, 0));
}

#[test]
fn sack_repairs_only_the_holes() {
    // RFC 6675, RFC 2018 5, RFC2018-5-1: segments 1 and 3 of ten are lost.
    let (mut p, key) = open(Options { sack: true, ..reno() });
    p.write(key, 0, 10_000);
    ranges(&mut p);
    p.run("< ACK seq=1 ack=1 sack=1001-2001\n.\n< ACK seq=1 ack=1 sack=3001-4001;1001-2001\n.");
    p.inject("ACK seq=1 ack=1 sack=3001-5001;1001-2001");
    p.inject("ACK seq=1 ack=1 sack=3001-10001;1001-2001");
    let again = ranges(&mut p);
    let starts: Vec<_> = again.iter().map(|r| r.0).collect();
    assert_eq!(starts, [1, 2001], "{again:?}");
    p.run("< ACK seq=1 ack=10001\n.");
    let info = p.info().expect("it lives");
    assert_eq!((info.recoveries, info.total_retrans, info.bytes_retrans, info.timeouts), (1, 2, 2_000, 0));
}

#[test]
fn acknowledgements_that_come_together_do_not_make_the_window_look_unused() {
    // RFC 9438 4.6: what is reduced is the window that was in use. Half of it is acknowledged, and the loss of a segment in
    // the other half is reported, before there was a turn to send.
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let (mut p, key) = open(Options { sack: true, algorithm, ..reno() });
        p.write(key, 0, 40_000);
        ranges(&mut p);
        let window = p.info().expect("it lives").cwnd;
        p.inject("ACK seq=1 ack=5001");
        p.inject("ACK seq=1 ack=5001 sack=6001-10001");
        let ssthresh = p.info().expect("it lives").ssthresh.expect("a loss was noticed");
        assert!(ssthresh >= window / 2, "{algorithm:?}: {ssthresh} of {window}");
    }
}

#[test]
fn urgent_text_is_pointed_at() {
    // RFC 9293 3.8.5, MUST-30, MUST-31, MUST-62; RFC 6093: the pointer is behind the urgent byte.
    let (mut p, key) = open(Options { nodelay: true, ..plain() });
    let data = stream(0, 5);
    p.call(|e, now| e.send_urgent(now, key, &data)).expect("send");
    p.run("> URG,ACK seq=1 ack=1 len=5 urg=5");
    p.write(key, 5, 5);
    p.run("> ACK seq=6 ack=1 len=5\n< ACK seq=1 ack=11");
}

#[test]
fn keepalive_probes_after_two_hours_and_gives_up_after_ten_probes() {
    // RFC 9293 3.8.4, MUST-24, MUST-26, MUST-28, MUST-29, SHLD-12, MAY-5.
    let (mut p, key) = open(Options { keepalive: Some(Keepalive::default()), ..plain() });
    p.run("+1h\n.\n+3599s\n.\n+1s\n> ACK seq=0 ack=1\n< ACK seq=1 ack=1\n.");
    // It was answered: two hours of silence begin anew.
    p.run("+1h\n.\n+3599s\n.\n+1s\n> ACK seq=0 ack=1");
    for _ in 0..9 {
        p.run("+75s\n> ACK seq=0 ack=1");
    }
    p.run("+75s\n> RST,ACK seq=1 ack=1");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::TimedOut));
}

#[test]
fn without_keepalive_an_idle_connection_needs_no_timer_and_no_memory() {
    // RFC 9293 3.8.4, MUST-25: it is off by default.
    let (mut p, key) = open(plain());
    p.write(key, 0, 100);
    p.run("> ACK seq=1 ack=1 len=100\n< ACK seq=1 ack=101 len=50\n> ACK seq=101 ack=51");
    p.read(key, 0, 50);
    p.run("+1s\n.");
    assert_eq!(p.endpoint.poll_timeout(), None);
    // But for the place of a few chunks, which is kept so that each small message does not allocate it anew.
    let memory = p.info().expect("info").memory;
    assert!(memory <= 256, "{memory}");
}

#[test]
fn icmp_ends_an_open_and_only_hints_afterwards() {
    // RFC 9293 3.9.2.2, MUST-54, MUST-56, MUST-47, SHLD-20, SHLD-25; RFC 5927 4.1, RFC 5461.
    for (error, told) in [
        (IcmpError::HostUnreachable, ConnectionError::HostUnreachable),
        (IcmpError::NetworkUnreachable, ConnectionError::NetworkUnreachable),
        (IcmpError::PortUnreachable, ConnectionError::Refused),
        (IcmpError::ProtocolUnreachable, ConnectionError::ProtocolUnreachable),
    ] {
        let mut p = Peer::plain();
        let key = p.connect();
        p.run("> SYN seq=0");
        let (tuple, isn) = (p.tuple(), p.our_isn());
        p.call(|e, now| e.handle_icmp(now, tuple, isn.wrapping_add(1), error));
        assert_eq!(p.endpoint.error(key), None, "{error:?} about what is not in flight");
        p.call(|e, now| e.handle_icmp(now, tuple, isn, error));
        assert_eq!(p.endpoint.error(key), Some(told));
    }
    let (mut p, key) = open(reno());
    p.write(key, 0, 500);
    ranges(&mut p);
    let (tuple, isn) = (p.tuple(), p.our_isn());
    p.call(|e, now| e.handle_icmp(now, tuple, isn.wrapping_add(1), IcmpError::HostUnreachable));
    assert_eq!(p.endpoint.error(key), None);
    // Who asks is told; nobody else is.
    assert_eq!(p.info().expect("info").soft_error, Some(ConnectionError::HostUnreachable));
    assert!(p.events().is_empty());
    p.run("< ACK seq=1 ack=501\n= ESTABLISHED");
}

#[test]
fn a_smaller_path_cuts_text_anew() {
    // RFC 1191 6, RFC 5927 7: only what is in flight may say so, and never more than before.
    let (mut p, key) = open(reno());
    p.write(key, 0, 2_000);
    ranges(&mut p);
    let (tuple, isn) = (p.tuple(), p.our_isn());
    for (seq, mtu) in [(isn.wrapping_add(50_000), 700), (isn.wrapping_add(1), 9_000)] {
        p.call(|e, now| e.handle_icmp(now, tuple, seq, IcmpError::PacketTooBig(mtu)));
        assert_eq!(p.info().expect("info").mss, 1_000);
    }
    p.call(|e, now| e.handle_icmp(now, tuple, isn.wrapping_add(1), IcmpError::PacketTooBig(740)));
    assert_eq!(p.info().expect("info").mss, 700);
    let sent = p.next_sent();
    assert!(sent.payload.len() <= 700 || sent.size == Some(700), "{sent:?}");
    ranges(&mut p);
    p.run("< ACK seq=1 ack=2001\n.");
    p.call(|e, now| e.handle_icmp(now, tuple, isn.wrapping_add(2001), IcmpError::PacketTooBig(68)));
    assert_eq!(p.info().expect("info").mss, 700, "nothing is in flight");
}

#[test]
fn the_first_text_after_a_silence_fits_into_the_restart_window() {
    // RFC 5681 4.1: the window that a pause leaves holds for the segment that ends the pause, not only behind it.
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let (mut p, key) = open(Options { algorithm, ..reno() });
        for (at, len, ack) in [(0, 10_000, "ack=10001"), (10_000, 20_000, "ack=30001")] {
            p.write(key, at, len);
            assert_eq!(ranges(&mut p).iter().map(|r| r.1).sum::<usize>(), len);
            p.run(&format!("< ACK seq=1 {ack}\n."));
        }
        p.run("+30000ms\n.");
        p.write(key, 30_000, 30_000);
        assert_eq!(ranges(&mut p).iter().map(|r| r.1).sum::<usize>(), 10_000);
    }
}

#[test]
fn the_peer_may_shrink_its_window() {
    // RFC 9293 3.8.6: a sender must be robust against it (MUST-34): nothing new (SHLD-15), but what was sent is sent again
    // (SHLD-16), beyond the new edge too (MAY-7).
    let (mut p, key) = open(reno());
    p.run("< ACK seq=1 ack=1 win=5000");
    p.write(key, 0, 8_000);
    assert_eq!(ranges(&mut p).iter().map(|r| r.1).sum::<usize>(), 5_000);
    p.run("< ACK seq=1 ack=2001 win=1000\n.");
    p.run("+300ms\n> ACK seq=2001 ack=1 len=1000\n< ACK seq=1 ack=3001 win=0\n> ACK seq=3001 ack=1 len=2000");
    p.inject("ACK seq=1 ack=5001 win=4000");
    assert_eq!(ranges(&mut p).iter().map(|r| r.1).sum::<usize>(), 3_000);
}

#[test]
fn a_full_send_queue_says_so_and_says_when_there_is_room() {
    let (mut p, key) = open(Options { send_buffer: 5_000, ..reno() });
    p.run("< ACK seq=1 ack=1 win=1000");
    let data = stream(0, 9_000);
    assert_eq!(p.call(|e, now| e.send(now, key, &data)), Ok(5_000));
    assert_eq!(p.call(|e, now| e.send(now, key, &data)), Err(CallError::WouldBlock));
    p.events();
    p.run("> ACK seq=1 ack=1 len=1000");
    p.run("< ACK seq=1 ack=1001 win=4000\n> ACK seq=1001 ack=1 len=4000");
    p.run("< ACK seq=1 ack=5001 win=4000");
    assert!(p.endpoint.readiness(key).contains(Readiness::WRITABLE));
    assert!(!p.events().is_empty(), "the writer is woken");
    assert_eq!(p.call(|e, _| e.send_capacity(key)), Ok(5_000));
}

#[test]
fn old_and_future_acks_do_not_move_anything() {
    let (mut p, key) = open(reno());
    p.write(key, 0, 3_000);
    ranges(&mut p);
    p.run("< ACK seq=1 ack=1001\n.\n< ACK seq=1 ack=501 win=10\n.\n< ACK seq=1 ack=3002\n> ACK seq=3001 ack=1");
    assert_eq!(p.info().expect("info").bytes_acked, 1_000);
    p.run("< ACK seq=1 ack=3001\n.");
}

#[test]
fn an_ack_beyond_a_window_that_was_taken_back_stands_at_its_edge() {
    // RFC 9293 3.10.7.4, first check: beyond its edge the peer would not look at it, and would send for ever what we have.
    let (mut p, key) = open(Options { nodelay: true, ..plain() });
    p.write(key, 0, 2_000);
    while p.has_sent() {
        p.next_sent();
    }
    p.run("< ACK seq=1 ack=1001 win=500\n< ACK seq=1 ack=1001 win=500 len=10\n> ACK seq=1501 ack=11");
}

#[test]
fn who_waits_without_having_met_a_full_queue_is_told_of_room_too() {
    let (mut p, key) = open(Options { send_buffer: 9_000, ..reno() });
    p.run("< ACK seq=1 ack=1 win=9000");
    let data = stream(0, 7_000);
    assert_eq!(p.call(|e, now| e.send(now, key, &data)), Ok(7_000));
    assert!(!p.endpoint.readiness(key).contains(Readiness::WRITABLE), "less than a third is free");
    p.endpoint.wait_writable(key);
    ranges(&mut p);
    p.events();
    let is_told = |p: &mut Peer| {
        p.events().iter().any(|e| matches!(e, Event::Connection(_, r) if r.contains(Readiness::WRITABLE)))
    };
    p.inject("ACK seq=1 ack=501 win=9000");
    assert!(!is_told(&mut p));
    p.inject("ACK seq=1 ack=1001 win=9000");
    assert!(is_told(&mut p), "long before all has arrived");
    p.inject("ACK seq=1 ack=2001 win=9000");
    assert!(!is_told(&mut p), "once");
}

#[test]
fn without_a_congestion_window_the_queue_grows_with_what_the_peer_lets_out() {
    // A device that loses nothing has no congestion window to go by, and a peer that reads nothing gets no more ahead of it.
    const FIRST: usize = 100_000;
    let mut p = Peer::with_options(Options {
        algorithm: Algorithm::Local,
        send_buffer: 1_000_000,
        send_buffer_first: FIRST as u32,
        ..reno()
    });
    let listener = p.listen(5);
    p.run("< SYN seq=0 mss=1000 win=3000\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 win=3000");
    let key = p.accept(listener);
    let fill = |p: &mut Peer| p.call(|endpoint, now| endpoint.send(now, key, &[7; 1_000_000]));
    assert_eq!(fill(&mut p), Ok(FIRST));
    let flies = |p: &mut Peer| ranges(p).iter().map(|(_, len)| len).sum::<usize>();
    assert_eq!(flies(&mut p), 3_000);
    // its buffer is full, and that is all it ever had
    p.run("< ACK seq=1 ack=3001 win=0");
    assert_eq!(fill(&mut p), Ok(3_000));
    assert_eq!(fill(&mut p), Err(CallError::WouldBlock));
    // it reads after all, and its window opens: what is in flight has room twice over, with its cost in a kernel
    p.inject("ACK seq=1 ack=3001 win=60000");
    assert_eq!(flies(&mut p), 60_000);
    p.inject("ACK seq=1 ack=63001 win=60000");
    assert_eq!(fill(&mut p), Ok(2 * 60 * (2_048 + 256) - (FIRST - 60_000)));
    assert_eq!(fill(&mut p), Err(CallError::WouldBlock));
}
