//! Structs that cross the interface: socket addresses, linger, times, control messages. Native byte order is little-endian.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::{Abi, Errno};

/// A socket address, as far as a call has to tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address {
    /// `AF_INET` or `AF_INET6`.
    Inet(SocketAddr),
    /// `AF_UNSPEC`: for `connect` it takes a connection back.
    Unspecified,
    /// A family that no socket here has.
    Other(u16),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl Address {
    /// Reads a `struct sockaddr_in`, `sockaddr_in6` or the family of another one.
    ///
    /// # Errors
    /// `EINVAL` where it is too short for its family.
    pub fn decode(abi: Abi, bytes: &[u8]) -> Result<Self, Errno> {
        let mut reader = Reader(bytes);
        let family = match abi {
            Abi::Linux => reader.u16(),
            Abi::FreeBsd => reader.array::<2>().map(|[_, family]| u16::from(family)),
        };
        let family = family.ok_or(Errno::EINVAL)?;
        let (inet, inet6) = (abi.get("AF_INET") as u16, abi.get("AF_INET6") as u16);
        if family == inet {
            let port = reader.array().ok_or(Errno::EINVAL)?;
            let address: [u8; 4] = reader.array().ok_or(Errno::EINVAL)?;
            reader.array::<8>().ok_or(Errno::EINVAL)?;
            return Ok(Self::Inet(SocketAddr::new(Ipv4Addr::from(address).into(), u16::from_be_bytes(port))));
        }
        if family == inet6 {
            let port = reader.array().ok_or(Errno::EINVAL)?;
            let _flow = reader.u32().ok_or(Errno::EINVAL)?;
            let address: [u8; 16] = reader.array().ok_or(Errno::EINVAL)?;
            return Ok(Self::Inet(SocketAddr::new(Ipv6Addr::from(address).into(), u16::from_be_bytes(port))));
        }
        Ok(if family == 0 { Self::Unspecified } else { Self::Other(family) })
    }

    /// Writes the struct.
    #[must_use]
    pub fn encode(&self, abi: Abi) -> Vec<u8> {
        let mut out = Writer::default();
        let mut head = |family: i32, len: u8| match abi {
            Abi::Linux => out.u16(family as u16),
            Abi::FreeBsd => out.bytes(&[len, family as u8]),
        };
        match self {
            Self::Inet(SocketAddr::V4(v4)) => {
                head(abi.get("AF_INET"), 16);
                out.bytes(&v4.port().to_be_bytes());
                out.bytes(&v4.ip().octets());
                out.bytes(&[0; 8]);
            }
            Self::Inet(SocketAddr::V6(v6)) => {
                head(abi.get("AF_INET6"), 28);
                out.bytes(&v6.port().to_be_bytes());
                out.u32(0);
                out.bytes(&v6.ip().octets());
                out.u32(0);
            }
            Self::Unspecified => head(0, 16),
            Self::Other(family) => head(i32::from(*family), 16),
        }
        out.0
    }
}

/// The same address as an IPv6 socket shows it: IPv4 ones are mapped.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, v4.port(), 0, 0).into()
        }
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        v6 @ SocketAddr::V6(_) => v6,
    }
}

/// The address that goes on the wire: mapped ones are IPv4.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => SocketAddrV4::new(v4, address.port()).into(),
            None => address,
        },
        IpAddr::V4(_) => address,
    }
}

/// `struct linger`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Linger {
    /// `l_onoff`.
    pub on: bool,
    /// `l_linger`, in seconds.
    pub seconds: i32,
}

/// A control message, without its framing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlMessage {
    /// `cmsg_level`.
    pub level: i32,
    /// `cmsg_type`.
    pub kind: i32,
    /// `CMSG_DATA`.
    pub data: Vec<u8>,
}

/// Takes values off the front of bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

/// Puts values behind each other.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }
}
