//! `bowline man [VERB]`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::usage::{USAGE, complain};

/// What is on the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The verb whose page to print; without one, the page of the whole command
    pub verb: Option<String>,
}

/// Prints the page on standard output.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let mut command = Cli::command();
    command.build();
    let found = match &args.verb {
        None => Some(&command),
        Some(verb) => command.find_subcommand(verb),
    };
    let Some(found) = found else {
        complain(&format!(
            "there is no verb {:?}: `bowline --help` lists them",
            args.verb.as_deref().unwrap_or_default()
        ));
        return ExitCode::from(USAGE);
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(found.clone()).render(&mut page);
    match rendered.and_then(|()| io::stdout().write_all(&page)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
