//! The exchange from its first SYN until nothing is left of it, and what there was to see on the way.
//!
//! It decides when the hosts are looked at: half-way through the transfer, when both have closed, and when the last timer
//! has run out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bowline_base::Instant;
use bowline_device::ImpairmentConfig;
use bowline_device::impairment::ImpairmentCounters;
use bowline_observe::Diagram;
use bowline_observe::ss::Row;
use bowline_stack::Stack;
use bowline_tcp::Listen;
use serde::Serialize;

use super::http::{Client, Outcome, Pages, Server};
use super::watch::{Side, View};
use super::world::{World, WorldError};

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// What is fetched.
    pub pages: Pages,
    /// The network in between: `ingress` is the way from the client to the server.
    pub network: ImpairmentConfig,
    /// The MTU of both hosts' interfaces, in bytes.
    pub mtu: u16,
    /// Whether they speak IPv6.
    pub ipv6: bool,
}

/// The port of the server.
pub const PORT: u16 = 80;

/// Silence after which the exchange is given up: longer than any timer of TCP waits for a peer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Decisions of the network that are remembered between two looks.
const DECISIONS: usize = 1 << 16;

/// Both hosts' sockets at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Tables {
    /// When, in microseconds since the beginning.
    pub at_us: u64,
    /// The client's connections.
    pub client: Vec<Row>,
    /// The server's listener and connections.
    pub server: Vec<Row>,
}

/// What was seen.
#[derive(Debug)]
pub struct Story {
    /// The plot.
    pub plot: Plot,
    /// The client's address.
    pub client_address: IpAddr,
    /// The server's.
    pub server_address: SocketAddr,
    /// The exchange as the client saw it.
    pub client: View,
    /// The exchange as the server saw it.
    pub server: View,
    /// The diagrams of both views.
    pub diagrams: (Option<Diagram>, Option<Diagram>),
    /// Half-way through the transfer, if it came that far.
    pub half_way: Option<Tables>,
    /// When both had closed.
    pub closed: Tables,
    /// When nothing more could happen.
    pub end: Tables,
    /// What the network did to the packets.
    pub network: ImpairmentCounters,
    /// Bytes of bodies that arrived and were right.
    pub received: u64,
    /// Pages that arrived whole.
    pub complete: u32,
    /// From the first request to the last byte.
    pub span: Option<Duration>,
    /// Why it did not succeed, if so.
    pub failure: Option<String>,
}

impl Plot {
    fn addresses(&self) -> (IpAddr, IpAddr) {
        if self.ipv6 {
            let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
            (address(1), address(2))
        } else {
            (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)))
        }
    }

    /// Lets it happen.
    ///
    /// # Errors
    /// The world itself came to a halt. An exchange that fails is no error: it is a story with a sad end.
    pub fn play(self) -> Result<Story, WorldError> {
        Stage::set(self)?.play()
    }
}

/// The world, and those who look at it.
struct Stage {
    plot: Plot,
    world: World,
    programs: (Client, Server),
    views: (View, View),
    half_way: Option<Tables>,
    /// When bytes last arrived, and how many had.
    progress: (Instant, u64),
}

impl Stage {
    fn set(plot: Plot) -> Result<Self, WorldError> {
        let (here, there) = plot.addresses();
        let mut world = World::new(here, there, plot.mtu, plot.network)?;
        world.server.network().monitor().observe(DECISIONS);
        let views =
            (View::new(Side::Client, &mut world.client.stack), View::new(Side::Server, &mut world.server.stack));
        let host = SocketAddr::new(there, PORT);
        // A fresh host has no other listener.
        let listen = Listen { address: Some(there), ..Listen::on_port(PORT) };
        let listener = world.server.stack.tcp_mut().listen(listen).map_err(|_| WorldError::Interface)?;
        let programs = (Client::new(plot.pages, host), Server::new(plot.pages, listener, host));
        Ok(Self { plot, world, programs, views, half_way: None, progress: (World::START, 0) })
    }

    fn play(mut self) -> Result<Story, WorldError> {
        self.programs.0.connect(World::START, &mut self.world.client.stack);
        self.settle()?;
        while !self.has_closed() && self.has_patience() && self.world.advance()? {
            self.settle()?;
        }
        let closed = self.tables();
        let diagrams = (self.views.0.finish(), self.views.1.finish());
        let failure = self.failure();
        // What is left now are timers. They run out by themselves.
        while failure.is_none() && self.world.advance()? {
            self.settle()?;
        }
        let end = self.tables();
        let Self { plot, world, programs: (client, _), views, half_way, .. } = self;
        let (client_address, server_address) = plot.addresses();
        Ok(Story {
            plot,
            client_address,
            server_address: SocketAddr::new(server_address, PORT),
            client: views.0,
            server: views.1,
            diagrams,
            half_way,
            closed,
            end,
            network: world.server.network().monitor().counters(),
            received: client.received(),
            complete: client.complete(),
            span: client.span().map(|(from, to)| to.since(from)),
            failure,
        })
    }

    fn settle(&mut self) -> Result<(), WorldError> {
        let (client, server) = &mut self.programs;
        self.world.settle((client, server))?;
        let (decisions, _) = self.world.server.network().monitor().drain();
        let now = self.world.now();
        self.views.0.look(now, &mut self.world.client.stack, &decisions);
        self.views.1.look(now, &mut self.world.server.stack, &decisions);
        let received = self.programs.0.received();
        if received > self.progress.1 {
            self.progress = (now, received);
        }
        if self.half_way.is_none() && received > 0 && received >= self.plot.pages.half_way() {
            self.half_way = Some(self.tables());
        }
        Ok(())
    }

    /// Whether neither host has a connection that is still open.
    fn has_closed(&self) -> bool {
        let open = |stack: &Stack| stack.tcp().population().0 + stack.tcp().population().1 > 0;
        self.programs.0.outcome().is_over() && !open(&self.world.client.stack) && !open(&self.world.server.stack)
    }

    fn has_patience(&self) -> bool {
        self.world.now().since(self.progress.0) < PATIENCE
    }

    fn failure(&self) -> Option<String> {
        match (self.programs.0.outcome(), self.programs.1.outcome()) {
            (Outcome::Failed(why), _) => Some(format!("the client failed: {why}")),
            (_, Outcome::Failed(why)) => Some(format!("the server failed: {why}")),
            (Outcome::Running, _) | (_, Outcome::Running) => Some("nothing arrived for an hour".to_owned()),
            (Outcome::Done, Outcome::Done) => None,
        }
    }

    fn tables(&self) -> Tables {
        let now = self.world.now();
        let rows = |stack: &Stack| {
            let listeners = stack.tcp().listeners(now);
            let connections = stack.tcp().connections(now);
            listeners.iter().map(Row::listener).chain(connections.iter().map(Row::connection)).collect()
        };
        Tables {
            at_us: u64::try_from(self.world.age().as_micros()).unwrap_or(u64::MAX),
            client: rows(&self.world.client.stack),
            server: rows(&self.world.server.stack),
        }
    }
}
