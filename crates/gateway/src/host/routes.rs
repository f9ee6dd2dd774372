//! Whether this host has any way to other hosts, by IP version: where it has none, the program shall have none either, so
//! that its calls fail as fast and with the same error as they would outside. Cables are pulled and plugged in again while
//! programs run, so it can be waited for.
//!
//! It must not know how the program is told. In doubt there is a way: what is sent there finds out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::watch;

/// `RTMGRP_LINK`, and for both IP versions `RTMGRP_IPV*_IFADDR` and `RTMGRP_IPV*_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// `RTF_UP`: the route is in use.
const UP: u32 = 0x1;
/// `RTF_REJECT`, and of IPv6 `RTF_ANYCAST` and `RTF_LOCAL`: nothing leaves by it.
const NOWHERE: u32 = 0x200 | 0x0010_0000 | 0x8000_0000;

/// Somebody whom only a default route leads to (RFC 5737, RFC 3849). Nothing is sent there.
const FAR_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// Which IP versions have a way to other hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Ways {
    /// Both.
    pub const ALL: Self = Self { v4: true, v6: true };

    /// Those that there are now.
    #[must_use]
    pub fn now() -> Self {
        // No further than the first that leads somewhere: tables may be long.
        let any = |file, leads: fn(&str) -> bool, far| {
            let Ok(table) = File::open(file) else { return true };
            BufReader::new(table).lines().map_while(Result::ok).any(|line| leads(&line)) || is_routed(far)
        };
        Self {
            v4: any("/proc/self/net/route", leads_v4, FAR_V4),
            v6: any("/proc/self/net/ipv6_route", leads_v6, FAR_V6),
        }
    }
}

/// Whether a line of `/proc/net/route` is a route to other hosts: interface, destination, gateway, flags and more.
fn leads_v4(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (device, flags) = (words.next(), words.nth(2).and_then(|flags| u32::from_str_radix(flags, 16).ok()));
    device != Some("lo") && flags.is_some_and(|flags| flags & UP != 0 && flags & NOWHERE == 0)
}

/// Whether a line of `/proc/net/ipv6_route` is one: destination, its length, six words more, flags, interface. Those of one
/// link alone, or of multicast, lead to nobody that a program without an interface in mind could mean.
fn leads_v6(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let destination = words.next().unwrap_or_default();
    let (flags, device) = (words.nth(7).and_then(|flags| u32::from_str_radix(flags, 16).ok()), words.next());
    let is_of_a_link = ["fe8", "fe9", "fea", "feb", "ff"].iter().any(|prefix| destination.starts_with(prefix));
    device != Some("lo") && !is_of_a_link && flags.is_some_and(|flags| flags & UP != 0 && flags & NOWHERE == 0)
}

/// Whether the kernel would know where to send something, by whichever of its tables.
fn is_routed(to: IpAddr) -> bool {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((to, 9))).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_lead_to_others_are_told_from_those_that_do_not() {
        for (line, leads) in [
            ("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", false),
            ("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0", true),
            ("wg0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0", true),
            ("lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0", false),
            ("*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0", false),
        ] {
            assert_eq!(leads_v4(line), leads, "{line}");
        }
        let v6 = |destination: &str, flags: &str, device: &str| {
            format!("{destination} 40 {0:032} 00 {0:032} 00000100 00000001 00000000 {flags} {device}", 0)
        };
        for (line, leads) in [
            (v6("00000000000000000000000000000000", "00000003", "eth0"), true),
            (v6("fd000000000000000000000000000000", "00000001", "eth0"), true),
            (v6("fe800000000000000000000000000000", "00000001", "eth0"), false),
            (v6("ff000000000000000000000000000000", "00000001", "eth0"), false),
            (v6("fd000000000000000000000000000002", "80200001", "eth0"), false),
            (v6("fd000000000000000000000000000000", "00100001", "eth0"), false),
            (v6("00000000000000000000000000000000", "00200200", "lo"), false),
        ] {
            assert_eq!(leads_v6(&line), leads, "{line}");
        }
    }
}
