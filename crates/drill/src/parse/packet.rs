//! A packet: its direction, what is said of its IP header, its ports, and what is in it.

use super::Parser;
use crate::lex::Kind;
use crate::script::{Body, Direction, Icmp, Packet, Quoted};
use crate::source::ScriptError;

impl Parser {
    pub(super) fn packet(&mut self) -> Result<Packet, ScriptError> {
        let direction = if self.take_sign('<') {
            Direction::In
        } else {
            self.expect_sign('>')?;
            Direction::Out
        };
        if let Some(word @ ("ipv4" | "ipv6" | "gre" | "GREv0" | "mpls" | "sctp" | "udplite")) = self.peek_word() {
            let word = word.to_owned();
            return self.error(format!("the stack has no {word} inside of packets"));
        }
        // FreeBSD's suites quote a packet before the word icmp
        let quoted = self.leading_quote()?;
        let ip = self.ip_fields(direction)?;
        let mut ports = self.ports()?;
        let body = match self.peek_word() {
            Some("udp") => {
                self.at += 1;
                ports = ports.or(self.ports()?);
                self.expect_sign('(')?;
                let len = self.number_u16("the payload's length")?;
                self.expect_sign(')')?;
                Body::Udp(len)
            }
            Some("icmp") => {
                self.at += 1;
                let icmp = self.icmp()?;
                Body::Icmp(Icmp { quoted: icmp.quoted.or(quoted), ..icmp })
            }
            _ if quoted.is_some() => return self.unexpected("`icmp` after a packet that is quoted"),
            Some(word @ ("sctp" | "udplite")) => {
                let word = word.to_owned();
                return self.error(format!("the stack has no {word}"));
            }
            _ => Body::Tcp(self.tcp(direction)?),
        };
        if self.is_sign('{') {
            return self.error("packets that are changed at random are not for the same result every time");
        }
        Ok(Packet { direction, tos: ip.tos, ttl: ip.ttl, flow_label: ip.flow_label, ports, body })
    }

    /// `[1:1461(1460)]` before `icmp`.
    fn leading_quote(&mut self) -> Result<Option<Quoted>, ScriptError> {
        let is_quote = match self.peek_at(1) {
            Some(Kind::Integer(_)) => true,
            Some(Kind::Word(word)) => matches!(word.as_str(), "udp" | "raw"),
            _ => false,
        };
        if !is_quote || !self.take_sign('[') {
            return Ok(None);
        }
        self.quoted().map(Some)
    }

    /// `40000 > 8080`
    fn ports(&mut self) -> Result<Option<(u16, u16)>, ScriptError> {
        let is_there = matches!(self.peek(), Some(Kind::Integer(_))) && self.peek_at(1) == Some(&Kind::Sign('>'));
        if !is_there {
            return Ok(None);
        }
        let source = self.number_u16("a port")?;
        self.expect_sign('>')?;
        Ok(Some((source, self.number_u16("a port")?)))
    }
}
