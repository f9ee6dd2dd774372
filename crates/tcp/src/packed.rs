//! A four-tuple in 37 bytes without padding, for everything that exists once for each connection.
//!
//! It knows nothing of connections. Flow labels and scope identifiers are not part of a connection's name and not kept.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::FourTuple;

/// Two addresses, two ports, and which IP they are of. IPv4 addresses take the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PackedTuple {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: [u8; 2],
    remote_port: [u8; 2],
    ipv6: bool,
}

impl PackedTuple {
    pub(crate) fn new(tuple: &FourTuple) -> Self {
        Self {
            local: pack(tuple.local.ip()),
            remote: pack(tuple.remote.ip()),
            local_port: tuple.local.port().to_be_bytes(),
            remote_port: tuple.remote.port().to_be_bytes(),
            ipv6: tuple.is_ipv6(),
        }
    }

    /// Whether this is `tuple`: cheaper than to pack it for a comparison.
    #[inline]
    pub(crate) fn is(&self, tuple: &FourTuple) -> bool {
        self.remote_port() == tuple.remote.port()
            && self.local_port() == tuple.local.port()
            && same(&self.remote, self.ipv6, &tuple.remote)
            && same(&self.local, self.ipv6, &tuple.local)
    }

    pub(crate) fn unpack(&self) -> FourTuple {
        let unpack = |address, port| if self.ipv6 { unpack6(address, port) } else { unpack4(address, port) };
        FourTuple::new(unpack(&self.local, self.local_port()), unpack(&self.remote, self.remote_port()))
    }

    pub(crate) const fn is_ipv6(&self) -> bool {
        self.ipv6
    }

    pub(crate) const fn local_port(&self) -> u16 {
        u16::from_be_bytes(self.local_port)
    }

    pub(crate) const fn remote_port(&self) -> u16 {
        u16::from_be_bytes(self.remote_port)
    }
}

impl From<PackedTuple> for FourTuple {
    fn from(packed: PackedTuple) -> Self {
        packed.unpack()
    }
}

impl fmt::Debug for PackedTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.unpack(), f)
    }
}

#[inline]
fn same(bytes: &[u8; 16], ipv6: bool, address: &SocketAddr) -> bool {
    match address {
        SocketAddr::V4(v4) => !ipv6 && bytes.first_chunk() == Some(&v4.ip().octets()),
        SocketAddr::V6(v6) => ipv6 && *bytes == v6.ip().octets(),
    }
}

#[inline]
fn pack(address: IpAddr) -> [u8; 16] {
    match address {
        // One number is moved faster than four bytes are.
        IpAddr::V4(v4) => u128::from(u32::from_le_bytes(v4.octets())).to_le_bytes(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// (The address is read as a word, since as a word it will be written.)
#[inline]
fn unpack4(bytes: &[u8; 16], port: u16) -> SocketAddr {
    let address = bytes.first_chunk().copied().map_or(0, u32::from_be_bytes);
    SocketAddrV4::new(Ipv4Addr::from_bits(address), port).into()
}

#[inline]
fn unpack6(bytes: &[u8; 16], port: u16) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::from(*bytes), port, 0, 0).into()
}
