//! The peer's side of a case: its segments as packets, and the other side's packets as what can be compared.
//!
//! Initial sequence numbers and clocks differ between two TCPs; everything here is relative to them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::tcp::{self, SackBlock, TcpFlags, TcpHeader, TcpOptions, Timestamps};
use bowline_wire::{RxChecksum, SeqNumber};

use super::case::{Call, Case, Segment, Stamp, Window};

/// Close before the wrap, so that every conversation crosses it.
const PEER_ISN: u32 = u32::MAX - 20;
/// The peer's clock at the start, and what an old segment says.
const CLOCK: u32 = 10_000;
const OLD_CLOCK: u32 = 5_000;

/// The addresses of the TCP under test.
pub(super) const OURS: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(10, 9, 0, 1), Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1));
const PEER: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(10, 9, 0, 2), Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2));

/// A segment of the TCP under test, as far as two TCPs can be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    flags: TcpFlags,
    seq: i32,
    ack: Option<i32>,
    len: usize,
    closed: bool,
    urgent: Option<u16>,
    options: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seq{:+}", self.flags, self.seq)?;
        if let Some(ack) = self.ack {
            write!(f, " ack{ack:+}")?;
        }
        if self.len > 0 {
            write!(f, " len={}", self.len)?;
        }
        if let Some(urgent) = self.urgent {
            write!(f, " urg={urgent}")?;
        }
        if self.closed {
            f.write_str(" win=0")?;
        }
        f.write_str(&self.options)
    }
}

/// One conversation under way.
#[derive(Debug)]
pub(super) struct Conversation {
    case: Case,
    /// Of the TCP under test, and of the peer.
    pub(super) ends: (SocketAddr, SocketAddr),
    /// The initial number of the TCP under test, as seen in its SYN.
    iss: u32,
    /// What the peer sends next, and what the other side does, counted from their initial numbers.
    next: (u32, u32),
    has_ended: bool,
    clock: u32,
    echo: u32,
}

impl Conversation {
    /// With `port` on our side, and the next thousands' on the peer's.
    pub(super) fn new(case: &Case, port: u16) -> Self {
        let address = |(v4, v6): (Ipv4Addr, Ipv6Addr)| if case.ipv6 { IpAddr::V6(v6) } else { IpAddr::V4(v4) };
        let ends = (SocketAddr::new(address(OURS), port), SocketAddr::new(address(PEER), 4000));
        Self { case: case.clone(), ends, iss: 0, next: (0, 0), has_ended: false, clock: CLOCK, echo: 0 }
    }

    /// The user's call, as far as it moves what the other side will send next.
    pub(super) fn on_call(&mut self, call: Call) {
        match call {
            Call::Listen | Call::Connect => self.next.1 = 1,
            Call::Write(len) if !self.has_ended => self.next.1 += u32::from(len),
            Call::Shutdown | Call::Close if !self.has_ended => {
                self.has_ended = true;
                self.next.1 += 1;
            }
            Call::Write(_) | Call::Read | Call::Shutdown | Call::Close | Call::Abort => {}
        }
    }

    /// The peer's segment as a packet.
    pub(super) fn packet(&mut self, segment: &Segment) -> Vec<u8> {
        self.clock += 10;
        let (ours, peer) = self.ends;
        let (theirs, next) = self.next;
        let has_ack = segment.flags.contains(TcpFlags::ACK);
        let acked = |offset: i32| SeqNumber(self.iss.wrapping_add(next).wrapping_add_signed(offset));
        let window = match segment.window {
            Window::Open => 60_000,
            Window::Small => 100,
            Window::Closed => 0,
        };
        let header = TcpHeader {
            src_port: peer.port(),
            dst_port: ours.port(),
            seq: SeqNumber(PEER_ISN.wrapping_add(theirs).wrapping_add_signed(segment.seq)),
            ack: if has_ack { acked(segment.ack) } else { SeqNumber(0) },
            flags: segment.flags,
            window,
            urgent: segment.urgent,
            options: self.options(segment, acked),
        };
        let mut head = vec![0; header.emit_len()];
        header.emit(&mut head);
        let text: Vec<u8> = (0..segment.len).map(|n| (n % 251) as u8).collect();
        tcp::fill_checksum(peer.ip(), ours.ip(), &mut head, &[&text]);
        let control =
            u32::from(segment.flags.contains(TcpFlags::SYN)) + u32::from(segment.flags.contains(TcpFlags::FIN));
        let opens = theirs == 0 && segment.flags.contains(TcpFlags::SYN) && segment.seq == 0;
        if opens {
            self.next.0 = 1;
        } else if (segment.is_next() || self.crosses(segment)) && !segment.flags.contains(TcpFlags::SYN) {
            self.next.0 += u32::from(segment.len) + control;
        }
        let ip = IpHeader::new(peer.ip(), ours.ip(), Protocol::TCP, head.len() + text.len());
        let mut packet = vec![0; ip.emit_len()];
        ip::emit(&ip, &mut packet);
        packet.extend(head);
        packet.extend(text);
        packet
    }

    /// A FIN of the peer that has not seen ours.
    fn crosses(&self, segment: &Segment) -> bool {
        let fin = segment.flags.contains(TcpFlags::FIN | TcpFlags::ACK) && segment.seq == 0;
        fin && self.has_ended && segment.ack == -1 && segment.stamp == Stamp::Fresh
    }

    fn options(&self, segment: &Segment, acked: impl Fn(i32) -> SeqNumber) -> TcpOptions {
        let profile = self.case.profile;
        let shakes = segment.flags.contains(TcpFlags::SYN) || segment.misplaced;
        let value = if segment.stamp == Stamp::Old { OLD_CLOCK } else { self.clock };
        let stamped = (profile.timestamps && segment.stamp != Stamp::Missing) || segment.misplaced;
        let echo = if segment.flags.contains(TcpFlags::ACK) { self.echo } else { 0 };
        TcpOptions {
            mss: profile.mss.filter(|_| shakes),
            window_scale: profile.scale.filter(|_| shakes),
            sack_permitted: profile.sack && shakes,
            timestamps: stamped.then_some(Timestamps { value, echo }),
            sack: segment.sack.iter().map(|&(from, to)| SackBlock { left: acked(from), right: acked(to) }).collect(),
            ..TcpOptions::default()
        }
    }

    /// What a packet of the TCP under test says; `None` if it belongs to another conversation.
    pub(super) fn look(&mut self, packet: &[u8]) -> Option<Seen> {
        let ip = ip::parse(packet).ok()?;
        if ip.protocol != Protocol::TCP {
            return None;
        }
        let segment = ip.payload(packet);
        let (header, header_len) = TcpHeader::parse(segment).ok()?;
        let ends = (SocketAddr::new(ip.src, header.src_port), SocketAddr::new(ip.dst, header.dst_port));
        if ends != self.ends {
            return None;
        }
        if header.flags.contains(TcpFlags::SYN) {
            self.iss = header.seq.0;
        }
        if let Some(times) = header.options.timestamps {
            self.echo = times.value;
        }
        let has_ack = header.flags.contains(TcpFlags::ACK);
        let seq = header.seq.0.wrapping_sub(self.iss).wrapping_sub(self.next.1) as i32;
        let theirs = |number: u32| number.wrapping_sub(PEER_ISN).wrapping_sub(self.next.0) as i32;
        Some(Seen {
            // When a segment is pushed is left to each TCP (RFC 9293 3.9.1.2).
            flags: header.flags - TcpFlags::PSH,
            seq,
            ack: has_ack.then(|| theirs(header.ack.0)),
            len: segment.len() - header_len,
            closed: header.window == 0 && !header.flags.contains(TcpFlags::RST),
            urgent: header.flags.contains(TcpFlags::URG).then_some(header.urgent),
            options: self.shown(&header.options, theirs),
        })
    }

    fn shown(&self, options: &TcpOptions, theirs: impl Fn(u32) -> i32) -> String {
        let mut out = String::new();
        out += &options.mss.map_or(String::new(), |mss| format!(" mss={mss}"));
        out += options.window_scale.map_or("", |_| " ws");
        out += if options.sack_permitted { " sackok" } else { "" };
        // The time echoed, beside that of the peer's last segment.
        let ago =
            |echo: u32| if echo == 0 { "0".to_owned() } else { format!("{:+}", echo.wrapping_sub(self.clock) as i32) };
        out += &options.timestamps.map_or(String::new(), |times| format!(" ecr={}", ago(times.echo)));
        for block in &options.sack {
            out += &format!(" sack{:+}..{:+}", theirs(block.left.0), theirs(block.right.0));
        }
        out
    }
}

/// A received packet whose checksum is still to be verified.
pub(super) fn received(packet: Vec<u8>) -> bowline_wire::RxPacket {
    bowline_wire::RxPacket {
        pinned: packet.len(),
        data: packet.into(),
        checksum: RxChecksum::Unverified,
        segment_size: None,
        more: Default::default(),
    }
}
