//! Goodput under random loss: a sender of the kernel's and one of ours take turns over the same network, to the same kind of
//! receiver.
//!
//! For each round trip and each rate of loss, senders take turns, several rounds of them. Each turn opens a few flows at
//! once: nothing limits the rate but their congestion controllers, so that they do not meet, and their mean has less luck
//! in it than one of them. A round's turns have the same seed. What counts is the ratio of two that took turns: how busy the
//! machine is changes both.

use std::time::Duration;

use bowline_device::impairment::{Impairments, Loss};
use bowline_device::units::Percent;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::path::{Controller, Group, Path, Turn, Who};
use crate::process::{self, Program};
use crate::report::{Better, Report};

/// How much to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Only what has this in the name of the measure or of the sender; empty: everything.
    pub only: String,
    /// Turns of each sender.
    pub runs: usize,
    /// Length of one turn, in seconds.
    pub seconds: f64,
    /// Flows at once; by default as many as a small machine moves without being the bottleneck: 8 where less than 0.5 % is
    /// lost, 24 elsewhere.
    pub flows: Option<usize>,
    /// Our congestion controller.
    pub ours: Controller,
    /// The kernel's.
    pub theirs: Controller,
    /// The round-trip times, in milliseconds.
    pub rtts_ms: Vec<u64>,
    /// The rates of loss on the way to the receiver, in percent.
    pub losses: Vec<f64>,
    /// Whether acknowledgements are lost as often as data.
    pub both_ways: bool,
    /// Where the first round's luck comes from; the next has the number after it.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            only: String::new(),
            runs: 3,
            seconds: 5.0,
            flows: None,
            ours: Controller::Cubic,
            theirs: Controller::Cubic,
            rtts_ms: vec![20, 80, 100],
            losses: vec![0.1, 1.0, 3.0, 10.0],
            both_ways: false,
            seed: 1,
        }
    }
}

impl Plan {
    /// One turn of three seconds, at two round-trip times.
    #[must_use]
    pub fn quick() -> Self {
        Self { runs: 1, seconds: 3.0, rtts_ms: vec![20, 80], ..Self::default() }
    }

    fn flows(&self, loss: f64) -> usize {
        self.flows.unwrap_or(if loss < 0.5 { 8 } else { 24 })
    }

    /// Time to leave slow start behind, before counting starts.
    fn warm_up(rtt: Duration) -> Duration {
        Duration::from_secs(1) + 10 * rtt
    }

    /// How long the plan takes, roughly.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let turn = |rtt: &u64| Self::warm_up(Duration::from_millis(*rtt)).as_secs_f64() + self.seconds + 0.5;
        let all: f64 = self.rtts_ms.iter().map(turn).sum();
        Duration::from_secs_f64(all * (self.losses.len() * self.runs * self.senders().len()) as f64)
    }

    /// Who takes turns.
    fn senders(&self) -> [Who; 2] {
        [self.theirs.theirs(), self.ours.ours()]
    }
}

/// Runs the plan in a namespace of its own.
///
/// # Errors
/// When no namespace or no TUN device can be made.
pub fn run(plan: &Plan, program: &Program) -> Result<Report> {
    let limit = 2 * plan.duration() + Duration::from_secs(120);
    let printed = process::in_namespace(program, &["loss", &serde_json::to_string(plan)?], limit)?;
    Ok(serde_json::from_str(&printed)?)
}

/// Runs the plan; this process is in the namespace.
pub(crate) fn stage(plan: &Plan) -> Result<Report> {
    let mut path = Path::open()?;
    let mut report = Report::default();
    for rtt in &plan.rtts_ms {
        for loss in &plan.losses {
            let measure = format!("{loss} % loss, RTT {rtt} ms, {} flows", plan.flows(*loss));
            for round in 0..plan.runs as u64 {
                for who in plan.senders() {
                    if !measure.contains(&plan.only) && !who.name().contains(&plan.only) {
                        continue;
                    }
                    let turn = turn(plan, *rtt, *loss, round, who)?;
                    let rate = path.measure(&turn).map(|rates| rates.iter().flatten().sum());
                    report.add_result((&measure, "Mbit/s", Better::Higher), &who.name(), rate);
                }
            }
        }
    }
    Ok(report)
}

fn turn(plan: &Plan, rtt_ms: u64, loss: f64, round: u64, who: Who) -> Result<Turn> {
    let rtt = Duration::from_millis(rtt_ms);
    let flows = plan.flows(loss);
    let loss = Loss::Random(Percent::new(loss).ok_or("a rate of loss is 0 to 100 percent")?);
    let data = Impairments { delay: rtt / 2, loss, ..Impairments::default() };
    let acks = Impairments { loss: if plan.both_ways { loss } else { Loss::None }, ..data };
    Ok(Turn {
        data,
        acks,
        lateness: Duration::ZERO,
        seed: plan.seed + round,
        groups: vec![Group { who, flows }],
        warm_up: Plan::warm_up(rtt),
        length: Duration::from_secs_f64(plan.seconds),
    })
}
