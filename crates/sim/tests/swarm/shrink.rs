//! Makes a world that fails smaller for as long as it fails, and writes it down.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::life;
use crate::plan::{Manner, Pen, Plan};
use crate::settings::Settings;

/// How long shrinking may take, in the time of those who wait for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The smallest world that this finds in which `fails` still has something to say: it takes away one thing after the other
/// for as long as that helps.
pub(crate) fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> Option<String>) -> Plan {
    let (begin, mut small) = (Instant::now(), plan.clone());
    while begin.elapsed() < PATIENCE {
        let smaller = simpler(&small).into_iter().find(|plan| begin.elapsed() < PATIENCE && fails(plan).is_some());
        match smaller {
            Some(plan) => small = plan,
            None => break,
        }
    }
    small
}

/// Worlds with one thing less, those with much less first.
fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut push = |change: &dyn Fn(&mut Plan)| {
        let mut less = plan.clone();
        change(&mut less);
        if less != *plan {
            all.push(less);
        }
    };
    for flow in 0..plan.flows.len() {
        push(&|plan| {
            plan.flows.remove(flow);
        });
    }
    for (place, link) in plan.links.iter().enumerate() {
        for fault in 0..link.faults.len() {
            push(&|plan| {
                plan.links[place].faults.remove(fault);
            });
        }
    }
    if let Some(last) = plan.hosts.len().checked_sub(1).filter(|last| *last >= 2) {
        push(&|plan| remove_host(plan, last));
    }
    push(&|plan| plan.keys = 0);
    push(&|plan| plan.jumps.clear());
    for host in 0..plan.hosts.len() {
        push(&|plan| plan.hosts[host].options.clear());
        push(&|plan| plan.hosts[host].host.clear());
        push(&|plan| plan.hosts[host].mtu = 1500);
    }
    for flow in 0..plan.flows.len() {
        push(&|plan| plan.flows[flow].options.clear());
        push(&|plan| plan.flows[flow].rest = 0);
        push(&|plan| plan.flows[flow].manner = Manner::Together);
        push(&|plan| plan.flows[flow].pen = Pen::Copied);
        push(&|plan| plan.flows[flow].restless = false);
        push(&|plan| plan.flows[flow].v6 = false);
        push(&|plan| plan.flows[flow].leave = None);
        push(&|plan| plan.flows[flow].bytes[0] /= 2);
        push(&|plan| plan.flows[flow].bytes[1] /= 2);
    }
    for set in 0..settings(&mut plan.clone()).len() {
        for name in settings(&mut plan.clone())[set].keys() {
            push(&|plan| {
                settings(plan)[set].remove(name);
            });
        }
    }
    all
}

/// All that is set anywhere.
fn settings(plan: &mut Plan) -> Vec<&mut Settings> {
    let hosts = plan.hosts.iter_mut().flat_map(|host| [&mut host.host, &mut host.options]);
    hosts.chain(plan.flows.iter_mut().map(|flow| &mut flow.options)).collect()
}

/// The last host goes, if nothing flows from or to it.
fn remove_host(plan: &mut Plan, last: usize) {
    if plan.flows.iter().any(|flow| flow.ends.contains(&last)) {
        return;
    }
    plan.hosts.pop();
    plan.links.retain(|link| !link.ends.contains(&last));
    for end in plan.links.iter_mut().flat_map(|link| &mut link.ends) {
        *end -= usize::from(*end > last);
    }
}

/// Shrinks the world, writes it down with all that happened in it, and says how to live it again.
pub(crate) fn report(plan: &Plan, why: &str) -> std::io::Result<String> {
    let small = shrink(plan, |plan| life::live(plan, None).err());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("swarm-{}.toml", plan.seed));
    std::fs::write(&path, small.text().map_err(std::io::Error::other)?)?;
    let record = path.with_extension("record");
    let says = life::live(&small, Some(&record)).err().unwrap_or_else(|| "it does not fail every time".to_owned());
    let (path, record) = (path.display(), record.display());
    Ok(format!(
        "seed {}: {why}\nof the small world: {says}\ncaptures and diagrams: {record}\nto live it again: \
         BOWLINE_SWARM_WORLD={path} cargo test -p bowline-sim --test swarm every_world",
        plan.seed
    ))
}
