//! The network of the new namespace: loopback, the TUN, its addresses and routes, the kernel's switches.
//!
//! It runs between a clone and an exec: nothing here allocates.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;

use super::error::Step;
use super::netlink::{self, Request};
use super::{Failure, at, sys};
use crate::addresses::{GUEST_V4, GUEST_V6, INTERFACE, PREFIX_V4, PREFIX_V6};
use crate::host::routes::Way;

/// The TUN's transmit queue, in packets: large enough that a burst of plain packets does not overflow it.
const QUEUE: u32 = 10_000;

/// A network that is set up.
pub(super) struct Network {
    pub(super) tun: OwnedFd,
    /// To the kernel's routing in here, wherever it is used.
    pub(super) kernel: OwnedFd,
    /// The TUN's.
    pub(super) index: u32,
    /// Whether IPv6 works.
    pub(super) ipv6: bool,
}

/// Makes the TUN and everything around it.
pub(super) fn set_up(mtu: u32) -> Result<Network, Failure> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tun = at(Step::OpenTun, open(c"/dev/net/tun", flags, Mode::empty()))?;
    at(Step::CreateTun, sys::create_tun(tun.as_fd(), INTERFACE))?;

    let kernel = at(Step::Netlink, netlink::socket())?;
    let ask = |step, request| at(step, netlink::ask(&kernel, request));
    ask(Step::Loopback, Request::up(netlink::LOOPBACK))?;
    let index = at(Step::Link, name_to_index(&kernel, INTERFACE))?;
    // without IPv6 this fails, and there is nothing to keep the kernel from
    let _ = netlink::ask(&kernel, Request::no_link_local(index));
    ask(Step::Link, Request::sizes(index, mtu, QUEUE))?;
    ask(Step::Link, Request::up(index))?;
    let v4 = IpAddr::V4(GUEST_V4);
    ask(Step::Address, Request::address(index, v4, PREFIX_V4))?;
    ask(Step::Route, Request::route(index, (Ipv4Addr::UNSPECIFIED.into(), 0), Way::Open))?;
    let v6 = IpAddr::V6(GUEST_V6);
    let ipv6 = netlink::ask(&kernel, Request::address(index, v6, PREFIX_V6))
        .and_then(|()| netlink::ask(&kernel, Request::route(index, (Ipv6Addr::UNSPECIFIED.into(), 0), Way::Open)))
        .is_ok();
    Ok(Network { tun, kernel, index, ipv6 })
}

/// Writes one of the kernel's switches. Where `/proc/sys` is read-only, as in many containers, it stays as it is.
pub(super) fn write_switch(path: &CStr, value: &[u8]) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value).map(drop)
}
