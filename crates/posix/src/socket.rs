//! What a socket is beside what the stack knows of it: names, options, and what it is at the moment.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use bowline_stack::UdpKey;
use bowline_tcp::{ConnectionKey, Keepalive, ListenerKey, Options};

use crate::abi::{Address, Errno, Linger};
use crate::notices::{Notices, QueuedError};

/// `AF_INET` or `AF_INET6`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Inet,
    Inet6,
}

/// What a socket is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// A stream socket that is neither connected nor listening.
    Idle,
    /// LISTEN.
    Listening(ListenerKey),
    /// SYN-SENT, or SYN-RECEIVED after an active open.
    Opening(ConnectionKey),
    /// Connected once; perhaps over.
    Open(ConnectionKey),
    /// A datagram socket, bound or not.
    Datagram(Option<UdpKey>),
}

/// Options that the stack does not keep, and those of sockets without a connection.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What a connection or listener of this socket begins with.
    pub(crate) tcp: Options,
    pub(crate) debug: bool,
    pub(crate) reuse_addr: bool,
    pub(crate) reuse_port: bool,
    pub(crate) broadcast: bool,
    pub(crate) no_sigpipe: bool,
    pub(crate) priority: i32,
    pub(crate) mark: u32,
    pub(crate) linger: Linger,
    pub(crate) rcvlowat: i32,
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    /// How long an open may take (`TCP_KEEPINIT`), where the system says so.
    pub(crate) keep_init: Option<Duration>,
    /// As `getsockopt` shows them: on Linux twice what was asked for.
    pub(crate) rcvbuf: u32,
    pub(crate) sndbuf: u32,
    /// As `getsockopt` shows it: zero where the host's default counts.
    pub(crate) notsent_lowat: u32,
    pub(crate) keep: Keepalive,
    pub(crate) ttl: u8,
    pub(crate) hops: u8,
    pub(crate) tos: u8,
    pub(crate) tclass: u8,
    pub(crate) v6only: bool,
    pub(crate) mtu_discover: i32,
    pub(crate) recverr: bool,
    pub(crate) recverr6: bool,
    pub(crate) recvttl: bool,
    pub(crate) recvtos: bool,
    pub(crate) recvhoplimit: bool,
    pub(crate) recvtclass: bool,
    pub(crate) bind_no_port: bool,
    /// As `IP_LOCAL_PORT_RANGE` has it: the first port below, the last one above.
    pub(crate) port_range: u32,
    /// It may be named by an address that is not ours (yet).
    pub(crate) free_bind: bool,
    pub(crate) inq: bool,
    /// `TCP_CORK` as the user set it; `MSG_MORE` corks for a while.
    pub(crate) cork: bool,
}

/// A socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) family: Family,
    pub(crate) role: Role,
    /// Our name, as on the wire (IPv4-mapped addresses unmapped).
    pub(crate) local: Option<SocketAddr>,
    /// Whether the user chose the port, so that it outlives a failed connect.
    pub(crate) bound: bool,
    /// The peer of a connected datagram socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) settings: Settings,
    /// `SO_ERROR`: reported once.
    pub(crate) error: Option<Errno>,
    pub(crate) errors: VecDeque<QueuedError>,
    /// What it wants to be told of what it sends.
    pub(crate) notices: Notices,
    /// The user closed the reading, the writing half.
    pub(crate) shut_read: bool,
    pub(crate) shut_write: bool,
    /// Whether the failure of the connection has been put into `error`.
    pub(crate) ended: bool,
    /// Whether `connect` has reported success (Linux does so once more after `EINPROGRESS`).
    pub(crate) reported: bool,
    /// Counts what happens, for edge-triggered events.
    pub(crate) activity: u64,
}

impl Socket {
    pub(crate) fn new(family: Family, role: Role, settings: Settings) -> Self {
        Self {
            family,
            role,
            local: None,
            bound: false,
            peer: None,
            settings,
            error: None,
            errors: VecDeque::new(),
            notices: Notices::default(),
            shut_read: false,
            shut_write: false,
            ended: false,
            reported: false,
            activity: 0,
        }
    }

    /// The connection, if there is or was one.
    pub(crate) const fn connection(&self) -> Option<ConnectionKey> {
        match self.role {
            Role::Opening(key) | Role::Open(key) => Some(key),
            _ => None,
        }
    }

    /// Whether it is a stream socket.
    pub(crate) const fn is_stream(&self) -> bool {
        !matches!(self.role, Role::Datagram(_))
    }

    /// An address as this socket shows it.
    pub(crate) fn show(&self, address: SocketAddr) -> Address {
        Address::Inet(match self.family {
            Family::Inet => address,
            Family::Inet6 => crate::abi::mapped(address),
        })
    }

    /// The address without a port that stands for every one of this socket's family.
    pub(crate) const fn any(&self) -> IpAddr {
        match self.family {
            Family::Inet => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            Family::Inet6 => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        }
    }

    /// What the stack listens on: an address, `0.0.0.0` or `::` for all of that version, `None` for all of both.
    pub(crate) fn listen_address(&self) -> Option<IpAddr> {
        let address = self.local.map_or(self.any(), |local| local.ip());
        let both =
            self.family == Family::Inet6 && address.is_unspecified() && address.is_ipv6() && !self.settings.v6only;
        (!both).then_some(address)
    }

    /// Whether another socket's name leaves no room for this one's on the same port.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self.listen_address(), other.listen_address()) {
            (Some(ours), Some(theirs)) => {
                ours == theirs
                    || (ours.is_ipv4() == theirs.is_ipv4() && (ours.is_unspecified() || theirs.is_unspecified()))
            }
            _ => true,
        }
    }
}
