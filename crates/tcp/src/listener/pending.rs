//! SYNs that wait for the caller's decision, for listeners that are deferred: a forwarder connects upstream first.
//!
//! Nothing has been answered yet, so the state is still LISTEN: a repeated SYN is the same SYN, and is reported once. How
//! many may wait is bounded in all and for each source address, so that one source cannot take all the room.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::net::IpAddr;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use crate::linked::LinkedSlab;
use crate::reason::DropReason;
use crate::segment::Path;
use crate::{FourTuple, ListenerKey, PendingKey};

#[cfg(test)]
mod tests;

/// How many SYNs may wait, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingLimits {
    /// In all; default 4,096.
    pub max: usize,
    /// From one source address; default 1,024.
    pub max_per_source: usize,
    /// How long one may wait; default 130 s: longer than a client goes on retransmitting its SYN (Linux: 127 s).
    pub timeout: Duration,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self { max: 4096, max_per_source: 1024, timeout: Duration::from_secs(130) }
    }
}

/// A SYN that waits.
#[derive(Clone, Debug)]
pub struct PendingSyn {
    /// Its number in the trace.
    pub id: u64,
    /// The listener that it met.
    pub listener: ListenerKey,
    /// The connection that it asks for.
    pub tuple: FourTuple,
    /// The SYN.
    pub header: TcpHeader,
    /// Its ECN field in the IP header.
    pub mark: Ecn,
    /// The way back.
    pub path: Path,
    /// How many bytes of text came with it. They are not acknowledged, so they will come again.
    pub text: u32,
}

/// What to do after a segment arrived for a SYN that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PendingOutcome {
    /// Drop the segment.
    Drop(DropReason),
    /// The peer has given up: forget the SYN and tell the caller.
    Forget,
    /// An ACK of something we never sent: drop it and send a RST with this sequence number; the SYN stays.
    Reset(SeqNumber),
}

/// The SYNs that wait.
#[derive(Clone)]
pub struct PendingTable {
    entries: LinkedSlab<(Instant, PendingSyn), 1>,
    sources: BTreeMap<IpAddr, usize>,
    limits: PendingLimits,
}

impl PendingTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: PendingLimits) -> Self {
        Self { entries: LinkedSlab::new(limits.max), sources: BTreeMap::new(), limits }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a SYN; `None` if a bound is reached.
    pub fn insert(&mut self, now: Instant, syn: PendingSyn) -> Option<PendingKey> {
        let source = syn.tuple.remote.ip();
        let of_source = self.sources.get(&source).copied().unwrap_or(0);
        if of_source >= self.limits.max_per_source {
            return None;
        }
        let (index, generation) = self.entries.insert(0, (now + self.limits.timeout, syn))?;
        self.sources.insert(source, of_source + 1);
        Some(PendingKey { index, generation })
    }

    /// Whether a SYN still waits.
    #[must_use]
    pub fn contains(&self, key: PendingKey) -> bool {
        self.entries.contains(key.index, key.generation)
    }

    /// A SYN that waits.
    #[must_use]
    pub fn get(&self, key: PendingKey) -> Option<&PendingSyn> {
        if self.contains(key) { self.at(key.index) } else { None }
    }

    /// The SYN in this place, for the endpoint's hash table.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&PendingSyn> {
        self.entries.get(index).map(|(_, syn)| syn)
    }

    /// Takes a SYN out: it has been decided on, or forgotten.
    pub fn remove(&mut self, key: PendingKey) -> Option<PendingSyn> {
        if self.contains(key) { self.remove_at(key.index) } else { None }
    }

    /// Takes out the SYN in this place.
    pub fn remove_at(&mut self, index: u32) -> Option<PendingSyn> {
        let (_, syn) = self.entries.remove(index, 0)?;
        let source = syn.tuple.remote.ip();
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        Some(syn)
    }

    /// What a segment means for the SYN in this place.
    // RFC 9293 3.10.7.2: LISTEN, but for the SYN that is already here.
    #[must_use]
    pub fn on_segment(&self, index: u32, header: &TcpHeader) -> PendingOutcome {
        let Some(syn) = self.at(index) else { return PendingOutcome::Drop(DropReason::NoConnection) };
        let flags = header.flags;
        if flags.contains(TcpFlags::RST) {
            // The peer has seen no number of ours; its own next number is what it can prove itself with.
            let exact = header.seq == syn.header.seq + 1 && !flags.contains(TcpFlags::ACK);
            return if exact { PendingOutcome::Forget } else { PendingOutcome::Drop(DropReason::ResetIgnored) };
        }
        if flags.contains(TcpFlags::ACK) {
            return PendingOutcome::Reset(header.ack);
        }
        // The SYN again, or another SYN of a peer that has started anew: that one will reset what we answer to the first,
        // and come again.
        PendingOutcome::Drop(if flags.contains(TcpFlags::SYN) { DropReason::Duplicate } else { DropReason::NoAck })
    }

    /// When the next one has waited long enough.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.first(0).map(|(_, &(deadline, _))| deadline)
    }

    /// Takes out the next one that has waited long enough at `now`, as often as there is one.
    pub fn poll_expired(&mut self, now: Instant) -> Option<(u32, PendingSyn)> {
        let (index, &(deadline, _)) = self.entries.first(0)?;
        if deadline > now { None } else { Some((index, self.remove_at(index)?)) }
    }

    /// Takes out all of a listener that is being closed.
    pub fn remove_all_of(&mut self, listener: ListenerKey) -> Vec<(u32, PendingSyn)> {
        let of_it =
            |((index, _), entry): ((u32, u32), &(Instant, PendingSyn))| (entry.1.listener == listener).then_some(index);
        let places: Vec<u32> = self.entries.iter().filter_map(of_it).collect();
        places.into_iter().filter_map(|index| Some((index, self.remove_at(index)?))).collect()
    }

    /// Feeds what decides the keys of SYNs to come to `state`.
    pub(crate) fn hash_handles<H: Hasher>(&self, state: &mut H) {
        self.entries.hash_handles(state);
    }

    /// Every SYN that waits. For people, not for the data path.
    pub fn iter(&self) -> impl Iterator<Item = (PendingKey, &PendingSyn)> {
        self.entries.iter().map(|((index, generation), (_, syn))| (PendingKey { index, generation }, syn))
    }
}

impl PendingSyn {
    /// The RST that refuses the SYN, as a closed port would.
    // RFC 9293 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
    #[must_use]
    pub fn refusal(&self) -> TcpHeader {
        let fin = u32::from(self.header.flags.contains(TcpFlags::FIN));
        TcpHeader {
            src_port: self.tuple.local.port(),
            dst_port: self.tuple.remote.port(),
            ack: self.header.seq + self.text.wrapping_add(1 + fin),
            flags: TcpFlags::RST | TcpFlags::ACK,
            ..TcpHeader::default()
        }
    }
}
