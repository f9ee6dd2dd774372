//! Where a packet that was seen differs from what a script expects. Both are in the script's numbers here.
//!
//! Decides which fields count: all that the script says, and never less than the tools that the suites are written for.

use bowline_wire::{Ecn, TcpFlags};

use super::seen::{Seen, SeenTcp, Transport};
use super::{icmp_names, show};
use crate::script::packet::Md5;
use crate::script::{Body, Micros, Packet, Seq, Tcp, TcpOption, Tos};

/// A field that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The field.
    pub field: &'static str,
    /// What the script says.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

/// What a script expects, and what it takes to judge it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// Its source and destination port, where they count.
    pub ports: Option<(u16, u16)>,
    /// Microseconds for each tick of TSval, where it is to be checked, and by how many it may differ.
    pub ts: Option<(Micros, Micros)>,
    /// Whether what was seen is signed with the script's secret.
    pub signed: bool,
}

/// The bits of AccECN's counter.
const ACE: [(TcpFlags, u8); 3] = [(TcpFlags::AE, 4), (TcpFlags::CWR, 2), (TcpFlags::ECE, 1)];

/// Where they differ; empty where they do not.
#[must_use]
pub fn differences(wanted: Wanted<'_>, seen: &Seen) -> Vec<Difference> {
    let mut out = Found::default();
    match (&wanted.packet.body, &seen.transport) {
        (Body::Tcp(tcp), Transport::Tcp(seen)) => out.tcp(tcp, seen, (wanted.ts, wanted.signed)),
        (Body::Udp(len), Transport::Udp { payload, .. }) => {
            out.field("payload length", &usize::from(*len), &payload.len());
        }
        (Body::Icmp(icmp), Transport::Icmp { kind, code, word, .. }) => {
            match icmp_names::numbers(seen.is_v4(), &icmp.kind, icmp.code.as_deref()) {
                Ok(expected) if expected == (*kind, *code) => {}
                Ok((kind_wanted, code_wanted)) => out.add(
                    "message",
                    icmp_names::words(seen.is_v4(), kind_wanted, code_wanted),
                    icmp_names::words(seen.is_v4(), *kind, *code),
                ),
                Err(error) => out.add("message", error, show::seen(seen)),
            }
            if let Some(mtu) = icmp.mtu {
                out.field("MTU", &mtu, word);
            }
            if let Some(ident) = icmp.ident {
                out.field("identifier", &u32::from(ident), &(word >> 16));
            }
        }
        _ => out.add("protocol", show::script_packet(wanted.packet), show::seen(seen)),
    }
    if let Some(ports) = wanted.ports
        && !matches!(seen.transport, Transport::Icmp { .. })
    {
        let ends = seen.ends();
        let words = |(src, dst): (u16, u16)| format!("{src} > {dst}");
        out.field("ports", &words(ports), &words((ends.src_port, ends.dst_port)));
    }
    out.network(wanted.packet, seen);
    out.0
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, field: &'static str, expected: String, seen: String) {
        self.0.push(Difference { field, expected, seen });
    }

    fn field<T: PartialEq + ToString>(&mut self, field: &'static str, expected: &T, seen: &T) {
        if expected != seen {
            self.add(field, expected.to_string(), seen.to_string());
        }
    }

    fn network(&mut self, packet: &Packet, seen: &Seen) {
        let class = seen.ip.traffic_class;
        let ecn = |ecn: Ecn| match ecn {
            Ecn::NotEct => "noecn".to_owned(),
            Ecn::Ect0 => "ect0".to_owned(),
            Ecn::Ect1 => "ect1".to_owned(),
            Ecn::Ce => "ce".to_owned(),
        };
        match packet.tos {
            Tos::Any => {}
            Tos::Ecn(wanted) => self.field("ECN mark", &ecn(wanted), &ecn(class.ecn())),
            Tos::Ect01 if matches!(class.ecn(), Ecn::Ect0 | Ecn::Ect1) => {}
            Tos::Ect01 => self.add("ECN mark", "ect0 or ect1".to_owned(), ecn(class.ecn())),
            Tos::Dscp(dscp, mark) => {
                self.field("DSCP", &dscp, &class.dscp());
                if let Some(mark) = mark {
                    self.field("ECN mark", &ecn(mark), &ecn(class.ecn()));
                }
            }
            Tos::Byte(byte) => self.field("TOS byte", &byte, &class.0),
        }
        if let Some(ttl) = packet.ttl {
            self.field("hop limit", &ttl, &seen.ip.hop_limit);
        }
        // any label but zero: a flow's labels have been put into the script's
        if let Some(label) = packet.flow_label.filter(|label| *label != 0) {
            self.field("flow label", &label, &seen.ip.flow_label);
        }
    }

    fn tcp(&mut self, wanted: &Tcp, seen: &SeenTcp, judge: (Option<(Micros, Micros)>, bool)) {
        let ace_bits = TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE;
        let (flags, ace) = match wanted.ace {
            None => (seen.flags, None),
            Some(_) => {
                let ace = ACE.iter().filter(|(flag, _)| seen.flags.contains(*flag)).map(|(_, bit)| bit).sum();
                (seen.flags.difference(ace_bits), Some(ace))
            }
        };
        self.field("flags", &show::flags(wanted.flags, wanted.ace), &show::flags(flags, ace));
        if let Seq::Mapped(seq) | Seq::Absolute(seq) = wanted.seq {
            self.field("sequence number", &seq, &seen.seq);
        }
        self.field("payload length", &usize::from(wanted.len), &seen.payload.len());
        // without ACK there is no number, and the field is to be zero
        self.field("acknowledgement number", &wanted.ack, &seen.ack);
        if let Some(window) = wanted.window {
            self.field("window", &window, &seen.window);
        }
        self.field("urgent pointer", &wanted.urgent, &seen.urgent);
        if let Some(options) = &wanted.options {
            self.options(options, &seen.options, judge);
        }
    }

    fn options(&mut self, wanted: &[TcpOption], seen: &[TcpOption], judge: (Option<(Micros, Micros)>, bool)) {
        // what is behind the last option up to the next word is padding, which a script need not write
        let trimmed = |options: &[TcpOption]| {
            let len = options.iter().rposition(|option| *option != TcpOption::End).map_or(0, |last| last + 1);
            let padding = options.len() - len;
            (len, padding)
        };
        let ((wanted_len, wanted_padding), (seen_len, seen_padding)) = (trimmed(wanted), trimmed(seen));
        let is_padding_right = wanted_padding == seen_padding || (wanted_padding == 0 && seen_padding < 4);
        let is_same = wanted_len == seen_len
            && is_padding_right
            && wanted.iter().zip(seen).take(wanted_len).all(|(wanted, seen)| is_same_option(wanted, seen, judge));
        if !is_same {
            let words = |options: &[TcpOption]| match options {
                [] => "none".to_owned(),
                all => show::options(Some(all)).trim_start().to_owned(),
            };
            self.add("options", words(wanted), words(seen));
        }
    }
}

/// `ts` and `signed` as in [`Wanted`].
fn is_same_option(wanted: &TcpOption, seen: &TcpOption, (ts, signed): (Option<(Micros, Micros)>, bool)) -> bool {
    match (wanted, seen) {
        (
            TcpOption::Timestamps { value: value_wanted, echo: echo_wanted, .. },
            TcpOption::Timestamps { value, echo, .. },
        ) => {
            let is_value_right = match (ts, value_wanted, value) {
                (Some((tick, tolerance)), Some(wanted), Some(seen)) => {
                    let apart = u64::from(seen.wrapping_sub(*wanted).cast_signed().unsigned_abs());
                    apart.saturating_mul(tick) <= tolerance
                }
                _ => true,
            };
            is_value_right && echo_wanted == echo
        }
        (TcpOption::Md5(Md5::Valid), TcpOption::Md5(_)) => signed,
        (TcpOption::Md5(Md5::Invalid), TcpOption::Md5(_)) => !signed,
        _ => wanted == seen,
    }
}
