//! What went wrong on the host's side, and what the program shall see so that it looks the same to it.
//!
//! An error of a call is a number; an ICMP error about a datagram waits in its socket's error queue (ip(7),
//! `IP_RECVERR`), with the destination it is about.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// How a flow that the host cannot carry is turned away, in the words of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// As a closed port does: RST for TCP, ICMP port unreachable for UDP.
    Closed,
    /// ICMP: no route to the network.
    NetworkUnreachable,
    /// ICMP: the host does not answer.
    HostUnreachable,
    /// ICMP: the host does not know the protocol.
    ProtocolUnreachable,
    /// ICMP: a filter forbids it.
    Prohibited,
    /// ICMP: the datagram is too large for a link with this MTU in bytes, which forbids fragmentation.
    TooBig(u32),
    /// ICMP: its time to live ran out on the way.
    TimeExceeded,
    /// No answer at all: the program's own timers will run out as they would outside.
    Silence,
}

impl Verdict {
    /// What the error of a call on a socket means to the program.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED | libc::ECONNRESET) => Self::Closed,
            // a host without the program's IP version has no route
            Some(libc::ENETUNREACH | libc::ENETDOWN | libc::EAFNOSUPPORT | libc::ENONET) => Self::NetworkUnreachable,
            Some(libc::EHOSTUNREACH | libc::EHOSTDOWN | libc::EINVAL | libc::EADDRNOTAVAIL) => Self::HostUnreachable,
            Some(libc::ENOPROTOOPT | libc::EPROTONOSUPPORT) => Self::ProtocolUnreachable,
            Some(libc::EACCES | libc::EPERM) => Self::Prohibited,
            // a time-out, or the gateway has run out of something: a later attempt may do better
            _ => Self::Silence,
        }
    }
}

/// An ICMP error about a datagram that a socket has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedError {
    /// Where the datagram was going.
    pub destination: SocketAddr,
    /// Who complained: a router on the way, or the destination itself.
    pub offender: Option<IpAddr>,
    /// What it means.
    pub verdict: Verdict,
}

/// Asks for the error queue of a datagram socket.
///
/// # Errors
/// Those of `setsockopt`.
pub fn enable(socket: &socket2::Socket, ipv6: bool) -> io::Result<()> {
    let (level, option) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let one: libc::c_int = 1;
    // SAFETY: the option takes one int, which lives through the call.
    #[allow(unsafe_code)]
    let result = unsafe {
        let len = mem::size_of_val(&one) as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const one).cast(), len)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Room for the control messages that come with an error: `sock_extended_err` and an address.
#[repr(align(8))]
struct Control([u8; 256]);

/// Takes the oldest ICMP error from the socket's queue; `None` when there is no more. Local errors are skipped: the
/// calls that caused them have returned them.
///
/// # Errors
/// Those of `recvmsg`.
pub fn next(socket: impl AsFd) -> io::Result<Option<QueuedError>> {
    loop {
        // SAFETY: both structures are plain data, for which all zeroes is a value.
        #[allow(unsafe_code)]
        let (mut name, mut message): (libc::sockaddr_storage, libc::msghdr) = unsafe { mem::zeroed() };
        let mut control = Control([0; 256]);
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = mem::size_of_val(&name) as libc::socklen_t;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: name and control are as long as the header says and live through the call; no data is asked for.
        #[allow(unsafe_code)]
        let result = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
        if result < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                io::ErrorKind::Interrupted => continue,
                _ => Err(error),
            };
        }
        let len = message.msg_controllen.min(control.0.len());
        if let (Some(destination), Some((verdict, offender))) =
            (address(&name), find(control.0.get(..len).unwrap_or_default()))
        {
            return Ok(Some(QueuedError { destination, offender, verdict }));
        }
    }
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    // SAFETY: sockaddr_storage is large and aligned enough for both, which are plain data, and its family is looked at
    // first.
    #[allow(unsafe_code)]
    unsafe {
        match i32::from(storage.ss_family) {
            libc::AF_INET => {
                let v4 = &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 => {
                let v6 = &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), u16::from_be(v6.sin6_port)))
            }
            _ => None,
        }
    }
}

/// Walks the control messages, each a header of length, level and type, and its data.
fn find(mut control: &[u8]) -> Option<(Verdict, Option<IpAddr>)> {
    const HEADER: usize = mem::size_of::<libc::cmsghdr>();
    while let Some((header, _)) = control.split_at_checked(HEADER) {
        let word = |at: usize| header.get(at..at + 4).and_then(|word| word.try_into().ok()).map(i32::from_ne_bytes);
        let (level, kind) = (word(HEADER - 8)?, word(HEADER - 4)?);
        let len = header.first_chunk().map(|len| usize::from_ne_bytes(*len))?;
        let data = control.get(HEADER..len)?;
        if matches!((level, kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)) {
            return extended(data);
        }
        control = control.get(len.next_multiple_of(mem::align_of::<libc::cmsghdr>())..)?;
    }
    None
}

/// Reads a `sock_extended_err`: errno (4 bytes), origin, type, code, padding, info (4), data (4), and the offender's
/// socket address.
fn extended(data: &[u8]) -> Option<(Verdict, Option<IpAddr>)> {
    let (&[_, _, _, _, origin, kind, code, _, i0, i1, i2, i3, _, _, _, _], offender) =
        data.split_first_chunk::<16>()?;
    let mtu = u32::from_ne_bytes([i0, i1, i2, i3]);
    let verdict = match origin {
        libc::SO_EE_ORIGIN_ICMP => match (kind, code) {
            (3, 0 | 6 | 8 | 11) => Verdict::NetworkUnreachable,
            (3, 2) => Verdict::ProtocolUnreachable,
            (3, 3) => Verdict::Closed,
            (3, 4) => Verdict::TooBig(mtu),
            (3, 9 | 10 | 13) => Verdict::Prohibited,
            (3, _) => Verdict::HostUnreachable,
            (11, _) => Verdict::TimeExceeded,
            _ => return None,
        },
        libc::SO_EE_ORIGIN_ICMP6 => match (kind, code) {
            (1, 0) => Verdict::NetworkUnreachable,
            (1, 4) => Verdict::Closed,
            (1, 1 | 5 | 6) => Verdict::Prohibited,
            (1, _) => Verdict::HostUnreachable,
            (2, _) => Verdict::TooBig(mtu),
            (3, _) => Verdict::TimeExceeded,
            _ => return None,
        },
        _ => return None,
    };
    let family = offender.first_chunk().map(|family| i32::from(u16::from_ne_bytes(*family)));
    let offender = match family {
        Some(libc::AF_INET) => {
            offender.get(4..8).and_then(|ip| <[u8; 4]>::try_from(ip).ok()).map(|ip| Ipv4Addr::from(ip).into())
        }
        Some(libc::AF_INET6) => {
            offender.get(8..24).and_then(|ip| <[u8; 16]>::try_from(ip).ok()).map(|ip| Ipv6Addr::from(ip).into())
        }
        _ => None,
    };
    Some((verdict, offender))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn waits_for_error(socket: &UdpSocket) {
        use rustix::event::{PollFd, PollFlags, poll};
        let timeout = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
        let mut fds = [PollFd::new(socket, PollFlags::ERR)];
        assert_eq!(poll(&mut fds, Some(&timeout)).unwrap(), 1, "no error has come");
    }

    #[test]
    fn a_closed_port_is_named_with_its_destination() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(local) else { continue };
            let closed = UdpSocket::bind(local).unwrap().local_addr().unwrap();
            let socket = socket2::Socket::from(socket);
            enable(&socket, closed.is_ipv6()).unwrap();
            let socket = UdpSocket::from(socket);
            assert_eq!(next(&socket).unwrap(), None);
            socket.send_to(b"anybody?", closed).unwrap();
            waits_for_error(&socket);
            let error = next(&socket).unwrap().unwrap();
            assert_eq!(
                error,
                QueuedError { destination: closed, offender: Some(closed.ip()), verdict: Verdict::Closed }
            );
            assert_eq!(next(&socket).unwrap(), None);
        }
    }

    #[test]
    fn numbers_of_calls_become_what_the_network_would_say() {
        for (errno, verdict) in [
            (libc::ECONNREFUSED, Verdict::Closed),
            (libc::ENETUNREACH, Verdict::NetworkUnreachable),
            (libc::EAFNOSUPPORT, Verdict::NetworkUnreachable),
            (libc::EHOSTUNREACH, Verdict::HostUnreachable),
            (libc::ENOPROTOOPT, Verdict::ProtocolUnreachable),
            (libc::EACCES, Verdict::Prohibited),
            (libc::EPERM, Verdict::Prohibited),
            (libc::ETIMEDOUT, Verdict::Silence),
            (libc::EMFILE, Verdict::Silence),
        ] {
            assert_eq!(Verdict::of(&io::Error::from_raw_os_error(errno)), verdict, "{errno}");
        }
    }

    #[test]
    fn a_router_far_away_is_the_offender() {
        let mut data = vec![0; 16 + 16];
        data[4..7].copy_from_slice(&[libc::SO_EE_ORIGIN_ICMP, 3, 4]);
        data[8..12].copy_from_slice(&1400u32.to_ne_bytes());
        data[16..18].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        data[20..24].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(extended(&data), Some((Verdict::TooBig(1400), Some([192, 0, 2, 1].into()))));
        data[5..7].copy_from_slice(&[11, 0]);
        assert_eq!(extended(&data).unwrap().0, Verdict::TimeExceeded);
        data[4] = libc::SO_EE_ORIGIN_LOCAL;
        assert_eq!(extended(&data), None);
        assert_eq!(extended(&data[..15]), None);
    }
}
