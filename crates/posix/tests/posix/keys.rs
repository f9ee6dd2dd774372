//! `TCP_MD5SIG`, `TCP_MD5SIG_EXT` and `TCP_AO_*`, with Linux's structs: whose segments are signed, and what is refused.

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

/// `struct tcp_ao_add`: peer and prefix, algorithm, SendID, RecvID and the flags of the key, the bits, the key.
fn ao_add((peer, prefix): (IpAddr, u8), name: &str, [send, recv, flags]: [u8; 3], bits: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Address::Inet(SocketAddr::new(peer, 0)).encode(Abi::Linux);
    out.resize(128, 0);
    out.extend(name.as_bytes());
    out.resize(128 + 64, 0);
    out.extend([0; 4]);
    out.extend(bits.to_le_bytes());
    out.extend([0, 0, prefix, send, recv, 0, flags, key.len() as u8]);
    out.extend(key);
    out.resize(288, 0);
    out
}

/// `struct tcp_ao_del`.
fn ao_del((peer, prefix): (IpAddr, u8), [send, recv]: [u8; 2], bits: u32, [current, next]: [u8; 2]) -> Vec<u8> {
    let mut out = Address::Inet(SocketAddr::new(peer, 0)).encode(Abi::Linux);
    out.resize(128, 0);
    out.extend([0; 4]);
    out.extend(bits.to_le_bytes());
    out.extend([0, 0, prefix, send, recv, current, next, 0, 0, 0]);
    out.resize(144, 0);
    out
}

/// The bits of `TCP_AO_INFO`, with CURRENT_KEY and RNEXT_KEY, and its counters.
fn ao_info(wire: &mut Wire, side: usize, fd: Fd) -> Result<(u32, [u8; 2], [u64; 5]), Errno> {
    let (level, name) = (wire.number(side, "IPPROTO_TCP"), wire.number(side, "TCP_AO_INFO"));
    let value = wire.hosts[side].getsockopt(wire.now, fd, level, name, 48)?;
    assert_eq!(value.len(), 48);
    let count = |n: usize| u64::from_le_bytes(value[8 + 8 * n..16 + 8 * n].try_into().unwrap());
    let bits = u32::from_le_bytes(value[..4].try_into().unwrap());
    Ok((bits, [value[6], value[7]], [count(0), count(1), count(2), count(3), count(4)]))
}

#[test]
fn ao_keys_are_added_used_changed_and_taken_away() {
    for v6 in [false, true] {
        let mut wire = Wire::new([Profile::Linux; 2]);
        let listener = wire.listener(v6);
        let [client, server] = addresses(v6);
        let bits = if v6 { 128 } else { 32 };
        for (id, name) in [(1, "hmac(sha1)"), (2, "cmac(aes128)")] {
            let value = ao_add((client, bits), name, [id, id + 10, 0], 0, b"secret");
            set(&mut wire, SERVER, listener, "TCP_AO_ADD_KEY", &value).unwrap();
        }
        let fd = wire.socket(CLIENT, v6, "SOCK_STREAM");
        for (id, name, chosen) in [(11, "hmac(sha1)", 0), (12, "cmac(aes128)", 3)] {
            let value = ao_add((server, bits), name, [id, id - 10, 0], chosen, b"secret");
            set(&mut wire, CLIENT, fd, "TCP_AO_ADD_KEY", &value).unwrap();
        }
        let address = Address::Inet(SocketAddr::new(server, 80));
        wire.wait(CLIENT, Call::Connect { fd, address }).unwrap();
        wire.settle();
        let accepted = wire.now(SERVER, Call::Accept { fd: listener, flags: 0 }).unwrap().value as Fd;
        wire.now(CLIENT, Call::Write { fd, data: Bytes::from_static(b"hello") }).unwrap();
        wire.settle();
        assert_eq!(wire.now(SERVER, Call::Read { fd: accepted, len: 10 }).unwrap().data, b"hello"[..]);
        let (_, used, counts) = ao_info(&mut wire, CLIENT, fd).unwrap();
        assert_eq!((used, counts[1..].iter().sum::<u64>()), ([12, 2], 0));
        assert_eq!(ao_info(&mut wire, SERVER, accepted).unwrap().1, [2, 12]);

        // The client asks for the other key, and the server obeys.
        let choose = [&2_u32.to_le_bytes()[..], &[0, 0, 0, 1], &[0; 40]].concat();
        set(&mut wire, CLIENT, fd, "TCP_AO_INFO", &choose).unwrap();
        wire.now(CLIENT, Call::Write { fd, data: Bytes::from_static(b"again") }).unwrap();
        wire.settle();
        assert_eq!(ao_info(&mut wire, SERVER, accepted).unwrap().1, [1, 12]);

        // What is in use is not taken away, until another one is.
        let remove = |chosen, used| ao_del((server, bits), [12, 2], chosen, used);
        assert_eq!(set(&mut wire, CLIENT, fd, "TCP_AO_DEL_KEY", &remove(0, [0, 0])), Err(Errno::EBUSY));
        set(&mut wire, CLIENT, fd, "TCP_AO_DEL_KEY", &remove(3, [11, 1])).unwrap();
        assert_eq!(set(&mut wire, CLIENT, fd, "TCP_AO_DEL_KEY", &remove(0, [0, 0])), Err(Errno::ENOENT));
        wire.now(CLIENT, Call::Write { fd, data: Bytes::from_static(b"more.") }).unwrap();
        wire.settle();
        assert_eq!(wire.now(SERVER, Call::Read { fd: accepted, len: 10 }).unwrap().data, b"againmore."[..]);

        // All are told, and no secret.
        let (level, name) = (wire.number(SERVER, "IPPROTO_TCP"), wire.number(SERVER, "TCP_AO_GET_KEYS"));
        let told = wire.hosts[SERVER].getsockopt(wire.now, accepted, level, name, 10_000).unwrap();
        assert_eq!((told.len(), &told[128..138], told[272]), (2 * 304, &b"hmac(sha1)"[..], 2));
        assert!(!told.windows(6).any(|bytes| bytes == b"secret"));
    }
}

#[test]
fn what_linux_refuses_of_ao_is_refused() {
    let mut wire = Wire::new([Profile::Linux; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    let peer = addresses(false)[SERVER];
    let any: IpAddr = "0.0.0.0".parse().unwrap();
    let net: IpAddr = "198.51.100.0".parse().unwrap();
    let sha1 = "hmac(sha1)";
    let good = ao_add((peer, 32), sha1, [1, 1, 0], 0, b"secret");
    assert_eq!(ao_info(&mut wire, CLIENT, fd), Err(Errno::ENOENT));
    set(&mut wire, CLIENT, fd, "TCP_MD5SIG", &md5sig(net, (0, 0), b"secret")).unwrap();
    for (value, expected) in [
        (good[..287].to_vec(), Err(Errno::EINVAL)),
        (ao_add((peer, 33), sha1, [1, 1, 0], 0, b"secret"), Err(Errno::EINVAL)),
        (ao_add((peer, 24), sha1, [1, 1, 0], 0, b"secret"), Err(Errno::EINVAL)),
        (ao_add((peer, 0), sha1, [1, 1, 0], 0, b"secret"), Err(Errno::EINVAL)),
        (ao_add((addresses(true)[SERVER], 128), sha1, [1, 1, 0], 0, b"secret"), Err(Errno::EINVAL)),
        (ao_add((peer, 32), "hmac(md5)", [1, 1, 0], 0, b"secret"), Err(Errno::ENOENT)),
        (ao_add((peer, 32), sha1, [1, 1, 4], 0, b"secret"), Err(Errno::EINVAL)),
        (ao_add((peer, 32), sha1, [1, 1, 0], 4, b"secret"), Err(Errno::EINVAL)),
        (ao_add((net, 24), sha1, [1, 1, 0], 0, b"secret"), Err(Errno::EKEYREJECTED)),
        (good.clone(), Ok(())),
        (good, Err(Errno::EEXIST)),
        (ao_add((peer, 32), sha1, [2, 2, 2], 0, b"secret"), Ok(())),
    ] {
        assert_eq!(set(&mut wire, CLIENT, fd, "TCP_AO_ADD_KEY", &value), expected, "{:?}", &value[128..208]);
    }
    let signed = md5sig(peer, (0, 0), b"secret");
    assert_eq!(set(&mut wire, CLIENT, fd, "TCP_MD5SIG", &signed), Err(Errno::EKEYREJECTED));
    let everybody = ao_add((any, 0), sha1, [3, 3, 0], 0, b"secret");
    assert_eq!(set(&mut wire, CLIENT, fd, "TCP_AO_ADD_KEY", &everybody), Err(Errno::EKEYREJECTED));
    // A connection that began without keys gets none.
    let (open, _) = wire.connected(false);
    let key = ao_add((peer, 32), sha1, [1, 1, 0], 0, b"secret");
    assert_eq!(set(&mut wire, CLIENT, open, "TCP_AO_ADD_KEY", &key), Err(Errno::EISCONN));
}
