//! Breaks the core on purpose, one place at a time, and sees that tests fail.
//!
//! `cargo-mutants` says where and how the rooms that decide about a connection's state can be broken; to that come the
//! arrows of the table of transitions. All variants are compiled into one build of the tests ([`weave`]), where the
//! environment chooses one: an hour in place of a day. What survives is listed, with the reason, in `docs/mutants.md`
//! ([`report`]). Only a copy of the sources below `target/` is touched.

use serde::Deserialize;

use crate::{setup, step};

mod arrows;
mod build;
mod report;
mod run;
mod weave;

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

/// One way to break the code.
#[derive(Clone, Debug, Deserialize)]
struct Variant {
    /// The file, from the root of the repository.
    file: String,
    /// Where, and what becomes what: `FILE:LINE:COLUMN: replace … with … in FUNCTION`.
    name: String,
    /// The function it is in.
    function: Option<Function>,
    /// What is replaced.
    span: Span,
    /// By what; of an arrow, the arm that stands before all others.
    replacement: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Function {
    return_type: String,
    span: Span,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Both count from one; columns count characters.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Variant {
    /// What it does, without where: the same when lines move.
    fn deed(&self) -> &str {
        self.name.split_once(": ").map_or(&*self.name, |(_, deed)| deed)
    }

    /// Whether it breaks an arrow of the table.
    const fn is_arrow(&self) -> bool {
        self.function.is_none()
    }
}

/// Runs the campaign over these files, globs among them; without any over [`ROOMS`], and then writes the page.
pub(crate) fn run(files: &[String]) -> Result<(), String> {
    if !setup::has_subcommand("mutants") {
        return Err("cargo-mutants is missing: `cargo install --locked cargo-mutants`".into());
    }
    let mut variants = list(files)?;
    if files.is_empty() {
        variants.extend(arrows::variants()?);
    }
    let tree = build::Tree::copy(&step::root().join("target/mutants"))?;
    let (binaries, chosen) = tree.build(&variants)?;
    println!("{} places, of which {} compile when broken", variants.len(), chosen.len());
    let survivors = run::run(&binaries, &variants, &chosen)?;
    let report = report::Report::new(&variants, &chosen, &survivors)?;
    print!("{report}");
    if files.is_empty() { report.write() } else { Ok(()) }
}

fn list(files: &[String]) -> Result<Vec<Variant>, String> {
    let mut command = step::command("cargo", &["mutants", "--list", "--json", "--package", "bowline-tcp"]);
    for file in ROOMS.into_iter().filter(|_| files.is_empty()).chain(files.iter().map(String::as_str)) {
        command.args(["--file", file]);
    }
    let listed = step::output(&mut command)?;
    serde_json::from_str(&listed).map_err(|error| format!("cargo-mutants lists what cannot be read: {error}"))
}
