//! From a snippet's text to tokens. Lines end at line ends outside of parentheses, and at semicolons.

use super::CodeError;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    Name(String),
    Integer(i128),
    Fraction(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of a statement.
    End,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The line inside the snippet, counted from 0.
    pub(super) line: u32,
}

/// Longer ones first.
const SIGNS: [&str; 33] = [
    "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "|=",
    "&=", "^=", "(", ")", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">",
];

pub(super) fn lex(text: &str) -> Result<Vec<Token>, CodeError> {
    let mut tokens = Vec::new();
    let (mut rest, mut line, mut depth) = (text, 0, 0_u32);
    while let Some(next) = rest.chars().next() {
        let (kind, len) = match next {
            '\n' if depth == 0 => (Some(Kind::End), 1),
            ';' => (Some(Kind::End), 1),
            '\\' if rest.starts_with("\\\n") || rest.starts_with("\\\r\n") => (None, rest.find('\n').unwrap_or(0) + 1),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            _ if next.is_whitespace() => (None, next.len_utf8()),
            '"' | '\'' => string(rest, line)?,
            _ if next.is_ascii_digit() => number(rest, line)?,
            _ if next.is_alphabetic() || next == '_' => {
                let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Some(Kind::Name(rest.get(..len).unwrap_or_default().to_owned())), len)
            }
            _ => sign(rest, line)?,
        };
        match kind {
            Some(Kind::Sign("(")) => depth += 1,
            Some(Kind::Sign(")")) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(kind) = kind {
            tokens.push(Token { kind, line });
        }
        let taken = rest.get(..len).unwrap_or_default();
        line += taken.matches('\n').count() as u32;
        rest = rest.get(len..).unwrap_or_default();
    }
    tokens.push(Token { kind: Kind::End, line });
    Ok(tokens)
}

fn sign(rest: &str, line: u32) -> Result<(Option<Kind>, usize), CodeError> {
    let all = SIGNS.iter().copied().chain([",", "=", ".", "[", "]", ":", "{", "}"]);
    match all.into_iter().find(|sign| rest.starts_with(sign)) {
        Some(sign) => Ok((Some(Kind::Sign(sign)), sign.len())),
        None => Err(CodeError::new(line, format!("`{}` means nothing here", rest.chars().next().unwrap_or(' ')))),
    }
}

fn number(rest: &str, line: u32) -> Result<(Option<Kind>, usize), CodeError> {
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(rest.len());
    let text = rest.get(..len).unwrap_or_default().replace('_', "");
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let kind = match hex {
        Some(hex) => i128::from_str_radix(hex, 16).ok().map(Kind::Integer),
        None if text.contains(['.', 'e']) => text.parse().ok().map(Kind::Fraction),
        None => text.trim_end_matches('L').parse().ok().map(Kind::Integer),
    };
    match kind {
        Some(kind) => Ok((Some(kind), len)),
        None => Err(CodeError::new(line, format!("`{text}` is no number"))),
    }
}

fn string(rest: &str, line: u32) -> Result<(Option<Kind>, usize), CodeError> {
    let mut characters = rest.char_indices();
    let quote = characters.next().map_or('"', |(_, quote)| quote);
    let mut text = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => text.extend(characters.next().map(|(_, escaped)| if escaped == 'n' { '\n' } else { escaped })),
            '\n' => break,
            _ if character == quote => return Ok((Some(Kind::Text(text)), at + 1)),
            _ => text.push(character),
        }
    }
    Err(CodeError::new(line, "this string does not end"))
}
