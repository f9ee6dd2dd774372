//! Runs the tests once for each variant, on all processors. A variant is caught when a test fails, or when the tests do not
//! come to an end.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Variant;
use super::build::Binary;
use super::weave::CHOICE;

/// Tests of other rooms, and of what others show in less time.
const SKIPPED: [&str; 6] =
    ["congestion::", "demux::", "recovery::", "recv::", "random::the_third_thousand", "random::the_fourth_thousand"];

/// Tests that take long: only about what the others let pass.
const SLOW: [&str; 2] = ["bulk::", "random::the_second_thousand"];

/// How many times as long as with the whole code tests may take, and how long at least.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(60));

/// Tests the variants of these numbers. Answers those that no test noticed.
pub(super) fn run(binaries: &[Binary], variants: &[Variant], chosen: &[usize]) -> Result<BTreeSet<usize>, String> {
    let started = Instant::now();
    for (binary, tests) in all(binaries) {
        if caught(binary, tests, 0, Duration::MAX)? {
            return Err(format!("{} fails with the code as it is", binary.path.display()));
        }
    }
    let patience = (started.elapsed() * PATIENCE.0).max(PATIENCE.1);
    println!("the tests take {:.1} s with the code as it is", started.elapsed().as_secs_f64());
    let left = Mutex::new(chosen.iter().copied().collect::<VecDeque<usize>>());
    let survivors = Mutex::new(BTreeSet::new());
    let next = || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() % 50 == 0 && left.len() < chosen.len() {
            println!("{} of {} to go", left.len(), chosen.len());
        }
        left.pop_front()
    };
    let work = || -> Result<(), String> {
        while let Some(number) = next() {
            let mut noticed = false;
            for (binary, tests) in all(binaries) {
                noticed = noticed || caught(binary, tests, number, patience)?;
            }
            if !noticed {
                println!("survives: {}", variants.get(number - 1).map_or("?", |variant| &*variant.name));
                survivors.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
            }
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker ended early".to_owned())?)
    })?;
    Ok(survivors.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Which tests of a program.
#[derive(Clone, Copy)]
enum Tests {
    Quick,
    Slow,
}

/// Each program's tests, the slow ones last.
fn all(binaries: &[Binary]) -> impl Iterator<Item = (&Binary, Tests)> {
    [Tests::Quick, Tests::Slow].into_iter().flat_map(|tests| binaries.iter().map(move |binary| (binary, tests)))
}

/// Whether one of these tests fails with this variant, or they take longer than `patience`.
fn caught(binary: &Binary, tests: Tests, number: usize, patience: Duration) -> Result<bool, String> {
    let mut command = Command::new(&binary.path);
    command.current_dir(&binary.directory).env(CHOICE, number.to_string()).env("PROPTEST_FAILURE_PERSISTENCE", "off");
    match tests {
        Tests::Quick => command.args(SKIPPED.iter().chain(&SLOW).flat_map(|test| ["--skip", *test])),
        Tests::Slow => command.args(SLOW),
    };
    command.args(["--test-threads", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", binary.path.display()))?;
    let fails = fails(&mut child, patience);
    let _ = child.kill();
    child.wait().map(|status| fails || !status.success()).map_err(|error| format!("cannot wait for a test: {error}"))
}

/// Reads what the program says until a test fails, it ends, or time is up.
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
            Ok(line) if line.ends_with("... FAILED") => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
