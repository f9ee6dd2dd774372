//! The language of the scripted peer: one segment a line, in numbers relative to each side's initial one.
//!
//! `SYN,ACK seq=0 ack=1 win=1000 mss=1460 ws=7 sackok ts=5/3`, `ACK,PSH seq=1 ack=1 len=10`, `RST seq=1 no-ts`.
//! The SYN is number 0 and the first byte of text number 1, as in tcpdump. What a line about our segments leaves out is
//! not looked at, but for the flags (PSH aside) and the length, which is 0 if left out.

use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{SackBlock, TcpFlags, TcpHeader, TcpOptions, Timestamps};

/// A line of a script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) flags: TcpFlags,
    /// `None` for `seq=*`.
    pub(crate) seq: Option<u32>,
    pub(crate) ack: Option<u32>,
    pub(crate) len: u32,
    /// `len=*`.
    pub(crate) any_len: bool,
    pub(crate) win: Option<u16>,
    pub(crate) urg: Option<u16>,
    pub(crate) mss: Option<u16>,
    pub(crate) ws: Option<u8>,
    pub(crate) sackok: bool,
    /// TSval and TSecr; an absent TSecr is the last TSval that we sent.
    pub(crate) ts: Option<(u32, Option<u32>)>,
    pub(crate) sack: Vec<(u32, u32)>,
    /// Options that must be absent.
    pub(crate) without: Vec<String>,
    /// Numbers are absolute.
    pub(crate) absolute: bool,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let flags = words.next().unwrap_or_default();
        let mut line = Self { flags: flags.split(',').map(flag).collect(), ..Self::default() };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            line.set(name, value, text);
        }
        line
    }

    fn set(&mut self, name: &str, value: &str, text: &str) {
        let number = || value.parse::<u32>().unwrap_or_else(|_| panic!("{value:?} is no number in {text:?}"));
        match name {
            "seq" => self.seq = (value != "*").then(number),
            "ack" => self.ack = Some(number()),
            "len" if value == "*" => self.any_len = true,
            "len" => self.len = number(),
            "win" => self.win = Some(number() as u16),
            "urg" => self.urg = Some(number() as u16),
            "mss" => self.mss = Some(number() as u16),
            "ws" => self.ws = Some(number() as u8),
            "sackok" => self.sackok = true,
            "abs" => self.absolute = true,
            "ts" => {
                let (value, echo) = value.split_once('/').unwrap_or((value, ""));
                self.ts = Some((value.parse().expect("TSval"), echo.parse().ok()));
            }
            "sack" => self.sack = value.split(';').map(block).collect(),
            _ => match name.strip_prefix("no-") {
                Some(option) => self.without.push(option.into()),
                None => panic!("{name:?} means nothing in {text:?}"),
            },
        }
    }

    /// The segment that the peer sends. `peer` and `ours` are the initial numbers, `echo` our last TSval.
    pub(crate) fn header(&self, ports: (u16, u16), peer: u32, ours: u32, echo: u32) -> TcpHeader {
        let (peer, ours) = if self.absolute { (0, 0) } else { (peer, ours) };
        let block = |&(left, right): &(u32, u32)| SackBlock {
            left: SeqNumber(ours.wrapping_add(left)),
            right: SeqNumber(ours.wrapping_add(right)),
        };
        TcpHeader {
            src_port: ports.0,
            dst_port: ports.1,
            seq: SeqNumber(peer.wrapping_add(self.seq.unwrap_or(0))),
            ack: SeqNumber(self.ack.map_or(0, |ack| ours.wrapping_add(ack))),
            flags: self.flags,
            window: self.win.unwrap_or(u16::MAX),
            urgent: self.urg.unwrap_or(0),
            options: TcpOptions {
                mss: self.mss,
                window_scale: self.ws,
                sack_permitted: self.sackok,
                timestamps: self.ts.map(|(value, own)| Timestamps { value, echo: own.unwrap_or(echo) }),
                sack: self.sack.iter().map(block).collect(),
                ..TcpOptions::default()
            },
        }
    }

    /// What differs between this line and a segment of ours; empty if nothing does.
    pub(crate) fn difference(&self, header: &TcpHeader, len: usize, peer: u32, ours: u32) -> String {
        let (peer, ours) = if self.absolute { (0, 0) } else { (peer, ours) };
        let mut out = Vec::new();
        let mut check = |what: &str, wanted: Option<u32>, got: u32| {
            if wanted.is_some_and(|wanted| wanted != got) {
                out.push(format!("{what} should be {} and is {got}", wanted.unwrap_or_default()));
            }
        };
        let ignored = TcpFlags::PSH;
        check("flags", Some(u32::from((self.flags - ignored).bits())), u32::from((header.flags - ignored).bits()));
        check("seq", self.seq, header.seq.0.wrapping_sub(ours));
        check("ack", self.ack, header.ack.0.wrapping_sub(peer));
        check("len", (!self.any_len).then_some(self.len), len as u32);
        check("win", self.win.map(u32::from), u32::from(header.window));
        check("urg", self.urg.map(u32::from), u32::from(header.urgent));
        let options = &header.options;
        check("mss", self.mss.map(u32::from), options.mss.map_or(u32::MAX, u32::from));
        check("ws", self.ws.map(u32::from), options.window_scale.map_or(u32::MAX, u32::from));
        check("sackok", self.sackok.then_some(1), u32::from(options.sack_permitted));
        check("TSecr", self.ts.map(|(value, _)| value), options.timestamps.map_or(u32::MAX, |t| t.echo));
        let blocks = |b: &SackBlock| (b.left.0.wrapping_sub(peer), b.right.0.wrapping_sub(peer));
        if !self.sack.is_empty() && !self.sack.iter().copied().eq(options.sack.iter().map(blocks)) {
            out.push(format!("sack is {:?}", options.sack.iter().map(blocks).collect::<Vec<_>>()));
        }
        for option in &self.without {
            let present = match option.as_str() {
                "mss" => options.mss.is_some(),
                "ws" => options.window_scale.is_some(),
                "ts" => options.timestamps.is_some(),
                "sackok" => options.sack_permitted,
                "sack" => !options.sack.is_empty(),
                other => panic!("no option is called {other:?}"),
            };
            if present {
                out.push(format!("{option} is there"));
            }
        }
        out.join(", ")
    }
}

fn flag(name: &str) -> TcpFlags {
    match name {
        "-" => TcpFlags::empty(),
        name => TcpFlags::from_name(name).unwrap_or_else(|| panic!("no flag is called {name:?}")),
    }
}

fn block(text: &str) -> (u32, u32) {
    let (left, right) = text.split_once('-').expect("a SACK block is left-right");
    (left.parse().expect("left edge"), right.parse().expect("right edge"))
}

/// A segment as a line of a script, for diagrams in failures.
pub(crate) fn describe(header: &TcpHeader, len: usize, sender: u32, receiver: u32) -> String {
    let mut out = format!("{} seq={}", header.flags, header.seq.0.wrapping_sub(sender));
    if header.flags.contains(TcpFlags::ACK) {
        out += &format!(" ack={}", header.ack.0.wrapping_sub(receiver));
    }
    if len > 0 {
        out += &format!(" len={len}");
    }
    out += &format!(" win={}", header.window);
    let options = &header.options;
    out += &options.mss.map_or(String::new(), |mss| format!(" mss={mss}"));
    out += &options.window_scale.map_or(String::new(), |ws| format!(" ws={ws}"));
    out += if options.sack_permitted { " sackok" } else { "" };
    out += &options.timestamps.map_or(String::new(), |t| format!(" ts={}/{}", t.value, t.echo));
    for block in &options.sack {
        let (left, right) = (block.left.0.wrapping_sub(receiver), block.right.0.wrapping_sub(receiver));
        out += &format!(" sack={left}-{right}");
    }
    out
}
