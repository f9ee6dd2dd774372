//! What an expression is worth.

use std::cmp::Ordering;
use std::fmt;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Fraction(f64),
    /// True or false; counts as 1 or 0.
    Truth(bool),
    /// A text.
    Text(String),
    /// Nothing.
    None,
}

impl Value {
    /// Whether a condition that has this value holds.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Integer(number) => *number != 0,
            Self::Fraction(number) => *number != 0.0,
            Self::Truth(truth) => *truth,
            Self::Text(text) => !text.is_empty(),
            Self::None => false,
        }
    }

    /// As a whole number, if it is one.
    pub(super) const fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Truth(truth) => Some(*truth as i128),
            _ => None,
        }
    }

    /// As a number with a fraction, if it is a number.
    pub(super) fn fraction(&self) -> Option<f64> {
        match self {
            Self::Fraction(number) => Some(*number),
            other => other.integer().map(|number| number as f64),
        }
    }

    /// The order of two values, where they have one.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::None, Self::None) => Some(Ordering::Equal),
            _ => match (self.integer(), other.integer()) {
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                _ => self.fraction()?.partial_cmp(&other.fraction()?),
            },
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Fraction(number) => write!(f, "{number:?}"),
            Self::Truth(true) => f.write_str("True"),
            Self::Truth(false) => f.write_str("False"),
            Self::Text(text) => f.write_str(text),
            Self::None => f.write_str("None"),
        }
    }
}
