//! An address with the length of its network's prefix.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

/// An address and a prefix length: an interface's address with its network, or the destination of a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// `address` with the first `prefix` bits as its network; more bits than it has count as all of them.
    #[must_use]
    pub const fn new(address: IpAddr, prefix: u8) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix: if prefix > bits { bits } else { prefix } }
    }

    /// All destinations of IPv4.
    #[must_use]
    pub const fn default_v4() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 }
    }

    /// All destinations of IPv6.
    #[must_use]
    pub const fn default_v6() -> Self {
        Self { address: IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED), prefix: 0 }
    }

    /// The address, host bits included.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is of the same version and lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (ours.to_bits() ^ theirs.to_bits()) & mask == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (ours.to_bits() ^ theirs.to_bits()) & mask == 0
            }
            _ => false,
        }
    }

    /// The broadcast address of the network; none in IPv6, nor where there is no room for one (RFC 3021).
    #[must_use]
    pub fn broadcast(&self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(address) if self.prefix < 31 => {
                Some(IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() | u32::MAX >> self.prefix)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no address with a prefix length, such as `10.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidrParseError;

impl fmt::Display for CidrParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address or a network: write 192.0.2.7, 10.0.2.0/24 or fd00::/64")
    }
}

impl core::error::Error for CidrParseError {}

impl FromStr for Cidr {
    type Err = CidrParseError;

    /// `10.0.2.0/24`, or an address alone for all of its bits.
    fn from_str(text: &str) -> Result<Self, CidrParseError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| CidrParseError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| CidrParseError))?;
        if prefix > bits { Err(CidrParseError) } else { Ok(Self::new(address, prefix)) }
    }
}

#[cfg(test)]
mod tests;
