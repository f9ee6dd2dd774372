//! smoltcp as a contender, in the fastest way we found for each measurement.
//!
//! Its choices: no congestion control, timestamps or delayed acknowledgment (its defaults for the first two), the buffer
//! size that is fastest for bulk on this machine, sockets used again instead of allocated, and small sets of sockets
//! wherever the measurement is not about the size of the set, because its work grows with it.

mod crowd;

use std::any::Any;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant as Clock};

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration as Span, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use self::crowd::Connections;
use super::cable::Cable;
use super::{APPLICATION_BUFFER, Bulk, Contender, Crowd, Link, visitors};
use crate::Result;

/// Buffer sizes tried for bulk, each way, in bytes.
const BULK_BUFFERS: [usize; 5] = [64 << 10, 128 << 10, 256 << 10, 1 << 20, 4 << 20];
/// How much is sent to find the best of them.
const TRIAL_BYTES: u64 = 128 << 20;
/// Buffers of connections that are opened in great numbers: two full segments each way.
const SMALL_BUFFER: usize = 4096;
/// How long smoltcp keeps TIME-WAIT, and a little more.
const TIME_WAIT: Span = Span::from_secs(11);
/// After this many polls without progress a run has failed.
const PATIENCE: u32 = 1_000_000;

/// smoltcp 0.14.
#[derive(Debug, Default)]
pub struct Smoltcp {
    /// What was fastest on each link.
    best: Vec<(Link, Setting)>,
}

/// What is tried to find the fastest bulk transfer.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// Bytes of each buffer.
    buffer: usize,
    /// Whether acknowledgments are delayed, as they are by default.
    delayed: bool,
}

/// Two interfaces, a cable and a clock.
struct Bench {
    cable: Cable,
    near: Interface,
    far: Interface,
    now: Instant,
}

const NEAR: IpAddress = IpAddress::v4(10, 1, 0, 1);
const FAR: IpAddress = IpAddress::v4(10, 1, 0, 2);

impl Bench {
    fn new(link: Link) -> Result<Self> {
        let mut cable = Cable::new(link);
        let now = Instant::from_micros(1);
        let interface = |device: &mut super::cable::End<'_>, address| {
            let mut interface = Interface::new(Config::new(HardwareAddress::Ip), device, now);
            let mut full = false;
            interface.update_ip_addrs(|addresses| full = addresses.push(IpCidr::new(address, 24)).is_err());
            if full { Err("smoltcp takes no address") } else { Ok(interface) }
        };
        let near = interface(&mut cable.near(), NEAR)?;
        let far = interface(&mut cable.far(), FAR)?;
        Ok(Self { cable, near, far, now })
    }

    fn poll_near(&mut self, sockets: &mut SocketSet<'_>) {
        self.near.poll(self.now, &mut self.cable.near(), sockets);
    }

    fn poll_far(&mut self, sockets: &mut SocketSet<'_>) {
        self.far.poll(self.now, &mut self.cable.far(), sockets);
    }

    fn take_near(&mut self, sockets: &mut SocketSet<'_>) {
        let mut end = self.cable.near();
        while self.near.poll_ingress_single(self.now, &mut end, sockets) != PollIngressSingleResult::None {}
    }

    fn send_near(&mut self, sockets: &mut SocketSet<'_>) {
        let mut end = self.cable.near();
        while self.near.poll_egress(self.now, &mut end, sockets) != PollResult::None {}
    }

    fn take_far(&mut self, sockets: &mut SocketSet<'_>) {
        let mut end = self.cable.far();
        while self.far.poll_ingress_single(self.now, &mut end, sockets) != PollIngressSingleResult::None {}
    }

    fn send_far(&mut self, sockets: &mut SocketSet<'_>) {
        let mut end = self.cable.far();
        while self.far.poll_egress(self.now, &mut end, sockets) != PollResult::None {}
    }

    fn tick(&mut self) {
        self.now += Span::from_micros(1);
    }
}

/// The sockets of both hosts.
struct Ends {
    near: SocketSet<'static>,
    far: SocketSet<'static>,
}

/// A set with one socket in it.
struct Single {
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl Single {
    fn new(buffer: usize) -> Self {
        Self::with(socket(buffer))
    }

    fn with(socket: Socket<'static>) -> Self {
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self { sockets, handle }
    }

    fn get(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn into_socket(mut self) -> Result<Socket<'static>> {
        match self.sockets.remove(self.handle) {
            smoltcp::socket::Socket::Tcp(socket) => Ok(socket),
            other => Err(format!("not a TCP socket: {other:?}").into()),
        }
    }
}

/// A socket with its default delayed acknowledgment, which lets one ride on an answer.
fn socket(buffer: usize) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

/// Opens a connection from `near` to `far`, which listens on `port`.
fn open(bench: &mut Bench, near: &mut Single, far: &mut Single, (from, port): (u16, u16)) -> Result<()> {
    far.get().listen(port).map_err(|error| format!("smoltcp cannot listen: {error:?}"))?;
    near.sockets
        .get_mut::<Socket<'_>>(near.handle)
        .connect(bench.near.context(), (FAR, port), from)
        .map_err(|error| format!("smoltcp cannot connect: {error:?}"))?;
    for _ in 0..PATIENCE {
        bench.poll_near(&mut near.sockets);
        bench.poll_far(&mut far.sockets);
        bench.tick();
        if near.get().may_send() && far.get().may_send() {
            return Ok(());
        }
    }
    Err("smoltcp did not open a connection".into())
}

fn bulk(link: Link, bytes: u64, setting: Setting) -> Result<Bulk> {
    let mut bench = Bench::new(link)?;
    let (mut near, mut far) = (Single::new(setting.buffer), Single::new(setting.buffer));
    if !setting.delayed {
        far.get().set_ack_delay(None);
    }
    open(&mut bench, &mut near, &mut far, (40_000, 80))?;
    let (source, mut sink) = (vec![0x55; APPLICATION_BUFFER], vec![0; APPLICATION_BUFFER]);
    let (mut got, mut idle) = (0, 0);
    let started = Clock::now();
    while got < bytes {
        let socket = near.get();
        while socket.can_send() {
            let sent = if link.copying {
                socket.send_slice(&source).map(|_| ())
            } else {
                socket.send(|room| (room.len(), ()))
            };
            sent.map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        }
        bench.poll_near(&mut near.sockets);
        bench.poll_far(&mut far.sockets);
        bench.tick();
        let (socket, before) = (far.get(), got);
        while socket.can_recv() {
            let read =
                if link.copying { socket.recv_slice(&mut sink) } else { socket.recv(|data| (data.len(), data.len())) };
            got += read.map_err(|error| format!("smoltcp cannot receive: {error:?}"))? as u64;
        }
        idle = if got == before { idle + 1 } else { 0 };
        if idle > PATIENCE {
            return Err("smoltcp stopped in the middle of a transfer".into());
        }
    }
    Ok(Bulk { bytes: got, segments: bench.cable.there.data_packets, elapsed: started.elapsed() })
}

/// Tries every setting and takes the fastest.
fn fastest(link: Link, bytes: u64) -> Result<Setting> {
    let settings = BULK_BUFFERS.map(|buffer| [true, false].map(|delayed| Setting { buffer, delayed }));
    let mut best: Option<(f64, Setting)> = None;
    for setting in settings.into_iter().flatten() {
        let rate = bulk(link, bytes, setting)?.gbit_per_s();
        if best.is_none_or(|(other, _)| rate > other) {
            best = Some((rate, setting));
        }
    }
    Ok(best.ok_or("no setting to try")?.1)
}

/// A connection of a visit: the sockets at both ends, and whether they have asked and answered.
struct Visit {
    near: SocketHandle,
    far: SocketHandle,
    asked: bool,
    answered: bool,
}

/// Visits from these ports, all at once. Each application runs between what its host receives and what it sends then.
fn visit(bench: &mut Bench, sockets: &mut Ends, visits: &mut [Visit], ports: RangeInclusive<u16>) -> Result<()> {
    let Ends { near, far } = sockets;
    for (visit, port) in visits.iter_mut().zip(ports) {
        (visit.asked, visit.answered) = (false, false);
        let server = far.get_mut::<Socket<'_>>(visit.far);
        server.listen(80).map_err(|error| format!("smoltcp cannot listen: {error:?}"))?;
        let client = near.get_mut::<Socket<'_>>(visit.near);
        let opened = client.connect(bench.near.context(), (FAR, 80), port);
        opened.map_err(|error| format!("smoltcp cannot connect: {error:?}"))?;
    }
    for _ in 0..PATIENCE {
        bench.take_near(near);
        for visit in &mut *visits {
            visit.asked = run_client(near.get_mut(visit.near), visit.asked)?;
        }
        bench.send_near(near);
        bench.take_far(far);
        for visit in &mut *visits {
            visit.answered = run_server(far.get_mut(visit.far), visit.answered)?;
        }
        bench.send_far(far);
        let is_closed = |sockets: &SocketSet<'_>, handle| sockets.get::<Socket<'_>>(handle).state() == State::Closed;
        if visits.iter().all(|visit| is_closed(far, visit.far)) {
            bench.now += TIME_WAIT;
            bench.send_near(near);
            let all = visits.iter().all(|visit| is_closed(near, visit.near));
            return if all { Ok(()) } else { Err("smoltcp did not leave TIME-WAIT".into()) };
        }
        bench.tick();
    }
    Err("smoltcp did not open, use and close a connection".into())
}

/// The application that asks with a byte, and closes once it has the answer.
fn run_client(client: &mut Socket<'_>, asked: bool) -> Result<bool> {
    if !asked && client.may_send() {
        client.send_slice(b"x").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        return Ok(true);
    }
    if client.can_recv() {
        client.recv_slice(&mut [0]).map_err(|error| format!("smoltcp cannot receive: {error:?}"))?;
        client.close();
    }
    Ok(asked)
}

/// The application that answers a byte, and closes when the client has.
fn run_server(server: &mut Socket<'_>, answered: bool) -> Result<bool> {
    if !answered && server.can_recv() {
        server.recv_slice(&mut [0]).map_err(|error| format!("smoltcp cannot receive: {error:?}"))?;
        server.send_slice(b"y").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        return Ok(true);
    }
    if server.state() == State::CloseWait {
        server.close();
    }
    Ok(answered)
}

impl Contender for Smoltcp {
    fn name(&self) -> &'static str {
        "smoltcp 0.14"
    }

    fn bulk(&mut self, link: Link, bytes: u64) -> Result<Bulk> {
        let known = self.best.iter().find(|(other, _)| *other == link).map(|(_, setting)| *setting);
        let setting = if let Some(setting) = known {
            setting
        } else {
            let setting = fastest(link, TRIAL_BYTES.min(bytes))?;
            self.best.push((link, setting));
            setting
        };
        bulk(link, bytes, setting)
    }

    fn open_exchange_close(&mut self, count: u64, at_once: u16) -> Result<Duration> {
        let mut bench = Bench::new(Link::ETHERNET)?;
        let mut sockets = Ends { near: SocketSet::new(Vec::new()), far: SocketSet::new(Vec::new()) };
        let visit_of = |_| {
            let (near, far) = (sockets.near.add(socket(SMALL_BUFFER)), sockets.far.add(socket(SMALL_BUFFER)));
            Visit { near, far, asked: false, answered: false }
        };
        let mut visits: Vec<Visit> = (0..at_once.max(1)).map(visit_of).collect();
        let started = Clock::now();
        for ports in visitors(count, at_once) {
            visit(&mut bench, &mut sockets, &mut visits, ports)?;
        }
        Ok(started.elapsed())
    }

    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>> {
        Ok(Box::new(Connections::new(count)?))
    }

    fn crowd(&mut self, count: usize) -> Result<Box<dyn Crowd>> {
        Ok(Box::new(Connections::new(count)?))
    }
}
