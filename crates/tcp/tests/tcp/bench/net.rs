//! One direction of a bad network, seeded: it loses, duplicates, reorders, corrupts, delays and marks.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_base::{Instant, Randomness};
use bowline_tcp::{Departure, FourTuple};
use bowline_wire::ip::Protocol;
use bowline_wire::tcp::{TcpFlags, TcpHeader, fill_checksum};
use bowline_wire::{Ecn, checksum};

/// What the network does to a segment; probabilities in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    pub(crate) corrupt: u64,
    pub(crate) mark: u64,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    /// Nothing at all passes from here to there, counted from the first segment.
    pub(crate) outage: Option<(Duration, Duration)>,
    /// Super-segments arrive whole, as over a TUN with offloads.
    pub(crate) whole: bool,
    /// A segment out of order is late by up to this; zero: by the delay and a millisecond.
    pub(crate) lateness: Duration,
    /// A link in front of it: bytes a second, and the bytes that wait for it at most.
    pub(crate) rate: Option<(u64, u64)>,
    /// A policer in front of it, which lets pass so many bytes a second, and so many at once.
    pub(crate) policer: Option<(u64, u64)>,
    /// Nothing arrives from here to there, counted from the first segment, and then all of it.
    pub(crate) stall: Option<(Duration, Duration)>,
    /// AccECN's options are removed.
    pub(crate) strips: bool,
    /// AE, CWR and ECE are cleared, but on SYNs.
    pub(crate) bleaches: bool,
    /// Packets of more bytes than this vanish, and nobody is told.
    pub(crate) hole: Option<u16>,
}

/// A segment on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flying {
    /// As its receiver sees it.
    pub(crate) tuple: FourTuple,
    pub(crate) header: TcpHeader,
    pub(crate) payload: Vec<u8>,
    pub(crate) size: Option<u16>,
    /// ECN: it may be marked…
    pub(crate) capable: bool,
    /// … and was.
    pub(crate) marked: bool,
}

impl Flying {
    /// The bytes of the packet that it is, or of the largest of those that it stands for.
    fn packet_len(&self) -> usize {
        let ip = if self.tuple.local.is_ipv6() { 40 } else { 20 };
        let text = self.size.map_or(self.payload.len(), |size| self.payload.len().min(size.into()));
        ip + self.header.emit_len() + text
    }

    /// Its ECN field.
    pub(crate) fn mark(&self) -> Ecn {
        match (self.capable, self.marked) {
            (false, _) => Ecn::NotEct,
            (true, false) => Ecn::Ect0,
            (true, true) => Ecn::Ce,
        }
    }
}

/// One direction.
pub(crate) struct Link {
    weather: Weather,
    random: Randomness,
    flying: BTreeMap<(Instant, u64), Flying>,
    /// No segment overtakes another one but by `reorder`.
    last: Instant,
    begun: Option<Instant>,
    count: u64,
    /// When the link will have sent all that waits for it.
    busy_until: Instant,
    /// What the policer would let pass, and since when.
    tokens: (f64, Instant),
}

impl Link {
    pub(crate) fn new(weather: Weather, random: Randomness) -> Self {
        Self {
            weather,
            random,
            flying: BTreeMap::new(),
            last: Instant::ZERO,
            begun: None,
            count: 0,
            busy_until: Instant::ZERO,
            tokens: (0.0, Instant::ZERO),
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random.below(1000) < per_mille
    }

    /// A segment sets out.
    pub(crate) fn send(&mut self, now: Instant, departure: &Departure<'_>) {
        let age = now.since(*self.begun.get_or_insert(now));
        if self.weather.outage.is_some_and(|(from, to)| from <= age && age < to) {
            return;
        }
        for mut segment in cut(departure, self.weather.whole) {
            if self.weather.strips {
                segment.header.options.acc_ecn = None;
            }
            if self.weather.bleaches && !segment.header.flags.contains(TcpFlags::SYN) {
                segment.header.flags -= TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE;
            }
            let Weather { loss, duplicate, corrupt, hole, .. } = self.weather;
            if hole.is_some_and(|most| segment.packet_len() > usize::from(most)) {
                continue;
            }
            let len = 40 + segment.payload.len() as u64;
            if !self.admits(now, len) || !self.enters(now, len) {
                continue;
            }
            if self.chance(loss) || (self.chance(corrupt) && self.is_caught(&segment)) {
                continue;
            }
            if self.chance(duplicate) {
                self.fly(now, segment.clone());
            }
            self.fly(now, segment);
        }
    }

    /// Whether the policer lets so many bytes pass.
    fn admits(&mut self, now: Instant, len: u64) -> bool {
        let Some((rate, burst)) = self.weather.policer else { return true };
        let (tokens, since) = self.tokens;
        let tokens = (tokens + now.since(since).as_secs_f64() * rate as f64).min(burst as f64);
        let pass = tokens >= len as f64;
        self.tokens = (if pass { tokens - len as f64 } else { tokens }, now);
        pass
    }

    /// Whether the link's queue has room; if so, the link is busy so much longer.
    fn enters(&mut self, now: Instant, len: u64) -> bool {
        let Some((rate, queue)) = self.weather.rate else { return true };
        let waits = self.busy_until.since(now).as_secs_f64() * rate as f64;
        if waits > queue as f64 {
            return false;
        }
        self.busy_until = self.busy_until.max(now) + Duration::from_secs_f64(len as f64 / rate as f64);
        true
    }

    fn fly(&mut self, now: Instant, mut segment: Flying) {
        let Weather { delay, jitter, reorder, mark, lateness, .. } = self.weather;
        segment.marked = segment.capable && self.chance(mark);
        let mut at = self.busy_until.max(now) + delay + self.random.jitter(jitter);
        if let Some((from, to)) = self.weather.stall
            && let Some(begun) = self.begun
            && (from..to).contains(&at.since(begun))
        {
            at = begun + to;
        }
        if self.chance(reorder) {
            at += if lateness.is_zero() { delay + Duration::from_millis(1) } else { self.random.jitter(lateness) };
        } else {
            at = at.max(self.last);
            self.last = at;
        }
        self.count += 1;
        self.flying.insert((at, self.count), segment);
    }

    /// The checksum finds a flipped bit wherever it is.
    fn is_caught(&mut self, segment: &Flying) -> bool {
        let (src, dst) = (segment.tuple.remote.ip(), segment.tuple.local.ip());
        let mut bytes = vec![0; segment.header.emit_len()];
        segment.header.emit(&mut bytes);
        fill_checksum(src, dst, &mut bytes, &[&segment.payload]);
        bytes.extend_from_slice(&segment.payload);
        assert!(checksum::is_valid(src, dst, Protocol::TCP, &bytes), "our own checksum is wrong");
        let bit = self.random.below(8 * bytes.len() as u64) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!checksum::is_valid(src, dst, Protocol::TCP, &bytes), "a flipped bit was not noticed");
        true
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.flying.keys().next().map(|&(at, _)| at)
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<Flying> {
        let entry = self.flying.first_entry()?;
        if entry.key().0 <= now { Some(entry.remove()) } else { None }
    }
}

/// The wire segments of what an endpoint sent: FIN and PSH on the last one, CWR on the first.
fn cut(departure: &Departure<'_>, whole: bool) -> Vec<Flying> {
    let payload = departure.payload.concat();
    let size = departure.segment_size.map_or(usize::MAX, usize::from);
    let tuple = FourTuple::new(departure.tuple.remote, departure.tuple.local);
    let capable = departure.traffic_class & 0b11 == 0b10;
    if whole || payload.len() <= size {
        let size = departure.segment_size;
        return vec![Flying { tuple, header: departure.header.clone(), payload, size, capable, marked: false }];
    }
    let pieces = payload.chunks(size);
    let last = pieces.len() - 1;
    pieces
        .enumerate()
        .map(|(n, piece)| {
            let mut header = departure.header.clone();
            header.seq = header.seq + (n * size) as u32;
            if n < last {
                header.flags -= TcpFlags::FIN | TcpFlags::PSH;
            }
            if n > 0 {
                header.flags -= TcpFlags::CWR;
            }
            Flying { tuple, header, payload: piece.to_vec(), size: None, capable, marked: false }
        })
        .collect()
}
