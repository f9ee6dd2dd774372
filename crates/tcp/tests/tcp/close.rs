//! Closing a connection (RFC 9293 3.6, 3.10.4, 3.10.5): in order, by halves, at once, lost, in TIME-WAIT, with a RST.

use std::time::Duration;

use bowline_tcp::{CallError, Config, ConnectionError, Options, Readiness, State};

use crate::bench::peer::{Peer, opened, plain};

#[test]
fn we_close_first() {
    // RFC 9293 3.6, figure 12; MUST-12: in order, and not aborted; 3.6.1, MUST-13.
    let (mut p, key) = opened(State::Established);
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    p.run(
        "> FIN,ACK seq=1 ack=1
         = FIN-WAIT-1
         < ACK seq=1 ack=2
         = FIN-WAIT-2
         < FIN,ACK seq=1 ack=2
         > ACK seq=2 ack=2
         = TIME-WAIT
         +60s
         = LISTEN",
    );
    assert!(p.endpoint.readiness(key).contains(Readiness::CLOSED | Readiness::FLUSHED));
    assert_eq!(p.endpoint.error(key), None);
    p.call(|endpoint, now| endpoint.close(now, key));
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn the_peer_closes_first() {
    let (mut p, key) = opened(State::Established);
    p.run("< FIN,ACK seq=1 ack=1 len=5\n> ACK seq=1 ack=7\n= CLOSE-WAIT");
    p.read(key, 0, 5);
    p.read(key, 5, 0);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> FIN,ACK seq=1 ack=7
         = LAST-ACK
         < ACK seq=7 ack=2
         = LISTEN",
    );
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn text_flows_on_after_our_fin() {
    let (mut p, key) = opened(State::FinWait2);
    assert_eq!(p.call(|endpoint, now| endpoint.send(now, key, b"x")), Err(CallError::Closing));
    assert_eq!(p.call(|endpoint, now| endpoint.shutdown(now, key)), Err(CallError::Closing));
    p.run("< ACK seq=1 ack=2 len=1000\n> ACK seq=2 ack=1001\n< ACK seq=1001 ack=2 len=1000\n> ACK seq=2 ack=2001");
    p.read(key, 0, 2000);
    // However long it takes: the user holds the handle.
    p.run("+1h\n= FIN-WAIT-2\n< FIN,ACK seq=2001 ack=2 len=10\n> ACK seq=2 ack=2012\n= TIME-WAIT");
    p.read(key, 2000, 10);
    p.read(key, 2010, 0);
}

#[test]
fn text_flows_on_after_the_peers_fin() {
    let (mut p, key) = opened(State::CloseWait);
    for n in 0..5 {
        p.write(key, 100 * n, 100);
        let from = 100 * n as u32 + 1;
        p.run(&format!("> ACK seq={from} ack=2 len=100\n< ACK seq=2 ack={}", from + 100));
    }
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    p.run("> FIN,ACK seq=501 ack=2\n= LAST-ACK\n< ACK seq=2 ack=502\n= LISTEN");
}

#[test]
fn the_fin_follows_all_that_was_written() {
    let (mut p, key) = opened(State::Established);
    p.run("< ACK seq=1 ack=1 win=1072");
    p.write(key, 0, 2_500);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> ACK seq=1 ack=1 len=1072
         = FIN-WAIT-1
         < ACK seq=1 ack=1073 win=1072
         > ACK seq=1073 ack=1 len=1072
         < ACK seq=1 ack=2145 win=1072
         > FIN,ACK seq=2145 ack=1 len=356
         < ACK seq=1 ack=2502
         = FIN-WAIT-2",
    );
}

#[test]
fn both_close_at_once() {
    // RFC 9293 3.6, figure 13.
    let (mut p, key) = opened(State::Established);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> FIN,ACK seq=1 ack=1
         < FIN,ACK seq=1 ack=1
         > ACK seq=2 ack=2
         = CLOSING
         < ACK seq=2 ack=2
         = TIME-WAIT
         +60s
         = LISTEN",
    );
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn our_fin_is_lost() {
    let (mut p, key) = opened(State::Established);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=1");
    // The round trip took no time, so the time-out is the least, 200 ms, and doubles: 200, 600 and 1400 ms from here.
    for wait in ["+201ms", "+400ms", "+800ms"] {
        p.run(&format!("{wait}\n> FIN,ACK seq=1 ack=1\n= FIN-WAIT-1"));
    }
    p.run("< ACK seq=1 ack=2\n= FIN-WAIT-2");
}

#[test]
fn the_last_ack_is_lost() {
    let (mut p, key) = opened(State::TimeWait);
    let first = p.endpoint.poll_timeout().expect("2MSL");
    p.run("+20s\n< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n= TIME-WAIT");
    assert_eq!(p.endpoint.poll_timeout().map(|t| t.since(first)), Some(Duration::from_secs(20)), "2MSL begin anew");
    p.run("+59s\n= TIME-WAIT\n+1s\n= LISTEN");
    p.call(|endpoint, now| endpoint.close(now, key));
}

#[test]
fn fin_wait_2_of_an_orphan_times_out() {
    let (mut p, key) = opened(State::FinWait2);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("+59s\n= FIN-WAIT-2\n+1s\n= LISTEN");
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
    assert_eq!(p.counters().abort_on_linger, 1);
    // The peer, late, learns that nobody is there.
    p.run("< FIN,ACK seq=1 ack=2\n> RST seq=2");
}

#[test]
fn closing_with_unread_text_resets() {
    // RFC 9293 3.6.1, MAY-1, SHLD-3.
    let (mut p, key) = opened(State::Established);
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> RST,ACK seq=1 ack=11\n= LISTEN");
    assert_eq!((p.counters().abort_on_data, p.endpoint.population()), (1, (0, 0, 0)));
}

#[test]
fn unread_text_may_be_thrown_away() {
    // As FreeBSD does: an orderly end, and the buffer is free again; only what comes later resets.
    let (mut p, key) = opened(State::Established);
    p.call(|endpoint, now| endpoint.set_options(now, key, |o| o.reset_unread = false)).expect("options");
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=11\n= FIN-WAIT-1\n< ACK seq=11 ack=2\n= FIN-WAIT-2");
    assert_eq!(p.counters().abort_on_data, 0);
    p.run("< ACK seq=11 ack=2 len=10\n> RST seq=2\n= LISTEN");
    assert_eq!((p.counters().abort_on_close, p.endpoint.population()), (1, (0, 0, 0)));
}

#[test]
fn text_for_an_orphan_resets() {
    // RFC 9293 3.6.1, MAY-1, SHLD-3: nobody will read it, and the peer must know.
    for state in [State::FinWait1, State::FinWait2] {
        let (mut p, key) = opened(state);
        p.call(|endpoint, now| endpoint.close(now, key));
        p.run("< ACK seq=1 ack=2 len=10\n> RST seq=2\n= LISTEN");
        assert_eq!((p.counters().abort_on_close, p.endpoint.population()), (1, (0, 0, 0)), "{state}");
    }
}

#[test]
fn linger_zero_resets() {
    let (mut p, key) = opened(State::Established);
    p.call(|endpoint, now| endpoint.set_options(now, key, |o| o.linger = Some(Duration::ZERO))).expect("options");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> RST,ACK seq=1 ack=1\n= LISTEN");
}

#[test]
fn abort_resets_and_forgets_what_was_written() {
    let (mut p, key) = opened(State::Established);
    p.run("< ACK seq=1 ack=1 win=536");
    p.write(key, 0, 1_000);
    p.run("> ACK seq=1 ack=1 len=536");
    p.call(|endpoint, now| endpoint.abort(now, key));
    p.run("> RST,ACK seq=537 ack=1\n= LISTEN");
    assert_eq!(p.call(|endpoint, now| endpoint.send(now, key, b"x")), Err(CallError::NoConnection));
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn a_reset_is_told_to_the_user_once_all_was_read() {
    // RFC 9293 3.6, MUST-12: aborted.
    let (mut p, key) = opened(State::Established);
    p.events();
    p.run("< RST seq=1\n= LISTEN");
    assert_eq!(p.endpoint.error(key), Some(ConnectionError::Reset));
    assert!(!p.events().is_empty());
    let mut out = [0; 10];
    assert_eq!(
        p.call(|endpoint, now| endpoint.receive(now, key, &mut out)),
        Err(CallError::Ended(ConnectionError::Reset))
    );
    assert_eq!(p.call(|endpoint, now| endpoint.send(now, key, b"x")), Err(CallError::Ended(ConnectionError::Reset)));
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(".");
    assert_eq!(p.endpoint.population(), (0, 0, 0));
}

#[test]
fn close_in_syn_sent_is_silent_and_in_syn_received_sends_a_fin() {
    let (mut p, key) = opened(State::SynSent);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(".\n= CLOSED\n< SYN,ACK seq=0 ack=1\n> RST seq=1");
    assert_eq!(p.endpoint.population(), (0, 0, 0));

    let (mut p, key) = opened(State::SynReceived);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run(
        "> FIN,ACK seq=1 ack=1
         = FIN-WAIT-1
         < ACK seq=1 ack=2
         = FIN-WAIT-2
         < FIN,ACK seq=1 ack=2
         > ACK seq=2 ack=2
         = TIME-WAIT",
    );
}

#[test]
fn a_reset_does_not_shorten_time_wait() {
    // RFC 1337: the RST of a peer that was asked about an old duplicate.
    let (mut p, _) = opened(State::TimeWait);
    p.run("< ACK seq=1 ack=1 len=0\n> ACK seq=2 ack=2\n< RST seq=2\n.\n= TIME-WAIT");
}

#[test]
fn where_nobody_listens_a_syn_in_time_wait_is_challenged() {
    // RFC 5961 4.2, RFC5961-4.2-1: so that the peer may answer with a RST, instead of waiting for 2MSL in silence.
    let mut p = Peer::plain();
    let key = p.connect();
    p.run("> SYN seq=0\n< SYN,ACK seq=0 ack=1\n> ACK seq=1 ack=1");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=1\n< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n= TIME-WAIT");
    p.run("+1s\n< SYN seq=2\n> ACK seq=2 ack=2\n= TIME-WAIT");
}

#[test]
fn a_new_incarnation_begins_beyond_the_old_one() {
    // RFC 9293 3.6.1, MAY-2.
    let (mut p, _) = opened(State::TimeWait);
    let old = p.our_isn();
    p.run("< SYN seq=2\n> SYN,ACK seq=0 ack=3\n= SYN-RECEIVED\n< ACK seq=3 ack=1\n= ESTABLISHED");
    let ahead = p.our_isn().wrapping_sub(old);
    assert!((65_537..1 << 31).contains(&ahead), "{ahead}");
    assert_eq!((p.counters().time_wait_recycled, p.endpoint.population().2), (1, 0));
}

#[test]
fn the_oldest_in_time_wait_gives_way() {
    let mut p = Peer::with(Config { max_time_wait: 3, options: plain(), ..Config::default() });
    let listener = p.listen(10);
    for port in 4000..4006 {
        p.ports(80, port);
        let key = p.establish_on(listener);
        p.call(|endpoint, now| endpoint.close(now, key));
        p.run("> FIN,ACK seq=1 ack=1\n< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n= TIME-WAIT\n+1s");
    }
    assert_eq!((p.endpoint.population(), p.counters().time_wait_overflow), ((0, 0, 3), 3));
    p.ports(80, 4002).run("= LISTEN");
    p.ports(80, 4003).run("= TIME-WAIT\n+57s\n= LISTEN");
    p.run("+2s");
    assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None));
}

#[test]
fn two_msl_are_configurable() {
    // RFC 9293 3.6.1, MUST-13.
    let time_wait = Duration::from_millis(1500);
    let mut p = Peer::with(Config { time_wait, options: plain(), ..Config::default() });
    let (_, key) = p.establish();
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=1\n< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n+1499ms\n= TIME-WAIT\n+1ms\n= LISTEN");
}

#[test]
fn a_fin_ahead_of_a_hole_waits_for_it() {
    let (mut p, key) = opened(State::Established);
    p.run(
        "< FIN,ACK seq=101 ack=1 len=50
         > ACK seq=1 ack=1
         = ESTABLISHED
         < ACK seq=1 ack=1 len=100
         > ACK seq=1 ack=152
         = CLOSE-WAIT",
    );
    p.read(key, 0, 150);
    p.read(key, 150, 0);
}

#[test]
fn a_forged_fin_ahead_of_a_hole_does_not_hide_the_true_one() {
    // The true FIN comes before it, …
    let (mut p, key) = opened(State::Established);
    p.run("< FIN,ACK seq=101 ack=1\n> ACK seq=1 ack=1\n< FIN,ACK seq=1 ack=1 len=5\n> ACK seq=1 ack=7\n= CLOSE-WAIT");
    p.read(key, 0, 5);
    p.read(key, 5, 0);
    // … or text goes on beyond it, and the true one comes later.
    let (mut p, key) = opened(State::Established);
    p.run(
        "< FIN,ACK seq=101 ack=1
         > ACK seq=1 ack=1
         < ACK seq=1 ack=1 len=200
         > ACK seq=1
         = ESTABLISHED
         < FIN,ACK seq=201 ack=1
         > ACK seq=1 ack=202
         = CLOSE-WAIT",
    );
    p.read(key, 0, 200);
    p.read(key, 200, 0);
}

#[test]
fn a_fin_and_the_ack_of_ours_come_out_of_order() {
    let mut p = Peer::with_options(Options { sack: true, ..plain() });
    let listener = p.listen(5);
    p.run("< SYN seq=0 sackok\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1");
    let key = p.accept(listener);
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    p.run(
        "> FIN,ACK seq=1 ack=1
         < FIN,ACK seq=11 ack=2
         > ACK seq=2 ack=1
         = FIN-WAIT-2
         < ACK seq=1 ack=2 len=10
         > ACK seq=2 ack=12
         = TIME-WAIT",
    );
    p.read(key, 0, 10);
}

#[test]
fn no_end_without_an_answer_is_for_ever() {
    // The peer vanishes: every state that waits for it gives up by itself.
    for state in [State::FinWait1, State::Closing, State::LastAck] {
        let (mut p, key) = opened(state);
        p.call(|endpoint, now| endpoint.close(now, key));
        for _ in 0..200 {
            p.pass(Duration::from_secs(10));
            while p.has_sent() {
                p.next_sent();
            }
        }
        assert_eq!((p.endpoint.population(), p.endpoint.poll_timeout()), ((0, 0, 0), None), "{state}");
        assert_eq!(p.counters().abort_on_timeout, 1, "{state}");
    }
}
