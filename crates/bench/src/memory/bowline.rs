//! Bowline's sans-IO host as a contender.
//!
//! Options are the defaults (timestamps, SACK and window scaling on) but for what each measurement names; the link
//! says that it loses nothing, as smoltcp's is told by having no congestion control. Packets are copied once, into pooled
//! buffers, as [`bowline_device::memory`] does it: large parts that the application shares are not copied at all. Buffer sizes for bulk are tried, as they are for smoltcp.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::buffer::PacketMemory;
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};
use bowline_tcp::{CallError, ConnectionKey, Listen, ListenerKey, Options};
use bowline_wire::{Capabilities, RxPacket, TxPacket};
use bytes::Bytes;

use super::{Bulk, Contender, Draw, Link, clock_cost};
use crate::{Error, Result};

/// Buffer sizes tried for bulk, each way, in bytes.
const BULK_BUFFERS: [u32; 5] = [64 << 10, 128 << 10, 256 << 10, 1 << 20, 4 << 20];
/// How much is sent to find the best of them.
const TRIAL_BYTES: u64 = 128 << 20;
/// Packets that a host sends before the other one gets its turn.
const BURST: usize = 64;
/// Virtual time between two connections of one client: TIME-WAIT comes and goes within the ports that it has.
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(2);
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
    packets: VecDeque<RxPacket>,
    memory: PacketMemory,
    data_packets: u64,
}

impl Pipe {
    fn new() -> Self {
        Self { packets: VecDeque::new(), memory: PacketMemory::new(256), data_packets: 0 }
    }

    fn carry(&mut self, packet: &TxPacket<'_>) {
        // Longer than an IP packet can be: lost, and the run fails by what does not arrive.
        let Some(received) = self.memory.carry(packet) else { return };
        self.data_packets += u64::from(received.len() > 100);
        self.packets.push_back(received);
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

    /// Takes everything that has arrived, does what is due, and sends a burst. What it is told is thrown away.
    fn turn(&mut self, now: Instant, arrived: &mut Pipe) {
        while let Some(packet) = arrived.packets.pop_front() {
            self.stack.handle_packet(now, self.interface, packet);
        }
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
        }
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
        self.near.turn(self.now, &mut self.far.out);
    }

    fn turn_far(&mut self) {
        self.far.turn(self.now, &mut self.near.out);
    }

    fn tick(&mut self) {
        self.now += Duration::from_micros(1);
    }

    fn listen(&mut self, port: u16) -> Result<ListenerKey> {
        let listen = Listen { backlog: 4096, ..Listen::on_port(port) };
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

fn fixed_buffers(bytes: u32) -> Options {
    Options { send_buffer: bytes, receive_buffer: bytes, receive_buffer_max: bytes, ..Options::default() }
}

fn bulk(link: Link, bytes: u64, buffer: u32) -> Result<Bulk> {
    let mut bench = Bench::new(link, &fixed_buffers(buffer))?;
    let listener = bench.listen(80)?;
    let (near, far) = bench.open(listener, 40_000, 80)?;
    let source = Bytes::from(vec![0x55; 64 << 10]);
    let mut rest = source.clone();
    let (mut got, mut idle) = (0, 0);
    let started = Clock::now();
    while got < bytes {
        let now = bench.now;
        loop {
            match bench.near.stack.tcp_mut().send_bytes(now, near, &mut rest) {
                Ok(_) if rest.is_empty() => rest = source.clone(),
                Ok(_) | Err(CallError::WouldBlock) => break,
                Err(error) => return Err(told("send", error)),
            }
        }
        bench.turn_near();
        bench.turn_far();
        let before = got;
        loop {
            match bench.far.stack.tcp_mut().receive_bytes(now, far, usize::MAX) {
                Ok(read) => got += read.len() as u64,
                Err(CallError::WouldBlock) => break,
                Err(error) => return Err(told("receive", error)),
            }
        }
        bench.tick();
        idle = if got == before { idle + 1 } else { 0 };
        if idle > PATIENCE {
            return Err("bowline stopped in the middle of a transfer".into());
        }
    }
    Ok(Bulk { bytes: got, segments: bench.near.out.data_packets, elapsed: started.elapsed() })
}

/// Tries every buffer size and takes the fastest.
fn fastest(link: Link, bytes: u64) -> Result<u32> {
    let mut best: Option<(f64, u32)> = None;
    for buffer in BULK_BUFFERS {
        let rate = bulk(link, bytes, buffer)?.gbit_per_s();
        if best.is_none_or(|(other, _)| rate > other) {
            best = Some((rate, buffer));
        }
    }
    Ok(best.ok_or("no buffer size to try")?.1)
}

/// Opens a connection, exchanges a byte each way and closes it, client first.
fn visit(bench: &mut Bench, listener: ListenerKey, from: u16) -> Result<()> {
    let (local, remote) = (SocketAddr::new(NEAR, from), SocketAddr::new(FAR, 80));
    let opened = bench.near.stack.tcp_connect(bench.now, Some(local), remote, None);
    let near = opened.map_err(|error| told("connect", error))?;
    let (mut asked, mut client_done, mut server) = (false, false, None);
    for _ in 0..PATIENCE {
        bench.turn_near();
        let (now, client) = (bench.now, bench.near.stack.tcp_mut());
        if !asked && client.state(near) == Some(bowline_tcp::State::Established) {
            client.send(now, near, b"x").map_err(|error| told("send", error))?;
            asked = true;
            bench.turn_near();
        } else if !client_done && client.receive(now, near, &mut [0]) == Ok(1) {
            client.close(now, near);
            client_done = true;
            bench.turn_near();
        }
        bench.turn_far();
        let host = bench.far.stack.tcp_mut();
        if server.is_none() {
            server = host.accept(now, listener);
        }
        if let Some(far) = server {
            match host.receive(now, far, &mut [0]) {
                Ok(1) => {
                    host.send(now, far, b"y").map_err(|error| told("send", error))?;
                    bench.turn_far();
                }
                Ok(_) => {
                    host.close(now, far);
                    bench.turn_far();
                    bench.turn_near();
                    bench.turn_far();
                    return check_closed(bench, near, far);
                }
                Err(CallError::WouldBlock) => {}
                Err(error) => return Err(told("receive", error)),
            }
        }
        bench.tick();
    }
    Err("bowline did not open, use and close a connection".into())
}

fn check_closed(bench: &mut Bench, near: ConnectionKey, far: ConnectionKey) -> Result<()> {
    bench.now += BETWEEN_CONNECTIONS;
    let (near, far) = (bench.near.stack.tcp().state(near), bench.far.stack.tcp().state(far));
    if (near, far) == (None, None) { Ok(()) } else { Err(format!("not closed but {near:?} and {far:?}").into()) }
}

/// Many open connections between two hosts.
struct Crowd {
    bench: Bench,
    connections: Vec<(ConnectionKey, ConnectionKey)>,
}

impl Crowd {
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

    /// One byte for connection `index`; the time that the far host takes for it.
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
            return Err("bowline did not acknowledge a byte at once".into());
        }
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
            let buffer = fastest(link, TRIAL_BYTES.min(bytes))?;
            self.best.push((link, buffer));
            buffer
        };
        bulk(link, bytes, buffer)
    }

    fn open_exchange_close(&mut self, count: u64) -> Result<Duration> {
        let mut bench = Bench::new(Link::ETHERNET, &Options::default())?;
        let listener = bench.listen(80)?;
        let started = Clock::now();
        for index in 0..count {
            visit(&mut bench, listener, u16::try_from(10_000 + index % 50_000)?)?;
        }
        Ok(started.elapsed())
    }

    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>> {
        let mut crowd = Crowd::new(count, &Options::default())?;
        // What was put off in the handshakes happens now.
        crowd.bench.now += Duration::from_secs(1);
        crowd.bench.turn_near();
        crowd.bench.turn_far();
        Ok(Box::new(crowd))
    }

    fn packet(&mut self, open: usize, rounds: u64) -> Result<Duration> {
        let options = Options { nodelay: true, delayed_ack: Duration::ZERO, ..Options::default() };
        let mut crowd = Crowd::new(open, &options)?;
        let clock = clock_cost();
        let mut draw = Draw::default();
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            total += crowd.round(draw.below(open))?.saturating_sub(clock);
        }
        Ok(Duration::from_secs_f64(total.as_secs_f64() / rounds as f64))
    }
}
