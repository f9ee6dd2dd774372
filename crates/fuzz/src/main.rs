//! `bowline-fuzz TARGET [--seconds N] [--seed S] [--corpus DIR] [--write-seeds]`: fuzzes with a stable compiler.
//!
//! Follows no coverage (`cargo xtask fuzz` does); it mutates the corpus and the target's own seeds. A finding prints the seed and
//! the iteration that replay it and leaves the input in the corpus folder as `crash-…`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use bowline_fuzz::mutate::{Random, mutate};
use bowline_fuzz::{TARGETS, Target, target};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Settings {
    target: Target,
    seconds: u64,
    seed: u64,
    corpus: PathBuf,
    write_seeds: bool,
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let usage = format!(
        "usage: bowline-fuzz TARGET [--seconds N] [--seed S] [--corpus DIR] [--write-seeds]\ntargets: {}",
        names.join(", ")
    );
    let name = arguments.next().ok_or_else(|| usage.clone())?;
    let target = target(&name).ok_or_else(|| usage.clone())?;
    let corpus = PathBuf::from("fuzz/corpus").join(target.name);
    let mut settings = Settings { target, seconds: 10, seed: 1, corpus, write_seeds: false };
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{option} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("'{text}' is not a number"));
        match option.as_str() {
            "--seconds" => settings.seconds = number(value()?)?,
            "--seed" => settings.seed = number(value()?)?,
            "--corpus" => settings.corpus = value()?.into(),
            "--write-seeds" => settings.write_seeds = true,
            _ => return Err(usage),
        }
    }
    Ok(settings)
}

fn inputs(settings: &Settings) -> std::io::Result<Vec<Vec<u8>>> {
    let mut inputs = (settings.target.seeds)();
    if settings.write_seeds {
        std::fs::create_dir_all(&settings.corpus)?;
        for (number, seed) in inputs.iter().enumerate() {
            std::fs::write(settings.corpus.join(format!("seed-{number:02}")), seed)?;
        }
    }
    if settings.corpus.is_dir() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&settings.corpus)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            inputs.push(std::fs::read(path)?);
        }
    }
    Ok(inputs)
}

/// Runs until the time is up or a finding; returns the iterations, and the finding's input.
fn fuzz(settings: &Settings, inputs: &[Vec<u8>]) -> (u64, Option<Vec<u8>>) {
    let mut random = Random::new(settings.seed);
    let end = Instant::now() + Duration::from_secs(settings.seconds);
    let mut iterations = 0;
    for input in inputs {
        if std::panic::catch_unwind(|| (settings.target.run)(input)).is_err() {
            return (iterations, Some(input.clone()));
        }
    }
    while iterations % 1024 != 0 || Instant::now() < end {
        iterations += 1;
        let pick = |random: &mut Random| inputs.get(random.below(inputs.len())).cloned().unwrap_or_default();
        let (mut input, other) = (pick(&mut random), pick(&mut random));
        mutate(&mut random, &mut input, &other);
        if std::panic::catch_unwind(|| (settings.target.run)(&input)).is_err() {
            return (iterations, Some(input));
        }
    }
    (iterations, None)
}

fn run() -> Result<(), String> {
    let settings = settings(std::env::args().skip(1))?;
    let inputs = inputs(&settings).map_err(|error| format!("{}: {error}", settings.corpus.display()))?;
    let (iterations, finding) = fuzz(&settings, &inputs);
    println!("{}: {iterations} iterations, {} inputs, seed {}", settings.target.name, inputs.len(), settings.seed);
    let Some(input) = finding else { return Ok(()) };
    let path = settings.corpus.join(format!("crash-{}-{iterations}", settings.seed));
    std::fs::create_dir_all(&settings.corpus)
        .and_then(|()| std::fs::write(&path, &input))
        .map_err(|e| e.to_string())?;
    Err(format!("finding in {}; the tests replay it from there", path.display()))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bowline-fuzz: {message}");
            ExitCode::FAILURE
        }
    }
}
