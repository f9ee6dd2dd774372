//! Sockets and their names: `socket`, `bind`, `listen`, `getsockname`, `getpeername`, `shutdown`, `pipe`.

use core::net::{IpAddr, SocketAddr};

use bowline_base::Instant;
use bowline_stack::{UdpBind, UdpKey};
use bowline_tcp::{Listen, Profile};

use crate::abi::{Address, Errno, unmapped};
use crate::call::Fd;
use crate::descriptors::File;
use crate::error;
use crate::host::Host;
use crate::socket::{Family, Role, Socket};

impl Host {
    /// `socket`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT`, `EINVAL` for flags that are none, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`, `EMFILE`.
    pub fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno> {
        let abi = self.abi;
        let family = match domain {
            d if d == abi.get("AF_INET") => Family::Inet,
            d if d == abi.get("AF_INET6") => Family::Inet6,
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        let (nonblock, cloexec) = (abi.get("SOCK_NONBLOCK"), abi.get("SOCK_CLOEXEC"));
        let plain = kind & !(nonblock | cloexec);
        if !(0..=15).contains(&plain) {
            return Err(Errno::EINVAL);
        }
        let role = match (plain, protocol) {
            (1, 0 | 6) => Role::Idle,
            (2, 0 | 17) => Role::Datagram(None),
            (1 | 2, _) => return Err(Errno::EPROTONOSUPPORT),
            (3, _) => return Err(Errno::EPROTONOSUPPORT),
            _ if self.profile == Profile::FreeBsd => return Err(Errno::EPROTOTYPE),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        };
        let settings = self.settings.clone();
        let settings = if role == Role::Idle { settings } else { settings.for_datagrams(self.profile) };
        let socket = Box::new(Socket::new(family, role, settings));
        self.fds.insert(File::Socket(socket), kind & nonblock != 0, kind & cloexec != 0)
    }

    /// `pipe2`; `pipe` with no flags. Gives the reading and the writing end.
    ///
    /// # Errors
    /// `EINVAL` for other flags than `O_NONBLOCK` and `O_CLOEXEC`, `EMFILE`.
    pub fn pipe(&mut self, flags: i32) -> Result<(Fd, Fd), Errno> {
        let (nonblock, cloexec) = (self.abi.get("O_NONBLOCK"), self.abi.get("O_CLOEXEC"));
        if flags & !(nonblock | cloexec) != 0 {
            return Err(Errno::EINVAL);
        }
        self.fds.pipe(flags & nonblock != 0, flags & cloexec != 0)
    }

    /// `bind`. Port 0 means an ephemeral one.
    ///
    /// # Errors
    /// `EINVAL` where it has a name already, `EAFNOSUPPORT`, `EADDRNOTAVAIL`, `EADDRINUSE`.
    pub fn bind(&mut self, now: Instant, fd: Fd, address: Address) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        let wanted = self.acceptable(socket, address)?;
        if socket.local.is_some() || !matches!(socket.role, Role::Idle | Role::Datagram(None)) {
            return Err(Errno::EINVAL);
        }
        let is_free = socket.settings.free_bind && !wanted.ip().is_multicast();
        if !wanted.ip().is_unspecified() && !is_free && !self.is_local(wanted.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        self.name(now, fd, wanted)
    }

    /// Whether a name fits the socket, and what it means on the wire.
    fn acceptable(&self, socket: &Socket, address: Address) -> Result<SocketAddr, Errno> {
        match (address, socket.family) {
            (Address::Inet(v4 @ SocketAddr::V4(_)), Family::Inet) => Ok(v4),
            (Address::Inet(v6 @ SocketAddr::V6(_)), Family::Inet6) => {
                let wire = unmapped(v6);
                if wire.is_ipv4() && socket.settings.v6only { Err(Errno::EINVAL) } else { Ok(wire) }
            }
            // Linux takes AF_UNSPEC for the unspecified address in `bind` of IPv4, for old programs.
            (Address::Unspecified, Family::Inet) if self.profile != Profile::FreeBsd => {
                Ok(SocketAddr::new(socket.any(), 0))
            }
            // The struct of the other family is too short, or is it.
            (Address::Inet(SocketAddr::V4(_)), Family::Inet6) if self.profile != Profile::FreeBsd => Err(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Whether the address may be a socket's name.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        let Some(interface) = self.stack.interface(self.interface) else { return false };
        let is_own = interface.addresses.iter().any(|own| own.address() == address);
        let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        is_own || (interface.any_ip && !address.is_multicast() && !is_broadcast && !address.is_loopback())
    }

    /// Gives a socket a name. Port 0 is an ephemeral one; a datagram socket gets its queues.
    pub(crate) fn name(&mut self, now: Instant, fd: Fd, wanted: SocketAddr) -> Result<(), Errno> {
        let mut candidate = self.fds.socket(fd)?.clone();
        let mut local = wanted;
        if wanted.port() == 0 {
            let free = self.free_port(self.ports_of(&candidate.settings), |host, port| {
                let mut trial = candidate.clone();
                trial.local = Some(SocketAddr::new(wanted.ip(), port));
                host.is_free(now, fd, &trial)
            });
            local.set_port(free.ok_or(Errno::EADDRINUSE)?);
        }
        candidate.local = Some(local);
        if !self.is_free(now, fd, &candidate) {
            return Err(Errno::EADDRINUSE);
        }
        if let Role::Datagram(_) = candidate.role {
            let address = candidate.listen_address();
            let settings = &candidate.settings;
            let bind = UdpBind {
                address,
                receive_buffer: settings.rcvbuf as usize,
                send_buffer: settings.sndbuf as usize,
                ..UdpBind::port(local.port())
            };
            let key = self.stack.udp_bind(bind).map_err(|why| error::of_udp(self.profile, why))?;
            candidate.role = Role::Datagram(Some(key));
            self.own_datagrams(key, fd);
        }
        candidate.bound = wanted.port() != 0;
        *self.fds.socket_mut(fd)? = candidate;
        self.name_or_role_changed(fd);
        Ok(())
    }

    /// Whether the candidate's port is free for it: `SO_REUSEADDR` and `SO_REUSEPORT` as on Linux. Connections and what is
    /// left of them count as long as their port is theirs.
    fn is_free(&self, now: Instant, fd: Fd, candidate: &Socket) -> bool {
        let Some(local) = candidate.local else { return true };
        let may_share = |other: &Socket| {
            let (ours, theirs) = (&candidate.settings, &other.settings);
            let by_address = ours.reuse_addr && theirs.reuse_addr && !matches!(other.role, Role::Listening(_));
            by_address || (ours.reuse_port && theirs.reuse_port)
        };
        let others = self.fds.sockets().filter(|(other, socket)| {
            *other != fd
                && socket.is_stream() == candidate.is_stream()
                && socket.local.is_some_and(|theirs| theirs.port() == local.port())
                && socket.overlaps(candidate)
        });
        if others.into_iter().any(|(_, socket)| !may_share(socket)) {
            return false;
        }
        // What nobody holds any more: closing connections and TIME-WAIT.
        !candidate.is_stream()
            || candidate.settings.reuse_addr
            || !self.stack.tcp().connections(now).iter().any(|left| left.key.is_none() && left.tuple.local == local)
    }

    /// `listen`. Again on a listening socket, it changes the backlog.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagram sockets, `EINVAL` for connected ones, `EADDRINUSE`.
    pub fn listen(&mut self, now: Instant, fd: Fd, backlog: i32) -> Result<(), Errno> {
        let freebsd = self.profile == Profile::FreeBsd;
        let socket = self.fds.socket(fd)?;
        // Linux reads a negative backlog as a huge one, FreeBSD as its greatest.
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX);
        match socket.role {
            Role::Datagram(_) => return Err(Errno::EOPNOTSUPP),
            Role::Opening(_) | Role::Open(_) => return Err(Errno::EINVAL),
            Role::Idle if freebsd && socket.ended => return Err(Errno::EINVAL),
            Role::Listening(key) => {
                self.stack.tcp_mut().set_backlog(key, backlog);
                return Ok(());
            }
            Role::Idle => {}
        }
        if socket.local.is_none() {
            let any = SocketAddr::new(socket.any(), 0);
            self.name(now, fd, any)?;
        }
        let socket = self.fds.socket(fd)?;
        let listen = Listen {
            address: socket.listen_address(),
            port: socket.local.map(|local| local.port()),
            // FreeBSD's queue takes half as many again.
            backlog: if freebsd { backlog.min(128) * 3 / 2 } else { backlog },
            deferred: false,
            options: Some(socket.settings.tcp.clone()),
        };
        let key = self.stack.tcp_mut().listen(listen).map_err(error::of_listen)?;
        let socket = self.fds.socket_mut(fd)?;
        socket.role = Role::Listening(key);
        self.own_listener(key, fd);
        self.name_or_role_changed(fd);
        Ok(())
    }

    /// `getsockname`.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub fn getsockname(&self, fd: Fd) -> Result<Address, Errno> {
        let socket = self.fds.socket(fd)?;
        let tuple = socket.connection().and_then(|key| self.stack.tcp().tuple(key));
        let local = tuple.map(|tuple| tuple.local).or(socket.local);
        Ok(socket.show(local.unwrap_or(SocketAddr::new(socket.any(), 0))))
    }

    /// `getpeername`.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn getpeername(&self, fd: Fd) -> Result<Address, Errno> {
        let socket = self.fds.socket(fd)?;
        let peer = match socket.role {
            Role::Open(key) if !socket.ended => self.stack.tcp().tuple(key).map(|tuple| tuple.remote),
            Role::Datagram(_) => socket.peer,
            _ => None,
        };
        Ok(socket.show(peer.ok_or(Errno::ENOTCONN)?))
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// `EINVAL` for a `how` that is none, `ENOTCONN`.
    pub fn shutdown(&mut self, now: Instant, fd: Fd, how: i32) -> Result<(), Errno> {
        let socket = self.fds.socket_mut(fd)?;
        if !(0..=2).contains(&how) {
            return Err(Errno::EINVAL);
        }
        let (read, write) = (how != 1, how != 0);
        match socket.role {
            Role::Datagram(_) => {
                let connected = socket.peer.is_some();
                socket.shut_read |= read;
                socket.shut_write |= write;
                if connected { Ok(()) } else { Err(Errno::ENOTCONN) }
            }
            Role::Idle => {
                socket.shut_read |= read;
                socket.shut_write |= write;
                Err(Errno::ENOTCONN)
            }
            Role::Listening(key) if self.profile == Profile::FreeBsd => {
                let _ = key;
                Err(Errno::ENOTCONN)
            }
            // Linux: to shut the reading half of a listener is to stop listening.
            Role::Listening(key) => {
                if read {
                    socket.role = Role::Idle;
                    self.disown_listener(key);
                    self.stack.tcp_mut().close_listener(now, key);
                    self.drain(now);
                }
                Ok(())
            }
            // Linux takes the open back. FreeBSD goes on, and closes once it is open (RFC 9293 3.10.4).
            Role::Opening(_) if self.profile != Profile::FreeBsd => {
                self.forget_connection(now, fd);
                Ok(())
            }
            Role::Open(_) | Role::Opening(_) if socket.ended => Err(Errno::ENOTCONN),
            Role::Open(key) | Role::Opening(key) => {
                socket.shut_read |= read;
                let first = write && !socket.shut_write;
                socket.shut_write |= write;
                socket.activity += 1;
                if first {
                    // That it was closed from the other side meanwhile is no error of this call.
                    let _ = self.stack.tcp_mut().shutdown(now, key);
                    self.drain(now);
                }
                self.discard_unread(now, fd);
                Ok(())
            }
        }
    }

    /// The queues of a datagram socket, which gets a name where it has none.
    pub(crate) fn datagram_key(&mut self, now: Instant, fd: Fd) -> Result<UdpKey, Errno> {
        let socket = self.fds.socket(fd)?;
        match socket.role {
            Role::Datagram(Some(key)) => Ok(key),
            Role::Datagram(None) => {
                let any = SocketAddr::new(socket.any(), 0);
                self.name(now, fd, any)?;
                self.datagram_key(now, fd)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}
