//! The bench: two hosts in virtual time with a link between them, and packets made by hand.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

use bowline_base::Instant;
use bowline_stack::{Cidr, Config, Event, IfaceId, Interface, Stack};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{Capabilities, RxChecksum, RxPacket, Stretch, Stretches, TxPacket};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub const A4: &str = "10.0.2.1";
pub const B4: &str = "10.0.2.2";
pub const A6: &str = "fd00::1";
pub const B6: &str = "fd00::2";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn at(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(text), port)
}

/// A device with every offload.
pub const fn offloads(mtu: u16) -> Capabilities {
    Capabilities { mtu, checksum: true, tcp_segmentation: true, udp_segmentation: true, lossless: true }
}

pub struct Host {
    pub stack: Stack,
    pub iface: IfaceId,
    pub mtu: usize,
    pub events: Vec<Event>,
}

impl Host {
    pub fn new(capabilities: Capabilities, addresses: &[&str], seed: u8) -> Self {
        Self::with(Config::default(), capabilities, addresses, seed)
    }

    pub fn with(config: Config, capabilities: Capabilities, addresses: &[&str], seed: u8) -> Self {
        let mut stack = Stack::new(config, [seed; 32], Instant::ZERO);
        let addresses = addresses.iter().map(|text| text.parse::<Cidr>().unwrap());
        let iface = stack.add_interface(Interface::new(capabilities, addresses)).unwrap();
        Self { stack, iface, mtu: usize::from(capabilities.mtu), events: Vec::new() }
    }

    /// Everything that it wants to send now, as received packets at the other end.
    pub fn drain(&mut self, now: Instant) -> Vec<RxPacket> {
        let mtu = self.mtu;
        self.drain_by(now, |packet| received(packet, mtu))
    }

    /// The packets that it sends, as a device of this kind carries them.
    pub fn drain_by(&mut self, now: Instant, carry: impl Fn(&TxPacket<'_>) -> RxPacket) -> Vec<RxPacket> {
        let mut packets = Vec::new();
        while self.stack.poll_transmit(now, &mut |_, packet| packets.push(carry(&packet))) {}
        while let Some(event) = self.stack.poll_event() {
            self.events.push(event);
        }
        packets
    }

    pub fn handle(&mut self, now: Instant, packet: &[u8]) {
        self.stack.handle_packet(now, self.iface, rx(packet));
    }

    /// Hands it a packet, and returns what it sends in answer.
    pub fn answer(&mut self, now: Instant, packet: &[u8]) -> Vec<Vec<u8>> {
        self.handle(now, packet);
        self.drain(now).into_iter().map(|packet| packet.data.to_vec()).collect()
    }

    pub fn counter(&self, name: &str) -> u64 {
        let ours = self.stack.counters().iter().chain(self.stack.tcp().counters().iter());
        let found: Vec<u64> = ours.filter(|(other, _)| *other == name).map(|(_, value)| value).collect();
        assert!(!found.is_empty(), "no counter is named {name}");
        found.into_iter().sum()
    }
}

pub fn rx(packet: &[u8]) -> RxPacket {
    let data = Bytes::copy_from_slice(packet);
    RxPacket { pinned: data.len(), data, checksum: RxChecksum::Unverified, segment_size: None, more: Stretches::new() }
}

/// What the other end of a link receives.
pub fn received(packet: &TxPacket<'_>, mtu: usize) -> RxPacket {
    let mut data = vec![0; packet.len()];
    packet.copy_to(&mut data).unwrap();
    assert!(packet.segment.is_some() || data.len() <= mtu, "{} bytes on a link of {mtu}", data.len());
    let checksum = if packet.checksum.is_some() { RxChecksum::Partial } else { RxChecksum::Unverified };
    let segment_size = packet.segment.map(|(_, size)| size);
    RxPacket { pinned: data.len(), data: data.into(), checksum, segment_size, more: Stretches::new() }
}

/// What the other end receives when the device copies no more than it must.
pub fn carried(packet: &TxPacket<'_>) -> RxPacket {
    let data = Bytes::copy_from_slice(packet.head);
    let copy = |part: &[u8]| Stretch::new(Bytes::copy_from_slice(part), part.len());
    let more = (0..).zip(packet.payload).map(|(i, part)| packet.shared(i).unwrap_or_else(|| copy(part))).collect();
    RxPacket { pinned: data.len(), data, more, ..received(packet, usize::MAX) }
}

/// Decides whether a packet gets lost: its number, and itself.
pub type Loss = Box<dyn FnMut(usize, &RxPacket) -> bool>;

/// Two hosts on one link without delay.
pub struct Pair {
    pub a: Host,
    pub b: Host,
    pub now: Instant,
    /// Every packet in the order of its sending; true: from `a`.
    pub log: Vec<(bool, RxPacket)>,
    /// What gets lost; nothing by default.
    pub lose: Loss,
}

impl Pair {
    pub fn new(capabilities: Capabilities) -> Self {
        Self::with(Config::default(), capabilities)
    }

    pub fn with(config: Config, capabilities: Capabilities) -> Self {
        Self {
            a: Host::with(config.clone(), capabilities, &["10.0.2.1/24", "fd00::1/64"], 1),
            b: Host::with(config, capabilities, &["10.0.2.2/24", "fd00::2/64"], 2),
            now: Instant::ZERO,
            log: Vec::new(),
            lose: Box::new(|_, _| false),
        }
    }

    /// Carries packets to and fro until both are silent.
    pub fn exchange(&mut self) {
        let mut under_way: VecDeque<(bool, RxPacket)> = VecDeque::new();
        loop {
            under_way.extend(self.a.drain(self.now).into_iter().map(|packet| (true, packet)));
            under_way.extend(self.b.drain(self.now).into_iter().map(|packet| (false, packet)));
            let Some((from_a, packet)) = under_way.pop_front() else { return };
            let lost = (self.lose)(self.log.len(), &packet);
            self.log.push((from_a, packet.clone()));
            if !lost {
                let to = if from_a { &mut self.b } else { &mut self.a };
                to.stack.handle_packet(self.now, to.iface, packet);
            }
        }
    }

    /// Lets time pass up to the next deadline, but no further than `limit` from now; false where there is none.
    pub fn step(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        let next = [self.a.stack.poll_timeout(), self.b.stack.poll_timeout()].into_iter().flatten().min();
        let reached = next.is_some_and(|next| next <= end);
        self.now = next.unwrap_or(end).clamp(self.now, end);
        self.a.stack.handle_timeout(self.now);
        self.b.stack.handle_timeout(self.now);
        self.exchange();
        reached
    }

    /// Runs until `done`, for at most `limit` of virtual time.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + limit;
        for _ in 0..1_000_000 {
            self.exchange();
            if done(self) {
                return;
            }
            // What `done` has called for leaves before time passes.
            let before = self.log.len();
            self.exchange();
            if self.log.len() == before {
                assert!(self.now < end, "not done after {limit:?}");
                self.step(end.since(self.now));
            }
        }
        panic!("time does not pass");
    }
}

/// An IP packet with this payload.
pub fn packet(src: IpAddr, dst: IpAddr, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    with_header(&IpHeader::new(src, dst, protocol, payload.len()), payload)
}

pub fn with_header(header: &IpHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; header.emit_len()];
    ip::emit(header, &mut bytes);
    bytes.extend(payload);
    bytes
}

/// A UDP datagram with its checksum.
pub fn udp(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    packet(src.ip(), dst.ip(), Protocol::UDP, &udp_payload(src, dst, payload))
}

pub fn udp_payload(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let header = bowline_wire::UdpHeader { src_port: src.port(), dst_port: dst.port(), payload_len: payload.len() };
    let mut bytes = vec![0; 8];
    header.emit(&mut bytes);
    bowline_wire::udp::fill_checksum(src.ip(), dst.ip(), &mut bytes, &[payload]);
    bytes.extend(payload);
    bytes
}

/// A TCP segment with its checksum.
pub fn tcp(src: SocketAddr, dst: SocketAddr, header: bowline_wire::TcpHeader, payload: &[u8]) -> Vec<u8> {
    let header = bowline_wire::TcpHeader { src_port: src.port(), dst_port: dst.port(), ..header };
    let mut bytes = vec![0; header.emit_len()];
    header.emit(&mut bytes);
    bowline_wire::tcp::fill_checksum(src.ip(), dst.ip(), &mut bytes, &[payload]);
    bytes.extend(payload);
    packet(src.ip(), dst.ip(), Protocol::TCP, &bytes)
}

/// An ICMP message in its packet.
pub fn icmp(src: IpAddr, dst: IpAddr, message: &bowline_wire::icmp::Icmp<'_>) -> Vec<u8> {
    let mut bytes = vec![0; message.emit_len()];
    message.emit(src, dst, &mut bytes);
    packet(src, dst, bowline_wire::icmp::Icmp::protocol(src), &bytes)
}

/// Parses an ICMP packet: its addresses, and the message by `read`.
pub fn read_icmp<R>(bytes: &[u8], read: impl FnOnce(IpHeader, bowline_wire::icmp::Icmp<'_>) -> R) -> R {
    let header = ip::parse(bytes).unwrap();
    let message = header.payload(bytes);
    let message = bowline_wire::icmp::Icmp::parse(header.src, header.dst, message, RxChecksum::Unverified).unwrap();
    read(header, message)
}

pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}
