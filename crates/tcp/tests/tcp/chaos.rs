//! Any segment, any call, any time, in any order: nothing panics, no invariant breaks, every transition is in the table,
//! nothing grows without bound, and once all is closed nothing is left.

use std::time::Duration;

use bowline_base::Randomness;
use bowline_tcp::{Config, ConnectionKey, EcnMode, IcmpError, Keepalive, Listen, ListenerKey, Options, Path, Refusal};
use bowline_wire::tcp::TcpFlags;
use bytes::Bytes;

use crate::bench::peer::Peer;

const FLAGS: [&str; 12] = [
    "SYN",
    "SYN,ACK",
    "ACK",
    "ACK",
    "ACK",
    "FIN,ACK",
    "RST",
    "RST,ACK",
    "-",
    "URG,ACK",
    "SYN,ECE,CWR",
    "SYN,FIN,RST,ACK",
];
const PORTS: u64 = 6;

struct Chaos {
    peer: Peer,
    random: Randomness,
    listener: ListenerKey,
    deferred: bool,
    keys: Vec<ConnectionKey>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = Randomness::new(bytes);
        let keepalive = Keepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(5), probes: 3 };
        let options = Options {
            timestamps: random.below(2) == 0,
            sack: random.below(2) == 0,
            ecn: [EcnMode::Off, EcnMode::Classic, EcnMode::Accurate][random.below(3) as usize],
            ecn_when_asked: [EcnMode::Classic, EcnMode::Accurate][random.below(2) as usize],
            keepalive: Some(keepalive),
            send_buffer: 20_000,
            receive_buffer: 10_000,
            receive_buffer_max: 40_000,
            ..Options::default()
        };
        let config = Config { max_half_open: 3, max_time_wait: 3, max_connections: 5, options, ..Config::default() };
        let mut peer = Peer::with(config);
        let deferred = random.below(3) == 0;
        let listen = Listen { deferred, backlog: 2, ..Listen::on_port(80) };
        let listener = peer.endpoint.listen(listen).expect("listen");
        Self { peer, random, listener, deferred, keys: Vec::new() }
    }

    fn pick(&mut self) -> Option<ConnectionKey> {
        let n = self.random.below(self.keys.len().max(1) as u64) as usize;
        self.keys.get(n).copied()
    }

    fn step(&mut self) {
        self.peer.ports(80, 4000 + self.random.below(PORTS) as u16);
        match self.random.below(12) {
            0..=5 => self.inject(),
            6..=8 => self.call(),
            9 => self.icmp(),
            _ => {
                let most = [1_000, 100_000, 5_000_000, 100_000_000][self.random.below(4) as usize];
                self.peer.pass(Duration::from_micros(self.random.below(most)));
            }
        }
        while self.peer.has_sent() {
            self.peer.next_sent();
        }
        let (connections, half_open, time_wait) = self.peer.endpoint.population();
        // SYNs that wait for the caller count as half-open, and have a bound of their own.
        let most = if self.deferred { PORTS as usize } else { 3 };
        assert!(connections <= 5 && half_open <= most && time_wait <= 3, "{connections} {half_open} {time_wait}");
    }

    /// A segment near to where a connection is, if there is one; otherwise anywhere.
    fn inject(&mut self) {
        let flags = FLAGS[self.random.below(FLAGS.len() as u64) as usize];
        let mut near = |around: u64| match self.random.below(8) {
            0 => self.random.next_u32(),
            1 => (around as u32).wrapping_sub(1),
            2 => (around as u32).wrapping_add(self.random.below(3_000) as u32),
            3 => (around as u32).wrapping_sub(self.random.below(3_000) as u32),
            _ => around as u32,
        };
        let info = self.peer.info();
        let (received, sent) = info.map_or((0, 0), |info| (info.bytes_received, info.bytes_sent));
        let (seq, ack) = (near(received + 1), near(sent + 1));
        let (seq, len) = if flags.contains("SYN") { (0, 0) } else { (seq, self.random.below(1_500)) };
        let (ts, echo) = (self.random.below(1_000), self.random.next_u32());
        let extra = match self.random.below(6) {
            0 => format!(" ts={ts}"),
            1 => format!(" ts={ts}/{echo} sack={}-{}", ack, ack.wrapping_add(1000)),
            2 => format!(" sack={}-{};{}-{}", ack, ack.wrapping_add(10), echo, echo.wrapping_sub(5)),
            3 => " mss=1000 ws=3 sackok ts=5".into(),
            4 => format!(" mss={} ws={} urg={}", ts, ts % 256, ts),
            _ => String::new(),
        };
        let win = self.random.below(65_536);
        self.peer.inject(&format!("{flags} seq={seq} ack={ack} len={len} win={win}{extra}"));
    }

    fn call(&mut self) {
        let Self { peer, random, listener, keys, .. } = self;
        let len = random.below(8_000) as usize;
        let pending = peer.endpoint.pending(*listener);
        if let Some(pending) = pending {
            let admit = random.below(2) == 0;
            let key = peer.call(|e, now| {
                if admit {
                    return e.admit(now, pending.key, None);
                }
                e.refuse(now, pending.key, Refusal::Reset);
                None
            });
            keys.extend(key);
        }
        if random.below(2) == 0 {
            keys.extend(peer.call(|e, now| e.accept(now, *listener)));
        }
        if random.below(6) == 0 {
            let (local, remote) = (peer.local(), peer.remote());
            keys.extend(peer.call(|e, now| e.connect(now, local, remote, Path::new(1500), None)).ok());
        }
        let Some(key) = self.pick() else { return };
        let Self { peer, random, keys, .. } = self;
        match random.below(10) {
            0..=2 => drop(peer.call(|e, now| e.send(now, key, &vec![1; len]))),
            3 => drop(peer.call(|e, now| e.send_bytes(now, key, &mut Bytes::from(vec![2; len])))),
            4 | 5 => drop(peer.call(|e, now| e.receive(now, key, &mut vec![0; len]))),
            6 => drop(peer.call(|e, now| e.receive_bytes(now, key, len))),
            7 => drop(peer.call(|e, now| e.shutdown(now, key))),
            8 => {
                let abort = len.is_multiple_of(2);
                peer.call(|e, now| if abort { e.abort(now, key) } else { e.close(now, key) });
                keys.retain(|&other| other != key);
            }
            _ => drop(peer.call(|e, now| {
                e.set_options(now, key, |o| {
                    o.cork = len.is_multiple_of(3);
                    o.nodelay = len.is_multiple_of(2);
                    o.receive_buffer = 1_000 + len as u32;
                    o.max_segment = len.is_multiple_of(5).then_some(len as u16);
                })
            })),
        }
    }

    fn icmp(&mut self) {
        let error = match self.random.below(4) {
            0 => IcmpError::HostUnreachable,
            1 => IcmpError::PacketTooBig(self.random.below(2_000) as u32),
            2 => IcmpError::PortUnreachable,
            _ => IcmpError::TimeExceeded,
        };
        let seq = self.peer.our_isn().wrapping_add(self.random.below(2_000) as u32);
        let tuple = self.peer.tuple();
        self.peer.call(|e, now| e.handle_icmp(now, tuple, seq, error));
    }

    /// Everybody goes home.
    fn finish(mut self) {
        for key in std::mem::take(&mut self.keys) {
            self.peer.call(|e, now| e.close(now, key));
        }
        let listener = self.listener;
        self.peer.call(|e, now| e.close_listener(now, listener));
        for _ in 0..30 {
            self.peer.pass(Duration::from_secs(100));
        }
        assert_eq!(self.peer.endpoint.population(), (0, 0, 0), "{}", self.peer.diagram());
        assert_eq!(self.peer.endpoint.poll_timeout(), None);
        assert!(self.peer.endpoint.keys().is_empty());
    }
}

struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("chaos seed {}", self.0);
        }
    }
}

#[test]
fn nothing_breaks_whatever_happens() {
    let (from, to) = std::env::var("BOWLINE_CHAOS")
        .ok()
        .and_then(|range| range.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))))
        .unwrap_or((0, 400));
    for seed in from..to {
        let _seed = Seed(seed);
        let mut chaos = Chaos::new(seed);
        for _ in 0..150 {
            chaos.step();
        }
        chaos.finish();
    }
}

#[test]
fn no_combination_of_flags_is_special() {
    for bits in 0..512_u16 {
        for listening in [false, true] {
            let mut p = Peer::plain();
            if listening {
                p.listen(1);
            }
            let mut header = bowline_wire::tcp::TcpHeader { src_port: 4000, dst_port: 80, ..Default::default() };
            header.flags = TcpFlags::from_bits_truncate(bits);
            p.send_raw(&header, vec![1; 3]);
            let answers = std::iter::from_fn(|| p.has_sent().then(|| p.next_sent())).count();
            let reset = header.flags.contains(TcpFlags::RST);
            assert!(answers <= 1 && !(reset && answers > 0), "{}", header.flags);
        }
    }
}
