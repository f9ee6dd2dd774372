//! Two hosts that are alike hear the same packets, of which one takes none for plain: they say the same, count the same,
//! and are alike afterwards.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

extern crate std;

use alloc::vec::Vec;
use core::hash::Hasher;
use core::time::Duration;
use std::hash::DefaultHasher;

use bowline_base::{Instant, Randomness};
use bowline_tcp::{ConnectionKey, Listen};
use bowline_wire::{Capabilities, RxChecksum, RxPacket, Stretches, TxPacket, tcp};
use bytes::Bytes;

use crate::{Config, IfaceId, Interface, Stack};

const IFACE: IfaceId = IfaceId::FIRST;

fn host(address: &str, seed: u8) -> Stack {
    let mut config = Config::default();
    config.tcp.options.nodelay = true;
    let mut stack = Stack::new(config, [seed; 32], Instant::ZERO);
    stack.add_interface(Interface::new(Capabilities::plain(1500), [address.parse().unwrap()])).unwrap();
    stack
}

fn carry(packet: &TxPacket<'_>) -> RxPacket {
    let mut data = alloc::vec![0; packet.len()];
    packet.copy_to(&mut data).unwrap();
    rx(data)
}

fn rx(data: Vec<u8>) -> RxPacket {
    let (pinned, data) = (data.len(), Bytes::from(data));
    RxPacket { data, pinned, checksum: RxChecksum::Unverified, segment_size: None, more: Stretches::new() }
}

fn drain(stack: &mut Stack, now: Instant) -> Vec<RxPacket> {
    let mut sent = Vec::new();
    while stack.poll_transmit(now, &mut |_, packet| sent.push(carry(&packet))) {}
    while stack.poll_event().is_some() {}
    sent
}

fn fingerprint(stack: &Stack) -> u64 {
    let mut hash = DefaultHasher::new();
    stack.tcp().fingerprint(&mut hash);
    hash.finish()
}

struct Trio {
    sender: Stack,
    usual: Stack,
    plain: Stack,
    now: Instant,
    random: Randomness,
    /// Packets that were plain, and that were not.
    kinds: [u32; 2],
}

impl Trio {
    fn one_in(&mut self, n: u32) -> bool {
        self.random.next_u32().is_multiple_of(n)
    }

    /// What a packet may become on its way: a byte changes, and its IP checksum, or all checksums, know of it.
    fn damage(&mut self, packet: &RxPacket) -> RxPacket {
        let mut data = packet.data.to_vec();
        let (at, to) = (self.random.next_u32() as usize % data.len(), self.random.next_u32() as u8);
        // Mostly the headers.
        let at = if self.one_in(2) { at % 52.min(data.len()) } else { at };
        data[at] = to;
        if self.one_in(3) {
            data.truncate(at.max(1));
        } else if self.one_in(2) {
            data.resize(data.len() + at % 7, 0);
        }
        let whole = data.len() >= 40 && data[0] == 0x45;
        if whole && self.one_in(4) {
            data[10..12].fill(0);
            let sum = bowline_wire::checksum::checksum(&data[..20]);
            data[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        if whole && self.one_in(2) {
            let (head, segment) = data.split_at_mut(20);
            let address = |at: usize| core::net::IpAddr::from([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            tcp::fill_checksum(address(12), address(16), segment, &[]);
        }
        rx(data)
    }

    fn tell(&mut self, mut packet: RxPacket) {
        if self.one_in(8) {
            packet.checksum = RxChecksum::Verified;
        }
        self.usual.take_any(self.now, IFACE, &mut packet.clone());
        let is_plain = self.plain.take_plain(self.now, IFACE, &mut packet).is_some();
        if !is_plain {
            self.plain.take_any(self.now, IFACE, &mut packet);
        }
        self.kinds[usize::from(!is_plain)] += 1;
        assert_eq!(self.plain.counters(), self.usual.counters());
        let counted = |stack: &Stack| stack.tcp().counters().iter().collect::<Vec<_>>();
        assert_eq!(counted(&self.plain), counted(&self.usual));
        assert_eq!(fingerprint(&self.plain), fingerprint(&self.usual));
    }

    fn exchange(&mut self) {
        for packet in drain(&mut self.sender, self.now) {
            if self.one_in(4) {
                let damaged = self.damage(&packet);
                self.tell(damaged);
            }
            self.tell(packet);
        }
        let (usual, plain) = (drain(&mut self.usual, self.now), drain(&mut self.plain, self.now));
        let bytes = |packets: &[RxPacket]| packets.iter().map(|packet| packet.data.clone()).collect::<Vec<_>>();
        assert_eq!(bytes(&plain), bytes(&usual));
        for packet in plain {
            self.sender.handle_packet(self.now, IFACE, packet);
        }
        self.now += Duration::from_millis(u64::from(self.random.next_u32() % 60));
        for stack in [&mut self.sender, &mut self.usual, &mut self.plain] {
            stack.handle_timeout(self.now);
        }
    }
}

fn converse(seed: u8) -> [u32; 2] {
    let now = Instant::from_secs(1);
    let (sender, usual, plain) = (host("10.0.2.1/24", 1), host("10.0.2.2/24", 2), host("10.0.2.2/24", 2));
    let mut trio = Trio { sender, usual, plain, now, random: Randomness::new([seed; 32]), kinds: [0; 2] };
    let listeners =
        [&mut trio.usual, &mut trio.plain].map(|stack| stack.tcp_mut().listen(Listen::on_port(80)).unwrap());
    let near = trio.sender.tcp_connect(now, None, "10.0.2.2:80".parse().unwrap(), None).unwrap();
    let mut far: Option<[ConnectionKey; 2]> = None;
    for round in 0..150 {
        trio.exchange();
        let now = trio.now;
        if far.is_none() {
            let accepted =
                [trio.usual.tcp_mut().accept(now, listeners[0]), trio.plain.tcp_mut().accept(now, listeners[1])];
            far = if let [Some(usual), Some(plain)] = accepted { Some([usual, plain]) } else { None };
        }
        let len = 1 + trio.random.next_u32() as usize % 3000;
        let text = alloc::vec![round; len];
        _ = trio.sender.tcp_mut().send(now, near, &text);
        _ = trio.sender.tcp_mut().receive(now, near, &mut [0; 4000]);
        let Some(keys) = far else { continue };
        let answers = trio.one_in(2);
        let read = [(&mut trio.usual, keys[0]), (&mut trio.plain, keys[1])].map(|(stack, key)| {
            let mut room = [0; 4000];
            let read = stack.tcp_mut().receive(now, key, &mut room);
            if answers {
                _ = stack.tcp_mut().send(now, key, &text);
            }
            (read.ok(), room)
        });
        assert!(read[0] == read[1], "round {round}");
        if round == 140 {
            trio.sender.tcp_mut().close(now, near);
        }
    }
    trio.kinds
}

#[test]
fn a_plain_packet_says_what_it_says_to_any() {
    let kinds = (0..20).map(converse).reduce(|all, one| [all[0] + one[0], all[1] + one[1]]).unwrap();
    // What was damaged ends a conversation now and then, and is mostly not plain any more.
    assert!(kinds[0] > 1000 && kinds[1] > 100, "{kinds:?}");
}
