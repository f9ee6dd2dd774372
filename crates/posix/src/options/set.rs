//! A new value for an option.

mod ip;

use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::{Algorithm, Keepalive};

use crate::abi::options::Opt;
use crate::abi::{Errno, Linger, Reader};
use crate::call::Fd;
use crate::host::Host;
use crate::notices::stamping;
use crate::options::defer;

/// The largest buffer that one may ask for: Linux's `rmem_max` and `wmem_max` as of 6.18, in bytes.
const MAX_BUFFER: u32 = 4 << 20;
/// The smallest buffers on Linux, in bytes.
const MIN_RCVBUF: u32 = 2_304;
const MIN_SNDBUF: u32 = 4_608;
/// The largest on FreeBSD (`kern.ipc.maxsockbuf`), in bytes.
const MAX_SOCKBUF: u32 = 2 << 20;

/// An integer.
fn int(value: &[u8]) -> Result<i32, Errno> {
    Reader(value).i32().ok_or(Errno::EINVAL)
}

/// `struct timeval`; zero: for ever.
fn time(value: &[u8]) -> Result<Option<Duration>, Errno> {
    let mut reader = Reader(value);
    let (seconds, micros) = reader.i64().zip(reader.i64()).ok_or(Errno::EINVAL)?;
    let micros = u32::try_from(micros).ok().filter(|micros| *micros < 1_000_000).ok_or(Errno::EDOM)?;
    // A negative time does not wait at all.
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let span = Duration::new(seconds, micros * 1_000);
    Ok((!span.is_zero()).then_some(span))
}

/// A number in a range.
fn within(value: i32, low: i32, high: i32) -> Result<i32, Errno> {
    if (low..=high).contains(&value) { Ok(value) } else { Err(Errno::EINVAL) }
}

impl Host {
    pub(super) fn set(&mut self, now: Instant, fd: Fd, opt: Opt, value: &[u8]) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        match opt.place(self.abi).0 {
            6 if !socket.is_stream() => Err(if self.is_freebsd() { Errno::EINVAL } else { Errno::EOPNOTSUPP }),
            6 => self.set_tcp(now, fd, opt, value),
            0 | 41 => self.set_ip(now, fd, opt, value),
            17 => Err(Errno::ENOPROTOOPT),
            _ => self.set_socket(now, fd, opt, value),
        }
    }

    fn set_socket(&mut self, now: Instant, fd: Fd, opt: Opt, value: &[u8]) -> Result<(), Errno> {
        match opt {
            Opt::RcvTimeo => {
                self.fds.socket_mut(fd)?.settings.receive_timeout = time(value)?;
                return Ok(());
            }
            Opt::SndTimeo => {
                self.fds.socket_mut(fd)?.settings.send_timeout = time(value)?;
                return Ok(());
            }
            Opt::Linger => return self.set_linger(now, fd, value),
            Opt::MaxPacingRate => return self.set_max_pacing_rate(now, fd, value),
            _ => {}
        }
        let number = int(value)?;
        let on = number != 0;
        let settings = &mut self.fds.socket_mut(fd)?.settings;
        match opt {
            Opt::Debug => settings.debug = on,
            Opt::ReuseAddr => settings.reuse_addr = on,
            Opt::ReusePort => settings.reuse_port = on,
            Opt::Broadcast => settings.broadcast = on,
            Opt::NoSigPipe => settings.no_sigpipe = on,
            Opt::Priority => settings.priority = within(number, 0, i32::MAX)?,
            Opt::Mark => settings.mark = number as u32,
            Opt::RcvLowat => settings.rcvlowat = if number < 0 { i32::MAX } else { number.max(1) },
            Opt::KeepAlive => {
                let keep = on.then_some(settings.keep);
                return self.change(now, fd, |options| options.keepalive = keep);
            }
            Opt::SndBuf | Opt::SndBufForce => return self.set_send_buffer(now, fd, number, opt == Opt::SndBufForce),
            Opt::RcvBuf | Opt::RcvBufForce => return self.set_receive_buffer(now, fd, number, opt == Opt::RcvBufForce),
            // In the stream it is; apart from it, RFC 6093 6 advises against.
            Opt::OobInline if on => {}
            // What is off already may be switched off.
            Opt::DontRoute | Opt::NoCheck | Opt::Timestamp | Opt::TimestampNs if !on => {}
            Opt::ZeroCopy => return self.set_zero_copy(fd, number),
            Opt::Timestamping => return self.set_timestamping(fd, number as u32),
            Opt::OobInline | Opt::DontRoute | Opt::NoCheck => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// Bytes a second, 32 bits of them or, on Linux, 64; all ones: no limit.
    fn set_max_pacing_rate(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let rate = match (value, self.is_freebsd()) {
            ([a, b, c, d, e, f, g, h, ..], false) => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
            _ => match int(value)? as u32 {
                u32::MAX => u64::MAX,
                rate => rate.into(),
            },
        };
        let rate = Some(rate).filter(|rate| *rate != u64::MAX);
        self.change(now, fd, |options| options.max_pacing_rate = rate)
    }

    /// `SO_ZEROCOPY`: writes with `MSG_ZEROCOPY` are told of when their memory is free again. Datagrams have no such queue here.
    fn set_zero_copy(&mut self, fd: Fd, number: i32) -> Result<(), Errno> {
        let socket = self.fds.socket_mut(fd)?;
        if !socket.is_stream() {
            return Err(Errno::EOPNOTSUPP);
        }
        socket.notices.zero_copy = within(number, 0, 1)? == 1;
        Ok(())
    }

    /// `SO_TIMESTAMPING`, of what is sent on streams. There is no hardware that would stamp, and arrivals are not stamped.
    fn set_timestamping(&mut self, fd: Fd, flags: u32) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        let asks_id = flags & (stamping::OPT_ID | stamping::OPT_ID_TCP);
        if flags & !stamping::KNOWN != 0 || asks_id == stamping::OPT_ID_TCP {
            return Err(Errno::EINVAL);
        }
        if !socket.is_stream() && flags & stamping::TX != 0 || flags & stamping::RX_SOFTWARE != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let progress = socket.connection().and_then(|key| self.stack.tcp().progress(key));
        let is_new = socket.notices.flags & stamping::OPT_ID == 0;
        if socket.is_stream() && progress.is_none() && asks_id != 0 && is_new {
            return Err(Errno::EINVAL);
        }
        self.fds.socket_mut(fd)?.notices.set_flags(flags, progress);
        Ok(())
    }

    /// What waited for company leaves with the option that made it wait.
    fn push_if(&mut self, now: Instant, fd: Fd, pushes: bool) -> Result<(), Errno> {
        if let Some(key) = self.fds.socket(fd)?.connection().filter(|_| pushes && !self.is_freebsd()) {
            // Where it has ended, there is nothing to send.
            let _ = self.stack.tcp_mut().push(now, key);
        }
        Ok(())
    }

    fn set_linger(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let mut reader = Reader(value);
        let (on, seconds) = reader.i32().zip(reader.i32()).ok_or(Errno::EINVAL)?;
        let linger = Linger { on: on != 0, seconds };
        if self.is_freebsd() && !(0..=i32::from(i16::MAX)).contains(&seconds) {
            return Err(Errno::EDOM);
        }
        self.fds.socket_mut(fd)?.settings.linger = linger;
        // Of the stack's two meanings only the reset is wanted: waiting is this crate's business.
        self.change(now, fd, |options| options.linger = (linger.on && seconds == 0).then_some(Duration::ZERO))
    }

    fn set_send_buffer(&mut self, now: Instant, fd: Fd, number: i32, force: bool) -> Result<(), Errno> {
        let asked = u32::try_from(number).unwrap_or(u32::MAX);
        let bytes = if self.is_freebsd() {
            if number <= 0 {
                return Err(Errno::EINVAL);
            }
            if asked > MAX_SOCKBUF {
                return Err(Errno::ENOBUFS);
            }
            asked
        } else {
            let most = if force { 1 << 30 } else { MAX_BUFFER };
            (asked.min(most) * 2).max(MIN_SNDBUF)
        };
        self.fds.socket_mut(fd)?.settings.sndbuf = bytes;
        // What was asked for is there from the beginning.
        self.change(now, fd, |options| (options.send_buffer, options.send_buffer_first) = (bytes, u32::MAX))
    }

    fn set_receive_buffer(&mut self, now: Instant, fd: Fd, number: i32, force: bool) -> Result<(), Errno> {
        let asked = u32::try_from(number).unwrap_or(u32::MAX);
        let (shown, bytes) = if self.is_freebsd() {
            if number <= 0 {
                return Err(Errno::EINVAL);
            }
            if asked > MAX_SOCKBUF {
                return Err(Errno::ENOBUFS);
            }
            (asked, asked)
        } else {
            let most = if force { 1 << 30 } else { MAX_BUFFER };
            let shown = (asked.min(most) * 2).max(MIN_RCVBUF);
            (shown, shown / 2)
        };
        self.fds.socket_mut(fd)?.settings.rcvbuf = shown;
        // A fixed buffer needs no room to grow.
        let linux = !self.is_freebsd();
        self.change(now, fd, |options| {
            options.receive_buffer = bytes;
            options.receive_buffer_max = bytes;
            if linux {
                options.window_shift = None;
            }
        })
    }

    fn set_tcp(&mut self, now: Instant, fd: Fd, opt: Opt, value: &[u8]) -> Result<(), Errno> {
        match opt {
            Opt::Congestion => return self.set_congestion(now, fd, value),
            Opt::FastOpenKey => return self.set_fast_open_key(now, fd, value),
            Opt::Md5Sig | Opt::Md5SigExt if !self.is_freebsd() => {
                return self.set_md5(now, fd, value, opt == Opt::Md5SigExt);
            }
            Opt::AoAddKey => return self.add_ao_key(now, fd, value),
            Opt::AoDelKey => return self.remove_ao_key(now, fd, value),
            Opt::AoInfo => return self.set_ao_info(now, fd, value),
            _ => {}
        }
        let number = int(value)?;
        let on = number != 0;
        match opt {
            Opt::NoDelay => {
                self.change(now, fd, |options| options.nodelay = on)?;
                self.push_if(now, fd, on)
            }
            Opt::Cork | Opt::NoPush => {
                self.fds.socket_mut(fd)?.settings.cork = on;
                self.change(now, fd, |options| options.cork = on)?;
                self.push_if(now, fd, !on)
            }
            Opt::Bare => self.change(now, fd, |options| {
                (options.window_scaling, options.timestamps, options.sack) = (!on, !on, !on);
                options.announce_mss = !on;
            }),
            Opt::Md5Sig => self.set_md5_flag(now, fd, on),
            Opt::MaxSeg => self.set_max_segment(now, fd, number),
            Opt::KeepIdle | Opt::KeepIntvl | Opt::KeepCnt => self.set_keepalive(now, fd, opt, number),
            Opt::SynCnt => {
                let tries = within(number, 1, 127)? as u8;
                self.change(now, fd, |options| options.syn_retries = tries)
            }
            Opt::NotSentLowat => {
                let bytes = if on { number as u32 } else { self.settings.tcp.notsent_lowat };
                self.fds.socket_mut(fd)?.settings.notsent_lowat = number as u32;
                self.change(now, fd, |options| options.notsent_lowat = bytes)
            }
            Opt::Inq => {
                self.fds.socket_mut(fd)?.settings.inq = within(number, 0, 1)? == 1;
                Ok(())
            }
            Opt::QuickAck => {
                if let Some(key) = self.fds.socket(fd)?.connection() {
                    self.stack.tcp_mut().set_quick(now, key, on);
                }
                Ok(())
            }
            Opt::DeferAccept => {
                let timeouts = defer::timeouts(number);
                self.change(now, fd, |options| options.defer_accept = timeouts)
            }
            // What is off already may be switched off.
            Opt::WindowClamp | Opt::ThinLinear if !on => Ok(()),
            Opt::FastOpen | Opt::FastOpenConnect | Opt::FastOpenNoCookie => self.set_fast_open(now, fd, opt, number),
            _ => self.set_tcp_time(now, fd, opt, number),
        }
    }

    /// Options that are times.
    fn set_tcp_time(&mut self, now: Instant, fd: Fd, opt: Opt, number: i32) -> Result<(), Errno> {
        let on = number != 0;
        match opt {
            Opt::KeepInit => {
                let span = Duration::from_secs(within(number, 1, i32::MAX / 1_000)?.unsigned_abs().into());
                self.fds.socket_mut(fd)?.settings.keep_init = Some(span);
                Ok(())
            }
            Opt::Linger2 => {
                // Negative: no wait at all. Zero: the default again. At most two minutes, as on Linux.
                let default = self.settings.tcp.fin_wait2;
                let span = match number {
                    ..0 => Duration::ZERO,
                    0 => default,
                    _ => Duration::from_secs(number.min(120).unsigned_abs().into()),
                };
                self.change(now, fd, |options| options.fin_wait2 = span)
            }
            Opt::UserTimeout => {
                let millis = u64::try_from(number).map_err(|_| Errno::EINVAL)?;
                self.change(now, fd, |options| options.user_timeout = on.then(|| Duration::from_millis(millis)))
            }
            Opt::MaxUnackTime => {
                let seconds = u64::try_from(number).map_err(|_| Errno::EINVAL)?;
                self.change(now, fd, |options| options.user_timeout = on.then(|| Duration::from_secs(seconds)))
            }
            Opt::RtoMaxMs => {
                let millis = within(number, 1_000, 120_000)?;
                self.change(now, fd, |options| options.max_rto = Duration::from_millis(millis as u64))
            }
            Opt::RtoMinUs => {
                let micros = within(number, 1, 200_000)?;
                self.change(now, fd, |options| options.min_rto = Duration::from_micros(micros as u64))
            }
            Opt::DelackMaxUs => {
                let micros = within(number, 1, 200_000)?;
                self.change(now, fd, |options| options.delayed_ack = Duration::from_micros(micros as u64))
            }
            Opt::DelAck => {
                let millis = within(number, 0, 500)?;
                self.change(now, fd, |options| options.delayed_ack = Duration::from_millis(millis as u64))
            }
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    fn set_max_segment(&mut self, now: Instant, fd: Fd, number: i32) -> Result<(), Errno> {
        // FreeBSD lets it shrink a connection's; Linux takes it before there is one, and after.
        let bytes = if self.is_freebsd() {
            within(number, 1, i32::from(u16::MAX))?
        } else if number == 0 {
            0
        } else {
            within(number, 88, 32_767)?
        };
        let bytes = (bytes > 0).then_some(bytes as u16);
        self.change(now, fd, |options| options.max_segment = bytes)
    }

    fn set_keepalive(&mut self, now: Instant, fd: Fd, opt: Opt, number: i32) -> Result<(), Errno> {
        let most = if self.is_freebsd() { i32::MAX / 1_000 } else { 32_767 };
        let settings = &mut self.fds.socket_mut(fd)?.settings;
        let seconds = |number: i32| within(number, 1, most).map(|n| Duration::from_secs(n.unsigned_abs().into()));
        let mut keep: Keepalive = settings.keep;
        match opt {
            Opt::KeepIdle => keep.idle = seconds(number)?,
            Opt::KeepIntvl => keep.interval = seconds(number)?,
            _ => keep.probes = within(number, 1, 127)? as u8,
        }
        settings.keep = keep;
        self.change(now, fd, |options| options.keepalive = options.keepalive.map(|_| keep))
    }

    fn set_congestion(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let algorithm = match name {
            b"reno" | b"newreno" => Algorithm::NewReno,
            b"cubic" => Algorithm::Cubic,
            b"bbr" => Algorithm::Bbr,
            _ if self.is_freebsd() => return Err(Errno::ESRCH),
            _ => return Err(Errno::ENOENT),
        };
        self.change(now, fd, |options| options.algorithm = algorithm)
    }
}
