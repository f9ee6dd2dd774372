//! What the campaign showed: a row for each room, and those that survived, by the reasons that `docs/mutants.toml` has for
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;

use serde::Deserialize;

use super::Variant;
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
    arrows: (usize, usize),
    uncompiled: usize,
    /// By reason.
    survivors: BTreeMap<String, Vec<String>>,
}

impl Report {
    pub(super) fn new(variants: &[Variant], chosen: &[usize], survivors: &BTreeSet<usize>) -> Result<Self, String> {
        let text = fs::read_to_string(step::root().join(REASONS)).map_err(|error| format!("{REASONS}: {error}"))?;
        let reasons: Reasons = toml::from_str(&text).map_err(|error| format!("{REASONS}: {error}"))?;
        let tested = || chosen.iter().filter_map(|number| Some((*number, variants.get(number - 1)?)));
        let count = |which: &dyn Fn(&Variant) -> bool| {
            let all = tested().filter(|(_, variant)| which(variant));
            all.fold((0, 0), |(all, caught), (number, _)| (all + 1, caught + usize::from(!survivors.contains(&number))))
        };
        let rooms = ROOMS.map(|(begin, name)| {
            let (all, caught) = count(&|variant| variant.file.starts_with(begin) && !variant.is_arrow());
            (name, all, caught)
        });
        let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, variant) in tested().filter(|(number, _)| survivors.contains(number)) {
            let file = variant.file.trim_start_matches("crates/tcp/src/");
            let known = format!("{file}: {}", variant.deed());
            let reason = reasons.list.iter().find(|reason| reason.variants.contains(&known));
            let reason = reason.map_or(NOT_KNOWN, |reason| &reason.reason).to_owned();
            by_reason.entry(reason).or_default().push(variant.name.replace("crates/tcp/src/", ""));
        }
        let uncompiled = variants.len() - chosen.len();
        Ok(Self { rooms: rooms.into(), arrows: count(&Variant::is_arrow), uncompiled, survivors: by_reason })
    }

    /// Writes the page.
    pub(super) fn write(&self) -> Result<(), String> {
        fs::write(step::root().join(PAGE), self.to_string()).map_err(|error| format!("{PAGE}: {error}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tested, caught) = self.rooms.iter().fold((0, 0), |sum, (_, all, caught)| (sum.0 + all, sum.1 + caught));
        let (arrows, caught_arrows) = self.arrows;
        let uncompiled = self.uncompiled;
        write!(
            f,
            "# What breaks unnoticed

`cargo xtask mutants` breaks the rooms that decide about a connection's state at one place at a time, and runs the scripts of
`scripts/` in the default profile and the tests of `bowline-tcp`. A place counts as caught when one of them fails, or does not
come to an end. {uncompiled} places more do not compile when they are broken, or cannot be chosen at run time. The command writes
this page; the reasons are in `docs/mutants.toml`.

| room | places | caught |
|---|---|---|
"
        )?;
        for (name, all, caught) in &self.rooms {
            writeln!(f, "| {name} | {all} | {caught} ({}) |", share(*caught, *all))?;
        }
        writeln!(f, "| all | {tested} | {caught} ({}) |", share(caught, tested))?;
        writeln!(f, "| arrows of the table, each taken away and each led elsewhere | {arrows} | {caught_arrows} |")?;
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
