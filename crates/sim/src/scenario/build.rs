//! From a scenario to a world: hosts, routers, links.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::ScenarioError;
use super::model::{HostSpec, LinkSpec, QueueSpec, QueueTable, Scenario, WaySpec};
use super::units::Time;
use crate::{Discipline, GilbertElliott, Host, Link, Node, NodeId, Policer, Sim};

/// A world that was made from a scenario.
pub(super) struct Built {
    pub(super) sim: Sim,
    pub(super) hosts: BTreeMap<String, Host>,
    /// Each direction of each link, with the names of where it begins and ends.
    pub(super) ways: Vec<(String, Link)>,
    /// When which link is cut, and when it is mended.
    pub(super) outages: Vec<(Link, [Duration; 2])>,
}

/// Makes the world; what its hosts see is recorded in `directory`, if there is one.
pub(super) fn build(scenario: &Scenario, directory: Option<&Path>) -> Result<Built, ScenarioError> {
    let sim = match directory {
        Some(directory) => Sim::recorded(scenario.seed, directory)?,
        None => Sim::new(scenario.seed)?,
    };
    let mut hosts = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for (name, spec) in &scenario.hosts {
        let host = host(&sim, name, spec)?;
        ends.insert(name.clone(), host.id());
        hosts.insert(name.clone(), host);
    }
    let mut built = Built { sim, hosts, ways: Vec::new(), outages: Vec::new() };
    for link in &scenario.links {
        for end in &link.ends {
            if !ends.contains_key(end) {
                ends.insert(end.clone(), built.sim.router().id());
            }
        }
        connect(&mut built, link, link.ends.each_ref().map(|end| ends[end]));
    }
    Ok(built)
}

fn host(sim: &Sim, name: &str, spec: &HostSpec) -> Result<Host, ScenarioError> {
    let algorithm = spec.algorithm()?;
    let mut config = bowline::Config::default();
    let options = &mut config.tcp.options;
    options.algorithm = algorithm.unwrap_or(options.algorithm);
    let bytes = |size: Option<super::units::Size>, default: u32| {
        size.map_or(default, |size| u32::try_from(size.0).unwrap_or(u32::MAX))
    };
    options.send_buffer = bytes(spec.send_buffer, options.send_buffer);
    options.receive_buffer = bytes(spec.receive_buffer, options.receive_buffer);
    options.receive_buffer_max = bytes(spec.receive_buffer_max, options.receive_buffer_max);
    options.pacing = spec.pacing.unwrap_or(options.pacing);
    options.sack = spec.sack.unwrap_or(options.sack);
    options.timestamps = spec.timestamps.unwrap_or(options.timestamps);
    if let Some(ecn) = spec.ecn {
        options.ecn = ecn.mode();
        options.ecn_when_asked = options.ecn_when_asked.max(ecn.mode());
    }
    options.min_rto = spec.min_rto.map_or(options.min_rto, |time| time.0);
    Ok(sim.host_with(name, spec.mtu.unwrap_or(1500), |net| net.config(config))?)
}

fn connect(built: &mut Built, spec: &LinkSpec, [a, b]: [NodeId; 2]) {
    let link = built.sim.link(&a, &b);
    let [name_a, name_b] = &spec.ends;
    let [toward_a, toward_b] = &spec.ways;
    for (end, way, name) in
        [(b, toward_b, format!("{name_a} → {name_b}")), (a, toward_a, format!("{name_b} → {name_a}"))]
    {
        let direction = link.toward(&end);
        settle(&direction, way);
        built.outages.extend(way.outages.iter().map(|times| (direction.clone(), times.map(|Time(time)| time))));
        built.ways.push((name, direction));
    }
}

/// Makes one direction what it says.
fn settle(link: &Link, spec: &WaySpec) {
    if let Some(rate) = spec.rate {
        link.rate(rate.0);
    }
    if let Some(queue) = &spec.queue {
        link.queue(discipline(queue));
    }
    if let Some(policer) = spec.policer {
        let burst = usize::try_from(policer.burst.0).unwrap_or(usize::MAX);
        link.policer(Some(Policer { rate: policer.rate.0, burst }));
    }
    if let Some(delay) = spec.delay {
        link.delay(delay.0);
    }
    if let Some(jitter) = spec.jitter {
        link.jitter(jitter.0);
    }
    if let Some(loss) = spec.loss {
        link.loss(loss.get());
    }
    if let Some(burst) = spec.burst_loss {
        link.burst_loss(GilbertElliott::simple(burst.begin.0, burst.end.0));
    }
    link.duplicate(spec.duplicate.map_or(0.0, super::units::Share::get));
    link.corrupt(spec.corrupt.map_or(0.0, super::units::Share::get));
    if let Some(reorder) = spec.reorder {
        let hold = spec.reorder_hold.map_or(Duration::from_millis(5), |time| time.0);
        link.reorder(reorder.get(), spec.reorder_gap.unwrap_or(3), hold);
    }
    if let Some(mtu) = spec.mtu {
        link.mtu(mtu);
    }
    if let Some(mtu) = spec.black_hole {
        link.black_hole(mtu);
    }
}

fn discipline(spec: &QueueSpec) -> Discipline {
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let times = |target: Option<Time>, interval: Option<Time>| {
        let time = |time: Option<Time>, default| time.map_or(Duration::from_millis(default), |time| time.0);
        (time(target, 5), time(interval, 100))
    };
    match spec {
        QueueSpec::DropTail(size) => Discipline::drop_tail(bytes(size.0)),
        QueueSpec::Other(QueueTable::DropTail { bytes: size, packets }) => Discipline::DropTail {
            bytes: size.map_or(usize::MAX, |size| bytes(size.0)),
            packets: packets.unwrap_or(usize::MAX),
        },
        QueueSpec::Other(QueueTable::Codel { target, interval }) => {
            let (target, interval) = times(*target, *interval);
            Discipline::CoDel { target, interval, bytes: 16 << 20 }
        }
        QueueSpec::Other(QueueTable::FqCodel { target, interval }) => {
            let (target, interval) = times(*target, *interval);
            Discipline::FqCoDel { target, interval }
        }
        QueueSpec::Other(QueueTable::StepMark { threshold, bytes: size }) => {
            Discipline::StepMark { threshold: threshold.0, bytes: bytes(size.0) }
        }
    }
}
