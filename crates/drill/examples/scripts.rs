//! Runs the scripts in files and folders, with Bowline's own profile or the one named first:
//! `cargo run -p bowline-drill --example scripts -- [bowline|linux|freebsd] scripts`.
#![allow(clippy::print_stdout, reason = "an example")]

use std::path::PathBuf;

use bowline_drill::report::{Verdict, table};
use bowline_drill::suite::{Plan, find, run_all};
use bowline_posix::Profile;

fn main() -> std::io::Result<()> {
    let mut words: Vec<_> = std::env::args().skip(1).collect();
    let profile = words.first().and_then(|word| Profile::from_name(word));
    if profile.is_some() {
        words.remove(0);
    }
    let files = find(&words.iter().map(PathBuf::from).collect::<Vec<_>>())?;
    let plan = Plan { profile: profile.unwrap_or_default(), ..Plan::default() };
    let outcomes = run_all(&files, &plan, &|_| {});
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Passed) {
        println!("{}\n{}", outcome.name(), outcome.detail.as_deref().unwrap_or_default());
    }
    print!("{}", table(&outcomes));
    Ok(())
}
