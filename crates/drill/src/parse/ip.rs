//! What stands in brackets before a packet: `[ect0]`, `(ttl 64)`, `[tos 0x10, flowlabel 0x1]`, `(dscp 0x0a, ecn ce, hlim 4)`.

use bowline_wire::Ecn;

use super::Parser;
use crate::script::{Direction, Tos};
use crate::source::ScriptError;

#[derive(Default)]
pub(super) struct IpFields {
    pub(super) tos: Tos,
    pub(super) ttl: Option<u8>,
    pub(super) flow_label: Option<u32>,
}

impl Parser {
    pub(super) fn ip_fields(&mut self, direction: Direction) -> Result<IpFields, ScriptError> {
        let close = match () {
            () if self.take_sign('[') => ']',
            () if self.take_sign('(') => ')',
            () => return Ok(IpFields::default()),
        };
        let mut fields = IpFields::default();
        loop {
            self.ip_field(&mut fields, direction)?;
            if !self.take_sign(',') {
                self.expect_sign(close)?;
                return Ok(fields);
            }
        }
    }

    fn ip_field(&mut self, fields: &mut IpFields, direction: Direction) -> Result<(), ScriptError> {
        let place = self.place();
        let word = self.word("noecn, ect0, ect1, ect01, ce, tos, class, dscp, ecn, ttl, hlim or flowlabel")?;
        match word.as_str() {
            "tos" | "class" => fields.tos = Tos::Byte(self.number("a TOS byte", 255)? as u8),
            "dscp" => fields.tos = Tos::Dscp(self.dscp()?, None),
            "ttl" | "hlim" => fields.ttl = Some(self.number("a hop limit", 255)? as u8),
            "flowlabel" => fields.flow_label = Some(self.number("a flow label of 20 bits", 0xf_ffff)? as u32),
            "ecn" => {
                let mark = self.word("noecn, ect0, ect1, ect01 or ce")?;
                return self
                    .mark(fields, &mark, direction)
                    .map_or_else(|| self.unexpected("noecn, ect0, ect1, ect01 or ce"), Ok);
            }
            mark => {
                return self
                    .mark(fields, mark, direction)
                    .ok_or_else(|| ScriptError::new(place, format!("`{mark}` says nothing of an IP header here")));
            }
        }
        Ok(())
    }

    fn mark(&self, fields: &mut IpFields, word: &str, direction: Direction) -> Option<()> {
        let ecn = match word {
            "noecn" => Ecn::NotEct,
            "ect0" => Ecn::Ect0,
            "ect1" => Ecn::Ect1,
            "ce" => Ecn::Ce,
            "ect01" if direction == Direction::Out => {
                fields.tos = Tos::Ect01;
                return Some(());
            }
            _ => return None,
        };
        fields.tos = match fields.tos {
            Tos::Dscp(dscp, None) => Tos::Dscp(dscp, Some(ecn)),
            _ => Tos::Ecn(ecn),
        };
        Some(())
    }

    /// A code point, as a number or by its name (RFC 2474, RFC 2597, RFC 3246).
    fn dscp(&mut self) -> Result<u8, ScriptError> {
        let Some(name) = self.peek_word() else { return self.number("a DSCP of six bits", 63).map(|dscp| dscp as u8) };
        let whole = match name {
            "ef" => Some(46),
            "voice_admit" => Some(44),
            "le" => Some(1),
            _ => None,
        };
        let digits: Vec<u8> = name.bytes().skip(2).map(|byte| byte.wrapping_sub(b'0')).collect();
        let dscp = match (name.get(..2), digits.as_slice()) {
            (Some("cs"), &[class @ 0..=7]) => Some(class * 8),
            (Some("af"), &[class @ 1..=4, drop @ 1..=3]) => Some(class * 8 + drop * 2),
            _ => whole,
        };
        match dscp {
            Some(dscp) => {
                self.at += 1;
                Ok(dscp)
            }
            None => self.unexpected("a DSCP: a number, cs0 to cs7, af11 to af43, ef, voice_admit, le"),
        }
    }
}
