//! The same to two TCPs: the running kernel's, over a TUN in a namespace of our own, and Bowline's, in memory.
//!
//! Decides what is run, in which order, and when two TCPs are said to differ: twice in the same way, after the case was made
//! as short as it can be. A difference must be one of `docs/differences.toml`, or it is a failure.

mod bowline;
mod case;
mod conversation;
pub(crate) mod explained;
mod generate;
mod linux;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::step;
use case::Case;
use explained::Explained;
use linux::Linux;
use record::Difference;

/// Set in the process that is in the namespace.
const INSIDE: &str = "BOWLINE_DIFFERENTIAL_INSIDE";
/// Asks inside only whether there is a TUN.
const PROBE: &str = "--probe";
/// What CI runs: each kind of segment in each state, and conversations for as long as half a minute is not over.
const QUICK: [&str; 2] = ["--seconds", "30"];
/// Cases that run beside each other.
const BATCH: usize = 250;

const HELP: &str = "\
The same segments to the kernel and to Bowline; every difference must be explained in docs/differences.toml.

Usage: cargo xtask differential [--seed N] [--count N] [--seconds N] [--show N] [--page]

  --seed N     the first seed of the conversations (default 1)
  --count N    how many conversations (default 2000), besides each kind of segment in each state
  --seconds N  begin no further batch after so long (default 90)
  --show N     how many unexplained differences to shorten and show step by step (default 5)
  --page       only write docs/differences.md from docs/differences.toml
";

/// What to run.
struct Plan {
    seed: u64,
    count: u64,
    limit: Duration,
    show: usize,
}

/// Runs it, in a namespace.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--page") {
        return explained::write();
    }
    if std::env::var_os(INSIDE).is_none() {
        parse(args)?;
        return step::run(&mut inside(args.iter().map(String::as_str))?);
    }
    if args.iter().any(|arg| arg == PROBE) {
        return Linux::new().map(drop);
    }
    compare(&parse(args)?)
}

/// What CI runs. Where there is no namespace of one's own, or no TUN in it, it says so and compares nothing.
pub(crate) fn quick() -> Result<(), String> {
    if !step::succeeds(&mut inside([PROBE])?) {
        println!("skipped: here is no namespace of one's own with a TUN (`unshare --user --net`, /dev/net/tun)");
        return Ok(());
    }
    step::run(&mut inside(QUICK)?)
}

/// This task again, in a namespace.
fn inside<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Command, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = step::command("unshare", &["--user", "--map-root-user", "--net", "--"]);
    command.arg(this).arg("differential").args(args).env(INSIDE, "1");
    Ok(command)
}

fn parse(args: &[String]) -> Result<Plan, String> {
    let mut plan = Plan { seed: 1, count: 2_000, limit: Duration::from_secs(90), show: 5 };
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(HELP.to_owned()) };
        let value: u64 = value.parse().map_err(|_| format!("{value:?} is no number\n\n{HELP}"))?;
        match name.as_str() {
            "--seed" => plan.seed = value,
            "--count" => plan.count = value,
            "--show" => plan.show = usize::try_from(value).unwrap_or(usize::MAX),
            "--seconds" => plan.limit = Duration::from_secs(value),
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(plan)
}

fn compare(plan: &Plan) -> Result<(), String> {
    let started = Instant::now();
    let table = explained::read()?;
    let mut linux = Linux::new()?;
    let conversations = (0..plan.count).map(|n| generate::conversation(plan.seed.wrapping_add(n)));
    let cases: Vec<Case> = generate::matrix().into_iter().chain(conversations).collect();
    let mut tried = 0;
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut unexplained: BTreeMap<String, (Case, Difference, usize)> = BTreeMap::new();
    for batch in cases.chunks(BATCH) {
        if started.elapsed() > plan.limit {
            break;
        }
        tried += batch.len();
        for (case, difference) in differences(&mut linux, batch)? {
            match explained::find(&table, &difference, difference.step <= case.opening) {
                Some(at) => *counts.entry(at).or_default() += 1,
                None => unexplained.entry(difference.signature()).or_insert((case, difference, 0)).2 += 1,
            }
        }
    }
    for (at, explained) in table.iter().enumerate() {
        println!("{:>6}  {}", counts.get(&at).copied().unwrap_or(0), explained.name());
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{tried} of {} cases in {seconds:.1} s, from seed {}", cases.len(), plan.seed);
    if unexplained.is_empty() {
        return Ok(());
    }
    let count = unexplained.len();
    for (signature, (_, _, times)) in &unexplained {
        println!("{times:>6}  {signature}");
    }
    for (case, difference, times) in unexplained.into_values().take(plan.show) {
        let (case, difference) = shorten(&mut linux, &table, case, difference)?;
        show(&case, &difference, times);
    }
    Err(format!("{count} kind(s) of difference are not explained"))
}

/// Those cases in which the two differ, and do so again: a busy machine may let a timer fire where it should not.
fn differences(linux: &mut Linux, cases: &[Case]) -> Result<Vec<(Case, Difference)>, String> {
    let mut found = Vec::new();
    let mut suspects: Vec<Case> = cases.to_vec();
    let mut first: Vec<Option<Difference>> = Vec::new();
    for round in 0..2 {
        let records = linux.run(&suspects)?;
        let mut again = Vec::new();
        let mut before = Vec::new();
        for (at, (case, theirs)) in suspects.iter().zip(&records).enumerate() {
            let (ours, states) = bowline::run(case);
            let Some(difference) = Difference::between(case, theirs, &ours, &states) else { continue };
            if round == 0 {
                again.push(case.clone());
                before.push(Some(difference));
            } else if first.get(at).and_then(Option::as_ref).is_some_and(|first| *first == difference) {
                found.push((case.clone(), difference));
            }
        }
        (suspects, first) = (again, before);
    }
    Ok(found)
}

/// Leaves out steps for as long as the same difference remains, or another that is not explained.
fn shorten(
    linux: &mut Linux,
    table: &[Explained],
    case: Case,
    difference: Difference,
) -> Result<(Case, Difference), String> {
    let (mut case, mut difference) = (case, difference);
    case.steps.truncate(difference.step + 1);
    loop {
        let shorter: Vec<Case> = (0..case.steps.len().saturating_sub(1)).rev().map(|at| case.without(at)).collect();
        let found = differences(linux, &shorter)?;
        let same = |found: &&(Case, Difference)| {
            found.1.event == difference.event
                && explained::find(table, &found.1, found.1.step <= found.0.opening).is_none()
        };
        match found.iter().find(same) {
            Some((shorter, found)) => (case, difference) = (shorter.clone(), found.clone()),
            None => return Ok((case, difference)),
        }
    }
}

fn show(case: &Case, difference: &Difference, times: usize) {
    println!("\n{times} × {}", difference.signature());
    println!("  {}, {}", if case.ipv6 { "IPv6" } else { "IPv4" }, case.profile);
    for (at, step) in case.steps.iter().enumerate() {
        println!("  {} {step}", if at == difference.step { "→" } else { " " });
    }
    println!("    Linux:   {}\n    Bowline: {}", difference.linux, difference.bowline);
}
