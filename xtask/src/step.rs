//! How a command is run, timed and reported.
//!
//! Knows nothing about what the commands do, apart from the two summary lines that Rust's test runners print.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The root of the repository, which holds the workspace manifest.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A command that runs `program` in the root of the repository, with no input.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs `command` with its output shown. The error names the command.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs `command` quietly and returns its standard output. The error carries what it wrote to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command.output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` wrote something that is not UTF-8"))
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("`{shown}` ended with {}: {stderr}", output.status))
    }
}

/// Whether `command` can be started and ends well; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and failed, or timed out.
    pub(crate) failed: u64,
}

impl Tally {
    /// Adds the counts of a summary line of nextest or of libtest; any other line changes nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let plain = without_colours(line);
        let summary = if let Some((_, rest)) = plain.split_once("tests run:") {
            rest.to_owned()
        } else if let Some((_, rest)) = plain.split_once("test run:") {
            rest.to_owned()
        } else if let Some(rest) = plain.trim_start().strip_prefix("test result:") {
            rest.replace("ok.", "").replace("FAILED.", "")
        } else {
            return;
        };
        for part in summary.split([',', ';']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(kind)) = (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match kind {
                "passed" => self.passed += count,
                "failed" | "timed" | "exec" => self.failed += count,
                _ => {}
            }
        }
    }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Runs a test runner, shows what it writes, and counts the tests in its summary lines.
pub(crate) fn run_tests(command: &mut Command, tally: &mut Tally) -> Result<(), String> {
    let shown = show(command);
    println!("$ {shown}");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(|| stdout.map_or_else(Tally::default, |pipe| copy(pipe, std::io::stdout())));
        let err = scope.spawn(|| stderr.map_or_else(Tally::default, |pipe| copy(pipe, std::io::stderr())));
        for thread in [out, err] {
            let counted = thread.join().unwrap_or_default();
            tally.passed += counted.passed;
            tally.failed += counted.failed;
        }
    });
    let status = child.wait().map_err(|error| format!("cannot wait for `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

fn copy(from: impl std::io::Read, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(from).split(b'\n') {
        let Ok(line) = line else { break };
        tally.add_line(&String::from_utf8_lossy(&line));
        // A closed output is no reason to stop counting.
        let _ = to.write_all(&line).and_then(|()| to.write_all(b"\n"));
    }
    tally
}

/// The steps of one run: each is announced, timed and remembered, and a failed one does not stop the others.
pub(crate) struct Report {
    started: Instant,
    steps: Vec<(String, Duration, Result<(), String>)>,
}

impl Report {
    /// An empty report whose clock starts now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), steps: Vec::new() }
    }

    /// Runs one step.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        match &result {
            Ok(()) => println!("=== {name}: ok, {:.1} s", took.as_secs_f64()),
            Err(message) => println!("=== {name}: FAILED, {:.1} s: {message}", took.as_secs_f64()),
        }
        self.steps.push((name.to_owned(), took, result));
    }

    /// Prints the table and, as the very last line, the tests that passed and failed. A failed step whose failure is
    /// not a test counts as one failure.
    pub(crate) fn finish(self, tally: Tally) -> Result<(), String> {
        println!("\n{:<28} {:>8}  result", "step", "seconds");
        for (name, took, result) in &self.steps {
            let word = if result.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<28} {:>8.1}  {word}", took.as_secs_f64());
        }
        println!("{:<28} {:>8.1}", "total", self.started.elapsed().as_secs_f64());
        let failed_steps: Vec<_> =
            self.steps.iter().filter_map(|(name, _, result)| result.as_ref().err().map(|why| (name, why))).collect();
        for (name, why) in &failed_steps {
            println!("FAILED {name}: {why}");
        }
        let failed = tally.failed.max(failed_steps.len() as u64);
        let failure =
            failed_steps.first().map(|(name, _)| format!("{} step(s) failed, first {name}", failed_steps.len()));
        if let Some(message) = &failure {
            eprintln!("xtask: {message}");
        }
        println!("\n{} passed, {failed} failed", tally.passed);
        std::io::stdout().flush().map_err(|error| error.to_string())?;
        if failure.is_some() { std::process::exit(1) } else { Ok(()) }
    }
}

/// Processor seconds of the children that have ended, and theirs; 0 where the system does not say.
pub(crate) fn cpu_of_children() -> f64 {
    // cutime and cstime.
    cpu("self", [16, 17]).unwrap_or_default()
}

/// Processor seconds of a process that has not been waited for, without its children's; `None` where the system does not say.
pub(crate) fn cpu_of(process: u32) -> Option<f64> {
    // utime and stime.
    cpu(&process.to_string(), [14, 15])
}

/// The sum of two fields of `/proc/PROCESS/stat`, which are in hundredths of a second.
fn cpu(process: &str, fields: [usize; 2]) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Those behind the name, which is in parentheses, begin with the third.
    let behind: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |field: usize| behind.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(fields[0])? + ticks(fields[1])?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(lines: &[&str]) -> (u64, u64) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.add_line(line));
        (tally.passed, tally.failed)
    }

    #[test]
    fn counts_nextest() {
        assert_eq!(tally(&["     Summary [   0.012s] 7 tests run: 7 passed, 2 skipped"]), (7, 0));
        assert_eq!(tally(&["Summary [ 0.1s] 1 test run: 1 passed (1 slow), 0 skipped"]), (1, 0));
        assert_eq!(tally(&["Summary [ 9.1s] 9 tests run: 5 passed, 3 failed, 1 timed out, 0 skipped"]), (5, 4));
        assert_eq!(
            tally(&[
                "\u{1b}[32;1m Summary\u{1b}[0m [ 1s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m"
            ]),
            (3, 0)
        );
    }

    #[test]
    fn adds_libtest() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test foo ... ok",
        ];
        assert_eq!(tally(&lines), (15, 2));
    }
}
