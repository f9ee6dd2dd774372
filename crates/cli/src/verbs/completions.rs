//! `bowline completions SHELL`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// What is on the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that shall complete
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script on standard output.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bowline", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
