//! What goes wrong in TCP as `io::Error`s: the kinds and the numbers that a program knows from the kernel's sockets.

use std::io;

use bowline_stack::{ConnectError, IcmpError, SendError, UdpCallError};
use bowline_tcp::{CallError, ConnectionError, ListenError};

/// The error of a connection that ended early, as Linux reports it.
///
/// | here | Linux |
/// |---|---|
/// | refused, reset, timed out | `ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT` |
/// | network, host, protocol unreachable | `ENETUNREACH`, `EHOSTUNREACH`, `ENOPROTOOPT` |
/// | administratively prohibited | `EHOSTUNREACH` over IPv4, `EACCES` over IPv6 |
/// | aborted by us | `ECONNABORTED` |
#[must_use]
pub fn connection_error(error: ConnectionError, ipv6: bool) -> io::Error {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errno = match error {
            ConnectionError::Refused => Errno::CONNREFUSED,
            ConnectionError::Reset => Errno::CONNRESET,
            ConnectionError::TimedOut => Errno::TIMEDOUT,
            ConnectionError::NetworkUnreachable => Errno::NETUNREACH,
            ConnectionError::HostUnreachable => Errno::HOSTUNREACH,
            ConnectionError::ProtocolUnreachable => Errno::NOPROTOOPT,
            ConnectionError::AdministrativelyProhibited if ipv6 => Errno::ACCESS,
            ConnectionError::AdministrativelyProhibited => Errno::HOSTUNREACH,
            ConnectionError::Aborted => Errno::CONNABORTED,
        };
        errno.into()
    }
    #[cfg(not(unix))]
    {
        let kind = match error {
            ConnectionError::Refused => io::ErrorKind::ConnectionRefused,
            ConnectionError::Reset => io::ErrorKind::ConnectionReset,
            ConnectionError::TimedOut => io::ErrorKind::TimedOut,
            ConnectionError::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
            ConnectionError::HostUnreachable => io::ErrorKind::HostUnreachable,
            ConnectionError::ProtocolUnreachable => io::ErrorKind::Unsupported,
            ConnectionError::AdministrativelyProhibited if ipv6 => io::ErrorKind::PermissionDenied,
            ConnectionError::AdministrativelyProhibited => io::ErrorKind::HostUnreachable,
            ConnectionError::Aborted => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}

macro_rules! errors {
    ($($name:ident = $errno:ident / $kind:ident;)*) => {$(
        pub(crate) fn $name() -> io::Error {
            #[cfg(unix)]
            return rustix::io::Errno::$errno.into();
            #[cfg(not(unix))]
            return io::ErrorKind::$kind.into();
        }
    )*};
}

errors! {
    address_in_use = ADDRINUSE / AddrInUse;
    address_not_available = ADDRNOTAVAIL / AddrNotAvailable;
    invalid = INVAL / InvalidInput;
    not_connected = NOTCONN / NotConnected;
    too_many = NOBUFS / OutOfMemory;
    network_unreachable = NETUNREACH / NetworkUnreachable;
    broken_pipe = PIPE / BrokenPipe;
    network_down = NETDOWN / NetworkDown;
    message_too_long = MSGSIZE / InvalidInput;
    destination_required = DESTADDRREQ / InvalidInput;
    protocol_error = PROTO / InvalidData;
}

/// The error of a call on a connection: `EPIPE` once the direction is closed, `ENOTCONN` where there is no connection.
pub(crate) fn call(error: CallError, ipv6: bool) -> io::Error {
    match error {
        CallError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        CallError::NoConnection => not_connected(),
        CallError::Closing => broken_pipe(),
        CallError::Ended(why) => connection_error(why, ipv6),
        CallError::Invalid => invalid(),
    }
}

pub(crate) fn connect(error: ConnectError) -> io::Error {
    use bowline_tcp::ConnectError as Tcp;
    match error {
        ConnectError::NoRoute => network_unreachable(),
        ConnectError::AddressNotAvailable | ConnectError::Tcp(Tcp::NoFreePort) => address_not_available(),
        ConnectError::Tcp(Tcp::AddressInUse) => address_in_use(),
        ConnectError::Tcp(Tcp::InvalidDestination | Tcp::NoListener) => invalid(),
        ConnectError::Tcp(Tcp::TooMany) => too_many(),
    }
}

pub(crate) fn udp(error: UdpCallError, ipv6: bool) -> io::Error {
    match error {
        UdpCallError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        UdpCallError::NoSocket => not_connected(),
        UdpCallError::AddressInUse => address_in_use(),
        UdpCallError::AddressNotAvailable => address_not_available(),
        UdpCallError::TooMany => too_many(),
        UdpCallError::NotConnected => destination_required(),
        UdpCallError::InvalidDestination => invalid(),
        UdpCallError::NoRoute => network_unreachable(),
        UdpCallError::TooLong => message_too_long(),
        UdpCallError::Icmp(error) => icmp(error, ipv6),
    }
}

/// What ICMP says of a datagram, as Linux reports it on a connected socket.
fn icmp(error: IcmpError, ipv6: bool) -> io::Error {
    let same = match error {
        IcmpError::PortUnreachable => ConnectionError::Refused,
        IcmpError::NetworkUnreachable => ConnectionError::NetworkUnreachable,
        IcmpError::HostUnreachable | IcmpError::TimeExceeded | IcmpError::NotReassembled => {
            ConnectionError::HostUnreachable
        }
        IcmpError::ProtocolUnreachable => ConnectionError::ProtocolUnreachable,
        IcmpError::AdministrativelyProhibited => ConnectionError::AdministrativelyProhibited,
        IcmpError::PacketTooBig(_) => return message_too_long(),
        IcmpError::ParameterProblem => return protocol_error(),
    };
    connection_error(same, ipv6)
}

/// Nothing here is ready for urgent data or errors alone: who waits for only these would wait for ever.
pub(crate) fn check_interest(interest: tokio::io::Interest) -> io::Result<()> {
    if interest.is_readable() || interest.is_writable() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "an interest in reading or writing is wanted"))
}

pub(crate) fn ping(error: SendError) -> io::Error {
    match error {
        SendError::NoRoute => network_unreachable(),
        SendError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        SendError::TooLong => message_too_long(),
    }
}

pub(crate) fn listen(error: ListenError) -> io::Error {
    match error {
        ListenError::AddressInUse => address_in_use(),
        ListenError::TooMany => too_many(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_are_those_of_the_kernel() {
        let table = [
            (ConnectionError::Refused, "Connection refused", io::ErrorKind::ConnectionRefused),
            (ConnectionError::Reset, "Connection reset by peer", io::ErrorKind::ConnectionReset),
            (ConnectionError::TimedOut, "Connection timed out", io::ErrorKind::TimedOut),
            (ConnectionError::NetworkUnreachable, "Network is unreachable", io::ErrorKind::NetworkUnreachable),
            (ConnectionError::HostUnreachable, "No route to host", io::ErrorKind::HostUnreachable),
            (ConnectionError::Aborted, "connection abort", io::ErrorKind::ConnectionAborted),
        ];
        for (error, text, kind) in table {
            let io = connection_error(error, false);
            assert_eq!(io.kind(), kind);
            assert!(io.raw_os_error().is_some());
            assert!(io.to_string().contains(text), "{io}");
        }
        let prohibited = |ipv6| connection_error(ConnectionError::AdministrativelyProhibited, ipv6).kind();
        assert_eq!(prohibited(false), io::ErrorKind::HostUnreachable);
        assert_eq!(prohibited(true), io::ErrorKind::PermissionDenied);
        assert_eq!(call(CallError::Closing, false).kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(call(CallError::NoConnection, false).kind(), io::ErrorKind::NotConnected);
    }
}
