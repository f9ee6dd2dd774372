//! What a user can still do once the peer has reset the connection.

use bowline_tcp::{CallError, ConnectionError, OddSegments, Options, State};

use crate::bench::peer::{Peer, plain};

#[test]
fn what_arrived_before_a_reset_can_be_read_and_then_the_reset_is_told() {
    // RFC 9293 3.6, MUST-12.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11\n< RST seq=11\n= LISTEN");
    let mut out = [0; 100];
    let mut read = || p.call(|endpoint, now| endpoint.receive(now, key, &mut out));
    assert_eq!(read(), Ok(10));
    assert_eq!(read(), Err(CallError::Ended(ConnectionError::Reset)));
    assert_eq!(p.call(|e, now| e.send(now, key, b"x")), Err(CallError::Ended(ConnectionError::Reset)));
}

#[test]
fn after_a_fin_a_reset_does_not_take_the_end_of_the_stream_back() {
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< FIN,ACK seq=1 ack=1\n> ACK seq=1 ack=2\n= CLOSE-WAIT\n< RST seq=2\n= LISTEN");
    assert_eq!(p.endpoint.state(key), Some(State::Closed));
    assert_eq!(p.call(|e, now| e.receive(now, key, &mut [0; 8])), Ok(0));
    assert_eq!(p.call(|e, now| e.send(now, key, b"x")), Err(CallError::Ended(ConnectionError::Reset)));
}

/// A peer that has closed answers text that left here before its FIN had come with the number which that text acknowledged.
#[test]
fn a_reset_with_the_number_of_the_fin_answers_text_that_left_before_it() {
    for take_resets_at_fin in [true, false] {
        for closes in [false, true] {
            let odd = OddSegments { take_resets_at_fin, ..OddSegments::default() };
            let mut p = Peer::with_options(Options { odd, ..plain() });
            let (_, key) = p.establish();
            p.write(key, 0, 100);
            p.run("> ACK seq=1 ack=1 len=100\n< FIN,ACK seq=1 ack=1\n> ACK seq=101 ack=2");
            if closes {
                p.call(|endpoint, now| endpoint.shutdown(now, key)).unwrap();
                p.run("> FIN,ACK seq=101 ack=2");
            }
            let state = p.endpoint.state(key);
            // two before the window, and one beyond it, are nobody's
            p.run("< RST seq=0\n< RST seq=100000");
            assert_eq!(p.endpoint.state(key), state);
            p.run("< RST seq=1");
            assert_eq!(p.endpoint.state(key), if take_resets_at_fin { Some(State::Closed) } else { state });
        }
    }
    // before the FIN it is old like any other
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.run("< ACK seq=1 ack=1 len=10\n> ACK seq=1 ack=11\n< RST seq=10\n= ESTABLISHED");
    assert_eq!(p.endpoint.state(key), Some(State::Established));
}
