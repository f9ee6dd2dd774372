//! Random conversations over a bad network: bytes equal, both sides finished or both told why, nothing left over.
//!
//! A failure prints its seed. To see it again: `BOWLINE_SEED=… cargo nextest run -p bowline-tcp --test tcp replay`.

use std::time::Duration;

use bowline_base::{Instant, Randomness};
use bowline_tcp::{
    Algorithm, CallError, ConnectionError, ConnectionKey, EcnMode, Event, FourTuple, Keepalive, Listen, ListenerKey,
    Options, Readiness,
};
use bytes::Bytes;

use crate::bench::net::Weather;
use crate::bench::pair::{End, Pair};
use crate::bench::{byte_at, stream};

const PORT: u16 = 80;
/// Nothing may take longer than this, in virtual time.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// How a side behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    /// Writes all, closes its direction, reads to the end, closes.
    Orderly,
    /// Closes as soon as all is written, read or not.
    Hasty,
    /// Closes, or aborts, in the middle of it.
    Rude,
}

/// One side of a conversation.
struct Side {
    end: End,
    key: Option<ConnectionKey>,
    manner: Manner,
    /// Acts on events only, as a socket does; otherwise now and then.
    by_events: bool,
    /// Where it is in the streams.
    wants: u64,
    written: u64,
    read: u64,
    shut: bool,
    ended: bool,
    error: Option<ConnectionError>,
    /// Given its handle back.
    gone: bool,
    aborted: bool,
    ready: Readiness,
    next_act: Instant,
    /// How long it may take its time.
    pause: Duration,
    /// The connection, as the client names it.
    tuple: Option<FourTuple>,
}

impl Side {
    fn new(end: End, random: &mut Randomness, calm: bool) -> Self {
        let manner = match random.below(10) {
            _ if calm => Manner::Orderly,
            0 => Manner::Rude,
            1 | 2 => Manner::Hasty,
            _ => Manner::Orderly,
        };
        let wants = match random.below(8) {
            0 => 0,
            1..=3 => random.below(3_000),
            4..=6 => random.below(40_000),
            _ => random.below(300_000),
        };
        Self {
            end,
            key: None,
            manner,
            by_events: random.below(2) == 0,
            wants,
            written: 0,
            read: 0,
            shut: false,
            ended: false,
            error: None,
            gone: false,
            aborted: false,
            ready: Readiness::empty(),
            next_act: Instant::ZERO,
            pause: Duration::from_micros([20_000, 60_000, 300_000, 3_000_000][random.below(4) as usize]),
            tuple: None,
        }
    }

    fn is_live(&self) -> bool {
        self.key.is_some() && !self.gone
    }

    fn finished(&self) -> bool {
        self.ended && self.shut && self.written == self.wants && self.error.is_none()
    }

    fn fail(&mut self, error: CallError) {
        match error {
            CallError::WouldBlock | CallError::Closing => {}
            CallError::Ended(why) => self.error = Some(why),
            CallError::NoConnection | CallError::Invalid => panic!("{error:?} on a live handle"),
        }
    }

    /// Does what it is ready for.
    fn act(&mut self, pair: &mut Pair, random: &mut Randomness) {
        let Some(key) = self.key else { return };
        let mut moved = true;
        while moved && !self.gone && self.error.is_none() {
            moved = false;
            if !self.ended {
                moved |= self.read_some(pair, key, random);
            }
            if self.written < self.wants {
                moved |= self.write_some(pair, key, random);
            }
            if self.manner == Manner::Rude && random.below(30) == 0 {
                self.aborted = true;
                let abort = random.below(2) == 0;
                pair.call(self.end, |end, now| if abort { end.abort(now, key) } else { end.close(now, key) });
                self.gone = true;
                return;
            }
            if self.written == self.wants && !self.shut {
                self.shut = true;
                if self.manner == Manner::Hasty {
                    pair.call(self.end, |end, now| end.close(now, key));
                    self.gone = true;
                    return;
                }
                let result = pair.call(self.end, |end, now| end.shutdown(now, key));
                if let Err(error) = result {
                    self.fail(error);
                    assert!(error != CallError::Closing || self.error.is_some(), "nobody closed before");
                }
            }
            if !self.by_events && random.below(3) == 0 {
                break;
            }
        }
        if self.error.is_some() || self.finished() {
            pair.call(self.end, |end, now| end.close(now, key));
            self.gone = true;
        }
    }

    fn read_some(&mut self, pair: &mut Pair, key: ConnectionKey, random: &mut Randomness) -> bool {
        let max = 1 + random.below(20_000) as usize;
        let mut out = vec![0; max];
        let result = match random.below(3) {
            0 => pair.call(self.end, |end, now| end.receive_bytes(now, key, max)).map(|bytes| {
                out[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            }),
            1 => {
                let mut seen = vec![0; max];
                let peeked = pair.call(self.end, |end, _| end.peek(key, &mut seen));
                let result = pair.call(self.end, |end, now| end.receive(now, key, &mut out));
                assert_eq!(peeked, result, "peek shows what receive gives");
                assert_eq!(seen, out);
                result
            }
            _ => pair.call(self.end, |end, now| end.receive(now, key, &mut out)),
        };
        match result {
            Ok(0) => self.ended = true,
            Ok(n) => {
                let wrong = (0..n).find(|&i| out[i] != byte_at(self.read + i as u64));
                assert_eq!(wrong.map(|i| self.read + i as u64), None, "a byte that was not written there");
                self.read += n as u64;
            }
            Err(error) => self.fail(error),
        }
        result.is_ok()
    }

    fn write_some(&mut self, pair: &mut Pair, key: ConnectionKey, random: &mut Randomness) -> bool {
        let len = (1 + random.below(30_000)).min(self.wants - self.written) as usize;
        let data = stream(self.written, len);
        let kind = random.below(40);
        let result = pair.call(self.end, |end, now| match kind {
            0 => end.send_urgent(now, key, &data),
            1..=20 => end.send(now, key, &data),
            _ => end.send_bytes(now, key, &mut Bytes::from(data)),
        });
        match result {
            Ok(n) => self.written += n as u64,
            Err(error) => {
                assert_ne!(error, CallError::Closing, "nobody closed this direction");
                self.fail(error);
            }
        }
        result.is_ok()
    }
}

struct Conversation {
    pair: Pair,
    random: Randomness,
    listener: ListenerKey,
    /// Client and server side of each connection.
    sides: Vec<[Side; 2]>,
    deferred: bool,
    /// Mild weather and good manners: everything must succeed.
    calm: bool,
}

fn random_weather(random: &mut Randomness, calm: bool) -> Weather {
    let mut up_to = |most: u64| if random.below(3) == 0 { 0 } else { random.below(most + 1) };
    // In calm weather an outage ends long before a SYN-ACK is given up, after 63 s.
    let (most, longest) = if calm { (50, 8_000) } else { (200, 20_000) };
    Weather {
        loss: up_to(most),
        duplicate: up_to(100),
        reorder: up_to(150),
        corrupt: up_to(30),
        mark: up_to(100),
        delay: Duration::from_micros(up_to(100_000)),
        jitter: Duration::from_micros(up_to(longest)),
        outage: Some(up_to(5_000))
            .filter(|&from| from > 0)
            .map(|from| (Duration::from_millis(from), Duration::from_millis(from + up_to(longest)))),
        whole: up_to(1) == 1,
        ..Weather::default()
    }
}

fn random_options(random: &mut Randomness, calm: bool) -> Options {
    let mut coin = |n: u64| random.below(n) == 0;
    let mut options = Options {
        nodelay: coin(2),
        cork: coin(8),
        window_scaling: !coin(4),
        timestamps: !coin(4),
        sack: !coin(4),
        ecn: if coin(2) { EcnMode::Classic } else { EcnMode::Off },
        ..Options::default()
    };
    if coin(2) {
        (options.ecn, options.ecn_when_asked) = (EcnMode::Accurate, EcnMode::Accurate);
    }
    options.algorithm = [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Local][random.below(3) as usize];
    if random.below(3) == 0 {
        options.send_buffer = 1_000 + random.below(30_000) as u32;
    }
    if random.below(3) == 0 {
        options.receive_buffer = 2_000 + random.below(30_000) as u32;
        options.receive_buffer_max = options.receive_buffer + random.below(60_000) as u32;
    }
    if random.below(4) == 0 {
        options.notsent_lowat = random.below(20_000) as u32;
    }
    if random.below(4) == 0 {
        options.max_segment = Some(100 + random.below(1400) as u16);
    }
    options.delayed_ack = Duration::from_millis(random.below(500));
    if !calm {
        // A RST may be lost: who only listens must find out in the end.
        let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
        options.keepalive = Some(Keepalive { idle, interval, probes: 5 });
    }
    options
}

/// What came later than the first conversations, from chance of its own: the seeds of before still have the weather and the
/// programs of before.
fn more_options(random: &mut Randomness, options: &mut Options) {
    if random.below(4) == 0 {
        options.algorithm = Algorithm::Bbr;
    }
    options.rate_samples = random.below(3) == 0;
    options.pacing = random.below(3) > 0;
    if random.below(6) == 0 {
        options.max_pacing_rate = Some(20_000 + random.below(10_000_000));
    }
}

impl Conversation {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = Randomness::new(bytes);
        let calm = random.below(2) == 0;
        let weather = random_weather(&mut random, calm);
        let mut options = [random_options(&mut random, calm), random_options(&mut random, calm)];
        bytes[31] = 1;
        let mut more = Randomness::new(bytes);
        options.iter_mut().for_each(|options| more_options(&mut more, options));
        let mtu = [1500, 1500, 576, 1280, 9000, 65_535][random.below(6) as usize];
        let ipv6 = mtu >= 1280 && random.below(3) == 0;
        let mut pair = Pair::new(&mut random, weather, options, ipv6, mtu);
        let deferred = random.below(4) == 0;
        let listen = Listen { deferred, backlog: random.below(6) as usize, ..Listen::on_port(PORT) };
        let listener = pair.call(End::Server, |end, _| end.listen(listen)).expect("listen");
        let count = 1 + random.below(3);
        let mut side = |end| Side::new(end, &mut random, calm);
        let sides = (0..count).map(|_| [side(End::Client), side(End::Server)]).collect();
        Self { pair, random, listener, sides, deferred, calm }
    }

    /// Until both sides of all connections have given their handles back.
    fn run(&mut self) {
        for sides in &mut self.sides {
            let key = self.pair.connect(PORT);
            (sides[0].key, sides[0].tuple) = (Some(key), self.pair.tuple(End::Client, key));
        }
        let start = self.pair.now;
        while self.sides.iter().flatten().any(Side::is_live) || self.handshakes_go_on() {
            let next = self.sides.iter().flatten().filter(|s| s.is_live() && !s.by_events).map(|s| s.next_act).min();
            self.pair.step(next.unwrap_or(start + PATIENCE));
            assert!(self.pair.now < start + PATIENCE, "somebody waits for ever: {}", self.describe());
            self.take_events();
            self.act();
        }
    }

    /// A connection that the server has not accepted may still be under way.
    fn handshakes_go_on(&self) -> bool {
        self.sides.iter().any(|[client, server]| server.key.is_none() && !client.gone)
    }

    fn take_events(&mut self) {
        for end in [End::Client, End::Server] {
            while let Some(event) = self.pair.events[end as usize].pop_front() {
                match event {
                    Event::Listener(listener) => {
                        assert_eq!(listener, self.listener);
                        while let Some(pending) = self.pair.call(end, |e, _| e.pending(listener)) {
                            let key = self.pair.call(end, |e, now| e.admit(now, pending.key, None));
                            self.assign(key.expect("it is still there"));
                        }
                        while let Some(key) = self.pair.call(end, |e, now| e.accept(now, listener)) {
                            self.assign(key);
                        }
                    }
                    Event::Connection(key, ready) => {
                        let side = self.sides.iter_mut().flatten().find(|s| s.end == end && s.key == Some(key));
                        if let Some(side) = side {
                            side.ready |= ready;
                        }
                    }
                }
            }
        }
    }

    /// The server has accepted a connection: whose is it?
    fn assign(&mut self, key: ConnectionKey) {
        let tuple = self.pair.tuple(End::Server, key);
        let known = |[client, server]: &&mut [Side; 2]| server.key.is_none() && client.tuple == tuple;
        let Some([_, server]) = self.sides.iter_mut().find(known) else {
            // A cookie keeps nothing, not even that it was used: a duplicate of the last ACK may find the four-tuple
            // free again, after an abort. A deferred listener reports a SYN before it can know that it is an old one.
            // The client will reset this ghost.
            assert!(self.pair.cookies || self.deferred, "nobody has connected this");
            return self.pair.call(End::Server, |end, now| end.abort(now, key));
        };
        (server.key, server.tuple, server.ready) = (Some(key), tuple, Readiness::all());
    }

    fn act(&mut self) {
        let Self { pair, random, sides, .. } = self;
        for side in sides.iter_mut().flatten().filter(|side| side.is_live()) {
            let due = if side.by_events { !side.ready.is_empty() } else { side.next_act <= pair.now };
            if due {
                side.ready = Readiness::empty();
                side.next_act = pair.now + Duration::from_micros(1) + random.jitter(side.pause);
                side.act(pair, random);
                if side.is_live() && random.below(20) == 0 {
                    change_options(side, pair, random);
                }
            }
        }
    }

    fn describe(&self) -> String {
        let side = |s: &Side| {
            let state = s.key.filter(|_| !s.gone).and_then(|key| self.pair.ends[s.end as usize].state(key));
            format!(
                "\n{:?} {:?} {}: {:?} wrote {}/{} read {} shut {} ended {} gone {} error {:?}",
                s.end,
                s.manner,
                if s.by_events { "by events" } else { "by time" },
                state,
                s.written,
                s.wants,
                s.read,
                s.shut,
                s.ended,
                s.gone,
                s.error
            )
        };
        self.sides.iter().flatten().map(side).collect()
    }

    /// What must hold when all is over.
    fn check(&mut self) {
        for [client, server] in &self.sides {
            for (reader, writer) in [(client, server), (server, client)] {
                assert!(reader.read <= writer.written, "more was read than written");
                if reader.ended && reader.error.is_none() {
                    let all = writer.key.is_none() || reader.read == writer.written;
                    assert!(all, "the end came before all bytes: {}", self.describe());
                }
            }
            if self.calm {
                assert!(client.finished() && server.finished(), "in calm weather both finish: {}", self.describe());
            }
            for side in [client, server] {
                let told = side.finished() || side.error.is_some() || side.gone && side.manner != Manner::Orderly;
                assert!(told || side.key.is_none(), "not finished, and not told why: {}", self.describe());
            }
        }
        // Nothing is left: no connection, no half-open one, no TIME-WAIT, no timer.
        let end = self.pair.now + PATIENCE;
        while self.pair.step(end) {
            // A client that is gone may have left a connection that nobody accepted.
            while let Some(key) = self.pair.call(End::Server, |end, now| end.accept(now, self.listener)) {
                self.pair.call(End::Server, |end, now| end.close(now, key));
            }
        }
        for end in &self.pair.ends {
            assert_eq!(end.population(), (0, 0, 0), "left over: {:?}", end.connections(self.pair.now));
            assert_eq!(end.poll_timeout(), None);
            assert!(end.keys().is_empty());
        }
    }
}

fn change_options(side: &Side, pair: &mut Pair, random: &mut Randomness) {
    let Some(key) = side.key else { return };
    let what = random.below(4);
    let value = random.below(2) == 0;
    let result = pair.call(side.end, |end, now| {
        end.set_options(now, key, |options| match what {
            0 => options.nodelay = value,
            1 => options.cork = value,
            2 => options.receive_buffer = options.receive_buffer.saturating_mul(2),
            _ => options.delayed_ack = Duration::from_millis(if value { 0 } else { 200 }),
        })
    });
    assert!(matches!(result, Ok(()) | Err(CallError::Ended(_))), "{result:?}");
}

/// Says how to see a failure again.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}: BOWLINE_SEED={0} cargo nextest run -p bowline-tcp --test tcp replay", self.0);
        }
    }
}

/// One conversation; returns what it sent, for comparison.
fn converse(seed: u64) -> (u64, u64) {
    let guard = Seed(seed);
    let mut conversation = Conversation::new(seed);
    conversation.run();
    conversation.check();
    drop(guard);
    (conversation.pair.fingerprint, conversation.pair.segments)
}

/// The seed, or the range of seeds (`1000..2000`), that the environment names.
#[test]
fn replay() {
    let Ok(seeds) = std::env::var("BOWLINE_SEED") else { return };
    let (from, to) = seeds.split_once("..").unwrap_or((&seeds, ""));
    let from = from.parse().expect("a seed");
    for seed in from..to.parse().unwrap_or(from + 1) {
        converse(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_segments() {
    for seed in 0..20 {
        assert_eq!(converse(seed), converse(seed), "seed {seed}");
    }
}

fn thousand(which: u64) {
    for seed in which * 1000..(which + 1) * 1000 {
        converse(seed);
    }
}

#[test]
fn the_first_thousand() {
    thousand(1);
}

#[test]
fn the_second_thousand() {
    thousand(2);
}

#[test]
fn the_third_thousand() {
    thousand(3);
}

#[test]
fn the_fourth_thousand() {
    thousand(4);
}
