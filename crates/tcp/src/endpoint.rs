//! A whole TCP: all its connections and listeners, and who a segment is for.
//!
//! | room | decides |
//! |---|---|
//! | here | what an endpoint is made of |
//! | `calls` | what the user asks (RFC 9293 3.10.1 to 3.10.6) |
//! | `open` | active opens: ports, and those of TIME-WAIT (3.10.1) |
//! | `segments` | who a segment is for; RST for nobody (3.10.7.1) |
//! | `handshakes` | listeners, half-open connections, cookies (3.10.7.2) |
//! | `time_wait` | segments for what has ended, SYNs that begin it anew (3.10.7.4, RFC 6191) |
//! | `fast_open` | which SYNs' data is taken before the handshake; keys and cookies (RFC 7413) |
//! | `auth` | which segments must be signed, and are let in (RFC 2385) |
//! | `output` | the one exit for segments; events; deadlines |
//! | `demux` | which table holds a four-tuple |
//! | `ahead` | what the next segments are going to need |
//! | `look` | tables for people |
//! | `fingerprint` | when two endpoints are alike |
//!
//! It knows no IP, no clock and no device. After every input or call, drain [`Endpoint::poll_transmit`], then
//! [`Endpoint::poll_event`], then ask [`Endpoint::poll_timeout`].

mod ahead;
mod auth;
mod calls;
mod demux;
mod fast_open;
mod fingerprint;
mod handshakes;
mod look;
mod open;
mod output;
mod segments;
mod time_wait;

pub use ahead::{AHEAD, Guess};
pub use look::Progress;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use bowline_base::Instant;
use bowline_base::random::Randomness;
use bowline_base::slab::Slab;
use bowline_base::wheel::Wheel;
use bowline_wire::tcp::TcpHeader;

use self::auth::Parted;
use self::demux::{Demux, Slot};
use crate::auth::Keys;
use crate::budget::Budget;
use crate::config::{Config, Options};
use crate::connection::{Context, Tcb};
use crate::fast_open::FastOpenState;
use crate::isn::IsnGenerator;
use crate::listener::{Listener, PendingLimits, PendingTable, SpentCookies, SynCookies, SynQueue};
use crate::ports::PortAllocator;
use crate::reason::SendReason;
use crate::state::{Cause, State};
use crate::time_wait::TimeWaitTable;
use crate::trace::TraceQueue;
use crate::{ConnectionKey, Counters, FourTuple, ListenerKey, PendingKey};

/// Segments of no connection (RSTs, SYN-ACKs, ACKs for TIME-WAIT) that may wait for the device.
const MAX_CONTROL: usize = 4096;

/// What to listen on.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; an unspecified one: any of its version; `None`: any.
    pub address: Option<IpAddr>,
    /// The port; `None`: any that has no listener of its own.
    pub port: Option<u16>,
    /// How many connections may wait to be accepted, with Linux's meaning (one more may); at most 4,096.
    pub backlog: usize,
    /// Whether the caller decides on each SYN before it is answered: see [`Endpoint::pending`].
    pub deferred: bool,
    /// What accepted connections start with; `None`: the endpoint's options.
    pub options: Option<Options>,
}

impl Listen {
    /// Any address, this port, a backlog of 128.
    #[must_use]
    pub const fn on_port(port: u16) -> Self {
        Self { address: None, port: Some(port), backlog: 128, deferred: false, options: None }
    }
}

/// A SYN that waits for the caller's decision.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its handle.
    pub key: PendingKey,
    /// The connection it asks for.
    pub tuple: FourTuple,
    /// The SYN.
    pub header: TcpHeader,
}

/// A segment of no connection, ready to leave.
#[derive(Clone, Hash)]
struct Control {
    tuple: FourTuple,
    id: u64,
    header: TcpHeader,
    why: SendReason,
    /// Whether it had been sent before.
    again: bool,
    state: State,
    traffic_class: u8,
    hop_limit: u8,
    dont_fragment: bool,
}

/// A whole TCP. A copy has the same secrets and goes its own way; two of them on one network would confuse their peers.
#[derive(Clone)]
pub struct Endpoint {
    config: Config,
    options: Arc<Options>,
    connections: Slab<Tcb>,
    listeners: Slab<Listener>,
    ports: BTreeMap<(Option<u16>, Option<IpAddr>), ListenerKey>,
    syn_queue: SynQueue,
    pending: PendingTable,
    time_wait: TimeWaitTable,
    demux: Demux,
    /// The connection that something happened to last: the next segment is often for the same.
    recent: u32,
    wheel: Wheel,
    /// Connections that may have something to send, each once.
    ready: VecDeque<u32>,
    /// Connections with readiness to report, each once.
    events: VecDeque<u32>,
    /// Listeners with something to accept or decide on, each once.
    listener_events: VecDeque<ListenerKey>,
    control: VecDeque<Control>,
    resets: Budget,
    isn: IsnGenerator,
    /// Away only while it asks the other tables which ports are free.
    allocator: Option<Box<PortAllocator>>,
    cookies: SynCookies,
    spent: SpentCookies,
    /// Whether there were ever keys.
    signs: bool,
    /// What segments are signed with that answer those of connections in TIME-WAIT.
    parted: BTreeMap<FourTuple, Parted>,
    /// The keys of who has a name, and neither listens there nor is connected.
    reserved: BTreeMap<(Option<u16>, Option<IpAddr>), Keys>,
    fast_open: FastOpenState,
    next_id: u64,
    counters: Counters,
    trace: TraceQueue,
}

impl Endpoint {
    /// An endpoint without connections. All its randomness comes from `seed`, which must be unpredictable to peers.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut random = Randomness::new(seed);
        Self {
            options: Arc::new(config.options.clone()),
            connections: Slab::new(config.max_connections),
            listeners: Slab::new(config.max_listeners),
            ports: BTreeMap::new(),
            syn_queue: SynQueue::new(config.max_half_open),
            pending: PendingTable::new(PendingLimits {
                max: config.max_pending,
                max_per_source: config.max_pending_per_source,
                ..PendingLimits::default()
            }),
            time_wait: TimeWaitTable::new(config.max_time_wait, config.time_wait),
            demux: Demux::new(random.secret_key()),
            recent: 0,
            wheel: Wheel::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            listener_events: VecDeque::new(),
            control: VecDeque::new(),
            resets: Budget::per_second(config.resets_per_second, config.resets_per_second),
            isn: IsnGenerator::new(&random.secret_key()),
            allocator: Some(Box::new(PortAllocator::new(&random.secret_key(), &random.secret_key()))),
            cookies: SynCookies::new(&random.secret_key(), &random.secret_key()),
            spent: SpentCookies::new(config.max_spent_cookies),
            signs: !config.options.keys.is_empty(),
            parted: BTreeMap::new(),
            reserved: BTreeMap::new(),
            fast_open: FastOpenState::new(&config.fast_open, random.secret_key()),
            next_id: 1,
            counters: Counters::default(),
            trace: TraceQueue::new(config.max_trace),
            config,
        }
    }

    /// Runs `f` on a connection with what it may touch of the endpoint, then sees to what came of it.
    fn with<R>(&mut self, now: Instant, index: u32, f: impl FnOnce(&mut Tcb, &mut Context<'_>) -> R) -> Option<R> {
        self.with_if(now, index, |_, _| true, f)
    }

    /// Like [`with`](Self::with), by handle.
    fn with_key<R>(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        f: impl FnOnce(&mut Tcb, &mut Context<'_>) -> R,
    ) -> Option<R> {
        self.with_if(now, key.index, |generation, tcb| generation == key.generation && !tcb.user.orphan, f)
    }

    #[inline]
    fn with_if<R>(
        &mut self,
        now: Instant,
        index: u32,
        may: impl FnOnce(u32, &Tcb) -> bool,
        f: impl FnOnce(&mut Tcb, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let (generation, tcb) = self.connections.at_mut(index)?;
        if !may(generation, tcb) {
            return None;
        }
        if index != self.recent {
            tcb.fetch();
            self.recent = index;
        }
        let (counters, trace, fast_open) = (&mut self.counters, &mut self.trace, &mut self.fast_open);
        let mut cx = Context { now, counters, trace, fast_open };
        let result = f(tcb, &mut cx);
        if queue_up(index, tcb, &mut self.ready, &mut self.events) {
            self.detach(now, index);
        }
        Some(result)
    }

    /// After anything happened to a connection: it may have something to send, to report, or it is over.
    fn settle(&mut self, now: Instant, index: u32) {
        let Some((_, tcb)) = self.connections.at_mut(index) else { return };
        if queue_up(index, tcb, &mut self.ready, &mut self.events) {
            self.detach(now, index);
        }
    }

    /// A connection is over: its four-tuple is free, or goes to the TIME-WAIT table.
    fn detach(&mut self, now: Instant, index: u32) {
        let Some((_, tcb)) = self.connections.at_mut(index) else { return };
        set_timer(&mut self.wheel, index, tcb);
        let tuple = tcb.tuple.unpack();
        if tcb.state != State::TimeWait {
            return self.demux.remove(&tuple, Slot::Connection(index));
        }
        let remains = tcb.remains();
        if let Some(auth) = tcb.auth().cloned() {
            let numbers = tcb.numbers(&TcpHeader::default());
            self.part(tuple, auth, numbers);
        }
        self.counters.time_wait += 1;
        let (place, evicted) = self.time_wait.insert(now, &remains);
        if let Some((place, gone)) = evicted {
            self.counters.time_wait_overflow += 1;
            self.after_time_wait(now, place, &gone, Cause::Timeout);
        }
        match place {
            Some(place) => self.demux.reseat(&tuple, Slot::Connection(index), Slot::TimeWait(place)),
            None => {
                self.parted.remove(&tuple);
                self.demux.remove(&tuple, Slot::Connection(index));
            }
        }
    }

    /// Gives a four-tuple a place in the demux table.
    fn occupy(&mut self, tuple: &FourTuple, slot: Slot) {
        let Self { demux, connections, syn_queue, pending, time_wait, .. } = self;
        demux.insert(tuple, slot, |slot| match slot {
            Slot::Connection(i) => connections.at(i).map(|(_, tcb)| tcb.tuple.unpack()),
            Slot::HalfOpen(i) => syn_queue.get(i).map(crate::listener::HalfOpen::tuple),
            Slot::Pending(i) => pending.at(i).map(|syn| syn.tuple),
            Slot::TimeWait(i) => time_wait.get(i).map(crate::time_wait::TimeWaitEntry::tuple),
        });
    }

    /// The slot of a four-tuple.
    #[inline]
    fn find(&self, tuple: &FourTuple) -> Option<Slot> {
        if let Some((_, tcb)) = self.connections.at(self.recent)
            && tcb.tuple.is(tuple)
            && !tcb.user.detached
        {
            return Some(Slot::Connection(self.recent));
        }
        self.look_up(tuple)
    }

    /// The same by the table, whichever connection was last.
    #[inline(never)]
    fn look_up(&self, tuple: &FourTuple) -> Option<Slot> {
        self.demux.find(tuple, |slot| match slot {
            Slot::Connection(i) => self.connections.at(i).is_some_and(|(_, tcb)| {
                tcb.fetch();
                tcb.tuple.is(tuple)
            }),
            Slot::HalfOpen(i) => self.syn_queue.get(i).is_some_and(|half| half.is(tuple)),
            Slot::Pending(i) => self.pending.at(i).is_some_and(|syn| syn.tuple == *tuple),
            Slot::TimeWait(i) => self.time_wait.get(i).is_some_and(|entry| entry.is(tuple)),
        })
    }

    /// A fresh number for the trace.
    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Queues a segment of no connection. What does not fit is lost, as on any full queue.
    fn say(&mut self, mut control: Control) {
        if self.signs && control.header.options.signature.is_none() {
            self.sign(&control.tuple, &mut control.header);
        }
        if self.control.len() < MAX_CONTROL {
            self.control.push_back(control);
        }
    }

    /// Reports a listener once until the event is taken.
    fn notify_listener(&mut self, key: ListenerKey) {
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation)
            && !core::mem::replace(&mut listener.in_events, true)
        {
            self.listener_events.push_back(key);
        }
    }

    /// All sockets' keys of live connections; for shutting down. [`abort_all`](Self::abort_all) also ends those that were closed and
    /// are not over.
    #[must_use]
    pub fn keys(&self) -> Vec<ConnectionKey> {
        let live = self.connections.iter().filter(|(_, tcb)| !tcb.user.orphan);
        live.map(|((index, generation), _)| ConnectionKey { index, generation }).collect()
    }
}

/// Puts a connection into the queues that it belongs in now. Whether it has just ended and is to be detached.
// Not inlined, as other things that every call does: all together are more code than a processor keeps at hand.
#[inline(never)]
fn queue_up(index: u32, tcb: &mut Tcb, ready: &mut VecDeque<u32>, events: &mut VecDeque<u32>) -> bool {
    if !tcb.user.in_ready {
        tcb.user.in_ready = true;
        ready.push_back(index);
    }
    if !tcb.user.events.is_empty() && !tcb.user.in_events && !tcb.user.orphan && tcb.user.listener.is_none() {
        tcb.user.in_events = true;
        events.push_back(index);
    }
    tcb.is_over() && !core::mem::replace(&mut tcb.user.detached, true)
}

/// Files a connection's first deadline, if it has one, or had.
#[inline(never)]
fn set_timer(wheel: &mut Wheel, index: u32, tcb: &mut Tcb) {
    let deadline = tcb.deadline();
    let timed = deadline < Instant::MAX;
    if timed || tcb.timed {
        wheel.schedule(index, deadline);
        tcb.timed = timed;
    }
}
