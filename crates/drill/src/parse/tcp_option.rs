//! TCP options: `<mss 1460,nop,wscale 7,sackOK,TS val 100 ecr 0>`, `<...>`.

use super::Parser;
use crate::lex::Kind;
use crate::script::packet::Md5;
use crate::script::{Direction, TcpOption};
use crate::source::ScriptError;

/// SACK blocks that 40 bytes have room for.
const MAX_SACK_BLOCKS: usize = 4;
/// What may stand behind `e0b` and its like: 24 bits.
const MAX_COUNTER: u64 = 0xff_ffff;
/// The experiment's number of AccECN's draft options.
const ACC_ECN_0_EXPERIMENT: u16 = 0xacc0;
const ACC_ECN_1_EXPERIMENT: u16 = 0xacc1;
/// Kinds of AccECN's options (RFC 9768 3.2.3), and of experiments (RFC 6994).
const ACC_ECN_0: u8 = 172;
const ACC_ECN_1: u8 = 174;
const EXPERIMENT: u8 = 254;

impl Parser {
    /// The options between angle brackets; `None` is `<...>`.
    pub(super) fn tcp_options(&mut self, direction: Direction) -> Result<Option<Vec<TcpOption>>, ScriptError> {
        self.expect_sign('<')?;
        if self.peek() == Some(&Kind::Ellipsis) {
            if direction == Direction::In {
                return self.error("a packet to send needs its options one by one: `<...>` is for those that are seen");
            }
            self.at += 1;
            self.expect_sign('>')?;
            return Ok(None);
        }
        let mut options = Vec::new();
        loop {
            options.push(self.tcp_option()?);
            if !self.take_sign(',') {
                self.expect_sign('>')?;
                return Ok(Some(options));
            }
        }
    }

    fn tcp_option(&mut self) -> Result<TcpOption, ScriptError> {
        const KNOWN: &str = "a TCP option (mss, nop, eol, wscale, sackOK, sack, TS, FO, FOEXP, md5, ECN, unknown)";
        let place = self.place();
        let mut name = self.word(KNOWN)?;
        // `exp-FO`, `exp-AccECN0`: the lexer sees three tokens
        if name == "exp" && self.take_sign('-') {
            name = format!("exp-{}", self.word(KNOWN)?);
        }
        match name.as_str() {
            "nop" => Ok(TcpOption::Nop),
            "eol" => Ok(TcpOption::End),
            "mss" => self.number_u16("a segment size").map(TcpOption::Mss),
            "wscale" => self.number("a window scale", 255).map(|scale| TcpOption::WindowScale(scale as u8)),
            "sackOK" => Ok(TcpOption::SackPermitted),
            "sack" => self.sack(),
            "TS" => self.timestamps(),
            "FO" => self.cookie().map(|cookie| TcpOption::FastOpen { experimental: false, cookie }),
            "FOEXP" | "exp-FO" => self.cookie().map(|cookie| TcpOption::FastOpen { experimental: true, cookie }),
            "md5" => self.md5().map(TcpOption::Md5),
            "unknown" => self.unknown(),
            _ => match name.to_ascii_lowercase().as_str() {
                "ecn" | "accecn" => self.acc_ecn(None),
                "accecn0" => self.acc_ecn(Some((ACC_ECN_0, None))),
                "accecn1" => self.acc_ecn(Some((ACC_ECN_1, None))),
                "exp-accecn0" => self.acc_ecn(Some((EXPERIMENT, Some(ACC_ECN_0_EXPERIMENT)))),
                "exp-accecn1" => self.acc_ecn(Some((EXPERIMENT, Some(ACC_ECN_1_EXPERIMENT)))),
                _ => Err(ScriptError::new(place, format!("expected {KNOWN}, found `{name}`"))),
            },
        }
    }

    fn sack(&mut self) -> Result<TcpOption, ScriptError> {
        let mut blocks = Vec::new();
        while matches!(self.peek(), Some(Kind::Integer(_))) {
            if blocks.len() == MAX_SACK_BLOCKS {
                return self.error("there is no room for more than four SACK blocks");
            }
            let left = self.number_u32("a sequence number")?;
            self.expect_sign(':')?;
            blocks.push((left, self.number_u32("a sequence number")?));
        }
        if blocks.is_empty() { self.unexpected("SACK blocks: `sack 1001:2001`") } else { Ok(TcpOption::Sack(blocks)) }
    }

    fn timestamps(&mut self) -> Result<TcpOption, ScriptError> {
        if !self.take_word("val") {
            return self.unexpected("`TS val 1 ecr 0`");
        }
        let value = if self.peek() == Some(&Kind::Ellipsis) {
            self.at += 1;
            None
        } else {
            Some(self.number_u32("a timestamp")?)
        };
        if !self.take_word("ecr") {
            return self.unexpected("`ecr`");
        }
        let echo = self.number_u32("a timestamp")?;
        Ok(TcpOption::Timestamps { value, echo, absolute: self.take_sign('!') })
    }

    /// A cookie's hexadecimal digits, which may look like a number.
    fn cookie(&mut self) -> Result<Vec<u8>, ScriptError> {
        let is_there = matches!(self.peek(), Some(Kind::Word(_) | Kind::Integer(_) | Kind::Text(_)));
        if is_there { self.hex() } else { Ok(Vec::new()) }
    }

    fn hex(&mut self) -> Result<Vec<u8>, ScriptError> {
        let text = self.tokens.get(self.at).map(|token| token.text.as_str()).unwrap_or_default();
        let bytes: Option<Vec<u8>> = (text.len().is_multiple_of(2) && text.is_ascii())
            .then(|| (0..text.len()).step_by(2).map(|at| text.get(at..at + 2)))
            .and_then(|pairs| pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect());
        match bytes {
            Some(bytes) => {
                self.at += 1;
                Ok(bytes)
            }
            None => self.unexpected("pairs of hexadecimal digits"),
        }
    }

    fn md5(&mut self) -> Result<Md5, ScriptError> {
        if self.take_word("valid") {
            Ok(Md5::Valid)
        } else if self.take_word("invalid") {
            Ok(Md5::Invalid)
        } else {
            self.hex().map(Md5::Digest)
        }
    }

    /// `unknown 200 0102`: a kind, and what is in it.
    fn unknown(&mut self) -> Result<TcpOption, ScriptError> {
        let kind = self.number("an option's kind", 255)? as u8;
        self.cookie().map(|bytes| TcpOption::Other(kind, bytes))
    }

    /// `ECN e1b 1 ceb 0 e0b 1`: the first counter's name says which of the two orders it is, where the option's name does not.
    fn acc_ecn(&mut self, kind: Option<(u8, Option<u16>)>) -> Result<TcpOption, ScriptError> {
        let mut names = Vec::new();
        let mut counters = Vec::new();
        while let Some(name @ ("e0b" | "ceb" | "e1b" | "ee0b" | "eceb" | "ee1b")) = self.peek_word() {
            names.push(name.trim_start_matches("ee").trim_start_matches('e').to_owned());
            self.at += 1;
            counters.push(self.number("a counter of 24 bits", MAX_COUNTER)? as u32);
        }
        let order_0 = ["0b", "ceb", "1b"];
        let order_1 = ["1b", "ceb", "0b"];
        let begins =
            |order: [&str; 3]| names.len() <= 3 && names.iter().zip(order).all(|(name, expected)| name == expected);
        let (kind, prefix) = kind.unwrap_or(if begins(order_1) { (ACC_ECN_1, None) } else { (ACC_ECN_0, None) });
        let is_order_0 = kind == ACC_ECN_0 || prefix == Some(ACC_ECN_0_EXPERIMENT);
        if !begins(if is_order_0 { order_0 } else { order_1 }) {
            return self.error("AccECN's counters stand in the order e0b, ceb, e1b or e1b, ceb, e0b");
        }
        Ok(TcpOption::AccEcn { kind, prefix, counters })
    }
}
