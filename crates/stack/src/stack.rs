//! The host: its parts, its clock and its calls. Input is in `receive`, output in `transmit`, ICMP in `icmp`, what UDP sockets
//! are called for in `datagrams`.

mod datagrams;

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
use crate::udp::UdpSockets;

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
