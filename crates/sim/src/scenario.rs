//! Scenarios: a world and what happens in it, written in TOML, run to a report.
//!
//! The parts: [`model`] is what one can write, `build` makes a world of it, `flow` is what runs in it, [`report`] is what
//! came of it, `plots` draws it, [`sweep`] runs a grid of variations.

use std::fmt;
use std::io;

pub mod model;
pub mod report;
pub mod sweep;

mod build;
mod flow;
mod plots;
mod run;
mod units;

pub use model::Scenario;
pub use report::Report;
pub use run::Settings;

/// Why a scenario could not be read or run: one line that says what to do.
#[derive(Debug)]
pub enum ScenarioError {
    /// It is not written as one.
    Text(String),
    /// A file could not be written, or a world not be made.
    Io(io::Error),
    /// It came to a halt.
    Stalled(crate::Stalled),
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Io(error) => write!(f, "{error}"),
            Self::Stalled(stalled) => write!(f, "{stalled}"),
        }
    }
}

impl std::error::Error for ScenarioError {}

impl From<io::Error> for ScenarioError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<crate::Stalled> for ScenarioError {
    fn from(stalled: crate::Stalled) -> Self {
        Self::Stalled(stalled)
    }
}

#[cfg(test)]
mod tests;
