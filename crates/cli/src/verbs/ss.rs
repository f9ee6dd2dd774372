//! `bowline ss`: the sockets of running instances, as `ss -tin` shows the kernel's.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bowline_gateway::control;
use bowline_observe::ss::{Family, Filter, Row, table};

use super::live::{Answer, SOCKETS};
use crate::usage::{USAGE, complain};

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which sockets to show, in `ss`'s own language
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Show listeners, with the lengths of their queues
    #[arg(short, long, conflicts_with = "all")]
    pub listening: bool,
    /// Show sockets in every state
    #[arg(short, long)]
    pub all: bool,
    /// Show only IPv4
    #[arg(short = '4', long, overrides_with = "ipv6")]
    pub ipv4: bool,
    /// Show only IPv6
    #[arg(short = '6', long, overrides_with = "ipv4")]
    pub ipv6: bool,
    /// TCP only, in numbers, with details and timers, as is always so: for those who type `ss -tnio`
    #[arg(short = 't', visible_short_aliases = ['n', 'i', 'o'], action = clap::ArgAction::Count)]
    pub as_ever: u8,
    /// Ask only the instance with this process number
    #[arg(short, long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Print everything that is known as JSON: an array with an object for each instance
    #[arg(long)]
    pub json: bool,
    /// Show the counters too, with the names of `nstat`
    #[arg(short, long)]
    pub summary: bool,
    /// Leave out the first line
    #[arg(short = 'H', long)]
    pub no_header: bool,
}

const EXAMPLES: &str = "\
Examples:
  bowline ss                          connections of all running instances of this user
  bowline ss -l                       listeners
  bowline ss state syn-recv           half-open connections
  bowline ss 'dport = :443 and state established'
  bowline ss --pid 1234 --json

Exit status: 0, also where there is nothing to show; 1 if an instance does not answer; 2 for a bad command line.";

struct Settings {
    filter: Filter,
    columns: table::Columns,
    pid: Option<u32>,
    json: bool,
    counters: bool,
}

impl Settings {
    fn resolve(args: &Args) -> Result<Self, String> {
        let base = match (args.listening, args.all) {
            (true, _) => Filter::listening(),
            (_, true) => Filter::all(),
            _ => Filter::default(),
        };
        let family = match (args.ipv4, args.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        let filter = base.with_family(family).with_words(&args.filter).map_err(|error| error.to_string())?;
        let state = !filter.is_one_state();
        let columns = table::Columns { header: !args.no_header, state, ..table::Columns::default() };
        Ok(Self { filter, columns, pid: args.pid, json: args.json, counters: args.summary })
    }
}

/// Asks and prints.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(problem) => {
            complain(&format!("{problem} (see `bowline ss --help`)"));
            return ExitCode::from(USAGE);
        }
    };
    let (answers, mut complete) = match settings.pid {
        Some(pid) => ask_all(&[pid]),
        None => match control::instances() {
            Ok(pids) => ask_all(&pids),
            Err(error) => {
                complain(&format!("cannot look for running instances: {error}: is /proc mounted?"));
                return ExitCode::FAILURE;
            }
        },
    };
    let text = if settings.json { json(&settings, answers) } else { text(&settings, &answers) };
    complete &= io::stdout().write_all(text.as_bytes()).is_ok();
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The answers, and whether everybody has answered.
fn ask_all(pids: &[u32]) -> (Vec<Answer>, bool) {
    let mut answers = Vec::new();
    for &pid in pids {
        let answer = control::ask(pid, SOCKETS);
        match answer.and_then(|answer| serde_json::from_str(&answer).map_err(io::Error::other)) {
            Ok(answer) => answers.push(answer),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                complain(&format!(
                    "no instance of yours has process number {pid}: `bowline ss` without --pid asks all"
                ));
            }
            Err(error) => complain(&format!("instance {pid} does not answer: {error}")),
        }
    }
    let complete = answers.len() == pids.len();
    (answers, complete)
}

fn json(settings: &Settings, mut answers: Vec<Answer>) -> String {
    for answer in &mut answers {
        answer.sockets.retain(|row| settings.filter.accepts(row));
    }
    serde_json::to_string_pretty(&answers).unwrap_or_default() + "\n"
}

fn text(settings: &Settings, answers: &[Answer]) -> String {
    let mut out = String::new();
    for answer in answers {
        if answers.len() > 1 {
            out.push_str(&format!("# {}: {}\n", answer.pid, answer.command));
        }
        let rows: Vec<&Row> = answer.sockets.iter().filter(|row| settings.filter.accepts(row)).collect();
        out.push_str(&table::render(&rows, &settings.columns));
        if settings.counters {
            for (name, count) in &answer.counters {
                out.push_str(&format!("{name:<32}{count}\n"));
            }
        }
    }
    out
}
