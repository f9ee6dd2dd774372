//! What a TCP did in each step of a case, and where two TCPs parted.

use super::case::{Case, Stamp, Step};
use super::conversation::Seen;

/// What came of one step.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Outcome {
    /// Sent before any time passed.
    pub(super) at_once: Vec<Seen>,
    /// Sent while time passed; what is sent again counts once, since how often depends on the machine's load.
    pub(super) later: Vec<Seen>,
    /// What a call returned.
    pub(super) returned: Option<String>,
}

impl Outcome {
    /// Adds what was sent while time passed.
    pub(super) fn add_later(&mut self, seen: Seen) {
        if !self.later.contains(&seen) {
            self.later.push(seen);
        }
    }

    /// In one line.
    pub(super) fn shown(&self) -> String {
        let mut parts: Vec<String> = self.returned.iter().map(|value| format!("= {value}")).collect();
        parts.extend(self.at_once.iter().map(|seen| format!("> {seen}")));
        parts.extend(self.later.iter().map(|seen| format!("later > {seen}")));
        if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
    }
}

/// A step's outcome for each step.
pub(super) type Record = Vec<Outcome>;

/// The first step in which two TCPs did different things.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    /// The number of the step.
    pub(super) step: usize,
    /// Bowline's state before it.
    pub(super) state: String,
    /// The step.
    pub(super) event: String,
    /// What Linux did.
    pub(super) linux: String,
    /// What Bowline did.
    pub(super) bowline: String,
}

impl Difference {
    /// Where the records part, if they do. `states` are Bowline's before each step. Two steps after the end of a connection
    /// it is over: what comes then may belong to a new one, with numbers of its own.
    pub(super) fn between(case: &Case, linux: &Record, bowline: &Record, states: &[String]) -> Option<Self> {
        let over = |state: &String| state == "CLOSED" || state == "LISTEN";
        let began = states.iter().position(|state| !over(state)).unwrap_or(states.len());
        let ended = states.iter().skip(began).position(over).map_or(states.len(), |after| began + after + 2);
        let step = linux.iter().zip(bowline).take(ended).position(|(linux, bowline)| linux != bowline)?;
        Some(Self {
            step,
            state: states.get(step).cloned().unwrap_or_default(),
            event: event(case, step),
            linux: linux.get(step).map(Outcome::shown).unwrap_or_default(),
            bowline: bowline.get(step).map(Outcome::shown).unwrap_or_default(),
        })
    }

    /// What stays the same wherever the same thing happens.
    pub(super) fn signature(&self) -> String {
        format!("{} | {} | {} | {}", self.state, self.event, self.linux, self.bowline)
    }
}

/// A segment by itself; a call or a wait together with the segment before it, whose doing it may be. A segment without the
/// timestamps agreed on is named with all that follows: one side has taken it and the other has not.
fn event(case: &Case, step: usize) -> String {
    let steps = case.steps.get(..=step).unwrap_or_default();
    let unstamped = |step: &Step| matches!(step, Step::Peer(segment) if segment.stamp == Stamp::Missing);
    let first = steps.iter().position(unstamped).filter(|_| case.profile.timestamps);
    let last = steps.iter().rposition(|step| matches!(step, Step::Peer(_)));
    let from = first.or(last).unwrap_or(step);
    let words: Vec<String> = steps.iter().skip(from).map(ToString::to_string).collect();
    words.join(", ")
}
