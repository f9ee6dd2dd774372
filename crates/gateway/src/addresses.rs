//! The addresses on the TUN: the program's own, and the four that the gateway answers for.
//!
//! The layout is the one users know from slirp: the host is `.2`, DNS is `.3`, the program is `.100`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The TUN's name inside the namespace.
pub const INTERFACE: &str = "bowline0";

/// The program's IPv4 address.
pub const GUEST_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
/// The length of the IPv4 network's prefix, in bits.
pub const PREFIX_V4: u8 = 24;
/// The gateway: the host's loopback, 127.0.0.1, unless that is switched off.
pub const HOST_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server: port 53 goes to the first of the host's that answers.
pub const DNS_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The built-in page.
pub const PAGE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 4);

/// The program's IPv6 address.
pub const GUEST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
/// The length of the IPv6 network's prefix, in bits.
pub const PREFIX_V6: u8 = 64;
/// The gateway: the host's loopback, ::1, unless that is switched off.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// The name server: port 53 goes to the first of the host's that answers.
pub const DNS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3);
/// The built-in page.
pub const PAGE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 4);

/// The name under which the program finds the host's loopback.
pub const HOST_NAME: &str = "host.bowline.internal";
/// The name under which the program finds the built-in page.
pub const PAGE_NAME: &str = "bowline.internal";

/// Whether `address` lies in one of the two networks of the TUN, so that it must never be dialled on the host.
#[must_use]
pub fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[..3] == HOST_V4.octets()[..3],
        IpAddr::V6(v6) => v6.octets()[..8] == HOST_V6.octets()[..8],
    }
}
