//! What sockets and the driver share: the stack, who waits on it, and the way to wake the driver.
//!
//! One lock guards all of it. A socket's call takes it, makes the call, registers its task if it must wait, and wakes the
//! driver once it has let go; it never sends anything itself. So nothing is lost between a call and its wake-up, and
//! nothing is sent while a lock is held that receiving needs.

use std::io;
use std::task::Waker;

use bowline_base::Instant;
use bowline_stack::{Stack, UdpReadiness};
use bowline_tcp::{ConnectionKey, Endpoint, Event, Readiness};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::echo::EchoQueue;
use crate::error;
use crate::trace::Tracers;
use crate::waiters::{Directions, Slots, Waiters};

/// A network as its sockets see it.
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) clock: Clock,
}

/// What writers may queue before the driver gets its turn: a few super-segments.
const BURST: usize = 256 << 10;

/// How far a network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It works.
    Running,
    /// It waits for its connections to end.
    Closing,
    /// All connections have been ended; what is left to send goes out, then it stops.
    Stopping,
    /// Nothing moves any more.
    Stopped,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) stack: Stack,
    pub(crate) connections: Slots<Directions>,
    pub(crate) listeners: Slots<Waiters>,
    pub(crate) udp: Slots<Directions>,
    pub(crate) echoes: EchoQueue,
    pub(crate) tracers: Tracers,
    pub(crate) phase: Phase,
    /// Bytes that sockets have queued since the driver last looked.
    pub(crate) queued: usize,
    /// Who waits for `Stopped`.
    pub(crate) stopped: Waiters,
    driver: Option<Waker>,
    /// Whether the driver will look again without being woken.
    awake: bool,
    /// Whether something has happened since the driver last looked.
    dirty: bool,
}

impl std::fmt::Debug for Shared {
    /// Short, since it stands in everything that is made from a network.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.core.try_lock().map(|core| core.phase) {
            Some(phase) => phase.fmt(f),
            None => f.write_str("<locked>"),
        }
    }
}

impl Shared {
    pub(crate) fn new(stack: Stack, clock: Clock) -> Self {
        let core = Core {
            stack,
            connections: Slots::default(),
            listeners: Slots::default(),
            udp: Slots::default(),
            echoes: EchoQueue::default(),
            tracers: Tracers::default(),
            phase: Phase::Running,
            queued: 0,
            stopped: Waiters::default(),
            driver: None,
            awake: false,
            dirty: true,
        };
        Self { core: Mutex::new(core), clock }
    }

    /// Looks at the stack. What `look` does must give the driver nothing to do.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let now = self.clock.now();
        look(&mut self.core.lock(), now)
    }

    /// Makes a call on the stack, and wakes the driver.
    pub(crate) fn act<R>(&self, call: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let now = self.clock.now();
        let mut core = self.core.lock();
        let result = call(&mut core, now);
        core.dirty = true;
        let driver = if core.awake { None } else { core.driver.take() };
        drop(core);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// The driver begins to look: until it rests, it needs no waking.
    pub(crate) fn driver_begins(&self, waker: &Waker) {
        let mut core = self.core.lock();
        core.awake = true;
        match &mut core.driver {
            Some(driver) => driver.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// The driver wants to rest; false if something has happened meanwhile.
    pub(crate) fn driver_rests(&self) -> bool {
        let mut core = self.core.lock();
        core.awake = core.dirty;
        !core.dirty
    }

    /// The driver has the stack to itself.
    pub(crate) fn drive<R>(&self, turn: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        core.dirty = false;
        core.queued = 0;
        turn(&mut core)
    }
}

impl Core {
    pub(crate) fn tcp(&mut self) -> &mut Endpoint {
        self.stack.tcp_mut()
    }

    /// `ENETDOWN` once the network has stopped.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.phase {
            Phase::Running | Phase::Closing => Ok(()),
            Phase::Stopping | Phase::Stopped => Err(error::network_down()),
        }
    }

    /// As [`check`](Self::check), for what begins something new.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        if self.phase == Phase::Running { Ok(()) } else { Err(error::network_down()) }
    }

    /// Whether a writer should let the driver send before it queues more.
    ///
    /// A task that fills a large send queue in one go would leave the device idle meanwhile, and push what it wrote out of
    /// the cache before it is sent. It is asked for once per [`BURST`], so that it never spins where the driver cannot send.
    pub(crate) fn should_yield(&mut self) -> bool {
        let full = self.queued >= BURST;
        if full {
            self.queued = 0;
        }
        full
    }

    /// Nobody waits on this connection any more.
    pub(crate) fn forget(&mut self, key: ConnectionKey) {
        if let Some(waiting) = self.connections.get(key.index()) {
            *waiting = Directions::default();
        }
    }

    /// Ends all connections and listeners at once, with a RST for each. The driver sees to those that there is no room for yet.
    pub(crate) fn abort_all(&mut self, now: Instant) {
        for listener in self.tcp().listeners(now) {
            self.tcp().close_listener(now, listener.key);
        }
        self.tcp().abort_all(now);
        self.phase = Phase::Stopping;
    }

    /// Everybody who waits for anything.
    pub(crate) fn take_all(&mut self, wakers: &mut Vec<Waker>) {
        for waiting in self.connections.iter_mut().chain(self.udp.iter_mut()) {
            waiting.read.take(wakers);
            waiting.write.take(wakers);
        }
        for waiting in self.listeners.iter_mut() {
            waiting.take(wakers);
        }
        self.echoes.take(wakers);
        self.tracers.close(wakers);
    }

    /// Moves those whom the stack has news for to `wakers`.
    pub(crate) fn collect_events(&mut self, wakers: &mut Vec<Waker>) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                bowline_stack::Event::Tcp(Event::Connection(key, readiness)) => {
                    let Some(waiting) = self.connections.get(key.index()) else { continue };
                    if readiness.intersects(Readiness::READABLE | Readiness::CLOSED | Readiness::URGENT) {
                        waiting.read.take(wakers);
                    }
                    let written = Readiness::CONNECTED | Readiness::WRITABLE | Readiness::FLUSHED | Readiness::CLOSED;
                    if readiness.intersects(written) {
                        waiting.write.take(wakers);
                    }
                }
                bowline_stack::Event::Tcp(Event::Listener(key)) => {
                    if let Some(waiting) = self.listeners.get(key.index()) {
                        waiting.take(wakers);
                    }
                }
                bowline_stack::Event::Udp(key, readiness) => {
                    let Some(waiting) = self.udp.get(key.index()) else { continue };
                    if readiness.intersects(UdpReadiness::READABLE | UdpReadiness::ERROR) {
                        waiting.read.take(wakers);
                    }
                    if readiness.intersects(UdpReadiness::WRITABLE | UdpReadiness::ERROR) {
                        waiting.write.take(wakers);
                    }
                }
                event => self.echoes.push(event, wakers),
            }
        }
    }
}
