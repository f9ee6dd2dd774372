//! Arguments and results of calls, in the scripts' notation.

use crate::source::Place;

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// `...`: the runner chooses, or anything is right.
    Any,
    /// A number.
    Number(i64),
    /// A name: `SOCK_STREAM`, `NULL`.
    Word(Place, String),
    /// Bytes between quotes; neighbours are joined.
    Text(Vec<u8>),
    /// `"abc"...`: bytes, and more that do not matter.
    TextAndMore(Vec<u8>),
    /// `a | b`
    Or(Vec<Self>),
    /// `name(argument)`: `htons(8080)`, `inet_addr("192.0.2.1")`.
    Apply(Place, String, Box<Self>),
    /// `[a, b]`
    List(Vec<Self>),
    /// `{a, b}` and `{name=a, name(len)=b}`.
    Struct(Place, Vec<Field>),
}

/// A field of a structure.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// A length in parentheses after the name: `msg_iov(1)=…`.
    pub len: Option<Expr>,
    /// Its value.
    pub value: Expr,
}

impl Expr {
    /// The value of the field of a structure that has this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(_, fields) => {
                fields.iter().find(|field| field.name.as_deref() == Some(name)).map(|field| &field.value)
            }
            _ => None,
        }
    }

    /// Whether this is `...`.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}
