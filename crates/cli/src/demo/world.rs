//! Two hosts joined by a cable in memory with a network of one's choice in it, and the time they live in.
//!
//! It decides in which order things happen: packets move until none is left to move, then the programs get their turn,
//! and only when neither has anything more to do does time jump to the next deadline. It knows nothing of what the
//! programs do. All time is virtual.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bowline_base::Instant;
use bowline_base::random::Randomness;
use bowline_device::memory::{self, MemoryConfig, MemoryDevice};
use bowline_device::{Capabilities, Device, Impaired, ImpairmentConfig, Transmitted};
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};

/// Room on the cable itself: more than any window can fill, so that only the network in between loses packets.
const CABLE: (usize, usize) = (1 << 20, 1 << 30);

/// Packets that a host may send before the other one looks.
const BURST: usize = 64;

/// How often the hosts may act at one instant. More is a defect: nothing in a network takes no time for ever.
const ACTIONS_AT_ONCE: usize = 1_000_000;

/// Why a world came to a halt.
#[derive(Debug)]
pub enum WorldError {
    /// An interface could not be made.
    Interface,
    /// A device failed.
    Device(io::Error),
    /// The hosts were still busy after a million actions at one instant.
    Livelock(Instant),
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface => f.write_str("the host takes no interface"),
            Self::Device(error) => write!(f, "the device failed: {error}"),
            Self::Livelock(at) => write!(f, "the hosts never came to rest at {at} s"),
        }
    }
}

impl std::error::Error for WorldError {}

impl From<io::Error> for WorldError {
    fn from(error: io::Error) -> Self {
        Self::Device(error)
    }
}

/// What runs on a host.
pub trait Program {
    /// Does what can be done now. Returns whether it did anything, so that it is asked again.
    fn poll(&mut self, now: Instant, stack: &mut Stack) -> bool;
}

/// A host: its stack, and its end of the cable.
#[derive(Debug)]
pub struct Host {
    /// Its stack.
    pub stack: Stack,
    device: Impaired<MemoryDevice>,
    interface: IfaceId,
}

impl Host {
    fn new(address: IpAddr, mtu: u16, device: Impaired<MemoryDevice>, seed: [u8; 32]) -> Result<Self, WorldError> {
        let mut stack = Stack::new(Config::default(), seed, World::START);
        let prefix = if address.is_ipv4() { 24 } else { 64 };
        let network = Cidr::new(address, prefix);
        // A plain card: what the diagram shows is what is on the wire.
        let interface = Interface::new(Capabilities::plain(mtu), [network]);
        let interface = stack.add_interface(interface).ok_or(WorldError::Interface)?;
        Ok(Self { stack, device, interface })
    }

    /// What the network in front of this host did.
    #[must_use]
    pub fn network(&self) -> &Impaired<MemoryDevice> {
        &self.device
    }

    /// Takes and gives packets, a burst of them at most; returns whether there were any.
    fn exchange(&mut self, now: Instant) -> Result<bool, WorldError> {
        let mut moved = false;
        while let Some(packet) = self.device.receive(now)? {
            self.stack.handle_packet(now, self.interface, packet);
            moved = true;
        }
        let (stack, device) = (&mut self.stack, &mut self.device);
        let mut failure = None;
        for _ in 0..BURST {
            let sent = stack.poll_transmit(now, &mut |_, packet| match device.transmit(now, &packet) {
                Ok(Transmitted::Sent | Transmitted::Full | Transmitted::Dropped) => {}
                Err(error) => failure = Some(error),
            });
            moved |= sent;
            if !sent || failure.is_some() {
                break;
            }
        }
        failure.map_or(Ok(moved), |error| Err(error.into()))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), WorldError> {
        self.device.handle_timeout(now)?;
        self.stack.handle_timeout(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        [self.stack.poll_timeout(), self.device.poll_timeout()].into_iter().flatten().min()
    }
}

/// Two hosts and their time.
#[derive(Debug)]
pub struct World {
    now: Instant,
    actions: usize,
    /// The host that opens connections, with a perfect network of its own.
    pub client: Host,
    /// The host that is connected to. All that is wrong with the network happens in front of it: `ingress` is the way
    /// from the client.
    pub server: Host,
}

impl World {
    /// When every world begins.
    pub const START: Instant = Instant::from_secs(1);

    /// Two hosts with these addresses, of one family, and `network` between them, whose seed is that of everything.
    ///
    /// # Errors
    /// The hosts do not take their interfaces.
    pub fn new(client: IpAddr, server: IpAddr, mtu: u16, network: ImpairmentConfig) -> Result<Self, WorldError> {
        let plain = MemoryConfig::plain(mtu);
        let config = MemoryConfig { queue_packets: CABLE.0, queue_bytes: CABLE.1, ..plain };
        let (near, far) = memory::pair(config);
        let mut key = [0; 32];
        key[..8].copy_from_slice(&network.seed.to_be_bytes());
        let mut random = Randomness::new(key);
        let mut seed = || {
            let mut seed = [0; 32];
            for half in seed.chunks_exact_mut(16) {
                half.copy_from_slice(&random.secret_key());
            }
            seed
        };
        let perfect = ImpairmentConfig { seed: network.seed, ..ImpairmentConfig::default() };
        Ok(Self {
            now: Self::START,
            actions: 0,
            client: Host::new(client, mtu, Impaired::new(near, perfect), seed())?,
            server: Host::new(server, mtu, Impaired::new(far, network), seed())?,
        })
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time since the world began.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.now.since(Self::START)
    }

    /// Lets everything happen that can happen now; `programs` are the client's and the server's.
    ///
    /// # Errors
    /// A device failed, or the hosts never come to rest.
    pub fn settle(&mut self, programs: (&mut dyn Program, &mut dyn Program)) -> Result<(), WorldError> {
        loop {
            self.actions += 1;
            if self.actions > ACTIONS_AT_ONCE {
                return Err(WorldError::Livelock(self.now));
            }
            let moved = self.client.exchange(self.now)? | self.server.exchange(self.now)?;
            let worked =
                programs.0.poll(self.now, &mut self.client.stack) | programs.1.poll(self.now, &mut self.server.stack);
            if !moved && !worked {
                return Ok(());
            }
        }
    }

    /// Jumps to the next deadline and does what is due then. `false`: nothing will ever happen again by itself.
    ///
    /// # Errors
    /// A device failed.
    pub fn advance(&mut self) -> Result<bool, WorldError> {
        let Some(next) = self.client.poll_timeout().into_iter().chain(self.server.poll_timeout()).min() else {
            return Ok(false);
        };
        if next > self.now {
            (self.now, self.actions) = (next, 0);
        }
        self.client.handle_timeout(self.now)?;
        self.server.handle_timeout(self.now)?;
        Ok(true)
    }
}
