//! Ports of the host that lead to the program: `-p [ip:]host:guest[/udp]`.
//!
//! This file decides how they are written; `ports` serves them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port of the host that leads to one of the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where the host listens: 127.0.0.1 unless an address is given.
    pub listen: SocketAddr,
    /// The program's port.
    pub guest: u16,
    /// Which protocol.
    pub protocol: Protocol,
}

/// Why a text is no forward: one line, with an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseForwardError(String);

impl fmt::Display for ParseForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseForwardError {}

impl FromStr for Forward {
    type Err = ParseForwardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |what: &str| ParseForwardError(format!("{text:?} {what}"));
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some(_) => return Err(wrong("has an unknown protocol: it is /tcp or /udp")),
        };
        let no_forward = || wrong("is no forward, for example 8080:80, 0.0.0.0:8080:80 or 5353:53/udp");
        let (rest, guest) = ports.rsplit_once(':').ok_or_else(no_forward)?;
        let (ip, host) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((ip, host)) => (Some(ip), host),
        };
        let port = |text: &str| match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(wrong("has a bad port: a port is a number from 1 to 65535")),
        };
        let ip = match ip {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(ip) => {
                let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
                let parsed = match bare {
                    Some(v6) => v6.parse().map(IpAddr::V6).ok(),
                    None => ip.parse().map(IpAddr::V4).ok(),
                };
                parsed.ok_or_else(|| wrong("has a bad address, for example 0.0.0.0:8080:80 or [::1]:8080:80"))?
            }
        };
        Ok(Self { listen: SocketAddr::new(ip, port(host)?), guest: port(guest)?, protocol })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.listen, self.guest)?;
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp => f.write_str("/udp"),
        }
    }
}

#[cfg(test)]
mod tests;
