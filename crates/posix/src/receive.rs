//! `read`, `recv` and their family, for streams, datagrams and pipes.

use bowline_base::Instant;
use bowline_stack::UdpCallError;
use bowline_tcp::{CallError, ConnectionKey, Profile};

use crate::abi::options::Opt;
use crate::abi::{ControlMessage, Errno};
use crate::call::{Call, Fd, Reply, Waiting};
use crate::descriptors::File;
use crate::error;
use crate::host::{Host, Step};
use crate::socket::{Role, Socket};

/// The most that one call reads, in bytes: what Linux reads at most is more, but no queue here is as long.
const MAX_READ: usize = 1 << 26;

/// How something is to be read.
#[derive(Clone, Copy, Debug, Default)]
struct How {
    peek: bool,
    wait_all: bool,
    truncate: bool,
    errors: bool,
    urgent: bool,
    /// `recv`, which reads nothing from pipes and has address, flags and control messages to give.
    is_recv: bool,
}

/// How many bytes are thrown away at a time.
const DISCARDED: usize = 64 << 10;

impl Host {
    pub(crate) fn receive(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        let (fd, len, flags) = match waiting.call {
            Call::Read { fd, len } => (fd, len, None),
            Call::Receive { fd, len, flags } => (fd, len, Some(flags)),
            _ => return Err(Errno::EINVAL),
        };
        let len = len.min(MAX_READ);
        let descriptor = self.fds.get(fd)?;
        let mut blocking = !descriptor.nonblocking;
        let how = match flags {
            None => How::default(),
            Some(flags) => {
                blocking &= flags & self.abi.get("MSG_DONTWAIT") == 0;
                self.how(flags)
            }
        };
        match &descriptor.file {
            File::PipeOut(pipe) if !how.is_recv => {
                let pipe = *pipe;
                self.read_pipe(now, waiting, pipe, len, blocking)
            }
            File::Socket(socket) => match socket.role {
                _ if how.errors => self.receive_error(fd),
                Role::Datagram(_) => self.receive_datagram(now, waiting, (fd, len), how, blocking),
                _ if len == 0 && !how.is_recv => Ok(Some(Reply::default())),
                _ => self.receive_stream(now, waiting, (fd, len), how, blocking),
            },
            _ if how.is_recv => Err(Errno::ENOTSOCK),
            File::PipeIn(_) => Err(Errno::EBADF),
            _ => Err(Errno::EINVAL),
        }
    }

    fn how(&self, flags: i32) -> How {
        let has = |name| flags & self.abi.get(name) != 0;
        let linux = self.abi == crate::Abi::Linux;
        How {
            peek: has("MSG_PEEK"),
            wait_all: has("MSG_WAITALL"),
            truncate: has("MSG_TRUNC") && linux,
            errors: linux && has("MSG_ERRQUEUE"),
            urgent: has("MSG_OOB"),
            is_recv: true,
        }
    }

    fn read_pipe(&mut self, now: Instant, waiting: &mut Waiting, id: u32, len: usize, blocking: bool) -> Step {
        let pipe = self.fds.pipe_of_mut(id)?;
        if pipe.bytes.is_empty() && !pipe.write_closed && len > 0 {
            return self.would_block(now, waiting, blocking, None);
        }
        let n = len.min(pipe.bytes.len());
        Ok(Some(Reply::data(pipe.bytes.drain(..n).collect())))
    }

    // ---- streams

    fn receive_stream(
        &mut self,
        now: Instant,
        waiting: &mut Waiting,
        (fd, len): (Fd, usize),
        how: How,
        blocking: bool,
    ) -> Step {
        // RFC 6093 4: urgent data stays in the stream, as with SO_OOBINLINE, where there is nothing apart to read.
        let socket = self.fds.socket(fd)?;
        if how.urgent {
            return Err(if let Role::Listening(_) = socket.role { Errno::ENOTCONN } else { Errno::EINVAL });
        }
        let (lowat, patience) = (socket.settings.rcvlowat.max(1) as usize, socket.settings.receive_timeout);
        let target = if how.wait_all { len } else { lowat.min(len) }.max(1);
        if let Role::Open(key) = socket.role {
            let waits = self.stack.tcp().received(key);
            let room = len - waiting.read.len();
            let is_last = self.is_past_end(fd) || waits >= room || !blocking || waiting.is_late(now);
            let enough = waiting.read.len() + waits >= target || (is_last && waits > 0);
            // What is peeked at stays, so that all of it must be there at once.
            if waits > 0 && room > 0 && (enough || !how.peek) {
                let taken = self.take(now, key, (room, how.peek))?;
                waiting.read.extend(taken);
            }
        }
        let done = waiting.read.len();
        if done >= target || (done > 0 && (self.is_past_end(fd) || !blocking || waiting.is_late(now))) {
            return Ok(Some(self.stream_reply(fd, core::mem::take(&mut waiting.read), how)));
        }
        match self.nothing_to_read(fd)? {
            _ if done > 0 => self.would_block(now, waiting, blocking, patience),
            true => Ok(Some(self.stream_reply(fd, Vec::new(), how))),
            false => self.would_block(now, waiting, blocking, patience),
        }
    }

    /// Reads, or looks at, what has arrived.
    fn take(&mut self, now: Instant, key: ConnectionKey, (room, peek): (usize, bool)) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; room.min(self.stack.tcp().received(key))];
        let read = if peek {
            self.stack.tcp().peek(key, &mut bytes)
        } else {
            self.stack.tcp_mut().receive(now, key, &mut bytes)
        };
        let n = match read {
            Ok(n) => n,
            Err(CallError::WouldBlock) => 0,
            Err(error) => return Err(error::of_call(error)),
        };
        bytes.truncate(n);
        Ok(bytes)
    }

    /// FreeBSD throws away what has come, and what comes, for who reads no more; it is acknowledged, and takes no room. Linux keeps it,
    /// and gives it to who reads all the same.
    pub(crate) fn discard_unread(&mut self, now: Instant, fd: Fd) {
        let Ok(socket) = self.fds.socket(fd) else { return };
        let reads_no_more = socket.shut_read && self.is_freebsd();
        let Role::Open(key) = socket.role else { return };
        while reads_no_more && self.take(now, key, (DISCARDED, false)).is_ok_and(|taken| !taken.is_empty()) {}
    }

    /// Whether no more can arrive.
    fn is_past_end(&self, fd: Fd) -> bool {
        self.fds.socket(fd).is_ok_and(|socket| {
            socket.ended
                || socket.shut_read
                || socket.connection().is_some_and(|key| self.stack.tcp().has_received_fin(key))
        })
    }

    /// With nothing to read: whether that is the end, or for now; or why it fails.
    fn nothing_to_read(&mut self, fd: Fd) -> Result<bool, Errno> {
        let past_fin = self.fds.socket(fd)?.connection().is_some_and(|key| self.stack.tcp().has_received_fin(key));
        let freebsd = self.is_freebsd();
        let socket = self.fds.socket_mut(fd)?;
        // Linux: the end of the stream comes before what happened after it. FreeBSD: an error comes first.
        if past_fin && !(freebsd && socket.error.is_some()) {
            return Ok(true);
        }
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        match socket.role {
            _ if socket.shut_read => Ok(true),
            Role::Open(_) => Ok(socket.ended),
            Role::Opening(_) => Ok(false),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn stream_reply(&self, fd: Fd, mut data: Vec<u8>, how: How) -> Reply {
        let value = data.len() as i64;
        if how.truncate {
            data.clear();
        }
        let mut control = Vec::new();
        let Ok(socket) = self.fds.socket(fd) else { return Reply::data(data) };
        if how.is_recv && socket.settings.inq {
            let left = socket.connection().map_or(0, |key| self.stack.tcp().received(key));
            // Linux counts the end of the stream as one more.
            let hint = left as i32 + i32::from(left == 0 && self.is_past_end(fd));
            let (level, _) = Opt::Inq.place(self.abi);
            control.push(ControlMessage { level, kind: self.abi.get("TCP_CM_INQ"), data: hint.to_le_bytes().into() });
        }
        Reply { value, data, control, ..Reply::default() }
    }

    // ---- datagrams

    fn receive_datagram(
        &mut self,
        now: Instant,
        waiting: &mut Waiting,
        (fd, len): (Fd, usize),
        how: How,
        blocking: bool,
    ) -> Step {
        if how.urgent {
            return Err(Errno::EOPNOTSUPP);
        }
        let socket = self.fds.socket_mut(fd)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let (patience, shut) = (socket.settings.receive_timeout, socket.shut_read);
        let key = match socket.role {
            Role::Datagram(Some(key)) => key,
            _ if shut => return Ok(Some(Reply::default())),
            _ => return self.would_block(now, waiting, blocking, patience),
        };
        let found = if how.peek { self.stack.udp_peek(key) } else { self.stack.udp_receive(key) };
        let datagram = match found {
            Ok(datagram) => datagram,
            Err(UdpCallError::WouldBlock) if shut => return Ok(Some(Reply::default())),
            Err(UdpCallError::WouldBlock) => return self.would_block(now, waiting, blocking, patience),
            Err(error) => return Err(error::of_udp(self.profile, error)),
        };
        let socket = self.fds.socket(fd)?;
        let mut data = datagram.payload.to_vec();
        let whole = data.len();
        data.truncate(len);
        let value = if how.truncate { whole } else { data.len() } as i64;
        let flags = if whole > len { self.abi.get("MSG_TRUNC") } else { 0 };
        let control = self.datagram_control(socket, &datagram);
        let address = Some(socket.show(datagram.source));
        Ok(Some(Reply { value, data, address, flags, control, ..Reply::default() }))
    }

    fn datagram_control(&self, socket: &Socket, datagram: &bowline_stack::Datagram) -> Vec<ControlMessage> {
        let settings = &socket.settings;
        let is_v4 = datagram.source.is_ipv4();
        let number = |opt: Opt, value: u8, wide: bool| {
            let (level, kind) = opt.place(self.abi);
            let data = if wide { i32::from(value).to_le_bytes().to_vec() } else { vec![value] };
            ControlMessage { level, kind, data }
        };
        // What a message is called differs from the option that asks for it.
        let linux = self.abi == crate::Abi::Linux;
        let rows = [
            (is_v4 && settings.recvtos, if linux { Opt::Tos } else { Opt::RecvTos }, datagram.traffic_class, false),
            (is_v4 && settings.recvttl, if linux { Opt::Ttl } else { Opt::RecvTtl }, datagram.hop_limit, linux),
            (!is_v4 && settings.recvtclass, Opt::Tclass, datagram.traffic_class, true),
            (!is_v4 && settings.recvhoplimit, Opt::HopLimit, datagram.hop_limit, true),
        ];
        rows.into_iter().filter(|row| row.0).map(|(_, opt, value, wide)| number(opt, value, wide)).collect()
    }

    /// Whether this is FreeBSD, in what differs.
    pub(crate) fn is_freebsd(&self) -> bool {
        self.profile == Profile::FreeBsd
    }
}
