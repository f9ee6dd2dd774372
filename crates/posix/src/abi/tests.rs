//! Our numbers beside those of the system that the tests run on.

use super::*;

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = Errno::ALL.iter().map(|errno| errno.name()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn errors_are_found_by_name_and_number() {
    for abi in [Abi::Linux, Abi::FreeBsd] {
        for errno in Errno::ALL {
            assert_eq!(Errno::from_name(errno.name()), Some(*errno));
            assert_eq!(Errno::from_number(abi, errno.number(abi)), Some(*errno));
        }
    }
    assert_eq!(Errno::from_name("EWOULDBLOCK"), Some(Errno::EAGAIN));
    assert_eq!(Abi::FreeBsd.constant("EAGAIN"), Some(35));
}

#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::cast_lossless, reason = "their types differ")]
fn linux_numbers_are_those_of_this_system() {
    macro_rules! same {
        ($($name:ident)*) => {$(
            assert_eq!(Abi::Linux.constant(stringify!($name)), Some(libc::$name as i64), stringify!($name));
        )*};
    }
    same! {
        EPERM ENOENT ESRCH EINTR EBADF EAGAIN ENOMEM EACCES EFAULT EEXIST EINVAL EMFILE ENOTTY ESPIPE EPIPE EDOM ENOSYS ELOOP
        ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EAFNOSUPPORT
        EADDRINUSE EADDRNOTAVAIL ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED
        EHOSTUNREACH EALREADY EINPROGRESS
        AF_INET AF_INET6 AF_UNIX SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_NONBLOCK SOCK_CLOEXEC IPPROTO_TCP IPPROTO_UDP SOL_SOCKET
        O_NONBLOCK O_CLOEXEC F_GETFL F_SETFL F_GETPIPE_SZ SHUT_RD SHUT_WR SHUT_RDWR
        MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE
        MSG_ZEROCOPY MSG_FASTOPEN POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDHUP EPOLLIN EPOLLOUT EPOLLRDHUP
        EPOLLONESHOT EPOLL_CTL_ADD EPOLL_CTL_MOD EPOLL_CTL_DEL FIONREAD FIONBIO TIOCOUTQ
        SPLICE_F_NONBLOCK SO_REUSEADDR SO_TYPE SO_ERROR SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_OOBINLINE SO_PRIORITY SO_LINGER
        SO_REUSEPORT SO_RCVLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_ACCEPTCONN SO_MARK SO_PROTOCOL SO_DOMAIN SO_ZEROCOPY
        TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT
        TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION TCP_USER_TIMEOUT TCP_FASTOPEN TCP_NOTSENT_LOWAT TCP_INQ
        IP_TOS IP_TTL IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL IP_RECVTOS IP_MTU IP_TRANSPARENT IPV6_UNICAST_HOPS IPV6_V6ONLY
        IPV6_RECVERR IPV6_TCLASS IPV6_RECVTCLASS IPV6_MTU
    }
}

#[test]
fn fields_lie_where_c_puts_them() {
    // As `offsetof` gives them on a 64-bit machine.
    let rows = [("tcpi_state", 0), ("tcpi_options", 5), ("tcpi_rto", 8), ("tcpi_unacked", 24), ("tcpi_rtt", 68)];
    let rows = rows.into_iter().chain([("tcpi_snd_cwnd", 80), ("tcpi_total_retrans", 100), ("tcpi_pacing_rate", 104)]);
    for (name, offset) in rows.chain([("tcpi_segs_out", 136), ("tcpi_delivery_rate", 160), ("tcpi_rcv_wnd", 232)]) {
        let bytes = encode_tcp_info(TCP_INFO_LINUX, |field| u64::from(field == name));
        assert_eq!(bytes.iter().position(|byte| *byte != 0), Some(offset), "{name}");
        assert_eq!(Field::read(TCP_INFO_LINUX, &bytes, name), Some(1));
    }
    let bytes = encode_tcp_info(TCP_INFO_LINUX, |name| if name == "tcpi_rcv_wscale" { 99 } else { 0 });
    assert_eq!(bytes[6], 0xf0, "a value too large is cut");
    assert_eq!(Field::read(TCP_INFO_LINUX, &bytes, "tcpi_rcv_wscale"), Some(15));
    assert_eq!(Field::read(TCP_INFO_LINUX, &bytes, "nonsense"), None);
}

#[test]
fn addresses_survive_their_struct() {
    for abi in [Abi::Linux, Abi::FreeBsd] {
        for address in ["192.0.2.1:80", "[2001:db8::1]:443"] {
            let address = Address::Inet(address.parse().unwrap());
            let bytes = address.encode(abi);
            assert_eq!(Address::decode(abi, &bytes), Ok(address));
            for short in 0..bytes.len().min(16) {
                let decoded = Address::decode(abi, &bytes[..short]);
                assert!(decoded.is_err(), "{short} bytes");
            }
        }
        assert_eq!(Address::decode(abi, &Address::Unspecified.encode(abi)), Ok(Address::Unspecified));
    }
}
