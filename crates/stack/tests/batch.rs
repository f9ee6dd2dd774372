//! Packets that come in a batch tell a host what they would have told it one by one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::{Instant, Randomness};
use bowline_stack::Config;
use bowline_tcp::trace::Trace;
use bowline_tcp::{CallError, ConnectionKey, Listen};
use bowline_wire::{Capabilities, RxPacket, Stretch, TcpFlags, TcpHeader};
use bytes::Bytes;
use common::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// A sender and two hosts that hear the same: one takes its packets in batches, the other one by one. The sender hears the
/// latter; what the former says is compared with it.
struct Trio {
    sender: Host,
    batched: Host,
    single: Host,
    now: Instant,
    random: Randomness,
}

impl Trio {
    fn new(seed: u8, weather: u32) -> Self {
        let mut config = Config::default();
        if weather > 0 {
            // The first segments are acknowledged at once. How many that are depends on what came twice; here it is all.
            config.tcp.options.delayed_ack = Duration::ZERO;
        }
        config.tcp.options.nodelay = true;
        // Tuning smooths over segments, and sees fewer of them; without it the windows are to be the same.
        config.tcp.options.receive_buffer_max = config.tcp.options.receive_buffer;
        let host = |addresses: &[&str], seed| Host::with(config.clone(), Capabilities::plain(1500), addresses, seed);
        let addresses = ["10.0.2.2/24", "fd00::2/64"];
        Self {
            sender: host(&["10.0.2.1/24", "fd00::1/64"], 1),
            batched: host(&addresses, 2),
            single: host(&addresses, 2),
            now: Instant::from_secs(1),
            random: Randomness::new([seed; 32]),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.next_u32().is_multiple_of(n)
    }

    /// What becomes of a batch on the way, `weather` bad things in a hundred packets of each kind.
    fn travel(&mut self, mut batch: Vec<RxPacket>, weather: u32) -> Vec<RxPacket> {
        let mut arrived: Vec<RxPacket> = Vec::new();
        for mut packet in batch.drain(..) {
            let dice = self.random.next_u32() % 100;
            if dice < weather {
                continue;
            }
            if dice < 2 * weather {
                arrived.push(packet.clone());
            }
            if dice >= 100 - weather {
                let at = self.random.next_u32() as usize % packet.len();
                damage(&mut packet, at);
            }
            let late = dice >= 2 * weather && dice < 3 * weather;
            let place = if late { arrived.len().saturating_sub(2) } else { arrived.len() };
            arrived.insert(place, packet);
        }
        arrived
    }

    /// The sender's packets to both, and what both say to it.
    fn exchange(&mut self, weather: u32) {
        let mut sent =
            if self.one_in(2) { self.sender.drain(self.now) } else { self.sender.drain_by(self.now, carried) };
        // Flows mix.
        if self.one_in(2) {
            sent.sort_by_key(|packet| packet.len() / 700);
        }
        let arrived = self.travel(sent, weather);
        let iface = self.single.iface;
        self.batched.stack.handle_packets(self.now, iface, arrived.clone());
        for mut packet in arrived {
            packet.gather();
            self.single.stack.handle_packet(self.now, iface, packet);
        }
        let (ours, theirs) = (self.batched.drain(self.now), self.single.drain(self.now));
        if weather == 0 {
            assert_eq!(said(&ours), said(&theirs), "both say the same");
        }
        let (ours, told) = (knowledge(&ours), knowledge(&theirs));
        assert_eq!(ours, told, "both have received the same");
        for name in ["IpInReceives", "IpInDelivers", "Ip6InReceives", "Ip6InDelivers", "TcpInSegs", "TcpInErrs"] {
            assert_eq!(self.batched.counter(name), self.single.counter(name), "{name}");
        }
        for packet in self.travel(theirs, weather / 2) {
            self.sender.stack.handle_packet(self.now, self.sender.iface, packet);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for host in [&mut self.sender, &mut self.batched, &mut self.single] {
            host.stack.handle_timeout(self.now);
        }
    }

    fn read(&mut self, key: ConnectionKey, most: usize) -> Vec<u8> {
        let [ours, theirs] = [&mut self.batched, &mut self.single].map(|host| {
            let mut bytes = vec![0; most];
            match host.stack.tcp_mut().receive(self.now, key, &mut bytes) {
                Ok(len) => bytes.truncate(len),
                Err(CallError::WouldBlock) => bytes.clear(),
                Err(error) => panic!("{error:?}"),
            }
            bytes
        });
        assert!(ours == theirs, "both read the same: {} and {} bytes", ours.len(), theirs.len());
        ours
    }

    /// Opens so many connections, which stay idle.
    fn gather(&mut self, listener: bowline_tcp::ListenerKey, crowd: usize) {
        let mut accepted = 0;
        for opened in 1..=crowd {
            let to = if opened % 2 == 0 { B4 } else { B6 };
            self.sender.stack.tcp_connect(self.now, None, at(to, 80), None).unwrap();
            if opened % 50 == 0 || opened == crowd {
                self.exchange(0);
                self.exchange(0);
                while self.accept(listener).is_some() {
                    accepted += 1;
                }
            }
        }
        assert_eq!(accepted, crowd);
        assert_eq!(self.batched.stack.tcp().is_crowded(), crowd > 0, "otherwise this is no crowd");
    }

    fn accept(&mut self, listener: bowline_tcp::ListenerKey) -> Option<ConnectionKey> {
        let keys = [&mut self.batched, &mut self.single].map(|host| host.stack.tcp_mut().accept(self.now, listener));
        assert_eq!(keys[0], keys[1]);
        keys[0]
    }
}

/// Changes a bit of a packet's byte, wherever that lies.
fn damage(packet: &mut RxPacket, at: usize) {
    let broken = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        Bytes::from(bytes)
    };
    if at < packet.data.len() {
        packet.data = broken(&packet.data, at);
        return;
    }
    let mut at = at - packet.data.len();
    for stretch in &mut packet.more {
        if at < stretch.len() {
            *stretch = Stretch::new(broken(stretch.bytes(), at), stretch.len());
            return;
        }
        at -= stretch.len();
    }
}

fn headers(packets: &[RxPacket]) -> impl Iterator<Item = (IpAddr, TcpHeader)> {
    packets.iter().map(|packet| {
        let ip = bowline_wire::ip::parse(&packet.data).unwrap();
        (ip.dst, TcpHeader::parse(ip.payload(&packet.data)).unwrap().0)
    })
}

/// What the packets say, repetitions left out: of duplicate acknowledgements a sender needs three, and a batch may cause fewer
/// than one for each segment.
fn said(packets: &[RxPacket]) -> BTreeSet<String> {
    headers(packets).map(|header| format!("{header:?}")).collect()
}

/// What a host tells of each flow that it has received: the next number that it expects, and the ranges beyond it.
type Knowledge = BTreeMap<(IpAddr, u16), (u32, BTreeSet<(u32, u32)>)>;

fn knowledge(packets: &[RxPacket]) -> Knowledge {
    let mut known = Knowledge::new();
    for (dst, header) in headers(packets).filter(|(_, header)| !header.flags.intersects(TcpFlags::SYN | TcpFlags::RST))
    {
        let (ack, beyond) = known.entry((dst, header.dst_port)).or_default();
        *ack = header.ack.0;
        // What lies before it is what came twice, which the two may tell in one piece or in several (RFC 2883).
        let blocks = header.options.sack.iter().map(|block| (block.left.0, block.right.0));
        beyond.extend(blocks.filter(|(left, _)| left.wrapping_sub(*ack) < 1 << 31));
    }
    known
}

fn converse(seed: u8, weather: u32, crowd: usize) {
    let mut trio = Trio::new(seed, weather);
    let [listener, other] =
        [&mut trio.batched, &mut trio.single].map(|host| host.stack.tcp_mut().listen(Listen::on_port(80)).unwrap());
    assert_eq!(listener, other);
    trio.gather(listener, crowd);
    let connections = [B4, B4, B6].map(|to| {
        let client = trio.sender.stack.tcp_connect(trio.now, None, at(to, 80), None).unwrap();
        trio.exchange(0);
        trio.exchange(0);
        (client, trio.accept(listener).unwrap())
    });
    let text = Bytes::from(bytes(400_000));
    let (mut written, mut got) = ([0; 3], [const { Vec::new() }; 3]);
    for _ in 0..20_000 {
        trio.exchange(weather);
        for ((client, _), written) in connections.iter().zip(&mut written) {
            let most = trio.random.next_u32() as usize % 30_000;
            let part = &text[*written..(*written + most).min(text.len())];
            let shared = trio.one_in(2);
            let tcp = trio.sender.stack.tcp_mut();
            let sent = if shared {
                tcp.send_bytes(trio.now, *client, &mut text.slice_ref(part))
            } else {
                tcp.send(trio.now, *client, part)
            };
            match sent {
                Ok(len) => *written += len,
                Err(CallError::WouldBlock) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        trio.exchange(weather);
        for ((_, server), got) in connections.iter().zip(&mut got) {
            let most = 1 + trio.random.next_u32() as usize % 60_000;
            got.extend(trio.read(*server, most));
        }
        let time = if trio.one_in(8) { 300 } else { 1 };
        trio.pass(Duration::from_millis(time));
        if got.iter().all(|got| got.len() == text.len()) {
            assert!(got.iter().all(|got| *got == text));
            return;
        }
    }
    panic!("seed {seed}: {:?} of {} bytes arrived", got.iter().map(Vec::len).collect::<Vec<_>>(), text.len());
}

#[test]
fn a_batch_tells_what_its_packets_tell() {
    for seed in 0..8 {
        converse(seed, 0, 0);
    }
}

#[test]
fn a_batch_tells_what_its_packets_tell_in_bad_weather() {
    for seed in 100..124 {
        converse(seed, 4, 0);
    }
}

#[test]
fn a_batch_among_very_many_connections_tells_what_its_packets_tell() {
    for (seed, weather) in [(200, 0), (201, 4), (202, 4), (203, 4)] {
        converse(seed, weather, 600);
    }
}

/// What TCP was told of a transfer of 100,000 bytes: how many segments with text it saw, and how many there were.
fn seen(watched: bool) -> (usize, u64) {
    let mut pair = Pair::new(Capabilities::plain(1500));
    let listener = pair.b.stack.tcp_mut().listen(Listen::on_port(80)).unwrap();
    let client = pair.a.stack.tcp_connect(pair.now, None, at(B4, 80), None).unwrap();
    pair.exchange();
    let server = pair.b.stack.tcp_mut().accept(pair.now, listener).unwrap();
    pair.b.stack.tcp_mut().trace().set_enabled(watched);
    let (text, mut events, mut got) = (bytes(100_000), 0, Vec::new());
    assert_eq!(pair.a.stack.tcp_mut().send(pair.now, client, &text), Ok(text.len()));
    while got.len() < text.len() {
        let sent = pair.a.drain(pair.now);
        pair.b.stack.handle_packets(pair.now, pair.b.iface, sent);
        while let Some(record) = pair.b.stack.tcp_mut().trace().pop() {
            events += usize::from(matches!(record.what, Trace::Received { len: 1.., .. }));
        }
        let mut part = [0; 100_000];
        let len = pair.b.stack.tcp_mut().receive(pair.now, server, &mut part).unwrap_or(0);
        got.extend_from_slice(&part[..len]);
        for packet in pair.b.drain(pair.now) {
            pair.a.stack.handle_packet(pair.now, pair.a.iface, packet);
        }
    }
    assert_eq!(got, text);
    (events, pair.b.counter("TcpInSegs"))
}

#[test]
fn texts_that_lie_side_by_side_are_read_as_one_and_not_copied() {
    for to in [B4, B6] {
        let mut pair = Pair::new(Capabilities::plain(1500));
        let listener = pair.b.stack.tcp_mut().listen(Listen::on_port(80)).unwrap();
        let client = pair.a.stack.tcp_connect(pair.now, None, at(to, 80), None).unwrap();
        pair.exchange();
        let server = pair.b.stack.tcp_mut().accept(pair.now, listener).unwrap();
        let source = Bytes::from(bytes(60_000));
        let mut rest = source.clone();
        let (mut got, mut longest) = (0, 0);
        while got < source.len() {
            let sent = pair.a.stack.tcp_mut().send_bytes(pair.now, client, &mut rest);
            assert!(sent.is_ok() || rest.is_empty() || sent == Err(CallError::WouldBlock), "{sent:?}");
            let sent = pair.a.drain_by(pair.now, carried);
            assert!(sent.iter().all(|packet| packet.len() <= 1500));
            pair.b.stack.handle_packets(pair.now, pair.b.iface, sent);
            while let Ok(read) = pair.b.stack.tcp_mut().receive_bytes(pair.now, server, usize::MAX) {
                assert!(read == source[got..got + read.len()]);
                let is_shared = source.as_ptr_range().contains(&read.as_ptr());
                longest = longest.max(if is_shared { read.len() } else { 0 });
                got += read.len();
            }
            for packet in pair.b.drain(pair.now) {
                pair.a.stack.handle_packet(pair.now, pair.a.iface, packet);
            }
        }
        assert!(longest >= 10 * 1400, "{longest}");
        assert_eq!(pair.b.counter("TcpInErrs"), 0);
    }
}

#[test]
fn who_watches_sees_every_segment() {
    let (watched, segments) = seen(true);
    assert!(watched >= 100_000 / 1448, "{watched} of {segments}");
    assert_eq!(seen(false).1, segments, "and they are counted alike");
}
