//! Both doors agree on every script: what the runner says of a script with the host inside of it, it says with the host behind
//! the packetdrill tool's table too.
//!
//! Suites written by others are no part of the project: `SUITES=linux=FOLDER,freebsd=FOLDER` has theirs compared, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test says so by failing")]
#![allow(clippy::print_stderr, reason = "who reads the results must know what was not tested")]

#[path = "doors/calls.rs"]
mod calls;
#[path = "doors/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bowline_drill::report::{Outcome, Verdict};
use bowline_drill::suite::{Plan, find, run_all};
use bowline_posix::{Abi, Profile};

/// What a script may ask for that the table has no call for: commands that look into the host, and `accept4`.
const REFUSED: [&str; 5] = ["`nstat ", "`tcpdrop ", "`grep ", "`ip tcp_metrics ", "accept4()"];

/// The scripts below a folder, run through one of the doors. The table speaks with Linux's numbers, whichever profile the host has: its
/// caller is a program of this system.
fn run(folder: &Path, profile: Profile, through_the_table: bool) -> Vec<Outcome> {
    let door = through_the_table.then_some(table::behind as _);
    let plan = Plan { profile, abi: Some(Abi::Linux), door, jobs: 2, ..Plan::default() };
    run_all(&find(&[folder.to_owned()]).unwrap(), &plan, &|_| {})
}

/// What a script asked for that the table does not have, if that is why it failed.
fn refused(outcome: &Outcome) -> Option<&'static str> {
    let said = outcome.message.as_deref().filter(|_| outcome.verdict == Verdict::Failed)?;
    let why = REFUSED.into_iter().find(|what| said.contains(what))?;
    let is_refusal = if why.starts_with('`') {
        said.ends_with("this door does not let commands in")
    } else {
        outcome.detail.as_deref()?.contains("ENOSYS")
    };
    is_refusal.then_some(why)
}

/// Whether the script has a device that joins segments.
fn joins(outcome: &Outcome) -> bool {
    std::fs::read_to_string(&outcome.file).is_ok_and(|text| text.lines().any(|line| line.starts_with("--mss=")))
}

/// Fails where the doors disagree; otherwise says how many runs were compared, and what the others were refused for.
///
/// Where both fail, they do so at the same line, unless segments were joined: the table has no word for their size.
fn compare(folder: &Path, profile: Profile) -> (usize, BTreeMap<&'static str, usize>) {
    let (own, other) = (run(folder, profile, false), run(folder, profile, true));
    assert_eq!(own.len(), other.len());
    let (mut compared, mut kinds, mut differ) = (0, BTreeMap::new(), Vec::new());
    for (own, other) in own.iter().zip(&other).filter(|(own, _)| own.verdict != Verdict::Skipped) {
        match refused(other) {
            // what fails before it gets there is compared all the same
            Some(why) if own.verdict == Verdict::Passed || own.line > other.line => *kinds.entry(why).or_default() += 1,
            _ => {
                compared += 1;
                let same = own.verdict == other.verdict && (own.line == other.line || joins(own));
                differ.extend((!same).then_some((own, other)));
            }
        }
    }
    let said = |outcome: &Outcome| outcome.detail.clone().unwrap_or_else(|| "passed".to_owned());
    let details: Vec<_> = differ
        .iter()
        .take(4)
        .map(|(own, other)| format!("own door: {}\nthe table: {}", said(own), said(other)))
        .collect();
    let names: Vec<_> = differ.iter().map(|(own, _)| own.name()).collect();
    let name = profile.name();
    assert!(differ.is_empty(), "{} of {compared} differ in {name}: {names:#?}\n{}", differ.len(), details.join("\n"));
    eprintln!("{}, {name}: the doors agree on {compared} runs; refused: {kinds:?}", folder.display());
    (compared, kinds)
}

#[test]
fn both_doors_agree_on_every_script() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    for profile in [Profile::Bowline, Profile::Linux, Profile::FreeBsd] {
        let (compared, kinds) = compare(&scripts, profile);
        // who refuses too much compares nothing
        assert!(kinds.values().sum::<usize>() * 200 < compared, "{kinds:?} beside {compared}");
    }
}

#[test]
fn both_doors_agree_on_suites_of_others() {
    let Ok(suites) = std::env::var("SUITES") else {
        eprintln!(
            "skipped: no suite named: SUITES=linux=FOLDER,freebsd=FOLDER cargo nextest run -p bowline-capi suites"
        );
        return;
    };
    for suite in suites.split(',') {
        let (name, folder) = suite.split_once('=').expect("PROFILE=FOLDER");
        let (compared, _) = compare(&PathBuf::from(folder), Profile::from_name(name).expect("a profile"));
        assert!(compared > 0, "no scripts in {folder}");
    }
}
