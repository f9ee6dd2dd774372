//! The calls of UDP sockets that the host answers: which address a datagram leaves from, by which interface, and whether it
//! fits. Who hears and what waits is the sockets' business (`udp`).

use alloc::vec::Vec;
use core::net::SocketAddr;

use bowline_base::Instant;

use super::Stack;
use crate::interface::is_unicast;
use crate::udp::{Datagram, Outgoing, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey, UdpSend};

impl Stack {
    /// Makes a socket.
    ///
    /// # Errors
    /// The port is taken, the address is not ours, or there are too many sockets.
    pub fn udp_bind(&mut self, bind: UdpBind) -> Result<UdpKey, UdpCallError> {
        if bind.address.is_some_and(|address| !self.may_bind(address)) {
            return Err(UdpCallError::AddressNotAvailable);
        }
        self.udp.bind(bind, &mut self.random)
    }

    /// Connects a socket: it sends to `remote` by default, hears nobody else, and learns of ICMP errors.
    ///
    /// # Errors
    /// No socket, no route, or a destination that is none.
    pub fn udp_connect(&mut self, key: UdpKey, remote: SocketAddr) -> Result<(), UdpCallError> {
        let bind = self.udp.get(key)?.bind.address;
        if remote.port() == 0 || !is_unicast(remote.ip()) {
            return Err(UdpCallError::InvalidDestination);
        }
        if bind.is_some_and(|bound| bound.is_ipv4() != remote.is_ipv4()) {
            // what the peer answers would not be heard
            return Err(UdpCallError::InvalidDestination);
        }
        let (_, _, source) = self.interfaces.route(remote.ip()).ok_or(UdpCallError::NoRoute)?;
        let ours = bind.filter(|bound| !bound.is_unspecified()).or(source).ok_or(UdpCallError::NoRoute)?;
        self.udp.get_mut(key)?.connected = Some((remote, ours));
        Ok(())
    }

    /// Queues a datagram, or a train of them.
    ///
    /// # Errors
    /// The queue is full, there is no way to the destination, it is too long, or an ICMP error came for the connected peer.
    pub fn udp_send(&mut self, now: Instant, key: UdpKey, send: UdpSend) -> Result<(), UdpCallError> {
        let outgoing = self.address_datagram(now, key, send)?;
        let result = self.udp.enqueue(outgoing);
        if result == Err(UdpCallError::WouldBlock) {
            self.counters.udp.sndbuf_errors += 1;
        }
        result
    }

    fn address_datagram(&mut self, now: Instant, key: UdpKey, send: UdpSend) -> Result<Outgoing, UdpCallError> {
        let socket = self.udp.get_mut(key)?;
        if let Some(failure) = socket.take_connected_failure() {
            return Err(UdpCallError::Icmp(failure.error));
        }
        let (bound, port, connected) = (socket.bind.address, socket.bind.port, socket.connected);
        let peer = connected.map(|(peer, _)| peer);
        let destination = send.destination.or(peer).ok_or(UdpCallError::NotConnected)?;
        if destination.port() == 0 || !is_unicast(destination.ip()) {
            return Err(UdpCallError::InvalidDestination);
        }
        if bound.is_some_and(|bound| bound.is_ipv4() != destination.is_ipv4()) {
            return Err(UdpCallError::InvalidDestination);
        }
        let (_, interface, routed) = self.interfaces.route(destination.ip()).ok_or(UdpCallError::NoRoute)?;
        let connected = connected.filter(|(peer, _)| *peer == destination).map(|(_, ours)| ours);
        let chosen = send.source.map(|source| source.ip()).filter(|address| !address.is_unspecified());
        let bound = bound.filter(|bound| !bound.is_unspecified());
        let address = chosen.or(bound).or(connected).or(routed).ok_or(UdpCallError::NoRoute)?;
        let port = port.or(send.source.map(|source| source.port())).filter(|port| *port != 0);
        let port = port.ok_or(UdpCallError::AddressNotAvailable)?;
        if !self.may_send_from(interface, address) {
            return Err(UdpCallError::AddressNotAvailable);
        }
        if address.is_ipv4() != destination.is_ipv4() {
            return Err(UdpCallError::InvalidDestination);
        }
        let path = self.path(now, interface, destination.ip());
        check_length(&send, address.is_ipv4(), usize::from(path.mtu))?;
        Ok(Outgoing {
            key,
            source: SocketAddr::new(address, port),
            destination,
            payload: send.payload,
            segment_size: send.segment_size,
            traffic_class: send.traffic_class,
            hop_limit: send.hop_limit,
        })
    }

    /// Takes the next datagram that was received.
    ///
    /// # Errors
    /// Nothing to read, no socket, or an ICMP error for the connected peer.
    pub fn udp_receive(&mut self, key: UdpKey) -> Result<Datagram, UdpCallError> {
        self.udp.get_mut(key)?.pop()
    }

    /// Looks at the datagram that [`udp_receive`](Self::udp_receive) would take.
    ///
    /// # Errors
    /// As [`udp_receive`](Self::udp_receive); an ICMP error is taken by that.
    pub fn udp_peek(&mut self, key: UdpKey) -> Result<Datagram, UdpCallError> {
        self.udp.get_mut(key)?.peek()
    }

    /// Takes [`udp_connect`](Self::udp_connect) back.
    ///
    /// # Errors
    /// No such socket.
    pub fn udp_disconnect(&mut self, key: UdpKey) -> Result<(), UdpCallError> {
        self.udp.get_mut(key)?.connected = None;
        Ok(())
    }

    /// Takes the oldest ICMP error about what the socket sent. Connected and any-port sockets have them.
    pub fn udp_failure(&mut self, key: UdpKey) -> Option<UdpFailure> {
        self.udp.get_mut(key).ok()?.take_failure()
    }

    /// Closes a socket. What it has queued is still sent; what it has not read is lost.
    pub fn udp_close(&mut self, key: UdpKey) {
        self.udp.close(key);
    }

    /// What is known of a socket.
    #[must_use]
    pub fn udp_info(&self, key: UdpKey) -> Option<UdpInfo> {
        self.udp.get(key).ok().map(|socket| socket.info(key))
    }

    /// Every UDP socket.
    #[must_use]
    pub fn udp_sockets(&self) -> Vec<UdpInfo> {
        self.udp.iter().map(|(key, socket)| socket.info(key)).collect()
    }
}

/// Whether a datagram fits in a packet, and each one of a train in a wire packet.
fn check_length(send: &UdpSend, is_v4: bool, mtu: usize) -> Result<(), UdpCallError> {
    let headers = if is_v4 { 20 + 8 } else { 40 + 8 };
    // The IPv6 length field does not count the fixed header.
    let longest = usize::from(u16::MAX) - if is_v4 { headers } else { 8 };
    let size_fits = send.segment_size.is_none_or(|size| size > 0 && usize::from(size) + headers <= mtu);
    let train_fits = send.segment_size.is_none() || send.payload.len() + headers <= usize::from(u16::MAX);
    if send.payload.len() > longest || !size_fits || !train_fits { Err(UdpCallError::TooLong) } else { Ok(()) }
}
