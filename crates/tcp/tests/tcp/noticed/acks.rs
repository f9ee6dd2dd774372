//! Fifth check: what is progress, what the window is worth, and what the user is told.

use std::time::Duration;

use bowline_tcp::{ConnectionError, ConnectionKey, Event, Options, Readiness, Then};
use bytes::Bytes;

use crate::bench::peer::{Peer, plain};

/// What a connection was told since the last question.
fn told(p: &mut Peer, key: ConnectionKey) -> Readiness {
    let ours = |event: Event| match event {
        Event::Connection(whose, ready) if whose == key => Some(ready),
        _ => None,
    };
    p.events().into_iter().filter_map(ours).fold(Readiness::empty(), |all, ready| all | ready)
}

fn drain(p: &mut Peer) -> usize {
    let mut count = 0;
    while p.has_sent() {
        p.next_sent();
        count += 1;
    }
    count
}

#[test]
fn an_acknowledgement_of_nothing_new_is_no_progress() {
    // RFC 9293 3.8.3, MUST-20: R2 counts retransmissions of one segment, whatever else is heard meanwhile.
    for (options, within) in [
        (Options { retries: 4, ..plain() }, Duration::from_secs(30)),
        (Options { user_timeout: Some(Duration::from_secs(20)), ..plain() }, Duration::from_secs(40)),
    ] {
        let mut p = Peer::with_options(options);
        let (_, key) = p.establish();
        p.write(key, 0, 500);
        let start = p.now;
        while p.endpoint.error(key).is_none() {
            drain(&mut p);
            p.pass(Duration::from_millis(500));
            drain(&mut p);
            if p.endpoint.error(key).is_none() {
                p.inject("ACK seq=1 ack=1");
            }
            assert!(p.now.since(start) < within, "it goes on for ever");
        }
        assert_eq!(p.endpoint.error(key), Some(ConnectionError::TimedOut));
    }
}

#[test]
fn what_is_acknowledged_in_part_is_still_timed_from_then_on() {
    // RFC 5482: the time that data may remain unacknowledged counts from the last progress; without data there is none.
    let timeout = Duration::from_secs(10);
    let mut p = Peer::with_options(Options { user_timeout: Some(timeout), retries: 50, ..plain() });
    let (_, key) = p.establish();
    p.write(key, 0, 500);
    drain(&mut p);
    p.pass(Duration::from_secs(6));
    drain(&mut p);
    p.run("< ACK seq=1 ack=101");
    let progress = p.now;
    p.pass(Duration::from_secs(6));
    drain(&mut p);
    assert_eq!(p.endpoint.error(key), None, "it moved on six seconds ago");
    while p.endpoint.error(key).is_none() {
        p.pass(Duration::from_millis(100));
        drain(&mut p);
        // Not from when the rest of it was sent again.
        assert!(p.now.since(progress) <= timeout, "and not since");
    }

    // All is acknowledged: what is written an hour later has all its time.
    let mut p = Peer::with_options(Options { user_timeout: Some(timeout), retries: 50, ..plain() });
    let (_, key) = p.establish();
    p.write(key, 0, 500);
    p.run("> ACK seq=1 ack=1 len=500\n< ACK seq=1 ack=501\n+1h");
    p.write(key, 500, 500);
    drain(&mut p);
    p.pass(Duration::from_secs(5));
    assert_eq!(p.endpoint.error(key), None);
}

#[test]
fn urgent_data_is_pointed_at_until_all_of_it_is_acknowledged() {
    // RFC 9293 3.8.5, MUST-62.
    let mut p = Peer::with_options(Options { nodelay: true, ..plain() });
    let (_, key) = p.establish();
    let data = crate::bench::stream(0, 10);
    p.call(|endpoint, now| endpoint.send_urgent(now, key, &data)).expect("send");
    p.run("> URG,ACK seq=1 ack=1 len=10 urg=10\n< ACK seq=1 ack=6");
    p.pass(Duration::from_millis(300));
    p.run("> URG,ACK seq=6 ack=1 len=5 urg=5\n< ACK seq=1 ack=11");
    // The pointer that is kept too long would lie behind what is sent next, and be sent with it.
    p.pass(Duration::from_secs(1));
    let info = p.info().expect("a connection");
    assert_eq!((info.send_queue, info.bytes_acked), (0, 10));
    p.write(key, 10, 10);
    p.run("> ACK seq=11 ack=1 len=10\n< ACK seq=1 ack=21");
    // Nor has the probe one that goes out at the number of the last urgent byte.
    p.run("< ACK seq=1 ack=21 win=0");
    let data = crate::bench::stream(20, 10);
    p.call(|endpoint, now| endpoint.send_urgent(now, key, &data)).expect("send");
    p.run("< ACK seq=1 ack=21 win=10\n> URG,ACK seq=21 ack=1 len=10 urg=10\n< ACK seq=1 ack=31 win=0");
    p.write(key, 30, 10);
    p.pass(Duration::from_millis(250));
    p.run("> ACK seq=30 ack=1");
}

#[test]
fn progress_between_time_outs_begins_the_count_of_retransmissions_anew() {
    // RFC 9293 3.8.3, MUST-20: R2 counts those of one segment.
    let mut p = Peer::with_options(Options { retries: 3, tail_loss_probe: false, ..plain() });
    let (_, key) = p.establish();
    p.write(key, 0, 1_000);
    for n in 1..=10 {
        // Sent, and sent again twice.
        for _ in 0..2 {
            drain(&mut p);
            let wait = p.endpoint.poll_timeout().expect("a timer").since(p.now);
            p.pass(wait);
        }
        p.inject(&format!("ACK seq=1 ack={}", 1 + 100 * n));
        drain(&mut p);
    }
    assert_eq!(p.endpoint.error(key), None);
    assert_eq!(p.info().map(|info| info.bytes_acked), Some(1_000));
    assert_eq!(p.counters().timeouts, 20);
}

#[test]
fn a_connection_that_was_shut_down_while_it_opened_closes_when_it_is_open() {
    // RFC 9293 3.10.4: the FIN waits for the end of the handshake.
    let mut p = Peer::plain();
    let key = p.connect();
    p.run("> SYN seq=0");
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    p.run("= SYN-SENT\n< SYN,ACK seq=0 ack=1\n> FIN,ACK seq=1 ack=1\n= FIN-WAIT-1\n< ACK seq=1 ack=2\n= FIN-WAIT-2");
}

#[test]
fn silence_is_counted_from_when_the_connection_was_established() {
    let mut p = Peer::plain();
    p.connect();
    p.run("> SYN seq=0\n+500ms\n< SYN,ACK seq=0 ack=1\n> ACK seq=1 ack=1\n+3s");
    let info = p.info().expect("a connection");
    let three = Duration::from_secs(3);
    assert_eq!((info.last_ack_received, info.last_data_received, info.age), (three, three, three + three / 6));
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11\n+1s\n< ACK seq=11 ack=1\n+1s");
    let info = p.info().expect("a connection");
    let one = Duration::from_secs(1);
    assert_eq!((info.last_ack_received, info.last_data_received), (one, 2 * one));
}

#[test]
fn records_end_their_segments_however_many_there_were() {
    let mut p = Peer::with_options(Options { nodelay: true, ..plain() });
    let (_, key) = p.establish();
    let send = |p: &mut Peer, from: u64, len: usize| {
        let mut data = Bytes::from(crate::bench::stream(from, len));
        let sent = p.call(|endpoint, now| endpoint.send_with(now, key, &mut data, Then::EndOfRecord));
        assert_eq!(sent, Ok(len));
    };
    for n in 0..5_000 {
        send(&mut p, n, 1);
        drain(&mut p);
        p.inject(&format!("ACK seq=1 ack={}{}", n + 2, if n == 4_999 { " win=0" } else { "" }));
    }
    send(&mut p, 5_000, 10);
    send(&mut p, 5_010, 10);
    p.run("< ACK seq=1 ack=5001 win=1000\n> ACK seq=5001 ack=1 len=10\n> ACK seq=5011 ack=1 len=10");
}

#[test]
fn the_writer_is_woken_when_there_is_room_and_told_when_all_has_arrived() {
    let mut p = Peer::with_options(Options { send_buffer: 4_000, nodelay: true, ..plain() });
    let (_, key) = p.establish();
    told(&mut p, key);
    p.write(key, 0, 4_000);
    assert!(p.call(|endpoint, now| endpoint.send(now, key, &[0])).is_err(), "it is full");
    assert!(drain(&mut p) > 0);
    p.run("< ACK seq=1 ack=2");
    assert_eq!(told(&mut p, key), Readiness::empty(), "one byte is no room");
    p.run("< ACK seq=1 ack=3001");
    assert_eq!(told(&mut p, key), Readiness::WRITABLE);
    p.run("< ACK seq=1 ack=3501");
    assert_eq!(told(&mut p, key), Readiness::empty(), "nobody waits any more");
    p.run("< ACK seq=1 ack=4001");
    assert_eq!(told(&mut p, key), Readiness::FLUSHED);
}

#[test]
fn the_time_in_which_something_was_under_way_is_counted() {
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    let busy = |p: &Peer| p.endpoint.info(p.now, key).expect("a connection").busy_time;
    for n in 0..3 {
        p.pass(Duration::from_secs(5));
        assert_eq!(busy(&p), Duration::from_millis(200 * n));
        p.write(key, 20 * n, 20);
        assert_eq!(drain(&mut p), 1);
        p.pass(Duration::from_millis(100));
        p.run(&format!("< ACK seq=1 ack={}", 20 * n + 11));
        p.pass(Duration::from_millis(100));
        p.run(&format!("< ACK seq=1 ack={}", 20 * n + 21));
    }
}

#[test]
fn every_window_that_closes_is_probed_from_the_beginning() {
    // RFC 9293 3.8.6.1, SHLD-29, SHLD-30: the intervals grow while it stays closed, and not beyond its opening.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 1_000);
    let interval = |p: &mut Peer, answer: &str| {
        let wait = p.endpoint.poll_timeout().expect("the persist timer").since(p.now);
        p.pass(wait);
        assert_eq!(drain(p), 1);
        p.inject(answer);
        wait
    };
    let first: Vec<_> = (0..4).map(|_| interval(&mut p, "ACK seq=1 ack=1 win=0")).collect();
    assert_eq!(first[3], first[0] * 8, "{first:?}");
    p.run("< ACK seq=1 ack=1 win=1000\n> ACK seq=1 ack=1 len=1000");
    // What is in flight is timed by the retransmission timer, from when it left.
    let wait = p.endpoint.poll_timeout().expect("a timer").since(p.now);
    assert!(wait <= p.info().expect("a connection").rto, "{wait:?}");
    p.run("< ACK seq=1 ack=1001 win=0");
    p.write(key, 1_000, 1_000);
    let second: Vec<_> = (0..4).map(|_| interval(&mut p, "ACK seq=1 ack=1001 win=0")).collect();
    assert!(second[0] <= first[0] && second[3] == second[0] * 8, "{second:?} after {first:?}");
}

#[test]
fn a_window_that_opens_too_little_is_used_after_one_interval_however_long_it_was_closed() {
    // RFC 9293 3.8.6.2.1: the override's time-out is short; that of the probes of before has grown.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 1_000);
    let until = |p: &Peer| p.endpoint.poll_timeout().expect("the persist timer").since(p.now);
    let first = until(&p);
    for _ in 0..4 {
        p.pass(until(&p));
        p.run("> ACK seq=0 ack=1\n< ACK seq=1 ack=1 win=0");
    }
    assert_eq!(until(&p), first * 16);
    p.run("< ACK seq=1 ack=1 win=10\n.");
    assert_eq!(until(&p), first);
    p.pass(first);
    p.run("> ACK seq=1 ack=1 len=10");
}

#[test]
fn who_goes_on_sending_with_its_window_closed_is_probed_all_the_same() {
    // RFC 9293 3.8.6.1, MUST-36: what it sends says nothing new of the window.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 1_000);
    let mut probes = 0;
    for n in 0..20 {
        p.pass(Duration::from_millis(100));
        p.inject(&format!("ACK seq={} ack=1 len=10 win=0", 1 + 10 * n));
        while p.has_sent() {
            probes += u32::from(p.next_sent().header.seq.0 == p.our_isn());
        }
    }
    assert_eq!(probes, 3, "after 200, 600 and 1,400 ms");
}

#[test]
fn a_window_that_opens_before_a_probe_needs_none() {
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 500);
    // The probe would have been due after 200 ms; the retransmission is so long after the text has left.
    p.run(
        "+100ms\n.\n< ACK seq=1 ack=1 win=500\n> ACK seq=1 ack=1 len=500\n+150ms\n.\n+100ms\n> ACK seq=1 ack=1 len=500",
    );
    p.run("< ACK seq=1 ack=501\n+2h\n.");
}

#[test]
fn in_fin_wait_1_with_its_syn_unanswered_only_the_syns_acknowledgement_counts() {
    // RFC 9293 3.10.7.4, fifth check, SYN-RECEIVED: an ACK of anything else is answered with a RST; closed or not.
    let open = || {
        let mut p = Peer::plain();
        let listener = p.listen_deferred();
        p.run("< SYN seq=0");
        let pending = p.endpoint.pending(listener).expect("a SYN");
        let key = p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("admitted");
        p.call(|endpoint, now| endpoint.close(now, key));
        p.run("> SYN,ACK seq=0 ack=1\n> FIN,ACK seq=1 ack=1\n= FIN-WAIT-1");
        p
    };
    let mut p = open();
    p.run("< ACK seq=1 ack=9\n> RST seq=9\n= FIN-WAIT-1");
    let mut p = open();
    p.run("< ACK seq=1 ack=0\n> RST seq=0\n= FIN-WAIT-1");
    let mut p = open();
    p.run("< ACK seq=1 ack=2 win=777\n= FIN-WAIT-2");
    assert_eq!(p.info().expect("a connection").snd_wnd, 777);
}
