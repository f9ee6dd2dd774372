//! What happened in a run, for the diagram of a failure: packets in the script's numbers, calls as notes.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use bowline_observe::diagram::{Diagram, Direction, Ending, Note, Row, Segment, What, text};

use crate::script::{Body, Packet, Seq, Tcp};
use crate::wire::{Seen, SeenTcp, Transport, show};

/// Rows that a diagram shows; the ones before are left out.
const MAX_ROWS: usize = 24;

#[derive(Debug)]
pub(crate) struct Log {
    local: SocketAddr,
    remote: SocketAddr,
    rows: Vec<Row>,
}

impl Log {
    pub(crate) fn new(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Self {
        Self { local: local.into(), remote: remote.into(), rows: Vec::new() }
    }

    fn push(&mut self, at: u64, what: What) {
        self.rows.push(Row { at, what });
    }

    /// Something that is no packet.
    pub(crate) fn note(&mut self, at: u64, text: String) {
        self.push(at, What::Note(Note { trouble: false, text: text.into() }));
    }

    /// A packet that the script sends.
    pub(crate) fn sent(&mut self, at: u64, packet: &Packet) {
        self.script_packet(at, packet, Direction::In, None);
    }

    /// A packet that the script expects, and that did not come as it does.
    pub(crate) fn expected(&mut self, at: u64, packet: &Packet, why: String) {
        self.script_packet(at, packet, Direction::Out, Some(why.into()));
    }

    fn script_packet(&mut self, at: u64, packet: &Packet, direction: Direction, why: Option<Cow<'static, str>>) {
        match &packet.body {
            Body::Tcp(tcp) => self.push(at, What::Segment(Box::new(Segment { why, ..script_segment(tcp, direction) }))),
            _ => {
                let arrow = if direction == Direction::In { '<' } else { '>' };
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                self.note(at, format!("{arrow} {}{why}", show::script_packet(packet)));
            }
        }
    }

    /// A packet that the stack sent, in the script's numbers.
    pub(crate) fn seen(&mut self, at: u64, seen: &Seen, why: Option<&'static str>) {
        match &seen.transport {
            Transport::Tcp(tcp) => {
                let segment = Segment { why: why.map(Cow::from), ..seen_segment(tcp) };
                self.push(at, What::Segment(Box::new(segment)));
            }
            _ => {
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                self.note(at, format!("> {}{why}", show::seen(seen)));
            }
        }
    }

    /// The diagram of the last events, the host on the left as `>` has it.
    pub(crate) fn draw(&self) -> String {
        let from = self.rows.len().saturating_sub(MAX_ROWS);
        let rows: Vec<Row> = self.rows.iter().skip(from).cloned().collect();
        let count = |direction: Direction| {
            rows.iter()
                .filter(|row| matches!(&row.what, What::Segment(segment) if segment.direction == direction))
                .count()
        };
        let diagram = Diagram {
            id: 0,
            local: self.local,
            remote: self.remote,
            start: 0,
            duration: rows.last().map_or(0, |row| row.at),
            ending: Ending::Open,
            ended_by: None,
            bytes_out: 0,
            bytes_in: 0,
            segments_out: count(Direction::Out) as u64,
            segments_in: count(Direction::In) as u64,
            retransmissions: 0,
            rows,
        };
        let style = text::Style { us: text::Side::Left, ..text::Style::default() };
        let drawn = text::render(&diagram, &style);
        // addresses and counts say nothing about a script
        drawn.split_once("\n\n").map_or(drawn.clone(), |(_, lanes)| lanes.to_owned())
    }
}

fn segment(direction: Direction, flags: String, options: Vec<String>) -> Segment {
    Segment {
        direction,
        flags,
        seq: 0,
        ack: None,
        len: 0,
        count: 1,
        window: 0,
        options,
        state: String::new(),
        next_state: None,
        again: false,
        why: None,
        dropped: None,
        fate: None,
    }
}

fn script_segment(tcp: &Tcp, direction: Direction) -> Segment {
    let options = match &tcp.options {
        Some(options) => options.iter().map(show::option).collect(),
        None => vec!["...".to_owned()],
    };
    let ace = tcp.ace.map(|ace| format!(" ACE {ace}")).unwrap_or_default();
    Segment {
        seq: match tcp.seq {
            Seq::Mapped(seq) | Seq::Absolute(seq) => seq.into(),
            Seq::Any => 0,
        },
        ack: tcp.flags.contains(bowline_wire::TcpFlags::ACK).then_some(tcp.ack.into()),
        len: tcp.len.into(),
        window: tcp.window.unwrap_or_default().into(),
        ..segment(direction, format!("{}{ace}", tcp.flags), options)
    }
}

fn seen_segment(tcp: &SeenTcp) -> Segment {
    Segment {
        seq: tcp.seq.into(),
        ack: tcp.flags.contains(bowline_wire::TcpFlags::ACK).then_some(tcp.ack.into()),
        len: tcp.payload.len() as u32,
        window: tcp.window.into(),
        ..segment(Direction::Out, tcp.flags.to_string(), tcp.options.iter().map(show::option).collect())
    }
}
