//! Datagrams: every address and port that the program sends from gets a socket of the host's, which talks to everybody
//! (endpoint-independent mapping, RFC 4787 REQ-1), so that what works outside works inside.
//!
//! Queries to the name server have a socket for each port of the program's and each of the host's name servers, and hear that
//! one alone.
//! Mappings end after a silence; when there are too many, the one silent for longest yields.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline::{Datagram, Net, UdpSend, UdpSocket};
use bytes::Bytes;
use parking_lot::Mutex;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::time::{Instant, sleep_until};

use super::{READ_SIZE, Shared, icmp};
use crate::host::resolver::PORT as DNS_PORT;
use crate::host::{Verdict, errors, train};
use crate::ports::UdpPorts;
use crate::target::{Target, as_seen_inside};

/// How long a mapping may be silent (RFC 4787 REQ-5: two minutes at least, five recommended; here as slirp and pasta).
const IDLE: Duration = Duration::from_secs(180);

/// How long where all it has carried were queries to port 53.
const IDLE_DNS: Duration = Duration::from_secs(30);

/// Mappings at once, unless the descriptors suffice for fewer.
const MAX_MAPPINGS: usize = 4096;

/// Bytes of datagrams that may wait between the stack and here, in each direction: a few milliseconds at full speed.
const QUEUE_BYTES: usize = 4 << 20;

/// Who sends, and whether to the name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: SocketAddr,
    dns: Option<Query>,
}

/// The address that the program asks, and the name server that gets the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Query {
    asked: IpAddr,
    server: SocketAddr,
}

impl Key {
    /// How the program knows `peer`.
    fn peer(&self, peer: SocketAddr) -> SocketAddr {
        match self.dns {
            Some(query) => SocketAddr::new(query.asked, DNS_PORT),
            None => as_seen_inside(peer),
        }
    }
}

/// A socket of the host's and when it was last of use.
struct Mapping {
    socket: tokio::net::UdpSocket,
    state: Mutex<State>,
}

struct State {
    until: Instant,
    /// Whether anything but queries has passed.
    is_general: bool,
    hop_limit: u8,
}

impl Mapping {
    fn touch(&self, port: u16) {
        let mut state = self.state.lock();
        state.is_general |= port != DNS_PORT;
        state.until = Instant::now() + if state.is_general { IDLE } else { IDLE_DNS };
    }

    /// Sends with a hop limit one less, as a router does.
    fn send(&self, datagram: &Datagram, to: SocketAddr) -> io::Result<()> {
        let hop_limit = datagram.hop_limit.saturating_sub(1);
        {
            let mut state = self.state.lock();
            if state.hop_limit != hop_limit {
                let socket = SockRef::from(&self.socket);
                match to {
                    SocketAddr::V4(_) => socket.set_ttl_v4(hop_limit.into())?,
                    SocketAddr::V6(_) => socket.set_unicast_hops_v6(hop_limit.into())?,
                }
                state.hop_limit = hop_limit;
            }
        }
        // not by the runtime, which calls a socket that it has not watched yet not ready
        train::send(&self.socket, &datagram.payload, datagram.segment_size, to)
    }
}

/// Everything about datagrams.
pub(crate) struct Udp {
    stack: UdpSocket,
    shared: Arc<Shared>,
    ports: UdpPorts,
    mappings: Mutex<HashMap<Key, Arc<Mapping>>>,
    limit: usize,
}

impl Udp {
    pub(crate) fn new(net: &Net, shared: Arc<Shared>, ports: UdpPorts, limit: usize) -> io::Result<Arc<Self>> {
        let bind = bowline::UdpBind {
            receive_buffer: QUEUE_BYTES,
            send_buffer: QUEUE_BYTES,
            trains: true,
            ..bowline::UdpBind::any_port()
        };
        let stack = UdpSocket::bind_with(net, bind)?;
        let limit = limit.clamp(1, MAX_MAPPINGS);
        Ok(Arc::new(Self { stack, shared, ports, mappings: Mutex::default(), limit }))
    }

    /// Serves the program's datagrams until the network stops.
    pub(crate) async fn serve(self: Arc<Self>) {
        for port in 0..self.ports.len() {
            tokio::spawn(Arc::clone(&self).serve_port(port));
        }
        while let Ok(datagram) = self.stack.recv_datagram().await {
            if let Err(verdict) = self.forward(&datagram) {
                self.refuse(&datagram, verdict);
            }
            self.shared.datagrams.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn refuse(&self, datagram: &Datagram, verdict: Verdict) {
        let (source, destination) = (datagram.source, datagram.destination);
        tracing::debug!(%source, %destination, ?verdict, "datagram refused");
        if let Some(error) = icmp(verdict) {
            let len = datagram.segment_size.map_or(datagram.payload.len(), usize::from);
            self.stack.report_unreachable(source, destination, len, error);
        }
    }

    fn forward(self: &Arc<Self>, datagram: &Datagram) -> Result<(), Verdict> {
        if datagram.hop_limit <= 1 {
            return Err(Verdict::TimeExceeded);
        }
        if self.ports.answer(datagram) {
            return Ok(());
        }
        match self.shared.targets().find(datagram.destination) {
            Target::Host(target) => self.send(datagram, Key { source: datagram.source, dns: None }, target),
            Target::Dns => self.ask(datagram),
            Target::Refused(verdict) => Err(verdict),
        }
    }

    /// Puts a question to the first name server that can be sent to.
    fn ask(self: &Arc<Self>, datagram: &Datagram) -> Result<(), Verdict> {
        let mut server = self.shared.resolver.lock().ask(Instant::now());
        loop {
            let dns = Some(Query { asked: datagram.destination.ip(), server });
            let sent = self.send(datagram, Key { source: datagram.source, dns }, server);
            let Err(verdict) = sent else { return Ok(()) };
            // no fault of the server's: the datagram is too large, or the gateway has run out of something
            if matches!(verdict, Verdict::TooBig(_) | Verdict::Silence) {
                return Err(verdict);
            }
            server = self.shared.resolver.lock().failed(server, Instant::now()).ok_or(verdict)?;
        }
    }

    fn send(self: &Arc<Self>, datagram: &Datagram, key: Key, target: SocketAddr) -> Result<(), Verdict> {
        let mapping = self.mapping(key, target)?;
        mapping.touch(target.port());
        match mapping.send(datagram, target) {
            Ok(()) => Ok(()),
            // a full queue loses datagrams, here as anywhere
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => Err(Verdict::TooBig(0)),
            // an error about an earlier datagram, which its queue tells better; this one was not sent
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                mapping.send(datagram, target).map_err(|error| Verdict::of(&error))
            }
            Err(error) => Err(Verdict::of(&error)),
        }
    }

    fn mapping(self: &Arc<Self>, key: Key, target: SocketAddr) -> Result<Arc<Mapping>, Verdict> {
        let mut mappings = self.mappings.lock();
        if let Some(mapping) = mappings.get(&key) {
            return Ok(Arc::clone(mapping));
        }
        if mappings.len() >= self.limit {
            let oldest = mappings.iter().min_by_key(|(_, mapping)| mapping.state.lock().until).map(|(key, _)| *key);
            // its task sees that it is not the mapping any more
            if let Some(mapping) = oldest.and_then(|key| mappings.remove(&key)) {
                mapping.state.lock().until = Instant::now();
            }
        }
        let socket = open(target.is_ipv6(), key.dns.map(|query| query.server))
            .map_err(|error| self.shared.failure(target, &error))?;
        let state = State { until: Instant::now() + IDLE_DNS, is_general: false, hop_limit: 0 };
        let mapping = Arc::new(Mapping { socket, state: Mutex::new(state) });
        mappings.insert(key, Arc::clone(&mapping));
        tokio::spawn(Arc::clone(self).serve_mapping(key, Arc::clone(&mapping)));
        Ok(mapping)
    }

    /// Brings back what comes to a mapping's socket, until it has been silent for long enough.
    async fn serve_mapping(self: Arc<Self>, key: Key, mapping: Arc<Mapping>) {
        loop {
            let until = mapping.state.lock().until;
            tokio::select! {
                ready = mapping.socket.ready(Interest::READABLE | Interest::ERROR) => {
                    if ready.is_err() {
                        break;
                    }
                    // taken back before looking, so that an error meanwhile is announced again
                    let _ = mapping.socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                    if !self.drain(key, &mapping).await {
                        break;
                    }
                }
                () = sleep_until(until) => {
                    if mapping.state.lock().until <= Instant::now() {
                        break;
                    }
                }
            }
        }
        let mut mappings = self.mappings.lock();
        if mappings.get(&key).is_some_and(|current| Arc::ptr_eq(current, &mapping)) {
            mappings.remove(&key);
        }
    }

    /// Reads everything there is. False once the network is gone.
    async fn drain(&self, key: Key, mapping: &Mapping) -> bool {
        loop {
            while let Ok(Some(error)) = errors::next(&mapping.socket) {
                self.report(key, &error);
            }
            let mut buffer = self.shared.waiting.take();
            match mapping.socket.try_recv_from(buffer.space()) {
                Ok((len, from)) => {
                    debug_assert!(len <= READ_SIZE, "a datagram is no larger than the buffer");
                    let payload = Bytes::copy_from_slice(buffer.space().get(..len).unwrap_or_default());
                    drop(buffer);
                    if !self.shared.targets().host_loopback
                        && from.ip().to_canonical().is_loopback()
                        && key.dns.is_none()
                    {
                        continue;
                    }
                    if let Some(query) = key.dns {
                        self.shared.resolver.lock().answered(query.server);
                    }
                    mapping.touch(from.port());
                    if self.deliver(key, from, payload).await.is_err() {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // one that is in the error queue too
                Err(_) => {}
            }
        }
    }

    async fn deliver(&self, key: Key, from: SocketAddr, payload: Bytes) -> io::Result<()> {
        let source = key.peer(from);
        let send = UdpSend { source: Some(source), ..UdpSend::to(key.source, payload) };
        match self.stack.send_datagram(send).await {
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => Err(error),
            Err(error) => {
                tracing::debug!(%error, %source, "a datagram could not be delivered");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Tells the program of an ICMP error about one of its datagrams. How long that was, nobody knows any more.
    fn report(&self, key: Key, error: &errors::QueuedError) {
        if let Some(query) = key.dns {
            self.shared.resolver.lock().failed(query.server, Instant::now());
        }
        let destination = key.peer(error.destination);
        if let Some(icmp) = icmp(error.verdict) {
            self.stack.report_unreachable(key.source, destination, 0, icmp);
        }
    }

    /// Brings in what comes to a forwarded port.
    async fn serve_port(self: Arc<Self>, port: usize) {
        while let Some((guest, from, payload)) = self.ports.receive(port).await {
            let send = UdpSend { source: Some(as_seen_inside(from)), ..UdpSend::to(guest, payload) };
            if let Err(error) = self.stack.send_datagram(send).await {
                tracing::debug!(%error, %from, "a datagram to a forwarded port could not be delivered");
            }
        }
    }
}

/// A socket on a port of the kernel's choice, that hears everybody, or `peer` alone, and learns of ICMP errors.
fn open(ipv6: bool, peer: Option<SocketAddr>) -> io::Result<tokio::net::UdpSocket> {
    let (domain, any) = if ipv6 {
        (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    } else {
        (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), None)?;
    if ipv6 {
        socket.set_only_v6(true)?;
    }
    errors::enable(&socket, ipv6)?;
    socket.bind(&SocketAddr::new(any, 0).into())?;
    if let Some(peer) = peer {
        socket.connect(&peer.into())?;
    }
    tokio::net::UdpSocket::from_std(socket.into())
}
