//! One side: an endpoint, its clock, its user and its ledger. A step is an input and all that follows from it at once, as
//! one turn of a driver has it: what it makes the endpoint send, the events, and what the user does about them by itself.
//!
//! It must not know what the other side or the network does. What a side can be judged by alone is judged here.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::state::{Cause, State};
use bowline_tcp::trace::Trace;
use bowline_tcp::{Arrival, ConnectionKey, Endpoint, Event, FourTuple, ListenerKey, Path, PendingKey};
use bowline_wire::tcp::{TcpFlags, TcpHeader, Timestamps};
use bowline_wire::{Ecn, Piece};
use bytes::Bytes;

use crate::Side;
use crate::ledger::Ledger;
use crate::scenario::{Bound, CALLS, Call, Scenario};
use crate::segment::Segment;

mod calls;
mod judge;

const PORT: u16 = 1000;
const MTU: u16 = 1500;
/// What passes between the end of a connection and anything else: the clock of initial sequence numbers (RFC 9293 3.4.1)
/// moves on by more than a window in it. Nothing in TCP tells incarnations apart that are nearer to each other.
const PAUSE: Duration = Duration::from_secs(1);
/// More steps by themselves than this are no progress.
const MOST: usize = 200;

/// An arrow of the state diagram.
pub type Arrow = (State, Cause, State);

/// What a side is confronted with.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The user calls, or time passes.
    Call(Call),
    /// A segment arrives.
    Segment(&'a Segment),
}

/// What came of a step.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was sent, in order.
    pub sent: Vec<Segment>,
    /// The arrows that were taken.
    pub arrows: Vec<Arrow>,
}

/// One side.
#[derive(Clone)]
pub struct Host {
    side: Side,
    endpoint: Endpoint,
    now: Instant,
    listener: Option<ListenerKey>,
    socket: Option<ConnectionKey>,
    pending: Option<PendingKey>,
    left: Bound,
    ledger: Ledger,
    last_stamp: Option<u32>,
    crashes: u8,
    scenario: Arc<Scenario>,
}

impl Hash for Host {
    /// Everything that decides what comes next, and what has been said and done.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { side: _, endpoint, now, listener, socket, pending, left, ledger, last_stamp, crashes, scenario } =
            self;
        endpoint.fingerprint(state);
        (now, listener, socket, pending, left, ledger, crashes).hash(state);
        if scenario.stamped_resets {
            last_stamp.hash(state);
        }
    }
}

fn address(side: Side) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 0, 0, 1 + side as u8]), PORT)
}

impl Host {
    /// A host that has just begun.
    #[must_use]
    pub fn new(side: Side, scenario: &Arc<Scenario>) -> Self {
        Self {
            side,
            endpoint: endpoint(side, 0, scenario),
            now: Instant::from_secs(1000),
            listener: None,
            socket: None,
            pending: None,
            left: scenario.bounds[side as usize],
            ledger: Ledger::default(),
            last_stamp: None,
            crashes: 0,
            scenario: scenario.clone(),
        }
    }

    /// Which of the two it is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Its ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Forgets what was written and read, and gets back what it may do. Its endpoint and its clock go on.
    pub fn begin_anew(&mut self) {
        self.ledger = Ledger::default();
        self.left = self.scenario.bounds[self.side as usize];
    }

    /// Its clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The state that its connection is in: the first there is, else that of its listener.
    #[must_use]
    pub fn state(&self) -> State {
        let listen = if self.listener.is_some() { State::Listen } else { State::Closed };
        self.endpoint.connections(self.now).first().map_or(listen, |info| info.state)
    }

    /// Whether nothing is left but what a user holds and may still close.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.socket.is_none() && self.listener.is_none() && self.endpoint.is_idle()
    }

    /// What it may do by itself within its bound.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        CALLS.into_iter().filter(|&call| self.left.left(call) > 0 && self.may(call)).collect()
    }

    /// Whether there is occasion for a call.
    #[must_use]
    pub fn may(&self, call: Call) -> bool {
        let life = self.ledger.lives.last();
        let held = self.socket.is_some();
        let writes = held && life.is_some_and(|life| !life.shut && life.end.is_none());
        match call {
            Call::Listen => self.listener.is_none(),
            Call::Unlisten => self.listener.is_some(),
            Call::Connect => !held,
            Call::ConnectFrom => !held && self.listener.is_some(),
            Call::Admit | Call::Refuse => self.pending.is_some(),
            Call::Send | Call::Shutdown => writes,
            Call::Read => self.readable(),
            Call::Close | Call::Abort => held,
            Call::Crash => true,
            Call::Flood => self.listener.is_some(),
            Call::Wait => self.endpoint.poll_timeout().is_none_or(|at| at > self.now + Duration::from_secs(2)),
            Call::Timer => self.endpoint.poll_timeout().is_some(),
        }
    }

    fn readable(&self) -> bool {
        let mut byte = [0];
        self.socket.is_some_and(|key| self.endpoint.peek(key, &mut byte) == Ok(1))
    }

    /// What comes of an input.
    ///
    /// # Errors
    /// What it did that no side may ever do.
    pub fn step(&self, input: Input<'_>) -> Result<(Self, Step), String> {
        let mut after = self.clone();
        let mut step = Step::default();
        match input {
            Input::Call(Call::Timer) => after.pass(&mut step)?,
            Input::Call(call) => after.call(call, &mut step)?,
            Input::Segment(segment) => after.arrive(segment),
        }
        after.settle(&mut step)?;
        after.judge()?;
        Ok((after, step))
    }

    fn tuple(&self) -> FourTuple {
        FourTuple::new(address(self.side), address(self.side.other()))
    }

    fn arrive(&mut self, segment: &Segment) {
        self.hear(self.tuple(), &segment.header, &segment.text);
    }

    fn hear(&mut self, tuple: FourTuple, header: &TcpHeader, text: &[u8]) {
        let arrival = Arrival {
            tuple,
            header,
            head: &[],
            text: &[Piece::from(Bytes::copy_from_slice(text))],
            segment_size: None,
            mark: Ecn::NotEct,
            path: Path { lossless: true, ..Path::new(MTU) },
        };
        self.endpoint.handle_segment(self.now, &arrival);
    }

    /// Time passes until something happens.
    fn pass(&mut self, step: &mut Step) -> Result<(), String> {
        self.left.take(Call::Timer);
        for _ in 0..MOST {
            let Some(at) = self.endpoint.poll_timeout() else { return Ok(()) };
            self.now = self.now.max(at);
            let before = (self.endpoint.population(), *self.endpoint.counters());
            self.endpoint.handle_timeout(self.now);
            let recorded = self.take_records(step)?;
            self.take_departures(step)?;
            if recorded || !step.sent.is_empty() || before != (self.endpoint.population(), *self.endpoint.counters()) {
                return Ok(());
            }
        }
        Err("timers run out without end, and nothing comes of it".into())
    }

    /// Everything that follows from an input at once.
    fn settle(&mut self, step: &mut Step) -> Result<(), String> {
        for _ in 0..MOST {
            self.take_records(step)?;
            let sent = step.sent.len();
            self.take_departures(step)?;
            let heard = self.take_events();
            if self.attend()? || heard || step.sent.len() > sent {
                continue;
            }
            return Ok(());
        }
        Err("one input keeps the endpoint busy without end".into())
    }

    fn take_events(&mut self) -> bool {
        let mut heard = false;
        while let Some(event) = self.endpoint.poll_event() {
            heard = true;
            if let (Event::Listener(key), None) = (event, self.pending)
                && self.scenario.deferred
            {
                self.pending = self.endpoint.pending(key).map(|pending| pending.key);
            }
        }
        heard
    }

    /// What the user does by itself: accept, read, give back what is over. Whether there was anything to do.
    fn attend(&mut self) -> Result<bool, String> {
        if let (None, Some(listener)) = (self.socket, self.listener)
            && let Some(key) = self.endpoint.accept(self.now, listener)
        {
            self.hold(key);
            return Ok(true);
        }
        let Some(key) = self.socket else { return Ok(false) };
        let ended = self.note_progress(key)?;
        if !self.scenario.lazy {
            self.read(key)?;
        }
        if ended && !self.readable() {
            self.read(key)?;
            self.endpoint.close(self.now, key);
            self.socket = None;
            return Ok(true);
        }
        Ok(false)
    }

    fn take_records(&mut self, step: &mut Step) -> Result<bool, String> {
        let mut any = false;
        while let Some(record) = self.endpoint.trace().pop() {
            any = true;
            if let Trace::State { from, to, cause } = record.what {
                self.ledger.on_arrow(record.id, from, cause, to)?;
                if matches!(to, State::Closed | State::Listen) {
                    self.now += PAUSE;
                }
                step.arrows.push((from, cause, to));
            }
        }
        Ok(any)
    }

    fn take_departures(&mut self, step: &mut Step) -> Result<(), String> {
        let (to, tuple) = (self.side.other(), self.tuple());
        for _ in 0..MOST {
            let sent = self.endpoint.poll_transmit(self.now, |departure| {
                // What is for strangers is lost.
                let is_ours = departure.tuple == tuple;
                is_ours.then(|| Segment { to, header: departure.header.clone(), text: departure.payload.concat() })
            });
            let Some(sent) = sent else { return Ok(()) };
            let Some(mut segment) = sent else { continue };
            self.check_text(&segment)?;
            self.stamp(&mut segment);
            step.sent.push(segment);
        }
        Err("an endpoint sends without end".into())
    }

    fn stamp(&mut self, segment: &mut Segment) {
        if let Some(times) = segment.header.options.timestamps {
            self.last_stamp = Some(times.value);
        } else if let (true, true, Some(value)) =
            (self.scenario.stamped_resets, segment.has(TcpFlags::RST), self.last_stamp)
        {
            segment.header.options.timestamps = Some(Timestamps { value: value.wrapping_add(1), echo: 0 });
        }
    }
}

fn endpoint(side: Side, crashes: u8, scenario: &Scenario) -> Endpoint {
    let mut seed = [0; 32];
    (seed[0], seed[1]) = (1 + side as u8, crashes);
    let mut endpoint = Endpoint::new(scenario.config(side), seed);
    endpoint.trace().set_enabled(true);
    endpoint
}
