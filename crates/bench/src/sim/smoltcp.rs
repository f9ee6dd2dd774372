//! smoltcp at an end of a flow, as its own test has it there: a socket with its default options, and its optional controller or
//! none.

use std::collections::VecDeque;

use bowline_base::Instant;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant as Time;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::{Contender, Side, World};
use crate::Result;

const PORT: u16 = 80;
const SENDER: IpAddress = IpAddress::v4(10, 1, 0, 1);
const RECEIVER: IpAddress = IpAddress::v4(10, 1, 0, 2);

/// smoltcp 0.14.
#[derive(Clone, Copy, Debug)]
pub struct Smoltcp {
    /// Whether with CUBIC; it has no controller unless asked to.
    pub cubic: bool,
}

impl Contender for Smoltcp {
    fn name(&self) -> &'static str {
        if self.cubic { "smoltcp 0.14, CUBIC" } else { "smoltcp 0.14, no controller" }
    }

    fn ends(&self, world: &World) -> Result<[Box<dyn Side>; 2]> {
        let control = if self.cubic { CongestionControl::Cubic } else { CongestionControl::None };
        Ok([Box::new(Host::new(SENDER, world, control)?), Box::new(Host::new(RECEIVER, world, control)?)])
    }
}

/// A host, and what its application has.
struct Host {
    interface: Interface,
    card: Card,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    sends: bool,
    received: u64,
}

fn time(now: Instant) -> Time {
    Time::from_micros(i64::try_from(now.since(Instant::ZERO).as_micros()).unwrap_or(i64::MAX))
}

impl Host {
    fn new(address: IpAddress, world: &World, control: CongestionControl) -> Result<Self> {
        let mut card = Card::default();
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut card, Time::ZERO);
        let mut full = false;
        interface.update_ip_addrs(|addresses| full = addresses.push(IpCidr::new(address, 24)).is_err());
        if full {
            return Err("smoltcp takes no address".into());
        }
        let buffer = || SocketBuffer::new(vec![0; world.buffer as usize]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(control);
        if address == RECEIVER {
            socket.listen(PORT).map_err(|error| format!("smoltcp cannot listen: {error:?}"))?;
        } else {
            let opened = socket.connect(interface.context(), (RECEIVER, PORT), 40_000);
            opened.map_err(|error| format!("smoltcp cannot connect: {error:?}"))?;
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Ok(Self { interface, card, sockets, handle, sends: address == SENDER, received: 0 })
    }
}

impl Side for Host {
    fn turn(&mut self, now: Instant, arrived: Option<Vec<u8>>, send: &mut dyn FnMut(Vec<u8>)) -> Result<()> {
        self.card.arrived.extend(arrived);
        // As in its own test: poll, then the application, whose turn shows at the next poll; here that is at once.
        for _ in 0..2 {
            self.interface.poll(time(now), &mut self.card, &mut self.sockets);
            let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
            while socket.can_recv() {
                let read = socket.recv(|data| (data.len(), data.len()));
                self.received += read.map_err(|error| format!("smoltcp cannot receive: {error:?}"))? as u64;
            }
            while self.sends && socket.can_send() {
                let sent = socket.send(|room| (room.len(), ()));
                sent.map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
            }
        }
        self.card.sent.drain(..).for_each(send);
        Ok(())
    }

    fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(time(now), &self.sockets)?;
        Some(Instant::from_nanos(u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1_000)))
    }

    fn received(&self) -> u64 {
        self.received
    }
}

/// What has come and what is to go.
#[derive(Default)]
struct Card {
    arrived: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Device for Card {
    type RxToken<'t>
        = Arrived
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t>
    where
        Self: 't;

    fn receive(&mut self, _: Time) -> Option<(Arrived, Room<'_>)> {
        Some((Arrived(self.arrived.pop_front()?), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _: Time) -> Option<Room<'_>> {
        Some(Room(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}
