//! What the kernel says of its routes (rtnetlink(7), `RTM_GETROUTE`).
//!
//! It decides which of them say anything about where a program may send: those to hosts, broadcast addresses, and those by which
//! nothing leaves. It must not know what that is used for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libc::{
    RTA_DST, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTM_F_CLONED, RTM_GETROUTE, RTM_NEWROUTE, RTN_BLACKHOLE, RTN_BROADCAST,
    RTN_PROHIBIT, RTN_THROW, RTN_UNICAST, RTN_UNREACHABLE,
};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use super::{Destination, Way};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) to: Destination,
    pub(super) way: Way,
    /// Of two to one destination the lower one counts. Ways of other tables than the main one have 0: whoever has such a table has
    /// a rule that asks it first.
    pub(super) metric: u32,
}

const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;
const NLM_F_REQUEST_DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
const MAIN: u32 = libc::RT_TABLE_MAIN as u32;

/// The index of the loopback: by it nothing leaves the host.
const LOOPBACK: u32 = 1;

/// As much as the kernel says at once.
const SPACE: usize = 32 << 10;

/// The routes of one IP version; `None` where there are more than `most`.
pub(super) fn read(family: AddressFamily, most: usize) -> Result<Option<Vec<Found>>, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut request = [0u8; 28];
    let family = family.as_raw() as u8;
    for (at, bytes) in
        [(0, &28u32.to_ne_bytes()[..]), (4, &RTM_GETROUTE.to_ne_bytes()), (6, &NLM_F_REQUEST_DUMP.to_ne_bytes())]
    {
        request[at..at + bytes.len()].copy_from_slice(bytes);
    }
    request[16] = family;
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut found = Vec::new();
    let mut space = vec![0; SPACE];
    loop {
        let (len, _) = rustix::io::retry_on_intr(|| recv(&socket, &mut space[..], RecvFlags::empty()))?;
        let mut rest = space.get(..len).unwrap_or_default();
        while let Some((kind, body, after)) = message(rest) {
            match kind {
                NLMSG_DONE => return Ok(Some(found)),
                NLMSG_ERROR => return Err(Errno::IO),
                RTM_NEWROUTE => found.extend(route(body)),
                _ => {}
            }
            if found.len() > most {
                return Ok(None);
            }
            rest = after;
        }
        if len == 0 {
            return Err(Errno::IO);
        }
    }
}

/// The first message's type and body, and what comes after it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    let body = bytes.get(16..len)?;
    Some((kind, body, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// What a `struct rtmsg` and its attributes say; `None` for what says nothing about where a program may send.
fn route(body: &[u8]) -> Option<Found> {
    let (&[family, prefix, source, tos, table, _, _, kind, f0, f1, f2, f3], mut attributes) =
        body.split_first_chunk()?;
    let (mut to, mut device, mut metric, mut table) = (None, None, 0, u32::from(table));
    while let Some((kind, value, rest)) = attribute(attributes) {
        let number = value.first_chunk().map(|word| u32::from_ne_bytes(*word));
        match kind {
            RTA_DST => to = address(value),
            RTA_OIF => device = number,
            RTA_PRIORITY => metric = number?,
            RTA_TABLE => table = number?,
            _ => {}
        }
        attributes = rest;
    }
    let any: IpAddr =
        if i32::from(family) == libc::AF_INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let to = to.unwrap_or(any);
    let is_cloned = u32::from_ne_bytes([f0, f1, f2, f3]) & RTM_F_CLONED != 0;
    if is_cloned || tos != 0 || source != 0 || is_of_a_link(to) {
        return None;
    }
    let way = match kind {
        RTN_UNICAST if device != Some(LOOPBACK) => Way::Open,
        RTN_BROADCAST if device != Some(LOOPBACK) => Way::Broadcast,
        RTN_UNREACHABLE if table == MAIN => Way::Unreachable,
        RTN_PROHIBIT if table == MAIN => Way::Prohibited,
        RTN_BLACKHOLE if table == MAIN => Way::Blackhole,
        RTN_THROW if table == MAIN => Way::None,
        _ => return None,
    };
    Some(Found { to: (to, prefix), way, metric: if table == MAIN { metric } else { 0 } })
}

/// The first attribute's type and value, and what comes after it.
fn attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let &[l0, l1, k0, k1] = bytes.first_chunk()?;
    let len = usize::from(u16::from_ne_bytes([l0, l1]));
    Some((u16::from_ne_bytes([k0, k1]), bytes.get(4..len)?, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Whether it means somebody else on each link, so that no program names it without a link.
fn is_of_a_link(to: IpAddr) -> bool {
    match to {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A route as the kernel tells of it.
    fn told(kind: u8, table: u8, prefix: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![libc::AF_INET as u8, prefix, 0, 0, table, 3, 0, kind, 0, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend((4 + value.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body
    }

    #[test]
    fn routes_that_lead_to_others_are_told_from_those_that_do_not() {
        let (eth0, lo, ten) = (7u32.to_ne_bytes(), 1u32.to_ne_bytes(), [10, 0, 0, 0]);
        let net = (IpAddr::from(ten), 8);
        let found = |to, way, metric| Some(Found { to, way, metric });
        let metric = 9u32.to_ne_bytes();
        let dst = (RTA_DST, &ten[..]);
        for (body, expected) in [
            (told(RTN_UNICAST, 254, 0, &[(RTA_OIF, &eth0)]), found((Ipv4Addr::UNSPECIFIED.into(), 0), Way::Open, 0)),
            (told(RTN_UNICAST, 254, 8, &[dst, (RTA_OIF, &eth0), (RTA_PRIORITY, &metric)]), found(net, Way::Open, 9)),
            (told(RTN_UNICAST, 52, 8, &[dst, (RTA_OIF, &eth0), (RTA_PRIORITY, &metric)]), found(net, Way::Open, 0)),
            (told(RTN_UNICAST, 0, 8, &[dst, (RTA_TABLE, &52_000u32.to_ne_bytes())]), found(net, Way::Open, 0)),
            (told(RTN_UNICAST, 254, 8, &[dst, (RTA_OIF, &lo)]), None),
            (told(RTN_UNREACHABLE, 254, 8, &[dst]), found(net, Way::Unreachable, 0)),
            (told(RTN_PROHIBIT, 254, 8, &[dst]), found(net, Way::Prohibited, 0)),
            (told(RTN_BLACKHOLE, 254, 8, &[dst]), found(net, Way::Blackhole, 0)),
            (told(RTN_THROW, 254, 8, &[dst]), found(net, Way::None, 0)),
            // asked by some rule only
            (told(RTN_BLACKHOLE, 52, 8, &[dst]), None),
            (told(RTN_BROADCAST, 255, 32, &[dst, (RTA_OIF, &eth0)]), found((net.0, 32), Way::Broadcast, 0)),
            (told(libc::RTN_LOCAL, 255, 8, &[dst, (RTA_OIF, &eth0)]), None),
            (told(libc::RTN_MULTICAST, 255, 8, &[dst, (RTA_OIF, &eth0)]), None),
        ] {
            assert_eq!(route(&body), expected, "{body:?}");
            assert_eq!(route(body.get(..11).unwrap()), None, "cut off");
        }
    }

    #[test]
    fn the_kernels_own_table_is_understood() {
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let all = read(family, usize::MAX).unwrap().unwrap();
            assert!(all.iter().all(|found| found.to.0.is_ipv4() == (family == AddressFamily::INET)), "{all:?}");
            if let Some(fewer) = all.len().checked_sub(1) {
                assert_eq!(read(family, fewer).unwrap(), None, "{all:?}");
            }
        }
    }
}
