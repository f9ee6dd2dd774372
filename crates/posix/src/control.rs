//! `fcntl` and `ioctl`.

use bowline_base::Instant;

use crate::abi::Errno;
use crate::call::Fd;
use crate::descriptors::{File, PIPE_CAPACITY};
use crate::host::Host;
use crate::socket::Role;

impl Host {
    /// `fcntl`: `F_GETFL`, `F_SETFL` (of which `O_NONBLOCK` counts), `F_GETFD`, `F_SETFD`, `F_GETPIPE_SZ`. Gives the return value.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL` for other commands.
    pub fn fcntl(&mut self, fd: Fd, command: i32, argument: i64) -> Result<i32, Errno> {
        let abi = self.abi;
        let nonblock = abi.get("O_NONBLOCK");
        let descriptor = self.fds.get_mut(fd)?;
        let access = match descriptor.file {
            File::PipeOut(_) => abi.get("O_RDONLY"),
            File::PipeIn(_) => abi.get("O_WRONLY"),
            _ => abi.get("O_RDWR"),
        };
        match command {
            c if c == abi.get("F_GETFL") => Ok(access | if descriptor.nonblocking { nonblock } else { 0 }),
            c if c == abi.get("F_SETFL") => {
                descriptor.nonblocking = argument as i32 & nonblock != 0;
                Ok(0)
            }
            c if c == abi.get("F_GETFD") => Ok(i32::from(descriptor.cloexec)),
            c if c == abi.get("F_SETFD") => {
                descriptor.cloexec = argument & 1 != 0;
                Ok(0)
            }
            c if abi.constant("F_GETPIPE_SZ") == Some(i64::from(c)) => match descriptor.file {
                File::PipeIn(_) | File::PipeOut(_) => Ok(PIPE_CAPACITY as i32),
                _ => Err(Errno::EBADF),
            },
            _ => Err(Errno::EINVAL),
        }
    }

    /// `ioctl`: `FIONBIO` with its argument; `FIONREAD` (`SIOCINQ`), `SIOCOUTQ`, `SIOCOUTQNSD`, `FIONWRITE`, `FIONSPACE` and
    /// `SIOCATMARK`, whose integer is what is returned here.
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY` for other requests, `EINVAL` where the socket is in no state to answer.
    pub fn ioctl(&mut self, now: Instant, fd: Fd, request: u64, argument: i32) -> Result<i32, Errno> {
        let abi = self.abi;
        let is =
            |name: &str| abi.constant(name).is_some_and(|number| number as u64 & 0xffff_ffff == request & 0xffff_ffff);
        let descriptor = self.fds.get_mut(fd)?;
        if is("FIONBIO") {
            descriptor.nonblocking = argument != 0;
            return Ok(0);
        }
        let socket = match &descriptor.file {
            File::Socket(socket) => socket,
            File::PipeOut(id) if is("FIONREAD") => {
                let id = *id;
                return Ok(self.fds.pipe_of(id)?.bytes.len() as i32);
            }
            _ => return Err(Errno::ENOTTY),
        };
        let (role, sndbuf) = (socket.role, socket.settings.sndbuf);
        let in_queue = is("FIONREAD");
        let out_queue = is("SIOCOUTQ") || is("TIOCOUTQ") || is("FIONWRITE");
        let (unsent, space, mark) = (is("SIOCOUTQNSD"), is("FIONSPACE"), is("SIOCATMARK"));
        if !(in_queue || out_queue || unsent || space || mark) {
            return Err(Errno::ENOTTY);
        }
        match role {
            Role::Open(key) | Role::Opening(key) => {
                let Some(info) = self.stack.tcp().info(now, key) else { return Ok(0) };
                let queued = info.send_queue + u64::from(info.fin_unacknowledged);
                let value = match () {
                    () if in_queue => info.recv_queue,
                    () if unsent => info.notsent,
                    () if space => self.stack.tcp().send_capacity(key).unwrap_or(0) as u64,
                    () if mark => u64::from(self.stack.tcp().is_at_mark(key)),
                    () => queued,
                };
                Ok(i32::try_from(value).unwrap_or(i32::MAX))
            }
            Role::Listening(_) if !self.is_freebsd() => Err(Errno::EINVAL),
            Role::Listening(_) | Role::Idle => Ok(if space { sndbuf as i32 } else { 0 }),
            Role::Datagram(key) => {
                let Some(key) = key else { return Ok(0) };
                let next = self.stack.udp_peek(key).map_or(0, |next| next.payload.len());
                let queued = self.stack.udp_info(key).map_or(0, |info| info.send_queue);
                Ok(if in_queue { next as i32 } else { queued as i32 })
            }
        }
    }
}
