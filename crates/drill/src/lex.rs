//! From a script's text to tokens: comments and conditional parts fall away, defined names are replaced.
//!
//! Decides where a token begins and ends. It must not know what tokens mean together; only `--name=value` is kept whole,
//! because a value may be anything without a blank, addresses among them.
//!
//! Beside what the suites' tools take, a line may begin with `#`: `#ifdef`, `#ifndef`, `#else` and `#endif` choose, anything
//! else is a comment.

mod escape;

use std::collections::BTreeMap;

use crate::source::{Place, ScriptError};

/// Names that were defined on the command line or in the script, with what stands for them.
pub type Defines = BTreeMap<String, String>;

/// What a token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `--name`, `--name=value`.
    Option {
        /// Without the dashes.
        name: String,
        /// What stands behind the equals sign.
        value: Option<String>,
    },
    /// Digits, with a sign where they have one; the value fits.
    Integer(i64),
    /// `0x` and digits.
    Hex(u64),
    /// Digits with a point: the text.
    Decimal(String),
    /// Letters, digits, underscores.
    Word(String),
    /// What stood between double quotes, escapes resolved.
    Text(Vec<u8>),
    /// What stood between backticks.
    Command(String),
    /// What stood between `%{` and `}%`.
    Code(String),
    /// `...`
    Ellipsis,
    /// Any other sign.
    Sign(char),
}

/// A token, where it began, and how it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it began.
    pub place: Place,
    /// Its text, for tokens whose digits matter: cookies are digits too.
    pub text: String,
    /// Whether nothing stood between it and the token before.
    pub joined: bool,
}

/// Names may be replaced by names; this deep and no deeper.
const MAX_DEPTH: u8 = 8;

/// Reads a whole text.
///
/// # Errors
/// A comment, string, command or condition that does not end; a number that does not fit.
pub fn lex(text: &str, defines: &Defines) -> Result<Vec<Token>, ScriptError> {
    let mut lexer =
        Lexer { rest: text, place: Place { line: 1, column: 1 }, defines, fresh_line: true, tokens: Vec::new() };
    let mut open = Vec::new();
    while lexer.skip_blank()? {
        if lexer.fresh_line && lexer.rest.starts_with('#') {
            lexer.directive(&mut open)?;
        } else {
            lexer.token()?;
        }
    }
    match open.pop() {
        Some(place) => Err(ScriptError::new(place, "this condition has no #endif")),
        None => Ok(lexer.tokens),
    }
}

struct Lexer<'a> {
    rest: &'a str,
    place: Place,
    defines: &'a Defines,
    /// Whether there was nothing but blanks in this line.
    fresh_line: bool,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    /// Takes `len` bytes off the front.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        for character in taken.chars() {
            if character == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    /// Takes all up to and with the next `end`, of which the first `skip` bytes open it.
    fn take_past(&mut self, skip: usize, end: &str, what: &str) -> Result<&'a str, ScriptError> {
        let place = self.place;
        let body = self.rest.get(skip..).unwrap_or_default();
        match body.find(end) {
            Some(at) => {
                self.take(skip + at + end.len());
                Ok(body.get(..at).unwrap_or_default())
            }
            None => Err(ScriptError::new(place, format!("this {what} does not end: `{end}` is missing"))),
        }
    }

    /// Skips blanks and comments; returns whether there is more.
    fn skip_blank(&mut self) -> Result<bool, ScriptError> {
        loop {
            let Some(next) = self.rest.chars().next() else { return Ok(false) };
            if next.is_whitespace() {
                self.fresh_line |= next == '\n';
                self.take(next.len_utf8());
            } else if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.take_past(2, "*/", "comment")?;
            } else {
                return Ok(true);
            }
        }
    }

    /// A line that begins with `#`: a condition or a comment.
    fn directive(&mut self, open: &mut Vec<Place>) -> Result<(), ScriptError> {
        let place = self.place;
        let line = self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        match condition(line) {
            Some(Condition::If { name, wanted }) => {
                if name.is_empty() {
                    return Err(ScriptError::new(place, "which name? `#ifdef NAME`"));
                }
                open.push(place);
                if self.defines.contains_key(name) != wanted {
                    self.skip_branch(open, true)?;
                }
            }
            Some(Condition::Else) if !open.is_empty() => self.skip_branch(open, false)?,
            Some(Condition::End) if open.pop().is_some() => {}
            Some(_) => return Err(ScriptError::new(place, "no #ifdef stands before this")),
            None => {}
        }
        Ok(())
    }

    /// Skips lines up to the `#endif` of the innermost condition, or to its `#else` where that may begin a part.
    fn skip_branch(&mut self, open: &mut Vec<Place>, may_else: bool) -> Result<(), ScriptError> {
        let mut inner = 0;
        while !self.rest.is_empty() {
            let line = self.take(self.rest.find('\n').map_or(self.rest.len(), |at| at + 1));
            match condition(line.trim()) {
                Some(Condition::If { .. }) => inner += 1,
                Some(Condition::Else) if inner == 0 && may_else => return Ok(()),
                Some(Condition::End) if inner == 0 => {
                    open.pop();
                    return Ok(());
                }
                Some(Condition::End) => inner -= 1,
                Some(Condition::Else) | None => {}
            }
        }
        Err(ScriptError::new(open.pop().unwrap_or_default(), "this condition has no #endif"))
    }

    fn push(&mut self, kind: Kind, place: Place, text: &str, joined: bool) {
        self.fresh_line = false;
        self.tokens.push(Token { kind, place, text: text.to_owned(), joined });
    }

    /// Reads the token at the front.
    fn token(&mut self) -> Result<(), ScriptError> {
        let place = self.place;
        let joined = self.is_joined();
        let bytes = self.rest.as_bytes();
        match bytes {
            [b'"', ..] => self.string(joined),
            [b'`', ..] => {
                let body = self.quoted('`', "command")?;
                self.push(Kind::Command(body.to_owned()), place, body, joined);
                Ok(())
            }
            [b'%', b'{', ..] => {
                let body = self.take_past(2, "}%", "code")?;
                self.push(Kind::Code(body.trim_matches([' ', '\t']).to_owned()), place, body, joined);
                Ok(())
            }
            [b'-', b'-', letter, ..] if letter.is_ascii_alphabetic() => {
                self.option(joined);
                Ok(())
            }
            [b'.', b'.', b'.', ..] => {
                let text = self.take(3);
                self.push(Kind::Ellipsis, place, text, joined);
                Ok(())
            }
            [b'.', digit, ..] if digit.is_ascii_digit() => self.number(joined),
            [b'-', digit, ..] if digit.is_ascii_digit() => self.number(joined),
            [first, ..] if first.is_ascii_alphanumeric() || *first == b'_' => self.word_or_number(joined),
            _ => {
                let sign = self.rest.chars().next().unwrap_or(' ');
                let text = self.take(sign.len_utf8());
                self.push(Kind::Sign(sign), place, text, joined);
                Ok(())
            }
        }
    }

    /// Whether the token before ended right here.
    fn is_joined(&self) -> bool {
        self.tokens.last().is_some_and(|last| {
            let width = last.text.chars().count() as u32;
            last.place.line == self.place.line && last.place.column + width == self.place.column
        })
    }

    /// What stands up to the next `quote` without a backslash before it.
    fn quoted(&mut self, quote: char, what: &str) -> Result<&'a str, ScriptError> {
        let place = self.place;
        let mut escaped = false;
        for (at, character) in self.rest.char_indices().skip(1) {
            if character == quote && !escaped {
                return Ok(self.take(at + 1).get(1..at).unwrap_or_default());
            }
            escaped = character == '\\' && !escaped;
        }
        Err(ScriptError::new(place, format!("this {what} does not end: a closing {quote} is missing")))
    }

    fn string(&mut self, joined: bool) -> Result<(), ScriptError> {
        let place = self.place;
        let body = self.quoted('"', "string")?;
        self.push(Kind::Text(escape::unescape(body)), place, body, joined);
        Ok(())
    }

    /// `--name` or `--name=value`; the value ends at a blank outside of quotes.
    fn option(&mut self, joined: bool) {
        let place = self.place;
        let mut quote = None;
        let end = self.rest.find(|character: char| match quote {
            Some(open) => {
                quote = (character != open).then_some(open);
                false
            }
            None if matches!(character, '"' | '`') => {
                quote = Some(character);
                false
            }
            None => character.is_whitespace(),
        });
        let text = self.take(end.unwrap_or(self.rest.len()));
        let body = text.trim_start_matches('-');
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        self.push(Kind::Option { name: name.to_owned(), value }, place, text, joined);
    }

    /// A number with a sign or a leading point.
    fn number(&mut self, joined: bool) -> Result<(), ScriptError> {
        let place = self.place;
        let signed = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let len = self.rest.len() - signed.len() + number_len(signed);
        let text = self.take(len);
        self.push(number(text, place)?, place, text, joined);
        Ok(())
    }

    fn word_or_number(&mut self, joined: bool) -> Result<(), ScriptError> {
        let place = self.place;
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let len = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
        let digits = self.rest.get(..len).unwrap_or_default();
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.number(joined);
        }
        if let Some(hex) = digits.strip_prefix("0x")
            && !hex.is_empty()
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            let text = self.take(len);
            let value =
                u64::from_str_radix(hex, 16).map_err(|_| ScriptError::new(place, "this number is too large"))?;
            self.push(Kind::Hex(value), place, text, joined);
            return Ok(());
        }
        let word = self.take(len);
        let Some(value) = self.defines.get(word) else {
            self.push(Kind::Word(word.to_owned()), place, word, joined);
            return Ok(());
        };
        let tokens = definition(value, self.defines, 1)
            .map_err(|error| ScriptError::new(place, format!("in the definition of {word}: {}", error.message)))?;
        for token in tokens {
            self.push(token.kind, place, &token.text, joined);
        }
        Ok(())
    }
}

/// What a defined name stands for, `depth` definitions deep; names in it are replaced as well.
fn definition(value: &str, defines: &Defines, depth: u8) -> Result<Vec<Token>, ScriptError> {
    let mut out = Vec::new();
    for token in lex(value, &Defines::new())? {
        match &token.kind {
            Kind::Word(word) if depth == MAX_DEPTH && defines.contains_key(word) => {
                return Err(ScriptError::new(token.place, format!("{word} is defined by itself")));
            }
            Kind::Word(word) => match defines.get(word) {
                Some(value) => out.extend(definition(value, defines, depth + 1)?),
                None => out.push(token),
            },
            _ => out.push(token),
        }
    }
    Ok(out)
}

enum Condition<'a> {
    If { name: &'a str, wanted: bool },
    Else,
    End,
}

/// The condition in a line that begins with `#`.
fn condition(line: &str) -> Option<Condition<'_>> {
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let directive = words.next()?;
    let name = words.next().unwrap_or_default();
    match directive {
        "ifdef" => Some(Condition::If { name, wanted: true }),
        "ifndef" => Some(Condition::If { name, wanted: false }),
        "else" => Some(Condition::Else),
        "endif" => Some(Condition::End),
        _ => None,
    }
}

/// The bytes of the number at the front: digits, and a point where a digit follows it.
fn number_len(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = text.get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
    if fraction > 0 { whole + 1 + fraction } else { whole }
}

fn number(text: &str, place: Place) -> Result<Kind, ScriptError> {
    if text.contains('.') {
        return Ok(Kind::Decimal(text.to_owned()));
    }
    match text.parse() {
        Ok(value) => Ok(Kind::Integer(value)),
        Err(_) if text.starts_with('-') => Err(ScriptError::new(place, "this number is too small")),
        // Digits that are too many for a number may still be a cookie.
        Err(_) => Ok(Kind::Word(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
