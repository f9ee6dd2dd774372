//! An ICMP message: `icmp unreachable frag_needed mtu 1200 [1:1461(1460)]`.

use super::Parser;
use crate::lex::Kind;
use crate::script::{Icmp, Quoted};
use crate::source::ScriptError;

impl Parser {
    pub(super) fn icmp(&mut self) -> Result<Icmp, ScriptError> {
        let kind = self.name_or_number("an ICMP type: unreachable, time_exceeded, packet_too_big, echo_request, …")?;
        let has_code = match self.peek() {
            Some(Kind::Word(word)) => !matches!(word.as_str(), "mtu" | "id"),
            Some(Kind::Hex(_)) => true,
            Some(Kind::Integer(_)) => !self.is_next_time(),
            _ => false,
        };
        let code = if has_code { Some(self.name_or_number("an ICMP code")?) } else { None };
        let mtu = if self.take_word("mtu") { Some(self.number_u32("an MTU")?) } else { None };
        let ident = if self.take_word("id") { Some(self.number_u16("an identifier")?) } else { None };
        let quoted = if self.take_sign('[') { Some(self.quoted()?) } else { None };
        Ok(Icmp { kind, code, mtu, ident, quoted })
    }

    /// Whether the number here is the time of the next line.
    fn is_next_time(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|token| token.place.line);
        before != Some(self.place().line)
    }

    fn name_or_number(&mut self, expected: &str) -> Result<String, ScriptError> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            Some(Kind::Integer(_) | Kind::Hex(_)) => self.number(expected, 255).map(|number| number.to_string()),
            _ => self.unexpected(expected),
        }
    }

    /// The packet that is quoted, after its opening bracket.
    pub(super) fn quoted(&mut self) -> Result<Quoted, ScriptError> {
        let quoted = if self.take_word("udp") {
            Quoted::Udp(self.quoted_len()?)
        } else if self.take_word("raw") {
            Quoted::Raw(self.quoted_len()?)
        } else {
            let start = self.number_u32("what is quoted: `[1:1461(1460)]`, `[udp (1000)]`, `[raw (8)]`")?;
            self.expect_sign(':')?;
            self.number_u32("a sequence number")?;
            Quoted::Tcp(start, self.quoted_len()?)
        };
        self.expect_sign(']')?;
        Ok(quoted)
    }

    fn quoted_len(&mut self) -> Result<u16, ScriptError> {
        self.expect_sign('(')?;
        let len = self.number_u16("the payload's length")?;
        self.expect_sign(')')?;
        Ok(len)
    }
}
