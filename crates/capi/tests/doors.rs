//! Both doors agree on every script: what the runner says of a script with the host inside of it, it says with the host behind
//! the packetdrill tool's table too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test says so by failing")]

#[path = "doors/calls.rs"]
mod calls;
#[path = "doors/table.rs"]
mod table;

use std::path::{Path, PathBuf};

use bowline_drill::report::{Outcome, Verdict};
use bowline_drill::suite::{Plan, find, run_all};
use bowline_posix::Profile;

fn scripts() -> Vec<PathBuf> {
    find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts")]).unwrap()
}

fn run(profile: Profile, through_the_table: bool) -> Vec<Outcome> {
    let door = through_the_table.then_some(table::behind as _);
    run_all(&scripts(), &Plan { profile, door, jobs: 2, ..Plan::default() }, &|_| {})
}

/// Whether a script asks for what the table has no words for: settings, a look at the host, `getsockname`, `accept4`.
fn is_refused(outcome: &Outcome) -> bool {
    let said = outcome.detail.as_deref().unwrap_or_default();
    outcome.verdict == Verdict::Failed && (said.contains("this door") || said.contains("ENOSYS"))
}

/// The table speaks with Linux's numbers: its caller is a program of this system.
#[test]
fn both_doors_agree_on_every_script() {
    for profile in [Profile::Bowline, Profile::Linux] {
        let (own, other) = (run(profile, false), run(profile, true));
        assert_eq!(own.len(), other.len());
        let compared: Vec<_> = own.iter().zip(&other).filter(|(_, other)| !is_refused(other)).collect();
        let differ: Vec<_> = compared.iter().filter(|(own, other)| own.verdict != other.verdict).collect();
        let details: Vec<_> = differ.iter().take(4).filter_map(|(_, other)| other.detail.clone()).collect();
        let names: Vec<_> = differ.iter().map(|(_, other)| other.name()).collect();
        let name = profile.name();
        assert!(differ.is_empty(), "{} differ in {name}: {names:?}\n{}", differ.len(), details.join("\n"));
        // who refuses too much compares nothing; the table has no call for what scripts set in backticks
        assert!(
            own.len() - compared.len() < own.len() / 6,
            "{} of {} refused in {name}",
            own.len() - compared.len(),
            own.len()
        );
    }
}
