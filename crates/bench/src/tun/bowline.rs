//! Bowline's sans-IO host over its own TUN device, in one thread.
//!
//! The loop is the one that the host's documentation gives: packets in, what is due, the application, packets out, wait.
//! Buffers are tried, as they are for smoltcp; everything else is the default.

use std::net::{IpAddr, SocketAddrV4};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::tun::{Offloads, TunConfig};
use bowline_device::{Device, RxPacket, Tun};
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};
use bowline_tcp::{CallError, ConnectionKey, Listen, ListenerKey, Options};
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Control, Endpoint, Role};
use crate::Result;

/// Buffer sizes to try, each way, in bytes; the last is the default with its autotuning.
const BUFFERS: [Option<u32>; 4] = [Some(512 << 10), Some(1 << 20), Some(4 << 20), None];
/// Packets taken before others are sent.
const BATCH: usize = 64;
/// The longest it sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(20);

/// Bowline, with offloads or without.
#[derive(Debug)]
pub(super) struct Bowline {
    offloads: Offloads,
    setting: usize,
}

impl Bowline {
    /// With all the offloads that the kernel grants.
    pub(super) const fn offloaded() -> Self {
        Self { offloads: Offloads::Udp, setting: 0 }
    }

    /// With none: wire packets and checksums, as smoltcp's device has them.
    pub(super) const fn plain() -> Self {
        Self { offloads: Offloads::None, setting: 0 }
    }
}

/// A host with its device, its clock and at most one connection.
struct Host {
    stack: Stack,
    interface: IfaceId,
    tun: Tun,
    arrived: Vec<RxPacket>,
    listener: ListenerKey,
    connection: Option<ConnectionKey>,
    started: Clock,
    /// What a source sends, again and again: all of it, and what is left of this time.
    text: (Bytes, Bytes),
}

impl Host {
    fn open(device: &str, address: SocketAddrV4, offloads: Offloads, buffer: Option<u32>) -> Result<Self> {
        let tun = Tun::open(&TunConfig { name: device.to_owned(), mtu: None, offloads })?;
        let mut config = Config::default();
        if let Some(bytes) = buffer {
            let options = &mut config.tcp.options;
            *options =
                Options { send_buffer: bytes, receive_buffer: bytes, receive_buffer_max: bytes, ..options.clone() };
        }
        let mut stack = Stack::new(config, [7; 32], Instant::ZERO);
        let network: Cidr = format!("{}/24", IpAddr::V4(*address.ip())).parse().map_err(|_| "not a network")?;
        let interface = Interface::new(tun.capabilities(), [network]);
        let interface = stack.add_interface(interface).ok_or("no room for an interface")?;
        let listening = stack.tcp_mut().listen(Listen::on_port(address.port()));
        let listener = listening.map_err(|error| format!("bowline cannot listen: {error:?}"))?;
        let text = Bytes::from(vec![0x55; 256 << 10]);
        let text = (text.clone(), text);
        Ok(Self { stack, interface, tun, arrived: Vec::new(), listener, connection: None, started: Clock::now(), text })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.started.elapsed()
    }

    /// Packets in, and what is due; how many packets came.
    fn input(&mut self, now: Instant) -> Result<usize> {
        while self.arrived.len() < BATCH {
            let Some(packet) = self.tun.receive(now)? else { break };
            self.arrived.push(packet);
        }
        let taken = self.arrived.len();
        self.stack.handle_packets(now, self.interface, &mut self.arrived);
        self.arrived.clear();
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
        }
        while self.stack.poll_event().is_some() {}
        if self.connection.is_none() {
            self.connection = self.stack.tcp_mut().accept(now, self.listener);
        }
        Ok(taken)
    }

    /// Reads and counts all that there is.
    fn read(&mut self, now: Instant, control: &Control) -> Result<()> {
        let Some(connection) = self.connection else { return Ok(()) };
        loop {
            match self.stack.tcp_mut().receive_bytes(now, connection, usize::MAX) {
                Ok(bytes) if bytes.is_empty() => return Ok(()),
                Ok(bytes) => drop(control.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed)),
                Err(CallError::WouldBlock | CallError::Ended(_)) => return Ok(()),
                Err(error) => return Err(format!("bowline cannot receive: {error:?}").into()),
            }
        }
    }

    /// Fills the send queue.
    fn write(&mut self, now: Instant) -> Result<()> {
        let Some(connection) = self.connection else { return Ok(()) };
        let (all, rest) = &mut self.text;
        loop {
            match self.stack.tcp_mut().send_bytes(now, connection, rest) {
                Ok(_) if rest.is_empty() => *rest = all.clone(),
                Ok(_) | Err(CallError::WouldBlock | CallError::Ended(_)) => return Ok(()),
                Err(error) => return Err(format!("bowline cannot send: {error:?}").into()),
            }
        }
    }

    /// Packets out; how many went. One that the device does not take is lost on the way.
    fn output(&mut self, now: Instant) -> Result<usize> {
        let Self { stack, tun, .. } = self;
        let (mut sent, mut broken) = (0, None);
        while sent < BATCH && broken.is_none() {
            let more = stack.poll_transmit(now, &mut |_, packet| broken = tun.transmit(now, &packet).err());
            if !more {
                break;
            }
            sent += 1;
        }
        broken.map_or(Ok(sent), |error| Err(error.into()))
    }

    /// Waits for a packet, or until something is due.
    fn wait(&mut self, now: Instant) -> Result<()> {
        let due = self.stack.poll_timeout().map_or(NAP, |due| due.since(now)).min(NAP);
        let timeout = Timespec::try_from(due)?;
        poll(&mut [PollFd::new(&self.tun, PollFlags::IN)], Some(&timeout))?;
        Ok(())
    }
}

impl Endpoint for Bowline {
    fn name(&self) -> String {
        let plain = if self.offloads == Offloads::None { ", no offloads" } else { "" };
        format!("bowline{plain}")
    }

    fn settings(&self) -> usize {
        BUFFERS.len()
    }

    fn choose(&mut self, setting: usize) {
        self.setting = setting;
    }

    fn run(&mut self, role: Role, device: &str, address: SocketAddrV4, control: &Control) -> Result<()> {
        let buffer = BUFFERS.get(self.setting).copied().flatten();
        let mut host = Host::open(device, address, self.offloads, buffer)?;
        control.ready.store(true, Ordering::Release);
        while !control.is_stopped() {
            let now = host.now();
            let taken = host.input(now)?;
            match role {
                Role::Sink => host.read(now, control)?,
                Role::Source => host.write(now)?,
            }
            let sent = host.output(now)?;
            if taken == 0 && sent == 0 {
                host.wait(now)?;
            }
        }
        Ok(())
    }
}
