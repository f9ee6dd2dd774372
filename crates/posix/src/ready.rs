//! `poll` and `epoll`: what a descriptor is ready for.

use core::time::Duration;

use bowline_base::Instant;
use bowline_stack::UdpReadiness;
use bowline_tcp::Readiness;

use crate::abi::Errno;
use crate::call::{Call, EpollEvent, Fd, PollFd, Reply, Waiting};
use crate::descriptors::File;
use crate::epoll::{EDGE, EXCLUSIVE, Epoll, Interest, ONESHOT};
use crate::host::{Host, Step};
use crate::socket::{Role, Socket};

bitflags::bitflags! {
    /// What a descriptor is ready for, in Linux's numbers.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Ready: u32 {
        const IN = 0x1;
        const PRI = 0x2;
        const OUT = 0x4;
        const ERR = 0x8;
        const HUP = 0x10;
        const NVAL = 0x20;
        const RDNORM = 0x40;
        const RDBAND = 0x80;
        const WRNORM = 0x100;
        const WRBAND = 0x200;
        const RDHUP = 0x2000;
    }
}

impl Ready {
    /// Something to read.
    const READ: Self = Self::IN.union(Self::RDNORM);
    /// Room to write.
    const WRITE: Self = Self::OUT.union(Self::WRNORM);
}

impl Host {
    /// `epoll_create1`.
    ///
    /// # Errors
    /// `EINVAL` for other flags than `EPOLL_CLOEXEC`, `EMFILE`, `ENOSYS` on FreeBSD, which has none.
    pub fn epoll_create(&mut self, flags: i32) -> Result<Fd, Errno> {
        let cloexec = self.abi.constant("EPOLL_CLOEXEC").ok_or(Errno::ENOSYS)? as i32;
        if flags & !cloexec != 0 {
            return Err(Errno::EINVAL);
        }
        self.fds.insert(File::Epoll(Epoll::default()), false, flags != 0)
    }

    /// `epoll_ctl`.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `EEXIST`, `ENOENT`, and `EPERM`… as on Linux; an epoll in an epoll is refused with `ELOOP`.
    pub fn epoll_ctl(&mut self, epoll: Fd, op: i32, fd: Fd, event: Option<EpollEvent>) -> Result<(), Errno> {
        self.fds.get(epoll)?;
        let is_epoll = matches!(self.fds.get(fd)?.file, File::Epoll(_));
        if epoll == fd {
            return Err(Errno::EINVAL);
        }
        let watching = self.fds.epoll_mut(epoll)?;
        let known = watching.interests.get_mut(&fd);
        match (op, known) {
            (1, Some(_)) => Err(Errno::EEXIST),
            (2 | 3, None) => Err(Errno::ENOENT),
            (1, None) if is_epoll => Err(Errno::ELOOP),
            (1, None) => {
                let event = event.ok_or(Errno::EFAULT)?;
                watching.interests.insert(fd, Interest::new(event));
                Ok(())
            }
            (2, Some(_)) => {
                watching.forget(fd);
                Ok(())
            }
            (3, Some(interest)) => {
                let event = event.ok_or(Errno::EFAULT)?;
                if (interest.event.events | event.events) & EXCLUSIVE != 0 {
                    return Err(Errno::EINVAL);
                }
                *interest = Interest::new(event);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn epoll_wait(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        let Call::EpollWait { fd, max, timeout } = waiting.call else { return Err(Errno::EINVAL) };
        let epoll = self.fds.epoll_mut(fd)?;
        if max == 0 || i32::try_from(max).is_err() {
            return Err(Errno::EINVAL);
        }
        let last = epoll.last;
        let watched: Vec<Fd> = epoll.interests.keys().copied().collect();
        // After the one reported last, so that all have their turn.
        let (before, after) = watched.split_at(watched.partition_point(|watched| *watched <= last));
        let mut events = Vec::new();
        for &watched in after.iter().chain(before) {
            if events.len() == max {
                break;
            }
            let (ready, activity) = (self.ready(watched).bits(), self.activity(watched));
            let epoll = self.fds.epoll_mut(fd)?;
            let Some(interest) = epoll.interests.get_mut(&watched) else { continue };
            let found = interest.fire(ready, activity);
            if found != 0 {
                events.push(EpollEvent { events: found & !(EDGE | ONESHOT), data: interest.event.data });
                epoll.last = watched;
            }
        }
        if events.is_empty() && !self.time_is_up(now, waiting, timeout) {
            return Ok(None);
        }
        Ok(Some(Reply { value: events.len() as i64, events, ..Reply::default() }))
    }

    pub(crate) fn poll(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        let Call::Poll { fds, timeout } = &waiting.call else { return Err(Errno::EINVAL) };
        let timeout = *timeout;
        let mut polled = fds.clone();
        let mut found = 0;
        for entry in &mut polled {
            entry.revents = self.revents(*entry);
            found += usize::from(entry.revents != 0);
        }
        if found == 0 && !self.time_is_up(now, waiting, timeout) {
            return Ok(None);
        }
        Ok(Some(Reply { polled, ..Reply::value(found) }))
    }

    fn revents(&self, entry: PollFd) -> i16 {
        if entry.fd < 0 {
            return 0;
        }
        let always = (Ready::ERR | Ready::HUP | Ready::NVAL).bits();
        let ready = self.ready(entry.fd);
        let linux = self.abi == crate::Abi::Linux;
        let mut bits = ready.bits();
        if !linux {
            // POLLWRNORM is POLLOUT there, and POLLRDHUP a bit higher.
            bits &= !(Ready::WRNORM | Ready::WRBAND | Ready::RDHUP).bits();
            bits |= if ready.contains(Ready::RDHUP) { 0x4000 } else { 0 };
        }
        (bits & (u32::from(entry.events as u16) | always)) as i16
    }

    /// Whether a wait with a time-out in milliseconds is over.
    fn time_is_up(&self, now: Instant, waiting: &mut Waiting, timeout: i32) -> bool {
        let Ok(timeout) = u64::try_from(timeout) else { return false };
        let deadline = *waiting.deadline.get_or_insert(now + Duration::from_millis(timeout));
        deadline <= now
    }

    /// What has happened so far on a descriptor, counted.
    fn activity(&self, fd: Fd) -> u64 {
        self.fds.socket(fd).map_or(0, |socket| socket.activity)
    }

    /// What a descriptor is ready for.
    pub(crate) fn ready(&self, fd: Fd) -> Ready {
        let Ok(descriptor) = self.fds.get(fd) else { return Ready::NVAL };
        match &descriptor.file {
            File::Epoll(_) => Ready::empty(),
            File::PipeOut(id) => {
                let Ok(pipe) = self.fds.pipe_of(*id) else { return Ready::NVAL };
                let mut ready = if pipe.bytes.is_empty() { Ready::empty() } else { Ready::READ };
                ready.set(Ready::HUP, pipe.write_closed);
                ready
            }
            File::PipeIn(id) => {
                let Ok(pipe) = self.fds.pipe_of(*id) else { return Ready::NVAL };
                let mut ready = if pipe.room() > 0 { Ready::WRITE } else { Ready::empty() };
                ready.set(Ready::ERR, pipe.read_closed);
                ready
            }
            File::Socket(socket) => self.socket_ready(socket),
        }
    }

    fn socket_ready(&self, socket: &Socket) -> Ready {
        let mut ready = match socket.role {
            Role::Listening(key) => {
                let waits = self.stack.tcp().has_to_accept(key);
                return if waits { Ready::READ } else { Ready::empty() };
            }
            Role::Idle => {
                // A socket that was never connected hangs up on Linux; on FreeBSD it is just not ready.
                let mut ready = if self.is_freebsd() { Ready::empty() } else { Ready::HUP | Ready::WRITE };
                if socket.shut_read {
                    ready |= Ready::READ | Ready::RDHUP;
                }
                ready | if socket.shut_read && socket.shut_write { Ready::HUP } else { Ready::empty() }
            }
            Role::Opening(_) if self.waits_for_data(socket.role) => Ready::WRITE,
            Role::Opening(_) => Ready::empty(),
            Role::Open(key) => self.stream_ready(socket, self.stack.tcp().readiness(key)),
            Role::Datagram(key) => {
                let info = key.and_then(|key| self.stack.udp_info(key));
                let has = |what| info.is_none_or(|info| info.readiness.contains(what));
                let mut ready =
                    if info.is_some() && has(UdpReadiness::READABLE) { Ready::READ } else { Ready::empty() };
                ready.set(Ready::WRITE | Ready::WRBAND, has(UdpReadiness::WRITABLE));
                if socket.shut_read {
                    ready |= Ready::READ | Ready::RDHUP;
                }
                ready.set(Ready::HUP, socket.shut_read && socket.shut_write);
                ready
            }
        };
        ready.set(Ready::ERR, !self.is_freebsd() && (socket.error.is_some() || !socket.errors.is_empty()));
        if self.is_freebsd() && socket.error.is_some() {
            ready |= Ready::READ | Ready::WRITE;
        }
        ready
    }

    fn stream_ready(&self, socket: &Socket, stack: Readiness) -> Ready {
        let Some(key) = socket.connection() else { return Ready::empty() };
        let tcp = self.stack.tcp();
        let read_over = socket.shut_read || socket.ended || tcp.has_received_fin(key);
        let write_over = socket.shut_write || socket.ended;
        let lowat = socket.settings.rcvlowat.max(1) as usize;
        let mut ready = Ready::empty();
        if read_over {
            ready |= Ready::READ | Ready::RDHUP;
        }
        if tcp.received(key) >= lowat {
            ready |= Ready::READ;
        }
        if write_over || stack.contains(Readiness::WRITABLE) {
            ready |= Ready::WRITE;
        }
        ready.set(Ready::PRI, stack.contains(Readiness::URGENT));
        if read_over && write_over {
            ready |= Ready::HUP;
            if self.is_freebsd() {
                ready &= !Ready::WRITE;
            }
        }
        ready
    }
}
