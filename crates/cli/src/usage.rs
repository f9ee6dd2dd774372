//! How a bad command line is answered: one line on standard error that says what to do, and the verb's own status.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;

/// The status of a bad command line, but for verbs that pass on the status of a program.
pub const USAGE: u8 = 2;

/// The status of what is our own failure where the program's status is ours: that of `env` and `docker run`.
pub const OURS: u8 = 125;

/// Prints what clap has to say: help and version whole on standard output, an error as one line on standard error.
#[must_use]
pub fn report(error: &clap::Error, words: &[OsString]) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
    }
    let verb = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    complain(&one_line(&negative(error, words).unwrap_or_else(|| error.to_string()), verb));
    ExitCode::from(if verb == "run" { OURS } else { USAGE })
}

/// Prints `problem` as this command's word on standard error.
pub fn complain(problem: &str) {
    let _ = writeln!(std::io::stderr(), "bowline: {problem}");
}

/// What there is to say about a value that clap takes for options of a letter each, since it begins with a minus: it names the first.
fn negative(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_number = word.strip_prefix('-')?.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let whole = words.iter().filter_map(|whole| whole.to_str()).find(|whole| whole.starts_with(word.as_str()));
    (error.kind() == ErrorKind::UnknownArgument && is_number)
        .then(|| format!("'{}': no value may be negative", whole.unwrap_or(word)))
}

/// What clap says in several paragraphs, in one line: the error itself, its tips, and where there is more.
fn one_line(message: &str, verb: &str) -> String {
    let mut lines = message.lines();
    let error: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let error = error.join(" ");
    let mut out = error.strip_prefix("error: ").unwrap_or(&error).to_owned();
    for tip in lines.filter_map(|line| line.trim().strip_prefix("tip: ")) {
        out.push_str("; ");
        out.push_str(tip);
    }
    let known = <Cli as clap::CommandFactory>::command().find_subcommand(verb).is_some();
    let help = if known { format!("bowline {verb} --help") } else { "bowline --help".to_owned() };
    out.push_str(&format!(" (see `{help}`)"));
    out
}
