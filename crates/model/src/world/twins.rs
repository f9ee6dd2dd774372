//! Whether what counts as one state is one: a side that was found to be like an earlier one is kept, and in the end makes
//! the steps that the earlier one has made. They must lead to the same.
//!
//! It must not decide when two sides are alike: that is the fingerprint's.

use std::collections::HashMap;

use super::{Host, Input, Outcome, World, Wrong};
use crate::scenario::CALLS;

/// So many of one state; more would show little and fill the memory.
const MOST: usize = 16;

/// Sides, by the state that they were taken for.
#[derive(Default)]
pub(super) struct Twins(HashMap<u32, Vec<Host>>);

impl Twins {
    /// Keeps a side that was taken for the state `number`.
    pub(super) fn keep(&mut self, number: u32, host: Host) {
        let kept = self.0.entry(number).or_default();
        if kept.len() < MOST {
            kept.push(host);
        }
    }
}

impl World {
    /// From now on keeps sides that are taken for one another.
    pub fn keep_twins(&mut self) {
        self.twins = Some(Twins::default());
    }

    /// Makes every step again that was made so far, from the sides that were kept. Answers how many.
    ///
    /// # Errors
    /// A step that leads elsewhere, or sends something else.
    pub fn compare_twins(&mut self) -> Result<usize, Wrong> {
        let Some(Twins(twins)) = self.twins.take() else { return Ok(0) };
        let mut known: Vec<_> = self.steps.iter().filter_map(|(key, step)| Some((*key, step.clone().ok()?))).collect();
        known.sort_unstable_by_key(|(key, _)| *key);
        let mut compared = 0;
        for ((number, call, name), expected) in known {
            let call = CALLS.into_iter().find(|&known| known as u8 == call);
            for twin in twins.get(&number).into_iter().flatten() {
                let input = match (call, self.segments.get(name)) {
                    (Some(call), _) => Input::Call(call),
                    (None, Some(segment)) => Input::Segment(segment),
                    (None, None) => continue,
                };
                let (after, step) = super::guarded(|| twin.step(input))?;
                let Outcome { host, sent } = self.finish(twin.side(), after, step)?;
                if (host, &sent) != (expected.host, &expected.sent) {
                    let (call, segment) = (call.map(|call| format!("{call:?}")), self.segments.get(name));
                    let input = call.or_else(|| segment.map(|segment| segment.describe(0, 0))).unwrap_or_default();
                    let states = [host, expected.host].map(|number| self.hosts[number as usize].state());
                    return Err(Wrong(format!(
                        "what counts as one state of {:?} goes on by {input} to {} as number {host}, and to {} as number {}",
                        twin.side(),
                        states[0],
                        states[1],
                        expected.host
                    )));
                }
                compared += 1;
            }
        }
        Ok(compared)
    }
}
