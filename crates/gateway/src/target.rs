//! Where a destination that the program names really is: the translation that makes this a gateway.
//!
//! It decides who is dialled and who is turned away, and how. It must not know how anything is dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::addresses::{DNS_V4, DNS_V6, HOST_V4, HOST_V6, PAGE_V4, PAGE_V6, is_ours};
use crate::host::Verdict;
use crate::host::resolver::PORT as DNS_PORT;
use crate::rules::Rules;

/// What is behind a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This address and port, as the host sees them.
    Host(SocketAddr),
    /// The host's name servers.
    Dns,
    /// Nothing: this is the answer.
    Refused(Verdict),
}

/// Who may be reached.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// `--allow` and `--deny`.
    pub rules: Rules,
    /// Whether the gateway's own address leads to the host's loopback.
    pub host_loopback: bool,
}

impl Targets {
    /// What is behind `destination`.
    #[must_use]
    pub fn find(&self, destination: SocketAddr) -> Target {
        let ip = destination.ip();
        if ip == IpAddr::V4(DNS_V4) || ip == IpAddr::V6(DNS_V6) {
            return if destination.port() == DNS_PORT { Target::Dns } else { Target::Refused(Verdict::Closed) };
        }
        if ip == IpAddr::V4(PAGE_V4) || ip == IpAddr::V6(PAGE_V6) {
            // its listener has seen the connection before
            return Target::Refused(Verdict::Closed);
        }
        if !self.rules.allow(ip, Some(destination.port())) {
            return Target::Refused(Verdict::Prohibited);
        }
        match self.host_of(ip) {
            Ok(ip) => Target::Host(SocketAddr::new(ip, destination.port())),
            Err(verdict) => Target::Refused(verdict),
        }
    }

    /// Who shall be pinged for `ip`.
    ///
    /// # Errors
    /// What to answer instead.
    pub fn find_echo(&self, ip: IpAddr) -> Result<IpAddr, Verdict> {
        if self.rules.allow(ip, None) { self.host_of(ip) } else { Err(Verdict::Prohibited) }
    }

    fn host_of(&self, ip: IpAddr) -> Result<IpAddr, Verdict> {
        let loopback = match ip {
            IpAddr::V4(HOST_V4) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            IpAddr::V6(HOST_V6) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            _ => None,
        };
        match loopback {
            Some(loopback) if self.host_loopback => Ok(loopback),
            Some(_) => Err(Verdict::Prohibited),
            None if is_ours(ip) => Err(Verdict::HostUnreachable),
            None if is_global_enough(ip) => Ok(ip),
            None => Err(Verdict::NetworkUnreachable),
        }
    }
}

/// Whether dialling `ip` leaves this host's loopback alone and names one host. An IPv6 packet for a mapped IPv4 address
/// would be a way around every rule about that address; the unspecified address means this host to the kernel.
fn is_global_enough(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            !(v4.is_loopback() || v4.is_multicast() || v4.is_broadcast() || v4.octets().first() == Some(&0))
        }
        IpAddr::V6(v6) => {
            let is_link_local = v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80);
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.to_ipv4_mapped().is_some()
                || is_link_local)
        }
    }
}

/// How the program shall see a peer of the host's: loopback is the gateway's own address.
#[must_use]
pub fn as_seen_inside(peer: SocketAddr) -> SocketAddr {
    let ip = match peer.ip().to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => IpAddr::V4(HOST_V4),
        IpAddr::V6(v6) if v6.is_loopback() => IpAddr::V6(HOST_V6),
        ip => ip,
    };
    SocketAddr::new(ip, peer.port())
}

#[cfg(test)]
mod tests;
