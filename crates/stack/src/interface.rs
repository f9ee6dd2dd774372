//! Interfaces, their addresses, and which way a packet goes. Decides what is ours; knows nothing of transports.

use alloc::vec::Vec;
use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bowline_wire::{Capabilities, Cidr};

/// The handle of an interface: its place, in the order in which they were added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfaceId(pub(crate) u16);

impl IfaceId {
    /// The interface that was added first.
    pub const FIRST: Self = Self(0);

    /// The place: 0 for the first interface.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A way in and out of the host: one device.
#[derive(Clone, Debug)]
pub struct Interface {
    /// What its device does for us.
    pub capabilities: Capabilities,
    /// Our addresses on it, each with its network, to which it is a route.
    pub addresses: Vec<Cidr>,
    /// Whether every unicast address that packets come for counts as ours (any-IP); default false.
    pub any_ip: bool,
    /// Whether it leads back to ourselves: loopback addresses are allowed on it, and packets to our own addresses take
    /// it; default false.
    pub loopback: bool,
}

impl Interface {
    /// An interface with these addresses, neither any-IP nor loopback.
    #[must_use]
    pub fn new(capabilities: Capabilities, addresses: impl IntoIterator<Item = Cidr>) -> Self {
        Self { capabilities, addresses: addresses.into_iter().collect(), any_ip: false, loopback: false }
    }

    /// Our address on it to use towards `remote`: one in the same network, else one of the same reach, else any.
    #[must_use]
    pub fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let family = || self.addresses.iter().filter(|ours| ours.address().is_ipv4() == remote.is_ipv4());
        let near = family().filter(|ours| ours.contains(remote)).max_by_key(|ours| ours.prefix());
        let chosen = near.or_else(|| family().find(|ours| is_link_local(ours.address()) == is_link_local(remote)));
        chosen.or_else(|| family().next()).map(Cidr::address)
    }
}

/// A route: packets for `destination` leave by `interface`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network that it leads to.
    pub destination: Cidr,
    /// The interface that it takes.
    pub interface: IfaceId,
    /// Our address to use; by default one of the interface's.
    pub source: Option<IpAddr>,
}

/// To whom a received packet is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// One of our own addresses.
    Own,
    /// An address that only any-IP makes ours.
    Any,
    /// A broadcast address.
    Broadcast,
    /// A multicast address.
    Multicast,
}

/// All interfaces and routes of a host.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    list: Vec<Interface>,
    routes: Vec<Route>,
    last: Last,
}

/// The last answers: the next packet is often for the same two hosts. Whatever may change an answer forgets them.
#[derive(Debug, Default)]
struct Last {
    route: Cell<Option<(IpAddr, IfaceId, Option<IpAddr>)>>,
    admitted: Cell<Option<(IfaceId, IpAddr, IpAddr, Cast)>>,
    /// The same again, where it was a packet over IPv4 for an address of ours.
    unicast: Cell<Option<(IfaceId, (Ipv4Addr, Ipv4Addr))>>,
}

/// Why a packet is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No honest packet comes from there.
    Martian,
    /// It is for somebody else.
    NotOurs,
}

impl Interfaces {
    pub(crate) fn add(&mut self, interface: Interface) -> Option<IfaceId> {
        let id = IfaceId(u16::try_from(self.list.len()).ok()?);
        self.last = Last::default();
        self.list.push(interface);
        Some(id)
    }

    pub(crate) fn get(&self, id: IfaceId) -> Option<&Interface> {
        self.list.get(id.index())
    }

    pub(crate) fn get_mut(&mut self, id: IfaceId) -> Option<&mut Interface> {
        self.last = Last::default();
        self.list.get_mut(id.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (IfaceId, &Interface)> {
        self.list.iter().enumerate().map(|(number, interface)| (IfaceId(number as u16), interface))
    }

    /// Adds a route; replaces the one to the same network.
    pub(crate) fn add_route(&mut self, route: Route) {
        self.remove_route(route.destination);
        self.last = Last::default();
        self.routes.push(route);
        // The longest prefix first, so that the first match is the best.
        self.routes.sort_by_key(|route| core::cmp::Reverse(route.destination.prefix()));
    }

    pub(crate) fn remove_route(&mut self, destination: Cidr) -> bool {
        let before = self.routes.len();
        let same = |route: &Route| {
            route.destination.prefix() == destination.prefix() && destination.contains(route.destination.address())
        };
        self.last = Last::default();
        self.routes.retain(|route| !same(route));
        self.routes.len() < before
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether it is one of our own addresses, on whichever interface (the weak host model of RFC 1122 3.3.4.2, as Linux).
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.list.iter().any(|interface| interface.addresses.iter().any(|ours| ours.address() == address))
    }

    /// The interface that leads to `destination`, and our address to use by default.
    #[inline]
    pub(crate) fn route(&self, destination: IpAddr) -> Option<(IfaceId, &Interface, Option<IpAddr>)> {
        let (id, source) = match self.last.route.get() {
            Some((known, id, source)) if known == destination => (id, source),
            _ => self.find_route(destination)?,
        };
        Some((id, self.get(id)?, source))
    }

    #[inline(never)]
    fn find_route(&self, destination: IpAddr) -> Option<(IfaceId, Option<IpAddr>)> {
        let mut best: Option<(u8, IfaceId, Option<IpAddr>)> = None;
        for (id, interface) in self.iter() {
            if interface.loopback && (destination.is_loopback() || self.is_own(destination)) {
                best = Some((u8::MAX, id, None));
                break;
            }
            for ours in &interface.addresses {
                if ours.contains(destination) && best.is_none_or(|(prefix, ..)| ours.prefix() > prefix) {
                    best = Some((ours.prefix(), id, Some(ours.address())));
                }
            }
        }
        let explicit = self.routes.iter().find(|route| route.destination.contains(destination));
        if let Some(route) = explicit
            && best.is_none_or(|(prefix, ..)| route.destination.prefix() > prefix)
        {
            best = Some((route.destination.prefix(), route.interface, route.source));
        }
        let (_, id, source) = best?;
        let source = source.or_else(|| self.get(id)?.source_for(destination));
        self.last.route.set(Some((destination, id, source)));
        Some((id, source))
    }

    /// To whom a packet is addressed that came in by an interface, if it is honest and for us.
    #[inline]
    pub(crate) fn admit(&self, id: IfaceId, from: &IpAddr, to: &IpAddr) -> Result<Cast, Refused> {
        match self.last.admitted.get() {
            Some((interface, src, dst, cast)) if interface == id && src == *from && dst == *to => Ok(cast),
            _ => self.judge(id, *from, *to),
        }
    }

    /// Whether the last packet over IPv4 that was found honest, and for an address of ours, came by the same interface from and to
    /// the same hosts.
    #[inline]
    pub(crate) fn admits_again(&self, id: IfaceId, ends: (Ipv4Addr, Ipv4Addr)) -> bool {
        self.last.unicast.get() == Some((id, ends))
    }

    #[inline(never)]
    fn judge(&self, id: IfaceId, from: IpAddr, to: IpAddr) -> Result<Cast, Refused> {
        let interface = self.get(id).ok_or(Refused::NotOurs)?;
        if self.is_martian(interface, from) {
            return Err(Refused::Martian);
        }
        let cast = self.cast(interface, to).ok_or(Refused::NotOurs)?;
        self.last.admitted.set(Some((id, from, to, cast)));
        if let (IpAddr::V4(from), IpAddr::V4(to), Cast::Own | Cast::Any) = (from, to, cast) {
            self.last.unicast.set(Some((id, (from, to))));
        }
        Ok(cast)
    }

    /// To whom a packet is addressed that came in by `interface`; `None` if not to us.
    fn cast(&self, interface: &Interface, destination: IpAddr) -> Option<Cast> {
        if interface.addresses.iter().any(|ours| ours.address() == destination) || self.is_own(destination) {
            return Some(Cast::Own);
        }
        let is_broadcast = destination == IpAddr::V4(Ipv4Addr::BROADCAST)
            || interface.addresses.iter().any(|ours| ours.broadcast() == Some(destination));
        if is_broadcast {
            return Some(Cast::Broadcast);
        }
        if destination.is_multicast() {
            return Some(Cast::Multicast);
        }
        // RFC 1122 3.2.1.3 (g): loopback addresses never appear outside of a host.
        if destination.is_loopback() {
            return interface.loopback.then_some(Cast::Own);
        }
        (interface.any_ip && is_unicast(destination)).then_some(Cast::Any)
    }

    /// Whether no honest packet has this source on `interface` (RFC 1122 3.2.1.3, RFC 1812 5.3.7, RFC 4291 2.7).
    fn is_martian(&self, interface: &Interface, source: IpAddr) -> bool {
        if !is_unicast(source) || interface.addresses.iter().any(|ours| ours.broadcast() == Some(source)) {
            return true;
        }
        !interface.loopback && (source.is_loopback() || self.is_own(source))
    }
}

/// Whether it names one host: neither unspecified (with all of 0/8, RFC 1122 3.2.1.3), multicast nor broadcast. What is reserved
/// (240/4, RFC 1112 4) does: Linux routes it, and networks of today number hosts by it.
#[must_use]
pub(crate) fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first != 0 && !v4.is_multicast() && !v4.is_broadcast()
        }
        IpAddr::V6(v6) => !v6.is_multicast() && v6 != Ipv6Addr::UNSPECIFIED && v6.to_ipv4_mapped().is_none(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
