//! What a caller can do wrong; UDP's errors are in [`crate::udp`].

use core::fmt;

/// Why an active open could not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// There is no route to the destination.
    NoRoute,
    /// The local address is not ours.
    AddressNotAvailable,
    /// TCP refuses.
    Tcp(bowline_tcp::ConnectError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("network is unreachable"),
            Self::AddressNotAvailable => f.write_str("address not available"),
            Self::Tcp(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<bowline_tcp::ConnectError> for ConnectError {
    fn from(error: bowline_tcp::ConnectError) -> Self {
        Self::Tcp(error)
    }
}

/// Why a ping could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// There is no route to the destination, or we have no address of its version.
    NoRoute,
    /// The queue is full.
    WouldBlock,
    /// It is larger than a packet can be.
    TooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRoute => "network is unreachable",
            Self::WouldBlock => "operation would block",
            Self::TooLong => "message too long",
        })
    }
}

impl core::error::Error for SendError {}
