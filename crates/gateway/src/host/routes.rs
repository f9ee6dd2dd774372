//! Where this host has ways to, and where it has none: so shall the program, so that its calls fail as fast and with the same
//! error as they would outside, datagrams too. Cables are pulled and plugged in again while programs run, so it can be waited
//! for.
//!
//! It must not know how the program is told. In doubt there is a way: what is sent there finds out. What the host decides by
//! more than the destination (rules, marks, sources) is not looked at: each route of any table is a way, and only the main
//! table's word counts where there is none.

mod dump;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::watch;
use crate::addresses::{PREFIX_V4, PREFIX_V6, is_ours};

/// `RTMGRP_LINK`, and for both IP versions `RTMGRP_IPV*_IFADDR` and `RTMGRP_IPV*_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Destinations that are told apart, for each IP version. Who has more of them is a router, and has a way to everywhere.
const MOST: usize = 256;

/// What becomes of what is sent somewhere, in the order of who wins over whom where two tables differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// It leaves this host.
    Open,
    /// It goes to everybody on a link, from those who ask for that: to others it is `EACCES`.
    Broadcast,
    /// `EHOSTUNREACH`.
    Unreachable,
    /// `EACCES`.
    Prohibited,
    /// `EINVAL`.
    Blackhole,
    /// `ENETUNREACH`: what is sent there is sent on as if there were no route at all (`throw`), which leads nowhere.
    None,
}

/// A destination: an address and the length of its prefix in bits.
pub type Destination = (IpAddr, u8);

/// Ways by destination; the longest prefix counts. Where none matches, what is sent fails with `ENETUNREACH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(BTreeMap<Destination, Way>);

/// Everything, by IPv4 and by IPv6.
const EVERYTHING: [Destination; 2] = [(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)];

impl Routes {
    /// A way to everywhere: what a program has that was told nothing else.
    #[must_use]
    pub fn open() -> Self {
        Self(EVERYTHING.map(|destination| (destination, Way::Open)).into())
    }

    /// Those that this host has now.
    #[must_use]
    pub fn now() -> Self {
        let mut routes = BTreeMap::new();
        for (family, everything) in [AddressFamily::INET, AddressFamily::INET6].into_iter().zip(EVERYTHING) {
            match dump::read(family, MOST) {
                Ok(Some(found)) => routes.extend(best(found)),
                Ok(None) | Err(_) => drop(routes.insert(everything, Way::Open)),
            }
        }
        Self(routes)
    }

    /// What is in one of both only: first what `other` has no more, then what it has instead or besides.
    #[must_use]
    pub fn changes_to(&self, other: &Self) -> (Vec<Destination>, Vec<(Destination, Way)>) {
        let gone = self.0.iter().filter(|(to, way)| other.0.get(to) != Some(way)).map(|(to, _)| *to);
        let come = other.0.iter().filter(|(to, way)| self.0.get(to) != Some(way)).map(|(to, way)| (*to, *way));
        (gone.collect(), come.collect())
    }
}

/// For each destination the route that the host would take. Left out is what the program has of its own: the network of its
/// TUN, and what concerns one link alone.
fn best(found: Vec<dump::Found>) -> BTreeMap<Destination, Way> {
    let mut best: BTreeMap<Destination, (u32, Way)> = BTreeMap::new();
    for dump::Found { to, way, metric } in found.into_iter().filter(|found| !is_within_ours(found.to)) {
        let this = (metric, way);
        best.entry(to).and_modify(|other| *other = this.min(*other)).or_insert(this);
    }
    best.into_iter().map(|(to, (_, way))| (to, way)).collect()
}

/// Hears of the host's links, addresses and routes.
#[derive(Debug)]
pub struct Changes(AsyncFd<OwnedFd>);

impl Changes {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system has no routing socket for us, or the runtime cannot watch it.
    pub fn listen() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        watch(socket, Interest::READABLE).map(Self)
    }

    /// Waits until something has changed, whatever it was.
    pub async fn next(&self) {
        let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
        let mut space = [0; 4096];
        // what does not fit in there, or had no room in the kernel, is news as well
        while let Ok(_) | Err(Errno::INTR | Errno::NOBUFS) = recv(self.0.as_fd(), &mut space[..], RecvFlags::DONTWAIT) {
        }
        ready.clear_ready();
    }
}

fn is_within_ours((address, prefix): Destination) -> bool {
    is_ours(address) && prefix >= if address.is_ipv4() { PREFIX_V4 } else { PREFIX_V6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &[(&str, u8, Way)]) -> Routes {
        Routes(text.iter().map(|(to, len, way)| ((to.parse().unwrap(), *len), *way)).collect())
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = routes(&[("0.0.0.0", 0, Way::Open), ("10.9.0.0", 16, Way::Prohibited), ("fd09::", 16, Way::Open)]);
        let after = routes(&[("0.0.0.0", 0, Way::Open), ("10.9.0.0", 16, Way::Blackhole), ("10.9.1.0", 24, Way::Open)]);
        let to = |text: &str, len| (text.parse::<IpAddr>().unwrap(), len);
        let (gone, come) = before.changes_to(&after);
        assert_eq!(gone, [to("10.9.0.0", 16), to("fd09::", 16)]);
        assert_eq!(come, [(to("10.9.0.0", 16), Way::Blackhole), (to("10.9.1.0", 24), Way::Open)]);
        assert_eq!(after.changes_to(&after), (vec![], vec![]));
    }

    #[test]
    fn the_least_metric_wins_and_the_programs_own_network_is_left_alone() {
        let found = |to: &str, len, metric, way| dump::Found { to: (to.parse().unwrap(), len), way, metric };
        let best = best(vec![
            found("0.0.0.0", 0, 4_278_198_272, Way::Unreachable),
            found("0.0.0.0", 0, 100, Way::Open),
            found("10.0.2.3", 32, 0, Way::Blackhole),
            found("10.0.0.0", 8, 0, Way::Prohibited),
            found("fd00::", 64, 256, Way::Open),
            found("::", 0, 1024, Way::Open),
        ]);
        let expected = [("0.0.0.0", 0, Way::Open), ("10.0.0.0", 8, Way::Prohibited), ("::", 0, Way::Open)];
        assert_eq!(Routes(best), routes(&expected));
    }
}
