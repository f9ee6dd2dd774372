//! Puts fragments together (RFC 791 3.2, RFC 8200 4.5), in bounded memory.
//!
//! Decides what is kept and what is not: a datagram whose fragments overlap is dropped whole, and what still comes of it too
//! (RFC 5722; for IPv4 likewise, since no honest sender makes them: RFC 1858, RFC 3128). An exact copy of a fragment is
//! ignored. Fragments are copied out of their device buffers, so that a stranger's eight bytes pin no 64 KiB.
//! It must not know about transports.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use bowline_base::Instant;
use bowline_wire::{Ecn, Fragment, IpHeader, ip, packet::MAX_PACKET};
use bytes::Bytes;

use crate::config::ReassemblyConfig;

/// What a fragment and a datagram cost beside their bytes, in the accounting.
const OVERHEAD: usize = 128;

/// What names a datagram. The IPv4 one includes the protocol (RFC 791 3.2), the IPv6 one does not (RFC 8200 4.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: Option<u8>,
}

/// One fragment that is kept.
#[derive(Debug)]
struct Part {
    offset: usize,
    data: Bytes,
    /// Whether it said that more follow.
    more: bool,
}

impl Part {
    fn end(&self) -> usize {
        self.offset + self.data.len()
    }
}

/// A datagram under way.
#[derive(Debug)]
struct Datagram {
    /// In order, without overlaps; empty once it is poisoned.
    parts: Vec<Part>,
    /// The header of the first fragment.
    first: Option<IpHeader>,
    /// The length of the payload, once the last fragment is there.
    total: Option<usize>,
    /// Bytes in `parts`.
    received: usize,
    /// Which congestion marks its fragments had: one bit for each.
    marks: u8,
    expires: Instant,
    poisoned: bool,
}

impl Datagram {
    const fn new(expires: Instant) -> Self {
        Self { parts: Vec::new(), first: None, total: None, received: 0, marks: 0, expires, poisoned: false }
    }

    fn cost(&self) -> usize {
        OVERHEAD * (1 + self.parts.len()) + self.received
    }

    /// Drops all of it, and makes what still comes of it useless.
    fn poison(&mut self) {
        *self = Self { poisoned: true, ..Self::new(self.expires) };
    }

    fn is_complete(&self) -> bool {
        self.total == Some(self.received)
    }

    /// The congestion mark of the whole (RFC 3168 5.3): `None` where the marks contradict each other.
    fn mark(&self) -> Option<Ecn> {
        let has = |ecn: Ecn| self.marks & 1 << ecn as u8 != 0;
        match (has(Ecn::Ce), has(Ecn::NotEct)) {
            (true, true) => None,
            (true, false) => Some(Ecn::Ce),
            (false, true) => Some(Ecn::NotEct),
            (false, false) if has(Ecn::Ect0) => Some(Ecn::Ect0),
            (false, false) => Some(Ecn::Ect1),
        }
    }
}

/// What became of a fragment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is kept, or it was a copy of one that is.
    Waiting,
    /// It completed this packet, whose header is one of its own.
    Complete(Bytes),
    /// It was dropped, and with it its datagram.
    Refused,
    /// It is longer than zero but no multiple of eight bytes, and not the last one (RFC 8200 4.5 wants its sender told).
    BadLength,
    /// The whole would be longer than a packet can be.
    TooLong,
}

/// All datagrams under way.
#[derive(Debug)]
pub(crate) struct Reassembly {
    datagrams: BTreeMap<Key, Datagram>,
    bytes: usize,
    /// Not later than the first deadline.
    next: Instant,
    config: ReassemblyConfig,
    /// Datagrams that gave way to newer ones.
    pub(crate) evicted: u64,
}

impl Reassembly {
    pub(crate) const fn new(config: ReassemblyConfig) -> Self {
        Self { datagrams: BTreeMap::new(), bytes: 0, next: Instant::MAX, config, evicted: 0 }
    }

    /// Takes one fragment: `header` was parsed from its packet, `data` is its payload.
    pub(crate) fn insert(&mut self, now: Instant, header: &IpHeader, part: Fragment, data: &[u8]) -> Outcome {
        if part.more && (data.is_empty() || !data.len().is_multiple_of(8)) {
            return if data.is_empty() { Outcome::Refused } else { Outcome::BadLength };
        }
        let offset = usize::from(part.offset);
        let limit = MAX_PACKET - if header.src.is_ipv4() { header.header_len } else { 0 };
        if offset + data.len() > limit {
            return Outcome::TooLong;
        }
        let key = Key {
            src: header.src,
            dst: header.dst,
            id: part.id,
            protocol: header.src.is_ipv4().then_some(header.protocol.0),
        };
        self.make_room(now, &key, data.len());
        let timeout = if header.src.is_ipv4() { self.config.timeout_v4 } else { self.config.timeout_v6 };
        let fresh = !self.datagrams.contains_key(&key);
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(now + timeout));
        if fresh {
            self.bytes += OVERHEAD;
            self.next = self.next.min(datagram.expires);
        }
        let before = datagram.cost();
        let outcome = place(datagram, header, part, data, self.config.max_fragments);
        self.bytes = self.bytes.saturating_sub(before) + datagram.cost();
        if outcome == Placed::Refused {
            return Outcome::Refused;
        }
        if !datagram.is_complete() {
            return Outcome::Waiting;
        }
        let Some(datagram) = self.remove(&key) else { return Outcome::Refused };
        join(&datagram).map_or(Outcome::Refused, Outcome::Complete)
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.bytes = self.bytes.saturating_sub(datagram.cost());
        Some(datagram)
    }

    /// Makes room for `len` bytes more: the oldest datagrams yield, but not the one that the bytes belong to.
    fn make_room(&mut self, now: Instant, key: &Key, len: usize) {
        let needed = len + 2 * OVERHEAD;
        let is_new = !self.datagrams.contains_key(key);
        while self.bytes + needed > self.config.max_bytes
            || (is_new && self.datagrams.len() >= self.config.max_datagrams)
        {
            let others = self.datagrams.iter().filter(|(other, _)| *other != key);
            let Some(oldest) = others.min_by_key(|(_, datagram)| datagram.expires.since(now)).map(|(key, _)| *key)
            else {
                break;
            };
            self.remove(&oldest);
            self.evicted += 1;
        }
    }

    /// When [`expire`](Self::expire) wants to be called; a little early where a datagram has been completed since.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (self.next < Instant::MAX && !self.datagrams.is_empty()).then_some(self.next)
    }

    /// Drops one datagram whose time is over. Returns its first fragment as a packet, where that has arrived: RFC 8200 4.5
    /// and RFC 1122 3.3.2 want its sender told.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Option<Bytes>> {
        if self.next > now {
            return None;
        }
        let earliest = self.datagrams.iter().min_by_key(|(_, datagram)| datagram.expires);
        let Some((key, expires)) = earliest.map(|(key, datagram)| (*key, datagram.expires)) else {
            self.next = Instant::MAX;
            return None;
        };
        self.next = expires;
        if expires > now {
            return None;
        }
        let datagram = self.remove(&key)?;
        Some(first_fragment(&datagram, key.id))
    }

    /// How many datagrams are under way, and what they cost in bytes.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.datagrams.len(), self.bytes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Placed {
    Kept,
    Refused,
}

/// Puts a fragment in its place, or poisons the datagram.
fn place(datagram: &mut Datagram, header: &IpHeader, part: Fragment, data: &[u8], max: usize) -> Placed {
    if datagram.poisoned {
        return Placed::Refused;
    }
    let offset = usize::from(part.offset);
    let end = offset + data.len();
    let index = datagram.parts.partition_point(|other| other.offset < offset);
    // RFC 8200 4.5: only an exact duplicate may be ignored. Where the same bytes once are the last and once are not, there are
    // two datagrams of one name, as with any other overlap.
    let same = |other: &Part| other.offset == offset && other.more == part.more && other.data == data;
    if datagram.parts.get(index).is_some_and(same) {
        return Placed::Kept;
    }
    let last_known = datagram.parts.last().map_or(0, Part::end);
    let overlaps_before = index.checked_sub(1).and_then(|i| datagram.parts.get(i)).is_some_and(|p| p.end() > offset);
    let overlaps_after = datagram.parts.get(index).is_some_and(|after| after.offset < end.max(offset + 1));
    let beyond_the_end = datagram.total.is_some_and(|total| end > total || !part.more);
    let end_too_early = !part.more && last_known > end;
    if overlaps_before || overlaps_after || beyond_the_end || end_too_early || datagram.parts.len() >= max {
        datagram.poison();
        return Placed::Refused;
    }
    if !part.more {
        datagram.total = Some(end);
    }
    if offset == 0 {
        datagram.first = Some(*header);
    }
    datagram.marks |= 1 << header.ecn() as u8;
    datagram.received += data.len();
    datagram.parts.insert(index, Part { offset, data: Bytes::copy_from_slice(data), more: part.more });
    Placed::Kept
}

/// The datagram as one packet, with the header of its first fragment.
fn join(datagram: &Datagram) -> Option<Bytes> {
    let first = datagram.first.as_ref()?;
    let traffic_class = first.traffic_class.with_ecn(datagram.mark()?);
    let header = IpHeader { fragment: None, payload_len: datagram.received, traffic_class, ..*first };
    let mut packet = vec![0; header.emit_len()];
    ip::emit(&header, &mut packet);
    packet.reserve_exact(datagram.received);
    for part in &datagram.parts {
        packet.extend_from_slice(&part.data);
    }
    Some(packet.into())
}

/// The first fragment as it came, but for options: what an ICMP error quotes.
fn first_fragment(datagram: &Datagram, id: u32) -> Option<Bytes> {
    let first = datagram.first.as_ref()?;
    let part = datagram.parts.first()?;
    let fragment = Some(Fragment { id, offset: 0, more: true });
    let header = IpHeader { fragment, payload_len: part.data.len(), ..*first };
    let mut packet = vec![0; header.emit_len()];
    ip::emit(&header, &mut packet);
    packet.extend_from_slice(&part.data);
    Some(packet.into())
}

/// The part of `payload` that each fragment of at most `mtu` bytes carries: its range, and whether more follow.
///
/// Empty where not even eight bytes fit beside the header.
pub(crate) fn split(
    payload: usize,
    header: usize,
    mtu: usize,
) -> impl Iterator<Item = (core::ops::Range<usize>, bool)> {
    let room = mtu.saturating_sub(header) & !7;
    let count = if room == 0 { 0 } else { payload.div_ceil(room).max(1) };
    (0..count).map(move |number| {
        let start = number * room;
        let end = (start + room).min(payload);
        (start..end, end < payload)
    })
}

#[cfg(test)]
mod tests;
