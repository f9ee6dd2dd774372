//! What the host tells its caller.

use core::net::IpAddr;

use bowline_tcp::IcmpError;
use bytes::Bytes;

use crate::interface::IfaceId;
use crate::udp::UdpKey;

bitflags::bitflags! {
    /// What has become possible on a UDP socket since it was last reported.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct UdpReadiness: u8 {
        /// There is a datagram to read.
        const READABLE = 1;
        /// There is room in the send queue again.
        const WRITABLE = 2;
        /// An ICMP error came for it.
        const ERROR = 4;
    }
}

/// Something the caller may want to act on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Of TCP.
    Tcp(bowline_tcp::Event),
    /// A UDP socket became ready for something.
    Udp(UdpKey, UdpReadiness),
    /// A ping to an address that only any-IP makes ours: to be answered with [`Stack::echo_reply`](crate::Stack::echo_reply)
    /// or [`Stack::report_unreachable`](crate::Stack::report_unreachable) or not at all.
    EchoRequest(Echo),
    /// An answer to a ping of ours.
    EchoReply(Echo),
    /// An ICMP error about a ping of ours. `data` is empty.
    EchoError(Echo, IcmpError),
}

/// A ping, or the answer to one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Echo {
    /// The interface that it came by.
    pub interface: IfaceId,
    /// Who sent it; for [`Event::EchoError`] the address of ours that sent the ping.
    pub src: IpAddr,
    /// To whom.
    pub dst: IpAddr,
    /// Which program asks.
    pub ident: u16,
    /// Its number.
    pub sequence: u16,
    /// What is sent back.
    pub data: Bytes,
    /// The hop limit that it came with.
    pub hop_limit: u8,
}
