//! A simulated host: a network like any other, with a name and addresses in the world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;

use bowline::Net;

use crate::node::{Node, NodeId};
use crate::world::Clock;

/// A host. It is a [`Net`]: `host.connect(…)`, `host.listen(…)`, `host.connections()`.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) net: Net,
    pub(crate) addresses: (Ipv4Addr, Ipv6Addr),
    pub(crate) clock: Clock,
}

impl Host {
    /// The name it was made with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network, for code that takes one.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The world's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        IpAddr::V4(self.addresses.0)
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn ipv6(&self) -> IpAddr {
        IpAddr::V6(self.addresses.1)
    }

    /// A port of its IPv4 address.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(), port)
    }
}

impl Deref for Host {
    type Target = Net;

    fn deref(&self) -> &Net {
        &self.net
    }
}

impl Node for Host {
    fn id(&self) -> NodeId {
        self.node
    }
}

/// The addresses of the `number`th node: 10.x.y.z and fd00::n.
pub(crate) fn addresses(number: usize) -> Option<(Ipv4Addr, Ipv6Addr)> {
    let number = u32::try_from(number + 1).ok().filter(|number| *number < 1 << 24)?;
    let [_, x, y, z] = number.to_be_bytes();
    let segments = [0xfd00, 0, 0, 0, 0, 0, (number >> 16) as u16, number as u16];
    Some((Ipv4Addr::new(10, x, y, z), Ipv6Addr::from(segments)))
}
