//! Every arrow of the state diagram is walked with real segments, calls and timers; no arrow exists that none of them
//! takes, and none is taken that the table does not have (the scripted peer sees to that).

use std::collections::BTreeSet;

use bowline_tcp::Options;
use bowline_tcp::state::{Cause, STATES, State, TRANSITIONS, next};

use crate::bench::peer::{Peer, opened, plain};

type Arrows = BTreeSet<(State, Cause, State)>;

/// The peer's number that an acceptable RST has in a state.
fn expected_of_peer(state: State) -> u32 {
    match state {
        State::CloseWait | State::LastAck | State::Closing => 2,
        _ => 1,
    }
}

fn resets() -> Arrows {
    let mut arrows = Arrows::new();
    for state in STATES.into_iter().filter(|state| next(*state, Cause::Reset).is_some()) {
        if state == State::TimeWait {
            continue; // see `time_wait`
        }
        let (mut p, key) = opened(state);
        if state == State::SynSent {
            p.run("< RST,ACK seq=0 ack=1");
        } else {
            p.run(&format!("< RST seq={}", expected_of_peer(state)));
        }
        assert!(p.info().is_none_or(|info| info.state == State::Closed), "{state}");
        // RFC 9293 3.6.1, MUST-12: also after both sides have closed, for what was sent may not have arrived.
        assert!(p.endpoint.error(key).is_some(), "{state}");
        arrows.extend(p.arrows());
    }
    arrows
}

fn aborts() -> Arrows {
    let mut arrows = Arrows::new();
    for state in STATES.into_iter().filter(|state| next(*state, Cause::Abort).is_some()) {
        if matches!(state, State::Listen | State::TimeWait) {
            continue; // see `listeners` and `time_wait`
        }
        let (mut p, key) = opened(state);
        p.call(|endpoint, now| endpoint.abort(now, key));
        // RFC 9293 3.10.5: a RST where the peer may still be in the dark.
        match state {
            State::SynSent | State::Closing | State::LastAck => p.run("."),
            _ => p.run("> RST,ACK seq=*"),
        }
        assert_eq!(p.endpoint.population().0, 0, "{state}");
        arrows.extend(p.arrows());
    }
    arrows
}

fn timeouts() -> Arrows {
    let mut arrows = Arrows::new();
    for state in STATES.into_iter().filter(|state| next(*state, Cause::Timeout).is_some()) {
        let (mut p, key) = opened(state);
        match state {
            State::FinWait2 => p.call(|endpoint, now| endpoint.close(now, key)),
            State::Established | State::CloseWait => p.write(key, 0, 10),
            _ => {}
        }
        while p.endpoint.poll_timeout().is_some() {
            p.pass(std::time::Duration::from_secs(10));
            while p.has_sent() {
                p.next_sent();
            }
        }
        assert!(p.info().is_none_or(|info| info.state == State::Closed), "{state}");
        arrows.extend(p.arrows());
    }
    arrows
}

fn listeners() -> Arrows {
    let mut p = Peer::plain();
    let listener = p.listen(5);
    // RST in SYN-RECEIVED returns to LISTEN.
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1\n< RST seq=1\n= LISTEN");
    // A SYN-ACK that nobody answers.
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    for wait in ["+1s", "+2s", "+4s", "+8s", "+16s"] {
        p.run(&format!("{wait}\n> SYN,ACK seq=0 ack=1"));
    }
    p.run("+32s\n= LISTEN");
    // For a listener CLOSE and ABORT are one call: nothing of it is on the network.
    p.call(|endpoint, now| endpoint.close_listener(now, listener));
    p.run("= CLOSED");
    p.took(State::Listen, Cause::Close, State::Closed);
    p.took(State::Listen, Cause::Abort, State::Closed);
    let mut arrows = p.arrows().clone();

    let mut p = Peer::plain();
    let listener = p.listen(5);
    let (local, remote) = (p.local().ip(), p.remote());
    let path = bowline_tcp::Path::new(1500);
    p.call(|endpoint, now| endpoint.connect_from(now, listener, local, remote, path)).expect("connect");
    p.run("> SYN seq=0\n= SYN-SENT");
    arrows.extend(p.arrows());

    // CLOSE in SYN-RECEIVED: the FIN follows the SYN-ACK.
    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    p.run("< SYN seq=0");
    let pending = p.endpoint.pending(listener).expect("a SYN");
    let key = p.call(|endpoint, now| endpoint.admit(now, pending.key, None)).expect("admitted");
    p.run("> SYN,ACK seq=0 ack=1\n= SYN-RECEIVED");
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("> FIN,ACK seq=1 ack=1\n= FIN-WAIT-1");
    arrows.extend(p.arrows());
    arrows
}

/// The opens and closes of two who understand each other.
fn orderly() -> Arrows {
    let mut arrows = Arrows::new();
    let mut take = |p: &Peer| arrows.extend(p.arrows());
    let (mut p, _) = opened(State::SynSent);
    p.run("< SYN,ACK seq=0 ack=1\n> ACK seq=1 ack=1\n= ESTABLISHED");
    take(&p);
    let (mut p, key) = opened(State::SynSent);
    p.call(|endpoint, now| endpoint.close(now, key));
    p.run("= CLOSED");
    take(&p);
    let (mut p, _) = opened(State::SynReceived);
    p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
    take(&p);
    let (mut p, _) = opened(State::FinWait1);
    p.run("< ACK seq=1 ack=2\n= FIN-WAIT-2\n< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n= TIME-WAIT\n+60s\n= LISTEN");
    take(&p);
    let (mut p, _) = opened(State::FinWait1);
    p.run("< FIN,ACK seq=1 ack=1\n> ACK seq=2 ack=2\n= CLOSING\n< ACK seq=2 ack=2\n= TIME-WAIT");
    take(&p);
    let (mut p, _) = opened(State::FinWait1);
    p.run("< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2\n= TIME-WAIT");
    take(&p);
    let (mut p, _) = opened(State::LastAck);
    p.run("< ACK seq=2 ack=2\n= LISTEN");
    take(&p);
    arrows
}

/// What ends TIME-WAIT before its time.
fn time_wait() -> Arrows {
    let close = |p: &mut Peer, key| {
        p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
        p.run("> FIN,ACK seq=1 ack=1\n< FIN,ACK seq=1 ack=2 ts=200\n> ACK seq=2 ack=2\n= TIME-WAIT");
    };
    let fresh = || {
        let mut p = Peer::with_options(Options { timestamps: true, ..plain() });
        let listener = p.listen(5);
        p.run("< SYN seq=0 ts=100\n> SYN,ACK seq=0 ack=1\n< ACK seq=1 ack=1 ts=101\n= ESTABLISHED");
        let key = p.accept(listener);
        close(&mut p, key);
        p
    };
    // A new incarnation by the peer (RFC 6191), above what was.
    let mut p = fresh();
    p.run("< SYN seq=100 ts=300\n> SYN,ACK seq=0 ack=101\n= SYN-RECEIVED");
    let mut arrows = p.arrows().clone();
    // A RST that cannot be old.
    let mut p = fresh();
    p.run("< RST seq=2 ts=300\n= LISTEN");
    arrows.extend(p.arrows());
    // A new incarnation by us, once our clock has moved on.
    let mut p = fresh();
    p.pass(std::time::Duration::from_secs(2));
    p.connect();
    p.run("> SYN seq=0\n= SYN-SENT");
    arrows.extend(p.arrows());
    arrows
}

#[test]
fn every_arrow_is_walked() {
    let walked: Arrows =
        [resets(), aborts(), timeouts(), listeners(), orderly(), time_wait()].into_iter().flatten().collect();
    let table: Arrows = TRANSITIONS.iter().map(|arrow| (arrow.from, arrow.cause, arrow.to)).collect();
    let missing: Vec<_> = table.difference(&walked).collect();
    assert!(missing.is_empty(), "nothing takes {missing:#?}");
    assert_eq!(walked, table);
}

#[test]
fn from_every_state_there_is_a_way_out() {
    // Whatever happens, a connection ends: each state but CLOSED can time out, be reset or be aborted.
    for state in STATES.into_iter().filter(|&state| state != State::Closed) {
        let ends = [Cause::Abort, Cause::Close, Cause::Timeout, Cause::Reset];
        assert!(ends.iter().any(|&cause| next(state, cause) == Some(State::Closed)), "{state}");
    }
}
