//! Which packets of a connection routers may cut (RFC 791 3.1): none, or where the user has it so all but probes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_stack::Config;
use bowline_tcp::{Listen, MtuProbing, PathMtuDiscovery};
use bowline_wire::{Capabilities, ip as wire_ip};
use common::*;
use std::time::Duration;

/// Whether each packet of `a`'s was marked as not to be cut, and its length, while it sent so many bytes.
fn sent(discovery: PathMtuDiscovery, probing: MtuProbing, len: usize) -> Vec<(bool, usize)> {
    let mut config = Config::default();
    (config.tcp.options.path_mtu_discovery, config.tcp.options.mtu_probing) = (discovery, probing);
    let mut pair = Pair::with(config, Capabilities::plain(1500));
    let listener = pair.b.stack.tcp_mut().listen(Listen::on_port(80)).unwrap();
    let client = pair.a.stack.tcp_connect(pair.now, None, at(B4, 80), None).unwrap();
    let (data, mut buffer) = (vec![5; len], vec![0; 64 << 10]);
    let (mut server, mut written, mut read) = (None, 0, 0);
    pair.run(Duration::from_secs(10), |pair| {
        written += pair.a.stack.tcp_mut().send(pair.now, client, &data[written..]).unwrap_or(0);
        server = server.or_else(|| pair.b.stack.tcp_mut().accept(pair.now, listener));
        while let Some(Ok(n @ 1..)) = server.map(|key| pair.b.stack.tcp_mut().receive(pair.now, key, &mut buffer)) {
            read += n;
        }
        read == len
    });
    let from_a = pair.log.iter().filter(|(from_a, _)| *from_a);
    from_a.map(|(_, packet)| (wire_ip::parse(&packet.data).unwrap().dont_fragment, packet.data.len())).collect()
}

#[test]
fn packets_are_marked_as_the_user_has_it() {
    for (discovery, marks) in
        [(PathMtuDiscovery::On, true), (PathMtuDiscovery::Unmarked, false), (PathMtuDiscovery::Off, false)]
    {
        let sent = sent(discovery, MtuProbing::Off, 20_000);
        assert!(sent.len() > 15 && sent.iter().all(|(marked, _)| *marked == marks), "{discovery:?}: {sent:?}");
    }
}

#[test]
fn probes_are_marked_in_any_case() {
    // One that is cut on its way tells nothing of the path.
    let sent = sent(PathMtuDiscovery::Unmarked, MtuProbing::Always, 300_000);
    let (mut longest, mut probes) = (0, 0);
    for (marked, len) in sent {
        assert!(!marked || len > longest, "a packet of {len} bytes after one of {longest} is no probe");
        probes += usize::from(marked);
        longest = longest.max(len);
    }
    assert!(probes > 0 && longest == 1500, "{probes} probes, {longest} bytes");
}
