//! `bowline bench`: the measurements of `bowline-bench`, with what is going on told on standard error.
//!
//! It decides what runs in which order and how it is shown; how something is measured, and beside whom, it leaves to
//! `bowline-bench`. Bytes for an idle connection are not here: to count them takes an allocator that counts, and that would
//! slow down every other verb, so `cargo bench` has a program of its own for it.

#[cfg(target_os = "linux")]
mod namespaces;
mod path;
mod told;

use std::io::{self, Write as _};
use std::process::ExitCode;

use bowline_bench::{Report, Result, memory, sim};
use clap::ValueEnum;

use crate::usage::{USAGE, complain};

#[cfg(target_os = "linux")]
pub(crate) use namespaces::{PEER, be_peer};

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Two hosts in one thread, nothing between them but a queue, beside smoltcp
    Memory,
    /// One to 64 flows through one narrow place in virtual time, as in smoltcp's own test, beside smoltcp
    Sim,
    /// A sink and a source on a TUN device, the kernel at the other end, beside smoltcp
    Tun,
    /// iperf3, wrk, round trips and short connections through `bowline run`, slirp4netns, pasta and no gateway
    Gateway,
    /// Goodput under random loss: the kernel and Bowline take turns as the sender, over the same impaired path
    Loss,
    /// How two flows of ours and one of the kernel's share a bottleneck, at the same time
    Share,
    /// Only `cargo bench` can: it says so
    #[value(hide = true)]
    Footprint,
}

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to measure; without it memory, sim, tun and gateway, one after the other
    #[arg(value_enum, value_name = "WHAT")]
    pub parts: Vec<Part>,
    /// A first impression: short turns, and one of each unless --runs says more
    #[arg(long)]
    pub quick: bool,
    /// Turns of each contender, of which the median is shown [default: 5, and 3 in gateway, loss and share]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub runs: Option<u16>,
    /// Only what has this in the name of the measure or of the contender
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub only: String,
    /// Print one JSON document at the end instead of tables
    #[arg(long)]
    pub json: bool,
    /// Of loss and share.
    #[command(flatten)]
    pub path: path::PathArgs,
}

const EXAMPLES: &str = "\
Contenders take turns, so that a noisy neighbour hits all of them; a figure is the median of its
turns. In sim a turn is a seed, the first of them smoltcp's own, and what is not random repeats.
What cannot be measured is named below the tables, with the reason. tun, gateway, loss and share
make namespaces of their own, need no root where users may make them, and send nothing out of this
machine. gateway uses what is installed of iperf3, wrk, nginx, slirp4netns and pasta.

Bytes for an idle connection need an allocator that counts, which would slow this program down:
  cargo bench -p bowline-bench --bench footprint

Examples:
  bowline bench --quick
  bowline bench sim --runs 20
  bowline bench memory --only 'MTU 1500, checksums'
  bowline bench tun --runs 3
  bowline bench gateway --only pasta --json > pasta.json
  bowline bench loss --controller bbr --rtt 100ms
  bowline bench share --rate 100mbit --queue 0.5,1,2 --controller bbr --against cubic

Exit status: 0; 1 if a part could not be measured at all, or nothing has TEXT in its name; 2 for
a bad command line.";

/// What the arguments come to.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    parts: Vec<Part>,
    quick: bool,
    runs: Option<usize>,
    only: String,
    json: bool,
    /// Only on Linux is there a part that asks.
    path: path::PathArgs,
}

impl Settings {
    fn resolve(args: &Args) -> std::result::Result<Self, String> {
        if args.parts.contains(&Part::Footprint) {
            return Err(
                "the footprint takes an allocator that counts, which this program does not have: run `cargo bench \
                        -p bowline-bench --bench footprint`"
                    .to_owned(),
            );
        }
        let mut parts = args.parts.clone();
        if parts.is_empty() {
            parts = vec![Part::Memory, Part::Sim];
            parts.extend([Part::Tun, Part::Gateway].into_iter().filter(|_| cfg!(target_os = "linux")));
        }
        if !cfg!(target_os = "linux") && parts.iter().any(|part| !matches!(part, Part::Memory | Part::Sim)) {
            return Err(
                "TUN devices and gateways are measured on Linux: `bowline bench memory sim` works here".to_owned()
            );
        }
        args.path.check(&parts)?;
        let runs = args.runs.map(usize::from);
        Ok(Self { parts, quick: args.quick, runs, only: args.only.clone(), json: args.json, path: args.path.clone() })
    }
}

/// Measures and prints.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(problem) => {
            complain(&problem);
            return ExitCode::from(USAGE);
        }
    };
    let (mut all, mut complete) = (Report::default(), true);
    for part in &settings.parts {
        match measure(*part, &settings) {
            Ok(report) => {
                if !settings.json {
                    complete &= print(&report.to_string());
                }
                all.extend(report);
            }
            Err(error) => {
                complete = false;
                complain(&format!("{}: {error}", name(*part)));
            }
        }
    }
    if complete && all.rows.is_empty() && all.notes.is_empty() {
        complain(&format!(
            "no measure and no contender has {:?} in its name: without --only everything is measured",
            settings.only
        ));
        return ExitCode::FAILURE;
    }
    if settings.json {
        complete &= all.to_json().is_ok_and(|json| print(&(json + "\n")));
    }
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(part: Part) -> String {
    part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Says what happens next.
fn tell(line: &str) {
    // without anybody to read it, the figures are as good
    let _ = writeln!(io::stderr(), "bowline: {line}");
}

fn measure(part: Part, settings: &Settings) -> Result<Report> {
    match part {
        Part::Memory => Ok(in_memory(settings)),
        Part::Sim => Ok(in_virtual_time(settings)),
        #[cfg(target_os = "linux")]
        Part::Tun => namespaces::over_tun(settings),
        #[cfg(target_os = "linux")]
        Part::Gateway => namespaces::through_gateways(settings),
        #[cfg(target_os = "linux")]
        Part::Loss => namespaces::under_loss(settings),
        #[cfg(target_os = "linux")]
        Part::Share => namespaces::at_a_bottleneck(settings),
        // refused before
        _ => Ok(Report::default()),
    }
}

fn in_memory(settings: &Settings) -> Report {
    let mut plan = if settings.quick { memory::Plan::quick() } else { memory::Plan::default() };
    plan.runs = settings.runs.unwrap_or(plan.runs);
    plan.only.clone_from(&settings.only);
    memory::speed(&mut told::contenders(memory::contenders()), &plan)
}

fn in_virtual_time(settings: &Settings) -> Report {
    let mut plan = if settings.quick { sim::Plan::quick() } else { sim::Plan::default() };
    plan.runs = settings.runs.unwrap_or(plan.runs);
    plan.only.clone_from(&settings.only);
    sim::multi_flow(&sim::contenders(), &plan, &tell)
}

#[cfg(test)]
mod tests;
