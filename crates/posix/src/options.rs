//! `getsockopt` and `setsockopt`: the frame, and the defaults. Values are read in `get`, written in `set`.
//!
//! An option that a socket takes has its effect, or is stored because the system stores it and nothing else (`SO_PRIORITY`
//! on a link without queues). What is not there fails as it does where the system was built without it: `ENOPROTOOPT`, or
//! `EOPNOTSUPP` where the option is known and its value is not possible.

mod ao;
mod defer;
mod get;
mod keys;
mod ports;
mod set;
mod tcp_info;

use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::{Algorithm, EcnOption, Keepalive, Options, Profile};

use crate::abi::options::Opt;
use crate::abi::{Abi, Errno, Linger, options};
use crate::call::Fd;
use crate::host::Host;
use crate::socket::{Role, Settings};

impl Settings {
    /// What sockets of this profile start with.
    pub(crate) fn new(profile: Profile, tcp: Options) -> Self {
        // Linux counts what buffers take, not what they hold: twice as much.
        let factor = if profile == Profile::FreeBsd { 1 } else { 2 };
        Self {
            debug: false,
            reuse_addr: false,
            reuse_port: false,
            broadcast: false,
            no_sigpipe: false,
            priority: 0,
            mark: 0,
            linger: Linger::default(),
            rcvlowat: 1,
            receive_timeout: None,
            keep_init: (profile == Profile::FreeBsd).then_some(Duration::from_secs(75)),
            send_timeout: None,
            rcvbuf: tcp.receive_buffer.saturating_mul(factor),
            sndbuf: tcp.send_buffer.min(tcp.send_buffer_first),
            notsent_lowat: 0,
            keep: tcp.keepalive.unwrap_or(Keepalive::profile(profile)),
            ttl: tcp.hop_limit,
            hops: tcp.hop_limit,
            tos: tcp.traffic_class,
            tclass: tcp.traffic_class,
            v6only: profile == Profile::FreeBsd,
            mtu_discover: i32::from(tcp.path_mtu_discovery.believes()),
            recverr: false,
            recverr6: false,
            recvttl: false,
            recvtos: false,
            recvhoplimit: false,
            recvtclass: false,
            bind_no_port: false,
            port_range: 0,
            free_bind: false,
            inq: false,
            cork: tcp.cork,
            tcp,
        }
    }

    /// What datagram sockets start with instead: `rmem_default` and `wmem_default`, or FreeBSD's `udp.recvspace` and
    /// `udp.maxdgram`.
    pub(crate) fn for_datagrams(mut self, profile: Profile) -> Self {
        (self.rcvbuf, self.sndbuf) = if profile == Profile::FreeBsd { (42_080, 9_216) } else { (212_992, 212_992) };
        self
    }
}

impl Host {
    /// Changes what sockets made from now on start with, as `sysctl` does. The second argument of `change` is what keepalive
    /// will be like where a socket asks for it; the first says whether sockets start with it.
    pub fn set_defaults(&mut self, change: impl FnOnce(&mut Options, &mut Keepalive)) {
        let (mut options, mut keep) = (self.settings.tcp.clone(), self.settings.keep);
        change(&mut options, &mut keep);
        let keep_init = self.settings.keep_init;
        self.settings = Settings { keep, keep_init, ..Settings::new(self.profile, options) };
    }

    /// When segments have AccECN's options, for all connections that there are: Linux asks for it anew with each segment,
    /// so that `tcp_ecn_option` is in force at once. ([`set_defaults`](Self::set_defaults) is about sockets to come.)
    pub fn set_ecn_option(&mut self, now: Instant, option: EcnOption, beacon: u8) {
        let open: Vec<_> = self.stack.tcp().connections(now).into_iter().filter_map(|info| info.key).collect();
        for key in open {
            // What is closed already sends none.
            let _ = self.stack.tcp_mut().set_options(now, key, |options| {
                (options.ecn_option, options.ecn_option_beacon) = (option, beacon);
            });
        }
    }

    /// How long opens of sockets made from now on may take, as FreeBSD's `net.inet.tcp.keepinit` says; `None`: as long as
    /// [`Options::syn_retries`] gives.
    pub fn set_open_patience(&mut self, patience: Option<Duration>) {
        self.settings.keep_init = patience;
    }

    /// `getsockopt`: the option's bytes, of which `len` fit.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for options that are not there, `EINVAL`, and what the option says.
    pub fn getsockopt(&mut self, now: Instant, fd: Fd, level: i32, name: i32, len: usize) -> Result<Vec<u8>, Errno> {
        self.fds.socket(fd)?;
        let opt = options::find(self.abi, level, name).ok_or_else(|| self.unknown(level))?;
        let mut value = self.get(now, fd, opt)?;
        if opt == Opt::MaxPacingRate && (len < value.len() || self.is_freebsd()) {
            // Half of it has room for what fits in there; all ones say that it does not, or that there is no limit.
            let rate = value.iter().rev().fold(0, |rate, byte| (rate << 8) | u64::from(*byte));
            value = u32::try_from(rate).unwrap_or(u32::MAX).to_le_bytes().into();
        }
        value.truncate(len);
        Ok(value)
    }

    /// `setsockopt`.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for options that are not there, `EINVAL` for values that are none, and what the option says.
    pub fn setsockopt(&mut self, now: Instant, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.fds.socket(fd)?;
        let opt = options::find(self.abi, level, name).ok_or_else(|| self.unknown(level))?;
        let result = self.set(now, fd, opt, value);
        self.drain(now);
        result
    }

    /// How an unknown option fails.
    fn unknown(&self, level: i32) -> Errno {
        let known = [self.abi.get("SOL_SOCKET"), 0, 6, 17, 41];
        // Linux hands unknown levels to the protocol, which does not know them either, or to nobody.
        if self.is_freebsd() && !known.contains(&level) { Errno::EINVAL } else { Errno::ENOPROTOOPT }
    }

    /// Changes what a socket's connection starts with, and has, and its listener's.
    pub(crate) fn change(&mut self, now: Instant, fd: Fd, change: impl Fn(&mut Options)) -> Result<(), Errno> {
        let socket = self.fds.socket_mut(fd)?;
        change(&mut socket.settings.tcp);
        match socket.role {
            Role::Listening(key) => self.stack.tcp_mut().set_listener_options(key, change),
            Role::Open(key) | Role::Opening(key) => {
                // Where it has ended, there is nothing left to change, and no system says so.
                let _ = self.stack.tcp_mut().set_options(now, key, change);
            }
            Role::Idle | Role::Datagram(_) => {}
        }
        Ok(())
    }

    /// What the system calls a congestion controller.
    fn algorithm_name(&self, algorithm: Algorithm) -> &'static str {
        match algorithm {
            Algorithm::NewReno if self.abi == Abi::FreeBsd => "newreno",
            other => other.name(),
        }
    }
}
