//! The scripts in `scripts/` hold: all of them in Bowline's own profile, those about the wire in every profile.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bowline_drill::report::{Outcome, Verdict};
use bowline_drill::suite::{Plan, find, run_all};
use bowline_posix::Profile;

/// Folders whose scripts are about what every system does.
const EVERY_PROFILE: [&str; 21] = [
    "rfc9293/3.1",
    "rfc9293/3.2",
    "rfc9293/3.4.1",
    "rfc9293/3.5",
    "rfc9293/3.5.2",
    "rfc9293/3.5.3",
    "rfc9293/3.7.1",
    "rfc9293/3.7.2",
    "rfc9293/3.7.4",
    "rfc9293/3.8.4",
    "rfc9293/3.10.3",
    "rfc9293/3.10.4",
    "rfc9293/3.10.5",
    "rfc9293/3.10.6",
    "rfc9293/3.10.7.1",
    "rfc9293/3.10.7.2",
    "rfc9293/3.10.7.3",
    "rfc9293/3.10.7.4",
    "rfc1337",
    "rfc5961",
    "rfc6191",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts")
}

fn run(folders: &[&str], profile: Profile) -> Vec<Outcome> {
    let folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let files = find(&folders).unwrap();
    run_all(&files, &Plan { profile, jobs: 2, ..Plan::default() }, &|_| {})
}

#[track_caller]
fn assert_all_passed(outcomes: &[Outcome]) {
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Passed).collect();
    let details: Vec<_> = failed.iter().take(5).filter_map(|outcome| outcome.detail.clone()).collect();
    assert!(failed.is_empty(), "{} of {} did not pass\n{}", failed.len(), outcomes.len(), details.join("\n"));
}

#[test]
fn all_hold_in_our_own_profile_and_quickly() {
    let begin = Instant::now();
    let outcomes = run(&["."], Profile::Bowline);
    assert_all_passed(&outcomes);
    assert!(outcomes.len() > 1_400, "there are only {}", outcomes.len());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn those_about_the_wire_hold_in_every_profile() {
    for profile in [Profile::Linux, Profile::FreeBsd] {
        assert_all_passed(&run(&EVERY_PROFILE, profile));
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
