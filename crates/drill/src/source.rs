//! The text of a script, places in it, and how a place is shown to a reader.
//!
//! Decides nothing about the language.

use std::fmt;

/// A place in a script: line and column, both counted from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// What is wrong with a script, before anything of it has run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptError {
    /// Where.
    pub place: Place,
    /// What, and what would be right.
    pub message: String,
}

impl ScriptError {
    /// An error at a place.
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.message)
    }
}

impl std::error::Error for ScriptError {}

/// A script's text with its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The file's name, as its user wrote it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// A text that has this name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The line with this number, counted from 1; empty where there is none.
    #[must_use]
    pub fn line(&self, number: u32) -> &str {
        self.text.lines().nth((number as usize).saturating_sub(1)).unwrap_or_default()
    }

    /// The lines around a place as a compiler shows them, a caret below the column.
    #[must_use]
    pub fn excerpt(&self, place: Place) -> String {
        let line = self.line(place.line).replace('\t', " ");
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat((place.column as usize).saturating_sub(1));
        format!("{number} | {}\n{margin} | {indent}^\n", line.trim_end())
    }

    /// An error as a compiler shows it: `name:line:column: what`, and the line.
    #[must_use]
    pub fn show(&self, error: &ScriptError) -> String {
        format!("{}:{error}\n{}", self.name, self.excerpt(error.place))
    }
}
