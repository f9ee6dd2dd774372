//! From tokens to a script: recursive descent, one file for each part of the language.
//!
//! Decides what a line may look like, and says where and what is wrong with one that does not. It must not know what a call or
//! an option does.

mod call;
mod icmp;
mod ip;
mod options;
mod packet;
mod tcp;
mod tcp_option;

use crate::lex::{Defines, Kind, Token, lex};
use crate::script::{Action, Code, Command, Direction, Event, Micros, Options, Script, When};
use crate::source::{Place, ScriptError, Source};

/// How deep structures and lists may nest.
const MAX_DEPTH: u8 = 16;

/// Reads a script. `defines` are the command line's; they go before those of the script.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(source: &Source, defines: &Defines) -> Result<Script, ScriptError> {
    let mut all = options::definitions(&lex(&source.text, defines)?)?;
    all.extend(defines.clone());
    let mut parser = Parser { tokens: lex(&source.text, &all)?, at: 0, end: end_of(&source.text), depth: 0 };
    let options = Options { defines: all, ..options::options(&mut parser)? };
    let init = parser.command();
    let mut events = Vec::new();
    let mut cleanup = None;
    while !parser.is_at_end() {
        if let Some(command) = parser.command() {
            if !parser.is_at_end() {
                return Err(ScriptError::new(
                    command.place,
                    "a command without a time stands only before the first event and after the last",
                ));
            }
            cleanup = Some(command);
        } else {
            events.push(parser.event()?);
        }
    }
    match events.first() {
        None => Err(ScriptError::new(parser.end, "nothing happens in this script")),
        Some(first) if !matches!(first.when, When::At(0) | When::After(0)) => {
            Err(ScriptError::new(first.place, "the first event must be at time 0"))
        }
        Some(_) => {
            let folder = std::path::Path::new(&source.name).parent().unwrap_or(std::path::Path::new(""));
            Ok(Script { folder: folder.to_owned(), options, init, events, cleanup })
        }
    }
}

/// The place behind a text's last line.
fn end_of(text: &str) -> Place {
    Place { line: text.lines().count().max(1) as u32, column: 1 }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Where the text ends.
    end: Place,
    depth: u8,
}

impl Parser {
    fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The place of the next token.
    fn place(&self) -> Place {
        self.tokens.get(self.at).map_or(self.end, |token| token.place)
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// The token `ahead` of the next.
    fn peek_at(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    /// Whether the next token stands right behind the one before.
    fn is_joined(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.joined)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, ScriptError> {
        Err(ScriptError::new(self.place(), message))
    }

    /// What stands here instead of what was expected.
    fn unexpected<T>(&self, expected: &str) -> Result<T, ScriptError> {
        match self.tokens.get(self.at) {
            Some(token) => self.error(format!("expected {expected}, found `{}`", token.text)),
            None => self.error(format!("expected {expected}, found the end of the script")),
        }
    }

    fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Kind::Sign(sign))
    }

    /// Takes a sign, if it is the next token.
    fn take_sign(&mut self, sign: char) -> bool {
        let is_there = self.is_sign(sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect_sign(&mut self, sign: char) -> Result<(), ScriptError> {
        if self.take_sign(sign) { Ok(()) } else { self.unexpected(&format!("`{sign}`")) }
    }

    /// The next token, if it is a word.
    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Kind::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Takes this word, if it is the next token.
    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.peek_word() == Some(word);
        self.at += usize::from(is_there);
        is_there
    }

    fn word(&mut self, expected: &str) -> Result<String, ScriptError> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.unexpected(expected),
        }
    }

    /// A number from 0 up to and with `max`.
    fn number(&mut self, what: &str, max: u64) -> Result<u64, ScriptError> {
        let value = match self.peek() {
            Some(Kind::Integer(value)) => u64::try_from(*value).ok(),
            Some(Kind::Hex(value)) => Some(*value),
            _ => return self.unexpected(what),
        };
        match value.filter(|value| *value <= max) {
            Some(value) => {
                self.at += 1;
                Ok(value)
            }
            None => self.error(format!("{what} must be between 0 and {max}")),
        }
    }

    fn number_u32(&mut self, what: &str) -> Result<u32, ScriptError> {
        self.number(what, u32::MAX.into()).map(|value| value as u32)
    }

    fn number_u16(&mut self, what: &str) -> Result<u16, ScriptError> {
        self.number(what, u16::MAX.into()).map(|value| value as u16)
    }

    /// A command, if it is the next token.
    fn command(&mut self) -> Option<Command> {
        let place = self.place();
        let Some(Kind::Command(text)) = self.peek() else { return None };
        let text = text.clone();
        self.at += 1;
        Some(Command { place, text })
    }

    fn event(&mut self) -> Result<Event, ScriptError> {
        let place = self.place();
        let when = self.when()?;
        let action = self.action()?;
        let is_out = matches!(&action, Action::Packet(packet) if packet.direction == Direction::Out);
        if matches!(when, When::Any | When::Between(..) | When::AfterBetween(..)) && !is_out {
            return Err(ScriptError::new(
                place,
                "only a packet that the stack sends may have a range of times, or any time",
            ));
        }
        Ok(Event { place, when, action })
    }

    fn when(&mut self) -> Result<When, ScriptError> {
        if self.take_sign('*') {
            return Ok(When::Any);
        }
        let place = self.place();
        let is_relative = self.take_sign('+');
        let start = self.time()?;
        if !self.take_sign('~') {
            return Ok(if is_relative { When::After(start) } else { When::At(start) });
        }
        if is_relative {
            self.expect_sign('+')?;
        }
        let end = self.time()?;
        if end < start {
            return Err(ScriptError::new(place, "this range of times is backwards"));
        }
        Ok(if is_relative { When::AfterBetween(start, end) } else { When::Between(start, end) })
    }

    /// Seconds, as a number with or without a fraction.
    fn time(&mut self) -> Result<Micros, ScriptError> {
        const WHAT: &str = "a time in seconds: `0.1`, `+0.1`, `*`";
        let micros = match self.peek() {
            Some(Kind::Integer(seconds)) => {
                u64::try_from(*seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000))
            }
            Some(Kind::Decimal(text)) => micros(text),
            _ => return self.unexpected(WHAT),
        };
        // a year is more than a script can mean, and keeps sums of times far from their limit
        match micros.filter(|micros| *micros < 32_000_000_000_000) {
            Some(micros) => {
                self.at += 1;
                Ok(micros)
            }
            None => self.error("a time must be between 0 and a year, in seconds"),
        }
    }

    fn action(&mut self) -> Result<Action, ScriptError> {
        let place = self.place();
        match self.peek() {
            Some(Kind::Sign('<' | '>')) => self.packet().map(Box::new).map(Action::Packet),
            Some(Kind::Word(_) | Kind::Ellipsis) => self.call().map(Box::new).map(Action::Call),
            Some(Kind::Code(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(Action::Code(Code { place, text }))
            }
            Some(Kind::Command(_)) => match self.command() {
                Some(command) => Ok(Action::Command(command)),
                None => self.unexpected("a command"),
            },
            _ => self.unexpected("what happens then: `<` or `>` and a packet, a call, a `command`, or %{ code }%"),
        }
    }
}

/// Microseconds of seconds with a fraction; digits below a microsecond are cut off.
fn micros(text: &str) -> Option<Micros> {
    let (whole, fraction) = text.split_once('.')?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
    whole.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests;
