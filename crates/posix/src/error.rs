//! Which errno a failure is: of the connection, of a call on the stack, of an ICMP message.

use core::net::SocketAddr;

use bowline_stack::{ConnectError as OpenError, IcmpError, UdpCallError};
use bowline_tcp::{CallError, ConnectError, ConnectionError, ListenError, Profile};

use crate::abi::Errno;

/// What `SO_ERROR` says of a connection that ended. `past_fin`: the peer's FIN had come before.
pub(crate) fn of_connection(
    profile: Profile,
    error: ConnectionError,
    past_fin: bool,
    local: Option<SocketAddr>,
) -> Errno {
    let freebsd = profile == Profile::FreeBsd;
    match error {
        ConnectionError::Refused => Errno::ECONNREFUSED,
        // Linux: a reset in CLOSE-WAIT concerns only who goes on writing.
        ConnectionError::Reset if past_fin && !freebsd => Errno::EPIPE,
        ConnectionError::Reset => Errno::ECONNRESET,
        ConnectionError::TimedOut => Errno::ETIMEDOUT,
        ConnectionError::NetworkUnreachable if !freebsd => Errno::ENETUNREACH,
        ConnectionError::NetworkUnreachable | ConnectionError::HostUnreachable => Errno::EHOSTUNREACH,
        ConnectionError::ProtocolUnreachable if !freebsd => Errno::ENOPROTOOPT,
        ConnectionError::ProtocolUnreachable => Errno::ECONNREFUSED,
        ConnectionError::AdministrativelyProhibited if freebsd => Errno::ECONNREFUSED,
        ConnectionError::AdministrativelyProhibited if local.is_some_and(|local| local.is_ipv6()) => Errno::EACCES,
        ConnectionError::AdministrativelyProhibited => Errno::EHOSTUNREACH,
        ConnectionError::Aborted => Errno::ECONNABORTED,
    }
}

/// What an ICMP error about a datagram means to its sender.
pub(crate) fn of_icmp(profile: Profile, error: IcmpError, is_v4: bool) -> Errno {
    let freebsd = profile == Profile::FreeBsd;
    match error {
        IcmpError::NetworkUnreachable if !freebsd => Errno::ENETUNREACH,
        IcmpError::NetworkUnreachable | IcmpError::HostUnreachable => Errno::EHOSTUNREACH,
        IcmpError::TimeExceeded | IcmpError::NotReassembled => Errno::EHOSTUNREACH,
        IcmpError::PortUnreachable => Errno::ECONNREFUSED,
        IcmpError::ProtocolUnreachable | IcmpError::AdministrativelyProhibited if freebsd => Errno::ECONNREFUSED,
        IcmpError::ProtocolUnreachable => Errno::ENOPROTOOPT,
        IcmpError::AdministrativelyProhibited if is_v4 => Errno::EHOSTUNREACH,
        IcmpError::AdministrativelyProhibited => Errno::EACCES,
        IcmpError::PacketTooBig(_) => Errno::EMSGSIZE,
        IcmpError::ParameterProblem if freebsd => Errno::ENOPROTOOPT,
        // Not EPROTO, which is nowhere but here.
        IcmpError::ParameterProblem => Errno::ENOPROTOOPT,
    }
}

/// What the message says besides: the MTU of the next link, in bytes, where a packet was too big for it.
pub(crate) const fn info_of(error: IcmpError) -> u32 {
    if let IcmpError::PacketTooBig(mtu) = error { mtu } else { 0 }
}

/// The type and code of the message that says this.
pub(crate) const fn icmp_of(error: IcmpError, is_v4: bool) -> (u8, u8) {
    match (error, is_v4) {
        (IcmpError::NetworkUnreachable, true) => (3, 0),
        (IcmpError::HostUnreachable, true) => (3, 1),
        (IcmpError::ProtocolUnreachable, true) => (3, 2),
        (IcmpError::PortUnreachable, true) => (3, 3),
        (IcmpError::PacketTooBig(_), true) => (3, 4),
        (IcmpError::AdministrativelyProhibited, true) => (3, 13),
        (IcmpError::TimeExceeded, true) => (11, 0),
        (IcmpError::NotReassembled, true) => (11, 1),
        (IcmpError::ParameterProblem, true) => (12, 0),
        (IcmpError::NetworkUnreachable, false) => (1, 0),
        (IcmpError::AdministrativelyProhibited, false) => (1, 1),
        (IcmpError::HostUnreachable, false) => (1, 3),
        (IcmpError::PortUnreachable, false) => (1, 4),
        (IcmpError::PacketTooBig(_), false) => (2, 0),
        (IcmpError::TimeExceeded, false) => (3, 0),
        (IcmpError::NotReassembled, false) => (3, 1),
        (IcmpError::ParameterProblem, false) => (4, 0),
        (IcmpError::ProtocolUnreachable, false) => (4, 1),
    }
}

pub(crate) const fn of_open(error: OpenError) -> Errno {
    match error {
        OpenError::NoRoute => Errno::ENETUNREACH,
        OpenError::AddressNotAvailable => Errno::EADDRNOTAVAIL,
        OpenError::Tcp(ConnectError::AddressInUse | ConnectError::NoFreePort) => Errno::EADDRNOTAVAIL,
        OpenError::Tcp(ConnectError::InvalidDestination) => Errno::ENETUNREACH,
        OpenError::Tcp(ConnectError::TooMany | ConnectError::NoListener) => Errno::ENOBUFS,
    }
}

pub(crate) const fn of_listen(error: ListenError) -> Errno {
    match error {
        ListenError::AddressInUse => Errno::EADDRINUSE,
        ListenError::TooMany => Errno::ENOBUFS,
    }
}

/// What a call on a live connection says; an end is reported by its socket instead.
pub(crate) const fn of_call(error: CallError) -> Errno {
    match error {
        CallError::WouldBlock => Errno::EAGAIN,
        CallError::NoConnection => Errno::ENOTCONN,
        CallError::Closing | CallError::Ended(_) => Errno::EPIPE,
        CallError::Invalid => Errno::EINVAL,
    }
}

pub(crate) fn of_udp(profile: Profile, error: UdpCallError) -> Errno {
    match error {
        UdpCallError::WouldBlock => Errno::EAGAIN,
        UdpCallError::NoSocket => Errno::EBADF,
        UdpCallError::AddressInUse => Errno::EADDRINUSE,
        UdpCallError::AddressNotAvailable => Errno::EADDRNOTAVAIL,
        UdpCallError::TooMany => Errno::ENOBUFS,
        UdpCallError::NotConnected => Errno::EDESTADDRREQ,
        UdpCallError::InvalidDestination => Errno::EINVAL,
        UdpCallError::NoRoute => Errno::ENETUNREACH,
        UdpCallError::TooLong => Errno::EMSGSIZE,
        UdpCallError::Icmp(error) => of_icmp(profile, error, true),
    }
}
