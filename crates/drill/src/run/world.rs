//! The host under test, the clock, and what the host has sent: time moves only here.
//!
//! Decides in which order things happen at one instant: packets leave and blocked calls return before time moves on. It must
//! not know scripts.

use bowline_base::Instant;
use bowline_posix::{Address, Call, EpollEvent, Errno, Fd, Host, Progress, Reply, Sysctls, Waiting};
use bowline_tcp::State;

use crate::door::{BEGIN, Door, Out, Packet, Returned};

/// All randomness of a run: a script's result is the same every time.
const SEED: [u8; 32] = *b"a bowline holds and comes undone";
/// Things that may happen at one instant, before the host counts as caught in a loop.
const MAX_STEPS: u32 = 100_000;

/// A call that has not returned yet.
#[derive(Debug)]
struct Blocked {
    id: usize,
    waiting: Waiting,
}

/// The host, the clock, and what came out of it.
#[derive(Debug)]
pub(crate) struct World {
    host: Host,
    now: Instant,
    out: Out,
    blocked: Vec<Blocked>,
}

impl World {
    pub(crate) fn new(sysctls: &Sysctls) -> Self {
        let host = sysctls.host(SEED, BEGIN);
        Self { host, now: BEGIN, out: Out::default(), blocked: Vec::new() }
    }

    /// The runner's own door.
    ///
    /// # Errors
    /// None: everything can be set.
    #[allow(clippy::unnecessary_wraps, reason = "as other doors are made")]
    pub(crate) fn behind_a_door(sysctls: &Sysctls) -> Result<Box<dyn Door>, String> {
        Ok(Box::new(Self::new(sysctls)))
    }

    /// Whether a timer is due now.
    fn is_due(&mut self) -> bool {
        self.host.poll_timeout().is_some_and(|at| at <= self.now)
    }

    /// Takes what leaves; whether anything did.
    fn flush(&mut self) -> bool {
        let before = self.out.sent.len();
        while let Some(bytes) = self.host.poll_packet(self.now) {
            self.out.sent.push_back(Packet { at: self.now, bytes });
        }
        self.out.sent.len() > before
    }

    /// Tries blocked calls again; whether any has returned.
    fn resume(&mut self) -> bool {
        let before = self.out.returned.len();
        for Blocked { id, waiting } in std::mem::take(&mut self.blocked) {
            match self.host.resume(self.now, waiting) {
                Progress::Done(result) => self.out.returned.push_back(Returned { id, at: self.now, result }),
                Progress::Waits(waiting) => self.blocked.push(Blocked { id, waiting }),
            }
        }
        self.out.returned.len() > before
    }

    /// When something will happen by itself.
    fn next(&mut self) -> Option<Instant> {
        let deadlines = self.blocked.iter().filter_map(|blocked| blocked.waiting.deadline());
        deadlines.chain(self.host.poll_timeout()).min()
    }
}

impl Door for World {
    fn now(&self) -> Instant {
        self.now
    }

    fn arrive(&mut self, packet: &[u8], segment_size: Option<u16>) {
        self.host.joined_packet_in(self.now, packet, segment_size);
        self.settle();
    }

    fn call(&mut self, id: usize, call: Call, _may_wait: bool) -> Option<Result<Reply, Errno>> {
        let progress = self.host.call(self.now, call);
        let result = match progress {
            Progress::Done(result) => Some(result),
            Progress::Waits(waiting) => {
                self.blocked.push(Blocked { id, waiting });
                None
            }
        };
        self.settle();
        result
    }

    fn settle(&mut self) {
        self.flush();
        for _ in 0..MAX_STEPS {
            // A call that goes on waiting may have written something.
            let (returned, sent) = (self.resume(), self.flush());
            if !returned && !sent && !self.is_due() {
                return;
            }
            if self.is_due() {
                self.host.handle_timeout(self.now);
            }
        }
    }

    fn pass(&mut self, until: Instant) {
        while self.step(until) {}
        self.now = self.now.max(until);
        self.settle();
    }

    fn step(&mut self, until: Instant) -> bool {
        self.settle();
        match self.next() {
            Some(at) if at <= until && at > self.now => {
                self.now = at;
                self.settle();
                true
            }
            _ => false,
        }
    }

    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno> {
        self.host.socket(domain, kind, protocol)
    }

    fn bind(&mut self, fd: Fd, address: Address) -> Result<(), Errno> {
        self.host.bind(self.now, fd, address)
    }

    fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno> {
        self.host.listen(self.now, fd, backlog)
    }

    fn shutdown(&mut self, fd: Fd, how: i32) -> Result<(), Errno> {
        self.host.shutdown(self.now, fd, how)
    }

    fn getsockname(&mut self, fd: Fd) -> Result<Address, Errno> {
        self.host.getsockname(fd)
    }

    fn getpeername(&mut self, fd: Fd) -> Result<Address, Errno> {
        self.host.getpeername(fd)
    }

    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.host.setsockopt(self.now, fd, level, name, value)
    }

    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, room: usize) -> Result<Vec<u8>, Errno> {
        self.host.getsockopt(self.now, fd, level, name, room)
    }

    fn fcntl(&mut self, fd: Fd, command: i32, argument: i64) -> Result<i32, Errno> {
        self.host.fcntl(fd, command, argument)
    }

    fn ioctl(&mut self, fd: Fd, request: u64, argument: i32) -> Result<i32, Errno> {
        self.host.ioctl(self.now, fd, request, argument)
    }

    fn pipe(&mut self) -> Result<(Fd, Fd), Errno> {
        self.host.pipe(0)
    }

    fn epoll_create(&mut self, flags: i32) -> Result<Fd, Errno> {
        self.host.epoll_create(flags)
    }

    fn epoll_ctl(&mut self, epoll: Fd, operation: i32, fd: Fd, event: Option<EpollEvent>) -> Result<(), Errno> {
        self.host.epoll_ctl(epoll, operation, fd, event)
    }

    fn apply(&mut self, sysctls: &Sysctls) -> Result<(), String> {
        sysctls.put_in_force(&mut self.host, self.now);
        Ok(())
    }

    fn count_in(&mut self, state: State, is_v4: Option<bool>) -> Result<usize, String> {
        Ok(self.host.count_in(self.now, state, is_v4))
    }

    fn host(&mut self) -> Option<&mut Host> {
        Some(&mut self.host)
    }
}
