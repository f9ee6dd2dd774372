//! Bulk transfers over a path with one fault at a time, in virtual time: what a sender makes of it, in goodput and in
//! retransmissions.
//!
//! Each scenario is run with several seeds. `BOWLINE_SEED=7000..7020` runs those instead.

use std::ops::Range;
use std::time::Duration;

use bowline_base::Randomness;
use bowline_tcp::{Algorithm, ConnectionKey, Info, Listen, Options};
use bytes::Bytes;

use crate::bench::net::Weather;
use crate::bench::pair::{End, Pair};

const PORT: u16 = 80;

/// What a transfer came to.
pub(crate) struct Result {
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
    pub(crate) sender: Info,
    /// The round-trip time of the handshake.
    handshake: Duration,
}

impl Result {
    /// Megabits per second.
    fn goodput(&self) -> f64 {
        self.bytes as f64 * 8e-6 / self.took.as_secs_f64()
    }
}

/// A transfer from the client to the server.
pub(crate) struct Bulk {
    pub(crate) pair: Pair,
    pub(crate) client: ConnectionKey,
    server: ConnectionKey,
    rest: Bytes,
    received: u64,
    len: u64,
    /// The congestion window before the first time-out.
    window_before_the_time_out: u64,
}

impl Bulk {
    pub(crate) fn new(seed: u64, weather: Weather, options: [Options; 2], len: usize) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        // A cookie without a timestamp forgets SACK and window scaling: that is another test.
        let pairs = (0..).map(|n| {
            bytes[8] = n;
            Pair::new(&mut Randomness::new(bytes), weather, options.clone(), false, 1500)
        });
        let mut pair = pairs.into_iter().find(|pair| !pair.cookies).expect("three in four have none");
        let listener = pair.call(End::Server, |end, _| end.listen(Listen::on_port(PORT))).expect("listen");
        let client = pair.connect(PORT);
        let server = loop {
            assert!(pair.step(pair.now + Duration::from_secs(60)), "no connection");
            if let Some(key) = pair.call(End::Server, |end, now| end.accept(now, listener)) {
                break key;
            }
        };
        Self {
            pair,
            client,
            server,
            rest: Bytes::from(vec![7; len]),
            received: 0,
            len: len as u64,
            window_before_the_time_out: 0,
        }
    }

    /// One step of the world; the reader reads and the writer writes all that it can.
    pub(crate) fn step(&mut self) {
        let Self { pair, client, server, rest, received, .. } = self;
        if !rest.is_empty() {
            let _ = pair.call(End::Client, |end, now| end.send_bytes(now, *client, rest));
        }
        assert!(pair.step(pair.now + Duration::from_secs(200)), "nothing happens any more");
        while let Ok(bytes) = pair.call(End::Server, |end, now| end.receive_bytes(now, *server, usize::MAX)) {
            assert!(!bytes.is_empty(), "the stream has no end");
            *received += bytes.len() as u64;
        }
        let info = self.info();
        if info.timeouts == 0 {
            self.window_before_the_time_out = info.cwnd;
        }
    }

    pub(crate) fn finish(&mut self) {
        while self.received < self.len {
            self.step();
        }
    }

    pub(crate) fn info(&self) -> Info {
        self.pair.ends[End::Client as usize].info(self.pair.now, self.client).expect("it lives")
    }

    /// What the receiver knows, once nothing is on its way any more.
    pub(crate) fn receiver(&mut self) -> Info {
        while self.info().in_flight > 0 && self.pair.step(self.pair.now + Duration::from_secs(60)) {}
        self.pair.ends[End::Server as usize].info(self.pair.now, self.server).expect("it lives")
    }

    fn run(mut self) -> Result {
        let start = self.pair.now;
        let handshake = self.info().max_rtt.unwrap_or_default();
        self.finish();
        Result { took: self.pair.now.since(start), bytes: self.len, sender: self.info(), handshake }
    }
}

fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(seeds) = std::env::var("BOWLINE_SEED") else { return default };
    let (from, to) = seeds.split_once("..").unwrap_or((&seeds, ""));
    let from = from.parse().expect("a seed");
    from..to.parse().unwrap_or(from + 1)
}

/// The command that runs a failing seed again.
fn replay(seed: u64) -> String {
    format!("seed {seed}: BOWLINE_SEED={seed} cargo nextest run -p bowline-tcp --test tcp bulk")
}

pub(crate) fn transfer(seed: u64, weather: Weather, options: &Options, len: usize) -> Result {
    Bulk::new(seed, weather, [options.clone(), options.clone()], len).run()
}

/// 20 Mbit/s, 40 ms, and a queue of twice what is in flight then.
pub(crate) const LINK: Weather = Weather { rate: Some((2_500_000, 200_000)), delay: Duration::from_millis(20), ..CALM };
pub(crate) const CALM: Weather = Weather {
    loss: 0,
    duplicate: 0,
    reorder: 0,
    corrupt: 0,
    mark: 0,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    outage: None,
    whole: false,
    lateness: Duration::ZERO,
    rate: None,
    policer: None,
    stall: None,
    strips: false,
    bleaches: false,
    hole: None,
};

fn controllers() -> [Options; 2] {
    [Algorithm::Cubic, Algorithm::NewReno].map(|algorithm| Options { algorithm, ..Options::default() })
}

#[test]
fn reordering_of_half_a_round_trip_costs_little() {
    // Without timestamps nothing but duplicate SACKs tells that a copy was needless, and they come too late where one
    // recovery follows the other.
    let bare = Options { timestamps: false, ..Options::default() };
    let [cubic, reno] = controllers();
    for (options, most) in [(cubic, 50), (reno, 50), (bare, 20)] {
        for reorder in [5, 20, most] {
            // In the mean over the seeds: a single transfer ends anywhere between two reductions of its window.
            let share = |seed| {
                let weather = Weather { reorder, lateness: Duration::from_millis(20), ..LINK };
                let [calm, rough] =
                    [LINK, weather].map(|weather| transfer(seed, weather, &options, 16 << 20).goodput());
                rough / calm
            };
            let shares: Vec<f64> = seeds(1..6).map(share).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let (algorithm, timestamps) = (options.algorithm, options.timestamps);
            assert!(
                mean > 0.95,
                "{reorder} in 1000, {algorithm:?}, timestamps {timestamps}: {shares:.3?} of the goodput"
            );
        }
    }
}

#[test]
fn a_policer_loses_little_to_retransmission() {
    for options in controllers() {
        for seed in seeds(1..5) {
            let weather = Weather { policer: Some((1_250_000, 60_000)), delay: Duration::from_millis(20), ..CALM };
            let r = transfer(seed, weather, &options, 16 << 20);
            let share = r.sender.bytes_retrans as f64 / r.sender.bytes_sent as f64;
            let told = format!(
                "{:?}: {:.2} % sent again, {:.2} Mbit/s of 10, {} time-outs",
                options.algorithm,
                share * 100.0,
                r.goodput(),
                r.sender.timeouts
            );
            assert!(share < 0.05, "{told}; {}", replay(seed));
        }
    }
}

#[test]
fn a_delay_of_two_time_outs_costs_no_more_than_a_round_trip_once_undone() {
    let bare = Options { timestamps: false, ..Options::default() };
    let [cubic, reno] = controllers();
    for options in [cubic, reno, bare] {
        for seed in seeds(1..5) {
            let (at, stall) = (Duration::from_secs(2), Duration::from_millis(1_200));
            let weather = Weather { stall: Some((at, at + stall)), ..LINK };
            let calm = transfer(seed, LINK, &options, 16 << 20);
            let mut bulk = Bulk::new(seed, weather, [options.clone(), options.clone()], 16 << 20);
            let start = bulk.pair.now;
            while bulk.info().timeouts == 0 {
                bulk.step();
            }
            // Everything that waited arrives a round trip later, some 120 ms with the queue.
            let (before, mut after) = (bulk.window_before_the_time_out, 0);
            while bulk.pair.now < start + at + stall + Duration::from_millis(120) {
                bulk.step();
                after = after.max(bulk.info().cwnd);
            }
            let timeouts = bulk.info().timeouts;
            bulk.finish();
            let cost = bulk.pair.now.since(start).saturating_sub(calm.took + stall);
            let told = format!(
                "{:?}, timestamps {}: {cost:?} beyond the delay, {timeouts} time-outs, cwnd {before} and then {after}",
                options.algorithm, options.timestamps
            );
            assert!(timeouts >= 2, "the delay is no test: {told}");
            assert!(cost <= Duration::from_millis(120), "{told}; {}", replay(seed));
            assert!(after * 100 >= before * 95, "{told}; {}", replay(seed));
        }
    }
}

#[test]
fn a_burst_out_of_order_leaves_the_window_as_it_was() {
    for options in controllers() {
        for seed in seeds(1..9) {
            // One burst in a hundred segments, each late by up to half a round trip, without a link that could lose
            // any.
            let weather =
                Weather { reorder: 10, lateness: Duration::from_millis(20), delay: Duration::from_millis(20), ..CALM };
            let options = Options { receive_buffer: 200_000, receive_buffer_max: 200_000, ..options.clone() };
            let r = transfer(seed, weather, &options, 8 << 20);
            // The window never had a reason to shrink below what the receiver allows.
            let told = format!(
                "{:?}: window {}, threshold {:?}, {} recoveries, {} sent again",
                options.algorithm, r.sender.cwnd, r.sender.ssthresh, r.sender.recoveries, r.sender.total_retrans
            );
            assert!(r.sender.cwnd >= 190_000, "{told}; {}", replay(seed));
        }
    }
}

#[test]
fn what_a_lossy_download_reaches() {
    // The README's example: every fault at once, 20 ms. Mathis et al. give 1.22 MSS / (RTT √p): 4.5 Mbit/s at 2.5 %.
    let rough = Weather { loss: 20, duplicate: 10, reorder: 20, corrupt: 5, delay: Duration::from_millis(10), ..CALM };
    let lossy = Weather { loss: 25, delay: Duration::from_millis(10), ..CALM };
    for (weather, least) in [(rough, 3.4), (lossy, 3.1)] {
        let results: Vec<_> = seeds(1..7).map(|seed| transfer(seed, weather, &Options::default(), 4 << 20)).collect();
        let mean = results.iter().map(Result::goodput).sum::<f64>() / results.len() as f64;
        let timeouts: u64 = results.iter().map(|r| r.sender.timeouts).sum();
        // A SYN-ACK that was lost makes a long first round trip, and a true one.
        let orderly = results.iter().filter(|r| r.handshake < Duration::from_millis(200));
        let worst = orderly.filter_map(|r| r.sender.max_rtt).max().unwrap_or_default();
        // The longest round trip is one whose ACKs were lost or waited for the delayed-ACK timer; no recovery's wait is
        // in it.
        assert!(worst < Duration::from_millis(200), "a round trip of {worst:?}");
        assert!(mean > least, "{mean:.2} Mbit/s in the mean, {timeouts} time-outs");
        assert!(timeouts <= 3 * results.len() as u64, "{timeouts} time-outs in {} transfers", results.len());
    }
}
