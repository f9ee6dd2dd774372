//! Times that a user sets, at their borders: nothing is due at the same instant for ever.

use std::time::Duration;

use bowline_tcp::{Keepalive, Options};

use crate::bench::peer::Peer;

#[test]
fn a_keepalive_of_no_time_takes_a_second() {
    // RFC 9293 3.8.4, MUST-27.
    let nothing = Some(Keepalive { idle: Duration::ZERO, interval: Duration::ZERO, probes: 3 });
    let mut p = Peer::with_options(Options { keepalive: nothing, ..crate::bench::peer::plain() });
    let (_, _key) = p.establish();
    assert!(p.endpoint.poll_timeout().unwrap() >= p.now + Duration::from_secs(1));
    p.run(
        "+1s
         > ACK seq=0 ack=1
         +1s
         > ACK seq=0 ack=1
         < ACK seq=1 ack=1
         = ESTABLISHED",
    );
}

#[test]
fn a_time_out_of_no_time_takes_a_millisecond() {
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    let nothing = |options: &mut Options| (options.min_rto, options.max_rto) = (Duration::ZERO, Duration::ZERO);
    p.call(|endpoint, now| endpoint.set_options(now, key, nothing)).unwrap();
    assert_eq!(p.info().unwrap().rto, Duration::from_millis(1), "in force at once");
    // A window that closes: the probes wait for the same time.
    p.inject("ACK seq=1 ack=1 win=0");
    p.write(key, 0, 10);
    let due = p.endpoint.poll_timeout().unwrap();
    assert!(due > p.now && due <= p.now + Duration::from_millis(1), "{due} at {}", p.now);
}

#[test]
fn a_connection_that_nobody_holds_gives_up_sooner() {
    // RFC 9293 3.8.3, SHLD-11.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.call(|endpoint, now| endpoint.close(now, key));
    // 0.2 s doubled eight times: 102.2 s in all.
    p.pass(Duration::from_secs(100));
    assert_eq!(p.endpoint.population(), (1, 0, 0), "RFC 9293 3.8.3: no less than 100 s");
    p.pass(Duration::from_secs(210));
    assert_eq!(p.endpoint.population(), (0, 0, 0));
}

#[test]
fn a_connection_that_nobody_holds_is_as_patient_with_short_time_outs() {
    // It once gave up after eight of them, which FreeBSD's 30 ms double to 15 s: an outage of a path is longer.
    let mut p = Peer::plain();
    let (_, key) = p.establish();
    p.call(|endpoint, now| endpoint.set_options(now, key, |options| options.min_rto = Duration::from_millis(30)))
        .unwrap();
    p.call(|endpoint, now| endpoint.close(now, key));
    p.pass(Duration::from_secs(100));
    assert_eq!(p.endpoint.population(), (1, 0, 0), "no less than 100 s");
    p.pass(Duration::from_secs(210));
    assert_eq!(p.endpoint.population(), (0, 0, 0), "and no more patient");
}
