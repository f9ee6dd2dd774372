//! Receiving (RFC 9293 3.8.6, 3.10.7.4; RFC 2018, 2883, 7323): what is kept, what is acknowledged and when, which window
//! is announced.

use bowline_tcp::{ConnectionKey, OddSegments, Options};

use crate::bench::peer::{Peer, plain};

fn open(options: Options, syn: &str) -> (Peer, ConnectionKey) {
    let mut p = Peer::with_options(options);
    let listener = p.listen(5);
    let ts = if syn.contains("ts=") { " ts=100" } else { "" };
    p.run(&format!("< SYN seq=0 mss=1000 {syn}\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1{ts}"));
    let key = p.accept(listener);
    (p, key)
}

/// Past the quick acknowledgements that a new connection gets; `from` bytes are read and acknowledged then.
fn settled(options: Options) -> (Peer, ConnectionKey, u32) {
    let (mut p, key) = open(options, "");
    let mut seq = 1;
    for _ in 0..200 {
        p.inject(&format!("ACK seq={seq} ack=1 len=100"));
        seq += 100;
        if !p.has_sent() {
            // This one is delayed: from here on the rules are the ordinary ones.
            p.run("+500ms\n> ACK seq=1");
            let read = (seq - 1) as usize;
            p.read(key, 0, read);
            while p.has_sent() {
                p.next_sent();
            }
            return (p, key, seq);
        }
        while p.has_sent() {
            p.next_sent();
        }
    }
    panic!("every segment is acknowledged at once")
}

#[test]
fn a_lone_segment_is_acknowledged_within_half_a_second() {
    // RFC 9293 3.8.6.3, SHLD-18, MUST-40; RFC 5681 4.2, RFC5681-4.2-1.
    for ms in [40, 200, 499] {
        let delayed_ack = std::time::Duration::from_millis(ms);
        let (mut p, _, seq) = settled(Options { delayed_ack, ..plain() });
        let next = seq + 10;
        p.run(&format!("< ACK seq={seq} ack=1 len=10\n+{}ms\n.\n+1ms\n> ACK seq=1 ack={next}", ms - 1));
    }
}

#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    // RFC 9293 3.8.6.3, SHLD-19; 3.10.7.4, MUST-58; RFC 5681 4.2, RFC5681-4.2-1, RFC5681-4.2-3.
    let (mut p, _, seq) = settled(plain());
    let mut at = seq;
    for _ in 0..4 {
        p.run(&format!("< ACK seq={at} ack=1 len=1460\n."));
        p.run(&format!("< ACK seq={} ack=1 len=1460\n> ACK seq=1 ack={}", at + 1460, at + 2920));
        at += 2920;
    }
}

#[test]
fn an_answer_carries_the_acknowledgement() {
    let (mut p, key, seq) = settled(Options { nodelay: true, ..plain() });
    p.run(&format!("< ACK seq={seq} ack=1 len=10\n."));
    p.write(key, 0, 5);
    p.run(&format!("> ACK seq=1 ack={} len=5\n< ACK seq={} ack=6\n+500ms\n.", seq + 10, seq + 10));
}

#[test]
fn text_out_of_order_is_kept_and_reported() {
    // RFC 2018 4, RFC2018-4-1, RFC2018-4-2: the newest block first. RFC 5681 4.2, RFC5681-4.2-2. RFC 9293 3.10.7.4, SHLD-31,
    // MAY-13.
    let (mut p, key) = open(Options { sack: true, ..plain() }, "sackok");
    p.run(
        "< ACK seq=1001 ack=1 len=1000
         > ACK seq=1 ack=1 sack=1001-2001
         < ACK seq=3001 ack=1 len=1000
         > ACK seq=1 ack=1 sack=3001-4001;1001-2001
         < ACK seq=2001 ack=1 len=1000
         > ACK seq=1 ack=1 sack=1001-4001
         < ACK seq=1 ack=1 len=1000
         > ACK seq=1 ack=4001 no-sack",
    );
    p.read(key, 0, 4_000);
}

#[test]
fn duplicates_are_reported() {
    // RFC 2883 4.
    let (mut p, key) = open(Options { sack: true, ..plain() }, "sackok");
    p.run(
        "< ACK seq=1 ack=1 len=1000
         > ACK seq=1 ack=1001
         < ACK seq=501 ack=1 len=500
         > ACK seq=1 ack=1001 sack=501-1001
         < ACK seq=501 ack=1 len=1000
         > ACK seq=1 ack=1501",
    );
    p.read(key, 0, 1_500);
}

#[test]
fn the_window_closes_opens_and_never_shrinks() {
    // RFC 9293 3.8.6, SHLD-14, MAY-8; 3.8.6.2.2, MUST-39: it opens by steps worth while.
    let (mut p, key) = open(Options { receive_buffer: 8_000, receive_buffer_max: 8_000, ..plain() }, "");
    let mut right = 0_u32;
    let mut at = 1_u32;
    let mut look = |p: &mut Peer| {
        let mut last = None;
        while p.has_sent() {
            let sent = p.next_sent().header;
            let edge = sent.ack.0.wrapping_sub(crate::bench::peer::PEER_ISN) + u32::from(sent.window);
            assert!(edge >= right, "the window shrinks from {right} to {edge}\n{}", p.diagram());
            right = edge;
            last = Some(sent.window);
        }
        last
    };
    loop {
        p.inject(&format!("ACK seq={at} ack=1 len=1000"));
        at += 1_000;
        p.pass(std::time::Duration::from_millis(500));
        if look(&mut p) == Some(0) || at > 20_000 {
            break;
        }
    }
    assert!((6_000..9_000).contains(&at), "closed at {at}");
    // A probe is answered, its text refused.
    p.run(&format!("< ACK seq={at} ack=1 len=1\n> ACK seq=1 ack={at} win=0"));
    // A little room is not worth an update…
    let mut out = [0; 100];
    p.call(|e, now| e.receive(now, key, &mut out)).expect("text");
    p.run(".");
    // … a lot is, at once.
    let mut rest = vec![0; 20_000];
    let n = p.call(|e, now| e.receive(now, key, &mut rest)).expect("text");
    assert_eq!(n as u32 + 100, at - 1);
    let window = p.next_sent().header.window;
    assert!(window >= 4_000, "{window}");
}

#[test]
fn what_lies_beyond_the_window_is_cut_off() {
    let (mut p, key) = open(Options { receive_buffer: 4_000, receive_buffer_max: 4_000, ..plain() }, "");
    p.inject("FIN,ACK seq=1 ack=1 len=6000");
    let sent = p.next_sent().header;
    let acked = sent.ack.0.wrapping_sub(crate::bench::peer::PEER_ISN) - 1;
    assert!(acked <= 4_000, "{acked}");
    p.run("= ESTABLISHED");
    p.read(key, 0, acked as usize);
}

#[test]
fn text_that_overlaps_is_taken_once() {
    let (mut p, key) = open(plain(), "");
    p.inject("ACK seq=1 ack=1 len=100");
    p.inject("ACK seq=51 ack=1 len=100");
    p.inject("ACK seq=301 ack=1 len=100");
    p.inject("ACK seq=251 ack=1 len=300");
    p.inject("ACK seq=101 ack=1 len=600");
    while p.has_sent() {
        p.next_sent();
    }
    p.read(key, 0, 700);
}

#[test]
fn paws_drops_what_is_old_and_says_where_we_are() {
    // RFC 7323 5.3, R1, RFC7323-5.3-1, RFC7323-5.3-2.
    let (mut p, key) = open(Options { timestamps: true, ..plain() }, "ts=100");
    p.run(
        "< ACK seq=1 ack=1 len=100 ts=200
         > ACK seq=1 ack=101 ts=200
         < ACK seq=101 ack=1 len=100 ts=199
         > ACK seq=1 ack=101 ts=200
         < ACK seq=101 ack=1 len=100 ts=201
         > ACK seq=1 ack=201 ts=201",
    );
    p.read(key, 0, 200);
    assert_eq!(p.counters().paws_estab, 1);
    p.run("< RST seq=201 ts=100\n= LISTEN");
}

#[test]
fn an_original_that_is_overtaken_by_the_copy_of_another_is_taken() {
    // RFC 7323 5.3 tells of it, and says that R1 drops it unnecessarily.
    for take_late_text in [true, false] {
        let odd = OddSegments { take_late_text, ..OddSegments::default() };
        let (mut p, key) = open(Options { sack: true, timestamps: true, odd, ..plain() }, "sackok ts=100");
        p.run(
            "< ACK seq=1 ack=1 len=100 ts=200
             > ACK seq=1 ack=101 ts=200
             < ACK seq=401 ack=1 len=100 ts=203
             > ACK seq=1 ack=101 sack=401-501 ts=200
             < ACK seq=101 ack=1 len=100 ts=300
             > ACK seq=1 ack=201 sack=401-501 ts=300
             < ACK seq=201 ack=1 len=100 ts=199
             > ACK seq=1 ack=201 sack=401-501 ts=300
             < ACK seq=501 ack=1 len=100 ts=299
             > ACK seq=1 ack=201 sack=401-501 ts=300
             < ACK seq=101 ack=1 len=100 ts=200
             > ACK seq=1 ack=201 sack=101-201;401-501 ts=300",
        );
        assert_eq!(p.counters().paws_estab, 3, "before the hole, beyond it, and the original of the copy");
        p.inject("ACK seq=201 ack=1 len=100 ts=200");
        let taken = if take_late_text { 301 } else { 201 };
        p.run(&format!("> ACK seq=1 ack={taken} sack=401-501 ts=300"));
        p.read(key, 0, taken as usize - 1);
    }
}

#[test]
fn the_timestamp_echoed_is_that_of_the_segment_acknowledged() {
    // RFC 7323 4.3, RFC7323-4.3-1: out of order, the one from before the hole; and not one that comes later in sequence.
    let (mut p, _) = open(Options { timestamps: true, ..plain() }, "ts=100");
    p.run(
        "< ACK seq=1 ack=1 len=100 ts=110
         > ACK seq=1 ack=101 ts=110
         < ACK seq=201 ack=1 len=100 ts=130
         > ACK seq=1 ack=101 ts=110
         < ACK seq=101 ack=1 len=100 ts=140
         > ACK seq=1 ack=301 ts=140",
    );
}

#[test]
fn urgent_text_is_announced_and_stays_in_the_stream() {
    use bowline_tcp::{Event, Readiness};
    // RFC 9293 3.8.5, MUST-30, MUST-31, MUST-32, MUST-33, MUST-62; RFC 6093.
    let (mut p, key) = open(plain(), "");
    p.events();
    let told = |e: &Event| matches!(e, Event::Connection(k, ready) if *k == key && ready.contains(Readiness::URGENT));
    p.inject("URG,ACK seq=1 ack=1 len=10 urg=5");
    assert!(p.events().iter().any(told));
    assert_eq!(p.endpoint.urgent_left(key), 5);
    // The pointer moves on, beyond what has arrived: the user is told again. It does not move back.
    p.inject("URG,ACK seq=11 ack=1 len=10 urg=60000");
    assert!(p.events().iter().any(told));
    p.inject("URG,ACK seq=21 ack=1 len=10 urg=1");
    assert!(!p.events().iter().any(told));
    assert_eq!(p.endpoint.urgent_left(key), 60_010);
    while p.has_sent() {
        p.next_sent();
    }
    p.read(key, 0, 30);
    assert_eq!(p.endpoint.urgent_left(key), 59_980);

    let (mut p, key) = open(plain(), "");
    p.inject("URG,FIN,ACK seq=1 ack=1 len=10 urg=5");
    p.next_sent();
    assert_eq!(p.endpoint.urgent_left(key), 5);
    p.read(key, 0, 10);
    assert_eq!(p.endpoint.urgent_left(key), 0);
    assert!(!p.endpoint.readiness(key).contains(Readiness::URGENT));
}

#[test]
fn the_peer_cannot_make_us_keep_much() {
    // Many holes, tiny segments in large buffers: memory stays within the receive buffer.
    let (mut p, _) = open(Options { receive_buffer: 60_000, receive_buffer_max: 60_000, ..plain() }, "");
    for n in 0..20_000_u32 {
        p.inject(&format!("ACK seq={} ack=1 len=1", 2 + 2 * n));
        while p.has_sent() {
            p.next_sent();
        }
    }
    let memory = p.info().expect("info").memory;
    assert!(memory <= 2 * 60_000, "{memory} bytes for text that may be 60,000 long");
}
