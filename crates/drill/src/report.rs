//! What came of a script, and how it is told: as text, as JSON, as JUnit's XML.

mod junit;
mod table;

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::script::IpVersion;
use crate::source::{Place, Source};
use crate::wire::Difference;

pub use junit::junit;
pub use table::{Summary, table, without_effect};

/// What was not as a script says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Failure {
    /// The line of the script.
    pub place: Place,
    /// What was wrong.
    pub what: String,
    /// What the script says.
    pub expected: Option<String>,
    /// What was there.
    pub seen: Option<String>,
    /// Field by field, where a packet differs.
    pub differences: Vec<Difference>,
    /// What happened up to there.
    pub diagram: Option<Box<str>>,
}

impl Failure {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn expected(self, expected: String) -> Self {
        Self { expected: Some(expected), ..self }
    }

    #[must_use]
    pub(crate) fn seen(self, seen: String) -> Self {
        Self { seen: Some(seen), ..self }
    }

    #[must_use]
    pub(crate) fn with_differences(self, differences: Vec<Difference>) -> Self {
        Self { differences, ..self }
    }

    #[must_use]
    pub(crate) fn with_diagram(self, diagram: String) -> Self {
        Self { diagram: Some(diagram.into()), ..self }
    }

    /// The failure as its reader sees it: the line, what differs, and the diagram.
    #[must_use]
    pub fn show(&self, source: &Source) -> String {
        let mut out = format!("{}:{}:{}: {}\n", source.name, self.place.line, self.place.column, self.what);
        if self.place.line > 0 {
            out.push_str(&source.excerpt(self.place));
        }
        for (label, text) in [("expected", &self.expected), ("seen", &self.seen)] {
            if let Some(text) = text {
                let _ = writeln!(out, "  {label:>8}: {text}");
            }
        }
        for difference in &self.differences {
            let _ = writeln!(out, "  {}: expected {}, seen {}", difference.field, difference.expected, difference.seen);
        }
        if let Some(diagram) = &self.diagram {
            out.push('\n');
            out.push_str(diagram);
        }
        out
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As the script says.
    Passed,
    /// Not as the script says.
    Failed,
    /// The script cannot be read, or asks for what is not there.
    Invalid,
    /// The script was not run, for it is about other profiles.
    Skipped,
}

/// One script in one version of IP, and what came of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outcome {
    /// The file.
    pub file: String,
    /// The version; none where the script could not be read.
    pub version: Option<IpVersion>,
    /// How it ended.
    pub verdict: Verdict,
    /// What was wrong, on one line: `12: the packet was not sent`.
    pub message: Option<String>,
    /// The line of the script that is meant.
    pub line: Option<u32>,
    /// The whole of it, over several lines.
    pub detail: Option<String>,
    /// What its code printed.
    pub printed: Vec<String>,
    /// Differences that the script says are not fatal, each over several lines.
    pub remarks: Vec<String>,
    /// Settings and socket options that were taken and change nothing in this stack.
    pub without_effect: Vec<String>,
    /// How long it took, in microseconds.
    #[serde(rename = "micros", serialize_with = "as_micros")]
    pub took: Duration,
    /// Virtual time that passed in it, in microseconds.
    pub virtual_micros: u64,
}

fn as_micros<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(took.as_micros() as u64)
}

impl Outcome {
    /// An outcome without anything to say.
    #[must_use]
    pub fn new(file: impl Into<String>, version: Option<IpVersion>, verdict: Verdict) -> Self {
        Self {
            file: file.into(),
            version,
            verdict,
            message: None,
            line: None,
            detail: None,
            printed: Vec::new(),
            remarks: Vec::new(),
            without_effect: Vec::new(),
            took: Duration::ZERO,
            virtual_micros: 0,
        }
    }

    /// The file with its version: `a.pkt (ipv6)`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.version {
            Some(version) => format!("{} ({})", self.file, version.name()),
            None => self.file.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
