//! The scripts in `scripts/` hold in every profile, but for those that say which ones they are for.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bowline_drill::report::{Outcome, Summary, Verdict};
use bowline_drill::suite::{Plan, find, run_all};
use bowline_posix::Profile;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts")
}

fn run(profile: Profile) -> Vec<Outcome> {
    let files = find(&[root()]).unwrap();
    run_all(&files, &Plan { profile, jobs: 2, ..Plan::default() }, &|_| {})
}

#[test]
fn all_hold_in_every_profile_and_quickly() {
    let begin = Instant::now();
    for (profile, runs, skipped) in
        [(Profile::Bowline, 1_500, 15), (Profile::Linux, 1_450, 25), (Profile::FreeBsd, 1_650, 60)]
    {
        let outcomes = run(profile);
        let wrong = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Failed | Verdict::Invalid);
        let failed: Vec<_> = outcomes.iter().filter(wrong).collect();
        let details: Vec<_> = failed.iter().take(5).filter_map(|outcome| outcome.detail.clone()).collect();
        let name = profile.name();
        assert!(failed.is_empty(), "{} of {} failed in {name}\n{}", failed.len(), outcomes.len(), details.join("\n"));
        let summary = Summary::of(&outcomes);
        assert!(summary.passed > runs, "there are only {} in {name}", summary.passed);
        // who excepts too many has lost what the scripts are for
        assert!(summary.skipped < skipped, "{} are not for {name}", summary.skipped);
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

/// What `capi` gives to the tool, where there is one, is right through this door.
#[test]
fn the_other_doors_script_holds() {
    let files = find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("../capi/tests")]).unwrap();
    for profile in [Profile::Bowline, Profile::Linux] {
        let outcomes = run_all(&files, &Plan { profile, ..Plan::default() }, &|_| {});
        assert!(!outcomes.is_empty());
        for outcome in outcomes {
            assert_eq!(outcome.verdict, Verdict::Passed, "{}", outcome.detail.unwrap_or_default());
        }
    }
}

/// A matrix of states and events with holes would look as green as a whole one.
#[test]
fn every_state_meets_every_kind_of_event() {
    let states = [
        "closed",
        "listen",
        "syn-sent",
        "syn-received",
        "established",
        "fin-wait-1",
        "fin-wait-2",
        "close-wait",
        "closing",
        "last-ack",
        "time-wait",
    ];
    let events = ["open", "send", "receive", "close", "abort", "status", "syn", "syn-ack", "ack", "data", "fin", "rst"];
    let files = find(&[root()]).unwrap();
    let names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    for state in states {
        for event in events {
            // a connection that is not there has no status, and one that waits for its ACK has had its SYN-ACK
            let has_none = [("closed", "status"), ("syn-received", "syn-ack")].contains(&(state, event));
            let cell = format!("{state}-{event}");
            assert!(has_none || names.iter().any(|name| name.starts_with(&cell)), "no script is called {cell}…");
        }
    }
}
