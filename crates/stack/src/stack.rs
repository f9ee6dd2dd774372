//! The host: its parts, its clock and its calls. Input is in `receive`, output in `transmit`, ICMP in `icmp`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bowline_base::{Instant, KeyedHash, Randomness};
use bowline_tcp::{ConnectionKey, Endpoint, ListenerKey, Path};
use bytes::Bytes;

use bowline_wire::Cidr;

use crate::batch::Runs;
use crate::config::Config;
use crate::counters::Counters;
use crate::error::ConnectError;
use crate::event::Event;
use crate::icmp::Control;
use crate::interface::{IfaceId, Interface, Interfaces, Route, is_unicast};
use crate::pmtu::PathMtus;
use crate::rate::ErrorRate;
use crate::reassembly::Reassembly;
use crate::transmit::Turn;
use crate::udp::{Datagram, Outgoing, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey, UdpSend, UdpSockets};

/// A host with its interfaces, sockets and connections.
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) interfaces: Interfaces,
    pub(crate) tcp: Endpoint,
    pub(crate) udp: UdpSockets,
    pub(crate) reassembly: Reassembly,
    pub(crate) paths: PathMtus,
    pub(crate) error_rate: ErrorRate,
    /// ICMP messages to send.
    pub(crate) control: VecDeque<Control>,
    /// Pings, their answers and their errors, for the caller.
    pub(crate) echoes: VecDeque<Event>,
    pub(crate) random: Randomness,
    /// For flow labels and identifications, which peers see: not the key of any table.
    pub(crate) public_hash: KeyedHash,
    pub(crate) turn: Turn,
    pub(crate) scratch: Vec<u8>,
    pub(crate) runs: Runs,
    pub(crate) counters: Counters,
}

impl Stack {
    /// A host without interfaces. All its randomness comes from `seed`: take it from the operating system, except where a run
    /// must be repeated. `now` begins its clock.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut random = Randomness::new(seed);
        let mut tcp_seed = [0; 32];
        for half in tcp_seed.chunks_exact_mut(16) {
            half.copy_from_slice(&random.secret_key());
        }
        let rate_hash = KeyedHash::new(random.secret_key());
        Self {
            interfaces: Interfaces::default(),
            tcp: Endpoint::new(config.tcp.clone(), tcp_seed),
            udp: UdpSockets::new(config.udp.clone()),
            reassembly: Reassembly::new(config.reassembly.clone()),
            paths: PathMtus::new(config.path_mtu.clone()),
            error_rate: ErrorRate::new(&config.icmp, rate_hash, now),
            control: VecDeque::new(),
            echoes: VecDeque::new(),
            public_hash: KeyedHash::new(random.secret_key()),
            random,
            turn: Turn::default(),
            scratch: Vec::new(),
            runs: Runs::default(),
            counters: Counters::default(),
            config,
        }
    }

    // ---- interfaces and routes

    /// Adds an interface; `None` where there are 65,536 already. Its addresses' networks are routes to it.
    pub fn add_interface(&mut self, interface: Interface) -> Option<IfaceId> {
        self.interfaces.add(interface)
    }

    /// The interface with this handle.
    #[must_use]
    pub fn interface(&self, id: IfaceId) -> Option<&Interface> {
        self.interfaces.get(id)
    }

    /// The same, to change its addresses or what its device can do.
    pub fn interface_mut(&mut self, id: IfaceId) -> Option<&mut Interface> {
        self.interfaces.get_mut(id)
    }

    /// Every interface.
    pub fn interfaces(&self) -> impl Iterator<Item = (IfaceId, &Interface)> {
        self.interfaces.iter()
    }

    /// Adds a route, or replaces the one to the same network. Of several that lead to a destination, the longest prefix wins.
    pub fn add_route(&mut self, route: Route) {
        self.interfaces.add_route(route);
    }

    /// Removes the route to this network; false where there is none.
    pub fn remove_route(&mut self, destination: Cidr) -> bool {
        self.interfaces.remove_route(destination)
    }

    /// The routes that were added, the longest prefix first.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        self.interfaces.routes()
    }

    // ---- the clock and events

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tcp.handle_timeout(now);
        while let Some(first) = self.reassembly.expire(now) {
            self.on_reassembly_timeout(now, first.as_ref());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `None`: not before something else happens.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        match (self.tcp.poll_timeout(), self.reassembly.poll_timeout()) {
            (Some(tcp), Some(reassembly)) => Some(tcp.min(reassembly)),
            (first, None) | (None, first) => first,
        }
    }

    /// The next thing that the caller may want to act on.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.tcp.has_events()
            && let Some(event) = self.tcp.poll_event()
        {
            return Some(Event::Tcp(event));
        }
        if let Some((key, readiness)) = self.udp.poll_event() {
            return Some(Event::Udp(key, readiness));
        }
        self.echoes.pop_front()
    }

    // ---- TCP

    /// TCP: its listeners and connections, and everything about them but active opens.
    #[must_use]
    pub const fn tcp(&self) -> &Endpoint {
        &self.tcp
    }

    /// The same, for calls.
    pub const fn tcp_mut(&mut self) -> &mut Endpoint {
        &mut self.tcp
    }

    /// Opens a connection. An absent or unspecified local address means the one that the route gives, port 0 an ephemeral one.
    ///
    /// # Errors
    /// No route, an address that is not ours, or what [`Endpoint::connect`] says.
    pub fn tcp_connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        options: Option<bowline_tcp::Options>,
    ) -> Result<ConnectionKey, ConnectError> {
        let (local, path) = self.way_to(now, local, remote)?;
        Ok(self.tcp.connect(now, local, remote, path, options)?)
    }

    /// Opens a connection from the port of a listener, which is closed by that: LISTEN to SYN-SENT (RFC 9293 3.10.1).
    ///
    /// # Errors
    /// As [`tcp_connect`](Self::tcp_connect).
    pub fn tcp_connect_from(
        &mut self,
        now: Instant,
        listener: ListenerKey,
        remote: SocketAddr,
    ) -> Result<ConnectionKey, ConnectError> {
        let (local, path) = self.way_to(now, None, remote)?;
        Ok(self.tcp.connect_from(now, listener, local.ip(), remote, path)?)
    }

    fn way_to(
        &self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<(SocketAddr, Path), ConnectError> {
        let (_, interface, source) = self.interfaces.route(remote.ip()).ok_or(ConnectError::NoRoute)?;
        let port = local.map_or(0, |local| local.port());
        // RFC 9293 3.9.1.1, MUST-44.
        let wanted = local.map(|local| local.ip()).filter(|address| !address.is_unspecified());
        let address = wanted.or(source).ok_or(ConnectError::NoRoute)?;
        if address.is_ipv4() != remote.is_ipv4() || !self.may_send_from(interface, address) {
            return Err(ConnectError::AddressNotAvailable);
        }
        Ok((SocketAddr::new(address, port), self.path(now, interface, remote.ip())))
    }

    /// What TCP needs to know of the way to `remote` by `interface`.
    pub(crate) fn path(&self, now: Instant, interface: &Interface, remote: IpAddr) -> Path {
        let capabilities = &interface.capabilities;
        let mtu = self.paths.get(now, remote, capabilities.mtu);
        Path { mtu, link_mtu: capabilities.mtu, lossless: capabilities.lossless }
    }

    /// Whether packets from `address` may leave by `interface`.
    pub(crate) fn may_send_from(&self, interface: &Interface, address: IpAddr) -> bool {
        let is_ours = self.interfaces.is_own(address) || (interface.loopback && address.is_loopback());
        is_ours || (interface.any_ip && is_unicast(address) && !address.is_loopback())
    }

    /// Whether a socket or a listener may be on `address`: it is unspecified, or ours, or an any-IP interface makes it so.
    /// [`Endpoint::listen`] takes any address, since it knows none.
    #[must_use]
    pub fn may_bind(&self, address: IpAddr) -> bool {
        address.is_unspecified() || self.interfaces.iter().any(|(_, interface)| self.may_send_from(interface, address))
    }

    // ---- UDP

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

    // ---- looking

    /// What was counted; TCP's own counters are in [`tcp`](Self::tcp).
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Datagrams under reassembly, and what they cost in bytes.
    #[must_use]
    pub fn reassembly_usage(&self) -> (usize, usize) {
        self.reassembly.usage()
    }

    /// How many narrow paths are remembered.
    #[must_use]
    pub fn path_mtu_entries(&self) -> usize {
        self.paths.len()
    }

    /// The MTU of the path to `remote` as known now, in bytes; `None` without a route.
    #[must_use]
    pub fn path_mtu(&self, now: Instant, remote: IpAddr) -> Option<u16> {
        let (_, interface, _) = self.interfaces.route(remote)?;
        Some(self.path(now, interface, remote).mtu)
    }

    /// Hands bytes to the caller's event queue, where there is room.
    pub(crate) fn push_echo(&mut self, event: Event) {
        if self.echoes.len() < self.config.icmp.max_queue {
            self.echoes.push_back(event);
        }
    }

    /// A payload that pins little: a copy, unless it is most of its buffer.
    pub(crate) fn keep(data: Bytes, pinned: usize) -> Bytes {
        if data.len() < pinned / 2 { Bytes::copy_from_slice(&data) } else { data }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("interfaces", &self.interfaces)
            .field("udp_sockets", &self.udp.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
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
