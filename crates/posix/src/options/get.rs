//! The value of an option.

use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::State;

use crate::abi::options::Opt;
use crate::abi::{Abi, Errno, Writer};
use crate::call::Fd;
use crate::host::Host;
use crate::options::defer;
use crate::socket::{Family, Role, Socket};

/// An integer, as options are written.
fn int(value: impl Into<i64>) -> Vec<u8> {
    (value.into() as i32).to_le_bytes().into()
}

/// `struct timeval`.
fn time(value: Option<Duration>) -> Vec<u8> {
    let value = value.unwrap_or_default();
    let mut out = Writer::default();
    out.i64(value.as_secs() as i64);
    out.i64(i64::from(value.subsec_micros()));
    out.0
}

impl Host {
    pub(super) fn get(&mut self, now: Instant, fd: Fd, opt: Opt) -> Result<Vec<u8>, Errno> {
        let socket = self.fds.socket_mut(fd)?;
        if opt == Opt::Error {
            return Ok(int(socket.error.take().map_or(0, |errno| errno.number(self.abi))));
        }
        let socket = self.fds.socket(fd)?;
        match opt.place(self.abi).0 {
            6 if !socket.is_stream() => Err(if self.is_freebsd() { Errno::EINVAL } else { Errno::EOPNOTSUPP }),
            6 => self.get_tcp(now, socket, opt),
            0 | 41 => self.get_ip(now, socket, opt),
            17 => Err(Errno::ENOPROTOOPT),
            _ => self.get_socket(now, socket, opt),
        }
    }

    fn get_socket(&self, now: Instant, socket: &Socket, opt: Opt) -> Result<Vec<u8>, Errno> {
        let abi = self.abi;
        let settings = &socket.settings;
        let flag = |on: bool| self.bit(opt, on);
        let listener = match socket.role {
            Role::Listening(key) => self.stack.tcp().listeners(now).into_iter().find(|info| info.key == key),
            _ => None,
        };
        Ok(match opt {
            Opt::Debug => flag(settings.debug),
            Opt::ReuseAddr => flag(settings.reuse_addr),
            Opt::ReusePort => flag(settings.reuse_port),
            Opt::Broadcast => flag(settings.broadcast),
            Opt::KeepAlive => flag(settings.tcp.keepalive.is_some()),
            Opt::NoSigPipe => flag(settings.no_sigpipe),
            Opt::AcceptConn => flag(matches!(socket.role, Role::Listening(_))),
            // What urgent data there is stays in the stream: see `receive`.
            Opt::OobInline => flag(true),
            Opt::DontRoute | Opt::NoCheck | Opt::Timestamp | Opt::TimestampNs => flag(false),
            Opt::ZeroCopy => flag(socket.notices.zero_copy),
            Opt::Timestamping => int(socket.notices.flags),
            Opt::Type => int(if socket.is_stream() { 1 } else { 2 }),
            Opt::Protocol => int(if socket.is_stream() { 6 } else { 17 }),
            Opt::Domain => int(abi.get(if socket.family == Family::Inet { "AF_INET" } else { "AF_INET6" })),
            Opt::SndBuf => int(settings.sndbuf),
            Opt::RcvBuf => int(self.receive_buffer(now, socket)),
            Opt::Priority => int(settings.priority),
            Opt::Mark => int(settings.mark),
            Opt::MemInfo => self.memory_info(now, socket),
            Opt::RcvLowat => int(settings.rcvlowat),
            Opt::SndLowat => int(if self.is_freebsd() { 2_048 } else { 1 }),
            Opt::RcvTimeo => time(settings.receive_timeout),
            Opt::SndTimeo => time(settings.send_timeout),
            Opt::Linger => {
                let mut out = Writer::default();
                let on = if abi == Abi::FreeBsd { 0x80 } else { 1 };
                out.i32(if settings.linger.on { on } else { 0 });
                out.i32(settings.linger.seconds);
                out.0
            }
            Opt::MaxPacingRate => settings.tcp.max_pacing_rate.unwrap_or(u64::MAX).to_le_bytes().into(),
            Opt::ListenQLimit => int(listener.map_or(0, |info| info.backlog as i64)),
            Opt::ListenQLen => int(listener.map_or(0, |info| info.accept_queue as i64)),
            Opt::ListenIncQLen => int(listener.map_or(0, |info| info.syn_queue as i64)),
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }

    /// `SO_MEMINFO`: nine numbers, of which buffers and queues have one here. What lies in queues counts as the memory that it
    /// pins.
    fn memory_info(&self, now: Instant, socket: &Socket) -> Vec<u8> {
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        let (received, queued) = info.as_ref().map_or((0, 0), |info| (info.recv_queue, info.send_queue));
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let numbers =
            [small(received), self.receive_buffer(now, socket), 0, socket.settings.sndbuf, 0, small(queued), 0, 0, 0];
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// The receive buffer as it is now: rounding to segments at the end of the handshake, or tuning, may have made it larger.
    fn receive_buffer(&self, now: Instant, socket: &Socket) -> u32 {
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        // FreeBSD rounds as soon as the peer's segment size is known, Linux when the handshake is over.
        let known = |state| match state {
            State::SynSent => false,
            State::SynReceived => self.is_freebsd(),
            _ => true,
        };
        let info = info.filter(|info| known(info.state));
        let factor = if self.is_freebsd() { 1 } else { 2 };
        let tuned = info.map_or(0, |info| u32::try_from(info.receive_buffer * factor).unwrap_or(u32::MAX));
        tuned.max(socket.settings.rcvbuf)
    }

    fn get_tcp(&self, now: Instant, socket: &Socket, opt: Opt) -> Result<Vec<u8>, Errno> {
        let settings = &socket.settings;
        let tcp = &settings.tcp;
        let seconds = |span: Duration| int(span.as_secs() as i64);
        Ok(match opt {
            Opt::NoDelay => self.bit(opt, tcp.nodelay),
            Opt::Cork | Opt::NoPush => self.bit(opt, settings.cork),
            Opt::Bare => self.bit(opt, !(tcp.window_scaling || tcp.timestamps || tcp.sack)),
            Opt::MaxSeg => int(self.max_segment(now, socket)),
            Opt::KeepIdle => seconds(settings.keep.idle),
            Opt::KeepIntvl => seconds(settings.keep.interval),
            Opt::KeepCnt => int(settings.keep.probes),
            Opt::KeepInit => seconds(settings.keep_init.unwrap_or_default()),
            Opt::SynCnt => int(tcp.syn_retries),
            Opt::Linger2 => int(tcp.fin_wait2.as_secs() as i64),
            Opt::WindowClamp => int(0),
            Opt::QuickAck => int(self.acknowledges_at_once(socket)),
            Opt::UserTimeout => int(tcp.user_timeout.map_or(0, |span| span.as_millis() as i64)),
            Opt::MaxUnackTime => seconds(tcp.user_timeout.unwrap_or_default()),
            Opt::NotSentLowat => int(settings.notsent_lowat as i32),
            Opt::Inq => int(settings.inq),
            Opt::TcpTimestamp => int(0),
            Opt::RtoMaxMs => int(tcp.max_rto.as_millis() as i64),
            Opt::RtoMinUs => int(tcp.min_rto.as_micros() as i64),
            Opt::DelackMaxUs => int(tcp.delayed_ack.as_micros() as i64),
            Opt::DelAck => int(tcp.delayed_ack.as_millis() as i64),
            Opt::FastOpen if self.is_freebsd() => int(tcp.fast_open.connect),
            Opt::FastOpen => int(tcp.fast_open.listen),
            Opt::FastOpenConnect => int(tcp.fast_open.wait),
            Opt::FastOpenNoCookie => int(tcp.fast_open.without_cookie),
            Opt::FastOpenKey => self.fast_open_key(tcp.fast_open.keys.as_ref()),
            Opt::DeferAccept => int(defer::seconds(tcp.defer_accept)),
            Opt::Congestion => congestion_name(self.algorithm_name(tcp.algorithm)),
            Opt::FunctionBlk => return Err(Errno::ENOPROTOOPT),
            Opt::Info => self.tcp_info(now, socket),
            Opt::Md5Sig if self.md5_secret.is_some() => self.bit(opt, !tcp.keys.is_empty()),
            Opt::AoInfo => self.ao_info(now, socket)?,
            Opt::AoGetKeys => self.ao_keys(now, socket)?,
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }

    /// A flag. FreeBSD gives it as the bit that it is.
    fn bit(&self, opt: Opt, on: bool) -> Vec<u8> {
        if self.abi == Abi::FreeBsd && on { int(opt.place(self.abi).1) } else { int(on) }
    }

    fn max_segment(&self, now: Instant, socket: &Socket) -> i64 {
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        // Before there is a peer: the default of RFC 9293 3.7.1, as both systems have it.
        let default = if self.is_freebsd() && socket.family == Family::Inet6 { 1_220 } else { 536 };
        info.map_or(i64::from(socket.settings.tcp.max_segment.unwrap_or(default)), |info| i64::from(info.mss))
    }

    fn acknowledges_at_once(&self, socket: &Socket) -> bool {
        socket.connection().is_none_or(|key| self.stack.tcp().is_quick(key))
    }

    fn get_ip(&self, now: Instant, socket: &Socket, opt: Opt) -> Result<Vec<u8>, Errno> {
        let settings = &socket.settings;
        let is_six = opt.place(self.abi).0 == 41;
        if is_six && socket.family == Family::Inet {
            return Err(if self.is_freebsd() { Errno::EINVAL } else { Errno::ENOPROTOOPT });
        }
        Ok(match opt {
            Opt::Tos => int(settings.tos),
            Opt::Ttl => int(settings.ttl),
            Opt::UnicastHops => int(settings.hops),
            Opt::Tclass => int(settings.tclass),
            Opt::MtuDiscover | Opt::MtuDiscover6 => int(settings.mtu_discover),
            Opt::RecvErr => int(settings.recverr),
            Opt::RecvErr6 => int(settings.recverr6),
            Opt::RecvTtl => int(settings.recvttl),
            Opt::RecvTos => int(settings.recvtos),
            Opt::RecvHopLimit => int(settings.recvhoplimit),
            Opt::RecvTclass => int(settings.recvtclass),
            Opt::V6Only => int(settings.v6only),
            Opt::FreeBind => int(settings.free_bind),
            Opt::Transparent | Opt::BindAny => int(self.takes_any_address()),
            Opt::BindNoPort => int(settings.bind_no_port),
            Opt::LocalPortRange => int(settings.port_range as i32),
            Opt::MinTtl => int(0),
            Opt::Mtu | Opt::Mtu6 => int(self.path_mtu(now, socket).ok_or(Errno::ENOTCONN)?),
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }

    fn takes_any_address(&self) -> bool {
        self.stack.interface(self.interface).is_some_and(|interface| interface.any_ip)
    }

    fn path_mtu(&self, now: Instant, socket: &Socket) -> Option<u16> {
        let remote = match socket.role {
            Role::Open(key) | Role::Opening(key) => self.stack.tcp().tuple(key)?.remote,
            _ => socket.peer?,
        };
        self.stack.path_mtu(now, remote.ip())
    }
}

/// `TCP_CONGESTION`: a name in 16 bytes.
fn congestion_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}
