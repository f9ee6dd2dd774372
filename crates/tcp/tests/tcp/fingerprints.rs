//! What tells two endpoints apart, for who explores their states: the fingerprint.

use std::time::Duration;

use bowline_tcp::{Cookies, Options, Refusal};

use crate::bench::peer::{Peer, plain};

fn print(p: &Peer) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    p.endpoint.fingerprint(&mut hasher);
    hasher.finish()
}

#[test]
fn fingerprints_tell_listeners_and_half_open_connections_apart() {
    let after = |backlog, syn: &str| {
        let mut p = Peer::plain();
        p.listen(backlog);
        p.inject(syn);
        print(&p)
    };
    let one = after(5, "SYN seq=0");
    assert_eq!(after(5, "SYN seq=0"), one);
    assert_ne!(after(6, "SYN seq=0"), one, "another backlog");
    assert_ne!(after(5, "SYN seq=1"), one, "another number of the peer's");
    let scaled = |syn: &str| {
        let mut p = Peer::new();
        p.listen(5);
        p.inject(syn);
        print(&p)
    };
    assert_ne!(scaled("SYN seq=0 ws=3"), scaled("SYN seq=0 ws=4"), "another scale");
    // Nothing is kept of what was answered with a cookie, but that its acknowledgement may come.
    let mut p = Peer::with_options(Options { syn_cookies: Cookies::Always, ..plain() });
    p.listen(5);
    let before = print(&p);
    p.run("< SYN seq=0\n> SYN,ACK seq=0 ack=1");
    assert_ne!(print(&p), before);
}

/// What begins next has another name where something was there before: a user's old handle must not fit it.
#[test]
fn fingerprints_tell_endpoints_apart_by_the_names_that_come_next() {
    let mut p = Peer::plain();
    let before = print(&p);
    let first = p.listen(5);
    p.call(|endpoint, now| endpoint.close_listener(now, first));
    assert!(p.endpoint.is_idle());
    assert_ne!(print(&p), before);
    assert_ne!(p.listen(5), first);

    let mut p = Peer::plain();
    let listener = p.listen_deferred();
    let before = print(&p);
    p.inject("SYN seq=0");
    let pending = p.endpoint.pending(listener).expect("a SYN that waits");
    p.call(|endpoint, now| endpoint.refuse(now, pending.key, Refusal::Silent));
    assert!(p.endpoint.pending(listener).is_none());
    assert_ne!(print(&p), before, "the next SYN that waits has another key");
}

#[test]
fn fingerprints_tell_endpoints_apart_by_what_they_will_do() {
    let mut p = Peer::plain();
    let mut seen = vec![print(&p)];
    let listener = p.listen(5);
    let steps = ["< SYN seq=0\n> SYN,ACK seq=0 ack=1", "+1s\n> SYN,ACK seq=0 ack=1", "< ACK seq=1 ack=1"];
    for step in steps {
        p.run(step);
        seen.push(print(&p));
    }
    let key = p.accept(listener);
    p.call(|endpoint, now| endpoint.shutdown(now, key)).expect("shutdown");
    for step in ["> FIN,ACK seq=1 ack=1", "< ACK seq=1 ack=2", "< FIN,ACK seq=1 ack=2\n> ACK seq=2 ack=2"] {
        p.run(step);
        seen.push(print(&p));
    }
    let copy = p.endpoint.clone();
    p.pass(Duration::from_secs(60));
    seen.push(print(&p));
    let mut different = seen.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), seen.len());
    // A copy goes its own way, from the same place.
    let old = std::mem::replace(&mut p.endpoint, copy);
    assert_eq!(print(&p), seen[seen.len() - 2]);
    assert!(!p.endpoint.is_idle() && old.population() == (1, 0, 0));
}
