//! `TCP_MD5SIG` and `TCP_MD5SIG_EXT`, with Linux's struct: whose segments are signed, and what is refused.

use std::net::{IpAddr, SocketAddr};

use bowline_posix::{Abi, Address, Call, Errno, Fd, Profile};
use bytes::Bytes;

use crate::wire::{CLIENT, SERVER, Wire, addresses};

/// `struct tcp_md5sig`.
fn md5sig(peer: IpAddr, (flags, prefix): (u8, u8), key: &[u8]) -> Vec<u8> {
    let mut out = Address::Inet(SocketAddr::new(peer, 0)).encode(Abi::Linux);
    out.resize(128, 0);
    out.extend([flags, prefix]);
    out.extend((key.len() as u16).to_le_bytes());
    out.extend([0; 4]);
    out.extend(key);
    out.resize(out.len().max(216), 0);
    out
}

fn set(wire: &mut Wire, side: usize, fd: Fd, name: &str, value: &[u8]) -> Result<(), Errno> {
    let (level, name) = (wire.number(side, "IPPROTO_TCP"), wire.number(side, name));
    wire.hosts[side].setsockopt(wire.now, fd, level, name, value)
}

/// Opens a connection with the client's key, and carries a word there and back. `None`: it does not come about in a second.
fn talk(wire: &mut Wire, listener: Fd, v6: bool, key: &[u8]) -> Option<()> {
    let fd = wire.socket(CLIENT, v6, "SOCK_STREAM");
    let server = addresses(v6)[SERVER];
    set(wire, CLIENT, fd, "TCP_MD5SIG", &md5sig(server, (0, 0), key)).unwrap();
    wire.nonblocking(CLIENT, fd);
    wire.nonblocking(SERVER, listener);
    let address = Address::Inet(SocketAddr::new(server, 80));
    assert_eq!(wire.now(CLIENT, Call::Connect { fd, address }), Err(Errno::EINPROGRESS));
    wire.run(std::time::Duration::from_secs(1));
    let accepted = wire.now(SERVER, Call::Accept { fd: listener, flags: 0 }).ok()?.value as Fd;
    for (from, to, fds) in [(CLIENT, SERVER, [fd, accepted]), (SERVER, CLIENT, [accepted, fd])] {
        wire.now(from, Call::Write { fd: fds[0], data: Bytes::from_static(b"hello") }).unwrap();
        wire.settle();
        assert_eq!(wire.now(to, Call::Read { fd: fds[1], len: 10 }).unwrap().data, b"hello"[..]);
    }
    Some(())
}

#[test]
fn who_shares_a_key_is_heard_and_nobody_else() {
    for v6 in [false, true] {
        let mut wire = Wire::new([Profile::Linux; 2]);
        let listener = wire.listener(v6);
        let client = addresses(v6)[CLIENT];
        set(&mut wire, SERVER, listener, "TCP_MD5SIG", &md5sig(client, (0, 0), b"secret")).unwrap();
        assert_eq!(talk(&mut wire, listener, v6, b"other"), None);
        assert_eq!(talk(&mut wire, listener, v6, b"secret"), Some(()));
        // Taken away from the listener, it stays with the connection.
        set(&mut wire, SERVER, listener, "TCP_MD5SIG", &md5sig(client, (0, 0), b"")).unwrap();
        assert_eq!(talk(&mut wire, listener, v6, b"secret"), None);
        let counters = wire.hosts[SERVER].stack().tcp().counters();
        assert!(counters.md5_failure > 0 && counters.md5_unexpected > 0 && counters.md5_not_found == 0);
    }
}

#[test]
fn a_key_may_be_for_a_network_also_one_that_is_mapped() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let listener = wire.socket(SERVER, true, "SOCK_STREAM");
    wire.bind(SERVER, listener, "[::]:80".parse().unwrap());
    wire.hosts[SERVER].listen(wire.now, listener, 8).unwrap();
    let network = md5sig("::ffff:192.0.2.77".parse().unwrap(), (1, 24), b"secret");
    set(&mut wire, SERVER, listener, "TCP_MD5SIG_EXT", &network).unwrap();
    assert_eq!(talk(&mut wire, listener, false, b"secret"), Some(()));
    // Without _EXT the flags say nothing: this is one peer, which nobody is.
    let one = md5sig("::ffff:192.0.2.77".parse().unwrap(), (1, 24), b"another");
    set(&mut wire, SERVER, listener, "TCP_MD5SIG", &one).unwrap();
    assert_eq!(talk(&mut wire, listener, false, b"secret"), Some(()));
}

#[test]
fn what_linux_refuses_is_refused() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    let (four, six) = (addresses(false)[SERVER], addresses(true)[SERVER]);
    let whole = md5sig(four, (0, 0), b"secret");
    let long = [b'x'; 81];
    let mut interface = md5sig(four, (2, 0), b"secret");
    interface[132] = 3;
    for (name, value, expected) in [
        ("TCP_MD5SIG", &whole[..215], Err(Errno::EINVAL)),
        ("TCP_MD5SIG", &md5sig(six, (0, 0), b"secret"), Err(Errno::EINVAL)),
        ("TCP_MD5SIG", &md5sig(four, (0, 0), &long), Err(Errno::EINVAL)),
        ("TCP_MD5SIG_EXT", &md5sig(four, (1, 33), b"secret"), Err(Errno::EINVAL)),
        ("TCP_MD5SIG_EXT", &interface, Err(Errno::EINVAL)),
        ("TCP_MD5SIG", &md5sig(four, (0, 0), b""), Err(Errno::ENOENT)),
        ("TCP_MD5SIG", &whole, Ok(())),
        ("TCP_MD5SIG_EXT", &md5sig(four, (1, 24), b""), Err(Errno::ENOENT)),
        ("TCP_MD5SIG_EXT", &md5sig(four, (0, 24), b""), Ok(())),
        ("TCP_MD5SIG", &md5sig(four, (0, 0), b""), Err(Errno::ENOENT)),
    ] {
        assert_eq!(set(&mut wire, CLIENT, fd, name, value), expected, "{name} {:?}", &value[128..140.min(value.len())]);
    }
}
