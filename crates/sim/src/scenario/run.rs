//! Runs a scenario: the flows as tasks of the world, until all are done or time is up; then the report.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bowline_base::Instant;
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

use super::ScenarioError;
use super::build::{Built, build};
use super::flow::{self, Flow, Shared};
use super::model::{FlowSpec, Kind, Scenario};
use super::plots::Plots;
use super::report::{Answers, FlowReport, LinkReport, Report, jain, seconds};
use crate::{Clock, Host, Link};

/// How a scenario is run.
#[derive(Default)]
pub struct Settings<'a> {
    /// Where captures and sequence diagrams of each host go; default: nowhere, which is faster.
    pub record: Option<PathBuf>,
    /// Where plots go, as SVG; default: nowhere.
    pub plots: Option<PathBuf>,
    /// Told now and then which share is done, 0 to 1.
    pub progress: Option<&'a dyn Fn(f64)>,
}

/// The first port of flows; each has its own.
const FIRST_PORT: u16 = 10_000;

/// How often progress is told, at most.
const TELLINGS: u32 = 200;

impl Scenario {
    /// Runs it.
    ///
    /// # Errors
    /// The world cannot be made, a file not be written, or nothing can happen any more before the flows are done.
    pub fn run(&self, settings: &Settings<'_>) -> Result<Report, ScenarioError> {
        let built = build(self, settings.record.as_deref())?;
        let flows = flows(self, &built)?;
        let watched: Vec<Watched> = flows.iter().map(|(name, flow)| Watched::new(name, flow)).collect();
        let plots = settings.plots.as_deref().map(|_| Plots::new(&built));
        let tasks = LocalSet::new();
        for (_, flow) in flows {
            tasks.spawn_local(flow.run());
        }
        for (link, [from, until]) in built.outages.clone() {
            tasks.spawn_local(outage(built.sim.clock(), link, from, until));
        }
        if let Some(plots) = &plots {
            plots.follow(&tasks);
        }
        let until = self.duration.map(|time| Instant::ZERO + time.0);
        built.sim.run(tasks.run_until(finish(built.sim.clock(), until, &watched, settings.progress)))?;
        let report = report(self.seed, &built, &watched);
        if let (Some(plots), Some(directory)) = (plots, &settings.plots) {
            write_plots(&plots, &built, directory)?;
        }
        built.sim.finish_record()?;
        Ok(report)
    }
}

/// A flow as the report sees it.
struct Watched {
    name: String,
    spec: FlowSpec,
    from: Host,
    progress: Shared,
}

impl Watched {
    fn new(name: &str, flow: &Flow) -> Self {
        let (spec, from, progress) = (flow.spec.clone(), flow.from.clone(), Rc::clone(&flow.progress));
        Self { name: name.to_owned(), spec, from, progress }
    }

    fn has_ended(&self) -> bool {
        let progress = self.progress.borrow();
        progress.done.is_some() || progress.error.is_some()
    }
}

fn write_plots(plots: &Plots, built: &Built, directory: &Path) -> Result<(), ScenarioError> {
    std::fs::create_dir_all(directory)?;
    Ok(plots.write(built, directory)?)
}

/// All flows, with their names.
fn flows(scenario: &Scenario, built: &Built) -> Result<Vec<(String, Flow)>, ScenarioError> {
    let mut flows = Vec::new();
    for spec in &scenario.flows {
        let (Some(from), Some(to)) = (built.hosts.get(&spec.from), built.hosts.get(&spec.to)) else { continue };
        let name = spec.name.clone().unwrap_or_else(|| format!("{}-{}", spec.from, spec.to));
        for number in 0..spec.count {
            let taken = u16::try_from(flows.len()).ok().and_then(|count| FIRST_PORT.checked_add(count));
            let port = taken.ok_or_else(|| ScenarioError::Text("a scenario has at most 55,536 flows".to_owned()))?;
            let name = if spec.count > 1 { format!("{name}/{}", number + 1) } else { name.clone() };
            let time = |time: Option<super::units::Time>| time.map_or(Duration::ZERO, |time| time.0);
            let start = time(spec.start) + time(spec.stagger) * number;
            let (from, to, spec) = (from.clone(), to.clone(), spec.clone());
            flows.push((name, Flow { spec, from, to, port, start, progress: flow::progress()? }));
        }
    }
    Ok(flows)
}

async fn outage(clock: Clock, link: Link, from: Duration, until: Duration) {
    clock.sleep_until(Instant::ZERO + from).await;
    link.partition();
    clock.sleep_until(Instant::ZERO + until).await;
    link.heal();
}

/// Waits until time is up, or all flows have ended, and tells how far it is.
async fn finish(clock: Clock, until: Option<Instant>, flows: &[Watched], progress: Option<&dyn Fn(f64)>) {
    let total: u64 = flows.iter().map(|flow| size(&flow.spec)).sum();
    // Without an end in time, the clock is looked at as often as a coarse human eye would.
    let step = until.map_or(Duration::from_millis(250), |until| until.since(Instant::ZERO) / TELLINGS);
    let step = step.max(Duration::from_millis(1));
    loop {
        let now = clock.now();
        if flows.iter().all(Watched::has_ended) || until.is_some_and(|until| now >= until) {
            return;
        }
        if let Some(tell) = progress {
            let delivered: u64 = flows.iter().map(|flow| flow.progress.borrow().delivered).sum();
            let by_bytes = if total == 0 { 0.0 } else { delivered as f64 / total as f64 };
            let by_time =
                until.map_or(0.0, |until| seconds(now.since(Instant::ZERO)) / seconds(until.since(Instant::ZERO)));
            tell(by_bytes.max(by_time).min(1.0));
        }
        let next = now + step;
        clock.sleep_until(until.map_or(next, |until| until.min(next))).await;
    }
}

/// The bytes that a flow will have delivered; 0 where it has no end.
fn size(spec: &FlowSpec) -> u64 {
    match spec.kind {
        Kind::Bulk => spec.bytes.map_or(0, |size| size.0),
        Kind::Requests => spec.requests.unwrap_or(0) * spec.response.map_or(10_000, |size| size.0),
        Kind::OnOff | Kind::Idle => 0,
    }
}

fn report(seed: u64, built: &Built, watched: &[Watched]) -> Report {
    let now = built.sim.now();
    let flows: Vec<FlowReport> = watched.iter().map(|flow| flow_report(now, flow)).collect();
    let end = watched.iter().map(|flow| flow.progress.borrow().done.unwrap_or(now)).max().unwrap_or(now);
    let start = watched.iter().filter_map(|flow| flow.progress.borrow().started).min().unwrap_or(end);
    let lasted = seconds(end.since(Instant::ZERO));
    let bulk: Vec<f64> = flows.iter().filter(|flow| flow.kind == "bulk").map(|flow| flow.goodput).collect();
    let infos: Vec<bowline::Info> = watched.iter().filter_map(|flow| flow.progress.borrow().info(&flow.from)).collect();
    let (again, sent) =
        infos.iter().fold((0, 0), |(again, sent), info| (again + info.bytes_retrans, sent + info.bytes_sent));
    Report {
        seed,
        seconds: seconds(now.since(Instant::ZERO)),
        goodput: by_time(flows.iter().map(|flow| flow.bytes).sum(), seconds(end.since(start))),
        fairness: jain(&bulk),
        retransmitted: if sent > 0 { again as f64 / sent as f64 } else { 0.0 },
        links: built.ways.iter().filter_map(|(name, link)| link_report(name, link, lasted)).collect(),
        flows,
    }
}

fn flow_report(now: Instant, Watched { name, spec, from, progress }: &Watched) -> FlowReport {
    let flow = progress.borrow();
    let took = flow.started.map(|started| seconds(flow.done.unwrap_or(now).since(started)));
    let info = flow.info(from);
    let info = info.as_ref();
    FlowReport {
        name: name.clone(),
        kind: spec.kind.name(),
        start: flow.started.map_or(0.0, |started| seconds(started.since(Instant::ZERO))),
        seconds: took,
        done: flow.done.is_some(),
        error: flow.error.clone(),
        bytes: flow.delivered,
        goodput: took.map_or(0.0, |took| by_time(flow.delivered, took)),
        retransmitted_bytes: info.map_or(0, |info| info.bytes_retrans),
        retransmitted_segments: info.map_or(0, |info| info.total_retrans),
        timeouts: info.map_or(0, |info| info.timeouts),
        rtt: info.and_then(|info| Some((seconds(info.min_rtt?), seconds(info.srtt?)))),
        answers: (spec.kind == Kind::Requests).then(|| answers(&flow.answers)),
    }
}

/// What was measured in microseconds, in seconds.
fn answers(times: &Histogram<u64>) -> Answers {
    let seconds = |micros: u64| micros as f64 / 1e6;
    Answers {
        count: times.len(),
        p50: seconds(times.value_at_quantile(0.5)),
        p99: seconds(times.value_at_quantile(0.99)),
        max: seconds(times.max()),
    }
}

fn link_report(name: &str, link: &Link, elapsed: f64) -> Option<LinkReport> {
    let counters = link.counters().into_iter().next()?;
    let (mean, p99) = link.waits(0.99).into_iter().next()?;
    let rate = link.rates().into_iter().next()?;
    let utilization = rate.map(|rate| by_time(counters.delivered_bytes, elapsed) / rate.bits_per_second() as f64);
    Some(LinkReport {
        name: name.to_owned(),
        packets: counters.packets,
        bytes: counters.delivered_bytes,
        utilization,
        dropped: counters.queue_dropped + counters.policed + counters.too_big,
        lost: counters.lost + counters.cut,
        marked: counters.marked,
        wait: (seconds(mean), seconds(p99)),
    })
}

/// Bits per second.
fn by_time(bytes: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { bytes as f64 * 8.0 / seconds } else { 0.0 }
}
