//! Several bulk flows through one narrow place, in virtual time: what senders make of a link that loses what does not fit its
//! queue.
//!
//! The world is that of smoltcp's own multi-flow test: 25 MB/s each way behind a drop-tail queue of 64 KiB, then a way of its
//! own for each flow, some 100 ms there and back. Each flow sends without end, and a run is over when every one of them has
//! delivered 2 MiB. Buffers hold 256 KiB. Each contender is at both ends of all flows of its run; figures depend on nothing but
//! the seed.
//!
//! It decides what the world is like, and what is counted; how a stack is driven, its own room decides.

mod bowline;
mod smoltcp;
mod world;

use std::time::Duration;

use bowline_base::Randomness;
use bowline_tcp::Options;

pub use self::bowline::Bowline;
pub use self::smoltcp::Smoltcp;
pub use self::world::{Outcome, Side};
use crate::Result;
use crate::report::{Better, Report};

/// What a world consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Bytes a second through the narrow place, each way.
    pub rate: u64,
    /// Bytes that may wait there, each way.
    pub queue: u64,
    /// Bytes that each flow must deliver.
    pub bytes: u64,
    /// Bytes of each buffer.
    pub buffer: u32,
    /// The times from the sender to the receiver and back of each flow, the narrow place not counted.
    pub delays: Vec<[Duration; 2]>,
}

/// The delays that smoltcp's test draws for its flows, there and back, in half milliseconds.
const DRAWN: [(u16, u16); 64] = [
    (111, 52),
    (111, 57),
    (111, 105),
    (52, 99),
    (50, 88),
    (136, 79),
    (69, 100),
    (130, 89),
    (72, 103),
    (139, 129),
    (67, 89),
    (149, 95),
    (50, 77),
    (57, 60),
    (123, 87),
    (75, 56),
    (111, 143),
    (79, 56),
    (51, 143),
    (134, 57),
    (72, 146),
    (106, 101),
    (53, 96),
    (81, 51),
    (74, 63),
    (85, 120),
    (74, 138),
    (73, 147),
    (73, 122),
    (65, 136),
    (51, 121),
    (104, 138),
    (91, 58),
    (109, 81),
    (121, 52),
    (142, 120),
    (102, 87),
    (83, 96),
    (123, 95),
    (99, 71),
    (69, 133),
    (147, 112),
    (55, 105),
    (58, 131),
    (126, 52),
    (71, 68),
    (120, 63),
    (82, 51),
    (93, 89),
    (100, 88),
    (146, 65),
    (92, 97),
    (101, 148),
    (114, 68),
    (57, 50),
    (138, 84),
    (133, 71),
    (132, 149),
    (82, 130),
    (58, 86),
    (86, 87),
    (147, 86),
    (73, 137),
    (127, 144),
];

/// Ten segments, with timestamps in a packet of 1500 bytes.
const INITIAL_WINDOW: u64 = 14_480;

impl World {
    /// smoltcp's world with so many flows. Seed 0 gives the delays of its own test, as far as that has flows; any other seed draws
    /// them as it does, each way half of 50 to 150 ms.
    #[must_use]
    pub fn multi_flow(flows: usize, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = Randomness::new(bytes);
        let drawn = DRAWN.into_iter().filter(|_| seed == 0);
        let others = std::iter::repeat_with(|| {
            let [there, back] = [50 + random.below(101), 50 + random.below(101)];
            (there as u16, back as u16)
        });
        let half = |halves: u16| Duration::from_micros(500 * u64::from(halves));
        let delays = drawn.chain(others).take(flows).map(|(there, back)| [half(there), half(back)]).collect();
        Self { rate: 25_000_000, queue: 64 << 10, bytes: 2 << 20, buffer: 256 << 10, delays }
    }

    /// What no sender exceeds that has the link for itself and begins as RFC 6928 lets it, in MB/s: a round trip for the handshake,
    /// ten segments in the next, twice as many in each that follows until the buffer is full, nothing lost, and the rest of
    /// the bytes as fast as the link takes them. `None` with several flows.
    #[must_use]
    pub fn bound(&self) -> Option<f64> {
        let &[[there, back]] = self.delays.as_slice() else { return None };
        let (mut window, mut rest, mut rounds) = (INITIAL_WINDOW, self.bytes, 1);
        while rest > window {
            rest -= window;
            window = (2 * window).min(self.buffer.into());
            rounds += 1;
        }
        let seconds = (rounds * (there + back) + there).as_secs_f64() + rest as f64 / self.rate as f64;
        Some(self.bytes as f64 / 1e6 / seconds)
    }
}

/// A stack that takes part.
pub trait Contender {
    /// The name in the report.
    fn name(&self) -> &'static str;
    /// The two ends of a flow: the one that connects and sends without end, and the one that listens and reads.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn ends(&self, world: &World) -> Result<[Box<dyn Side>; 2]>;
}

/// Who takes part by default.
#[must_use]
pub fn contenders() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Bowline::default()),
        Box::new(Bowline::with("bowline, unpaced", Options { pacing: false, ..Options::default() })),
        Box::new(Smoltcp { cubic: true }),
        Box::new(Smoltcp { cubic: false }),
    ]
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Only what has this in the name of the measure or of the contender.
    pub only: String,
    /// How many seeds, from 0.
    pub runs: usize,
    /// How many flows.
    pub flows: Vec<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { only: String::new(), runs: 5, flows: vec![1, 4, 16, 64] }
    }
}

impl Plan {
    /// One seed: smoltcp's own.
    #[must_use]
    pub fn quick() -> Self {
        Self { runs: 1, ..Self::default() }
    }
}

/// Runs them all, and tells `told` what comes next.
pub fn multi_flow(contenders: &[Box<dyn Contender>], plan: &Plan, told: &dyn Fn(&str)) -> Report {
    let mut report = Report::default();
    for &flows in &plan.flows {
        let measures = Measures::new(flows);
        for seed in 0..plan.runs as u64 {
            let world = World::multi_flow(flows, seed);
            if let Some(bound) = world.bound() {
                measures.add_bound(&mut report, &plan.only, bound);
            }
            for contender in contenders.iter().filter(|contender| measures.wanted(contender.name(), &plan.only)) {
                told(&format!("sim: {}: {flows} flow(s), seed {seed}", contender.name()));
                let outcome = world::run(&world, contender.as_ref());
                measures.add(&mut report, contender.name(), &plan.only, outcome);
            }
        }
    }
    report
}

/// Whom the bound is told of.
const BOUND: &str = "nobody: the bound";

/// The names of what is measured with so many flows.
struct Measures {
    goodput: String,
    fairness: String,
    dropped: String,
}

impl Measures {
    fn new(flows: usize) -> Self {
        let flows = if flows == 1 { "one flow".to_owned() } else { format!("{flows} flows") };
        Self {
            goodput: format!("{flows}, goodput of all"),
            fairness: format!("{flows}, fairness by Jain's index"),
            dropped: format!("{flows}, packets that the queue dropped"),
        }
    }

    fn wanted(&self, contender: &str, only: &str) -> bool {
        [contender, &self.goodput, &self.fairness, &self.dropped].iter().any(|name| name.contains(only))
    }

    fn add_bound(&self, report: &mut Report, only: &str, bound: f64) {
        if BOUND.contains(only) || self.goodput.contains(only) {
            report.add((&self.goodput, "MB/s", Better::Higher), BOUND, bound);
        }
    }

    fn add(&self, report: &mut Report, contender: &str, only: &str, outcome: Result<Outcome>) {
        let figures = [
            (&self.goodput, "MB/s", Better::Higher, Outcome::goodput as fn(&Outcome) -> f64),
            (&self.fairness, "1 is fair", Better::Higher, Outcome::fairness),
            (&self.dropped, "% of all", Better::Lower, Outcome::dropped),
        ];
        match outcome {
            Err(error) => report.note(format!("{}, {contender}: not measured: {error}", self.goodput)),
            Ok(outcome) => {
                let wanted = |name: &str| contender.contains(only) || name.contains(only);
                for (name, unit, better, figure) in figures.into_iter().filter(|(name, ..)| wanted(name)) {
                    report.add((name, unit, better), contender, figure(&outcome));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
