//! What can go wrong with a connection, and what a caller can do wrong: one enum per call that can fail.

use core::fmt;

/// Why a connection ended before both sides had closed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ConnectionError {
    /// The peer answered our SYN with RST.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// Retransmissions, keepalive probes or the user timeout ran out.
    TimedOut,
    /// ICMP: no route to the network.
    NetworkUnreachable,
    /// ICMP: no route to the host.
    HostUnreachable,
    /// ICMP: the destination does not speak TCP.
    ProtocolUnreachable,
    /// ICMP: a filter on the way forbids it.
    AdministrativelyProhibited,
    /// We aborted it.
    Aborted,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset by peer",
            Self::TimedOut => "connection timed out",
            Self::NetworkUnreachable => "network is unreachable",
            Self::HostUnreachable => "no route to host",
            Self::ProtocolUnreachable => "protocol not available",
            Self::AdministrativelyProhibited => "administratively prohibited",
            Self::Aborted => "connection aborted",
        })
    }
}

impl core::error::Error for ConnectionError {}

/// Why a listener could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenError {
    /// Another listener has this address and port.
    AddressInUse,
    /// The endpoint has as many listeners as its configuration allows.
    TooMany,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddressInUse => "address already in use",
            Self::TooMany => "too many listeners",
        })
    }
}

impl core::error::Error for ListenError {}

/// Why an active open could not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// This four-tuple already names a connection.
    AddressInUse,
    /// Every ephemeral port towards this destination is taken.
    NoFreePort,
    /// The destination is not a unicast address, or its port is 0 (RFC 9293 3.9.2.3, MUST-46).
    InvalidDestination,
    /// The endpoint has as many connections as its configuration allows.
    TooMany,
    /// There is no such listener.
    NoListener,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddressInUse => "address already in use",
            Self::NoFreePort => "no free local port",
            Self::InvalidDestination => "not a unicast destination with a port",
            Self::TooMany => "too many connections",
            Self::NoListener => "no such listener",
        })
    }
}

impl core::error::Error for ConnectError {}

/// Why a call on a connection failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallError {
    /// Nothing can be done now: the send queue is full, or there is nothing to read. An event will say when to retry.
    WouldBlock,
    /// There is no such connection (RFC 9293 3.10: "connection does not exist").
    NoConnection,
    /// The user has already closed this direction (RFC 9293 3.10: "connection closing").
    Closing,
    /// The connection has ended with an error.
    Ended(ConnectionError),
    /// The call's arguments are not acceptable for this connection.
    Invalid,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("operation would block"),
            Self::NoConnection => f.write_str("connection does not exist"),
            Self::Closing => f.write_str("connection closing"),
            Self::Ended(why) => fmt::Display::fmt(why, f),
            Self::Invalid => f.write_str("invalid argument"),
        }
    }
}

impl core::error::Error for CallError {}
