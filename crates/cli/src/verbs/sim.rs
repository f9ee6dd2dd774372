//! `bowline sim SCENARIO.toml`: scenarios in virtual time, one or a grid of them, and what is written of them.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline_sim::scenario::sweep::{self, Axis};
use bowline_sim::scenario::{ScenarioError, Settings};
use bowline_sim::{Report, Scenario};

use crate::usage::{USAGE, complain};

/// What is on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The scenario: hosts, links and flows, in TOML
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Where all chance comes from, in place of what the scenario says
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub json: bool,

    /// Write plots to this directory, as SVG: windows, sequence numbers, queues
    #[arg(long, value_name = "DIR", help_heading = SEEING, conflicts_with = "sweep")]
    pub plots: Option<PathBuf>,
    /// Write a capture (pcapng) and the sequence diagrams of each host to this directory
    #[arg(long, value_name = "DIR", help_heading = SEEING, conflicts_with = "sweep")]
    pub record: Option<PathBuf>,

    /// Vary what stands at PATH over VALUES, a list or a range; several make a grid
    #[arg(long, value_name = "PATH=VALUES", help_heading = SWEEPING)]
    pub sweep: Vec<Axis>,
    /// Write the grid's table to this file, as CSV
    #[arg(long, value_name = "FILE", help_heading = SWEEPING, requires = "sweep")]
    pub csv: Option<PathBuf>,
    /// Write the grid's table to this file, as Parquet
    #[arg(long, value_name = "FILE", help_heading = SWEEPING, requires = "sweep")]
    pub parquet: Option<PathBuf>,
    /// Runs at once [default: as many as there are processors]
    #[arg(long, value_name = "N", help_heading = SWEEPING, requires = "sweep", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

const SEEING: &str = "Seeing what happens";
const SWEEPING: &str = "Running a grid";

const EXAMPLES: &str = "\
A scenario names hosts, links and flows; names at the ends of links that are no hosts are routers.
Time is virtual, and the same seed gives the same packets.

  [hosts.alice]
  [hosts.bob]
  [[link]]
  ends = [\"alice\", \"bob\"]
  rate = \"100mbit\"
  delay = \"20ms\"
  queue = \"250kB\"
  [[flow]]
  from = \"alice\"
  to = \"bob\"
  bytes = \"10MB\"

Examples:
  bowline sim scenarios/first.toml
  bowline sim scenarios/first.toml --plots plots --record record
  bowline sim scenarios/first.toml --sweep link.0.loss=0%,0.1%,1% --sweep seed=1..10 --csv grid.csv

Exit status: 0; 1 if a flow failed or a file could not be written; 2 for a bad command line or scenario.";

/// Runs what is asked for.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let table = match read(args) {
        Ok(table) => table,
        Err(problem) => {
            complain(&problem);
            return ExitCode::from(USAGE);
        }
    };
    let outcome = if args.sweep.is_empty() { once(args, table) } else { grid(args, &table) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error @ ScenarioError::Text(_)) => {
            complain(&format!("{}: {}", args.scenario.display(), one_line(&error.to_string())));
            ExitCode::from(USAGE)
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The scenario's file, with the seed in place.
fn read(args: &Args) -> Result<toml::Table, String> {
    let name = args.scenario.display();
    let text = fs::read_to_string(&args.scenario).map_err(|error| format!("{name}: {error}"))?;
    let mut table: toml::Table =
        toml::from_str(&text).map_err(|error| format!("{name}: {}", one_line(&error.to_string())))?;
    if let Some(seed) = args.seed {
        let seed = i64::try_from(seed).map_err(|_| format!("--seed {seed} is more than {}", i64::MAX))?;
        table.insert("seed".to_owned(), seed.into());
    }
    Ok(table)
}

/// One run: its report. Whether no flow failed.
fn once(args: &Args, table: toml::Table) -> Result<bool, ScenarioError> {
    let scenario = Scenario::from_table(table)?;
    let progress = |share: f64| tell(&format!("{:3.0} %", share * 100.0));
    let settings = Settings { record: args.record.clone(), plots: args.plots.clone(), progress: Some(&progress) };
    let report = scenario.run(&settings)?;
    clear();
    let text = if args.json { json(&report)? } else { report.to_string() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(failures([&report]))
}

/// A grid: its table, in files or on standard output.
fn grid(args: &Args, table: &toml::Table) -> Result<bool, ScenarioError> {
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let told = AtomicUsize::new(0);
    let points = sweep::sweep(table, &args.sweep, jobs, &|done, of| {
        // Runs end in any order, and whoever is last tells.
        if told.fetch_max(done, Ordering::Relaxed) < done {
            tell(&format!("{done} of {of} runs"));
        }
    })?;
    clear();
    let rows = sweep::rows(&args.sweep, &points);
    if let Some(path) = &args.csv {
        write(path, |file| rows.write_csv(file))?;
    }
    if let Some(path) = &args.parquet {
        write(path, |file| rows.write_parquet(file))?;
    }
    if args.json {
        let reports: Vec<&Report> = points.iter().map(|point| &point.report).collect();
        io::stdout().write_all(json(&reports)?.as_bytes())?;
    } else if args.csv.is_none() && args.parquet.is_none() {
        rows.write_csv(io::stdout().lock())?;
    }
    Ok(failures(points.iter().map(|point| &point.report)))
}

/// Writes a file whole, or leaves what was there.
fn write(path: &Path, content: impl FnOnce(BufWriter<File>) -> io::Result<()>) -> Result<(), ScenarioError> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = File::create(&partial).and_then(|file| content(BufWriter::new(file)));
    let placed = written.and_then(|()| fs::rename(&partial, path));
    if placed.is_err() {
        let _ = fs::remove_file(&partial);
    }
    Ok(placed.map_err(named)?)
}

fn failures<'a>(reports: impl IntoIterator<Item = &'a Report>) -> bool {
    reports.into_iter().flat_map(|report| &report.flows).all(|flow| flow.error.is_none())
}

fn json(value: &impl serde::Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// What TOML says in several lines, in one.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// How far it is, where somebody looks.
fn tell(how_far: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r{how_far}\x1b[K");
    }
}

fn clear() {
    tell("");
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r");
    }
}
