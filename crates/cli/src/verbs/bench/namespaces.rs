//! What is measured in namespaces: a TUN device with the kernel at its other end, and gateways.

use std::ffi::OsString;
use std::process::ExitCode;

use bowline_bench::process::Program;
use bowline_bench::{Report, Result, gateway, loss, peer, tun};

use super::{Settings, print, tell};
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
    match peer::main(&job) {
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
