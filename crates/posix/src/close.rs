//! `close`, which may linger.

use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::Readiness;

use crate::abi::Errno;
use crate::call::{Fd, Reply, Waiting};
use crate::descriptors::File;
use crate::host::{Host, Step};
use crate::socket::{Role, Socket};

impl Host {
    pub(crate) fn close(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd) -> Step {
        if let Some(deadline) = self.lingers(now, waiting, fd)? {
            waiting.deadline = Some(deadline);
            return Ok(None);
        }
        match self.fds.remove(fd).ok_or(Errno::EBADF)? {
            File::PipeOut(id) => self.fds.end_pipe(id, |pipe| pipe.read_closed = true),
            File::PipeIn(id) => self.fds.end_pipe(id, |pipe| pipe.write_closed = true),
            File::Epoll(_) => {}
            File::Socket(socket) => self.close_socket(now, &socket),
        }
        Ok(Some(Reply::default()))
    }

    /// Until when `close` waits for what was sent to be acknowledged (`SO_LINGER`); `None`: no longer.
    fn lingers(&mut self, now: Instant, waiting: &mut Waiting, fd: Fd) -> Result<Option<Instant>, Errno> {
        let descriptor = self.fds.get(fd)?;
        let blocking = !descriptor.nonblocking;
        let File::Socket(socket) = &descriptor.file else { return Ok(None) };
        let (linger, Role::Open(key)) = (socket.settings.linger, socket.role) else { return Ok(None) };
        if !linger.on || linger.seconds <= 0 || !blocking || socket.ended || waiting.is_late(now) {
            return Ok(None);
        }
        // What was not read makes it a reset (RFC 9293 3.6.1), for which nobody waits.
        if socket.settings.tcp.reset_unread && self.stack.tcp().received(key) > 0 {
            return Ok(None);
        }
        if !core::mem::replace(&mut waiting.begun, true) {
            // It fails where the user has closed this half before; then the FIN is under way already.
            let _ = self.stack.tcp_mut().shutdown(now, key);
        }
        let flushed = self.stack.tcp().readiness(key).intersects(Readiness::FLUSHED | Readiness::CLOSED);
        let patience = Duration::from_secs(u64::from(linger.seconds.unsigned_abs()));
        Ok((!flushed).then(|| waiting.deadline.unwrap_or(now + patience)))
    }

    fn close_socket(&mut self, now: Instant, socket: &Socket) {
        match socket.role {
            Role::Idle => self.sign_refusals(socket, false),
            Role::Datagram(None) => {}
            Role::Datagram(Some(key)) => {
                self.disown_datagrams(key);
                self.stack.udp_close(key);
            }
            Role::Listening(key) => {
                self.disown_listener(key);
                self.stack.tcp_mut().close_listener(now, key);
            }
            Role::Opening(key) | Role::Open(key) => {
                self.disown_connection(key);
                self.stack.tcp_mut().close(now, key);
            }
        }
    }
}
