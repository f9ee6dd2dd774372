//! Packets in the scripts' notation, so that expected and seen can be read side by side.

use std::fmt::Write as _;

use bowline_wire::TcpFlags;

use super::icmp_names;
use super::seen::{Seen, SeenTcp, Transport};
use crate::script::packet::Md5;
use crate::script::{Body, Packet, Seq, Tcp, TcpOption};

/// Flags as scripts write them.
#[must_use]
pub fn flags(flags: TcpFlags, ace: Option<u8>) -> String {
    const LETTERS: [(TcpFlags, char); 9] = [
        (TcpFlags::SYN, 'S'),
        (TcpFlags::FIN, 'F'),
        (TcpFlags::RST, 'R'),
        (TcpFlags::PSH, 'P'),
        (TcpFlags::URG, 'U'),
        (TcpFlags::ECE, 'E'),
        (TcpFlags::CWR, 'W'),
        (TcpFlags::AE, 'A'),
        (TcpFlags::ACK, '.'),
    ];
    let mut text: String = LETTERS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, letter)| letter).collect();
    if let Some(ace) = ace {
        text.push_str(&ace.to_string());
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// An option.
#[must_use]
pub fn option(option: &TcpOption) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    match option {
        TcpOption::End => "eol".to_owned(),
        TcpOption::Nop => "nop".to_owned(),
        TcpOption::Mss(mss) => format!("mss {mss}"),
        TcpOption::WindowScale(scale) => format!("wscale {scale}"),
        TcpOption::SackPermitted => "sackOK".to_owned(),
        TcpOption::Sack(blocks) => {
            blocks.iter().fold("sack".to_owned(), |text, (left, right)| format!("{text} {left}:{right}"))
        }
        TcpOption::Timestamps { value: Some(value), echo, .. } => format!("TS val {value} ecr {echo}"),
        TcpOption::Timestamps { value: None, echo, .. } => format!("TS val ... ecr {echo}"),
        TcpOption::FastOpen { experimental, cookie } => {
            let name = if *experimental { "FOEXP" } else { "FO" };
            if cookie.is_empty() { name.to_owned() } else { format!("{name} {}", hex(cookie)) }
        }
        TcpOption::Md5(Md5::Valid) => "md5 valid".to_owned(),
        TcpOption::Md5(Md5::Invalid) => "md5 invalid".to_owned(),
        TcpOption::Md5(Md5::Digest(digest)) => format!("md5 {}", hex(digest)),
        TcpOption::AccEcn { kind, prefix, counters } => {
            let is_order_0 = *kind == 172 || *prefix == Some(0xacc0);
            let names = if is_order_0 { ["e0b", "ceb", "e1b"] } else { ["e1b", "ceb", "e0b"] };
            let name = if prefix.is_some() { "exp-AccECN" } else { "ECN" };
            names.iter().zip(counters).fold(name.to_owned(), |text, (name, counter)| format!("{text} {name} {counter}"))
        }
        TcpOption::Other(kind, bytes) => format!("unknown {kind} {}", hex(bytes)),
    }
}

/// Options between angle brackets; nothing where there are none.
#[must_use]
pub fn options(options: Option<&[TcpOption]>) -> String {
    match options {
        None => " <...>".to_owned(),
        Some([]) => String::new(),
        Some(all) => format!(" <{}>", all.iter().map(option).collect::<Vec<_>>().join(",")),
    }
}

/// What a script says of a packet, without its direction.
#[must_use]
pub fn script_packet(packet: &Packet) -> String {
    let ports = packet.ports.map(|(src, dst)| format!("{src} > {dst} ")).unwrap_or_default();
    match &packet.body {
        Body::Tcp(tcp) => format!("{ports}{}", script_tcp(tcp)),
        Body::Udp(len) => format!("{ports}udp ({len})"),
        Body::Icmp(icmp) => {
            let code = icmp.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
            let mtu = icmp.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
            let ident = icmp.ident.map(|ident| format!(" id {ident}")).unwrap_or_default();
            format!("{ports}icmp {}{code}{mtu}{ident}", icmp.kind)
        }
    }
}

fn script_tcp(tcp: &Tcp) -> String {
    let (seq, absolute) = match tcp.seq {
        Seq::Mapped(seq) => (Some(seq), ""),
        Seq::Absolute(seq) => (Some(seq), "!"),
        Seq::Any => (None, ""),
    };
    let mut text = flags(tcp.flags, tcp.ace);
    let _ = match seq {
        Some(seq) => write!(text, " {seq}:{}({}){absolute}", seq.wrapping_add(tcp.len.into()), tcp.len),
        None => write!(text, " ...({})", tcp.len),
    };
    if tcp.flags.contains(TcpFlags::ACK) {
        let _ = write!(text, " ack {}", tcp.ack);
    }
    if let Some(window) = tcp.window {
        let _ = write!(text, " win {window}");
    }
    if tcp.urgent > 0 {
        let _ = write!(text, " urg {}", tcp.urgent);
    }
    text + &options(tcp.options.as_deref())
}

/// A packet that was seen, without its direction. Its numbers are shown as they stand in it.
#[must_use]
pub fn seen(seen: &Seen) -> String {
    match &seen.transport {
        Transport::Tcp(tcp) => seen_tcp(tcp),
        Transport::Udp { payload, .. } => format!("udp ({})", payload.len()),
        Transport::Icmp { kind, code, .. } => format!("icmp {}", icmp_names::words(seen.is_v4(), *kind, *code)),
    }
}

fn seen_tcp(tcp: &SeenTcp) -> String {
    let len = tcp.payload.len();
    let mut text = format!("{} {}:{}({len})", flags(tcp.flags, None), tcp.seq, tcp.seq.wrapping_add(len as u32));
    if tcp.flags.contains(TcpFlags::ACK) {
        let _ = write!(text, " ack {}", tcp.ack);
    }
    let _ = write!(text, " win {}", tcp.window);
    if tcp.urgent > 0 {
        let _ = write!(text, " urg {}", tcp.urgent);
    }
    text + &options(Some(&tcp.options))
}
