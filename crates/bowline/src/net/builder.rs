//! What a network is made of: devices, addresses, routes, numbers and randomness.

use std::fmt;
use std::io;
use std::sync::Arc;

use bowline_device::Device;
use bowline_stack::{Cidr, Config, Interface, Route, Stack};

use super::{Net, Owner};
use crate::clock::{Clock, Timekeeper};
use crate::driver::{Driver, Port};
use crate::error;
use crate::shared::Shared;

/// What a [`Net`] is made of.
///
/// [`address`](Self::address), [`route`](Self::route) and [`any_ip`](Self::any_ip) speak of the device that was added
/// last.
#[derive(Default)]
#[must_use = "a builder makes nothing by itself"]
pub struct NetBuilder {
    links: Vec<Link>,
    config: Config,
    seed: Option<[u8; 32]>,
    coarse: bool,
    timekeeper: Option<Arc<dyn Timekeeper>>,
    misplaced: bool,
}

struct Link {
    device: Box<dyn Device + Send>,
    interface: Interface,
    routes: Vec<Cidr>,
}

impl fmt::Debug for NetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interfaces: Vec<_> = self.links.iter().map(|link| &link.interface).collect();
        f.debug_struct("NetBuilder")
            .field("interfaces", &interfaces)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl NetBuilder {
    /// Adds a device. At least one is needed.
    pub fn device(mut self, device: impl Device + Send + 'static) -> Self {
        let interface = Interface::new(device.capabilities(), []);
        self.links.push(Link { device: Box::new(device), interface, routes: Vec::new() });
        self
    }

    /// Adds an address of ours on the last device, with its network: `"10.0.2.2/24".parse()`.
    pub fn address(self, address: Cidr) -> Self {
        self.addresses([address])
    }

    /// Adds addresses of ours on the last device.
    pub fn addresses(self, addresses: impl IntoIterator<Item = Cidr>) -> Self {
        self.last(|link| link.interface.addresses.extend(addresses))
    }

    /// Adds a network that is reached by the last device: `"0.0.0.0/0".parse()`.
    pub fn route(self, destination: Cidr) -> Self {
        self.routes([destination])
    }

    /// Adds networks that are reached by the last device.
    pub fn routes(self, destinations: impl IntoIterator<Item = Cidr>) -> Self {
        self.last(|link| link.routes.extend(destinations))
    }

    /// Whether every address that packets on the last device come for counts as ours: for gateways; default false.
    pub fn any_ip(self, any_ip: bool) -> Self {
        self.last(|link| link.interface.any_ip = any_ip)
    }

    /// Whether the last device leads back to ourselves; default false.
    pub fn loopback(self, loopback: bool) -> Self {
        self.last(|link| link.interface.loopback = loopback)
    }

    /// Sets every number that can be set; default [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets where all randomness comes from; default the system's. The same seed, packets and times give the same bytes,
    /// which is for tests: whoever knows the seed knows the sequence numbers.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether to keep near deadlines by tokio's timer alone, to its millisecond; default false. For tests that stop
    /// tokio's clock, and runtimes without IO.
    pub fn coarse_timers(mut self, coarse: bool) -> Self {
        self.coarse = coarse;
        self
    }

    /// Sets who keeps the time; default tokio. Deadlines then have that clock's precision, and
    /// [`coarse_timers`](Self::coarse_timers) means nothing.
    pub fn timekeeper(mut self, timekeeper: Arc<dyn Timekeeper>) -> Self {
        self.timekeeper = Some(timekeeper);
        self
    }

    /// Makes the network and spawns its driver on the current runtime, which needs IO and time enabled.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> io::Result<Net> {
        let (net, driver) = self.build()?;
        tokio::spawn(driver);
        Ok(net)
    }

    /// Makes the network, and the driver for the caller to poll.
    ///
    /// # Errors
    /// `EINVAL` without a device, or where something was said of a device before there was one; the system has no
    /// randomness.
    pub fn build(self) -> io::Result<(Net, Driver)> {
        if self.links.is_empty() || self.misplaced {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a network needs a device, and its addresses and routes come after it",
            ));
        }
        let mut seed = [0; 32];
        match self.seed {
            Some(given) => seed = given,
            None => getrandom::fill(&mut seed).map_err(|why| io::Error::other(why.to_string()))?,
        }
        let (ephemeral, options) = (self.config.tcp.ephemeral_ports, self.config.tcp.options.clone());
        let clock = self.timekeeper.map_or_else(Clock::runtime, Clock::Kept);
        let mut stack = Stack::new(self.config, seed, clock.now());
        let mut ports = Vec::with_capacity(self.links.len());
        for link in self.links {
            let interface = stack.add_interface(link.interface).ok_or_else(error::too_many)?;
            for destination in link.routes {
                stack.add_route(Route { destination, interface, source: None });
            }
            ports.push(Port::new(link.device, interface));
        }
        let shared = Arc::new(Shared::new(stack, clock));
        let driver = Driver::new(Arc::clone(&shared), ports, !self.coarse);
        Ok((Net(Arc::new(Owner { shared, ephemeral, options })), driver))
    }

    fn last(mut self, change: impl FnOnce(&mut Link)) -> Self {
        match self.links.last_mut() {
            Some(link) => change(link),
            None => self.misplaced = true,
        }
        self
    }
}
