//! UDP sockets (RFC 768, RFC 1122 4.1): who gets a datagram, what waits to be read and to be sent, and ICMP errors.
//!
//! Decides by address and port alone. Headers, routes and checksums are the host's business.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bowline_base::{Randomness, slab::Slab};
use bowline_tcp::IcmpError;
use bytes::Bytes;

use crate::config::UdpConfig;
use crate::event::UdpReadiness;

mod socket;

pub(crate) use socket::{Outgoing, Socket};

/// The handle of a UDP socket. A generation tells a reused place from the old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UdpKey {
    index: u32,
    generation: u32,
}

impl UdpKey {
    /// The handle as one number, for a caller's own tables.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The place in the host's table: small and dense, for a caller's own arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// What a socket is bound to, and its bounds.
#[derive(Clone, Debug)]
pub struct UdpBind {
    /// Our address; an unspecified one: every one of ours of its version; `None`: every one of both versions.
    pub address: Option<IpAddr>,
    /// Our port; `None`: every port that has no socket of its own (any-port).
    pub port: Option<u16>,
    /// Bytes that may wait to be read, overhead and pinned buffers counted; default 208 KiB, as Linux `rmem_default`.
    pub receive_buffer: usize,
    /// Bytes that may wait to be sent, overhead counted; default 208 KiB, as Linux `wmem_default`.
    pub send_buffer: usize,
    /// Whether trains (several datagrams of one size in one buffer) are delivered whole; default false.
    pub trains: bool,
}

impl UdpBind {
    /// A socket on this port of every address of ours; 0: an ephemeral port.
    #[must_use]
    pub const fn port(port: u16) -> Self {
        Self { address: None, port: Some(port), receive_buffer: 212_992, send_buffer: 212_992, trains: false }
    }

    /// A socket on this address and port; port 0: an ephemeral one.
    #[must_use]
    pub const fn address(address: SocketAddr) -> Self {
        Self { address: Some(address.ip()), ..Self::port(address.port()) }
    }

    /// A socket that takes what no other one takes, on every address that is ours, any-IP ones included.
    #[must_use]
    pub const fn any_port() -> Self {
        Self { port: None, ..Self::port(0) }
    }
}

/// A datagram that was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// To which of our addresses and ports.
    pub destination: SocketAddr,
    /// Its payload; of a train, all of it.
    pub payload: Bytes,
    /// Payload bytes per datagram where this is a train, the last one perhaps being shorter.
    pub segment_size: Option<u16>,
    /// The IP traffic class, ECN bits included.
    pub traffic_class: u8,
    /// The IP time to live.
    pub hop_limit: u8,
}

/// A datagram to send, or a train of them.
#[derive(Clone, Debug)]
pub struct UdpSend {
    /// To whom; `None`: where the socket is connected to.
    pub destination: Option<SocketAddr>,
    /// From which of our addresses; `None`: the socket's, or what the route gives. An any-port socket must say which port.
    pub source: Option<SocketAddr>,
    /// The payload; of a train, all of it: up to 65,507 bytes over IPv4, 65,527 over IPv6.
    pub payload: Bytes,
    /// Payload bytes per datagram, to send a train.
    pub segment_size: Option<u16>,
    /// The IP traffic class; default 0.
    pub traffic_class: u8,
    /// The IP time to live; default 64.
    pub hop_limit: u8,
}

impl UdpSend {
    /// A datagram for `destination`.
    #[must_use]
    pub fn to(destination: SocketAddr, payload: Bytes) -> Self {
        Self { destination: Some(destination), ..Self::connected(payload) }
    }

    /// A datagram for the peer that the socket is connected to.
    #[must_use]
    pub const fn connected(payload: Bytes) -> Self {
        Self { destination: None, source: None, payload, segment_size: None, traffic_class: 0, hop_limit: 64 }
    }
}

/// What is known of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpInfo {
    /// Its handle.
    pub key: UdpKey,
    /// Our address; `None`: every one of ours.
    pub address: Option<IpAddr>,
    /// Our port; `None`: any-port.
    pub port: Option<u16>,
    /// The peer that it is connected to.
    pub peer: Option<SocketAddr>,
    /// Bytes waiting to be read, overhead and pinned buffers counted.
    pub receive_queue: usize,
    /// Bytes waiting to be sent, overhead counted.
    pub send_queue: usize,
    /// Datagrams dropped because the receive queue was full.
    pub drops: u64,
    /// What it is ready for now.
    pub readiness: UdpReadiness,
}

/// An ICMP error about a datagram that a socket sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpFailure {
    /// Where it was sent from.
    pub local: SocketAddr,
    /// Where it was sent to.
    pub remote: SocketAddr,
    /// What happened.
    pub error: IcmpError,
}

/// Why a call on a UDP socket failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UdpCallError {
    /// Nothing can be done now: nothing to read, or no room to send. An event will say when to retry.
    WouldBlock,
    /// There is no such socket.
    NoSocket,
    /// Another socket has this address and port, or there is no free port.
    AddressInUse,
    /// The address is not ours.
    AddressNotAvailable,
    /// The host has as many sockets as its configuration allows.
    TooMany,
    /// No destination was given and the socket is not connected.
    NotConnected,
    /// The destination is no unicast address, its port is 0, or its version is not the source's.
    InvalidDestination,
    /// There is no route to the destination.
    NoRoute,
    /// The datagram is larger than a packet can be, or a train's size does not fit.
    TooLong,
    /// The connected peer cannot be reached: an ICMP error came, reported once.
    Icmp(IcmpError),
}

impl fmt::Display for UdpCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "operation would block",
            Self::NoSocket => "no such socket",
            Self::AddressInUse => "address already in use",
            Self::AddressNotAvailable => "address not available",
            Self::TooMany => "too many sockets",
            Self::NotConnected => "destination address required",
            Self::InvalidDestination => "not a unicast destination with a port",
            Self::NoRoute => "network is unreachable",
            Self::TooLong => "message too long",
            Self::Icmp(_) => "the peer cannot be reached",
        })
    }
}

impl core::error::Error for UdpCallError {}

/// All UDP sockets of a host.
#[derive(Debug)]
pub(crate) struct UdpSockets {
    sockets: Slab<Socket>,
    /// The sockets on each port; `None`: any-port.
    ports: BTreeMap<Option<u16>, Vec<UdpKey>>,
    /// Sockets with something to report, each once.
    ready: VecDeque<UdpKey>,
    /// Datagrams waiting to be sent, in order; each socket's share is bounded.
    pub(crate) outgoing: VecDeque<Outgoing>,
    config: UdpConfig,
}

impl UdpSockets {
    pub(crate) fn new(config: UdpConfig) -> Self {
        Self {
            sockets: Slab::new(config.max_sockets),
            ports: BTreeMap::new(),
            ready: VecDeque::new(),
            outgoing: VecDeque::new(),
            config,
        }
    }

    pub(crate) fn get(&self, key: UdpKey) -> Result<&Socket, UdpCallError> {
        self.sockets.get(key.index, key.generation).ok_or(UdpCallError::NoSocket)
    }

    pub(crate) fn get_mut(&mut self, key: UdpKey) -> Result<&mut Socket, UdpCallError> {
        self.sockets.get_mut(key.index, key.generation).ok_or(UdpCallError::NoSocket)
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn bind(&mut self, bind: UdpBind, random: &mut Randomness) -> Result<UdpKey, UdpCallError> {
        let port = match bind.port {
            Some(0) => Some(self.ephemeral(bind.address, random).ok_or(UdpCallError::AddressInUse)?),
            port => port,
        };
        if !self.is_free(bind.address, port) {
            return Err(UdpCallError::AddressInUse);
        }
        let socket = Socket::new(UdpBind { port, ..bind });
        let (index, generation) = self.sockets.insert(socket).map_err(|_| UdpCallError::TooMany)?;
        let key = UdpKey { index, generation };
        self.ports.entry(port).or_default().push(key);
        Ok(key)
    }

    pub(crate) fn close(&mut self, key: UdpKey) {
        let Some(socket) = self.sockets.remove(key.index, key.generation) else { return };
        let port = socket.bind.port;
        if let Some(keys) = self.ports.get_mut(&port) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.ports.remove(&port);
            }
        }
    }

    /// Whether no other socket has an address in common on this port.
    fn is_free(&self, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let conflicts = |key: &UdpKey| match (self.get(*key).ok().and_then(|socket| socket.bind.address), address) {
            (Some(theirs), Some(ours)) => {
                let any = theirs.is_unspecified() || ours.is_unspecified();
                theirs == ours || (any && theirs.is_ipv4() == ours.is_ipv4())
            }
            _ => true,
        };
        !self.ports.get(&port).is_some_and(|keys| keys.iter().any(conflicts))
    }

    /// A free ephemeral port, at random (RFC 6056 3.3.1), and if luck fails the next one.
    fn ephemeral(&self, address: Option<IpAddr>, random: &mut Randomness) -> Option<u16> {
        let (low, high) = self.config.ephemeral_ports;
        let count = u64::from(high.saturating_sub(low)) + 1;
        let start = random.below(count);
        (0..count).map(|i| low + ((start + i) % count) as u16).find(|port| self.is_free(address, Some(*port)))
    }

    /// The socket that a datagram for `local` from `remote` belongs to: connected before bound to the address, before bound
    /// to the port, before any-port.
    pub(crate) fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<UdpKey> {
        let among = |port: Option<u16>| {
            let keys = self.ports.get(&port)?;
            let scored = keys.iter().filter_map(|key| Some((self.get(*key).ok()?.score(local, remote)?, *key)));
            scored.max_by_key(|(score, _)| *score).map(|(_, key)| key)
        };
        among(Some(local.port())).or_else(|| among(None))
    }

    /// Hands a datagram to a socket; false where its queue is full.
    pub(crate) fn deliver(&mut self, key: UdpKey, datagram: Datagram, pinned: usize) -> bool {
        let Ok(socket) = self.get_mut(key) else { return false };
        let Some(was_empty) = socket.push(datagram, pinned) else { return false };
        if was_empty {
            self.report(key, UdpReadiness::READABLE);
        }
        true
    }

    /// Hands an ICMP error to the socket whose datagram it is about; false where there is none.
    pub(crate) fn fail(&mut self, failure: UdpFailure) -> bool {
        let Some(key) = self.find(failure.local, failure.remote) else { return false };
        let wanted = self.get_mut(key).is_ok_and(|socket| socket.fail(failure));
        if wanted {
            self.report(key, UdpReadiness::ERROR);
        }
        true
    }

    /// Queues a datagram to be sent.
    pub(crate) fn enqueue(&mut self, outgoing: Outgoing) -> Result<(), UdpCallError> {
        self.get_mut(outgoing.key)?.reserve(&outgoing)?;
        self.outgoing.push_back(outgoing);
        Ok(())
    }

    /// Whether nothing waits to be sent.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The next datagram to send; gives its socket the room back.
    pub(crate) fn dequeue(&mut self) -> Option<Outgoing> {
        let outgoing = self.outgoing.pop_front()?;
        if let Ok(socket) = self.get_mut(outgoing.key)
            && socket.release(&outgoing)
        {
            self.report(outgoing.key, UdpReadiness::WRITABLE);
        }
        Some(outgoing)
    }

    fn report(&mut self, key: UdpKey, what: UdpReadiness) {
        let Ok(socket) = self.get_mut(key) else { return };
        let is_queued = !socket.unreported.is_empty();
        socket.unreported |= what;
        if !is_queued {
            self.ready.push_back(key);
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<(UdpKey, UdpReadiness)> {
        while let Some(key) = self.ready.pop_front() {
            if let Ok(socket) = self.get_mut(key) {
                return Some((key, core::mem::take(&mut socket.unreported)));
            }
        }
        None
    }

    /// Every socket.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UdpKey, &Socket)> {
        self.sockets.iter().map(|((index, generation), socket)| (UdpKey { index, generation }, socket))
    }
}

#[cfg(test)]
mod tests;
