//! The few rtnetlink requests that give the TUN its addresses and routes. It encodes into a fixed buffer, because it
//! runs between a clone and an exec, where nothing may allocate.
//!
//! It must not know what the addresses are for.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use libc::{
    IFA_ADDRESS, IFA_F_NODAD, IFA_FLAGS, IFA_LOCAL, IFLA_AF_SPEC, IFLA_MTU, IFLA_TXQLEN, RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTA_DST, RTA_OIF, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK,
    RTM_NEWROUTE, RTN_BLACKHOLE, RTN_BROADCAST, RTN_PROHIBIT, RTN_THROW, RTN_UNICAST, RTN_UNREACHABLE, RTN_UNSPEC,
    RTPROT_STATIC,
};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::host::routes::{Destination, Way};

const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLM_F_REQUEST_ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const NLM_F_CREATE_EXCL: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

const HEADER: usize = 16;

/// The index that the loopback has in every network namespace.
pub(super) const LOOPBACK: u32 = 1;

/// One request: a header, a body of the type's own, attributes.
pub(super) struct Request {
    bytes: [u8; 128],
    len: usize,
}

impl Request {
    fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut request = Self { bytes: [0; 128], len: HEADER };
        request.put_at(4, &kind.to_ne_bytes());
        request.put_at(6, &(NLM_F_REQUEST_ACK | flags).to_ne_bytes());
        request.put(body);
        request
    }

    fn put_at(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_at(self.len, bytes);
        self.len += bytes.len().next_multiple_of(4);
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = (4 + value.len()) as u16;
        self.put(&len.to_ne_bytes());
        self.len -= 2;
        self.put_at(self.len, &kind.to_ne_bytes());
        self.len += 2;
        self.put(value);
        self
    }

    fn finish(&mut self) -> &[u8] {
        let len = self.len as u32;
        self.put_at(0, &len.to_ne_bytes());
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn link(index: u32, flags: u32) -> Self {
        let mut body = [0; 16];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        body[8..12].copy_from_slice(&flags.to_ne_bytes());
        body[12..16].copy_from_slice(&flags.to_ne_bytes());
        Self::new(RTM_NEWLINK, 0, &body)
    }

    /// Switches the link on.
    pub(super) fn up(index: u32) -> Self {
        Self::link(index, libc::IFF_UP as u32)
    }

    /// Sets the largest packet in bytes and the length of the transmit queue in packets.
    pub(super) fn sizes(index: u32, mtu: u32, queue: u32) -> Self {
        Self::link(index, 0).attribute(IFLA_MTU, &mtu.to_ne_bytes()).attribute(IFLA_TXQLEN, &queue.to_ne_bytes())
    }

    /// Keeps the kernel from giving the link an IPv6 address of its own choice, and so from router solicitations.
    pub(super) fn no_link_local(index: u32) -> Self {
        let mut family = [0; 12];
        family[0..2].copy_from_slice(&12u16.to_ne_bytes());
        family[2..4].copy_from_slice(&AddressFamily::INET6.as_raw().to_ne_bytes());
        family[4..6].copy_from_slice(&5u16.to_ne_bytes());
        family[6..8].copy_from_slice(&IFLA_INET6_ADDR_GEN_MODE.to_ne_bytes());
        family[8] = IN6_ADDR_GEN_MODE_NONE;
        Self::link(index, 0).attribute(IFLA_AF_SPEC, &family)
    }

    /// Gives the link an address, usable at once: there is nobody on a TUN to have it twice.
    pub(super) fn address(index: u32, address: IpAddr, prefix: u8) -> Self {
        let mut body = [family(address), prefix, 0, RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        let request = Self::new(RTM_NEWADDR, NLM_F_CREATE_EXCL, &body);
        let request = match address {
            IpAddr::V4(v4) => request.attribute(IFA_LOCAL, &v4.octets()).attribute(IFA_ADDRESS, &v4.octets()),
            IpAddr::V6(v6) => request.attribute(IFA_LOCAL, &v6.octets()).attribute(IFA_ADDRESS, &v6.octets()),
        };
        request.attribute(IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes())
    }

    /// Lets what goes to this destination go this way; what is open or a broadcast goes to the link.
    pub(super) fn route(index: u32, to: Destination, way: Way) -> Self {
        let (kind, scope) = match way {
            Way::Open if to.0.is_ipv4() => (RTN_UNICAST, RT_SCOPE_LINK),
            Way::Open => (RTN_UNICAST, RT_SCOPE_UNIVERSE),
            Way::Broadcast => (RTN_BROADCAST, RT_SCOPE_LINK),
            Way::Unreachable => (RTN_UNREACHABLE, RT_SCOPE_UNIVERSE),
            Way::Prohibited => (RTN_PROHIBIT, RT_SCOPE_UNIVERSE),
            Way::Blackhole => (RTN_BLACKHOLE, RT_SCOPE_UNIVERSE),
            Way::None => (RTN_THROW, RT_SCOPE_UNIVERSE),
        };
        let request = Self::about_route(RTM_NEWROUTE, NLM_F_CREATE_EXCL, to, (kind, scope));
        let leaves = matches!(way, Way::Open | Way::Broadcast);
        if leaves { request.attribute(RTA_OIF, &index.to_ne_bytes()) } else { request }
    }

    /// Takes back what [`Self::route`] asks for, whichever way it was.
    pub(super) fn no_route(to: Destination) -> Self {
        Self::about_route(RTM_DELROUTE, 0, to, (RTN_UNSPEC, RT_SCOPE_NOWHERE))
    }

    fn about_route(what: u16, flags: u16, (address, prefix): Destination, (kind, scope): (u8, u8)) -> Self {
        let body = [family(address), prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, kind, 0, 0, 0, 0];
        let request = Self::new(what, flags, &body);
        match address {
            _ if prefix == 0 => request,
            IpAddr::V4(v4) => request.attribute(RTA_DST, &v4.octets()),
            IpAddr::V6(v6) => request.attribute(RTA_DST, &v6.octets()),
        }
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    family.as_raw() as u8
}

/// A socket to the kernel's routing subsystem.
pub(super) fn socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
}

/// Sends one request and waits for the kernel's word on it.
pub(super) fn ask(socket: &OwnedFd, mut request: Request) -> Result<(), Errno> {
    sendto(socket, request.finish(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut reply = [0u8; 512];
    let (len, _) = rustix::io::retry_on_intr(|| recv(socket, &mut reply[..], RecvFlags::empty()))?;
    match reply.get(..len) {
        Some([_, _, _, _, k0, k1, _, _, _, _, _, _, _, _, _, _, e0, e1, e2, e3, ..])
            if u16::from_ne_bytes([*k0, *k1]) == NLMSG_ERROR =>
        {
            match i32::from_ne_bytes([*e0, *e1, *e2, *e3]) {
                0 => Ok(()),
                errno => Err(Errno::from_raw_os_error(-errno)),
            }
        }
        _ => Err(Errno::BADMSG),
    }
}
