//! What only a long run shows: large transfers, many connections and a flood, by the release build and real programs.
//!
//! Each step is a script that fails by itself when what it looks at is wrong, and prints its figures. Nothing leaves this
//! host's loopback. It takes about ten minutes and 9 GB below the temporary folder.

use std::path::PathBuf;
use std::process::Command;

use crate::step::{self, Report, Tally};

/// What every script has: a folder that goes at the end, an nginx with that folder as its root, and the functions.
const PRELUDE: &str = include_str!("soak/prelude.sh");

/// The steps in order: a name and a script.
const STEPS: [(&str, &str); 5] = [
    ("4 GiB each way, clean", include_str!("soak/clean.sh")),
    ("32 MiB each way, bad link", include_str!("soak/bad.sh")),
    ("2,000 connections at once", include_str!("soak/wrk.sh")),
    ("100,000 connections in a row", include_str!("soak/row.sh")),
    ("SYN flood", include_str!("soak/flood.sh")),
];

/// Builds the release command and runs every step, or those whose name contains `only`.
pub(crate) fn run(only: Option<&str>) -> Result<(), String> {
    let chosen: Vec<_> = STEPS.into_iter().filter(|(name, _)| only.is_none_or(|only| name.contains(only))).collect();
    if chosen.is_empty() {
        return Err(format!("no step has that in its name; there are {}", STEPS.map(|(name, _)| name).join("; ")));
    }
    step::run(&mut step::command("cargo", &["build", "--release", "--locked", "--package", "bowline-cli"]))?;
    let mut report = Report::new();
    for (name, script) in chosen {
        report.step(name, || step::run(&mut shell(script)));
    }
    report.finish(Tally::default())
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("bash");
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["-euo", "pipefail", "-c", "eval \"$SCRIPT\""]).env("SCRIPT", format!("{PRELUDE}\n{script}"));
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("BOWLINE", bowline()).current_dir(step::root());
    command
}

fn bowline() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| step::root().join("target"), PathBuf::from);
    target.join("release/bowline")
}
