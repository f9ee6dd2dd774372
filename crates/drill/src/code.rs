//! `%{ … }%`: statements about a connection's state, in the part of Python that scripts use.
//!
//! There are `assert CONDITION[, WORDS]`, `print(…)`, `pass` and `NAME = …`; comparisons, which may be chained, `and`, `or`,
//! `not`, arithmetic on integers and fractions, bits, `… if … else …`, and the functions abs, min, max, int, float, str
//! and len. Whatever else Python has is an error that says so.
//!
//! Decides what statements mean. What the names of the connection's state are worth is the caller's business.

mod eval;
mod lex;
mod parse;
mod value;

use std::collections::BTreeMap;

pub use value::Value;

/// The values of names that a snippet does not set itself.
pub trait Names {
    /// What the name is worth, if it is one.
    fn value(&self, name: &str) -> Option<i128>;
}

/// Names without a connection.
impl Names for () {
    fn value(&self, _name: &str) -> Option<i128> {
        None
    }
}

/// Why a snippet failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeError {
    /// The line inside the snippet, counted from 0.
    pub line: u32,
    /// What was wrong; for an assertion, what its sides were worth.
    pub message: String,
}

impl CodeError {
    fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// What a script's snippets share: the names that they set.
#[derive(Clone, Debug, Default)]
pub struct Interpreter {
    variables: BTreeMap<String, Value>,
}

impl Interpreter {
    /// Carries out a snippet; returns the lines that it printed.
    ///
    /// # Errors
    /// It is not in the part of Python that is known here, a name has no value, or an assertion does not hold.
    pub fn run(&mut self, text: &str, names: &dyn Names) -> Result<Vec<String>, CodeError> {
        let statements = parse::statements(&lex::lex(text)?)?;
        let mut printed = Vec::new();
        for statement in &statements {
            eval::execute(statement, &mut self.variables, names, &mut printed)?;
        }
        Ok(printed)
    }

    /// Whether a snippet is in the part of Python that is known here.
    ///
    /// # Errors
    /// What is not.
    pub fn check(text: &str) -> Result<(), CodeError> {
        parse::statements(&lex::lex(text)?).map(drop)
    }
}

#[cfg(test)]
mod tests;
