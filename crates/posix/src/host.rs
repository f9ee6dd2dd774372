//! A host with sockets: one stack with one interface, a table of descriptors, and the loop between packets and calls.
//!
//! Decides nothing of what a call means; that is in the modules named after the calls. Knows no clock and no device.

use core::net::IpAddr;
use std::collections::{HashMap, VecDeque};

use bowline_base::{Instant, random::Randomness};
use bowline_stack::{Cidr, Config, Event, IfaceId, Interface, Route, Stack, UdpKey, UdpReadiness};
use bowline_tcp::{ConnectionKey, ListenerKey, Md5Key, Profile, Readiness};
use bowline_wire::checksum::Accumulator;
use bowline_wire::{Capabilities, RxPacket, TxPacket};
use bytes::Bytes;

use crate::abi::{Abi, Errno};
use crate::call::{Call, Fd, Progress, Reply, Waiting};
use crate::descriptors::Descriptors;
use crate::error;
use crate::socket::{Role, Settings, Socket};

/// What a handler of a call says: an error, a reply, or that it has to wait.
pub(crate) type Step = Result<Option<Reply>, Errno>;

/// What a host is made of.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Whose behaviour sockets have where systems differ; and, with [`HostConfig::new`], what the stack starts with.
    pub profile: Profile,
    /// Whose numbers and structs calls take.
    pub abi: Abi,
    /// The stack.
    pub stack: Config,
    /// Our addresses. What needs a source address takes the first of its version.
    pub addresses: Vec<IpAddr>,
    /// Whether every other unicast address counts as ours, too; default true.
    pub any_address: bool,
    /// The link's MTU in bytes; default 1,500.
    pub mtu: u16,
    /// Whether super-segments leave as one packet of up to 64 KiB, as from a device with segmentation offload; default: as the
    /// profile's system does it (Linux and Bowline do, FreeBSD does not).
    pub super_segments: bool,
    /// Descriptors; default 1,024.
    pub max_descriptors: usize,
}

impl HostConfig {
    /// A host of this profile, with its system's numbers, and the addresses 192.168.0.1 and fd3d:0a0b:17d6::1.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let is_freebsd = profile == Profile::FreeBsd;
        Self {
            profile,
            abi: if is_freebsd { Abi::FreeBsd } else { Abi::Linux },
            stack: Config::profile(profile),
            addresses: vec![IpAddr::from([192, 168, 0, 1]), IpAddr::from([0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1])],
            any_address: true,
            mtu: 1_500,
            super_segments: !is_freebsd,
            max_descriptors: 1_024,
        }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self::new(Profile::default())
    }
}

/// A host with BSD sockets. See the [crate's page](crate).
#[derive(Debug)]
pub struct Host {
    pub(crate) profile: Profile,
    pub(crate) abi: Abi,
    pub(crate) stack: Stack,
    pub(crate) interface: IfaceId,
    pub(crate) fds: Descriptors,
    pub(crate) random: Randomness,
    pub(crate) settings: Settings,
    pub(crate) ephemeral: (u16, u16),
    /// What FreeBSD's IPsec has for signatures with MD5.
    pub(crate) md5_secret: Option<Md5Key>,
    connections: HashMap<ConnectionKey, Fd>,
    listeners: HashMap<ListenerKey, Fd>,
    datagrams: HashMap<UdpKey, Fd>,
    /// Descriptors that wait to be told of what they sent.
    pub(crate) noticed: Vec<Fd>,
    outbox: VecDeque<Vec<u8>>,
}

impl Host {
    /// A host. All its randomness comes from `seed`; `now` begins its clock.
    #[must_use]
    pub fn new(config: HostConfig, seed: [u8; 32], now: Instant) -> Self {
        let HostConfig { profile, abi, stack, addresses, any_address, mtu, super_segments, max_descriptors } = config;
        let mut random = Randomness::new(seed);
        let mut stack_seed = [0; 32];
        for half in stack_seed.chunks_exact_mut(16) {
            half.copy_from_slice(&random.secret_key());
        }
        let settings = Settings::new(profile, stack.tcp.options.clone());
        let ephemeral = stack.tcp.ephemeral_ports;
        let mut stack = Stack::new(stack, stack_seed, now);
        let capabilities =
            Capabilities { checksum: super_segments, tcp_segmentation: super_segments, ..Capabilities::plain(mtu) };
        let own = addresses.into_iter().map(|address| Cidr::new(address, if address.is_ipv4() { 32 } else { 128 }));
        let mut interface = Interface::new(capabilities, own);
        interface.any_ip = any_address;
        // The first interface always finds a place.
        let interface = stack.add_interface(interface).unwrap_or(IfaceId::FIRST);
        for all in [IpAddr::from([0_u8; 4]), IpAddr::from([0_u16; 8])] {
            stack.add_route(Route { destination: Cidr::new(all, 0), interface, source: None });
        }
        Self {
            profile,
            abi,
            stack,
            interface,
            fds: Descriptors::new(max_descriptors),
            md5_secret: None,
            random,
            settings,
            ephemeral,
            connections: HashMap::new(),
            listeners: HashMap::new(),
            datagrams: HashMap::new(),
            noticed: Vec::new(),
            outbox: VecDeque::new(),
        }
    }

    /// Whose numbers calls take.
    #[must_use]
    pub const fn abi(&self) -> Abi {
        self.abi
    }

    /// Whose behaviour sockets have.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The stack, to look at: counters, tables, and the event stream.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The same, for its trace and for what has no call here.
    pub const fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    // ---- packets and time

    /// A packet arrives: raw IP, as from a TUN device. Nothing is checked before; what makes no sense is counted and dropped.
    pub fn packet_in(&mut self, now: Instant, packet: &[u8]) {
        self.joined_packet_in(now, packet, None);
    }

    /// The same, of a packet that a device has put together of segments, each with `segment_size` bytes of text but the last.
    pub fn joined_packet_in(&mut self, now: Instant, packet: &[u8], segment_size: Option<u16>) {
        let pinned = packet.len();
        let packet = RxPacket { data: Bytes::copy_from_slice(packet), pinned, segment_size, ..RxPacket::default() };
        self.stack.handle_packet(now, self.interface, packet);
        self.drain(now);
    }

    /// The next packet to send, raw IP with complete checksums.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Vec<u8>> {
        while self.outbox.is_empty() {
            let outbox = &mut self.outbox;
            if !self.stack.poll_transmit(now, &mut |_, packet| outbox.push_back(complete(&packet))) {
                break;
            }
        }
        self.drain(now);
        self.outbox.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, once [`poll_packet`](Self::poll_packet) has nothing more.
    /// Blocked calls have deadlines of their own: [`Waiting::deadline`].
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.stack.handle_timeout(now);
        self.drain(now);
    }

    // ---- calls that may wait

    /// Makes a call. On a nonblocking descriptor, or with `MSG_DONTWAIT`, it returns at once.
    pub fn call(&mut self, now: Instant, call: Call) -> Progress {
        self.resume(now, Waiting::new(call))
    }

    /// Goes on with a blocked call: after a packet, a time-out or another call, and at its deadline.
    pub fn resume(&mut self, now: Instant, mut waiting: Waiting) -> Progress {
        let step = self.step(now, &mut waiting);
        self.drain(now);
        match step {
            Ok(None) => Progress::Waits(waiting),
            Ok(Some(reply)) => Progress::Done(Ok(reply)),
            Err(errno) => Progress::Done(Err(errno)),
        }
    }

    fn step(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        match &waiting.call {
            Call::Accept { fd, flags } => self.accept(now, waiting, *fd, *flags),
            Call::Connect { fd, address } => {
                let (fd, address) = (*fd, *address);
                self.connect(now, waiting, fd, address)
            }
            Call::Read { .. } | Call::Receive { .. } => self.receive(now, waiting),
            Call::Write { .. } | Call::Send { .. } => self.send(now, waiting),
            Call::Close { fd } => self.close(now, waiting, *fd),
            Call::Poll { .. } => self.poll(now, waiting),
            Call::EpollWait { .. } => self.epoll_wait(now, waiting),
            Call::Splice { .. } => self.splice(now, waiting),
        }
    }

    // ---- what the stack tells

    /// Takes the stack's events to their sockets.
    pub(crate) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::Tcp(bowline_tcp::Event::Connection(key, ready)) => self.on_connection(now, key, ready),
                Event::Tcp(bowline_tcp::Event::Listener(key)) => {
                    let fd = self.listeners.get(&key).copied();
                    self.touch(fd);
                }
                Event::Udp(key, ready) => {
                    let fd = self.datagrams.get(&key).copied();
                    self.touch(fd);
                    if ready.contains(UdpReadiness::ERROR) {
                        self.on_datagram_error(key);
                    }
                }
                // The stack has answered the pings to our own addresses; for the others the host is as good.
                Event::EchoRequest(echo) => self.stack.echo_reply(&echo),
                Event::EchoReply(_) | Event::EchoError(..) => {}
            }
        }
        self.tell_notices(now);
    }

    fn touch(&mut self, fd: Option<Fd>) {
        if let Some(Ok(socket)) = fd.map(|fd| self.fds.socket_mut(fd)) {
            socket.activity += 1;
        }
    }

    fn on_connection(&mut self, now: Instant, key: ConnectionKey, ready: Readiness) {
        let Some(&fd) = self.connections.get(&key) else { return };
        let failure = self.stack.tcp().error(key);
        let past_fin = self.stack.tcp().has_received_fin(key);
        let profile = self.profile;
        let Ok(socket) = self.fds.socket_mut(fd) else { return };
        socket.activity += 1;
        if let Role::Opening(_) = socket.role
            && ready.contains(Readiness::CONNECTED)
        {
            socket.role = Role::Open(key);
            let patience = socket.settings.tcp.user_timeout;
            // It is there, or it has ended and needs no patience.
            let _ = self.stack.tcp_mut().set_options(now, key, |options| options.user_timeout = patience);
        }
        let is_over = ready.contains(Readiness::CLOSED) && !core::mem::replace(&mut socket.ended, true);
        self.discard_unread(now, fd);
        let Ok(socket) = self.fds.socket_mut(fd) else { return };
        if !is_over {
            return;
        }
        if let Some(failure) = failure {
            socket.error = Some(error::of_connection(profile, failure, past_fin, socket.local));
        }
        if let Role::Opening(_) = socket.role {
            // The open has failed: the socket is what it was before, but that nothing goes in or out until the next one.
            (socket.shut_read, socket.shut_write) = (true, true);
            self.forget_connection(now, fd);
        }
    }

    /// A socket lets go of its connection, and is idle again.
    pub(crate) fn forget_connection(&mut self, now: Instant, fd: Fd) {
        let Ok(socket) = self.fds.socket_mut(fd) else { return };
        let Some(key) = socket.connection() else { return };
        socket.role = Role::Idle;
        if !socket.bound {
            socket.local = None;
        }
        self.connections.remove(&key);
        self.stack.tcp_mut().abort(now, key);
    }

    // ---- who belongs to whom

    pub(crate) fn own_connection(&mut self, key: ConnectionKey, fd: Fd) {
        self.connections.insert(key, fd);
    }

    pub(crate) fn disown_connection(&mut self, key: ConnectionKey) {
        self.connections.remove(&key);
    }

    pub(crate) fn own_listener(&mut self, key: ListenerKey, fd: Fd) {
        self.listeners.insert(key, fd);
    }

    pub(crate) fn disown_listener(&mut self, key: ListenerKey) {
        self.listeners.remove(&key);
    }

    pub(crate) fn own_datagrams(&mut self, key: UdpKey, fd: Fd) {
        self.datagrams.insert(key, fd);
    }

    pub(crate) fn disown_datagrams(&mut self, key: UdpKey) {
        self.datagrams.remove(&key);
    }

    /// The socket that a UDP key belongs to.
    pub(crate) fn datagram_socket(&mut self, key: UdpKey) -> Option<&mut Socket> {
        let fd = *self.datagrams.get(&key)?;
        self.fds.socket_mut(fd).ok()
    }

    /// A port of these (inclusive) that no socket's name has, at random, and if luck fails the next one.
    pub(crate) fn free_port(&mut self, (low, high): (u16, u16), is_free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        let count = u64::from(high.saturating_sub(low)) + 1;
        let start = self.random.below(count);
        (0..count).map(|i| low + ((start + i) % count) as u16).find(|port| is_free(self, *port))
    }
}

/// A packet as bytes, its checksum completed where a device would do it.
fn complete(packet: &TxPacket<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.len()];
    packet.copy_to(&mut bytes);
    if let Some(partial) = packet.checksum {
        let (start, at) = (usize::from(partial.start), usize::from(partial.start + partial.offset));
        let mut sum = Accumulator::default();
        sum.add(bytes.get(start..).unwrap_or_default());
        if let Some(field) = bytes.get_mut(at..at + 2) {
            field.copy_from_slice(&sum.finish().to_be_bytes());
        }
    }
    bytes
}
