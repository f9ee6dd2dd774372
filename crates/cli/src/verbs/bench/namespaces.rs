//! What is measured in namespaces: a TUN device with the kernel at its other end, and gateways.

use std::ffi::OsString;
use std::process::ExitCode;

use bowline_bench::process::Program;
use bowline_bench::{Controller, Report, Result, gateway, job, loss, share, tun};
use bowline_device::units::Rate;

use super::{Settings, path, print, tell};
use crate::usage::complain;

/// The verb by which this program starts itself inside a namespace. It is for `bowline bench` and nobody else.
pub(crate) const PEER: &str = "bench-peer";

/// One MTU after the other: what a stack's best settings are depends on it, and is tried out once for each.
pub(super) fn over_tun(settings: &Settings) -> Result<Report> {
    let mut plan = if settings.quick { tun::Plan::quick() } else { tun::Plan::default() };
    plan.runs = settings.runs.unwrap_or(plan.runs);
    plan.only.clone_from(&settings.only);
    let program = Program::current([PEER])?;
    let mut report = Report::default();
    for mtu in &plan.mtus {
        tell(&format!("tun: MTU {mtu}, {} turn(s) of {} s of each stack in each direction", plan.runs, plan.seconds));
        let part = tun::Plan { mtus: vec![*mtu], ..plan.clone() };
        report.extend(tun::run(&part, &program)?);
    }
    Ok(report)
}

/// One round-trip time and one rate of loss after the other.
pub(super) fn under_loss(settings: &Settings) -> Result<Report> {
    let mut plan = if settings.quick { loss::Plan::quick() } else { loss::Plan::default() };
    plan.runs = settings.runs.unwrap_or(plan.runs);
    plan.only.clone_from(&settings.only);
    plan.seconds = settings.path.seconds.map_or(plan.seconds, f64::from);
    plan.rtts_ms = given(&settings.path.rtt, plan.rtts_ms);
    (plan.ours, plan.theirs) = controllers(&settings.path, (plan.ours, plan.theirs));
    let program = Program::current([PEER])?;
    tell(&format!("loss: {} s in all", plan.duration().as_secs()));
    let mut report = Report::default();
    for (rtt, loss) in plan.rtts_ms.iter().flat_map(|rtt| plan.losses.iter().map(move |loss| (*rtt, *loss))) {
        tell(&format!("loss: {loss} % at {rtt} ms, {} turn(s) of {} s of each sender", plan.runs, plan.seconds));
        let part = loss::Plan { rtts_ms: vec![rtt], losses: vec![loss], ..plan.clone() };
        report.extend(loss::run(&part, &program)?);
    }
    Ok(report)
}

/// One round-trip time and one queue after the other.
pub(super) fn at_a_bottleneck(settings: &Settings) -> Result<Report> {
    let mut plan = if settings.quick { share::Plan::quick() } else { share::Plan::default() };
    plan.runs = settings.runs.unwrap_or(plan.runs);
    plan.only.clone_from(&settings.only);
    plan.seconds = settings.path.seconds.map_or(plan.seconds, f64::from);
    plan.rtts_ms = given(&settings.path.rtt, plan.rtts_ms);
    plan.queues = given(&settings.path.queue, plan.queues);
    plan.rate = settings.path.rate.map_or(plan.rate, Rate::bits_per_second);
    (plan.ours.0, plan.theirs.0) = controllers(&settings.path, (plan.ours.0, plan.theirs.0));
    plan.ours.1 = settings.path.ours.map_or(plan.ours.1, usize::from);
    plan.theirs.1 = settings.path.theirs.map_or(plan.theirs.1, usize::from);
    let program = Program::current([PEER])?;
    tell(&format!("share: {} s in all", plan.duration().as_secs()));
    let mut report = Report::default();
    for (rtt, queue) in plan.rtts_ms.iter().flat_map(|rtt| plan.queues.iter().map(move |queue| (*rtt, *queue))) {
        tell(&format!("share: a queue of {queue} BDP at {rtt} ms, {} turn(s) of {} s", plan.runs, plan.seconds));
        let part = share::Plan { rtts_ms: vec![rtt], queues: vec![queue], ..plan.clone() };
        report.extend(share::run(&part, &program)?);
    }
    Ok(report)
}

/// What the command line says, or else what the plan has.
fn given<T: Clone>(words: &[T], plan: Vec<T>) -> Vec<T> {
    if words.is_empty() { plan } else { words.to_vec() }
}

/// Ours and the kernel's.
fn controllers(words: &path::PathArgs, plan: (Controller, Controller)) -> (Controller, Controller) {
    let known = |name| match name {
        path::Controller::Cubic => Controller::Cubic,
        path::Controller::Bbr => Controller::Bbr,
    };
    (words.controller.map_or(plan.0, known), words.against.or(words.controller).map_or(plan.1, known))
}

/// One turn of all gateways after the other, each in a namespace of its own.
pub(super) fn through_gateways(settings: &Settings) -> Result<Report> {
    let plan = gateway::Plan::new(Program::current([PEER])?, Some(std::env::current_exe()?));
    let mut plan = if settings.quick { plan.quick() } else { plan };
    plan.only.clone_from(&settings.only);
    let runs = settings.runs.unwrap_or(plan.runs);
    plan.runs = 1;
    let mut report = Report::default();
    for turn in 1..=runs {
        tell(&format!("gateway: turn {turn} of {runs}, {} s for a measure and a gateway", plan.seconds));
        let part = gateway::run(&plan)?;
        for row in part.rows {
            // of one turn the median is the figure itself
            report.add((&row.measure, &row.unit, row.better), &row.contender, row.median);
        }
        part.notes.into_iter().for_each(|note| report.note(note));
    }
    Ok(report)
}

/// Is the other end of a measurement, started by one.
#[must_use]
pub(crate) fn be_peer(job: &[OsString]) -> ExitCode {
    let job: Vec<_> = job.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match job::main(&job) {
        Ok(printed) => {
            if print(&(printed + "\n")) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
