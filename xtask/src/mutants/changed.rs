//! Which lines have changed since a commit: for a campaign about those only.

use std::collections::BTreeMap;

use super::SOURCES;
use crate::step;

/// By file, from the root of the repository: the first line of each change, and the one behind it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed(BTreeMap<String, Vec<(usize, usize)>>);

/// What differs now from `commit`.
pub(super) fn since(commit: &str) -> Result<Changed, String> {
    let args = ["diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-prefix", commit, "--", SOURCES];
    Ok(parse(&step::output(&mut step::command("git", &args))?))
}

/// Reads `+++ FILE` and `@@ -1,2 +3,4 @@` of a diff without context. What was only taken away leaves no line to break.
fn parse(diff: &str) -> Changed {
    let (mut changed, mut file) = (Changed::default(), None);
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ ") {
            file = Some(name);
        } else if let (Some(file), Some(hunk)) = (file, line.strip_prefix("@@ ")) {
            let new = hunk.split_whitespace().find_map(|word| word.strip_prefix('+')).unwrap_or_default();
            let (start, count) = new.split_once(',').unwrap_or((new, "1"));
            if let (Ok(start), Ok(count)) = (start.parse::<usize>(), count.parse::<usize>()) {
                changed.0.entry(file.to_owned()).or_default().push((start, start + count));
            }
        }
    }
    changed
}

impl Changed {
    /// Whether one of these lines, the last included, has changed.
    pub(super) fn has(&self, file: &str, first: usize, last: usize) -> bool {
        self.0.get(file).is_some_and(|changes| changes.iter().any(|&(from, behind)| first < behind && from <= last))
    }
}

#[cfg(test)]
mod tests;
