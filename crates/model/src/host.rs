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
use bowline_tcp::{
    Arrival, CallError, ConnectionKey, Endpoint, Event, FourTuple, Listen, ListenerKey, Path, PendingKey,
};
use bowline_wire::Piece;
use bowline_wire::tcp::{TcpFlags, Timestamps};
use bytes::Bytes;

use crate::Side;
use crate::ledger::{Ledger, Life};
use crate::scenario::{Bound, CALLS, Call, Scenario};
use crate::segment::Segment;

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
        let arrival = Arrival {
            tuple: self.tuple(),
            header: &segment.header,
            text: &[Piece::from(Bytes::copy_from_slice(&segment.text))],
            segment_size: None,
            congestion_experienced: false,
            path: Path { mtu: MTU, lossless: true },
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

    fn call(&mut self, call: Call, step: &mut Step) -> Result<(), String> {
        self.left.take(call);
        let (now, side) = (self.now, self.side);
        let path = Path { mtu: MTU, lossless: true };
        match (call, self.socket) {
            (Call::Listen, _) => {
                let listen = Listen { backlog: 4, deferred: self.scenario.deferred, ..Listen::on_port(PORT) };
                self.listener = Some(self.endpoint.listen(listen).map_err(|error| format!("listen: {error}"))?);
                step.arrows.push((State::Closed, Cause::PassiveOpen, State::Listen));
            }
            (Call::Unlisten, _) => {
                if let Some(listener) = self.listener.take() {
                    self.endpoint.close_listener(now, listener);
                    // For a listener CLOSE and ABORT are one call: nothing of it is on the network.
                    step.arrows.push((State::Listen, Cause::Close, State::Closed));
                    step.arrows.push((State::Listen, Cause::Abort, State::Closed));
                }
            }
            (Call::Connect, None) => {
                let opened = self.endpoint.connect(now, address(side), address(side.other()), path, None);
                // In use by a half-open connection or by TIME-WAIT: the user is told, and nothing happens.
                opened.ok().into_iter().for_each(|key| self.hold(key));
            }
            (Call::ConnectFrom, None) => {
                if let Some(listener) = self.listener
                    && let Ok(key) =
                        self.endpoint.connect_from(now, listener, address(side).ip(), address(side.other()), path)
                {
                    self.listener = None;
                    self.hold(key);
                }
            }
            (Call::Admit, _) => {
                let pending = self.pending.take();
                if let Some(key) = pending.and_then(|pending| self.endpoint.admit(now, pending, None)) {
                    self.hold(key);
                }
            }
            (Call::Refuse, _) => {
                if let Some(pending) = self.pending.take() {
                    self.endpoint.refuse(now, pending, bowline_tcp::Refusal::Reset);
                }
            }
            (Call::Send, Some(key)) => self.send(key)?,
            (Call::Read, Some(key)) => self.read(key)?,
            (Call::Shutdown, Some(key)) => {
                let done = self.endpoint.shutdown(now, key);
                self.life(|life| life.shut = done.is_ok());
            }
            (Call::Close, Some(key)) => {
                self.life(|life| life.shut = true);
                self.endpoint.close(now, key);
                self.socket = None;
            }
            (Call::Abort, Some(key)) => {
                self.endpoint.abort(now, key);
                self.socket = None;
            }
            (Call::Crash, _) => self.crash(),
            (Call::Wait, _) => self.now += Duration::from_secs(2),
            _ => {}
        }
        Ok(())
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.endpoint = endpoint(self.side, self.crashes, &self.scenario);
        (self.listener, self.socket, self.pending) = (None, None, None);
        self.ledger.on_crash();
    }

    /// The user holds a connection from now on.
    fn hold(&mut self, key: ConnectionKey) {
        let numbers = self.endpoint.initial_numbers(key);
        let id = self.endpoint.info(self.now, key).map(|info| info.id);
        if let (Some((iss, irs)), Some(id)) = (numbers, id) {
            self.socket = Some(key);
            let mut life = Life::new(id, iss.0, irs.map(|irs| irs.0));
            life.established = self.endpoint.state(key).is_some_and(State::is_synchronized);
            self.ledger.lives.push(life);
        }
    }

    fn life(&mut self, change: impl FnOnce(&mut Life)) {
        if let Some(life) = self.ledger.lives.last_mut() {
            change(life);
        }
    }

    fn send(&mut self, key: ConnectionKey) -> Result<(), String> {
        let number = self.ledger.lives.len().saturating_sub(1);
        let Some(life) = self.ledger.lives.last_mut() else { return Ok(()) };
        let byte = Ledger::byte(self.side, number, life.wrote);
        match self.endpoint.send(self.now, key, &[byte]) {
            Ok(1) => life.wrote += 1,
            // It ended meanwhile.
            Err(CallError::Ended(_) | CallError::Closing) => {}
            other => return Err(format!("a byte to send came to {other:?}")),
        }
        Ok(())
    }

    fn read(&mut self, key: ConnectionKey) -> Result<(), String> {
        let mut out = [0; 64];
        loop {
            let n = self.endpoint.receive(self.now, key, &mut out);
            let Some(life) = self.ledger.lives.last_mut() else { return Ok(()) };
            match n {
                Ok(0) => {
                    life.eof = true;
                    return Ok(());
                }
                Ok(n) if life.eof => return Err(format!("{n} bytes came after the end of the stream")),
                Ok(n) => life.read.extend_from_slice(&out[..n]),
                Err(_) => return Ok(()),
            }
        }
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

    /// What the endpoint says of the connection that is held. Whether it is over.
    fn note_progress(&mut self, key: ConnectionKey) -> Result<bool, String> {
        let info = self.endpoint.info(self.now, key);
        let numbers = self.endpoint.initial_numbers(key);
        let (Some(info), Some((_, irs)), Some(life)) = (info, numbers, self.ledger.lives.last_mut()) else {
            return Ok(false);
        };
        if !matches!(info.state, State::Closed | State::Listen) {
            life.irs = irs.map(|irs| irs.0).or(life.irs);
        }
        life.established |= info.state.is_synchronized();
        let got = usize::try_from(info.bytes_received).unwrap_or(usize::MAX);
        // RFC 9293 3.10.7.4: a reset, an abort or a time-out brings nothing along.
        if got > life.got && life.end == Some(crate::ledger::End::Early) {
            return Err(format!("{} bytes arrived after the connection had ended", got - life.got));
        }
        life.got = life.got.max(got);
        Ok(matches!(info.state, State::Closed | State::Listen | State::TimeWait))
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
        let to = self.side.other();
        for _ in 0..MOST {
            let sent = self.endpoint.poll_transmit(self.now, |departure| Segment {
                to,
                header: departure.header.clone(),
                text: departure.payload.concat(),
            });
            let Some(mut segment) = sent else { return Ok(()) };
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

    /// What a segment carries must be what the user wrote there.
    fn check_text(&self, segment: &Segment) -> Result<(), String> {
        let first = segment.header.seq.0.wrapping_add(u32::from(segment.has(TcpFlags::SYN)));
        let is_ours = |(number, life): (usize, &Life)| {
            let at = first.wrapping_sub(life.iss.wrapping_add(1)) as usize;
            let end = at.saturating_add(segment.text.len());
            end <= life.wrote
                && segment.text.iter().enumerate().all(|(i, &b)| b == Ledger::byte(self.side, number, at + i))
        };
        if segment.text.is_empty() || self.ledger.lives.iter().enumerate().any(is_ours) {
            return Ok(());
        }
        Err(format!("{:?} at {} was sent and never written", segment.text, segment.header.seq.0))
    }

    /// What must be true of a side between two steps.
    fn judge(&self) -> Result<(), String> {
        if self.endpoint.counters().resets_suppressed > 0 {
            return Err("a ration that the fingerprint leaves out has run out".into());
        }
        // Where no user will ever do anything, time must: else what is left is left for ever.
        let held = self.socket.is_some() || self.pending.is_some();
        if !held && self.endpoint.population() != (0, 0, 0) && self.endpoint.poll_timeout().is_none() {
            return Err(format!("{:?} are left with no timer, and nobody holds them", self.endpoint.population()));
        }
        Ok(())
    }

    /// Lets the user do `last` with what it holds, and then time pass while nothing arrives any more: in the end nothing may
    /// be left.
    ///
    /// # Errors
    /// What is left, or what it did that no side may ever do.
    pub fn ends_alone(&self, last: Call) -> Result<(), String> {
        let mut host = self.clone();
        for _ in 0..MOST {
            let call = match host.socket {
                Some(_) => last,
                None if host.listener.is_some() => Call::Unlisten,
                None if host.endpoint.poll_timeout().is_some() => Call::Timer,
                None => break,
            };
            host = host.step(Input::Call(call))?.0;
        }
        if host.is_over() {
            return Ok(());
        }
        Err(format!("after {last:?} and silence {:?} remain in {}", host.endpoint.population(), host.state()))
    }
}

fn endpoint(side: Side, crashes: u8, scenario: &Scenario) -> Endpoint {
    let mut seed = [0; 32];
    (seed[0], seed[1]) = (1 + side as u8, crashes);
    let mut endpoint = Endpoint::new(scenario.config(side), seed);
    endpoint.trace().set_enabled(true);
    endpoint
}
