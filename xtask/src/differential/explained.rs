//! `docs/differences.toml`: the differences that are known, with the RFC's word on each; and `docs/differences.md`, the same
//! for people.

use std::fmt::Write as _;

use serde::Deserialize;

use super::record::Difference;
use crate::step;

const TABLE: &str = "docs/differences.toml";
const PAGE: &str = "docs/differences.md";

const HEAD: &str = "\
# Where Bowline and Linux differ

`cargo xtask differential` does the same to both, segment by segment: each kind of segment in each state, and seeded
conversations; to the running kernel over a TUN in a namespace of its own, to Bowline in memory and in virtual time. It compares flags,
sequence and acknowledgement numbers, lengths, options, whether the window is closed, what comes at once and what later, and what
the system calls return. It fails on a difference that is not explained here.

This page is written by `cargo xtask differential --page` from `docs/differences.toml`, which also has the signatures by which a
difference is recognized; `cargo xtask ci` fails when the two do not agree. What is not compared: when a segment is pushed, the value
of windows, the value of our timestamps, and everything that takes longer than 300 ms. The kernel's compressed acknowledgements and rationing
of challenges are switched off.
";

/// A difference that is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explained {
    /// What it is about.
    name: String,
    /// What Linux does.
    linux: String,
    /// What Bowline does.
    bowline: String,
    /// What the RFC says, and why we stay with what we do.
    rfc: String,
    /// `STATE | EVENT | LINUX | BOWLINE`, where `*` stands for anything.
    #[serde(default)]
    signatures: Vec<String>,
    /// The same, for what follows upon the first step of a case only: by then the two may have drifted apart unseen, and
    /// signatures must be wider.
    #[serde(default)]
    later: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    difference: Vec<Explained>,
}

/// Reads the table.
pub(super) fn read() -> Result<Vec<Explained>, String> {
    let path = step::root().join(TABLE);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {TABLE}: {error}"))?;
    let table: Table = toml::from_str(&text).map_err(|error| format!("{TABLE}: {error}"))?;
    for explained in &table.difference {
        if explained.signatures.is_empty() && explained.later.is_empty() {
            return Err(format!("{TABLE}: {:?} has no signature", explained.name));
        }
        for signature in explained.signatures.iter().chain(&explained.later) {
            if signature.split(" | ").count() != 4 {
                return Err(format!("{TABLE}: {signature:?} does not have four parts"));
            }
        }
    }
    Ok(table.difference)
}

/// The number of the explanation of a difference. `first`: it is in the first step after the opening of its case.
pub(super) fn find(table: &[Explained], difference: &Difference, first: bool) -> Option<usize> {
    let signature = difference.signature();
    let parts: Vec<&str> = signature.split(" | ").collect();
    let fits = |pattern: &String| pattern.split(" | ").zip(&parts).all(|(pattern, part)| matches(pattern, part));
    let explains =
        |explained: &Explained| explained.signatures.iter().any(fits) || (!first && explained.later.iter().any(fits));
    table.iter().position(explains)
}

impl Explained {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a text is what a pattern with `*` says.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|after| {
            rest.is_empty() || (0..=after.len()).filter_map(|at| after.get(at..)).any(|tail| matches(rest, tail))
        }),
    }
}

/// Writes the page.
pub(super) fn write() -> Result<(), String> {
    let path = step::root().join(PAGE);
    std::fs::write(&path, page(&read()?)).map_err(|error| format!("cannot write {PAGE}: {error}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// Checks that the page is what [`write()`] would write.
pub(crate) fn check() -> Result<(), String> {
    let found =
        std::fs::read_to_string(step::root().join(PAGE)).map_err(|error| format!("cannot read {PAGE}: {error}"))?;
    let table = read()?;
    if found == page(&table) {
        println!("{PAGE} has all {} differences of {TABLE}", table.len());
        Ok(())
    } else {
        Err(format!("{PAGE} is not what {TABLE} says any more: run `cargo xtask differential --page`"))
    }
}

fn page(table: &[Explained]) -> String {
    let mut page = format!("{HEAD}\n| what | Linux | Bowline | the RFC's word |\n|---|---|---|---|\n");
    for Explained { name, linux, bowline, rfc, .. } in table {
        // Writing to a string does not fail.
        let _ = writeln!(page, "| {} | {} | {} | {} |", name.trim(), linux.trim(), bowline.trim(), rfc.trim());
    }
    page
}
