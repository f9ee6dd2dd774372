//! How a bottleneck is shared: two flows of ours and one of the kernel's send at the same time, for as long as they can.
//!
//! The bottleneck is the rate and the drop-tail queue of our impairment layer, which all packets to the receiver enter;
//! acknowledgements come back through one that only delays. Before the queue packets are late by chance, by no more than one of them
//! takes to leave it: where everything else repeats to the microsecond, who answers an acknowledgement before the place that it tells
//! of is free, or just after, would decide whose packets are dropped (Floyd and Jacobson, 1991: traffic phase effects). Flows begin together, and counting begins when slow start is
//! behind them. A share is what a flow got, by what it would have got if all had got the same: how much of the link all of them
//! together got is in their goodput.

use std::time::Duration;

use bowline_device::impairment::{Impairments, QueueLimit};
use bowline_device::units::Rate;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::path::{Controller, Group, Path, Turn};
use crate::process::{self, Program};
use crate::report::{Better, Report, fairness};

/// A full packet, in bytes.
const PACKET: usize = 1500;

/// How much to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Only what has this in the name of the measure or of the flow; empty: everything.
    pub only: String,
    /// Turns with each queue.
    pub runs: usize,
    /// Length of one turn, in seconds, beginning after slow start.
    pub seconds: f64,
    /// Our congestion controller, and how many flows have it.
    pub ours: (Controller, usize),
    /// The kernel's congestion controller, and how many flows have it.
    pub theirs: (Controller, usize),
    /// The round-trip times without a queue, in milliseconds.
    pub rtts_ms: Vec<u64>,
    /// The bottleneck's rate in bit/s, at least 1.
    pub rate: u64,
    /// The bottleneck's queues, in what the path holds without one: its rate by its round-trip time.
    pub queues: Vec<f64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            only: String::new(),
            runs: 3,
            seconds: 60.0,
            ours: (Controller::Cubic, 2),
            theirs: (Controller::Cubic, 1),
            rtts_ms: vec![40],
            rate: 50_000_000,
            queues: vec![1.0, 2.0],
        }
    }
}

impl Plan {
    /// One turn of 15 seconds with each queue.
    #[must_use]
    pub fn quick() -> Self {
        Self { runs: 1, seconds: 15.0, ..Self::default() }
    }

    /// Time to leave slow start behind, before counting starts.
    const WARM_UP: Duration = Duration::from_secs(2);

    /// How long the plan takes, roughly.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let turns = self.rtts_ms.len() * self.queues.len() * self.runs;
        Duration::from_secs_f64((Self::WARM_UP.as_secs_f64() + self.seconds + 0.5) * turns as f64)
    }

    fn turn(&self, rtt_ms: u64, queue: f64) -> Result<Turn> {
        let rtt = Duration::from_millis(rtt_ms);
        let rate = Rate::from_bits_per_second(self.rate).ok_or("a bottleneck has a rate")?;
        let queue = QueueLimit { bytes: Some((rate.bytes_in(rtt) as f64 * queue) as usize), ..QueueLimit::default() };
        let acks = Impairments { delay: rtt / 2, ..Impairments::default() };
        Ok(Turn {
            data: Impairments { rate: Some(rate), queue, ..acks },
            acks,
            lateness: rate.time_for(PACKET),
            // nothing else is left to chance
            seed: 0,
            groups: [
                Group { who: self.theirs.0.theirs(), flows: self.theirs.1 },
                Group { who: self.ours.0.ours(), flows: self.ours.1 },
            ]
            .into_iter()
            .filter(|group| group.flows > 0)
            .collect(),
            warm_up: Self::WARM_UP,
            length: Duration::from_secs_f64(self.seconds),
        })
    }

    /// The names of the flows, group by group.
    fn names(&self, turn: &Turn) -> Vec<Vec<String>> {
        let names = |group: &Group| match group.flows {
            1 => vec![group.who.name()],
            flows => (1..=flows).map(|number| format!("{}, flow {number}", group.who.name())).collect(),
        };
        turn.groups.iter().map(names).collect()
    }
}

/// Runs the plan in a namespace of its own.
///
/// # Errors
/// When no namespace or no TUN device can be made.
pub fn run(plan: &Plan, program: &Program) -> Result<Report> {
    let limit = 2 * plan.duration() + Duration::from_secs(120);
    let printed = process::in_namespace(program, &["share", &serde_json::to_string(plan)?], limit)?;
    Ok(serde_json::from_str(&printed)?)
}

/// Runs the plan; this process is in the namespace.
pub(crate) fn stage(plan: &Plan) -> Result<Report> {
    let mut path = Path::open()?;
    let mut report = Report::default();
    for rtt in &plan.rtts_ms {
        for queue in &plan.queues {
            let turn = plan.turn(*rtt, *queue)?;
            let place = format!("{} Mbit/s, RTT {rtt} ms, a queue of {queue} BDP", plan.rate as f64 / 1e6);
            let names: Vec<String> = plan.names(&turn).concat();
            let measures = Measures::new(&place, &names, &plan.only);
            if measures.is_empty() {
                continue;
            }
            for _ in 0..plan.runs {
                match path.measure(&turn) {
                    Ok(rates) => measures.add(&mut report, &rates.concat()),
                    Err(error) => report.note(format!("{place}: not measured: {error}")),
                }
            }
        }
    }
    Ok(report)
}

/// What is told of a place.
struct Measures<'a> {
    goodput: String,
    share: String,
    fairness: String,
    names: &'a [String],
    only: &'a str,
}

/// The contender that Jain's index is of.
const ALL: &str = "all flows";

impl<'a> Measures<'a> {
    fn new(place: &str, names: &'a [String], only: &'a str) -> Self {
        Self {
            goodput: format!("{place}: goodput"),
            share: format!("{place}: share"),
            fairness: format!("{place}: Jain's index"),
            names,
            only,
        }
    }

    fn wants(&self, measure: &str, flow: &str) -> bool {
        measure.contains(self.only) || flow.contains(self.only)
    }

    fn is_empty(&self) -> bool {
        let flow = |name: &String| self.wants(&self.goodput, name) || self.wants(&self.share, name);
        !self.names.iter().any(flow) && !self.wants(&self.fairness, ALL)
    }

    /// Adds what each flow got in one turn, in the order of the names.
    fn add(&self, report: &mut Report, rates: &[f64]) {
        let fair = rates.iter().sum::<f64>() / rates.len() as f64;
        for (name, rate) in self.names.iter().zip(rates).filter(|(name, _)| self.wants(&self.goodput, name)) {
            report.add((&self.goodput, "Mbit/s", Better::Higher), name, *rate);
        }
        for (name, rate) in self.names.iter().zip(rates).filter(|(name, _)| self.wants(&self.share, name)) {
            report.add((&self.share, "of a fair one", Better::One), name, rate / fair);
        }
        if self.wants(&self.fairness, ALL) {
            report.add((&self.fairness, "of 1", Better::Higher), ALL, fairness(rates.iter().copied()));
        }
    }
}

#[cfg(test)]
mod tests;
