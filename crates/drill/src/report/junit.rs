//! JUnit's XML, as continuous integration reads it.

use std::fmt::Write as _;

use super::{Outcome, Verdict};

/// All outcomes as one test suite.
#[must_use]
pub fn junit(outcomes: &[Outcome]) -> String {
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"bowline drill\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.6}\">",
        outcomes.len(),
        count(Verdict::Failed),
        count(Verdict::Invalid),
        count(Verdict::Skipped),
    );
    for outcome in outcomes {
        let version = outcome.version.map_or("none", super::IpVersion::name);
        let (name, took) = (escape(&outcome.file), outcome.took.as_secs_f64());
        let _ = write!(out, "  <testcase classname=\"{version}\" name=\"{name}\" time=\"{took:.6}\"");
        let element = match outcome.verdict {
            Verdict::Passed => {
                out.push_str("/>\n");
                continue;
            }
            Verdict::Failed => "failure",
            Verdict::Invalid => "error",
            Verdict::Skipped => "skipped",
        };
        let message = escape(outcome.message.as_deref().unwrap_or_default());
        let detail = escape(outcome.detail.as_deref().unwrap_or_default());
        let _ = writeln!(out, ">\n    <{element} message=\"{message}\">{detail}</{element}>\n  </testcase>");
    }
    out.push_str("</testsuite>\n");
    out
}

/// Text as it may stand in an attribute or an element.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}
