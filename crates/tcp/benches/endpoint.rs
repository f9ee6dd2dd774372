//! What an endpoint costs, both ends of every connection in this thread, without IP, checksums and devices.
//!
//! `cargo bench -p bowline-tcp --bench endpoint [FILTER]` prints the median of several rounds, in nanoseconds of
//! processor time for each operation, and the memory of an idle connection. Virtual time: nothing here waits. The bytes
//! received are not copied from the sender, but the copy that the receive queue makes of a small segment is part of the
//! figure.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark says so by failing, and prints its figures")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::*;
use bowline_wire::tcp::{TcpFlags, TcpHeader};
use bowline_wire::{Ecn, Piece};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 9;
const MTU: u16 = 1500;
/// The buffer a device fills with a packet of this MTU.
const BUFFER: usize = 2048;
static TEXT: [u8; 1 << 16] = [b'x'; 1 << 16];

/// Two endpoints and the time.
struct Pair {
    client: Endpoint,
    server: Endpoint,
    listener: ListenerKey,
    now: Instant,
    acks: Vec<(FourTuple, TcpHeader)>,
}

impl Pair {
    fn new(config: &Config) -> Self {
        let mut server = Endpoint::new(config.clone(), [2; 32]);
        let listener = server.listen(Listen { backlog: 4096, ..Listen::on_port(80) }).unwrap();
        let client = Endpoint::new(config.clone(), [1; 32]);
        Self { client, server, listener, now: Instant::from_secs(1), acks: Vec::new() }
    }

    /// Carries everything both ways until nothing moves.
    fn settle(&mut self) {
        while carry(self.now, &mut self.client, &mut self.server) | carry(self.now, &mut self.server, &mut self.client)
        {
        }
    }

    fn connect(&mut self, local: SocketAddr) -> (ConnectionKey, ConnectionKey) {
        let remote = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2), 80));
        let client = self.client.connect(self.now, local, remote, Path::new(MTU), None).unwrap();
        self.settle();
        let server = self.server.accept(self.now, self.listener).unwrap();
        self.drain_events();
        (client, server)
    }

    /// A whole life, each side acting on what has just arrived: seven segments.
    fn short(&mut self, local: SocketAddr, byte: &mut [u8]) {
        let remote = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2), 80));
        let client = self.client.connect(self.now, local, remote, Path::new(MTU), None).unwrap();
        self.client.send(self.now, client, b"q").unwrap();
        self.there();
        self.back();
        self.there();
        let server = self.server.accept(self.now, self.listener).unwrap();
        assert_eq!(self.server.receive(self.now, server, byte), Ok(1));
        self.server.send(self.now, server, b"a").unwrap();
        self.back();
        assert_eq!(self.client.receive(self.now, client, byte), Ok(1));
        self.client.close(self.now, client);
        self.there();
        assert_eq!(self.server.receive(self.now, server, byte), Ok(0));
        self.server.close(self.now, server);
        self.back();
        self.there();
        self.back();
    }

    fn there(&mut self) {
        carry(self.now, &mut self.client, &mut self.server);
    }

    fn back(&mut self) {
        carry(self.now, &mut self.server, &mut self.client);
    }

    fn drain_events(&mut self) {
        while self.client.poll_event().is_some() {}
        while self.server.poll_event().is_some() {}
    }

    fn tick(&mut self, by: Duration) {
        self.now += by;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    fn read_all(&mut self, key: ConnectionKey) {
        while self.server.receive_bytes(self.now, key, usize::MAX).is_ok() {}
    }

    /// Sends one super-segment, cuts it as software segmentation does, and lets the server answer each piece.
    fn send_cut(&mut self) -> usize {
        let Self { client, server, now, acks, .. } = self;
        let pieces = client.poll_transmit(*now, |d| {
            let (len, size) = (d.payload_len(), usize::from(d.segment_size.unwrap_or(u16::MAX)));
            let mut header = d.header.clone();
            let last = header.flags;
            let tuple = FourTuple::new(d.tuple.remote, d.tuple.local);
            let mut at = 0;
            let mut pieces = 0;
            while at < len {
                let n = size.min(len - at);
                header.flags = if at + n == len { last } else { last.difference(TcpFlags::PSH | TcpFlags::FIN) };
                let text = [Piece { data: Bytes::from_static(&TEXT[..n]), pinned: BUFFER }];
                server.handle_segment(*now, &arrival(tuple, &header, &text, None));
                while server.poll_transmit(*now, |d| acks.push((d.tuple, d.header.clone()))).is_some() {}
                header.seq = header.seq + n as u32;
                at += n;
                pieces += 1;
            }
            pieces
        });
        for (tuple, header) in self.acks.drain(..) {
            let tuple = FourTuple::new(tuple.remote, tuple.local);
            self.client.handle_segment(self.now, &arrival(tuple, &header, &[], None));
        }
        pieces.unwrap_or(0)
    }
}

fn arrival<'a>(tuple: FourTuple, header: &'a TcpHeader, text: &'a [Piece], segment_size: Option<u16>) -> Arrival<'a> {
    Arrival { tuple, header, head: &[], text, segment_size, mark: Ecn::NotEct, path: Path::new(MTU) }
}

/// Carries what one end has to send; whether there was anything.
fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint) -> bool {
    let mut any = false;
    while from
        .poll_transmit(now, |d| {
            let len = d.payload_len();
            let tuple = FourTuple::new(d.tuple.remote, d.tuple.local);
            let pinned = if d.segment_size.is_some() { TEXT.len() } else { BUFFER };
            let text = [Piece { data: Bytes::from_static(&TEXT[..len]), pinned }];
            to.handle_segment(now, &arrival(tuple, &d.header, &text, d.segment_size));
        })
        .is_some()
    {
        any = true;
    }
    any
}

fn local(number: u32) -> SocketAddr {
    let address = Ipv4Addr::from(0x0a01_0000 + number / 50_000);
    SocketAddr::from((address, 1024 + (number % 50_000) as u16))
}

/// What this thread has used, in nanoseconds: what others do on the machine meanwhile counts little.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The median of several rounds; `round` does some work and says how many operations that was.
fn measure(mut round: impl FnMut() -> usize) -> f64 {
    round();
    let mut all: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = processor_time();
            let operations = round();
            (processor_time() - start) / operations as f64
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}

/// A pair with one connection whose congestion window has opened.
fn warm() -> (Pair, ConnectionKey, ConnectionKey) {
    let mut config = Config::default();
    config.options.nodelay = true;
    let mut pair = Pair::new(&config);
    let (client, server) = pair.connect(local(0));
    for _ in 0..200 {
        let mut data = Bytes::from_static(&TEXT);
        pair.client.send_bytes(pair.now, client, &mut data).unwrap();
        pair.settle();
        pair.read_all(server);
        pair.tick(Duration::from_micros(100));
    }
    (pair, client, server)
}

/// One stream of super-segments, cut into segments of 1,448 bytes before they are received one by one.
fn segments_cut() -> f64 {
    let (mut pair, client, server) = warm();
    measure(|| {
        let mut segments = 0;
        while segments < 200_000 {
            pair.client.send_bytes(pair.now, client, &mut Bytes::from_static(&TEXT[..45 * 1448])).unwrap();
            segments += pair.send_cut();
            pair.read_all(server);
            pair.drain_events();
            pair.tick(Duration::from_micros(50));
        }
        segments
    })
}

/// One stream of segments, each sent by a call and a poll of its own.
fn segments_single() -> f64 {
    let (mut pair, client, server) = warm();
    measure(|| {
        for n in 0..100_000 {
            pair.client.send_bytes(pair.now, client, &mut Bytes::from_static(&TEXT[..1448])).unwrap();
            pair.settle();
            if n % 16 == 0 {
                pair.read_all(server);
                pair.drain_events();
                pair.tick(Duration::from_micros(20));
            }
        }
        100_000
    })
}

/// One stream of super-segments, received whole.
fn super_segments() -> f64 {
    let (mut pair, client, server) = warm();
    measure(|| {
        for n in 0..50_000 {
            pair.client.send_bytes(pair.now, client, &mut Bytes::from_static(&TEXT[..45 * 1448])).unwrap();
            pair.settle();
            pair.read_all(server);
            if n % 4 == 0 {
                pair.drain_events();
                pair.tick(Duration::from_micros(20));
            }
        }
        50_000
    })
}

/// Open, one byte each way, close by the client, one connection after another.
fn short_connections() -> f64 {
    let config = Config { time_wait: Duration::from_micros(1), ..Config::default() };
    let mut pair = Pair::new(&config);
    let mut number = 0;
    let mut byte = [0; 1];
    measure(|| {
        for _ in 0..50_000 {
            number = (number + 1) % 50_000;
            pair.short(local(number), &mut byte);
            pair.drain_events();
            pair.tick(Duration::from_micros(2));
        }
        assert_eq!(pair.server.population(), (0, 0, 0));
        50_000
    })
}

/// One-byte segments, each acknowledged, on one of `connections` open connections: always the same, or a random one.
struct Crowd {
    pair: Pair,
    keys: Vec<(ConnectionKey, ConnectionKey)>,
}

impl Crowd {
    fn new(connections: u32) -> Self {
        let mut config = Config::default();
        config.options.delayed_ack = Duration::ZERO;
        let mut pair = Pair::new(&config);
        let keys = (0..connections).map(|n| pair.connect(local(n))).collect();
        pair.tick(Duration::from_secs(2));
        Self { pair, keys }
    }

    fn packets(&mut self, random: bool) -> f64 {
        let mut state = 1_u64;
        let mut byte = [0; 1];
        measure(|| {
            for n in 0..20_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let which = if random { (state >> 33) as usize % self.keys.len() } else { self.keys.len() / 2 };
                let (client, server) = self.keys[which];
                self.pair.client.send(self.pair.now, client, b"x").unwrap();
                self.pair.settle();
                self.pair.server.receive(self.pair.now, server, &mut byte).unwrap();
                if n % 8 == 0 {
                    self.pair.drain_events();
                    self.pair.tick(Duration::from_micros(10));
                }
            }
            40_000
        })
    }
}

/// A name, and what measures it in nanoseconds.
type Row = (&'static str, fn() -> f64);

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    let show = |name: &str, value: f64, unit: &str| println!("{name:<62}{value:>10.1} {unit}");
    if wanted("crowd") {
        show("crowd: a packet, 1 connection", Crowd::new(1).packets(false), "ns");
        let before = resident();
        let mut crowd = Crowd::new(100_000);
        let each = (resident() - before) as f64 / 200_000.0;
        show("crowd: a packet, 100,000 connections, always the same one", crowd.packets(false), "ns");
        show("crowd: a packet, 100,000 connections, a random one", crowd.packets(true), "ns");
        show("crowd: resident memory of an idle connection, all counted", each, "bytes");
    }
    let rows: [Row; 4] = [
        ("segments: super-segments cut, received one by one, both ends", segments_cut),
        ("single: segments sent and received one by one, both ends", segments_single),
        ("super: super-segments of 65,160 bytes, both ends", super_segments),
        ("short: open, one byte each way, close, both ends", short_connections),
    ];
    for (name, run) in rows {
        if wanted(name) {
            show(name, run(), "ns");
        }
    }
}
