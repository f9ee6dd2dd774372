//! smoltcp as a contender, in the fastest way we found for each measurement.
//!
//! Its choices: no congestion control, timestamps or delayed acknowledgment (its defaults for the first two), the buffer
//! size that is fastest for bulk on this machine, sockets used again instead of allocated, and small sets of sockets
//! wherever the measurement is not about the size of the set, because its work grows with it.

use std::any::Any;
use std::time::{Duration, Instant as Clock};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration as Span, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::cable::Cable;
use super::{Bulk, Contender, Draw, Link, clock_cost};
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
    /// The buffer size that was fastest on each link.
    best: Vec<(Link, usize)>,
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

    fn tick(&mut self) {
        self.now += Span::from_micros(1);
    }
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

fn socket(buffer: usize) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_ack_delay(None);
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

fn bulk(link: Link, bytes: u64, buffer: usize) -> Result<Bulk> {
    let mut bench = Bench::new(link)?;
    let (mut near, mut far) = (Single::new(buffer), Single::new(buffer));
    open(&mut bench, &mut near, &mut far, (40_000, 80))?;
    let (mut got, mut idle) = (0, 0);
    let started = Clock::now();
    while got < bytes {
        let socket = near.get();
        while socket.can_send() {
            socket.send(|room| (room.len(), ())).map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        }
        bench.poll_near(&mut near.sockets);
        bench.poll_far(&mut far.sockets);
        bench.tick();
        let (socket, before) = (far.get(), got);
        while socket.can_recv() {
            let read = socket.recv(|data| (data.len(), data.len()));
            got += read.map_err(|error| format!("smoltcp cannot receive: {error:?}"))? as u64;
        }
        idle = if got == before { idle + 1 } else { 0 };
        if idle > PATIENCE {
            return Err("smoltcp stopped in the middle of a transfer".into());
        }
    }
    Ok(Bulk { bytes: got, segments: bench.cable.there.data_packets, elapsed: started.elapsed() })
}

/// Sends one byte from `from` to `to` and reads it there.
macro_rules! one_byte {
    ($bench:ident, $from:ident, $poll_from:ident, $to:ident, $poll_to:ident) => {{
        $from.get().send_slice(b"x").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        let mut left = PATIENCE;
        while !$to.get().can_recv() {
            $bench.$poll_from(&mut $from.sockets);
            $bench.$poll_to(&mut $to.sockets);
            $bench.tick();
            left = left.checked_sub(1).ok_or("smoltcp lost a byte")?;
        }
        let mut byte = [0];
        $to.get().recv_slice(&mut byte).map_err(|error| format!("smoltcp cannot receive: {error:?}"))?;
    }};
}

/// Opens a connection, exchanges a byte each way and closes it, client first, until both sockets are free.
fn visit(bench: &mut Bench, near: &mut Single, far: &mut Single, from: u16) -> Result<()> {
    open(bench, near, far, (from, 80))?;
    one_byte!(bench, near, poll_near, far, poll_far);
    one_byte!(bench, far, poll_far, near, poll_near);
    near.get().close();
    let mut closed = false;
    for _ in 0..PATIENCE {
        bench.poll_near(&mut near.sockets);
        bench.poll_far(&mut far.sockets);
        bench.tick();
        if !closed && far.get().state() == State::CloseWait {
            far.get().close();
            closed = true;
        }
        if far.get().state() == State::Closed && near.get().state() == State::TimeWait {
            bench.now += TIME_WAIT;
            bench.poll_near(&mut near.sockets);
        }
        if near.get().state() == State::Closed && far.get().state() == State::Closed {
            return Ok(());
        }
    }
    Err("smoltcp did not close a connection".into())
}

/// Many open connections: all the far ends in one set, the near ends by themselves.
struct Crowd {
    bench: Bench,
    near: Vec<Option<Socket<'static>>>,
    far: SocketSet<'static>,
    handles: Vec<SocketHandle>,
}

impl Crowd {
    /// Each connection is opened in sets of one and then moved, since opening it among all the others would take hours.
    fn new(count: usize) -> Result<Self> {
        let mut crowd = Self {
            bench: Bench::new(Link::ETHERNET)?,
            near: Vec::with_capacity(count),
            far: SocketSet::new(Vec::with_capacity(count)),
            handles: Vec::with_capacity(count),
        };
        for index in 0..count {
            let (mut near, mut far) = (Single::new(SMALL_BUFFER), Single::new(SMALL_BUFFER));
            let from = u16::try_from(10_000 + index % 50_000)?;
            let port = u16::try_from(80 + index / 50_000)?;
            open(&mut crowd.bench, &mut near, &mut far, (from, port))?;
            crowd.near.push(Some(near.into_socket()?));
            crowd.handles.push(crowd.far.add(far.into_socket()?));
        }
        Ok(crowd)
    }

    /// One byte for connection `index`; the time that the far host takes for it.
    fn round(&mut self, index: usize) -> Result<Duration> {
        let missing = || "smoltcp lost a connection";
        let slot = self.near.get_mut(index).ok_or_else(missing)?;
        let mut near = Single::with(slot.take().ok_or_else(missing)?);
        let handle = *self.handles.get(index).ok_or_else(missing)?;
        near.get().send_slice(b"x").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        self.bench.poll_near(&mut near.sockets);
        let started = Clock::now();
        self.bench.poll_far(&mut self.far);
        let elapsed = started.elapsed();
        let mut byte = [0];
        let read = self.far.get_mut::<Socket<'_>>(handle).recv_slice(&mut byte);
        if read != Ok(1) {
            return Err(format!("smoltcp did not deliver a byte: {read:?}").into());
        }
        self.bench.poll_near(&mut near.sockets);
        self.bench.tick();
        if near.get().send_queue() != 0 {
            return Err("smoltcp did not acknowledge a byte".into());
        }
        self.near.get_mut(index).ok_or_else(missing)?.replace(near.into_socket()?);
        Ok(elapsed)
    }
}

impl Contender for Smoltcp {
    fn name(&self) -> &'static str {
        "smoltcp 0.14"
    }

    fn bulk(&mut self, link: Link, bytes: u64) -> Result<Bulk> {
        let known = self.best.iter().find(|(other, _)| *other == link).map(|(_, buffer)| *buffer);
        let buffer = if let Some(buffer) = known {
            buffer
        } else {
            let mut best: Option<(f64, usize)> = None;
            for buffer in BULK_BUFFERS {
                let rate = bulk(link, TRIAL_BYTES.min(bytes), buffer)?.gbit_per_s();
                if best.is_none_or(|(other, _)| rate > other) {
                    best = Some((rate, buffer));
                }
            }
            let (_, buffer) = best.ok_or("no buffer size to try")?;
            self.best.push((link, buffer));
            buffer
        };
        bulk(link, bytes, buffer)
    }

    fn open_exchange_close(&mut self, count: u64) -> Result<Duration> {
        let mut bench = Bench::new(Link::ETHERNET)?;
        let (mut near, mut far) = (Single::new(SMALL_BUFFER), Single::new(SMALL_BUFFER));
        let started = Clock::now();
        for index in 0..count {
            let from = u16::try_from(10_000 + index % 50_000)?;
            visit(&mut bench, &mut near, &mut far, from)?;
        }
        Ok(started.elapsed())
    }

    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>> {
        Ok(Box::new(Crowd::new(count)?))
    }

    fn packet(&mut self, open: usize, rounds: u64) -> Result<Duration> {
        let mut crowd = Crowd::new(open)?;
        let clock = clock_cost();
        let mut draw = Draw::default();
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            total += crowd.round(draw.below(open))?.saturating_sub(clock);
        }
        Ok(Duration::from_secs_f64(total.as_secs_f64() / rounds as f64))
    }
}
