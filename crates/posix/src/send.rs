//! `write`, `send` and their family, for streams, datagrams and pipes.

use core::net::IpAddr;

use bowline_base::Instant;
use bowline_stack::UdpSend;
use bowline_tcp::{CallError, Readiness, Then};
use bytes::Bytes;

use crate::abi::options::Opt;
use crate::abi::{Address, ControlMessage, Errno, Reader};
use crate::call::{Call, Fd, Reply, Waiting};
use crate::descriptors::File;
use crate::error;
use crate::host::{Host, Step};
use crate::socket::{Role, Socket};

impl Host {
    pub(crate) fn send(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        let (fd, flags, is_send) = match waiting.call {
            Call::Write { fd, .. } => (fd, 0, false),
            Call::Send { fd, flags, .. } => (fd, flags, true),
            _ => return Err(Errno::EINVAL),
        };
        let descriptor = self.fds.get(fd)?;
        let blocking = !descriptor.nonblocking && flags & self.abi.get("MSG_DONTWAIT") == 0;
        match &descriptor.file {
            File::PipeIn(pipe) if !is_send => {
                let pipe = *pipe;
                self.write_pipe(now, waiting, pipe, blocking)
            }
            File::Socket(socket) if socket.is_stream() => self.send_stream(now, waiting, fd, flags, blocking),
            File::Socket(_) => self.send_datagram(now, waiting, fd, flags, blocking),
            _ if is_send => Err(Errno::ENOTSOCK),
            File::PipeOut(_) => Err(Errno::EBADF),
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_pipe(&mut self, now: Instant, waiting: &mut Waiting, id: u32, blocking: bool) -> Step {
        let rest = rest_of(waiting);
        let pipe = self.fds.pipe_of_mut(id)?;
        if pipe.read_closed {
            return Err(Errno::EPIPE);
        }
        let n = rest.len().min(pipe.room());
        pipe.bytes.extend(rest.iter().take(n));
        waiting.sent += n;
        if n == rest.len() {
            return Ok(Some(Reply::value(waiting.sent)));
        }
        self.would_block(now, waiting, blocking, None).or_else(|errno| partly(waiting, errno))
    }

    // ---- streams

    fn send_stream(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd, flags: i32, blocking: bool) -> Step {
        self.check_stream_call(fd, waiting, flags)?;
        let freebsd = self.is_freebsd();
        let socket = self.fds.socket_mut(fd)?;
        // FreeBSD looks first whether this half is closed, which an error does, too: who writes hears of it by EPIPE alone.
        let is_closed = socket.shut_write || socket.ended;
        if !(freebsd && is_closed)
            && let Some(error) = socket.error.take()
        {
            // An open that took text along has failed: nothing of it has arrived.
            return if socket.role == Role::Idle { Err(error) } else { partly(waiting, error) };
        }
        let rest = rest_of(waiting);
        if let Some(step) = self.send_with_syn(now, waiting, (fd, flags), blocking, rest)? {
            return step;
        }
        let socket = self.fds.socket(fd)?;
        let patience = socket.settings.send_timeout;
        let (role, shut, ended) = (socket.role, socket.shut_write, socket.ended);
        let key = match role {
            _ if shut => return partly(waiting, Errno::EPIPE),
            Role::Open(_) if ended => return partly(waiting, Errno::EPIPE),
            Role::Open(key) => key,
            Role::Opening(_) if freebsd => return Err(Errno::ENOTCONN),
            Role::Opening(_) => return self.would_block(now, waiting, blocking, patience),
            _ if freebsd => return Err(Errno::ENOTCONN),
            _ => return Err(Errno::EPIPE),
        };
        // Who has slept for want of room is woken once a third of the queue is free.
        let is_woken = self.stack.tcp().readiness(key).contains(Readiness::WRITABLE);
        if blocking && waiting.sent > 0 && !is_woken && !waiting.is_late(now) && self.stack.tcp().error(key).is_none() {
            return Ok(None);
        }
        let urgent = flags & self.abi.get("MSG_OOB") != 0;
        let then = self.then(flags);
        let mut rest = rest_of(waiting);
        while !rest.is_empty() {
            let tcp = self.stack.tcp_mut();
            // Only the last byte is urgent (RFC 6093 3.1), but the pointer stands behind all that a call takes.
            let sent = if urgent {
                tcp.send_urgent(now, key, &rest).inspect(|n| drop(rest.split_to(*n)))
            } else {
                tcp.send_with(now, key, &mut rest, then)
            };
            let step = match sent {
                Ok(n) => {
                    waiting.sent += n;
                    continue;
                }
                Err(CallError::WouldBlock) => {
                    let step = self.would_block(now, waiting, blocking, patience);
                    step.or_else(|errno| partly(waiting, errno))
                }
                Err(error) => partly(waiting, error::of_call(error)),
            };
            if !matches!(step, Ok(None)) {
                self.note_written_by(fd, waiting, flags);
            }
            return step;
        }
        self.note_written_by(fd, waiting, flags);
        Ok(Some(Reply::value(waiting.sent)))
    }

    /// A call has written what it could: its notices are about that.
    pub(crate) fn note_written_by(&mut self, fd: Fd, waiting: &Waiting, flags: i32) {
        let linux = self.abi == crate::Abi::Linux;
        if linux && waiting.sent > 0 {
            self.note_written(fd, flags & self.abi.get("MSG_ZEROCOPY") != 0);
        }
    }

    /// What a stream cannot do is said before anything is done.
    fn check_stream_call(&self, fd: Fd, waiting: &Waiting, flags: i32) -> Result<(), Errno> {
        let Call::Send { to, control, .. } = &waiting.call else { return Ok(()) };
        let linux = self.abi == crate::Abi::Linux;
        let opens = linux && flags & self.abi.get("MSG_FASTOPEN") != 0;
        if opens && (!self.may_open_fast() || *to == Some(Address::Unspecified)) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.is_freebsd() && to.is_some() {
            let socket = self.fds.socket(fd)?;
            let open = matches!(socket.role, Role::Open(_) | Role::Opening(_));
            if !open && socket.settings.tcp.fast_open.connect {
                return Ok(());
            }
            return Err(if open { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        if control.is_empty() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// What the flags say of what follows. `MSG_MORE` outweighs `MSG_EOR`, which on FreeBSD means nothing on a stream.
    fn then(&self, flags: i32) -> Then {
        let linux = self.abi == crate::Abi::Linux;
        let has = |name| flags & self.abi.get(name) != 0;
        match () {
            () if has(if linux { "MSG_MORE" } else { "MSG_MORETOCOME" }) => Then::More,
            () if linux && has("MSG_EOR") => Then::EndOfRecord,
            () => Then::Push,
        }
    }

    // ---- datagrams

    fn send_datagram(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd, flags: i32, blocking: bool) -> Step {
        let abi = self.abi;
        let refused = if abi == crate::Abi::Linux { "MSG_MORE" } else { "MSG_EOF" };
        if flags & (abi.get("MSG_OOB") | abi.get(refused)) != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let socket = self.fds.socket_mut(fd)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        if socket.shut_write {
            return Err(Errno::EPIPE);
        }
        let (patience, peer) = (socket.settings.send_timeout, socket.peer);
        let (payload, to, control) = match &waiting.call {
            Call::Write { data, .. } => (data.clone(), None, &[][..]),
            Call::Send { data, to, control, .. } => (data.clone(), *to, &control[..]),
            _ => return Err(Errno::EINVAL),
        };
        let socket = self.fds.socket(fd)?;
        let to = match to {
            None | Some(Address::Unspecified) => None,
            Some(_) if peer.is_some() && self.is_freebsd() => return Err(Errno::EISCONN),
            Some(address) => Some(self.destination(socket, address)?),
        };
        let Some(destination) = to.or(peer) else {
            return Err(if self.is_freebsd() { Errno::ENOTCONN } else { Errno::EDESTADDRREQ });
        };
        let is_broadcast = matches!(destination.ip(), IpAddr::V4(v4) if v4.is_broadcast());
        if is_broadcast && !socket.settings.broadcast {
            return Err(Errno::EACCES);
        }
        let (traffic_class, hop_limit) = self.datagram_marks(socket, destination.is_ipv4(), control)?;
        let len = payload.len();
        let key = self.datagram_key(now, fd)?;
        let send = UdpSend { destination: Some(destination), traffic_class, hop_limit, ..UdpSend::connected(payload) };
        match self.stack.udp_send(now, key, send) {
            Ok(()) => Ok(Some(Reply::value(len))),
            Err(bowline_stack::UdpCallError::WouldBlock) => self.would_block(now, waiting, blocking, patience),
            Err(error) => Err(error::of_udp(self.profile, error)),
        }
    }

    /// Traffic class and time to live of a datagram: the socket's, unless a control message says otherwise.
    fn datagram_marks(&self, socket: &Socket, is_v4: bool, control: &[ControlMessage]) -> Result<(u8, u8), Errno> {
        let settings = &socket.settings;
        let (mut class, mut hops) = if is_v4 { (settings.tos, settings.ttl) } else { (settings.tclass, settings.hops) };
        for message in control {
            let place = (message.level, message.kind);
            let value = match message.data.len() {
                1 => message.data.first().map(|byte| i32::from(*byte)),
                _ => Reader(&message.data).i32(),
            };
            let value = value.and_then(|value| u8::try_from(value).ok()).ok_or(Errno::EINVAL)?;
            let is = |opt: Opt| opt.place(self.abi) == place;
            match () {
                () if is_v4 && is(Opt::Tos) || !is_v4 && is(Opt::Tclass) => class = value,
                () if is_v4 && is(Opt::Ttl) || !is_v4 && is(Opt::HopLimit) => hops = value,
                () => return Err(Errno::EINVAL),
            }
        }
        Ok((class, hops))
    }
}

/// What of a call's bytes has not been sent.
fn rest_of(waiting: &Waiting) -> Bytes {
    match &waiting.call {
        Call::Write { data, .. } | Call::Send { data, .. } => data.slice(waiting.sent.min(data.len())..),
        _ => Bytes::new(),
    }
}

/// A failure after a part was sent is a short count.
fn partly(waiting: &Waiting, errno: Errno) -> Step {
    if waiting.sent > 0 { Ok(Some(Reply::value(waiting.sent))) } else { Err(errno) }
}
