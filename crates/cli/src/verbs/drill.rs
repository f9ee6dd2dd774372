//! `bowline drill`: packetdrill scripts against the stack, in virtual time.
//!
//! It decides what is run and how it is shown; what a script means is `bowline-drill`'s.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowline_drill::lex::Defines;
use bowline_drill::report::{self, Outcome, Summary, Verdict};
use bowline_drill::script::IpVersion;
use bowline_drill::suite::{self, Plan};
use clap::ValueEnum;

use crate::usage::{USAGE, complain};

/// The status where a script cannot be run at all.
const INVALID: u8 = 3;

/// Whose behaviour to run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Our own: Linux's, except where RFC 9293 says otherwise
    Bowline,
    /// Linux's choices
    Linux,
    /// FreeBSD's choices
    Freebsd,
}

impl From<Profile> for bowline_posix::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Bowline => Self::Bowline,
            Profile::Linux => Self::Linux,
            Profile::Freebsd => Self::FreeBsd,
        }
    }
}

/// A version of IP, and how sockets see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// IPv4 sockets and packets
    Ipv4,
    /// IPv6 sockets and packets
    Ipv6,
    /// IPv6 sockets, IPv4 packets
    Ipv4MappedIpv6,
}

impl From<Version> for IpVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::Ipv4 => Self::V4,
            Version::Ipv6 => Self::V6,
            Version::Ipv4MappedIpv6 => Self::Mapped,
        }
    }
}

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Scripts, and folders of which every .pkt file below is run
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Whose choices sockets and connections have where systems differ
    #[arg(long, value_enum, value_name = "NAME", default_value = "bowline")]
    pub profile: Profile,
    /// Only in this version of IP [default: each that a script admits]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub ip_version: Option<Version>,
    /// Define a name that scripts use, or ask for with #ifdef
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = definition)]
    pub defines: Vec<(String, String)>,
    /// A command to carry out before each script, as if it stood there between backticks
    #[arg(long, value_name = "COMMAND")]
    pub init: Vec<String>,
    /// Scripts to run at once [default: as many as there are processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Go on for so long after a script's last line, where no packet is expected [default: 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub linger: Option<Duration>,
    /// Packets after the last line are failures also in scripts that begin with their suite's defaults.sh, which were written for
    /// a tool that stops looking there [default: they are remarked]
    #[arg(long)]
    pub strict: bool,
    /// Packets after the last line are remarked, and no failures, whatever the script begins with
    #[arg(long, conflicts_with_all = ["linger", "strict"])]
    pub open_end: bool,
    /// Print one JSON document instead of a table
    #[arg(long, conflicts_with = "junit")]
    pub json: bool,
    /// Print JUnit's XML instead of a table
    #[arg(long)]
    pub junit: bool,
    /// Say nothing of scripts that passed, and show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Scripts are in the language of packetdrill. Each runs against a stack of its own, in virtual time,
without privilege and without a network; the same script always ends the same way. Stricter than
the tool: a packet that no line expects is a failure, also right after the last line, and bytes
must be those that were written there. Commands in backticks configure the stack, where it knows
them; no shell runs.

A script may say which profiles it is for (--profile=bowline,linux in its first lines); with others
it is skipped. The profile's name is defined in it: #ifdef FreeBSD, Linux or Bowline.

A failure is shown with the line, what was expected and seen, and a diagram of what happened.

Examples:
  bowline drill scripts
  bowline drill --profile freebsd --ip-version ipv6 suite/snd-syn
  bowline drill -D CC=cubic --junit tests > results.xml
  bowline drill --profile freebsd --init 'sysctl net.inet.tcp.delacktime=100' suite/reordering

Exit status: 0 if all passed; 1 if a script failed; 3 if none failed, but one could not be run: it
is no script, asks for what the stack does not have, or is not for the version of IP that was asked
for; 2 for a bad command line.";

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a definition is written NAME=VALUE".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|time| *time <= Duration::from_secs(86_400))
        .ok_or_else(|| "a time in seconds, up to a day".to_owned())
}

/// Runs scripts and tells what came of them.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let files = match suite::find(&args.paths) {
        Ok(files) => files,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    if files.is_empty() {
        complain("there are no scripts: no file in these folders ends in .pkt");
        return ExitCode::from(USAGE);
    }
    let plan = plan(args);
    let begin = Instant::now();
    let progress = Progress::new(files.len(), args);
    let outcomes = suite::run_all(&files, &plan, &|outcomes| progress.tell(outcomes));
    progress.end();
    if !print(&told(args, &outcomes, begin.elapsed())) {
        return ExitCode::FAILURE;
    }
    let summary = Summary::of(&outcomes);
    match summary {
        Summary { failed: 0, invalid: 0, .. } => ExitCode::SUCCESS,
        Summary { failed: 0, .. } => ExitCode::from(INVALID),
        _ => ExitCode::FAILURE,
    }
}

fn plan(args: &Args) -> Plan {
    let jobs = args.jobs.map(usize::from);
    Plan {
        profile: args.profile.into(),
        abi: None,
        versions: args.ip_version.map_or(IpVersion::ALL.to_vec(), |version| vec![version.into()]),
        defines: args.defines.iter().cloned().collect::<Defines>(),
        init: args.init.clone(),
        linger: args.linger.unwrap_or_default(),
        strict: args.strict,
        open_end: args.open_end,
        door: None,
        jobs: jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

/// What is printed in the end.
fn told(args: &Args, outcomes: &[Outcome], took: Duration) -> String {
    if args.json {
        return serde_json::to_string_pretty(outcomes).unwrap_or_default() + "\n";
    }
    if args.junit {
        return report::junit(outcomes);
    }
    let mut out = String::new();
    for outcome in outcomes {
        for line in outcome.printed.iter().filter(|_| !args.quiet) {
            out.push_str(&format!("{}: {line}\n", outcome.name()));
        }
        for remark in &outcome.remarks {
            out.push_str(&format!("remark {}\n{remark}\n", outcome.name()));
        }
        if matches!(outcome.verdict, Verdict::Failed | Verdict::Invalid) {
            let word = if outcome.verdict == Verdict::Failed { "FAILED" } else { "INVALID" };
            let detail = outcome.detail.as_deref().unwrap_or_default();
            out.push_str(&format!("{word} {}\n{detail}\n", outcome.name()));
        }
    }
    let summary = Summary::of(outcomes);
    if !args.quiet || summary.failed + summary.invalid > 0 {
        out.push_str(&report::table(outcomes));
        out.extend(report::without_effect(outcomes));
        out.push_str(&format!("{} runs in {:.3} s\n", summary.total(), took.as_secs_f64()));
    }
    out
}

fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// How far it has come, in one line that is written over; only where somebody looks.
struct Progress {
    total: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
    shown: bool,
}

impl Progress {
    fn new(total: usize, args: &Args) -> Self {
        let shown = !args.quiet && io::stderr().is_terminal();
        Self { total, done: AtomicUsize::new(0), failed: AtomicUsize::new(0), shown }
    }

    fn tell(&self, outcomes: &[Outcome]) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let failed =
            outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed | Verdict::Invalid)).count();
        let failed = self.failed.fetch_add(failed, Ordering::Relaxed) + failed;
        if self.shown {
            let words = if failed == 0 { String::new() } else { format!(", {failed} not passed") };
            // without anybody to read it, the results are as good
            let _ = write!(io::stderr(), "\r\x1b[Kbowline: {done} of {} scripts{words}", self.total);
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
