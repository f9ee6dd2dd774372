//! Against the running kernel, each test in a network namespace of its own. They need root and say so otherwise.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use bowline_wire::packet::{PartialChecksum, RxChecksum, SegmentKind};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::*;

mod tcp;

const NOW: Instant = Instant::ZERO;

/// Runs `test` on a thread that has a network namespace to itself; prints why, where that is impossible.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        if let Err(error) = new_namespace() {
            println!("skipped: no network namespace of our own ({error}); run as root");
            return;
        }
        if let Err(error) = ioctl::open() {
            println!("skipped: {error}");
            return;
        }
        test();
    })
    .join()
    .unwrap();
}

#[allow(unsafe_code)]
fn new_namespace() -> rustix::io::Result<()> {
    // SAFETY: only the network namespace of this thread changes; no memory or descriptor is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A TUN that is up, whose kernel side is 10.9.0.1, with all of 10.9.0.0/24 behind it.
fn up(offloads: Offloads) -> Tun {
    let tun = Tun::open(&TunConfig { offloads, ..TunConfig::default() }).unwrap();
    ip(&format!("addr add 10.9.0.1/24 dev {}", tun.name()));
    ip(&format!("link set {} up", tun.name()));
    tun
}

/// The next packet that is wanted: the kernel also sends router solicitations and the like.
fn next_packet(tun: &mut Tun, wanted: impl Fn(&[u8]) -> bool) -> RxPacket {
    loop {
        while let Some(packet) = tun.receive(NOW).unwrap() {
            if wanted(&packet.data) {
                return packet;
            }
        }
        let mut fds = [PollFd::new(&*tun, PollFlags::IN)];
        let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_ne!(poll(&mut fds, Some(&timeout)).unwrap(), 0, "the kernel sends within ten seconds");
    }
}

fn next_udp(tun: &mut Tun) -> RxPacket {
    next_packet(tun, |packet| packet[0] >> 4 == 4 && packet[9] == 17)
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Headers of a UDP packet from 10.9.0.2 port 9 to 10.9.0.1, with the partial checksum of `body` bytes.
fn udp_head(port: u16, body: usize) -> Vec<u8> {
    let total = (28 + body) as u16;
    let udp = (8 + body) as u16;
    let mut head =
        vec![0x45, 0, (total >> 8) as u8, total as u8, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1];
    let check = !fold(sum(&head));
    head[10..12].copy_from_slice(&check.to_be_bytes());
    let pseudo = fold(sum(&[10, 9, 0, 2, 10, 9, 0, 1, 0, 17, (udp >> 8) as u8, udp as u8]));
    for word in [9, port, udp, pseudo] {
        head.extend(word.to_be_bytes());
    }
    head
}

const UDP_PARTIAL: Option<PartialChecksum> = Some(PartialChecksum { start: 20, offset: 6 });

fn kernel_socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn datagrams_pass_with_partial_checksums() {
    in_namespace(|| {
        let mut tun = up(Offloads::Udp);
        assert!(tun.offloads() >= Offloads::Tcp, "this kernel has TCP offloads: {:?}", tun.offloads());
        let (socket, port) = kernel_socket();
        for len in [1, 1400] {
            let body = vec![7; len];
            socket.send_to(&body, "10.9.0.2:9").unwrap();
            let packet = next_udp(&mut tun);
            assert_eq!((packet.checksum, packet.segment_size), (RxChecksum::Partial, None));
            assert_eq!(packet.data[28..], body);
        }
        let head = udp_head(port, 5);
        // Payload in more slices than a writev gets, empty ones among them.
        for payload in [vec![&b"hello"[..]], vec![b"h", b"", b"ello"], [vec![&b""[..]; 2000], vec![b"hello"]].concat()]
        {
            let packet = TxPacket { head: &head, payload: &payload, owners: &[], checksum: UDP_PARTIAL, segment: None };
            assert_eq!(tun.transmit(NOW, &packet).unwrap(), Transmitted::Sent);
            let mut buffer = [0; 100];
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from.to_string().as_str()), (&b"hello"[..], "10.9.0.2:9"));
        }
        assert_eq!(tun.counters().tx_packets, 3);
        assert_eq!(tun.counters().tx_bytes, 99);
    });
}

#[test]
fn trains_stay_whole_both_ways() {
    in_namespace(|| {
        let mut tun = up(Offloads::Udp);
        if tun.offloads() < Offloads::Udp {
            println!("skipped: this kernel has no UDP segmentation offload on a TUN (Linux 6.2)");
            return;
        }
        let (socket, port) = kernel_socket();
        set_udp_segment(&socket, 1000);
        let body: Vec<u8> = (0..20_000u32).map(|n| (n / 1000) as u8).collect();
        socket.send_to(&body, "10.9.0.2:9").unwrap();
        let packet = next_udp(&mut tun);
        assert_eq!((packet.checksum, packet.segment_size), (RxChecksum::Partial, Some(1000)));
        assert_eq!((&packet.data[28..], packet.pinned), (&body[..], PACKET_BUFFER));
        assert_eq!(tun.pool().outstanding(), 1);
        drop(packet);
        assert_eq!(tun.pool().outstanding(), 0);

        let head = udp_head(port, body.len());
        let segment = Some((SegmentKind::Udp, 1000));
        let train = TxPacket { head: &head, payload: &[&body], owners: &[], checksum: UDP_PARTIAL, segment };
        assert_eq!(tun.transmit(NOW, &train).unwrap(), Transmitted::Sent);
        for n in 0..20 {
            let mut buffer = [0; 2000];
            assert_eq!(socket.recv(&mut buffer).unwrap(), 1000);
            assert!(buffer[..1000].iter().all(|&byte| byte == n));
        }
    });
}

#[allow(unsafe_code)]
fn set_udp_segment(socket: &UdpSocket, size: libc::c_int) {
    use std::os::fd::AsRawFd;
    let value = std::ptr::from_ref(&size).cast();
    // SAFETY: the option reads one int, which outlives the call.
    let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, 4) };
    assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
}

#[test]
fn without_offloads_packets_come_complete_and_small() {
    in_namespace(|| {
        for offloads in [Offloads::None, Offloads::Header, Offloads::Checksum] {
            let mut tun = up(offloads);
            assert_eq!(tun.offloads(), offloads);
            let capabilities = tun.capabilities();
            assert_eq!(capabilities.checksum, offloads == Offloads::Checksum);
            assert!(!capabilities.tcp_segmentation && !capabilities.udp_segmentation);
            let (socket, port) = kernel_socket();
            socket.send_to(b"hello", "10.9.0.2:9").unwrap();
            let packet = next_udp(&mut tun);
            assert_eq!(&packet.data[28..], b"hello");
            if offloads != Offloads::Checksum {
                assert_eq!(packet.checksum, RxChecksum::Unverified);
                let pseudo = sum(&packet.data[12..20]) + 17 + 13;
                assert_eq!(fold(pseudo + sum(&packet.data[20..])), 0xffff, "the kernel completed the checksum");
            }
            let head = udp_head(port, 5);
            let packet =
                TxPacket { head: &head, payload: &[b"hello"], owners: &[], checksum: UDP_PARTIAL, segment: None };
            match tun.transmit(NOW, &packet) {
                Ok(sent) => assert_eq!((sent, offloads), (Transmitted::Sent, Offloads::Checksum)),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidInput),
            }
        }
    });
}

#[test]
fn an_interface_that_is_down_or_gone() {
    in_namespace(|| {
        let mut tun = up(Offloads::Udp);
        let head = udp_head(9, 0);
        let packet = TxPacket { head: &head, payload: &[], owners: &[], checksum: UDP_PARTIAL, segment: None };
        assert_eq!(tun.transmit(NOW, &packet).unwrap(), Transmitted::Sent);
        ip(&format!("link set {} down", tun.name()));
        assert_eq!(tun.transmit(NOW, &packet).unwrap(), Transmitted::Dropped);
        assert_eq!(tun.counters().tx_down, 1);
        ip(&format!("link set {} up", tun.name()));
        let bad = TxPacket { head: b"\x05 is no IP version", ..packet };
        assert_eq!(tun.transmit(NOW, &TxPacket { checksum: None, ..bad }).unwrap(), Transmitted::Dropped);
        let large = [0; 1500];
        assert_eq!(tun.transmit(NOW, &TxPacket { payload: &[&large], ..packet }).unwrap(), Transmitted::Dropped);
        assert_eq!(tun.counters().tx_refused, 2);
        ip(&format!("link del {}", tun.name()));
        let error = loop {
            if let Err(error) = tun.receive(NOW) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        assert!(error.to_string().contains("was removed"));
        assert!(tun.transmit(NOW, &packet).is_err());
    });
}

#[test]
fn a_descriptor_tells_what_it_is() {
    in_namespace(|| {
        let name = "passed0".to_owned();
        let tun = Tun::open(&TunConfig { name, mtu: Some(9000), ..TunConfig::default() }).unwrap();
        let offloads = tun.offloads();
        assert_eq!((tun.name(), tun.capabilities().mtu), ("passed0", 9000));
        let tun = Tun::from_fd(tun.into_fd(), Offloads::Udp, 1234).unwrap();
        assert_eq!((tun.name(), tun.offloads(), tun.capabilities().mtu), ("passed0", offloads, 1234));

        let busy = Tun::open(&TunConfig { name: "passed0".to_owned(), ..TunConfig::default() }).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        assert!(busy.to_string().contains("already in use"), "{busy}");
        drop(tun);

        let plain = TunConfig { offloads: Offloads::None, ..TunConfig::default() };
        let tun = Tun::from_fd(Tun::open(&plain).unwrap().into_fd(), Offloads::Udp, 1500).unwrap();
        assert_eq!(tun.offloads(), Offloads::None, "no header, no offloads");
    });
}

#[test]
fn what_is_no_tun_is_refused() {
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = Tun::from_fd(socket.into(), Offloads::Udp, 1500).unwrap_err();
    assert!(error.to_string().contains("is no TUN"), "{error}");
    in_namespace(|| {
        let error = Tun::from_fd(ioctl::open().unwrap(), Offloads::Udp, 1500).unwrap_err();
        assert!(error.to_string().contains("is no TUN"), "not attached yet: {error}");
        for name in ["a-name-of-16-byte", "a/b", "a\0b"] {
            let error = Tun::open(&TunConfig { name: name.to_owned(), ..TunConfig::default() }).unwrap_err();
            assert!(error.to_string().contains("no interface name"), "{error}");
        }
        let error = Tun::open(&TunConfig { name: "lo".to_owned(), ..TunConfig::default() }).unwrap_err();
        assert!(error.to_string().contains("is no TUN of this kind"), "{error}");
    });
}
