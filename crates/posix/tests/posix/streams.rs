//! Streams from `connect` to `close`, in both versions and all profiles.

use std::net::SocketAddr;
use std::time::Duration;

use bowline_posix::{Address, Call, Errno, Fd, Profile, Progress};
use bytes::Bytes;

use crate::wire::{CLIENT, SERVER, Wire, addresses};

const PROFILES: [Profile; 3] = [Profile::Bowline, Profile::Linux, Profile::FreeBsd];

#[test]
fn a_connection_lives_from_connect_to_close() {
    for profile in PROFILES {
        for v6 in [false, true] {
            let mut wire = Wire::new([profile; 2]);
            let (client, server) = wire.connected(v6);
            let peer = wire.hosts[SERVER].getpeername(server).unwrap();
            assert_eq!(peer, wire.hosts[CLIENT].getsockname(client).unwrap(), "{profile:?}");

            let data = Bytes::from(vec![7; 100_000]);
            let sent = wire.now(CLIENT, Call::Write { fd: client, data: data.clone() }).unwrap();
            assert_eq!(sent.value, 100_000);
            let mut read = Vec::new();
            while read.len() < 100_000 {
                read.extend(wire.wait(SERVER, Call::Read { fd: server, len: 30_000 }).unwrap().data);
            }
            assert_eq!(read, data);

            wire.now(CLIENT, Call::Close { fd: client }).unwrap();
            wire.settle();
            assert_eq!(wire.now(SERVER, Call::Read { fd: server, len: 10 }).unwrap().value, 0);
            wire.now(SERVER, Call::Close { fd: server }).unwrap();
            assert_eq!(wire.now(SERVER, Call::Read { fd: server, len: 1 }), Err(Errno::EBADF));
            wire.run(Duration::from_secs(200));
            assert_eq!(wire.hosts[CLIENT].stack().tcp().population(), (0, 0, 0));
        }
    }
}

#[test]
fn an_ipv6_socket_speaks_ipv4_with_mapped_addresses() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let listener = wire.socket(SERVER, true, "SOCK_STREAM");
    wire.bind(SERVER, listener, "[::]:80".parse().unwrap());
    wire.hosts[SERVER].listen(wire.now, listener, 8).unwrap();
    let client = wire.socket(CLIENT, true, "SOCK_STREAM");
    let address = Address::Inet("[::ffff:192.0.2.2]:80".parse().unwrap());
    wire.wait(CLIENT, Call::Connect { fd: client, address }).unwrap();
    wire.settle();
    let accepted = wire.now(SERVER, Call::Accept { fd: listener, flags: 0 }).unwrap();
    let Some(Address::Inet(SocketAddr::V6(from))) = accepted.address else { panic!("not IPv6") };
    assert_eq!(from.ip().to_ipv4_mapped(), Some("192.0.2.1".parse().unwrap()));
}

#[test]
fn blocked_calls_go_on_where_they_were() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let listener = wire.listener(false);
    let Progress::Waits(accept) = wire.start(SERVER, Call::Accept { fd: listener, flags: 0 }) else { panic!() };
    let client = wire.socket(CLIENT, false, "SOCK_STREAM");
    let address = Address::Inet(SocketAddr::new(addresses(false)[SERVER], 80));
    let Progress::Waits(connect) = wire.start(CLIENT, Call::Connect { fd: client, address }) else { panic!() };
    wire.settle();
    assert_eq!(wire.resume(CLIENT, connect).done().unwrap().unwrap().value, 0);
    let server = wire.resume(SERVER, accept).done().unwrap().unwrap().value as i32;

    let all = wire.number(SERVER, "MSG_WAITALL");
    let Progress::Waits(read) = wire.start(SERVER, Call::Receive { fd: server, len: 10, flags: all }) else { panic!() };
    wire.now(CLIENT, Call::Write { fd: client, data: Bytes::from_static(b"hello") }).unwrap();
    wire.settle();
    let Progress::Waits(read) = wire.resume(SERVER, read) else { panic!("five of ten bytes") };
    wire.now(CLIENT, Call::Write { fd: client, data: Bytes::from_static(b"world!") }).unwrap();
    wire.settle();
    assert_eq!(wire.resume(SERVER, read).done().unwrap().unwrap().data, b"helloworld");
    assert_eq!(wire.now(SERVER, Call::Read { fd: server, len: 10 }).unwrap().data, b"!");
}

#[test]
fn a_nonblocking_connect_is_in_progress_then_done_once() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    wire.listener(false);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    wire.nonblocking(CLIENT, fd);
    let address = Address::Inet(SocketAddr::new(addresses(false)[SERVER], 80));
    let connect = Call::Connect { fd, address };
    assert_eq!(wire.now(CLIENT, connect.clone()), Err(Errno::EINPROGRESS));
    assert_eq!(wire.now(CLIENT, connect.clone()), Err(Errno::EALREADY));
    wire.settle();
    assert_eq!(wire.now(CLIENT, connect.clone()).unwrap().value, 0);
    assert_eq!(wire.now(CLIENT, connect), Err(Errno::EISCONN));
}

#[test]
fn a_refused_connect_says_so_once_and_may_be_tried_again_but_on_freebsd() {
    for profile in PROFILES {
        let mut wire = Wire::new([profile; 2]);
        let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
        wire.nonblocking(CLIENT, fd);
        let address = Address::Inet(SocketAddr::new(addresses(false)[SERVER], 81));
        assert_eq!(wire.now(CLIENT, Call::Connect { fd, address }), Err(Errno::EINPROGRESS));
        wire.settle();
        let number = Errno::ECONNREFUSED.number(wire.hosts[CLIENT].abi());
        assert_eq!(wire.get(CLIENT, fd, "SOL_SOCKET", "SO_ERROR"), Ok(number), "{profile:?}");
        assert_eq!(wire.get(CLIENT, fd, "SOL_SOCKET", "SO_ERROR"), Ok(0));
        let listener = wire.socket(SERVER, false, "SOCK_STREAM");
        wire.bind(SERVER, listener, SocketAddr::new(addresses(false)[SERVER], 81));
        wire.hosts[SERVER].listen(wire.now, listener, 1).unwrap();
        let again = if profile == Profile::FreeBsd { Errno::ECONNREFUSED } else { Errno::EINPROGRESS };
        assert_eq!(wire.now(CLIENT, Call::Connect { fd, address }), Err(again));
        wire.settle();
        assert_eq!(wire.get(CLIENT, fd, "SOL_SOCKET", "SO_ERROR"), Ok(0));
    }
}

/// Resets the server's side of a connection.
fn reset(wire: &mut Wire, server: Fd) {
    let (level, name) = (wire.number(SERVER, "SOL_SOCKET"), wire.number(SERVER, "SO_LINGER"));
    wire.hosts[SERVER].setsockopt(wire.now, server, level, name, &[1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    wire.now(SERVER, Call::Close { fd: server }).unwrap();
    wire.settle();
}

#[test]
fn freebsd_tells_of_a_reset_in_its_own_order() {
    let mut wire = Wire::new([Profile::FreeBsd; 2]);
    let (client, server) = wire.connected(false);
    reset(&mut wire, server);
    let data = Bytes::from_static(b"x");
    assert_eq!(wire.now(CLIENT, Call::Write { fd: client, data: data.clone() }), Err(Errno::EPIPE));
    assert_eq!(wire.now(CLIENT, Call::Read { fd: client, len: 1 }), Err(Errno::ECONNRESET), "the error is still there");
    assert_eq!(wire.now(CLIENT, Call::Read { fd: client, len: 1 }).unwrap().value, 0);
    assert_eq!(wire.now(CLIENT, Call::Write { fd: client, data }), Err(Errno::EPIPE));
    assert_eq!(wire.hosts[CLIENT].shutdown(wire.now, client, 1), Err(Errno::ENOTCONN));

    // In CLOSE-WAIT, too, a reader hears of it, before the end of the stream.
    let mut wire = Wire::new([Profile::FreeBsd; 2]);
    let (client, server) = wire.connected(false);
    wire.hosts[SERVER].shutdown(wire.now, server, 1).unwrap();
    wire.settle();
    assert_eq!(wire.now(CLIENT, Call::Read { fd: client, len: 1 }).unwrap().value, 0);
    reset(&mut wire, server);
    assert_eq!(wire.now(CLIENT, Call::Read { fd: client, len: 1 }), Err(Errno::ECONNRESET));
    assert_eq!(wire.now(CLIENT, Call::Read { fd: client, len: 1 }).unwrap().value, 0);
}

#[test]
fn freebsd_gives_an_open_seventy_five_seconds() {
    let mut wire = Wire::new([Profile::FreeBsd; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    let address = Address::Inet("198.51.100.1:80".parse().unwrap());
    let Progress::Waits(connect) = wire.start(CLIENT, Call::Connect { fd, address }) else { panic!("no answer came") };
    wire.run(Duration::from_secs(74));
    let Progress::Waits(connect) = wire.resume(CLIENT, connect) else { panic!("too early") };
    wire.run(Duration::from_secs(2));
    assert_eq!(wire.resume(CLIENT, connect).done(), Some(Err(Errno::ETIMEDOUT)));
}

#[test]
fn linux_repeats_its_first_syns_every_second() {
    for (profile, expected) in [(Profile::Linux, vec![1, 2, 3, 4, 5, 7, 11]), (Profile::Bowline, vec![1, 3, 7, 15])] {
        let mut wire = Wire::new([profile; 2]);
        let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
        wire.nonblocking(CLIENT, fd);
        let address = Address::Inet("198.51.100.1:80".parse().unwrap());
        assert_eq!(wire.now(CLIENT, Call::Connect { fd, address }), Err(Errno::EINPROGRESS));
        let (mut seen, mut before) = (Vec::new(), 1);
        for second in 0..16 {
            wire.run(Duration::from_millis(if second == 0 { 500 } else { 1_000 }));
            if wire.sent[CLIENT].len() > before {
                seen.push(second);
            }
            before = wire.sent[CLIENT].len();
        }
        assert_eq!(seen[..expected.len().min(seen.len())], expected[..], "{profile:?}");
    }
}

#[test]
fn close_lingers_as_long_as_it_is_told() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let (client, server) = wire.connected(false);
    let (level, name) = (wire.number(CLIENT, "SOL_SOCKET"), wire.number(CLIENT, "SO_LINGER"));
    wire.hosts[CLIENT].setsockopt(wire.now, client, level, name, &[1, 0, 0, 0, 2, 0, 0, 0]).unwrap();
    wire.now(CLIENT, Call::Write { fd: client, data: Bytes::from_static(b"bye") }).unwrap();
    let Progress::Waits(close) = wire.start(CLIENT, Call::Close { fd: client }) else { panic!("not acknowledged yet") };
    assert_eq!(close.deadline(), Some(wire.now + Duration::from_secs(2)));
    wire.run(Duration::from_millis(100));
    assert_eq!(wire.resume(CLIENT, close).done().unwrap().unwrap().value, 0, "acknowledged, the FIN as well");
    assert_eq!(wire.now(SERVER, Call::Read { fd: server, len: 9 }).unwrap().data, b"bye");
}
