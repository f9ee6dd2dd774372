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
use crate::step;

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

/// How many times as long as with the whole code a program's answer may take, and how long at least. It is the processor's time
/// that counts, and not that of a machine with other work.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(5));
/// How long it may take by the clock: who waits for ever uses no processor.
const END: Duration = Duration::from_secs(1800);
/// How often it is looked at, where it says nothing.
const LOOK: Duration = Duration::from_millis(500);

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
    let mut asked = Vec::new();
    for (binary, part) in all(binaries).filter(|(_, part)| !(quick && *part == Part::Slow)) {
        let before = (Instant::now(), step::cpu_of_children());
        if caught(binary, part, 0, END)? {
            return Err(format!("{} fails with the code as it is", binary.path.display()));
        }
        let taken = match step::cpu_of_children() - before.1 {
            cpu if cpu > 0.0 => Duration::from_secs_f64(cpu),
            _ => before.0.elapsed(),
        };
        println!("{part:?} {}: {:.1} s with the code as it is", binary.path.display(), taken.as_secs_f64());
        asked.push((binary, part, (taken * PATIENCE.0).max(PATIENCE.1)));
    }
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
            for &(binary, part, patience) in &asked {
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// Whether something is found wrong with this variant, or what is asked takes more than `patience`, of a processor.
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
    let started = Instant::now();
    loop {
        match hear.recv_timeout(LOOK) {
            Ok(line) if line.ends_with("... FAILED") || line.contains(" WRONG ") => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => {
                let spent = step::cpu_of(child.id()).map_or_else(|| started.elapsed(), Duration::from_secs_f64);
                if spent > patience || started.elapsed() > END {
                    return true;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
