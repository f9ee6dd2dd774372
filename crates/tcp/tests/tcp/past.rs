//! Bugs that other stacks had (docs/past-bugs.md), where no other test would show them.

use std::time::Duration;

use bowline_tcp::Options;

use crate::bench::peer::{PEER_ISN, Peer, plain};

#[test]
fn text_that_came_before_is_answered_however_often_it_comes() {
    // Rationing these answers made a peer whose ACKs were lost crawl (smoltcp #1162). Empty segments are rationed.
    let mut p = Peer::plain();
    p.establish();
    p.run("< ACK seq=1 ack=1 len=100\n> ACK seq=1 ack=101");
    for _ in 0..200 {
        p.run("< ACK seq=1 ack=1 len=100\n> ACK seq=1 ack=101");
    }
    let mut answers = 0;
    for _ in 0..200 {
        p.inject("ACK seq=0 ack=1");
        while p.has_sent() {
            p.next_sent();
            answers += 1;
        }
    }
    assert!((1..=20).contains(&answers), "{answers}");
}

#[test]
fn a_close_behind_a_closed_window_leaves_established_and_comes_to_an_end() {
    // The FIN waits behind text that the peer does not take; the state must not wait with it (gVisor #13393).
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 win=0");
    p.write(key, 0, 5_000);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("= FIN-WAIT-1");
    let mut answered = 0;
    for _ in 0..10 {
        let wait = p.endpoint.poll_timeout().expect("it is probed").since(p.now);
        p.pass(wait);
        while p.has_sent() {
            p.next_sent();
            answered += 1;
        }
        p.inject("ACK seq=1 ack=1 win=0");
    }
    assert!(answered >= 10);
    // The peer vanishes: nobody holds the connection, and nothing is left of it in the end.
    for _ in 0..200 {
        p.pass(Duration::from_secs(30));
        while p.has_sent() {
            p.next_sent();
        }
    }
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn a_whole_window_beyond_a_hole_is_kept() {
    // A receiver that keeps only a part of what it has offered makes one loss into many (gVisor #9153).
    let mut p = Peer::with_options(Options { receive_buffer: 60_000, receive_buffer_max: 60_000, ..plain() });
    let (_, key) = p.establish();
    let window = p.info().unwrap().rcv_wnd as u32;
    let last = (window / 1_000) * 1_000;
    for from in (1_000..last).step_by(1_000) {
        p.inject(&format!("ACK seq={} ack=1 len=1000", from + 1));
    }
    while p.has_sent() {
        p.next_sent();
    }
    p.inject("ACK seq=1 ack=1 len=1000");
    let acked = p.next_sent().header.ack.0.wrapping_sub(PEER_ISN);
    assert_eq!(acked, last + 1, "of a window of {window}");
    p.read(key, 0, last as usize);
}

#[test]
fn the_blocks_of_a_peer_in_the_upper_half_of_the_numbers_are_numbers() {
    // Widened with their sign they came out near the largest number there is (smoltcp #1136). The peer's and our own numbers
    // cross 2^31 and 2^32 here.
    for isn in [0x7fff_fff0_u32, 0x8000_0010, 0xffff_ff00] {
        let mut p = Peer::with_options(Options { sack: true, ..plain() });
        p.listen(5);
        let at = |offset: u32| isn.wrapping_add(offset);
        p.inject(&format!("SYN seq={isn} sackok abs"));
        let iss = p.next_sent().header.seq.0;
        p.inject(&format!("ACK seq={} ack={} abs", at(1), iss.wrapping_add(1)));
        p.inject(&format!("ACK seq={} ack={} len=500 abs", at(1_001), iss.wrapping_add(1)));
        let blocks = p.next_sent().header.options.sack;
        assert_eq!((blocks[0].left.0, blocks[0].right.0), (at(1_001), at(1_501)));
    }
}
