//! A host with its virtual clock, under one lock, for threads that call as they would call a kernel.
//!
//! A call that has to wait sleeps on a condition variable. Whoever makes it possible (a packet, the clock, another call)
//! carries it out and wakes its thread; from then until that thread asks for the time, the clock stands still, so that the
//! thread sees when its call returned. No real time passes here, but for the patience with a thread that never asks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bowline_base::Instant;
use bowline_posix::{Call, Errno, Fd, Host, Progress, Reply, Sysctls, Waiting};
use rustix::fd::{IntoRawFd, RawFd};

/// What the clock shows when a host is made, in microseconds: not zero, which programs take for "no time".
const BEGIN: u64 = 1_000_000_000_000;
/// How long the clock waits, in real time, for a woken thread to ask what it shows.
const PATIENCE: Duration = Duration::from_millis(200);

/// A host that threads share.
#[derive(Debug)]
pub(crate) struct Engine {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) host: Host,
    sysctls: Sysctls,
    now: Instant,
    /// Packets that have left, and when.
    outbox: VecDeque<(Instant, Vec<u8>)>,
    /// The host's descriptors by the real ones that stand for them. These are numbers, since programs close them at their end
    /// without a word, and others may have them by then.
    descriptors: BTreeMap<RawFd, Fd>,
    blocked: Vec<Blocked>,
    /// Threads whose calls have returned and that have not asked for the time yet.
    woken: Vec<ThreadId>,
}

#[derive(Debug)]
struct Blocked {
    thread: ThreadId,
    state: Option<Progress>,
}

impl Engine {
    pub(crate) fn new(sysctls: Sysctls) -> Self {
        let now = Instant::from_micros(BEGIN);
        let state = State {
            // The same scripts give the same packets.
            host: sysctls.host([0x0b; 32], now),
            sysctls,
            now,
            outbox: VecDeque::new(),
            descriptors: BTreeMap::new(),
            blocked: Vec::new(),
            woken: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on the host, and sees to what came of it. A thread that goes on to another call need not be waited for.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut State, Instant) -> R) -> R {
        self.lock().woken.retain(|thread| *thread != thread::current().id());
        self.within(f)
    }

    /// The same, as a part of a call: the thread has not seen it return.
    pub(crate) fn within<R>(&self, f: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let now = state.now;
        let result = f(&mut state, now);
        state.settle();
        self.changed.notify_all();
        result
    }

    /// Makes a call, and sleeps until it returns. `make` translates descriptors.
    pub(crate) fn call(&self, make: impl FnOnce(&mut State) -> Result<Call, Errno>) -> Result<Reply, Errno> {
        let thread = thread::current().id();
        let mut state = self.lock();
        state.woken.retain(|woken| *woken != thread);
        let call = make(&mut state)?;
        let now = state.now;
        let progress = state.host.call(now, call);
        state.settle();
        self.changed.notify_all();
        let waiting = match progress {
            Progress::Done(result) => return result,
            waiting => waiting,
        };
        state.blocked.push(Blocked { thread, state: Some(waiting) });
        // What the call itself did may let it go on at once.
        state.settle();
        loop {
            if let Some(result) = state.returned(thread) {
                return result;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The lock, once no other thread has to ask for the time first.
    fn clock(&self) -> MutexGuard<'_, State> {
        let me = thread::current().id();
        let waits = |state: &mut State| state.woken.iter().any(|woken| *woken != me);
        let (mut state, patience) =
            self.changed.wait_timeout_while(self.lock(), PATIENCE, waits).unwrap_or_else(PoisonError::into_inner);
        if patience.timed_out() {
            state.woken.clear();
        }
        state
    }

    /// What the clock shows, in microseconds. It creeps by one a call, so that who waits for it sees it move.
    pub(crate) fn time(&self) -> u64 {
        let me = thread::current().id();
        let mut state = self.lock();
        if state.woken.contains(&me) {
            state.woken.retain(|woken| *woken != me);
            self.changed.notify_all();
            return state.now.as_micros();
        }
        drop(state);
        let mut state = self.clock();
        let next = state.now + Duration::from_micros(1);
        state.advance(next);
        self.changed.notify_all();
        state.now.as_micros()
    }

    /// The same, without a step.
    pub(crate) fn now(&self) -> u64 {
        self.lock().now.as_micros()
    }

    /// Whether a real descriptor stands for one of this host's.
    pub(crate) fn knows(&self, real: RawFd) -> bool {
        self.lock().descriptors.contains_key(&real)
    }

    /// Lets time pass.
    pub(crate) fn sleep(&self, span: Duration) {
        let mut state = self.clock();
        let until = state.now + span;
        loop {
            let next = state.next_deadline().unwrap_or(until).min(until);
            state.advance(next);
            self.changed.notify_all();
            if next == until {
                return;
            }
            drop(state);
            state = self.clock();
        }
    }

    /// Sets what sockets made from now on start with.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), Errno> {
        self.with(|state, now| {
            state.sysctls.set_later(name, value).map_err(|refused| refused.errno())?;
            state.sysctls.put_in_force(&mut state.host, now);
            Ok(())
        })
    }

    /// How many connections are in a state.
    pub(crate) fn count_in(&self, state: &str, is_v4: Option<bool>) -> Result<i64, Errno> {
        let wanted = bowline_posix::state_named(state).ok_or(Errno::EINVAL)?;
        self.with(|state, now| Ok(state.host.count_in(now, wanted, is_v4) as i64))
    }

    /// A packet arrives.
    pub(crate) fn packet_in(&self, packet: &[u8]) {
        self.with(|state, now| state.host.packet_in(now, packet));
    }

    /// The next packet that leaves, and when, in microseconds; time passes until there is one. `None` where there will be none
    /// by itself.
    pub(crate) fn packet_out(&self) -> Option<(u64, Vec<u8>)> {
        loop {
            let mut state = self.clock();
            if let Some((at, packet)) = state.outbox.pop_front() {
                return Some((at.as_micros(), packet));
            }
            let next = state.next_deadline()?;
            state.advance(next);
            self.changed.notify_all();
        }
    }

    /// Takes what has left already, without waiting.
    pub(crate) fn packet_ready(&self) -> Option<(u64, Vec<u8>)> {
        self.lock().outbox.pop_front().map(|(at, packet)| (at.as_micros(), packet))
    }
}

impl State {
    /// The host's descriptor that a real one stands for.
    pub(crate) fn fd(&self, real: RawFd) -> Result<Fd, Errno> {
        self.descriptors.get(&real).copied().ok_or(Errno::EBADF)
    }

    /// Gives a descriptor of the host's a real one.
    pub(crate) fn adopt(&mut self, fd: Fd) -> Result<RawFd, Errno> {
        let made = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC);
        let Ok(real) = made else {
            self.forget(fd);
            return Err(Errno::EMFILE);
        };
        let number = real.into_raw_fd();
        // A number that comes again was closed behind our back: so is what it stood for.
        if let Some(gone) = self.descriptors.insert(number, fd) {
            self.forget(gone);
        }
        Ok(number)
    }

    /// Closes what nobody can name any more.
    fn forget(&mut self, fd: Fd) {
        // It does not linger: that call is dropped, and the connection ends in the background.
        let _ = self.host.call(self.now, Call::Close { fd });
    }

    /// What a real descriptor stood for; it stands for nothing any more.
    pub(crate) fn release(&mut self, real: RawFd) -> Result<Fd, Errno> {
        self.descriptors.remove(&real).ok_or(Errno::EBADF)
    }

    /// Carries out what has become possible, and collects what leaves.
    fn settle(&mut self) {
        self.flush();
        loop {
            let mut moved = false;
            for place in 0..self.blocked.len() {
                moved |= self.resume(place);
            }
            // A call that goes on waiting may have written something.
            moved |= self.flush();
            if !moved {
                return;
            }
        }
    }

    /// Takes what leaves; whether anything did.
    fn flush(&mut self) -> bool {
        let before = self.outbox.len();
        while let Some(packet) = self.host.poll_packet(self.now) {
            self.outbox.push_back((self.now, packet));
        }
        self.outbox.len() > before
    }

    /// Tries a blocked call again; whether it has returned.
    fn resume(&mut self, place: usize) -> bool {
        let Some(blocked) = self.blocked.get_mut(place) else { return false };
        let waiting: Waiting = match blocked.state.take() {
            Some(Progress::Waits(waiting)) => waiting,
            other => {
                blocked.state = other;
                return false;
            }
        };
        let progress = self.host.resume(self.now, waiting);
        let returned = matches!(progress, Progress::Done(_));
        let thread = blocked.thread;
        if let Some(blocked) = self.blocked.get_mut(place) {
            blocked.state = Some(progress);
        }
        if returned {
            self.woken.push(thread);
        }
        returned
    }

    /// What a thread's blocked call returned, if it has.
    fn returned(&mut self, thread: ThreadId) -> Option<Result<Reply, Errno>> {
        let done = |blocked: &Blocked| blocked.thread == thread && matches!(blocked.state, Some(Progress::Done(_)));
        let place = self.blocked.iter().position(done)?;
        self.blocked.swap_remove(place).state?.done()
    }

    /// When something will happen by itself.
    fn next_deadline(&mut self) -> Option<Instant> {
        let calls = self.blocked.iter().filter_map(|blocked| match &blocked.state {
            Some(Progress::Waits(waiting)) => waiting.deadline(),
            _ => None,
        });
        let first = calls.min();
        self.host.poll_timeout().into_iter().chain(first).min()
    }

    /// Lets time pass up to `until`, with all that happens on the way.
    fn advance(&mut self, until: Instant) {
        self.now = self.now.max(until);
        if self.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.host.handle_timeout(self.now);
            self.settle();
        }
    }
}
