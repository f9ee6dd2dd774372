//! A TCP segment: flags, sequence numbers, and the fields that may be left out.

use bowline_wire::TcpFlags;

use super::Parser;
use crate::lex::Kind;
use crate::script::{Direction, Seq, Tcp};
use crate::source::ScriptError;

impl Parser {
    pub(super) fn tcp(&mut self, direction: Direction) -> Result<Tcp, ScriptError> {
        let (flags, ace) = self.flags()?;
        let (seq, len) = self.seq(direction)?;
        let ack = if self.take_word("ack") { self.number_u32("an acknowledgement number")? } else { 0 };
        let window = if self.take_word("win") { Some(self.number_u16("a window")?) } else { None };
        let urgent = if self.take_word("urg") { self.number_u16("an urgent pointer")? } else { 0 };
        let options = if self.is_options() { self.tcp_options(direction)? } else { Some(Vec::new()) };
        Ok(Tcp { flags, ace, seq, len, ack, window, urgent, options })
    }

    /// Whether options follow, and not the next line's packet: a time would stand before that.
    fn is_options(&self) -> bool {
        self.is_sign('<')
    }

    /// `S`, `.`, `P.`, `SEW`, `-`, `.5`, `5.`, `P5.`: letters, a point for ACK, and a digit for AccECN's counter.
    fn flags(&mut self) -> Result<(TcpFlags, Option<u8>), ScriptError> {
        let place = self.place();
        let mut text = String::new();
        loop {
            let part = match self.peek() {
                _ if !text.is_empty() && !self.is_joined() => break,
                Some(Kind::Word(word)) => word.clone(),
                Some(Kind::Sign(sign @ ('.' | '-'))) => sign.to_string(),
                Some(Kind::Decimal(digits)) => digits.clone(),
                // a lone digit is AccECN's counter; more are a sequence number
                Some(Kind::Integer(digit @ 0..=7)) if !text.is_empty() || self.is_before_point() => digit.to_string(),
                _ => break,
            };
            text.push_str(&part);
            self.at += 1;
        }
        if text.is_empty() {
            return self.unexpected("a packet: TCP flags (`S`, `S.`, `P.`, `.`, `-`), `udp` or `icmp`");
        }
        // `S` and `.` may stand apart
        if self.is_sign('.') && !text.contains('.') {
            self.at += 1;
            text.push('.');
        }
        if text == "-" {
            return Ok((TcpFlags::empty(), None));
        }
        letters(&text).map_err(|message| ScriptError::new(place, message))
    }

    /// Whether a point stands right behind the next token.
    fn is_before_point(&self) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|token| token.joined && token.kind == Kind::Sign('.'))
    }

    fn seq(&mut self, direction: Direction) -> Result<(Seq, u16), ScriptError> {
        if self.peek() == Some(&Kind::Ellipsis) {
            if direction == Direction::In {
                return self.error("a packet to send needs a sequence number");
            }
            self.at += 1;
            return Ok((Seq::Any, self.len()?));
        }
        let place = self.place();
        let start = self.number_u32("a sequence number: `1:1001(1000)`")?;
        self.expect_sign(':')?;
        let end = self.number_u32("a sequence number: `1:1001(1000)`")?;
        let len = self.len()?;
        if start.wrapping_add(len.into()) != end {
            return Err(ScriptError::new(
                place,
                format!("from {start} to {end} are {} bytes, not {len}", end.wrapping_sub(start)),
            ));
        }
        let seq = if self.take_sign('!') { Seq::Absolute(start) } else { Seq::Mapped(start) };
        Ok((seq, len))
    }

    fn len(&mut self) -> Result<u16, ScriptError> {
        self.expect_sign('(')?;
        let len = self.number_u16("the payload's length")?;
        self.expect_sign(')')?;
        Ok(len)
    }
}

fn letters(text: &str) -> Result<(TcpFlags, Option<u8>), String> {
    let mut flags = TcpFlags::empty();
    let mut ace = None;
    for letter in text.chars() {
        let flag = match letter {
            'F' => TcpFlags::FIN,
            'S' => TcpFlags::SYN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            '.' => TcpFlags::ACK,
            'U' => TcpFlags::URG,
            'E' => TcpFlags::ECE,
            'W' => TcpFlags::CWR,
            'A' => TcpFlags::AE,
            '0'..='7' if ace.is_none() => {
                ace = Some(letter as u8 - b'0');
                continue;
            }
            _ => {
                return Err(format!(
                    "`{text}` are no TCP flags: there are F, S, R, P, `.`, U, E, W, A and a digit for ACE"
                ));
            }
        };
        if flags.contains(flag) {
            return Err(format!("{letter} stands twice in the flags `{text}`"));
        }
        flags |= flag;
    }
    if ace.is_some() && flags.intersects(TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE) {
        return Err("the flags have a digit for ACE, which is what A, W and E are".to_owned());
    }
    Ok((flags, ace))
}
