//! Segments that a peer might send: most of them plausible, because only those get past the first checks.
//!
//! What is plausible is learned from what the endpoint sends: the numbers that it expects and those that it has used.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bowline_tcp::FourTuple;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{AccEcnOption, AccEcnOrder, FastOpen, SackBlock, TcpFlags, TcpHeader, TcpOptions, Timestamps};

use crate::input::Input;

/// What was last seen of a connection, in the endpoint's direction.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The connection, as the endpoint names it.
    pub tuple: FourTuple,
    /// The endpoint's number after what it sent last.
    pub end: u32,
    /// The number at which that began.
    pub start: u32,
    /// What it expects next.
    pub ack: u32,
    /// Its clock.
    pub time: u32,
}

/// What was seen of the connections, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Sight(Vec<Seen>);

/// Connections that are remembered.
const MOST: usize = 24;

impl Sight {
    /// Takes in a segment that the endpoint sent.
    pub fn look(&mut self, tuple: FourTuple, header: &TcpHeader, len: usize) {
        let syn_fin = u32::from(header.flags.contains(TcpFlags::SYN)) + u32::from(header.flags.contains(TcpFlags::FIN));
        let before = self.0.iter().position(|seen| seen.tuple == tuple).map(|at| self.0.remove(at));
        let ack = if header.flags.contains(TcpFlags::ACK) { header.ack.0 } else { before.map_or(0, |seen| seen.ack) };
        let time = header.options.timestamps.map_or(0, |times| times.value);
        let end = header.seq.0.wrapping_add(len as u32).wrapping_add(syn_fin);
        self.0.push(Seen { tuple, end, start: header.seq.0, ack, time });
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// One of them.
    pub fn pick(&self, input: &mut Input<'_>) -> Option<Seen> {
        // The newest is the most interesting.
        if input.one_in(2) { self.0.last().copied() } else { input.pick(&self.0) }
    }
}

/// Our addresses and the peer's, of both families.
#[must_use]
pub fn addresses(ipv6: bool) -> (IpAddr, IpAddr) {
    if ipv6 {
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        (address(1), address(2))
    } else {
        (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]))
    }
}

/// A four-tuple out of a small number of them, so that they meet again; now and then one that no host has.
pub fn tuple(input: &mut Input<'_>) -> FourTuple {
    let choice = input.byte();
    let (ours, mut peer) = addresses(choice & 1 == 1);
    if choice > 250 {
        peer = input.one_of([
            IpAddr::from([224, 0, 0, 1]),
            IpAddr::from([0, 0, 0, 0]),
            IpAddr::from([255, 255, 255, 255]),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ours,
        ]);
    }
    let ours_port = [80, 81, 40_000, 82][usize::from(choice >> 1) % 4];
    let peer_port = if choice == 249 { 0 } else { 5000 + u16::from(choice >> 3) % 6 };
    FourTuple::new(SocketAddr::new(ours, ours_port), SocketAddr::new(peer, peer_port))
}

/// A distance between numbers: mostly none, often a little, sometimes anything.
fn near(input: &mut Input<'_>) -> u32 {
    match input.byte() {
        0..150 => 0,
        150..200 => u32::from(input.byte()).wrapping_sub(128),
        200..240 => u32::from(input.word()).wrapping_sub(1 << 15),
        240..248 => 1 << 31,
        _ => input.long(),
    }
}

/// A segment of the peer's on one of the connections seen, or on one of a few others.
pub fn segment(input: &mut Input<'_>, sight: &Sight) -> (FourTuple, TcpHeader, usize) {
    let seen = if input.one_in(8) { None } else { sight.pick(input) };
    let seen = seen.unwrap_or_else(|| Seen { tuple: tuple(input), end: 0, start: 0, ack: 0, time: 0 });
    let flags = match input.byte() {
        0..110 => TcpFlags::ACK,
        110..150 => TcpFlags::ACK | TcpFlags::PSH,
        150..180 => TcpFlags::SYN,
        180..195 => TcpFlags::SYN | TcpFlags::ACK,
        195..215 => TcpFlags::FIN | TcpFlags::ACK,
        215..225 => TcpFlags::RST,
        225..235 => TcpFlags::ACK | TcpFlags::ECE | TcpFlags::CWR,
        235..240 => TcpFlags::ACK | TcpFlags::URG,
        _ => TcpFlags::from_bits_truncate(input.word()),
    };
    let len = if flags.contains(TcpFlags::SYN) && !input.one_in(8) {
        0
    } else {
        input.one_of([0, 0, 0, 1, 2, 100, 536, 1448, 1460, 2920, 14_480, 65_000])
    };
    let acked = if input.one_in(4) { seen.start } else { seen.end };
    let header = TcpHeader {
        src_port: seen.tuple.remote.port(),
        dst_port: seen.tuple.local.port(),
        seq: SeqNumber(seen.ack.wrapping_add(near(input))),
        ack: SeqNumber(acked.wrapping_add(near(input))),
        flags,
        window: input.one_of([u16::MAX, 0, 1, 100, 1460, 8192, 501]),
        urgent: if flags.contains(TcpFlags::URG) { input.word() } else { 0 },
        options: options(input, &seen, flags),
    };
    (seen.tuple, header, len)
}

fn options(input: &mut Input<'_>, seen: &Seen, flags: TcpFlags) -> TcpOptions {
    let mut options = TcpOptions::default();
    let choice = input.byte();
    if flags.contains(TcpFlags::SYN) || choice > 250 {
        options.mss = (choice & 1 == 0).then(|| input.one_of([1460, 0, 1, 40, 88, 536, 8960, u16::MAX]));
        options.window_scale = (choice & 2 == 0).then(|| input.one_of([7, 0, 1, 14, 15, 255]));
        options.sack_permitted = choice & 4 == 0;
        options.fast_open = match input.byte() {
            0..20 => Some(FastOpen::request(false)),
            20..40 => Some(FastOpen { cookie: [choice; 8].into_iter().collect(), experimental: choice & 1 == 0 }),
            _ => None,
        };
    }
    if choice & 8 == 0 {
        let (value, echo) = (near(input), near(input));
        options.timestamps = Some(Timestamps { value, echo: seen.time.wrapping_add(echo) });
    }
    if choice & 0x30 == 0x30 {
        for _ in 0..=input.byte() % 4 {
            let left = seen.start.wrapping_add(near(input));
            let right = left.wrapping_add(input.one_of([1, 0, 100, 1448, 2896, 1 << 20, u32::MAX]));
            let _ = options.sack.try_push(SackBlock { left: SeqNumber(left), right: SeqNumber(right) });
        }
    }
    if input.one_in(8) {
        let (order, counters) =
            (input.one_of([AccEcnOrder::Ect0First, AccEcnOrder::Ect1First]), [input.long(), input.long()]);
        options.acc_ecn = Some(AccEcnOption::new(order, &counters));
    }
    options
}
