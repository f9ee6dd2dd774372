//! Every task of this repository, so that a developer and CI run the same thing.
//!
//! `cargo xtask` alone prints the list. A task decides what to run; [`step`] decides how it is run, timed and reported.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who started it")]

mod ci;
mod deny;
mod diagram;
mod differential;
mod fuzz;
mod lints;
mod model;
mod mutants;
mod nostd;
mod portable;
mod rfc;
mod setup;
mod soak;
mod step;
mod swarm;

use std::process::ExitCode;

const HELP: &str = "\
Tasks of the Bowline repository.

Usage: cargo xtask <TASK>

  setup    install the programs that tests and benchmarks need (apt packages as root, cargo-nextest, cargo-deny)
  ci       all that CI runs: setup, fmt, lints, clippy, tests, doc tests, nostd, portable, deny, docs, the diagram,
           conformance, and half a minute of what the kernel does otherwise
  nostd    prove that base, wire, tcp and stack need no std: link them beside a panic handler of our own
  portable compile the command for Windows and macOS, where rustup can fetch what that takes
  lints    the lint settings that each core crate must repeat
  deny     licences, bans and sources of every dependency against deny.toml
  model    explore TCP's state machine: two endpoints, a bad network, every order of events; `model --help` says more
  mutants  break the core's checks one by one and see that tests or the model checker notice: the state table, arrives/,
           listener/ and time_wait/; takes an hour. `mutants [--again] [--quick] [--only PART OF A NAME] [--since COMMIT]
           [--jobs N] [FILE]...` does less: `--again` breaks only what docs/mutants.md lists, `--since` what has changed,
           `--quick` leaves the slow tests out
  fuzz     libFuzzer over the targets of crates/fuzz, which follows coverage: `fuzz [TARGET]... [--minutes N] [--jobs N]`;
           `fuzz coverage` replays the corpus and writes docs/fuzz.md; `fuzz keep` adds to the corpus what takes a new edge
  diagram  draw docs/states.md from the table of TCP's transitions
  rfc      write docs/conformance.md: each requirement of the RFCs, where it is met and which test shows it; fails where one
           has neither a test nor a reason, and where a page cites a test that does not exist
  differential  the same segments to the running kernel and to Bowline: every difference must be one of docs/differences.md;
           `differential --seed N --count N --seconds N` runs others, `--page` only writes the page
  soak     what only a long run shows, by the release build: 4 GiB transfers, 100,000 connections, a flood;
           `soak NAME` runs the steps whose name contains it
  swarm    random worlds in virtual time, healed at the end, with nothing left: `swarm --seeds 0..100000 --minutes 30`; a world
           that fails is made small and written down
  help     this text
";

/// Whether a task takes so many words more.
fn takes(task: &str, words: usize) -> bool {
    matches!((task, words), ("model" | "mutants" | "differential" | "swarm" | "fuzz", _) | ("soak", 1))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) if rest.is_empty() || takes(task, rest.len()) => (task, rest),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let result = match task.as_str() {
        "setup" => setup::run(),
        "ci" => ci::run(),
        "nostd" => nostd::run(),
        "portable" => portable::run(),
        "lints" => lints::run(),
        "deny" => deny::run(),
        "diagram" => diagram::write(),
        "differential" => differential::run(rest),
        "rfc" => rfc::write(),
        "soak" => soak::run(rest.first().map(String::as_str)),
        "fuzz" => fuzz::run(rest),
        "model" => model::run(rest),
        "mutants" => mutants::run(rest),
        "swarm" => swarm::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("no task is called {other:?}; `cargo xtask help` lists them")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
