//! Filters with the names and the grammar of `ss`: `state syn-recv exclude time-wait dst 10.0.2.0/24 and dport = :443`.
//!
//! First any number of `state NAME` and `exclude NAME`, then an expression of `src`, `dst`, `sport` and `dport`
//! conditions with `and`, `or`, `not` and parentheses. Without a state, listeners, closed sockets, half-open ones and
//! those in TIME-WAIT are left out, as there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::row::Row;

/// Every state with the names that a filter knows it by, and its name in the table.
const STATES: [(&[&str], &str); 11] = [
    (&["established"], "ESTAB"),
    (&["syn-sent"], "SYN-SENT"),
    (&["syn-recv", "syn-rcv"], "SYN-RECV"),
    (&["fin-wait-1"], "FIN-WAIT-1"),
    (&["fin-wait-2"], "FIN-WAIT-2"),
    (&["time-wait"], "TIME-WAIT"),
    (&["closed", "close", "unconnected"], "UNCONN"),
    (&["close-wait"], "CLOSE-WAIT"),
    (&["last-ack"], "LAST-ACK"),
    (&["listening", "listen"], "LISTEN"),
    (&["closing"], "CLOSING"),
];

const ALL: u16 = (1 << STATES.len()) - 1;
const SYN_SENT: u16 = 1 << 1;
const SYN_RECV: u16 = 1 << 2;
const TIME_WAIT: u16 = 1 << 5;
const CLOSED: u16 = 1 << 6;
const LISTEN: u16 = 1 << 9;

/// What to show. The default shows what `ss -t` shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Filter {
    states: u16,
    family: Option<Family>,
    expression: Option<Expression>,
}

/// An IP version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4 (`-4`).
    V4,
    /// IPv6 (`-6`).
    V6,
}

impl Family {
    /// Whether it is the row's. A listener for every address is one of both.
    const fn is_of(self, row: &Row) -> bool {
        row.any || row.local.is_ipv6() == matches!(self, Self::V6)
    }
}

/// Why a text is not a filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilterError {
    /// No state has this name.
    State(String),
    /// Something else was expected here.
    Expected(&'static str, String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(name) => {
                write!(f, "no state is called '{name}'; there are all connected synchronized bucket big")?;
                STATES.iter().filter_map(|(names, _)| names.first()).try_for_each(|name| write!(f, " {name}"))
            }
            Self::Expected(what, found) if found.is_empty() => write!(f, "the filter ends where {what} should follow"),
            Self::Expected(what, found) => write!(f, "'{found}' in the filter should be {what}"),
        }
    }
}

impl std::error::Error for FilterError {}

#[derive(Clone, PartialEq, Debug)]
enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Address { local: bool, network: Option<(IpAddr, u8)>, port: Option<u16> },
    Port { local: bool, compare: Compare, port: u16 },
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Compare {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Greater,
    Less,
}

impl Default for Filter {
    fn default() -> Self {
        Self { states: ALL & !(LISTEN | CLOSED | SYN_RECV | TIME_WAIT), family: None, expression: None }
    }
}

impl Filter {
    /// All states (`-a`).
    #[must_use]
    pub const fn all() -> Self {
        Self { states: ALL, family: None, expression: None }
    }

    /// Listeners (`-l`).
    #[must_use]
    pub const fn listening() -> Self {
        Self { states: LISTEN | CLOSED, family: None, expression: None }
    }

    /// Only what has this IP version; `None` for both.
    #[must_use]
    pub fn with_family(self, family: Option<Family>) -> Self {
        Self { family, ..self }
    }

    /// Reads a filter from words, as the command line gives them. States in it replace those of `self`.
    ///
    /// # Errors
    /// A state has no such name, or the expression is not one.
    pub fn with_words<S: AsRef<str>>(mut self, words: &[S]) -> Result<Self, FilterError> {
        let mut tokens: Vec<String> = Vec::new();
        for word in words {
            let spaced = word.as_ref().replace('(', " ( ").replace(')', " ) ");
            tokens.extend(spaced.split_whitespace().map(str::to_owned));
        }
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let (mut named, mut excluded) = (0, 0);
        loop {
            let place = match parser.peek().to_ascii_lowercase().as_str() {
                "state" => &mut named,
                "exclude" | "excl" => &mut excluded,
                _ => break,
            };
            parser.at += 1;
            *place |= state_mask(parser.peek())?;
            parser.at += 1;
        }
        if named != 0 {
            self.states = named;
        } else if excluded != 0 {
            self.states = ALL;
        }
        self.states &= !excluded;
        if !parser.peek().is_empty() {
            self.expression = Some(parser.either()?);
        }
        match parser.peek() {
            "" => Ok(self),
            rest => Err(FilterError::Expected("'and', 'or' or the end", rest.to_owned())),
        }
    }

    /// Whether the filter asks for one state only, so that the table needs no State column.
    #[must_use]
    pub const fn is_one_state(&self) -> bool {
        self.states.count_ones() == 1
    }

    /// Whether a row is to be shown.
    #[must_use]
    pub fn accepts(&self, row: &Row) -> bool {
        let known = STATES.iter().position(|(_, name)| *name == row.state);
        known.is_some_and(|at| self.states & (1 << at) != 0)
            && self.family.is_none_or(|family| family.is_of(row))
            && self.expression.as_ref().is_none_or(|expression| expression.accepts(row))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::default().with_words(&[text])
    }
}

fn state_mask(name: &str) -> Result<u16, FilterError> {
    let lower = name.to_ascii_lowercase();
    Ok(match lower.as_str() {
        "" => return Err(FilterError::Expected("the name of a state", String::new())),
        "all" => ALL,
        "connected" => ALL & !(CLOSED | LISTEN),
        "synchronized" => ALL & !(CLOSED | LISTEN | SYN_SENT),
        "bucket" => SYN_RECV | TIME_WAIT,
        "big" => ALL & !(SYN_RECV | TIME_WAIT),
        other => {
            let at = STATES.iter().position(|(names, _)| names.contains(&other));
            1 << at.ok_or_else(|| FilterError::State(name.to_owned()))?
        }
    })
}

impl Expression {
    fn accepts(&self, row: &Row) -> bool {
        let side = |local: bool| if local { row.local } else { row.peer };
        match self {
            Self::And(left, right) => left.accepts(row) && right.accepts(row),
            Self::Or(left, right) => left.accepts(row) || right.accepts(row),
            Self::Not(inner) => !inner.accepts(row),
            Self::Address { local, network, port } => {
                let address = side(*local);
                port.is_none_or(|port| address.port() == port)
                    && network.is_none_or(|(base, bits)| is_in(address.ip(), base, bits))
            }
            Self::Port { local, compare, port } => {
                let found = side(*local).port();
                match compare {
                    Compare::Equal => found == *port,
                    Compare::NotEqual => found != *port,
                    Compare::AtLeast => found >= *port,
                    Compare::AtMost => found <= *port,
                    Compare::Greater => found > *port,
                    Compare::Less => found < *port,
                }
            }
        }
    }
}

fn is_in(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    let (address, base, width) = match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => (u128::from(address.to_bits()), u128::from(base.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(base)) => (address.to_bits(), base.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits).min(width);
    // A shift by the whole width is not defined, and leaves nothing to compare.
    address.checked_shr(shift).unwrap_or(0) == base.checked_shr(shift).unwrap_or(0)
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
}

/// How deep parentheses and negations may nest: what a person writes, and no stack overflow.
const DEPTH: usize = 64;

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = words.contains(&self.peek().to_ascii_lowercase().as_str());
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Expression, FilterError> {
        self.or(0)
    }

    fn or(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut left = self.and(depth)?;
        while self.take(&["or", "|", "||"]) {
            left = Expression::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    /// `and` may be left out, as in `ss`.
    fn and(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut left = self.not(depth)?;
        loop {
            let named = self.take(&["and", "&", "&&"]);
            if !named && matches!(self.peek().to_ascii_lowercase().as_str(), "" | ")" | "or" | "|" | "||") {
                return Ok(left);
            }
            left = Expression::And(Box::new(left), Box::new(self.not(depth)?));
        }
    }

    fn not(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth > DEPTH {
            return Err(FilterError::Expected("a simpler expression", self.peek().to_owned()));
        }
        if self.take(&["not", "!"]) {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take(&["("]) {
            let inner = self.or(depth + 1)?;
            return match self.take(&[")"]) {
                true => Ok(inner),
                false => Err(FilterError::Expected("')'", self.peek().to_owned())),
            };
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Expression, FilterError> {
        let name = self.peek().to_ascii_lowercase();
        let local = matches!(name.as_str(), "src" | "sport");
        match name.as_str() {
            "src" | "dst" => {
                self.at += 1;
                let unequal = self.take(&["!=", "ne", "neq"]);
                if !unequal {
                    self.take(&["=", "==", "eq"]);
                }
                let text = self.peek().to_owned();
                self.at += 1;
                let address = address(local, &text)?;
                Ok(if unequal { Expression::Not(Box::new(address)) } else { address })
            }
            "sport" | "dport" => {
                self.at += 1;
                let compare = self.compare();
                let text = self.peek().to_owned();
                self.at += 1;
                let digits = text.rsplit_once(':').map_or(text.as_str(), |(_, digits)| digits);
                let port = digits.parse().map_err(|_| FilterError::Expected("a port number", text.clone()))?;
                Ok(Expression::Port { local, compare, port })
            }
            _ => Err(FilterError::Expected("src, dst, sport or dport", self.peek().to_owned())),
        }
    }

    fn compare(&mut self) -> Compare {
        let found = match self.peek().to_ascii_lowercase().as_str() {
            "=" | "==" | "eq" => Compare::Equal,
            "!=" | "ne" | "neq" => Compare::NotEqual,
            ">=" | "ge" | "geq" => Compare::AtLeast,
            "<=" | "le" | "leq" => Compare::AtMost,
            ">" | "gt" => Compare::Greater,
            "<" | "lt" => Compare::Less,
            _ => return Compare::Equal,
        };
        self.at += 1;
        found
    }
}

/// `10.0.2.2`, `10.0.0.0/8`, `10.0.2.2:80`, `:80`, `[fd00::2]:80`, `fd00::/64`, `*`.
fn address(local: bool, text: &str) -> Result<Expression, FilterError> {
    let wrong = || FilterError::Expected("an address, a network or :port", text.to_owned());
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
        // More than one colon without brackets is an IPv6 address.
        None if text.matches(':').count() == 1 => text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
        None => (text, None),
    };
    let port = match port {
        None | Some("" | "*") => None,
        Some(digits) => Some(digits.parse().map_err(|_| wrong())?),
    };
    let network = match host {
        "" if port.is_none() => return Err(wrong()),
        "" | "*" => None,
        host => {
            let (base, bits) = host.split_once('/').map_or((host, None), |(base, bits)| (base, Some(bits)));
            let base: IpAddr = base.parse().map_err(|_| wrong())?;
            let width = if base.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
            if bits > width {
                return Err(wrong());
            }
            Some((base, bits))
        }
    };
    Ok(Expression::Address { local, network, port })
}
