//! What libFuzzer says of its progress, and what is written down of a run: `docs/fuzz.toml`, a table for each target's last
//! one.

use std::fmt;
use std::fs;
use std::time::Instant;

use serde::Deserialize;

use crate::step;

/// Where runs are written down.
const RECORDS: &str = "docs/fuzz.toml";

/// A line of libFuzzer's while it forks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Inputs that were run.
    runs: u64,
    /// Edges of the control flow that were taken.
    edges: u64,
    /// Edges, each with how often it was taken, and comparisons.
    features: u64,
    /// Inputs that are kept, because each has a feature of its own.
    inputs: u64,
    /// Runs a second, of late.
    speed: u64,
    seconds: u64,
}

impl Progress {
    /// Of `#51484: cov: 5200 ft: 24293 corp: 2012 exec/s: 87 oom/timeout/crash: 0/0/0 time: 491s job: 29 dft_time: 0`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (runs, rest) = line.strip_prefix('#')?.split_once(": ")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.trim_end_matches('s').parse().ok()
        };
        Some(Self {
            runs: runs.parse().ok()?,
            edges: after("cov:")?,
            features: after("ft:")?,
            inputs: after("corp:")?,
            speed: after("exec/s:")?,
            seconds: after("time:")?,
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, edges, features, inputs, speed, seconds } = self;
        let minutes = seconds / 60;
        write!(
            f,
            "{minutes:>4} min {runs:>10} runs {speed:>6}/s {inputs:>6} inputs {edges:>6} edges {features:>7} features"
        )
    }
}

/// What a run has taken.
pub(super) struct Clock {
    started: Instant,
    cpu: f64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), cpu: step::cpu_of_children() }
    }
}

/// A run that has ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) target: String,
    /// The day, in UTC.
    pub(super) date: String,
    pub(super) minutes: u64,
    /// What the processors had of it.
    pub(super) cpu_minutes: u64,
    pub(super) runs: u64,
    pub(super) inputs: u64,
    pub(super) edges: u64,
    pub(super) features: u64,
    pub(super) findings: usize,
    /// What they were: written by hand.
    pub(super) found: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Records {
    #[serde(default, rename = "run")]
    pub(super) list: Vec<Run>,
}

impl Records {
    pub(super) fn read() -> Result<Self, String> {
        let path = step::root().join(RECORDS);
        let Ok(text) = fs::read_to_string(path) else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|error| format!("{RECORDS}: {error}"))
    }

    /// The file.
    fn text(&self) -> String {
        let begin = "# The last run of each target: `cargo xtask fuzz TARGET --minutes 60 --record` writes it; what was\n\
                     # found is said by hand.\n";
        self.list.iter().fold(begin.to_owned(), |text, run| {
            let Run { target, date, minutes, cpu_minutes, runs, inputs, edges, features, findings, found } = run;
            // A string of JSON is one of TOML.
            let found = found.as_deref().map_or(String::new(), |what| format!("found = {}\n", serde_json::json!(what)));
            text + &format!(
                "\n[[run]]\ntarget = \"{target}\"\ndate = \"{date}\"\nminutes = {minutes}\ncpu_minutes = {cpu_minutes}\n\
                 runs = {runs}\ninputs = {inputs}\nedges = {edges}\nfeatures = {features}\nfindings = {findings}\n{found}"
            )
        })
    }
}

impl Run {
    pub(super) fn new(
        target: &str,
        asked: u64,
        clock: &Clock,
        last: &Progress,
        findings: usize,
    ) -> Result<Self, String> {
        let cpu = step::cpu_of_children() - clock.cpu;
        let elapsed = clock.started.elapsed().as_secs() / 60;
        Ok(Self {
            target: target.to_owned(),
            date: step::output(&mut step::command("date", &["-u", "+%F"]))?.trim().to_owned(),
            minutes: elapsed.min(asked),
            cpu_minutes: (cpu / 60.0).round() as u64,
            runs: last.runs,
            inputs: last.inputs,
            edges: last.edges,
            features: last.features,
            findings,
            found: None,
        })
    }

    /// Writes it down in place of what was there of the target.
    pub(super) fn write(&self) -> Result<(), String> {
        let mut records = Records::read()?;
        records.list.retain(|run| run.target != self.target);
        records.list.push(self.clone());
        records.list.sort_by(|a, b| a.target.cmp(&b.target));
        fs::write(step::root().join(RECORDS), records.text()).map_err(|error| format!("{RECORDS}: {error}"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, minutes, cpu_minutes, runs, inputs, edges, features, findings, .. } = self;
        write!(
            f,
            "{target}: {runs} runs in {minutes} minutes, {cpu_minutes} of a processor: {edges} edges, {features} features, \
             {inputs} inputs, {findings} findings"
        )
    }
}

#[cfg(test)]
mod tests;
