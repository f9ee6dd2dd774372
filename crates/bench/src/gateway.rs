//! Real programs behind a gateway: iperf3, wrk, one-byte round trips and short connections, through each gateway in turn.
//!
//! All of it happens in network namespaces made for the run: an outer one, which is "the host" with its servers and the
//! gateways, and for each gateway an inner one with the clients. Nothing of the machine's own network is used, no root is
//! needed, and no traffic leaves. Congestion control is the same everywhere, since the system's default may be one whose
//! pacing hides the gateway.

mod host;
mod load;
mod room;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::host::Host;
use self::room::Room;
use crate::Result;
use crate::process::{self, Program};
use crate::report::{Better, Report};

/// Who carries the traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gateway {
    /// Nobody: the clients run beside the servers, over the loopback.
    None,
    /// `bowline run`, which is started for each command.
    Bowline {
        /// The `bowline` executable.
        exe: PathBuf,
        /// Options of `bowline run`.
        options: Vec<String>,
    },
    /// slirp4netns.
    Slirp4netns {
        /// The MTU inside, in bytes.
        mtu: u32,
    },
    /// pasta, of passt.
    Pasta {
        /// The MTU inside, in bytes.
        mtu: u32,
    },
}

impl Gateway {
    /// The name in the report.
    pub fn name(&self) -> String {
        match self {
            Self::None => "no gateway".to_owned(),
            Self::Bowline { options, .. } if options.is_empty() => "bowline".to_owned(),
            Self::Bowline { options, .. } => format!("bowline {}", options.join(" ")),
            Self::Slirp4netns { mtu } => format!("slirp4netns, MTU {mtu}"),
            Self::Pasta { mtu } => format!("pasta, MTU {mtu}"),
        }
    }
}

/// What to run and how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Who takes part. They take turns in this order.
    pub gateways: Vec<Gateway>,
    /// Only what has this in the name of the measure or of the gateway; empty: everything.
    pub only: String,
    /// Turns of each.
    pub runs: usize,
    /// Length of one iperf3, wrk or connection run, in seconds.
    pub seconds: u32,
    /// One-byte round trips in a run.
    pub pings: u32,
    /// The congestion control that iperf3 sets at both ends.
    pub congestion: String,
    /// How the peer is started inside.
    #[serde(skip)]
    pub program: Option<Program>,
    /// The words of `program`, for the other side of the namespace.
    peer: Vec<String>,
}

impl Plan {
    /// slirp4netns and pasta at MTU 65520 and 1500, no gateway, and Bowline if its executable is given: 3 turns of 3 s.
    pub fn new(program: Program, bowline: Option<PathBuf>) -> Self {
        let mut gateways = vec![Gateway::None];
        gateways.extend(bowline.map(|exe| Gateway::Bowline { exe, options: Vec::new() }));
        for mtu in [65_520, 1500] {
            gateways.extend([Gateway::Slirp4netns { mtu }, Gateway::Pasta { mtu }]);
        }
        Self {
            gateways,
            only: String::new(),
            runs: 3,
            seconds: 3,
            pings: 10_000,
            congestion: "cubic".to_owned(),
            program: Some(program),
            peer: Vec::new(),
        }
    }

    /// The same in one turn of one second.
    pub fn quick(mut self) -> Self {
        (self.runs, self.seconds, self.pings) = (1, 1, 1000);
        self
    }

    fn wants(&self, measure: &str, gateway: &str) -> bool {
        measure.contains(&self.only) || gateway.contains(&self.only)
    }

    /// More than everything can take.
    fn limit(&self) -> Duration {
        let turns = (self.runs * self.gateways.len()) as u64;
        Duration::from_secs(60 + turns * (u64::from(self.seconds) * 6 + 60))
    }
}

/// Runs the plan in namespaces of its own.
///
/// # Errors
/// When no namespace can be made, or nothing could be measured in it.
pub fn run(plan: &Plan) -> Result<Report> {
    let program = plan.program.as_ref().ok_or("the plan does not say how to start the peer")?;
    let mut plan = plan.clone();
    plan.peer = program.words(&[])?;
    let plan_text = serde_json::to_string(&plan)?;
    let printed = process::in_namespace(program, &["gateway", &plan_text], plan.limit())?;
    let mut report: Report = serde_json::from_str(&printed)?;
    report.notes.sort();
    Ok(report)
}

/// Runs the plan; this process is in the outer namespace.
pub(crate) fn stage(plan: &Plan) -> Result<Report> {
    let host = Host::set_up()?;
    let mut report = Report::default();
    for _ in 0..plan.runs {
        let wanted = |gateway: &&Gateway| MEASURES.iter().any(|measure| plan.wants(measure, &gateway.name()));
        for gateway in plan.gateways.iter().filter(wanted) {
            match Room::open(gateway, host.scratch()) {
                Ok(room) => turn(plan, &host, &room, &gateway.name(), &mut report),
                Err(error) => report.add_result(("everything", "", Better::Higher), &gateway.name(), Err(error)),
            }
        }
    }
    Ok(report)
}

const UP: &str = "iperf3 up";
const DOWN: &str = "iperf3 down";
const KEEP_ALIVE: &str = "wrk, 32 connections, keep-alive";
const CLOSE: &str = "wrk, 32 clients, connection: close";
const ROUND_TRIP: &str = "one byte there and back";
const VISIT: &str = "open, one byte each way, close; one client";

/// What is measured through each gateway.
const MEASURES: [&str; 6] = [UP, DOWN, KEEP_ALIVE, CLOSE, ROUND_TRIP, VISIT];

/// One turn of one gateway.
fn turn(plan: &Plan, host: &Host, room: &Room, name: &str, report: &mut Report) {
    let (seconds, congestion) = (plan.seconds, plan.congestion.as_str());
    let wants = |measure: &&str| plan.wants(measure, name);
    for measure in [UP, DOWN].into_iter().filter(wants) {
        let rate = load::iperf3(room, seconds, congestion, measure == DOWN);
        report.add_result((measure, "Gbit/s", Better::Higher), name, rate);
    }
    for measure in [KEEP_ALIVE, CLOSE].into_iter().filter(wants) {
        let rate = load::wrk(room, host.http(), seconds, measure == CLOSE);
        if let Ok((_, Some(errors))) = &rate {
            report.note(format!("{measure}, {name}: {errors}"));
        }
        report.add_result((measure, "requests/s", Better::Higher), name, rate.map(|(rate, _)| rate));
    }
    if wants(&ROUND_TRIP) {
        let pings = plan.pings.to_string();
        match load::peer(room, &plan.peer, ("ping", host.echo(), &pings)) {
            Ok(times) => {
                for (percentile, time) in [("p50", times.p50_us), ("p99", times.p99_us)] {
                    report.add((&format!("{ROUND_TRIP}, {percentile}"), "µs", Better::Lower), name, time);
                }
            }
            Err(error) => report.add_result((ROUND_TRIP, "µs", Better::Lower), name, Err(error)),
        }
    }
    if wants(&VISIT) {
        let seconds = seconds.to_string();
        let rate = load::peer(room, &plan.peer, ("connect", host.echo(), &seconds)).map(|times| times.per_second);
        report.add_result((VISIT, "1/s", Better::Higher), name, rate);
    }
}
