//! Outcomes as a table: one line for each folder, and what failed below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{Outcome, Verdict};

/// How many ended how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// As their scripts say.
    pub passed: usize,
    /// Not as their scripts say.
    pub failed: usize,
    /// Not to be run.
    pub invalid: usize,
    /// Scripts that are for other profiles.
    pub skipped: usize,
    /// How long all of them took, one after the other.
    pub took: Duration,
}

impl Summary {
    /// Counts outcomes.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut summary = Self::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Passed => summary.passed += 1,
                Verdict::Failed => summary.failed += 1,
                Verdict::Invalid => summary.invalid += 1,
                Verdict::Skipped => summary.skipped += 1,
            }
            summary.took += outcome.took;
        }
        summary
    }

    /// All but those that were skipped.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.passed + self.failed + self.invalid
    }
}

/// The table. Its last line is the sum; a single folder has no other.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut folders: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        let folder = Path::new(&outcome.file).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let folder = if folder.is_empty() { ".".to_owned() } else { folder };
        folders.entry(folder).or_default().push(outcome);
    }
    let mut rows: Vec<(String, Summary)> =
        folders.iter().map(|(folder, outcomes)| (folder.clone(), Summary::of(outcomes.iter().copied()))).collect();
    if rows.len() == 1 {
        rows.clear();
    }
    rows.push(("total".to_owned(), Summary::of(outcomes)));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("scripts".len());
    let mut out = format!(
        "{:width$}  {:>7}  {:>7}  {:>7}  {:>7}  {:>9}\n",
        "scripts", "passed", "failed", "invalid", "skipped", "ms"
    );
    for (name, summary) in rows {
        let Summary { passed, failed, invalid, skipped, took } = summary;
        let millis = took.as_secs_f64() * 1e3;
        let _ = writeln!(out, "{name:width$}  {passed:>7}  {failed:>7}  {invalid:>7}  {skipped:>7}  {millis:>9.1}");
    }
    out
}

/// What scripts set that changes nothing in this stack, and in how many runs, on one line; `None` where nothing of the kind was
/// set. Who reads results must know what was not tested.
#[must_use]
pub fn without_effect(outcomes: &[Outcome]) -> Option<String> {
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for name in outcomes.iter().flat_map(|outcome| &outcome.without_effect) {
        *runs.entry(name).or_default() += 1;
    }
    let told: Vec<_> = runs.iter().map(|(name, runs)| format!("{name} ({runs})")).collect();
    (!told.is_empty()).then(|| format!("taken without effect, in so many runs: {}\n", told.join(", ")))
}
