//! Breaks the core on purpose, one place at a time, and sees that tests fail: `cargo-mutants` over the rooms that decide
//! about a connection's state. What survives is listed, with the reason, in `docs/mutants.md`.

use crate::{setup, step};

/// What is broken where nobody names files: the table, what arrives, what listens, what lingers.
const ROOMS: [&str; 7] = [
    "crates/tcp/src/state.rs",
    "crates/tcp/src/connection/arrives.rs",
    "crates/tcp/src/connection/arrives/*.rs",
    "crates/tcp/src/listener.rs",
    "crates/tcp/src/listener/*.rs",
    "crates/tcp/src/time_wait.rs",
    "crates/tcp/src/time_wait/*.rs",
];

/// Tests of other rooms, which the broken ones are no part of.
const TESTS: &str = "not test(/^(recv|recovery|congestion)::|guessing_is_hopeless/)";

/// Runs the campaign over these files, globs among them.
pub(crate) fn run(files: &[String]) -> Result<(), String> {
    if !setup::has_subcommand("mutants") {
        return Err("cargo-mutants is missing: `cargo install --locked cargo-mutants`".into());
    }
    let mut command = step::command("cargo", &["mutants", "--package", "bowline-tcp", "--test-tool", "nextest"]);
    command.args(["--profile", "mutants", "--jobs", "1", "--minimum-test-timeout", "30", "--output", "target"]);
    for room in ROOMS.iter().filter(|_| files.is_empty()) {
        command.args(["--file", room]);
    }
    for file in files {
        command.args(["--file", file]);
    }
    step::run(command.args(["--", "--fail-fast", "-E", TESTS]))
}
