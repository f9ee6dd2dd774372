//! The host's ports that lead to the program: bound before it runs, so that a port that is taken is known before
//! anything has happened.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bowline::{Datagram, Net};
use bytes::Bytes;
use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};

use crate::addresses::{GUEST_V4, GUEST_V6};
use crate::flows::{Shared, relay};
use crate::forward::{Forward, Protocol};
use crate::host::train;
use crate::target::as_seen_inside;

/// Peers that a forwarded UDP port remembers, so that answers leave by it.
const MAX_PEERS: usize = 1024;

/// Connections that may wait to be accepted; the host's `net.core.somaxconn` is the limit where it is smaller.
const BACKLOG: i32 = 4096;

/// Ports that are bound and not served yet.
#[derive(Debug, Default)]
pub struct Ports {
    tcp: Vec<(std::net::TcpListener, u16)>,
    udp: Vec<(std::net::UdpSocket, u16)>,
}

impl Ports {
    /// Binds every port.
    ///
    /// # Errors
    /// The forward that could not be bound, and why.
    pub fn bind(forwards: &[Forward]) -> Result<Self, (Forward, io::Error)> {
        let mut ports = Self::default();
        for forward in forwards {
            // the IPv6 socket of a port leaves IPv4 to that port's IPv4 socket, where there is one
            let only_v6 = forwards.iter().any(|other| {
                (other.protocol, other.listen.port()) == (forward.protocol, forward.listen.port())
                    && other.listen.is_ipv4()
            });
            ports.add(forward, only_v6).map_err(|error| (*forward, error))?;
        }
        Ok(ports)
    }

    fn add(&mut self, forward: &Forward, only_v6: bool) -> io::Result<()> {
        let kind = match forward.protocol {
            Protocol::Tcp => Type::STREAM,
            Protocol::Udp => Type::DGRAM,
        };
        let socket = Socket::new(Domain::for_address(forward.listen), kind.cloexec().nonblocking(), None)?;
        if forward.listen.is_ipv6() {
            socket.set_only_v6(only_v6)?;
        }
        match forward.protocol {
            Protocol::Tcp => {
                // connections of an earlier run may still be in TIME-WAIT
                socket.set_reuse_address(true)?;
                socket.bind(&forward.listen.into())?;
                socket.listen(BACKLOG)?;
                self.tcp.push((socket.into(), forward.guest));
            }
            Protocol::Udp => {
                socket.bind(&forward.listen.into())?;
                self.udp.push((socket.into(), forward.guest));
            }
        }
        Ok(())
    }

    /// Where the host listens, in the order of the forwards of each protocol.
    ///
    /// # Errors
    /// Those of `getsockname`.
    pub fn listening(&self) -> io::Result<Vec<SocketAddr>> {
        let tcp = self.tcp.iter().map(|(listener, _)| listener.local_addr());
        tcp.chain(self.udp.iter().map(|(socket, _)| socket.local_addr())).collect()
    }

    /// Serves the TCP ports from now on, and hands over the UDP ones.
    pub(crate) fn start(self, net: &Net, shared: &Arc<Shared>) -> io::Result<UdpPorts> {
        for (listener, port) in self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(serve_tcp(listener, port, net.clone(), Arc::clone(shared)));
        }
        let udp = self.udp.into_iter().map(|(socket, port)| {
            let is_ipv6 = socket.local_addr()?.is_ipv6();
            Ok(UdpPort {
                socket: tokio::net::UdpSocket::from_std(socket)?,
                guest: guest(port, is_ipv6),
                peers: Mutex::default(),
            })
        });
        udp.collect::<io::Result<_>>().map(UdpPorts)
    }
}

fn guest(port: u16, is_ipv6: bool) -> SocketAddr {
    SocketAddr::new(if is_ipv6 { IpAddr::V6(GUEST_V6) } else { IpAddr::V4(GUEST_V4) }, port)
}

async fn serve_tcp(listener: tokio::net::TcpListener, port: u16, net: Net, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((host, peer)) => {
                let (net, shared) = (net.clone(), Arc::clone(&shared));
                tokio::spawn(carry(host, peer, port, net, shared));
            }
            Err(error) => {
                // out of descriptors, most likely: connections wait in the kernel's queue meanwhile
                tracing::warn!(%error, "a forwarded port cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Carries a connection from outside in. The program sees who it really is, unless that is the host's loopback.
async fn carry(host: tokio::net::TcpStream, peer: SocketAddr, port: u16, net: Net, shared: Arc<Shared>) {
    let seen = as_seen_inside(peer);
    let destination = guest(port, seen.is_ipv6());
    let _ = host.set_nodelay(true);
    let connected = match net.connect_with(Some(seen), destination, None).await {
        // the same peer and port as a connection that the program sees already
        Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) => {
            net.connect_with(Some(SocketAddr::new(seen.ip(), 0)), destination, None).await
        }
        connected => connected,
    };
    match connected {
        Ok(inside) => {
            tracing::info!(source = %peer, %destination, "opened");
            let outward = shared.outward.begin();
            let result = relay::run(inside, host, &shared, outward).await;
            relay::report(peer, destination, &result);
        }
        Err(error) => {
            tracing::info!(source = %peer, %destination, %error, "refused");
            relay::reset(&host);
        }
    }
}

/// A forwarded UDP port.
#[derive(Debug)]
struct UdpPort {
    socket: tokio::net::UdpSocket,
    guest: SocketAddr,
    /// Who has sent something, as the program sees them and as they are; the latest last.
    peers: Mutex<VecDeque<(SocketAddr, SocketAddr)>>,
}

/// The forwarded UDP ports.
#[derive(Debug, Default)]
pub(crate) struct UdpPorts(Vec<UdpPort>);

impl UdpPorts {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The next datagram to a port: the program's address, who sent it, what.
    pub(crate) async fn receive(&self, port: usize) -> Option<(SocketAddr, SocketAddr, Bytes)> {
        let port = self.0.get(port)?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            match port.socket.recv_from(&mut buffer).await {
                Ok((len, from)) => {
                    port.remember(from);
                    return Some((port.guest, from, Bytes::copy_from_slice(buffer.get(..len)?)));
                }
                // an error about an earlier answer
                Err(error) => tracing::debug!(%error, "a forwarded port"),
            }
        }
    }

    /// Sends a datagram of the program's by the forwarded port that it came from, if it goes to somebody who has sent
    /// something to that port. A full queue loses it, as anywhere.
    pub(crate) fn answer(&self, datagram: &Datagram) -> bool {
        let port = self.0.iter().find(|port| port.guest == datagram.source);
        let Some((port, peer)) = port.and_then(|port| Some((port, port.peer(datagram.destination)?))) else {
            return false;
        };
        let _ = train::send(&port.socket, &datagram.payload, datagram.segment_size, peer);
        true
    }
}

impl UdpPort {
    fn remember(&self, from: SocketAddr) {
        let mut peers = self.peers.lock();
        if peers.back().is_some_and(|(_, peer)| *peer == from) {
            return;
        }
        peers.retain(|(_, peer)| *peer != from);
        if peers.len() >= MAX_PEERS {
            peers.pop_front();
        }
        peers.push_back((as_seen_inside(from), from));
    }

    fn peer(&self, seen: SocketAddr) -> Option<SocketAddr> {
        self.peers.lock().iter().rev().find(|(inside, _)| *inside == seen).map(|(_, peer)| *peer)
    }
}
