//! Where the program may go: `--allow` and `--deny`.
//!
//! The first rule that matches a destination decides, in the order given. Where none matches, the destination is
//! allowed, unless there is any rule that allows: then naming what is allowed means that nothing else is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Addresses that share a prefix, and the ports of interest there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    network: IpAddr,
    prefix: u8,
    ports: RangeInclusive<u16>,
}

/// Why a text names no destinations: one line, with an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDestinationsError(String);

impl fmt::Display for ParseDestinationsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseDestinationsError {}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The bits of `address` within its first `prefix` ones.
fn network_bits(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = bits(address);
    let host = u32::from(width - prefix.min(width));
    bits.checked_shr(host).unwrap_or(0).checked_shl(host).unwrap_or(0)
}

impl Destinations {
    /// Whether `address` and `port` are among them. ICMP echo has no port and matches any.
    #[must_use]
    pub fn contain(&self, address: IpAddr, port: Option<u16>) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && network_bits(address, self.prefix) == bits(self.network).0
            && port.is_none_or(|port| self.ports.contains(&port))
    }
}

impl FromStr for Destinations {
    type Err = ParseDestinationsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |what: &str| ParseDestinationsError(format!("{text:?} {what}"));
        let no_address = || wrong("names no network, for example 192.0.2.0/24, 192.0.2.7:443 or [2001:db8::]/32:443");
        let (network, ports) = split(text);
        let (address, prefix) = match network.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (network, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let network: IpAddr = address.parse().map_err(|_| no_address())?;
        let (_, width) = bits(network);
        let prefix = match prefix.map(|prefix| prefix.trim_end_matches(']')) {
            None => width,
            Some(prefix) => match prefix.parse() {
                Ok(prefix) if prefix <= width => prefix,
                _ => return Err(wrong(&format!("has a bad prefix length: it is between 0 and {width}"))),
            },
        };
        let base = network_bits(network, prefix);
        if base != bits(network).0 {
            let base = match network {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(base as u32)),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(base)),
            };
            return Err(wrong(&format!("has bits beyond its prefix: did you mean {base}/{prefix}?")));
        }
        let ports = match ports {
            None => 0..=u16::MAX,
            Some(ports) => parse_ports(ports)
                .ok_or_else(|| wrong("has a bad port: it is a number up to 65535, or a range such as 8000-8080"))?,
        };
        Ok(Self { network, prefix, ports })
    }
}

/// Splits the ports off. An IPv6 network has to stand in brackets to have any.
fn split(text: &str) -> (&str, Option<&str>) {
    let is_v6 = text.matches(':').count() > 1;
    match text.rsplit_once(':') {
        Some((network, ports)) if !is_v6 || network.contains(']') => (network, Some(ports)),
        _ => (text, None),
    }
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    match text.split_once('-') {
        None => text.parse().ok().map(|port| port..=port),
        Some((first, last)) => {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(first..=last)
        }
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            IpAddr::V4(v4) => write!(f, "{v4}/{}", self.prefix)?,
            IpAddr::V6(v6) => write!(f, "[{v6}]/{}", self.prefix)?,
        }
        match (self.ports.start(), self.ports.end()) {
            (0, &u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

/// What a rule does with its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The program may go there.
    Allow,
    /// It may not: it gets an ICMP error that says "administratively prohibited".
    Deny,
}

/// Rules in order. The default has none and allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<(Action, Destinations)>);

impl Rules {
    /// These rules, in this order.
    #[must_use]
    pub fn new(rules: Vec<(Action, Destinations)>) -> Self {
        Self(rules)
    }

    /// Whether the program may go to `address` and `port` (`None`: a protocol without ports).
    #[must_use]
    pub fn allow(&self, address: IpAddr, port: Option<u16>) -> bool {
        let decided = self.0.iter().find(|(_, destinations)| destinations.contain(address, port));
        match decided {
            Some((action, _)) => *action == Action::Allow,
            None => self.0.iter().all(|(action, _)| *action == Action::Deny),
        }
    }
}

#[cfg(test)]
mod tests;
