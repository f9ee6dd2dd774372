//! A whole `bowline_tcp::Endpoint` under a program of segments, ICMP errors, calls and waits that the input describes.
//!
//! Checked after each step: nothing panics (debug assertions are on), tables keep to their bounds and connections to their
//! memory, and no instant lasts for ever. At the end everything is aborted, and nothing may be left: no connection, no
//! entry, no deadline.
#![allow(clippy::panic, reason = "a fuzz target panics on a finding")]

use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::{
    Arrival, Config, ConnectionKey, Endpoint, Event, FourTuple, IcmpError, Listen, ListenerKey, Options, Path, Refusal,
    State, Then,
};
use bowline_wire::{Ecn, Piece};
use bytes::Bytes;

use crate::input::Input;
use crate::options::{change, config, memory_bound};
use crate::segment::{Sight, addresses, segment, tuple};

/// Segments of no connection that an endpoint may have waiting, whatever it was sent.
const CONTROL: u64 = 4096;
/// Bytes that a program may write in all: each may become a segment of its own.
const WRITES: usize = 64 << 10;
/// Deadlines until everything is over: an orphan with an RTO of an hour, twenty retransmissions and a keepalive each
/// second has this many.
const ROUNDS: usize = 100_000;

/// The target.
pub fn run(data: &[u8]) {
    let _ = explore(data);
}

/// The same; returns the states in which connections were seen.
#[must_use]
pub fn explore(data: &[u8]) -> Vec<State> {
    let mut input = Input::new(data);
    let mut machine = Machine::new(&mut input);
    while !input.is_empty() {
        machine.step(&mut input);
        machine.check();
    }
    machine.end();
    machine.states
}

/// An endpoint, and what is known of it.
struct Machine {
    endpoint: Endpoint,
    now: Instant,
    sight: Sight,
    config: Config,
    keys: Vec<ConnectionKey>,
    listeners: Vec<ListenerKey>,
    /// The largest bound on a connection's memory that was ever asked for.
    memory: u64,
    written: usize,
    states: Vec<State>,
}

impl Machine {
    fn new(input: &mut Input<'_>) -> Self {
        let config = config(input);
        let endpoint = Endpoint::new(config.clone(), [input.byte(); 32]);
        Self::with(endpoint, config, input)
    }

    fn with(mut endpoint: Endpoint, config: Config, input: &mut Input<'_>) -> Self {
        endpoint.trace().set_enabled(input.one_in(4));
        let now = input.one_of([Instant::from_secs(1), Instant::ZERO, Instant::from_secs(4_300_000)]);
        let memory = memory_bound(&config.options).max(memory_bound(&Options::default()));
        let (sight, keys, listeners) = (Sight::default(), Vec::new(), Vec::new());
        Self { endpoint, now, sight, config, keys, listeners, memory, written: 0, states: Vec::new() }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            0..110 => self.segment(input),
            110..116 => self.icmp(input),
            116..140 => self.pass(input),
            choice => self.call(choice, input),
        }
        // Mostly at once, as a host does; sometimes late.
        if !input.one_in(8) {
            self.drain();
        }
    }

    fn segment(&mut self, input: &mut Input<'_>) {
        let (tuple, header, len) = segment(input, &self.sight);
        let segment_size = input.one_of([None, Some(1448), None, Some(1), None, Some(0), Some(u16::MAX)]);
        let mut data = Bytes::from(vec![input.byte(); len]);
        let pinned = input.one_of([len, len, 65_536, len * 2]).max(len);
        // A text of odd length comes in two pieces.
        let first = data.split_to(if len % 2 == 1 { len / 3 } else { 0 });
        let arrival = Arrival {
            tuple,
            header: &header,
            head: &[],
            text: &[Piece { data: first, pinned }, Piece { data, pinned }],
            segment_size: segment_size.filter(|_| len > 0),
            mark: input.one_of([Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce]),
            path: self.path(input),
        };
        self.endpoint.handle_segment(self.now, &arrival);
    }

    fn path(&self, input: &mut Input<'_>) -> Path {
        let mtus = [1500, 1500, 65_535, 1280, 576, 68, 0];
        let mtu = input.one_of(mtus);
        let link_mtu = if input.one_in(4) { input.one_of(mtus) } else { mtu };
        Path { mtu, link_mtu, lossless: input.one_in(8) }
    }

    fn icmp(&mut self, input: &mut Input<'_>) {
        let seen = self.sight.pick(input);
        let (tuple, seq) = seen.map_or_else(|| (tuple(input), 0), |seen| (seen.tuple, seen.start));
        let error = input.one_of([
            IcmpError::PacketTooBig(1280),
            IcmpError::PacketTooBig(0),
            IcmpError::PacketTooBig(68),
            IcmpError::PacketTooBig(u32::MAX),
            IcmpError::NetworkUnreachable,
            IcmpError::HostUnreachable,
            IcmpError::ProtocolUnreachable,
            IcmpError::PortUnreachable,
            IcmpError::AdministrativelyProhibited,
            IcmpError::TimeExceeded,
            IcmpError::NotReassembled,
            IcmpError::ParameterProblem,
        ]);
        let seq = if input.one_in(4) { input.long() } else { seq };
        self.endpoint.handle_icmp(self.now, tuple, seq, error);
    }

    /// Time passes: to the next deadline, or by an amount of its own. Timers may run, or be late.
    fn pass(&mut self, input: &mut Input<'_>) {
        let next = self.endpoint.poll_timeout().filter(|_| input.one_in(2));
        let amount = input.one_of([
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_micros(100),
            Duration::from_millis(1),
            Duration::from_millis(39),
            Duration::from_millis(200),
            Duration::from_secs(1),
            Duration::from_secs(61),
            Duration::from_secs(3600),
            Duration::from_secs(30 * 86_400),
        ]);
        self.now = next.map_or(self.now + amount, |next| next.max(self.now));
        if !input.one_in(8) {
            self.endpoint.handle_timeout(self.now);
        }
    }

    /// A call, on any handle that there ever was.
    fn call(&mut self, choice: u8, input: &mut Input<'_>) {
        let now = self.now;
        let Some(key) = input.pick(&self.keys) else { return self.open(choice, input) };
        let endpoint = &mut self.endpoint;
        match choice % 20 {
            0..3 => self.open(choice, input),
            3..7 => {
                let len = input.one_of([1, 100, 1448, 5000, 16_384]).min(WRITES.saturating_sub(self.written));
                let data = vec![7; len];
                let taken = match choice % 5 {
                    0 => endpoint.send(now, key, &data),
                    1 => endpoint.send_bytes(now, key, &mut Bytes::from(data)),
                    2 => endpoint.send_with(now, key, &mut Bytes::from(data), Then::More),
                    3 => endpoint.send_with(now, key, &mut Bytes::from(data), Then::EndOfRecord),
                    _ => endpoint.send_urgent(now, key, &data),
                };
                let taken = taken.unwrap_or(0);
                assert!(taken <= len);
                self.written += taken;
            }
            7 | 8 => {
                let _ = endpoint.receive(now, key, &mut vec![0; input.one_of([1000, 0, 1, 100_000])]);
            }
            9 | 10 => {
                let most = input.one_of([usize::MAX, 0, 1, 1000]);
                if let Ok(data) = endpoint.receive_bytes(now, key, most) {
                    assert!(data.len() <= most);
                }
            }
            11 => {
                let mut out = [0; 100];
                let peeked = endpoint.peek(key, &mut out);
                assert_eq!(endpoint.receive(now, key, &mut [0; 100]), peeked, "peek and receive differ");
            }
            12 => {
                let _ = endpoint.shutdown(now, key);
            }
            13 => endpoint.close(now, key),
            14 => endpoint.abort(now, key),
            15 => {
                let mut bound = 0;
                let _ = endpoint.set_options(now, key, |options| {
                    change(input, options);
                    bound = memory_bound(options);
                });
                self.memory = self.memory.max(bound);
            }
            16 => self.look(choice, key),
            _ => self.listener_call(choice, input),
        }
    }

    /// Everything that can be asked, and two calls that change little.
    fn look(&mut self, choice: u8, key: ConnectionKey) {
        let (now, endpoint) = (self.now, &mut self.endpoint);
        let _ = (endpoint.info(now, key), endpoint.state(key), endpoint.progress(key), endpoint.readiness(key));
        let _ = (endpoint.send_capacity(key), endpoint.syn_capacity(key), endpoint.waits_for_data(key));
        let _ = (endpoint.received(key), endpoint.urgent_left(key), endpoint.is_at_mark(key));
        let _ = (endpoint.options(key), endpoint.error(key), endpoint.tuple(key), endpoint.initial_numbers(key));
        let _ = (endpoint.has_received_fin(key), endpoint.is_quick(key), endpoint.fast_open_cookies().count());
        assert!(endpoint.listeners(now).len() <= self.config.max_listeners);
        assert!(!endpoint.is_idle() || !endpoint.has_open());
        for &listener in &self.listeners {
            let _ = (endpoint.has_to_accept(listener), endpoint.listener_options(listener));
        }
        match choice {
            236.. => drop(endpoint.push(now, key)),
            216.. => endpoint.set_quick(now, key, !endpoint.is_quick(key)),
            _ => {}
        }
    }

    fn listener_call(&mut self, choice: u8, input: &mut Input<'_>) {
        let (now, endpoint) = (self.now, &mut self.endpoint);
        let Some(listener) = input.pick(&self.listeners) else { return };
        match choice % 20 {
            17 => self.keys.extend(endpoint.accept(now, listener)),
            18 => {
                let Some(pending) = endpoint.pending(listener) else { return };
                match input.byte() % 4 {
                    0 => endpoint.refuse(now, pending.key, Refusal::Reset),
                    1 => endpoint.refuse(now, pending.key, Refusal::Silent),
                    _ => self.keys.extend(endpoint.admit(now, pending.key, None)),
                }
            }
            _ if input.one_in(4) => endpoint.close_listener(now, listener),
            _ => self.keys.extend(endpoint.accept(now, listener)),
        }
    }

    fn open(&mut self, choice: u8, input: &mut Input<'_>) {
        let mut options = Options::default();
        let own = input.one_in(4);
        if own {
            change(input, &mut options);
            self.memory = self.memory.max(memory_bound(&options));
        }
        let options = own.then_some(options);
        if choice.is_multiple_of(2) {
            let port = input.one_of([Some(80), Some(81), None]);
            let backlog = input.one_of([2, 0, 5, 1 << 20]);
            let address = input.one_of([None, Some(addresses(false).0)]);
            let listen = Listen { address, port, backlog, deferred: input.one_in(3), options };
            self.listeners.extend(self.endpoint.listen(listen));
            return;
        }
        let FourTuple { mut local, remote } = tuple(input);
        if input.one_in(2) {
            local.set_port(0);
        }
        let path = self.path(input);
        let listener = input.pick(&self.listeners).filter(|_| input.one_in(4));
        let key = match listener {
            Some(listener) => self.endpoint.connect_from(self.now, listener, local.ip(), remote, path),
            None => self.endpoint.connect(self.now, local, remote, path, options),
        };
        self.keys.extend(key);
    }

    /// Takes out all that there is: it must come to an end.
    fn drain(&mut self) {
        let queued: u64 = self.endpoint.connections(self.now).iter().map(|info| info.send_queue).sum();
        let connections = self.endpoint.population().0 as u64;
        // One segment for each byte, each byte twice, and a handful for each connection: more is a loop.
        let most = CONTROL + 2 * queued + 32 * connections + 64;
        let mut sent = 0;
        let sight = &mut self.sight;
        while self
            .endpoint
            .poll_transmit(self.now, |departure| {
                let len = departure.payload_len();
                assert!(len <= 65_535 && departure.segment_size.is_none_or(|size| size > 0));
                sight.look(departure.tuple, &departure.header, len);
            })
            .is_some()
        {
            sent += 1;
            assert!(sent <= most, "{sent} segments at one instant, with {queued} bytes queued");
        }
        let mut events = 0;
        while let Some(event) = self.endpoint.poll_event() {
            events += 1;
            assert!(events <= self.config.max_connections + self.config.max_listeners, "the same events again");
            if let Event::Listener(listener) = event
                && events % 2 == 0
            {
                self.keys.extend(self.endpoint.accept(self.now, listener));
            }
        }
        while self.endpoint.trace().pop().is_some() {}
    }

    /// The bounds hold.
    fn check(&mut self) {
        let (open, half, closed) = self.endpoint.population();
        assert!(open <= self.config.max_connections, "{open} connections");
        let most = self.config.max_half_open + self.config.max_pending;
        assert!(half <= most, "{half} half-open ones");
        assert!(closed <= self.config.max_time_wait, "{closed} in TIME-WAIT");
        for info in self.endpoint.connections(self.now) {
            if !self.states.contains(&info.state) {
                self.states.push(info.state);
            }
            assert!(info.memory <= self.memory, "{} bytes of memory, not {}: {info:?}", info.memory, self.memory);
            assert!(info.in_flight <= info.send_queue + 2, "more in flight than queued: {info:?}");
        }
    }

    /// Runs what is due now until nothing is.
    fn settle(&mut self) {
        for _ in 0..64 {
            self.drain();
            if self.endpoint.poll_timeout().is_none_or(|next| next > self.now) {
                return;
            }
            self.endpoint.handle_timeout(self.now);
        }
        panic!("a deadline that is always now: {:?}", self.endpoint.connections(self.now));
    }

    /// Everything is given up, and nothing may be left of it.
    fn end(&mut self) {
        self.settle();
        for listener in std::mem::take(&mut self.listeners) {
            self.endpoint.close_listener(self.now, listener);
        }
        for key in self.endpoint.keys() {
            self.endpoint.abort(self.now, key);
        }
        self.settle();
        for _ in 0..ROUNDS {
            let Some(next) = self.endpoint.poll_timeout() else { break };
            assert!(next > self.now, "{next} is over at {}", self.now);
            self.now = next;
            self.endpoint.handle_timeout(self.now);
            self.settle();
        }
        assert_eq!(self.endpoint.poll_timeout(), None, "{:?}", self.endpoint.connections(self.now));
        assert_eq!(self.endpoint.population(), (0, 0, 0), "{:?}", self.endpoint.connections(self.now));
    }
}

/// Programs that get somewhere: an open from either side, text both ways, and a close.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    (0..24_u8).map(|number| crate::mutate::program(u64::from(number), 64 + 40 * usize::from(number))).collect()
}
