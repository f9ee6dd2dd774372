//! TCP super-segments, with the least of a TCP that a kernel socket talks to on a lossless link.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use bowline_wire::checksum::Accumulator;
use bowline_wire::{IpHeader, Protocol, SegmentKind, SeqNumber, TcpFlags, TcpHeader, TcpOptions, ip};

use super::*;
use crate::testing::pattern;

/// Our end of one connection.
struct Peer {
    tun: Tun,
    here: SocketAddr,
    kernel: SocketAddr,
    snd_nxt: u32,
    rcv_nxt: u32,
}

impl Peer {
    fn send(&mut self, flags: TcpFlags, body: &[u8], size: Option<u16>) {
        let options = match flags.contains(TcpFlags::SYN) {
            true => TcpOptions { mss: Some(1400), ..TcpOptions::default() },
            false => TcpOptions::default(),
        };
        let tcp = TcpHeader {
            src_port: self.here.port(),
            dst_port: self.kernel.port(),
            seq: SeqNumber(self.snd_nxt),
            ack: SeqNumber(self.rcv_nxt),
            flags,
            window: u16::MAX,
            urgent: 0,
            options,
        };
        let len = tcp.emit_len() + body.len();
        let header = IpHeader::new(self.here.ip(), self.kernel.ip(), Protocol::TCP, len);
        let mut head = vec![0; header.emit_len() + tcp.emit_len()];
        let start = ip::emit(&header, &mut head);
        tcp.emit(&mut head[start..]);
        let pseudo = Accumulator::pseudo_header(header.src, header.dst, Protocol::TCP, len).partial();
        head[start + 16..start + 18].copy_from_slice(&pseudo.to_be_bytes());
        let kind = if header.src.is_ipv4() { SegmentKind::Tcp4 } else { SegmentKind::Tcp6 };
        let packet = TxPacket {
            head: &head,
            payload: &[body],
            owners: &[],
            checksum: Some(PartialChecksum { start: start as u16, offset: 16 }),
            segment: size.map(|size| (kind, size)),
        };
        assert_eq!(self.tun.transmit(NOW, &packet).unwrap(), Transmitted::Sent);
        self.snd_nxt += body.len() as u32 + u32::from(flags.contains(TcpFlags::SYN));
    }

    /// The next segment for our port after the SYN, which is answered here: header, payload and what the device says of
    /// it.
    ///
    /// The SYN may come more than once: the kernel inserts the route to a new IPv6 address in the background, and drops
    /// what arrives before.
    fn next(&mut self) -> (TcpHeader, bytes::Bytes, RxPacket) {
        loop {
            let packet =
                next_packet(&mut self.tun, |packet| ip::parse(packet).is_ok_and(|h| h.protocol == Protocol::TCP));
            let header = ip::parse(&packet.data).unwrap();
            let segment = packet.data.slice_ref(header.payload(&packet.data));
            let (tcp, start) = TcpHeader::parse(&segment).unwrap();
            if tcp.dst_port != self.here.port() {
                continue;
            }
            if !tcp.flags.contains(TcpFlags::SYN) {
                return (tcp, segment.slice(start..), packet);
            }
            self.kernel = SocketAddr::new(header.src, tcp.src_port);
            (self.snd_nxt, self.rcv_nxt) = (1000, tcp.seq.0.wrapping_add(1));
            self.send(TcpFlags::SYN | TcpFlags::ACK, &[], None);
        }
    }
}

fn exchange(kernel: &str, here: &str) {
    let tun = up(Offloads::Tcp);
    ip(&format!("addr add fd09::1/64 dev {} nodad", tun.name()));
    let kernel = SocketAddr::new(kernel.parse::<IpAddr>().unwrap(), 0);
    let here = SocketAddr::new(here.parse::<IpAddr>().unwrap(), 9);
    let (up_stream, down_stream) = (pattern(200_000), pattern(40_000));
    let expected = down_stream.clone();
    let sent = up_stream.clone();
    let application = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(here).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(&sent).unwrap();
        let mut received = vec![0; expected.len()];
        stream.read_exact(&mut received).unwrap();
        assert!(received == expected);
    });
    let mut peer = Peer { tun, here, kernel, snd_nxt: 1000, rcv_nxt: 0 };
    let mut received = Vec::<u8>::new();
    let mut largest = 0;
    while received.len() < up_stream.len() {
        let (tcp, body, packet) = peer.next();
        if body.is_empty() {
            continue;
        }
        if tcp.seq.0 != peer.rcv_nxt {
            // On a busy machine the kernel may lose patience and send again: it shall hear what we have.
            peer.send(TcpFlags::ACK, &[], None);
            continue;
        }
        assert_eq!(packet.checksum, RxChecksum::Partial);
        assert_eq!(packet.segment_size.is_some(), body.len() > 1400, "{} bytes", body.len());
        assert!(packet.segment_size.is_none_or(|size| size == 1400));
        largest = largest.max(body.len());
        received.extend(&body);
        peer.rcv_nxt = peer.rcv_nxt.wrapping_add(body.len() as u32);
        peer.send(TcpFlags::ACK, &[], None);
    }
    assert!(received == up_stream);
    assert!(largest >= 5 * 1400, "the largest segment had {largest} bytes");
    let before = peer.tun.counters().tx_packets;
    peer.send(TcpFlags::ACK | TcpFlags::PSH, &down_stream, Some(1400));
    assert_eq!(peer.tun.counters().tx_packets, before + 1, "40,000 bytes in one system call");
    application.join().unwrap();
}

#[test]
fn super_segments_stay_whole_both_ways_over_ipv4() {
    in_namespace(|| exchange("10.9.0.1", "10.9.0.2"));
}

#[test]
fn super_segments_stay_whole_both_ways_over_ipv6() {
    in_namespace(|| exchange("fd09::1", "fd09::2"));
}
