//! Runs the tests once for each variant, and the model checker where they say nothing. A variant is caught when a test fails,
//! when the checker finds something wrong or misses an arrow, or when they do not come to an end.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Variant;
use super::build::{Binary, Kind};
use super::weave::CHOICE;

/// Tests of other rooms, and of what others show in less time.
const SKIPPED: [&str; 7] = [
    "congestion::",
    "demux::",
    "recovery::",
    "recv::",
    "bulk::reordering_of_half_a_round_trip",
    "random::the_third_thousand",
    "random::the_fourth_thousand",
];

/// Tests that take long: only about what the others let pass.
const SLOW: [&str; 3] = ["bulk::", "random::the_first_thousand", "random::the_second_thousand"];

/// The model checker's bound here: two seconds, in which it takes every arrow of the whole table.
const EXPLORE: [&str; 6] = ["--states", "100000", "--endings", "32", "--threads", "1"];

/// How many times as long as with the whole code tests may take, and how long at least.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(60));

/// What becomes of the variants, by their numbers.
#[derive(Default)]
pub(super) struct Outcome {
    /// Those that nothing noticed.
    pub(super) survivors: BTreeSet<usize>,
    /// Those that the model checker noticed. It was asked about the table, and about what no test noticed.
    pub(super) by_model: BTreeSet<usize>,
}

/// Tests the variants of these numbers, `jobs` at a time; `quick`: not with the slow tests.
pub(super) fn run(
    binaries: &[Binary],
    variants: &[Variant],
    chosen: &[usize],
    (jobs, quick): (usize, bool),
) -> Result<Outcome, String> {
    let started = Instant::now();
    let asked = || all(binaries).filter(move |(_, part)| !(quick && *part == Part::Slow));
    for (binary, part) in asked() {
        if caught(binary, part, 0, Duration::MAX)? {
            return Err(format!("{} fails with the code as it is", binary.path.display()));
        }
    }
    let patience = (started.elapsed() * PATIENCE.0).max(PATIENCE.1);
    println!("the tests take {:.1} s with the code as it is", started.elapsed().as_secs_f64());
    let left = Mutex::new(chosen.iter().copied().collect::<VecDeque<usize>>());
    let outcome = Mutex::new(Outcome::default());
    let next = || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() % 50 == 0 && left.len() < chosen.len() {
            println!("{} of {} to go", left.len(), chosen.len());
        }
        left.pop_front()
    };
    let work = || -> Result<(), String> {
        while let Some(number) = next() {
            let variant = variants.get(number - 1);
            let (mut by_test, mut by_model) = (false, false);
            for (binary, part) in asked() {
                match binary.kind {
                    Kind::Tests => by_test = by_test || caught(binary, part, number, patience)?,
                    Kind::Model if by_test && !variant.is_some_and(Variant::is_of_table) => {}
                    Kind::Model => by_model = caught(binary, part, number, patience)?,
                }
            }
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            if by_model {
                outcome.by_model.insert(number);
            } else if !by_test {
                println!("survives: {}", variant.map_or("?", |variant| &*variant.name));
                outcome.survivors.insert(number);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker ended early".to_owned())?)
    })?;
    Ok(outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Which of the questions to a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The tests that take no time.
    Quick,
    /// The others.
    Slow,
    /// Exploring.
    Explore,
}

/// Each program with each of its questions, the slow ones last.
fn all(binaries: &[Binary]) -> impl Iterator<Item = (&Binary, Part)> {
    let parts = [(Part::Quick, Kind::Tests), (Part::Slow, Kind::Tests), (Part::Explore, Kind::Model)];
    let of = move |kind| binaries.iter().filter(move |binary| binary.kind == kind);
    parts.into_iter().flat_map(move |(part, kind)| of(kind).map(move |binary| (binary, part)))
}

/// Whether something is found wrong with this variant, or what is asked takes longer than `patience`.
fn caught(binary: &Binary, part: Part, number: usize, patience: Duration) -> Result<bool, String> {
    let mut command = Command::new(&binary.path);
    command.current_dir(&binary.directory).env(CHOICE, number.to_string()).env("PROPTEST_FAILURE_PERSISTENCE", "off");
    match part {
        Part::Quick => command.args(SKIPPED.iter().chain(&SLOW).flat_map(|test| ["--skip", *test])),
        Part::Slow => command.args(SKIPPED.iter().flat_map(|test| ["--skip", *test])).args(SLOW),
        Part::Explore => command.args(EXPLORE),
    };
    if part != Part::Explore {
        command.args(["--test-threads", "1"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", binary.path.display()))?;
    let fails = fails(&mut child, patience);
    let _ = child.kill();
    child.wait().map(|status| fails || !status.success()).map_err(|error| format!("cannot wait for a test: {error}"))
}

/// Reads what the program says until it finds something wrong, it ends, or time is up.
fn fails(child: &mut Child, patience: Duration) -> bool {
    let Some(output) = child.stdout.take() else { return true };
    let (say, hear) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| say.send(line))
    });
    let end = Instant::now().checked_add(patience);
    loop {
        let left = end.map_or(Duration::from_secs(3600), |end| end.saturating_duration_since(Instant::now()));
        match hear.recv_timeout(left) {
            Ok(line) if line.ends_with("... FAILED") || line.contains(" WRONG ") => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
