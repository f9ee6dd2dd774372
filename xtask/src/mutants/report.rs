//! What the campaign showed: a row for each room, and those that survived, by the reasons that `docs/mutants.toml` has for
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;

use serde::Deserialize;

use super::run::Outcome;
use super::{SOURCES, Variant};
use crate::step;

/// The page that is written.
const PAGE: &str = "docs/mutants.md";
/// What is known about survivors.
const REASONS: &str = "docs/mutants.toml";

/// The rooms, by how the names of their files begin and how they are called.
const ROOMS: [(&str, &str); 4] = [
    ("crates/tcp/src/state", "`state.rs`"),
    ("crates/tcp/src/connection/arrives", "`connection/arrives/`"),
    ("crates/tcp/src/listener", "`listener/`"),
    ("crates/tcp/src/time_wait", "`time_wait/`"),
];

const NOT_KNOWN: &str = "Not noticed yet";

/// A reason, and the survivors that have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
    /// `FILE: replace … with … in FUNCTION`, with the file as below `crates/tcp/src`.
    variants: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Reasons {
    #[serde(rename = "because")]
    list: Vec<Reason>,
}

/// The outcome, ready to be printed.
pub(super) struct Report {
    /// By room: places tested, and caught.
    rooms: Vec<(&'static str, usize, usize)>,
    /// Of the rooms, statements left out.
    statements: (usize, usize),
    arrows: (usize, usize),
    /// What the model checker noticed: of the arrows, of the places in the table's file, and of what no test noticed elsewhere.
    by_model: [usize; 3],
    uncompiled: usize,
    /// Whether tests that take long were not asked.
    quick: bool,
    /// By reason.
    survivors: BTreeMap<String, Vec<String>>,
}

impl Report {
    pub(super) fn new(variants: &[Variant], chosen: &[usize], outcome: &Outcome, quick: bool) -> Result<Self, String> {
        let Outcome { survivors, by_model } = outcome;
        let text = fs::read_to_string(step::root().join(REASONS)).map_err(|error| format!("{REASONS}: {error}"))?;
        let reasons: Reasons = toml::from_str(&text).map_err(|error| format!("{REASONS}: {error}"))?;
        let tested = || chosen.iter().filter_map(|number| Some((*number, variants.get(number - 1)?)));
        let count = |which: &dyn Fn(&Variant) -> bool| {
            let all = tested().filter(|(_, variant)| which(variant));
            all.fold((0, 0), |(all, caught), (number, _)| (all + 1, caught + usize::from(!survivors.contains(&number))))
        };
        let rooms = ROOMS.map(|(begin, name)| {
            let (all, caught) = count(&|variant| variant.file.starts_with(begin) && variant.is_place());
            (name, all, caught)
        });
        let noticed = |which: &dyn Fn(&Variant) -> bool| {
            tested().filter(|(number, variant)| by_model.contains(number) && which(variant)).count()
        };
        let by_model = [
            noticed(&Variant::is_arrow),
            noticed(&|variant| variant.is_of_table() && !variant.is_arrow()),
            noticed(&|variant| !variant.is_of_table()),
        ];
        let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, variant) in tested().filter(|(number, _)| survivors.contains(number)) {
            let known = variant.known_as();
            let reason = reasons.list.iter().find(|reason| reason.variants.contains(&known));
            let reason = reason.map_or(NOT_KNOWN, |reason| &reason.reason).to_owned();
            by_reason.entry(reason).or_default().push(variant.name.replace(SOURCES, ""));
        }
        let uncompiled = variants.len() - chosen.len();
        let (statements, arrows) = (count(&Variant::is_statement), count(&Variant::is_arrow));
        Ok(Self { rooms: rooms.into(), statements, arrows, by_model, uncompiled, quick, survivors: by_reason })
    }

    /// Writes the page.
    pub(super) fn write(&self) -> Result<(), String> {
        fs::write(step::root().join(PAGE), self.to_string()).map_err(|error| format!("{PAGE}: {error}"))
    }
}

/// The places that the page lists, by what they are known as.
pub(super) fn listed() -> Result<BTreeSet<String>, String> {
    let page = fs::read_to_string(step::root().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    let names = page.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'));
    Ok(names.filter_map(known_as).collect())
}

/// `FILE:LINE:COLUMN: DEED` without the place in the file.
fn known_as(name: &str) -> Option<String> {
    let (place, deed) = name.split_once(": ")?;
    let file = place.split(':').next()?;
    Some(format!("{file}: {deed}"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tested, caught) = self.rooms.iter().fold((0, 0), |sum, (_, all, caught)| (sum.0 + all, sum.1 + caught));
        let ((statements, caught_statements), (arrows, caught_arrows)) = (self.statements, self.arrows);
        let uncompiled = self.uncompiled;
        let without = if self.quick { " but for the slow ones" } else { "" };
        write!(
            f,
            "# What breaks unnoticed

`cargo xtask mutants` breaks the rooms that decide about a connection's state at one place at a time, and runs the scripts of
`scripts/`, the tests of `bowline-tcp`{without} and, where they notice nothing, the [model checker](model.md) to
a small bound. A place counts as caught when one of them finds something wrong, or does not come to an end. {uncompiled} places
more do not compile when they are broken, or cannot be chosen at run time. The command writes this page; the reasons are in
`docs/mutants.toml`; `cargo xtask mutants --again` breaks only what is listed here.

| room | places | caught |
|---|---|---|
"
        )?;
        for (name, all, caught) in &self.rooms {
            writeln!(f, "| {name} | {all} | {caught} ({}) |", share(*caught, *all))?;
        }
        writeln!(f, "| all | {tested} | {caught} ({}) |", share(caught, tested))?;
        let share = share(caught_statements, statements);
        writeln!(f, "| statements of these rooms, each left out | {statements} | {caught_statements} ({share}) |")?;
        writeln!(f, "| arrows of the table, each taken away and each led elsewhere | {arrows} | {caught_arrows} |")?;
        let [of_arrows, of_table, elsewhere] = self.by_model;
        writeln!(
            f,
            "\nBy itself the model checker notices {of_arrows} of the broken arrows and {of_table} of the places in `state.rs`. Of \
             what no test\nnotices in the other rooms, it noticed {elsewhere}."
        )?;
        for (reason, variants) in &self.survivors {
            writeln!(f, "\n## {reason}\n")?;
            variants.iter().try_for_each(|variant| writeln!(f, "- `{variant}`"))?;
        }
        Ok(())
    }
}

fn share(part: usize, whole: usize) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests;
