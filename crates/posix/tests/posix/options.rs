//! Options, on either system: what they take, what they give back, and how they refuse.

use std::net::SocketAddr;

use bowline_posix::{Address, Call, Errno, Fd, Field, Profile, Progress};
use bytes::Bytes;

use crate::wire::{CLIENT, SERVER, Wire, addresses};

use Errno::{EDOM, EINVAL, ENOPROTOOPT, EOPNOTSUPP};

/// Level, name, value to set, what setting says, what getting says then.
type Row = (&'static str, &'static str, i32, Result<(), Errno>, Result<i32, Errno>);

const LINUX: &[Row] = &[
    ("SOL_SOCKET", "SO_REUSEADDR", 7, Ok(()), Ok(1)),
    ("SOL_SOCKET", "SO_RCVBUF", 10_000, Ok(()), Ok(20_000)),
    ("SOL_SOCKET", "SO_RCVBUF", 1, Ok(()), Ok(2_304)),
    ("SOL_SOCKET", "SO_SNDBUF", 10_000, Ok(()), Ok(20_000)),
    ("SOL_SOCKET", "SO_SNDBUF", 0, Ok(()), Ok(4_608)),
    ("SOL_SOCKET", "SO_KEEPALIVE", 1, Ok(()), Ok(1)),
    ("SOL_SOCKET", "SO_PRIORITY", 6, Ok(()), Ok(6)),
    ("SOL_SOCKET", "SO_RCVLOWAT", 0, Ok(()), Ok(1)),
    ("SOL_SOCKET", "SO_TYPE", 1, Err(ENOPROTOOPT), Ok(1)),
    ("SOL_SOCKET", "SO_ERROR", 1, Err(ENOPROTOOPT), Ok(0)),
    ("SOL_SOCKET", "SO_ACCEPTCONN", 1, Err(ENOPROTOOPT), Ok(0)),
    ("SOL_SOCKET", "SO_PROTOCOL", 1, Err(ENOPROTOOPT), Ok(6)),
    ("SOL_SOCKET", "SO_TIMESTAMPING", 0x12, Ok(()), Ok(0x12)),
    ("SOL_SOCKET", "SO_ZEROCOPY", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_NODELAY", 5, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_CORK", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_MAXSEG", 1_000, Ok(()), Ok(1_000)),
    ("IPPROTO_TCP", "TCP_MAXSEG", 87, Err(EINVAL), Ok(1_000)),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 60, Ok(()), Ok(60)),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 0, Err(EINVAL), Ok(60)),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 32_768, Err(EINVAL), Ok(60)),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 5, Ok(()), Ok(5)),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 128, Err(EINVAL), Ok(10)),
    ("IPPROTO_TCP", "TCP_SYNCNT", 3, Ok(()), Ok(3)),
    ("IPPROTO_TCP", "TCP_SYNCNT", 0, Err(EINVAL), Ok(3)),
    ("IPPROTO_TCP", "TCP_LINGER2", 5, Ok(()), Ok(5)),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 3_000, Ok(()), Ok(3_000)),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", -1, Err(EINVAL), Ok(3_000)),
    ("IPPROTO_TCP", "TCP_NOTSENT_LOWAT", 16_384, Ok(()), Ok(16_384)),
    ("IPPROTO_TCP", "TCP_INQ", 2, Err(EINVAL), Ok(0)),
    ("IPPROTO_TCP", "TCP_INQ", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_FASTOPEN", 5, Ok(()), Ok(5)),
    ("IPPROTO_TCP", "TCP_FASTOPEN", -1, Err(EINVAL), Ok(5)),
    ("IPPROTO_TCP", "TCP_FASTOPEN_CONNECT", 2, Err(EINVAL), Ok(0)),
    ("IPPROTO_TCP", "TCP_FASTOPEN_CONNECT", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_FASTOPEN_NO_COOKIE", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_MD5SIG", 5, Err(EINVAL), Err(ENOPROTOOPT)),
    ("IPPROTO_TCP", "TCP_TX_DELAY", 5, Err(ENOPROTOOPT), Err(ENOPROTOOPT)),
    ("IPPROTO_IP", "IP_TOS", 0x28, Ok(()), Ok(0x28)),
    ("IPPROTO_IP", "IP_TTL", 9, Ok(()), Ok(9)),
    ("IPPROTO_IP", "IP_TTL", 0, Err(EINVAL), Ok(9)),
    ("IPPROTO_IP", "IP_TTL", 256, Err(EINVAL), Ok(9)),
    ("IPPROTO_IP", "IP_TTL", -1, Ok(()), Ok(64)),
    ("IPPROTO_IP", "IP_MTU_DISCOVER", 2, Ok(()), Ok(2)),
    ("IPPROTO_IP", "IP_MTU_DISCOVER", 0, Ok(()), Ok(0)),
    ("IPPROTO_IP", "IP_MTU_DISCOVER", 9, Err(EINVAL), Ok(0)),
    ("IPPROTO_IP", "IP_RECVERR", 1, Ok(()), Ok(1)),
    ("IPPROTO_IPV6", "IPV6_V6ONLY", 1, Err(ENOPROTOOPT), Err(ENOPROTOOPT)),
];

const FREEBSD: &[Row] = &[
    ("SOL_SOCKET", "SO_REUSEADDR", 1, Ok(()), Ok(4)),
    ("SOL_SOCKET", "SO_DEBUG", 1, Ok(()), Ok(1)),
    ("SOL_SOCKET", "SO_KEEPALIVE", 1, Ok(()), Ok(8)),
    ("SOL_SOCKET", "SO_RCVBUF", 10_000, Ok(()), Ok(10_000)),
    ("SOL_SOCKET", "SO_RCVBUF", 0, Err(EINVAL), Ok(10_000)),
    ("SOL_SOCKET", "SO_SNDBUF", 1 << 30, Err(Errno::ENOBUFS), Ok(2 << 20)),
    ("SOL_SOCKET", "SO_NOSIGPIPE", 1, Ok(()), Ok(0x800)),
    ("IPPROTO_TCP", "TCP_NODELAY", 1, Ok(()), Ok(1)),
    ("IPPROTO_TCP", "TCP_NOPUSH", 1, Ok(()), Ok(4)),
    ("IPPROTO_TCP", "TCP_NOOPT", 1, Ok(()), Ok(8)),
    ("IPPROTO_TCP", "TCP_KEEPINIT", 10, Ok(()), Ok(10)),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 128, Err(EINVAL), Ok(8)),
    ("IPPROTO_TCP", "TCP_MAXUNACKTIME", 10, Ok(()), Ok(10)),
    ("IPPROTO_TCP", "TCP_DELACK", 10, Ok(()), Ok(10)),
    ("IPPROTO_TCP", "TCP_FASTOPEN", 1, Ok(()), Ok(1)),
    ("IPPROTO_IP", "IP_TOS", 0x28, Ok(()), Ok(0x28)),
];

fn check(profile: Profile, rows: &[Row]) {
    let mut wire = Wire::new([profile; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
    for (level, name, value, set, get) in rows {
        assert_eq!(wire.set(CLIENT, fd, level, name, *value), *set, "set {name} to {value}");
        assert_eq!(wire.get(CLIENT, fd, level, name), *get, "get {name} after {value}");
    }
    let datagram = wire.socket(CLIENT, false, "SOCK_DGRAM");
    let refused = if profile == Profile::FreeBsd { EINVAL } else { EOPNOTSUPP };
    assert_eq!(wire.set(CLIENT, datagram, "IPPROTO_TCP", "TCP_NODELAY", 1), Err(refused));
    assert_eq!(wire.hosts[CLIENT].setsockopt(wire.now, fd, 6, 1, &[1]), Err(EINVAL), "too short");
    assert_eq!(wire.hosts[CLIENT].getsockopt(wire.now, fd, 6, 12_345, 4), Err(ENOPROTOOPT));
    assert_eq!(wire.hosts[CLIENT].getsockopt(wire.now, 99, 6, 1, 4), Err(Errno::EBADF));
}

#[test]
fn linux_takes_gives_and_refuses() {
    check(Profile::Linux, LINUX);
}

#[test]
fn freebsd_takes_gives_and_refuses() {
    check(Profile::FreeBsd, FREEBSD);
}

/// As Linux 6.18 was seen to do it.
#[test]
fn packets_are_marked_by_how_the_path_is_discovered() {
    for (mode, is_marked) in [(0, false), (1, true), (2, true), (3, false), (4, false), (5, false)] {
        let mut wire = Wire::new([Profile::Linux; 2]);
        let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
        assert_eq!(wire.set(CLIENT, fd, "IPPROTO_IP", "IP_MTU_DISCOVER", mode), Ok(()));
        let address = Address::Inet(SocketAddr::new(addresses(false)[SERVER], 80));
        assert!(matches!(wire.start(CLIENT, Call::Connect { fd, address }), Progress::Waits(_)));
        let syn = wire.hosts[CLIENT].poll_packet(wire.now).expect("a SYN");
        assert_eq!(syn[6] & 0x40 != 0, is_marked, "mode {mode}");
        assert_eq!(syn[4..6] == [0, 0], is_marked, "what may be cut needs a number: mode {mode}");
    }
    // Datagrams are always marked.
    let mut wire = Wire::new([Profile::Linux; 2]);
    let fd = wire.socket(CLIENT, false, "SOCK_DGRAM");
    assert_eq!(wire.set(CLIENT, fd, "IPPROTO_IP", "IP_MTU_DISCOVER", 0), Err(EOPNOTSUPP));
}

fn bytes_of(wire: &mut Wire, fd: Fd, level: &str, name: &str, len: usize) -> Result<Vec<u8>, Errno> {
    let (level, name) = (wire.number(CLIENT, level), wire.number(CLIENT, name));
    wire.hosts[CLIENT].getsockopt(wire.now, fd, level, name, len)
}

fn set_bytes(wire: &mut Wire, fd: Fd, level: &str, name: &str, value: &[u8]) -> Result<(), Errno> {
    let (level, name) = (wire.number(CLIENT, level), wire.number(CLIENT, name));
    wire.hosts[CLIENT].setsockopt(wire.now, fd, level, name, value)
}

#[test]
fn names_times_and_linger_are_structs() {
    for (profile, reno) in [(Profile::Linux, "reno"), (Profile::FreeBsd, "newreno")] {
        let mut wire = Wire::new([profile; 2]);
        let fd = wire.socket(CLIENT, false, "SOCK_STREAM");
        set_bytes(&mut wire, fd, "IPPROTO_TCP", "TCP_CONGESTION", reno.as_bytes()).unwrap();
        let name = bytes_of(&mut wire, fd, "IPPROTO_TCP", "TCP_CONGESTION", 16).unwrap();
        assert_eq!((name.len(), name.strip_suffix(&vec![0; 16 - reno.len()][..])), (16, Some(reno.as_bytes())));
        let unknown = if profile == Profile::FreeBsd { Errno::ESRCH } else { Errno::ENOENT };
        assert_eq!(set_bytes(&mut wire, fd, "IPPROTO_TCP", "TCP_CONGESTION", b"nonsense"), Err(unknown));

        let second_and_half = [1_i64.to_le_bytes(), 500_000_i64.to_le_bytes()].concat();
        set_bytes(&mut wire, fd, "SOL_SOCKET", "SO_RCVTIMEO", &second_and_half).unwrap();
        assert_eq!(bytes_of(&mut wire, fd, "SOL_SOCKET", "SO_RCVTIMEO", 16), Ok(second_and_half));
        let wrong = [1_i64.to_le_bytes(), 1_000_000_i64.to_le_bytes()].concat();
        assert_eq!(set_bytes(&mut wire, fd, "SOL_SOCKET", "SO_RCVTIMEO", &wrong), Err(EDOM));

        let linger = [1_i32.to_le_bytes(), 3_i32.to_le_bytes()].concat();
        set_bytes(&mut wire, fd, "SOL_SOCKET", "SO_LINGER", &linger).unwrap();
        let on = if profile == Profile::FreeBsd { 0x80_i32 } else { 1 };
        let expected = [on.to_le_bytes(), 3_i32.to_le_bytes()].concat();
        assert_eq!(bytes_of(&mut wire, fd, "SOL_SOCKET", "SO_LINGER", 8), Ok(expected));
    }
}

#[test]
fn the_pacing_rate_is_limited_in_bytes_a_second() {
    for profile in [Profile::Linux, Profile::FreeBsd] {
        let mut wire = Wire::new([profile; 2]);
        let (client, _) = wire.connected(false);
        let (level, name) = ("SOL_SOCKET", "SO_MAX_PACING_RATE");
        assert_eq!(bytes_of(&mut wire, client, level, name, 4), Ok(vec![0xff; 4]), "no limit");
        set_bytes(&mut wire, client, level, name, &125_000_u32.to_le_bytes()).unwrap();
        assert_eq!(bytes_of(&mut wire, client, level, name, 4), Ok(125_000_u32.to_le_bytes().into()));
        assert_eq!(set_bytes(&mut wire, client, level, name, &[1, 2]), Err(Errno::EINVAL));
        if profile == Profile::Linux {
            let fields = wire.hosts[CLIENT].abi().tcp_info();
            let info = bytes_of(&mut wire, client, "IPPROTO_TCP", "TCP_INFO", 1_000).unwrap();
            assert_eq!(Field::read(fields, &info, "tcpi_max_pacing_rate"), Some(125_000));
            let fast = 10_000_000_000_u64.to_le_bytes();
            set_bytes(&mut wire, client, level, name, &fast).unwrap();
            assert_eq!(bytes_of(&mut wire, client, level, name, 8), Ok(fast.into()));
            assert_eq!(bytes_of(&mut wire, client, level, name, 4), Ok(vec![0xff; 4]), "as much as fits");
        }
        set_bytes(&mut wire, client, level, name, &[0xff; 4]).unwrap();
        assert_eq!(bytes_of(&mut wire, client, level, name, 4), Ok(vec![0xff; 4]), "no limit again");
    }
}

#[test]
fn tcp_info_is_told_in_either_system_s_words() {
    for (profile, state, cwnd) in [(Profile::Linux, 1, 10), (Profile::FreeBsd, 4, 14_480)] {
        let mut wire = Wire::new([profile; 2]);
        let (client, server) = wire.connected(false);
        wire.now(CLIENT, Call::Write { fd: client, data: Bytes::from(vec![1; 5_000]) }).unwrap();
        wire.settle();
        wire.now(SERVER, Call::Read { fd: server, len: 10_000 }).unwrap();
        wire.run(std::time::Duration::from_millis(100));
        let fields = wire.hosts[CLIENT].abi().tcp_info();
        let bytes = bytes_of(&mut wire, client, "IPPROTO_TCP", "TCP_INFO", 1_000).unwrap();
        assert_eq!(bytes.len(), Field::struct_len(fields));
        let read = |name| Field::read(fields, &bytes, name).unwrap();
        assert_eq!(read("tcpi_state"), state, "{profile:?}");
        assert_eq!(read("tcpi_options"), 7, "timestamps, SACK, window scale");
        assert_eq!(read("tcpi_snd_mss"), 1_448);
        assert!(read("tcpi_snd_cwnd") >= cwnd, "{}", read("tcpi_snd_cwnd"));
        assert!((2_000..3_000).contains(&read("tcpi_rtt")), "{} us there and back", read("tcpi_rtt"));
        if profile == Profile::Linux {
            assert_eq!((read("tcpi_bytes_acked"), read("tcpi_data_segs_out"), read("tcpi_unacked")), (5_000, 4, 0));
            let short = bytes_of(&mut wire, client, "IPPROTO_TCP", "TCP_INFO", 10).unwrap();
            assert_eq!(short, bytes[..10], "as much as there is room for");
        }
    }
}
