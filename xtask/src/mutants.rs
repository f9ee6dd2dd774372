//! Breaks the core on purpose, one place at a time, and sees that tests fail.
//!
//! `cargo-mutants` says where and how the rooms that decide about a connection's state can be broken; to that come their
//! statements, each left out, and the arrows of the table of transitions. All variants are compiled into one build of the tests and of the model checker
//! ([`weave`]), where the environment chooses one: an hour in place of a day. What survives is listed, with the reason, in
//! `docs/mutants.md` ([`report`]). Only a copy of the sources below `target/` is touched.

use serde::Deserialize;

use crate::{setup, step};

mod arrows;
mod build;
mod changed;
mod report;
mod run;
mod statements;
mod weave;

const USAGE: &str = "usage: cargo xtask mutants [--again] [--quick] [--only PART OF A NAME] [--since COMMIT] [--jobs N] \
                     [FILE]...";

/// What is broken where nobody names files: the table, what arrives, what listens, what lingers.
const ROOMS: [&str; 7] = [
    "crates/tcp/src/state.rs",
    "crates/tcp/src/connection/arrives.rs",
    "crates/tcp/src/connection/arrives/**/*.rs",
    "crates/tcp/src/listener.rs",
    "crates/tcp/src/listener/**/*.rs",
    "crates/tcp/src/time_wait.rs",
    "crates/tcp/src/time_wait/**/*.rs",
];

/// What all names of files begin with.
const SOURCES: &str = "crates/tcp/src/";

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
    function_name: String,
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

    /// The same with the file as below `crates/tcp/src`: how the page's reasons name it.
    fn known_as(&self) -> String {
        format!("{}: {}", self.file.trim_start_matches(SOURCES), self.deed())
    }

    /// Whether it breaks an arrow of the table.
    const fn is_arrow(&self) -> bool {
        self.function.is_none()
    }

    /// Whether cargo-mutants lists it.
    fn is_place(&self) -> bool {
        !self.is_arrow() && !self.is_statement()
    }

    /// Whether it leaves a statement out.
    fn is_statement(&self) -> bool {
        self.deed().starts_with(statements::DEED)
    }

    /// Whether it breaks the table or what is asked of it: that is the model checker's own matter.
    fn is_of_table(&self) -> bool {
        self.file == arrows::FILE
    }
}

/// What of it all is run.
#[derive(Default)]
struct Campaign {
    /// Files, globs among them; none: [`ROOMS`] and the arrows.
    files: Vec<String>,
    /// Only places whose names have this in them.
    only: Option<String>,
    /// Only places on lines that have changed since this commit.
    since: Option<String>,
    /// Only what the page lists.
    again: bool,
    /// Without the tests that take long.
    quick: bool,
    /// How many variants are tested at a time; none: as many as there are processors.
    jobs: Option<usize>,
}

impl Campaign {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut campaign = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {USAGE}"));
            match arg.as_str() {
                "--only" => campaign.only = Some(value()?.clone()),
                "--since" => campaign.since = Some(value()?.clone()),
                "--again" => campaign.again = true,
                "--quick" => campaign.quick = true,
                "--jobs" => campaign.jobs = Some(value()?.parse().map_err(|_| USAGE.to_owned())?),
                other if other.starts_with('-') => return Err(USAGE.to_owned()),
                file => campaign.files.push(file.to_owned()),
            }
        }
        Ok(campaign)
    }

    /// Whether it is about everything, so that the page can be written from it.
    fn is_whole(&self) -> bool {
        self.files.is_empty() && self.only.is_none() && self.since.is_none() && !self.again
    }

    fn variants(&self) -> Result<Vec<Variant>, String> {
        let mut variants = list(&self.files)?;
        variants.extend(statements::variants(&variants)?);
        if self.files.is_empty() {
            variants.extend(arrows::variants()?);
        }
        if let Some(part) = &self.only {
            variants.retain(|variant| variant.name.contains(part.as_str()));
        }
        if let Some(commit) = &self.since {
            let changed = changed::since(commit)?;
            variants.retain(|variant| changed.has(&variant.file, variant.span.start.line, variant.span.end.line));
        }
        if self.again {
            let listed = report::listed()?;
            variants.retain(|variant| listed.contains(&variant.known_as()));
        }
        Ok(variants)
    }
}

/// Runs the campaign, and writes the page if it was about everything.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let campaign = Campaign::parse(args)?;
    if !setup::has_subcommand("mutants") {
        return Err("cargo-mutants is missing: `cargo install --locked cargo-mutants`".into());
    }
    let variants = campaign.variants()?;
    let tree = build::Tree::copy(&step::root().join("target/mutants"))?;
    let (binaries, chosen) = tree.build(&variants)?;
    println!("{} places, of which {} compile when broken", variants.len(), chosen.len());
    let jobs = campaign.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let outcome = run::run(&binaries, &variants, &chosen, (jobs, campaign.quick))?;
    let report = report::Report::new(&variants, &chosen, &outcome, campaign.quick)?;
    print!("{report}");
    if campaign.is_whole() { report.write() } else { Ok(()) }
}

fn list(files: &[String]) -> Result<Vec<Variant>, String> {
    let mut command = step::command("cargo", &["mutants", "--list", "--json", "--package", "bowline-tcp"]);
    for file in ROOMS.into_iter().filter(|_| files.is_empty()).chain(files.iter().map(String::as_str)) {
        command.args(["--file", file]);
    }
    let listed = step::output(&mut command)?;
    let listed: Result<Vec<Variant>, _> = serde_json::from_str(&listed);
    let mut variants = listed.map_err(|error| format!("cargo-mutants lists what cannot be read: {error}"))?;
    // What stands in no function is a constant, which cannot be chosen at run time.
    variants.retain(|variant| variant.function.is_some());
    Ok(variants)
}
