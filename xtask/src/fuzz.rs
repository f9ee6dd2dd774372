//! Fuzzing that follows coverage: libFuzzer drives the targets of `crates/fuzz` from the folder `fuzz`.
//!
//! A stable compiler instruments for it (the options are cargo-fuzz's, but for the sanitizers, which are of no use to code
//! without `unsafe`), so nothing has to be installed but a C++ compiler, which libFuzzer is built with. What an input is, and what is
//! wrong, the targets decide.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step;

mod coverage;
mod page;
mod record;

const USAGE: &str = "usage: cargo xtask fuzz [TARGET]... [--minutes N] [--jobs N] [--record]\n       \
                     cargo xtask fuzz coverage\n       cargo xtask fuzz keep [TARGET]...";

/// In the order in which they are worth the time.
const TARGETS: [&str; 5] = ["endpoint", "pair", "stack", "wire", "drill"];

/// What counts the edges that are taken, and shows libFuzzer what is compared.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                            -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest input.
const MAX_LEN: &str = "-max_len=4096";
/// Seconds after which one input is a finding, on a machine that has other work, too.
const TIME_OUT: &str = "-timeout=120";
/// Seconds in which a finding is made smaller.
const SHRINK: &str = "-max_total_time=60";

/// What is asked for.
struct Campaign {
    targets: Vec<String>,
    minutes: u64,
    jobs: usize,
    record: bool,
}

impl Campaign {
    fn parse(args: &[String]) -> Result<Self, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut campaign = Self { targets: Vec::new(), minutes: 10, jobs, record: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or_else(|| USAGE.to_owned());
            match arg.as_str() {
                "--minutes" => campaign.minutes = number()?,
                "--jobs" => campaign.jobs = usize::try_from(number()?).map_err(|_| USAGE)?.max(1),
                "--record" => campaign.record = true,
                name if TARGETS.contains(&name) => campaign.targets.push(name.to_owned()),
                _ => return Err(format!("{USAGE}\ntargets: {}", TARGETS.join(", "))),
            }
        }
        if campaign.targets.is_empty() {
            campaign.targets = TARGETS.map(str::to_owned).into();
        }
        Ok(campaign)
    }
}

/// Fuzzes, or does what else the first word says.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    match args.split_first() {
        Some((word, [])) if word == "coverage" => coverage::run(),
        Some((word, rest)) if word == "keep" => {
            let programs = build()?;
            Campaign::parse(rest)?.targets.iter().try_for_each(|target| keep(&programs, target))
        }
        _ => {
            let campaign = Campaign::parse(args)?;
            let programs = build()?;
            campaign.targets.iter().try_for_each(|target| fuzz(&programs, target, &campaign))
        }
    }
}

/// Where what is found on the way stays from run to run.
fn work(target: &str) -> PathBuf {
    step::root().join("target/fuzz/corpus").join(target)
}

/// What everybody gets, and the tests replay.
fn corpus(target: &str) -> PathBuf {
    step::root().join("fuzz/corpus").join(target)
}

/// Builds the instrumented programs; answers the folder that they are in.
fn build() -> Result<PathBuf, String> {
    let host = host()?;
    let build = step::root().join("target/fuzz/build");
    // Only with a target are build scripts and macros left as they are.
    let mut cargo = step::command("cargo", &["build", "--release", "--target", &host]);
    cargo.current_dir(step::root().join("fuzz")).env("CARGO_TARGET_DIR", &build).env("RUSTFLAGS", INSTRUMENTED);
    step::run(&mut cargo)?;
    Ok(build.join(host).join("release"))
}

/// The compiler's name for this machine.
fn host() -> Result<String, String> {
    let version = step::output(&mut step::command("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say which host it is for".to_owned())
}

fn libfuzzer(programs: &Path, target: &str) -> Command {
    let mut command = Command::new(programs.join(target));
    command.current_dir(step::root()).args([MAX_LEN, TIME_OUT]).stdin(Stdio::null());
    command
}

/// Runs one target for its time, on several processors, and puts a finding where the tests replay it.
fn fuzz(programs: &Path, target: &str, campaign: &Campaign) -> Result<(), String> {
    let (work, findings) = (work(target), step::root().join("target/fuzz/findings").join(target));
    for folder in [&work, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let before = listed(&findings);
    let mut command = libfuzzer(programs, target);
    command.args([&work, &corpus(target)]);
    command.arg(format!("-fork={}", campaign.jobs)).arg(format!("-max_total_time={}", campaign.minutes * 60));
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    println!("{target}: {} minutes, {} at a time", campaign.minutes, campaign.jobs);
    let spent = record::Clock::start();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut last = record::Progress::default();
    let mut said = Vec::new();
    for line in child.stderr.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok)) {
        if let Some(progress) = record::Progress::parse(&line) {
            println!("{target}: {progress}");
            last = progress;
        }
        said.push(line);
        // Of what it says only the end matters: the panic's message, where there is one.
        if said.len() > 200 {
            said.drain(..100);
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let found: Vec<PathBuf> = listed(&findings).into_iter().filter(|path| !before.contains(path)).collect();
    let run = record::Run::new(target, campaign.minutes, &spent, &last, found.len())?;
    println!("{run}");
    if campaign.record {
        run.write()?;
    }
    if let Some(finding) = found.first() {
        said.iter().for_each(|line| eprintln!("{line}"));
        let kept = shrink(programs, target, finding)?;
        return Err(format!("{target}: a finding in {}; the tests replay it from there", kept.display()));
    }
    if status.success() { Ok(()) } else { Err(format!("{target}: libFuzzer ended with {status}\n{}", said.join("\n"))) }
}

/// Makes a finding smaller, and puts it into the corpus.
fn shrink(programs: &Path, target: &str, finding: &Path) -> Result<PathBuf, String> {
    let name = finding.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let kept = corpus(target).join(format!("finding-{name}"));
    fs::copy(finding, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let mut command = libfuzzer(programs, target);
    command.args(["-minimize_crash=1", SHRINK]).arg(format!("-exact_artifact_path={}", kept.display())).arg(finding);
    // It fails whenever the input does, as it should; what it has reached is in the file.
    step::succeeds(&mut command);
    Ok(kept)
}

/// Adds to the corpus what takes an edge that nothing in it takes.
fn keep(programs: &Path, target: &str) -> Result<(), String> {
    let before = listed(&corpus(target)).len();
    let mut command = libfuzzer(programs, target);
    command.args(["-merge=1", "-use_counters=0"]).args([corpus(target), work(target)]);
    if !step::succeeds(&mut command) {
        return Err(format!("{target}: libFuzzer could not merge"));
    }
    println!("{target}: {} inputs more", listed(&corpus(target)).len() - before);
    Ok(())
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}
