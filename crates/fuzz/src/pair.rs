//! Two endpoints and a network that the input drives: it loses, repeats, reorders, delays and cuts what they send.
//!
//! What arrives is always a prefix of what was sent, byte for byte. At the end the network heals and both sides close: then
//! everything arrives, or both are told why not, and nothing is left over.
#![allow(clippy::panic, reason = "a fuzz target panics on a finding")]

use std::net::SocketAddr;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::{Config, ConnectionError, Listen, ListenerKey, Options, Path, State};
use bowline_wire::Ecn;

use crate::input::Input;
use crate::options::change;
use crate::segment::addresses;

mod side;

use side::Side;

/// Bytes that each side writes at most.
const WRITES: u64 = 200_000;
/// Deadlines until everything is over once the network has healed.
const ROUNDS: usize = 60_000;
/// When it begins.
const START: Instant = Instant::from_secs(10);
/// How long a listener's cookies are good at least.
const COOKIE_LIFE: Duration = Duration::from_secs(64);

/// The target.
pub fn run(data: &[u8]) {
    let _ = explore(data);
}

/// The same; returns how many bytes each side has read.
#[must_use]
pub fn explore(data: &[u8]) -> [u64; 2] {
    let mut input = Input::new(data);
    let mut pair = Pair::new(&mut input);
    while !input.is_empty() {
        pair.step(&mut input);
    }
    pair.heal();
    pair.sides.map(|side| side.read)
}

struct Pair {
    now: Instant,
    sides: [Side; 2],
    listener: Option<ListenerKey>,
}

impl Pair {
    fn new(input: &mut Input<'_>) -> Self {
        let now = START;
        let mut config = || {
            let mut options = Options::default();
            if input.one_in(2) {
                change(input, &mut options);
            }
            // So little room, or patience, that no connection could live is another target's matter.
            let plain = Options::default();
            options.send_buffer = options.send_buffer.clamp(2_000, 1 << 20);
            options.receive_buffer = options.receive_buffer.clamp(2_000, 1 << 20);
            options.receive_buffer_max = options.receive_buffer_max.clamp(options.receive_buffer, 1 << 20);
            options.max_segment = options.max_segment.map(|segment| segment.max(88));
            options.min_rto = options.min_rto.min(Duration::from_secs(1));
            options.max_rto = plain.max_rto;
            (options.retries, options.syn_retries, options.synack_retries) =
                (plain.retries, plain.syn_retries, plain.synack_retries);
            (options.user_timeout, options.keepalive, options.linger) = (None, None, None);
            Config { options, ..Config::default() }
        };
        let (mut ours, theirs) = (config(), config());
        // Who has another key has no connection: that is the other target's matter.
        ours.options.keys = theirs.options.keys.clone();
        let mut sides = [Side::new(ours, 0x55), Side::new(theirs, 0xaa)];
        let (here, there) = addresses(input.one_in(2));
        let [client, server] = &mut sides;
        let remote = SocketAddr::new(there, 80);
        let path = Path { lossless: input.one_in(8), ..Path::new(1500) };
        client.key = client.endpoint.connect(now, SocketAddr::new(here, 5000), remote, path, None).ok();
        let mut listener = None;
        if input.one_in(8) {
            // Both open actively: they meet half-way.
            server.key = server.endpoint.connect(now, remote, SocketAddr::new(here, 5000), path, None).ok();
        } else {
            listener = server.endpoint.listen(Listen::on_port(80)).ok();
        }
        let mut pair = Self { now, sides, listener };
        pair.drain();
        pair
    }

    fn drain(&mut self) {
        let now = self.now;
        for side in &mut self.sides {
            side.drain(now);
        }
        if let Some(listener) = self.listener
            && self.sides[1].key.is_none()
        {
            self.sides[1].key = self.sides[1].endpoint.accept(now, listener);
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let from = usize::from(choice & 1);
        let now = self.now;
        match choice >> 1 {
            0..60 => self.deliver(from, input),
            60..68 => {
                self.sides[from].out.pop_front();
            }
            68..80 => {
                let len = u64::from(input.one_of([1_u16, 100, 1448, 5000, 20_000]));
                let side = &mut self.sides[from];
                let len = len.min(WRITES - side.written);
                side.write(now, len);
            }
            80..96 => self.read(from, input.one_of([1, 1000, 100_000, 0])),
            96..99 => self.sides[from].shutdown(now),
            99 => {
                let side = &mut self.sides[from];
                if let Some(key) = side.key.filter(|_| input.one_in(4)) {
                    side.endpoint.abort(now, key);
                    side.aborted = true;
                    side.key = None;
                }
            }
            100..104 => {
                let side = &mut self.sides[from];
                let (nodelay, cork) = (input.one_in(2), input.one_in(4));
                if let Some(key) = side.key {
                    let _ = side.endpoint.set_options(now, key, |options| {
                        (options.nodelay, options.cork) = (nodelay, cork);
                    });
                }
            }
            _ => self.pass(input),
        }
        self.drain();
    }

    /// A segment arrives: the oldest, or another one; whole, or in two; once, or twice.
    fn deliver(&mut self, from: usize, input: &mut Input<'_>) {
        let [client, server] = &mut self.sides;
        let (sender, receiver) = if from == 0 { (client, server) } else { (server, client) };
        let how = input.byte();
        let len = sender.out.len();
        let at = if how < 200 || len == 0 { 0 } else { usize::from(input.byte()) % len };
        let Some(mut flying) = (if how & 7 == 7 { sender.out.get(at).cloned() } else { sender.out.remove(at) }) else {
            return;
        };
        // A router marks what may be marked.
        if how & 24 == 24 && flying.mark != Ecn::NotEct {
            flying.mark = Ecn::Ce;
        }
        receiver.arrive(self.now, &flying);
    }

    fn read(&mut self, at: usize, most: usize) {
        let (voice, written) = (self.sides[1 - at].voice, self.sides[1 - at].written);
        self.sides[at].read(self.now, most, voice, written);
    }

    fn pass(&mut self, input: &mut Input<'_>) {
        let amount = input.one_of([1_u64, 10, 40, 200, 1000, 5000]);
        self.now += Duration::from_millis(amount);
        for side in &mut self.sides {
            side.endpoint.handle_timeout(self.now);
        }
    }

    /// From now on everything arrives, in order and at once; both sides read to the end and close.
    fn heal(&mut self) {
        for _ in 0..ROUNDS {
            self.talk();
            if self.sides.iter().all(Side::is_told) {
                break;
            }
            let next = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout()).min();
            let Some(next) = next else { break };
            self.now = next.max(self.now);
            for side in &mut self.sides {
                side.endpoint.handle_timeout(self.now);
            }
        }
        self.verdict();
        self.leftovers();
    }

    /// All that can be done without time.
    fn talk(&mut self) {
        for _ in 0..100_000 {
            self.drain();
            let mut moved = false;
            for from in [0, 1] {
                let flying = self.sides[from].out.pop_front();
                moved |= flying.is_some();
                if let Some(flying) = flying {
                    self.sides[1 - from].arrive(self.now, &flying);
                }
                let before = self.sides[from].read;
                self.read(from, 1 << 16);
                moved |= self.sides[from].read > before;
                let corked = |options: &mut Options| options.cork = false;
                if let Some(key) = self.sides[from].key {
                    let _ = self.sides[from].endpoint.set_options(self.now, key, corked);
                }
                // Only a connection that was opened can be closed in good order.
                if self.sides[from].key.is_some_and(|key| {
                    self.sides[from].endpoint.state(key).is_some_and(|state| !matches!(state, State::SynSent))
                }) {
                    self.sides[from].shutdown(self.now);
                }
            }
            self.drain();
            if !moved && self.sides.iter().all(|side| side.out.is_empty()) {
                return;
            }
        }
        panic!("two endpoints that never come to rest at {}", self.now);
    }

    fn verdict(&self) {
        let [client, server] = &self.sides;
        let broken = client.aborted || server.aborted;
        for (side, other) in [(client, server), (server, client)] {
            // Who never heard of the other has no connection, and nothing to be told of. Who has nothing in flight does not
            // notice that the other one went, if the network lost its RST.
            let alone = side.key.is_none() || other.aborted || other.error.is_some();
            assert!(side.is_told() || alone, "a side that was told nothing: {}", self.picture());
            if !broken && client.error.is_none() && server.error.is_none() {
                assert_eq!(side.read, other.written, "{}", self.picture());
            }
        }
        if !broken && (client.error.is_some() || server.error.is_some()) {
            // Nobody aborted. Somebody must have lost patience.
            let impatient = |side: &Side| {
                let counters = side.endpoint.counters();
                // RFC 4987 3.6: what acknowledged the cookie was so long under way that it was good no more, and nothing was kept.
                let forgot = counters.syncookies_sent > 0 && counters.syncookies_recv == 0;
                side.error == Some(ConnectionError::TimedOut)
                    || counters.half_open_expired + counters.abort_on_timeout > 0
                    || (forgot && self.now > START + COOKIE_LIFE)
            };
            assert!(impatient(client) || impatient(server), "an end without a reason: {}", self.picture());
        }
    }

    fn leftovers(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.sides[1].endpoint.close_listener(self.now, listener);
        }
        for side in &mut self.sides {
            if let Some(key) = side.key.take() {
                side.endpoint.close(self.now, key);
            }
        }
        let mut at_once = 0;
        for _ in 0..ROUNDS {
            self.talk();
            let next = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout()).min();
            let Some(next) = next else { break };
            // A user's time-out of nothing is due now, but not for ever.
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 64, "{next} is over at {}: {}", self.now, self.picture());
            self.now = next.max(self.now);
            for side in &mut self.sides {
                side.endpoint.handle_timeout(self.now);
            }
        }
        for side in &self.sides {
            assert_eq!(side.endpoint.population(), (0, 0, 0), "{}", self.picture());
            assert_eq!(side.endpoint.poll_timeout(), None, "{}", self.picture());
        }
    }

    fn picture(&self) -> String {
        let side = |side: &Side| {
            format!(
                "written {} read {} shut {} aborted {} eof {} error {:?} {:?}\n{:#?}",
                side.written,
                side.read,
                side.shut,
                side.aborted,
                side.eof,
                side.error,
                side.endpoint.counters(),
                side.endpoint.connections(self.now)
            )
        };
        format!("at {}\nclient {}\nserver {}", self.now, side(&self.sides[0]), side(&self.sides[1]))
    }
}

/// Programs of random bytes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    (0..24_u8).map(|number| crate::mutate::program(1000 + u64::from(number), 64 + 60 * usize::from(number))).collect()
}
