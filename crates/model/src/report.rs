//! What was explored, for people: a line for each scenario, and `docs/model.md`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bowline_tcp::state::{STATES, State, TRANSITIONS, Transition};

use crate::explore::{Limits, Outcome, explore};
use crate::host::Arrow;
use crate::scenario::{FastOpen, Scenario};

const ABOUT: &str = include_str!("report/about.md");

/// Explores all of these, as many at a time as `threads` says, and calls `done` with each outcome as it comes. The outcomes
/// are returned in the order of the scenarios.
pub fn explore_all(
    scenarios: &[Scenario],
    limits: Limits,
    threads: usize,
    done: impl Fn(&Outcome) + Sync,
) -> Vec<Outcome> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, scenario)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            scenarios.get(number).map(|scenario| (number, scenario))
        } {
            let outcome = explore(scenario, limits);
            done(&outcome);
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(number, _)| *number);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// The arrows of the table that none of these explorations has taken.
#[must_use]
pub fn missing(outcomes: &[Outcome]) -> Vec<&'static Transition> {
    let taken = arrows(outcomes);
    TRANSITIONS.iter().filter(|arrow| !taken.contains(&(arrow.from, arrow.cause, arrow.to))).collect()
}

fn arrows(outcomes: &[Outcome]) -> BTreeSet<Arrow> {
    outcomes.iter().flat_map(|outcome| outcome.arrows.iter().copied()).collect()
}

/// One line about an exploration.
#[must_use]
pub fn line(outcome: &Outcome) -> String {
    let Outcome { states, transitions, sides, steps, depth, took, .. } = outcome;
    let how = match (&outcome.finding, outcome.complete) {
        (Some(_), _) => "WRONG",
        (None, true) => "complete",
        (None, false) => "stopped",
    };
    format!(
        "{:<13} {how:<9} {states:>9} states {transitions:>10} transitions {depth:>3} deep {sides:>6} sides {steps:>7} steps \
         {:>2} arrows {:>6.1} s",
        outcome.scenario.name,
        outcome.arrows.len(),
        took.as_secs_f64()
    )
}

/// The page.
#[must_use]
pub fn page(outcomes: &[Outcome]) -> String {
    let mut out = String::from(ABOUT);
    let _ = writeln!(out, "## What was explored\n");
    let total = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let complete = outcomes.iter().all(|outcome| outcome.complete);
    let taken = arrows(outcomes);
    let _ = writeln!(
        out,
        "{} states, {} transitions, {} states of one side, {} runs of an endpoint's code; {}; {} of the table's {} arrows \
         taken.\n",
        total(|outcome| outcome.states),
        total(|outcome| outcome.transitions),
        total(|outcome| outcome.sides),
        total(|outcome| outcome.steps),
        if complete { "all complete to their bounds" } else { "not all complete" },
        taken.len(),
        TRANSITIONS.len(),
    );
    let _ = writeln!(out, "| scenario | states | transitions | deep | arrows |\n|---|---|---|---|---|");
    for outcome in outcomes {
        let Outcome { states, transitions, depth, .. } = outcome;
        let name = outcome.scenario.name;
        let _ = writeln!(out, "| {name} | {states} | {transitions} | {depth} | {} |", outcome.arrows.len());
    }
    let _ = writeln!(out, "\n## The bounds\n\nA number says how often; without one, as often as there is occasion.\n");
    let _ = writeln!(out, "| scenario | what for | A may | B may | network |\n|---|---|---|---|---|");
    for Outcome { scenario, .. } in outcomes {
        let [a, b] = scenario.bounds;
        let (name, about) = (scenario.name, scenario.about);
        let _ = writeln!(out, "| {name} | {about} | {} | {} | {} |", a.describe(), b.describe(), network(scenario));
    }
    challenges(&mut out, outcomes);
    diagram(&mut out, &taken);
    out
}

/// The states in which a SYN of old was challenged, and those in which a RST was (RFC 5961 3.2, 4.2).
#[must_use]
pub fn challenged(outcomes: &[Outcome]) -> [BTreeSet<State>; 2] {
    [false, true].map(|reset| {
        let all = outcomes.iter().flat_map(|outcome| &outcome.challenged);
        all.filter(|(_, is_reset)| *is_reset == reset).map(|(state, _)| *state).collect()
    })
}

fn challenges(out: &mut String, outcomes: &[Outcome]) {
    let [syns, resets] = challenged(outcomes).map(|states| states.iter().map(|state| state.name()).collect::<Vec<_>>());
    let _ = writeln!(
        out,
        "\n## Challenges\n\nSYNs of earlier incarnations were challenged in {}; RSTs in {}.",
        syns.join(", "),
        resets.join(", ")
    );
}

fn network(scenario: &Scenario) -> String {
    let mut out = vec![format!("{} duplicates", scenario.duplicates)];
    if scenario.stray_deliveries > 0 {
        out.push(format!("{} of old", scenario.stray_deliveries));
    }
    if scenario.timestamps {
        out.push("timestamps".into());
    }
    if scenario.sack {
        out.push("SACK".into());
    }
    out.extend(match scenario.fast_open {
        FastOpen::Off => None,
        FastOpen::Free => Some("Fast Open without cookies".into()),
        FastOpen::Cookie => Some("Fast Open".into()),
    });
    out.join(", ")
}

fn diagram(out: &mut String, taken: &BTreeSet<Arrow>) {
    let _ = writeln!(out, "\n## The diagram as it was reached\n\n```mermaid\nstateDiagram-v2");
    for state in STATES {
        let _ = writeln!(out, "    state \"{state}\" as {state:?}");
    }
    for (from, cause, to) in taken {
        let _ = writeln!(out, "    {from:?} --> {to:?}: {cause:?}");
    }
    let _ = writeln!(out, "```");
}
