//! Bowline's sans-IO host at an end of a flow. All is as it comes but for the size of the buffers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bowline_base::Instant;
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};
use bowline_tcp::{CallError, ConnectionKey, Listen, ListenerKey, Options};
use bowline_wire::{Capabilities, RxPacket};
use bytes::Bytes;

use super::{Contender, Side, World};
use crate::{Error, Result};

const PORT: u16 = 80;
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
const RECEIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));

/// Bowline.
#[derive(Clone, Debug)]
pub struct Bowline {
    name: &'static str,
    options: Options,
}

impl Default for Bowline {
    fn default() -> Self {
        Self { name: "bowline", options: Options::default() }
    }
}

impl Bowline {
    /// With options of one's own.
    #[must_use]
    pub const fn with(name: &'static str, options: Options) -> Self {
        Self { name, options }
    }
}

impl Contender for Bowline {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ends(&self, world: &World) -> Result<[Box<dyn Side>; 2]> {
        let options = Options {
            send_buffer: world.buffer,
            receive_buffer: world.buffer,
            receive_buffer_max: world.buffer,
            ..self.options.clone()
        };
        Ok([Box::new(Host::new(SENDER, &options)?), Box::new(Host::new(RECEIVER, &options)?)])
    }
}

/// A host, and what its application has.
struct Host {
    stack: Stack,
    interface: IfaceId,
    listener: Option<ListenerKey>,
    connection: Option<ConnectionKey>,
    source: Bytes,
    received: u64,
}

fn told(what: &str, error: impl std::fmt::Debug) -> Error {
    format!("bowline cannot {what}: {error:?}").into()
}

impl Host {
    fn new(address: IpAddr, options: &Options) -> Result<Self> {
        let mut config = Config::default();
        config.tcp.options = options.clone();
        let mut stack = Stack::new(config, [7; 32], Instant::ZERO);
        let network: Cidr = format!("{address}/24").parse().map_err(|_| "not a network")?;
        let interface = stack.add_interface(Interface::new(Capabilities::plain(1500), [network]));
        let interface = interface.ok_or("no room for an interface")?;
        let (listener, connection) = if address == RECEIVER {
            (Some(stack.tcp_mut().listen(Listen::on_port(PORT)).map_err(|error| told("listen", error))?), None)
        } else {
            let remote = SocketAddr::new(RECEIVER, PORT);
            let opened = stack.tcp_connect(Instant::ZERO, None, remote, None);
            (None, Some(opened.map_err(|error| told("connect", error))?))
        };
        let source = Bytes::from(vec![0; options.send_buffer as usize]);
        Ok(Self { stack, interface, listener, connection, source, received: 0 })
    }

    /// The application writes and reads all that it can.
    fn run_application(&mut self, now: Instant) -> Result<()> {
        let tcp = self.stack.tcp_mut();
        let Some(listener) = self.listener else {
            let Some(connection) = self.connection else { return Ok(()) };
            loop {
                match tcp.send_bytes(now, connection, &mut self.source.clone()) {
                    Ok(_) => {}
                    Err(CallError::WouldBlock) => return Ok(()),
                    Err(error) => return Err(told("send", error)),
                }
            }
        };
        self.connection = self.connection.or_else(|| tcp.accept(now, listener));
        let Some(connection) = self.connection else { return Ok(()) };
        loop {
            match tcp.receive_bytes(now, connection, usize::MAX) {
                Ok(bytes) => self.received += bytes.len() as u64,
                Err(CallError::WouldBlock) => return Ok(()),
                Err(error) => return Err(told("receive", error)),
            }
        }
    }
}

impl Side for Host {
    fn turn(&mut self, now: Instant, arrived: Option<Vec<u8>>, send: &mut dyn FnMut(Vec<u8>)) -> Result<()> {
        if let Some(packet) = arrived {
            let packet = RxPacket { pinned: packet.len(), data: packet.into(), ..RxPacket::default() };
            self.stack.handle_packets(now, self.interface, [packet]);
        }
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
        }
        self.run_application(now)?;
        let mut exit = |_: IfaceId, packet: bowline_wire::TxPacket<'_>| {
            let mut bytes = vec![0; packet.len()];
            let _ = packet.copy_to(&mut bytes);
            send(bytes);
        };
        while self.stack.poll_transmit(now, &mut exit) {}
        while self.stack.poll_event().is_some() {}
        Ok(())
    }

    fn next(&mut self, _: Instant) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    fn received(&self) -> u64 {
        self.received
    }
}
