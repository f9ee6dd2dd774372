//! What a connection's numbers in a script are on the wire, and back: ports, initial sequence numbers, timestamps, flow labels.
//!
//! A script's numbers are relative to its own initial ones: those of a SYN count as they stand, all others from the byte
//! after... zero. The peer's first number is the script's; ours is the stack's, learned from the first SYN that it sends. Our
//! TSval is shifted so that the first one is the script's first; a TSecr of the script stands for the TSval that was seen
//! where the script wrote that number.

use std::collections::BTreeMap;

use crate::script::{Packet, TcpOption};
use crate::wire::{Seen, SeenTcp, Transport};
use bowline_wire::TcpFlags;

/// How a connection begins, as far as the script has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// `connect` was called: the next SYN is ours.
    Connecting,
    /// Our SYN was seen.
    SynSent,
    /// The peer began, or nobody did: `<` without any socket.
    Passive,
}

/// A connection, or what stands for one.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) stage: Stage,
    /// The script's descriptor, once there is one.
    pub(crate) fd: Option<i64>,
    /// Ours; learned from the first packet where the stack chose it.
    pub(crate) local_port: Option<u16>,
    pub(crate) remote_port: u16,
    /// Our initial sequence number: on the wire, in the script.
    local_isn: Option<(u32, u32)>,
    /// The peer's initial sequence number, which is the script's.
    remote_isn: Option<u32>,
    /// Whether nobody listened when the peer began: then a SYN gives no number to count from.
    pub(crate) is_unheard: bool,
    /// A SYN with another number than `remote_isn`, or one behind the peer's own RST: a new incarnation, if our SYN-ACK says so.
    fresh_syn: Option<u32>,
    /// Whether the peer has reset it.
    is_reset: bool,
    /// The first TSval that was seen, and what the script calls it.
    first_ts: Option<(u32, u32)>,
    /// TSval by what the script calls it.
    ts: BTreeMap<u32, u32>,
    /// The script's flow label, and what it is on the wire.
    flow_label: Option<(u32, u32)>,
    /// What the program has written.
    pub(crate) written: Vec<u8>,
    /// How many bytes it has read.
    pub(crate) read: u64,
    /// Whether what is read can be told from what was sent: it is a stream, and nothing came from a pipe.
    pub(crate) is_stream: bool,
    /// Whether there is urgent data, which may be read elsewhere.
    pub(crate) has_urgent: bool,
    /// Whether the script has closed its descriptor.
    pub(crate) is_closed: bool,
}

impl Flow {
    pub(crate) const fn new(stage: Stage, local_port: Option<u16>, remote_port: u16) -> Self {
        Self {
            stage,
            fd: None,
            local_port,
            remote_port,
            local_isn: None,
            remote_isn: None,
            is_unheard: false,
            fresh_syn: None,
            is_reset: false,
            first_ts: None,
            ts: BTreeMap::new(),
            flow_label: None,
            written: Vec::new(),
            read: 0,
            is_stream: true,
            has_urgent: false,
            is_closed: false,
        }
    }

    /// The same flow, of one of the script's descriptors.
    pub(crate) fn of(self, script: i64) -> Self {
        Self { fd: Some(script), ..self }
    }

    /// Whether neither side has sent anything yet.
    pub(crate) const fn is_silent(&self) -> bool {
        self.local_isn.is_none() && self.remote_isn.is_none()
    }

    /// Whether a segment of ours opens another connection with the same ports.
    pub(crate) fn is_succeeded_by(&self, tcp: &SeenTcp) -> bool {
        let is_opening = tcp.flags.contains(TcpFlags::SYN) && !tcp.flags.contains(TcpFlags::ACK);
        is_opening && self.local_isn.is_some_and(|(live, _)| live != tcp.seq)
    }

    /// What to add to one of our numbers in the script.
    fn local_offset(&self, is_syn: bool) -> u32 {
        let (live, script) = self.local_isn.unwrap_or_default();
        live.wrapping_sub(if is_syn { script } else { 0 })
    }

    /// What to add to one of the peer's numbers in the script.
    fn remote_offset(&self, is_syn: bool) -> u32 {
        if is_syn { 0 } else { self.remote_isn.unwrap_or_default() }
    }

    /// One of our numbers, as an ICMP message quotes it.
    pub(crate) fn quoted_seq(&self, seq: u32) -> u32 {
        seq.wrapping_add(self.local_offset(false))
    }

    /// The numbers of a segment that the script sends: sequence and acknowledgement number.
    pub(crate) fn send(&mut self, flags: TcpFlags, seq: u32, ack: u32) -> (u32, u32) {
        let is_syn = flags.contains(TcpFlags::SYN);
        let begins = is_syn || self.stage == Stage::Passive;
        if begins && self.remote_isn.is_none() {
            self.remote_isn = Some(if is_syn && self.is_unheard { 0 } else { seq });
        } else if is_syn && !flags.contains(TcpFlags::ACK) && (self.is_reset || self.remote_isn != Some(seq)) {
            self.fresh_syn = Some(seq);
        }
        self.is_reset |= flags.contains(TcpFlags::RST);
        let ack = if flags.contains(TcpFlags::ACK) { ack.wrapping_add(self.local_offset(is_syn)) } else { ack };
        (seq.wrapping_add(self.remote_offset(is_syn)), ack)
    }

    /// The options of a segment that the script sends.
    pub(crate) fn send_options(
        &self,
        flags: TcpFlags,
        options: &[TcpOption],
        scaled: bool,
    ) -> Result<Vec<TcpOption>, String> {
        let is_ack = flags.contains(TcpFlags::ACK);
        let offset = self.local_offset(flags.contains(TcpFlags::SYN));
        options
            .iter()
            .map(|option| match option {
                TcpOption::Sack(blocks) => {
                    let shift = |(left, right): &(u32, u32)| (left.wrapping_add(offset), right.wrapping_add(offset));
                    Ok(TcpOption::Sack(blocks.iter().map(shift).collect()))
                }
                TcpOption::Timestamps { value, echo, absolute: false } if is_ack => {
                    Ok(TcpOption::Timestamps { value: *value, echo: self.send_echo(*echo, scaled)?, absolute: false })
                }
                other => Ok(other.clone()),
            })
            .collect()
    }

    fn send_echo(&self, echo: u32, scaled: bool) -> Result<u32, String> {
        match (self.ts.get(&echo), self.first_ts) {
            (Some(live), _) => Ok(*live),
            (None, Some((live, script))) if scaled => Ok(echo.wrapping_sub(script).wrapping_add(live)),
            _ => Err(format!(
                "no packet before had TS val {echo}, so that ecr {echo} has no meaning; `--tcp_ts_ecr_scaled` takes it by its distance"
            )),
        }
    }

    /// Puts a packet that was seen into the script's numbers. `wanted` is the line that it is compared with.
    pub(crate) fn receive(&mut self, seen: &mut Seen, wanted: Option<&Packet>) {
        if let Some(wanted) = wanted {
            self.label(seen, wanted);
        }
        let wanted = wanted.and_then(|packet| match &packet.body {
            crate::script::Body::Tcp(tcp) => Some(tcp),
            _ => None,
        });
        let Transport::Tcp(tcp) = &mut seen.transport else { return };
        let absolute_seq = matches!(wanted.map(|wanted| wanted.seq), Some(crate::script::Seq::Absolute(_)));
        if tcp.flags.contains(TcpFlags::SYN) {
            let script_isn = match wanted.map(|wanted| wanted.seq) {
                Some(crate::script::Seq::Mapped(seq)) => seq,
                _ => 0,
            };
            self.learn(tcp, script_isn);
        }
        let is_syn = tcp.flags.contains(TcpFlags::SYN);
        if !absolute_seq {
            tcp.seq = tcp.seq.wrapping_sub(self.local_offset(is_syn));
        }
        let offset = self.remote_offset(is_syn);
        if tcp.flags.contains(TcpFlags::ACK) {
            tcp.ack = tcp.ack.wrapping_sub(offset);
        }
        let script_ts = wanted.and_then(|wanted| timestamps(wanted.options.as_deref().unwrap_or_default()));
        for option in &mut tcp.options {
            match option {
                TcpOption::Sack(blocks) => blocks.iter_mut().for_each(|(left, right)| {
                    *left = left.wrapping_sub(offset);
                    *right = right.wrapping_sub(offset);
                }),
                TcpOption::Timestamps { value: Some(value), .. } => self.stamp(value, script_ts),
                _ => {}
            }
        }
    }

    /// Learns our initial sequence number from the first SYN, or from that of a new incarnation.
    fn learn(&mut self, tcp: &SeenTcp, script_isn: u32) {
        let is_new = match (self.local_isn, self.fresh_syn) {
            (None, fresh) => {
                let answered = fresh.filter(|fresh| tcp.ack == fresh.wrapping_add(1));
                self.remote_isn = answered.or(self.remote_isn);
                true
            }
            (Some((live, _)), Some(fresh)) if live != tcp.seq && tcp.flags.contains(TcpFlags::ACK) => {
                self.remote_isn = Some(fresh);
                self.first_ts = None;
                true
            }
            _ => false,
        };
        if is_new {
            self.local_isn = Some((tcp.seq, script_isn));
            (self.fresh_syn, self.is_reset) = (None, false);
        }
        if self.stage == Stage::Connecting {
            self.stage = Stage::SynSent;
        }
    }

    /// Puts a TSval into the script's clock.
    fn stamp(&mut self, value: &mut u32, script: Option<Option<u32>>) {
        let live = *value;
        if let Some(Some(script)) = script {
            self.ts.insert(script, live);
            self.first_ts.get_or_insert((live, script));
        }
        if let Some((first_live, first_script)) = self.first_ts {
            *value = live.wrapping_sub(first_live).wrapping_add(first_script);
        }
    }

    /// A flow label means the same as long as the script writes the same.
    fn label(&mut self, seen: &mut Seen, wanted: &Packet) {
        let Some(script) = wanted.flow_label.filter(|label| *label != 0) else { return };
        let live = seen.ip.flow_label;
        match self.flow_label {
            Some((label, known)) if label == script && known == live => seen.ip.flow_label = script,
            Some((label, known)) if label == script || known == live => {}
            _ if live != 0 => {
                self.flow_label = Some((script, live));
                seen.ip.flow_label = script;
            }
            _ => {}
        }
    }
}

/// The TSval in a script's options: there may be none, and it may be `...`.
fn timestamps(options: &[TcpOption]) -> Option<Option<u32>> {
    options.iter().find_map(|option| match option {
        TcpOption::Timestamps { value, .. } => Some(*value),
        _ => None,
    })
}
