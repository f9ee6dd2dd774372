//! The whole command line, as it is written.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::usage;
use crate::verbs::{bench, completions, demo, drill, man, run, sim, ss};

/// Run programs behind a userspace TCP/IP stack, and see what their connections do.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  bowline run -- curl -sS http://bowline.internal/
  bowline run --loss 2% --delay 40ms -- git clone https://example.org/repo
  bowline demo
  bowline sim scenarios/first.toml
  bowline ss state established
  bowline drill scripts
  bowline bench memory --quick
  bowline completions bash > ~/.local/share/bash-completion/completions/bowline
  bowline man | man -l -";

/// A verb of the command.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a program behind the stack, without privilege, and see what its connections do
    Run(Box<run::Args>),
    /// Watch two hosts in memory talk over a bad network: no privilege, no waiting
    Demo(Box<demo::Args>),
    /// Run a scenario of hosts, links and flows in virtual time, or a grid of them
    Sim(sim::Args),
    /// Show the sockets of running instances
    Ss(ss::Args),
    /// Run packetdrill scripts against the stack, in virtual time
    Drill(drill::Args),
    /// Measure the stack beside others: in memory, on a TUN device, as a gateway
    Bench(bench::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print a manual page, in the format that `man -l -` reads
    Man(man::Args),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    execute(std::env::args_os())
}

fn execute(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = words.into_iter().collect();
    #[cfg(target_os = "linux")]
    if let Some((_, [verb, job @ ..])) = words.split_first()
        && verb == bench::PEER
    {
        // for no person to type, and so for no help and no completion to name
        return bench::be_peer(job);
    }
    match Cli::try_parse_from(&words) {
        Ok(cli) => match cli.verb {
            Verb::Run(args) => run::run(*args),
            Verb::Demo(args) => demo::run(&args),
            Verb::Sim(args) => sim::run(&args),
            Verb::Ss(args) => ss::run(&args),
            Verb::Drill(args) => drill::run(&args),
            Verb::Bench(args) => bench::run(&args),
            Verb::Completions(args) => completions::run(&args),
            Verb::Man(args) => man::run(&args),
        },
        Err(error) => usage::report(&error, &words),
    }
}
