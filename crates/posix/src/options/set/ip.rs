//! A new value for an option of IPv4 or IPv6, and what a stream's packets have of them.

use bowline_base::Instant;
use bowline_tcp::PathMtuDiscovery;

use super::{int, within};
use crate::abi::Errno;
use crate::abi::options::Opt;
use crate::call::Fd;
use crate::host::Host;
use crate::socket::{Family, Role};

impl Host {
    pub(super) fn set_ip(&mut self, now: Instant, fd: Fd, opt: Opt, value: &[u8]) -> Result<(), Errno> {
        let is_six = opt.place(self.abi).0 == 41;
        // Linux takes a byte for small numbers, too.
        let number = match value {
            [byte] if !is_six => i32::from(*byte),
            _ => int(value)?,
        };
        let on = number != 0;
        let any_address = self.takes_any(on);
        let socket = self.fds.socket_mut(fd)?;
        if is_six && socket.family == Family::Inet {
            return Err(Errno::ENOPROTOOPT);
        }
        let default = self.settings.ttl;
        let settings = &mut socket.settings;
        match opt {
            Opt::Tos => {
                settings.tos = number as u8;
                return self.set_marks(now, fd);
            }
            Opt::Tclass => {
                settings.tclass = if number == -1 { 0 } else { within(number, 0, 255)? as u8 };
                return self.set_marks(now, fd);
            }
            Opt::Ttl => {
                settings.ttl = if number == -1 { default } else { within(number, 1, 255)? as u8 };
                return self.set_marks(now, fd);
            }
            Opt::UnicastHops => {
                settings.hops = if number == -1 { default } else { within(number, 0, 255)? as u8 };
                return self.set_marks(now, fd);
            }
            Opt::RecvErr => settings.recverr = on,
            Opt::RecvErr6 => settings.recverr6 = on,
            Opt::RecvTtl => settings.recvttl = on,
            Opt::RecvTos => settings.recvtos = on,
            Opt::RecvHopLimit => settings.recvhoplimit = on,
            Opt::RecvTclass => settings.recvtclass = on,
            Opt::BindNoPort => settings.bind_no_port = on,
            Opt::LocalPortRange => return self.set_local_ports(now, fd, value),
            Opt::V6Only if socket.local.is_some() || !matches!(socket.role, Role::Idle | Role::Datagram(None)) => {
                return Err(Errno::EINVAL);
            }
            Opt::V6Only => settings.v6only = on,
            Opt::FreeBind => settings.free_bind = on,
            Opt::Transparent | Opt::BindAny if any_address => {}
            Opt::MtuDiscover | Opt::MtuDiscover6 => return self.set_mtu_discovery(now, fd, opt, number),
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// `IP_MTU_DISCOVER`. As Linux 6.18 does it, a stream's packets are marked as not to be cut with `WANT` and `DO` only, and `DONT`,
    /// `INTERFACE` and `OMIT` do not believe who tells that they are too large. Over IPv6 there is no such mark, and the last two
    /// count. Datagrams are always sent as with `WANT`.
    fn set_mtu_discovery(&mut self, now: Instant, fd: Fd, opt: Opt, number: i32) -> Result<(), Errno> {
        let mode = match (within(number, 0, 5)?, opt) {
            (1 | 2, _) => PathMtuDiscovery::On,
            (3, Opt::MtuDiscover) => PathMtuDiscovery::Unmarked,
            (0 | 3, Opt::MtuDiscover6) => PathMtuDiscovery::On,
            _ => PathMtuDiscovery::Off,
        };
        let socket = self.fds.socket_mut(fd)?;
        if !socket.is_stream() && !matches!(number, 1 | 2) {
            return Err(Errno::EOPNOTSUPP);
        }
        socket.settings.mtu_discover = number;
        self.change(now, fd, |options| options.path_mtu_discovery = mode)
    }

    /// Whether binding to any address may be switched `on`, or off: it is as the host was made.
    fn takes_any(&self, on: bool) -> bool {
        self.stack.interface(self.interface).is_some_and(|interface| interface.any_ip == on)
    }

    /// Traffic class and time to live of a stream's packets: those of the version that it speaks.
    fn set_marks(&mut self, now: Instant, fd: Fd) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        let is_v4 = socket.family == Family::Inet || socket.local.is_some_and(|local| local.is_ipv4());
        let settings = &socket.settings;
        let (class, hops) = if is_v4 { (settings.tos, settings.ttl) } else { (settings.tclass, settings.hops) };
        self.change(now, fd, |options| (options.traffic_class, options.hop_limit) = (class, hops))
    }
}
