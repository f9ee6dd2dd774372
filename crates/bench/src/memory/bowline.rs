//! Bowline's sans-IO host as a contender.
//!
//! Options are the defaults (timestamps, SACK and window scaling on) but for what each measurement names; the link
//! says that it loses nothing, as smoltcp's is told by having no congestion control. Packets are copied once, into pooled
//! buffers, as [`bowline_device::memory`] does it: large parts that the application shares are not copied at all. Buffer sizes for bulk are tried, as they are for smoltcp.

mod bulk;
mod visits;

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::buffer::PacketMemory;
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};
use bowline_tcp::{ConnectionKey, Listen, ListenerKey, Options};
use bowline_wire::{Capabilities, RxPacket, TxPacket};

use self::visits::{Visits, visit};
use super::{Bulk, Contender, Crowd, Link, visitors};
use crate::{Error, Result};

/// Packets that a host sends before the other one gets its turn.
const BURST: usize = 64;
/// What a listener lets wait: the most that there is.
const BACKLOG: usize = 4096;
/// After this many turns without progress a run has failed.
const PATIENCE: u32 = 1_000_000;

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));

/// Bowline.
#[derive(Debug, Default)]
pub struct Bowline {
    /// The buffer size that was fastest on each link.
    best: Vec<(Link, u32)>,
}

/// One direction of the cable.
struct Pipe {
    packets: Vec<RxPacket>,
    memory: PacketMemory,
    data_packets: u64,
}

impl Pipe {
    fn new() -> Self {
        Self { packets: Vec::new(), memory: PacketMemory::new(256), data_packets: 0 }
    }

    fn carry(&mut self, packet: &TxPacket<'_>) {
        // Longer than an IP packet can be: lost, and the run fails by what does not arrive.
        self.memory.carry(packet, |packet| self.packets.push(packet));
        self.data_packets += u64::from(packet.len() > 100);
    }
}

/// A host and what it sends on.
struct Host {
    stack: Stack,
    interface: IfaceId,
    out: Pipe,
}

impl Host {
    fn new(address: IpAddr, link: Link, options: Options) -> Result<Self> {
        let mut config = Config::default();
        config.tcp.options = options;
        let mut stack = Stack::new(config, [7; 32], Instant::ZERO);
        let capabilities = Capabilities {
            mtu: u16::try_from(link.mtu)?,
            checksum: !link.checksums,
            tcp_segmentation: link.super_segments,
            udp_segmentation: link.super_segments,
            lossless: true,
        };
        let network: Cidr = format!("{address}/24").parse().map_err(|_| "not a network")?;
        let interface =
            stack.add_interface(Interface::new(capabilities, [network])).ok_or("no room for an interface")?;
        Ok(Self { stack, interface, out: Pipe::new() })
    }

    /// Takes everything that has arrived, and does what is due.
    fn take(&mut self, now: Instant, arrived: &mut Pipe) {
        self.stack.handle_packets(now, self.interface, &mut arrived.packets);
        arrived.packets.clear();
        self.stack.handle_timeout(now);
    }

    /// Sends a burst. What it is told is thrown away.
    fn send(&mut self, now: Instant) {
        let Self { stack, out, .. } = self;
        for _ in 0..BURST {
            if !stack.poll_transmit(now, &mut |_, packet| out.carry(&packet)) {
                break;
            }
        }
        while stack.poll_event().is_some() {}
    }
}

/// Two hosts and a clock.
struct Bench {
    near: Host,
    far: Host,
    now: Instant,
}

impl Bench {
    fn new(link: Link, options: &Options) -> Result<Self> {
        let near = Host::new(NEAR, link, options.clone())?;
        let far = Host::new(FAR, link, options.clone())?;
        Ok(Self { near, far, now: Instant::from_secs(1) })
    }

    fn turn_near(&mut self) {
        self.near.take(self.now, &mut self.far.out);
        self.near.send(self.now);
    }

    fn turn_far(&mut self) {
        self.far.take(self.now, &mut self.near.out);
        self.far.send(self.now);
    }

    fn tick(&mut self) {
        self.now += Duration::from_micros(1);
    }

    fn listen(&mut self, port: u16) -> Result<ListenerKey> {
        let listen = Listen { backlog: BACKLOG, ..Listen::on_port(port) };
        self.far.stack.tcp_mut().listen(listen).map_err(|error| told("listen", error))
    }

    /// Opens a connection from `from` of the near host to `port` of the far one.
    fn open(&mut self, listener: ListenerKey, from: u16, port: u16) -> Result<(ConnectionKey, ConnectionKey)> {
        let (local, remote) = (SocketAddr::new(NEAR, from), SocketAddr::new(FAR, port));
        let opened = self.near.stack.tcp_connect(self.now, Some(local), remote, None);
        let near = opened.map_err(|error| told("connect", error))?;
        for _ in 0..PATIENCE {
            self.turn_near();
            self.turn_far();
            self.tick();
            if let Some(far) = self.far.stack.tcp_mut().accept(self.now, listener) {
                return Ok((near, far));
            }
        }
        Err("bowline did not open a connection".into())
    }
}

fn told(what: &str, error: impl std::fmt::Debug) -> Error {
    format!("bowline cannot {what}: {error:?}").into()
}

/// A host with so many half-open connections: its SYN-ACKs are lost.
fn half_open(count: usize) -> Result<Stack> {
    let mut bench = Bench::new(Link::ETHERNET, &Options::default())?;
    for index in 0..count {
        // As many as one listener has room for.
        let port = u16::try_from(80 + index / BACKLOG)?;
        if index % BACKLOG == 0 {
            bench.listen(port)?;
        }
        let (local, remote) = (SocketAddr::new(NEAR, u16::try_from(10_000 + index)?), SocketAddr::new(FAR, port));
        bench.near.stack.tcp_connect(bench.now, Some(local), remote, None).map_err(|error| told("connect", error))?;
        bench.turn_near();
        bench.turn_far();
        bench.far.out.packets.clear();
    }
    match bench.far.stack.tcp().population() {
        (0, half_open, 0) if half_open == count => Ok(bench.far.stack),
        other => Err(format!("bowline has {other:?} instead of {count} half-open connections").into()),
    }
}

/// Many open connections between two hosts.
struct Connections {
    bench: Bench,
    connections: Vec<(ConnectionKey, ConnectionKey)>,
}

impl Connections {
    fn new(count: usize, options: &Options) -> Result<Self> {
        let mut bench = Bench::new(Link::ETHERNET, options)?;
        let mut connections = Vec::with_capacity(count);
        let mut listener = bench.listen(80)?;
        for index in 0..count {
            let from = u16::try_from(10_000 + index % 50_000)?;
            let port = u16::try_from(80 + index / 50_000)?;
            if from == 10_000 && index > 0 {
                listener = bench.listen(port)?;
            }
            connections.push(bench.open(listener, from, port)?);
        }
        Ok(Self { bench, connections })
    }
}

impl Crowd for Connections {
    fn round(&mut self, index: usize) -> Result<Duration> {
        let bench = &mut self.bench;
        let (near, far) = *self.connections.get(index).ok_or("no such connection")?;
        bench.near.stack.tcp_mut().send(bench.now, near, b"x").map_err(|error| told("send", error))?;
        bench.turn_near();
        let started = Clock::now();
        bench.turn_far();
        let elapsed = started.elapsed();
        let read = bench.far.stack.tcp_mut().receive(bench.now, far, &mut [0]);
        if read != Ok(1) {
            return Err(format!("bowline did not deliver a byte: {read:?}").into());
        }
        if bench.far.out.packets.len() != 1 {
            let sent = bench.far.out.packets.len();
            return Err(format!("bowline answered a byte with {sent} packets").into());
        }
        // What reading was worth saying (a window update, now and then) is not part of the answer.
        bench.far.send(bench.now);
        bench.turn_near();
        bench.tick();
        Ok(elapsed)
    }

    fn batch(&mut self, indices: &[usize]) -> Result<Duration> {
        let Self { bench, connections } = self;
        let keys: Option<Vec<_>> = indices.iter().map(|index| connections.get(*index).copied()).collect();
        let keys = keys.ok_or("no such connection")?;
        for (near, _) in &keys {
            bench.near.stack.tcp_mut().send(bench.now, *near, b"x").map_err(|error| told("send", error))?;
        }
        bench.turn_near();
        let started = Clock::now();
        bench.turn_far();
        let elapsed = started.elapsed();
        let sent = bench.far.out.packets.len();
        if sent != keys.len() {
            return Err(format!("bowline answered {} bytes with {sent} packets", keys.len()).into());
        }
        for (_, far) in &keys {
            let read = bench.far.stack.tcp_mut().receive(bench.now, *far, &mut [0]);
            if read != Ok(1) {
                return Err(format!("bowline did not deliver a byte: {read:?}").into());
            }
        }
        bench.far.send(bench.now);
        bench.turn_near();
        bench.tick();
        Ok(elapsed)
    }
}

impl Contender for Bowline {
    fn name(&self) -> &'static str {
        "bowline"
    }

    fn bulk(&mut self, link: Link, bytes: u64) -> Result<Bulk> {
        let known = self.best.iter().find(|(other, _)| *other == link).map(|(_, buffer)| *buffer);
        let buffer = if let Some(buffer) = known {
            buffer
        } else {
            let buffer = bulk::fastest(link, bytes)?;
            self.best.push((link, buffer));
            buffer
        };
        bulk::bulk(link, bytes, buffer)
    }

    fn open_exchange_close(&mut self, count: u64, at_once: u16) -> Result<Duration> {
        let mut bench = Bench::new(Link::ETHERNET, &Options::default())?;
        let listener = bench.listen(80)?;
        let mut visits = Visits::default();
        let started = Clock::now();
        for ports in visitors(count, at_once) {
            visit(&mut bench, listener, &mut visits, ports)?;
        }
        Ok(started.elapsed())
    }

    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>> {
        let mut crowd = Connections::new(count, &Options::default())?;
        // What was put off in the handshakes happens now.
        crowd.bench.now += Duration::from_secs(1);
        crowd.bench.turn_near();
        crowd.bench.turn_far();
        Ok(Box::new(crowd))
    }

    fn half_open(&mut self, count: usize) -> Result<Option<Box<dyn Any>>> {
        Ok(Some(Box::new(half_open(count)?)))
    }

    fn crowd(&mut self, count: usize) -> Result<Box<dyn Crowd>> {
        let options = Options { nodelay: true, delayed_ack: Duration::ZERO, ..Options::default() };
        Ok(Box::new(Connections::new(count, &options)?))
    }
}
