//! `connect` and `accept`.

use core::net::SocketAddr;

use bowline_base::Instant;
use bowline_tcp::{Profile, State};

use crate::abi::{Address, Errno, unmapped};
use crate::call::{Fd, Reply, Waiting};
use crate::descriptors::File;
use crate::error;
use crate::host::{Host, Step};
use crate::socket::{Family, Role, Socket};

impl Host {
    pub(crate) fn connect(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd, address: Address) -> Step {
        let socket = self.fds.socket(fd)?;
        if !waiting.begun {
            if let Role::Datagram(_) = socket.role {
                return self.connect_datagram(now, fd, address).map(|()| Some(Reply::default()));
            }
            if address == Address::Unspecified && self.profile != Profile::FreeBsd {
                return self.disconnect(now, fd).map(|()| Some(Reply::default()));
            }
            let remote = self.destination(socket, address)?;
            if let Some(done) = self.connect_again(fd)? {
                return Ok(Some(done));
            }
            if !matches!(self.fds.socket(fd)?.role, Role::Opening(_)) {
                self.open(now, fd, remote)?;
                // As on Linux: as good as connected. The SYN waits for what it can take along.
                if self.waits_for_data(self.fds.socket(fd)?.role) {
                    return Ok(Some(Reply::default()));
                }
                if self.fds.get(fd)?.nonblocking {
                    return Err(Errno::EINPROGRESS);
                }
            } else if self.waits_for_data(self.fds.socket(fd)?.role) {
                return Err(Errno::EISCONN);
            } else if self.fds.get(fd)?.nonblocking || self.profile == Profile::FreeBsd {
                return Err(Errno::EALREADY);
            }
            waiting.begun = true;
            waiting.deadline = self.fds.socket(fd)?.settings.send_timeout.map(|patience| now + patience);
        }
        let socket = self.fds.socket_mut(fd)?;
        match socket.role {
            Role::Opening(_) if waiting.is_late(now) => Err(Errno::EINPROGRESS),
            Role::Opening(_) => Ok(None),
            Role::Open(_) if socket.error.is_none() => {
                socket.reported = true;
                Ok(Some(Reply::default()))
            }
            _ => Err(socket.error.take().unwrap_or(Errno::ECONNABORTED)),
        }
    }

    /// What a further `connect` says, where it says something.
    fn connect_again(&mut self, fd: Fd) -> Result<Option<Reply>, Errno> {
        let freebsd = self.profile == Profile::FreeBsd;
        let socket = self.fds.socket_mut(fd)?;
        match socket.role {
            Role::Open(_) if !freebsd && !socket.reported => {
                socket.reported = true;
                Ok(Some(Reply::default()))
            }
            Role::Open(_) if freebsd && socket.ended => Err(Errno::ECONNREFUSED),
            Role::Open(_) => Err(Errno::EISCONN),
            Role::Listening(_) if freebsd => Err(Errno::EOPNOTSUPP),
            Role::Listening(_) => Err(Errno::EISCONN),
            // FreeBSD's sockets connect once, whatever came of it.
            Role::Idle if freebsd && socket.ended => Err(Errno::ECONNREFUSED),
            // After EINPROGRESS and a failure, the first `connect` tells of it.
            Role::Idle => socket.error.take().map_or(Ok(None), Err),
            Role::Opening(_) | Role::Datagram(_) => Ok(None),
        }
    }

    /// Whom an address names, for this socket.
    pub(crate) fn destination(&self, socket: &Socket, address: Address) -> Result<SocketAddr, Errno> {
        match (address, socket.family) {
            (Address::Inet(v4 @ SocketAddr::V4(_)), Family::Inet) => Ok(v4),
            (Address::Inet(v6 @ SocketAddr::V6(_)), Family::Inet6) => {
                let wire = unmapped(v6);
                if wire.is_ipv4() && socket.settings.v6only { Err(Errno::ENETUNREACH) } else { Ok(wire) }
            }
            (Address::Inet(SocketAddr::V4(_)), Family::Inet6) if self.profile != Profile::FreeBsd => Err(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// OPEN: our SYN will be the next thing sent.
    pub(crate) fn open(&mut self, now: Instant, fd: Fd, remote: SocketAddr) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        let local = socket.local.map(|local| match (local.ip().is_unspecified(), remote.is_ipv4()) {
            (true, true) => SocketAddr::new(core::net::Ipv4Addr::UNSPECIFIED.into(), local.port()),
            _ => local,
        });
        if local.is_some_and(|local| local.is_ipv4() != remote.is_ipv4()) {
            return Err(Errno::EINVAL);
        }
        // An open has a patience of its own, which `on_connection` ends.
        let mut options = socket.settings.tcp.clone();
        options.user_timeout = socket.settings.keep_init.or(options.user_timeout);
        let key = self.stack.tcp_connect(now, local, remote, Some(options)).map_err(error::of_open)?;
        let name = self.stack.tcp().tuple(key).map(|tuple| tuple.local);
        let socket = self.fds.socket_mut(fd)?;
        socket.role = Role::Opening(key);
        socket.local = name;
        (socket.error, socket.ended, socket.reported) = (None, false, false);
        (socket.shut_read, socket.shut_write) = (false, false);
        self.own_connection(key, fd);
        self.name_or_role_changed(fd);
        Ok(())
    }

    /// `connect` to AF_UNSPEC: the connection is aborted, the socket idle (as on Linux).
    fn disconnect(&mut self, now: Instant, fd: Fd) -> Result<(), Errno> {
        if let Role::Listening(key) = self.fds.socket(fd)?.role {
            self.disown_listener(key);
            self.stack.tcp_mut().close_listener(now, key);
            self.fds.socket_mut(fd)?.role = Role::Idle;
        }
        self.forget_connection(now, fd);
        let socket = self.fds.socket_mut(fd)?;
        (socket.error, socket.ended, socket.reported) = (None, false, false);
        (socket.shut_read, socket.shut_write) = (false, false);
        Ok(())
    }

    fn connect_datagram(&mut self, now: Instant, fd: Fd, address: Address) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        if address == Address::Unspecified {
            if let Role::Datagram(Some(key)) = socket.role {
                self.stack.udp_disconnect(key).map_err(|why| error::of_udp(self.profile, why))?;
            }
            self.fds.socket_mut(fd)?.peer = None;
            return Ok(());
        }
        let remote = self.destination(socket, address)?;
        let key = self.datagram_key(now, fd)?;
        self.stack.udp_connect(key, remote).map_err(|why| error::of_udp(self.profile, why))?;
        let socket = self.fds.socket_mut(fd)?;
        socket.peer = Some(remote);
        Ok(())
    }

    pub(crate) fn accept(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd, flags: i32) -> Step {
        let (nonblock, cloexec) = (self.abi.get("SOCK_NONBLOCK"), self.abi.get("SOCK_CLOEXEC"));
        let blocking = !self.fds.get(fd)?.nonblocking;
        let socket = self.fds.socket(fd)?;
        if flags & !(nonblock | cloexec) != 0 {
            return Err(Errno::EINVAL);
        }
        let listener = match socket.role {
            Role::Listening(listener) => listener,
            Role::Datagram(_) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::EINVAL),
        };
        let (family, settings, patience) = (socket.family, socket.settings.clone(), socket.settings.receive_timeout);
        let notices = socket.notices.inherited();
        // FreeBSD's accepted sockets do not block where the listener does not.
        let inherits = self.profile == Profile::FreeBsd && !blocking && flags == 0;
        while let Some(key) = self.stack.tcp_mut().accept(now, listener) {
            let Some(tuple) = self.stack.tcp().tuple(key) else { continue };
            let gone = self.stack.tcp().state(key) == Some(State::Closed);
            if gone && self.profile == Profile::FreeBsd {
                self.stack.tcp_mut().close(now, key);
                return Err(Errno::ECONNABORTED);
            }
            let mut socket = Socket::new(family, Role::Open(key), settings);
            socket.notices = notices;
            socket.local = Some(tuple.local);
            (socket.bound, socket.reported) = (true, true);
            let address = Some(socket.show(tuple.remote));
            let file = File::Socket(Box::new(socket));
            let accepted = self.fds.insert(file, flags & nonblock != 0 || inherits, flags & cloexec != 0);
            let accepted = match accepted {
                Ok(accepted) => accepted,
                Err(errno) => {
                    self.stack.tcp_mut().abort(now, key);
                    return Err(errno);
                }
            };
            self.own_connection(key, accepted);
            return Ok(Some(Reply { value: i64::from(accepted), address, ..Reply::default() }));
        }
        self.would_block(now, waiting, blocking, patience)
    }

    /// Nothing can be done now: wait, unless the descriptor or the call does not, or its time is up.
    pub(crate) fn would_block(
        &self,
        now: Instant,
        waiting: &mut Waiting,
        blocking: bool,
        patience: Option<core::time::Duration>,
    ) -> Step {
        if !blocking || waiting.is_late(now) {
            return Err(Errno::EAGAIN);
        }
        if !core::mem::replace(&mut waiting.begun, true) {
            waiting.deadline = patience.map(|patience| now + patience);
        }
        Ok(None)
    }
}
