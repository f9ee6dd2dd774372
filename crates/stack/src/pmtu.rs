//! What is known of paths that are narrower than their first link (RFC 1191, RFC 8201). Bounded, and forgets in time.
//!
//! Decides what an ICMP "packet too big" may change. Whether the message is honest was decided before (RFC 5927).

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use bowline_base::Instant;

use crate::config::PathMtuConfig;

/// The smallest MTU of an IPv6 link (RFC 8200 5).
const MIN_V6: u16 = 1_280;
/// The plateaus of RFC 1191 7.1, for routers that do not say their MTU.
const PLATEAUS: [u16; 10] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68];

#[derive(Clone, Copy, Debug)]
struct Entry {
    mtu: u16,
    expires: Instant,
}

/// The path MTUs of a host.
#[derive(Debug)]
pub(crate) struct PathMtus {
    entries: BTreeMap<IpAddr, Entry>,
    config: PathMtuConfig,
}

impl PathMtus {
    pub(crate) const fn new(config: PathMtuConfig) -> Self {
        Self { entries: BTreeMap::new(), config }
    }

    /// The MTU towards `destination` by a link of `link` bytes.
    #[inline]
    pub(crate) fn get(&self, now: Instant, destination: IpAddr, link: u16) -> u16 {
        if self.entries.is_empty() {
            return link;
        }
        match self.entries.get(&destination) {
            Some(entry) if entry.expires > now => entry.mtu.min(link),
            _ => link,
        }
    }

    /// The MTU that a message means: what it says, or over IPv4 the next plateau below the `length` of the packet that it
    /// quotes, and never less than what is believed. `None`: less than every IPv6 link carries, which counts as nothing said
    /// (RFC 8201 4).
    pub(crate) fn meant(&self, destination: IpAddr, says: u32, length: usize) -> Option<u16> {
        let plateau = || PLATEAUS.into_iter().find(|plateau| usize::from(*plateau) < length).unwrap_or(68);
        let mtu = u16::try_from(says).unwrap_or(u16::MAX);
        match (destination.is_ipv4(), mtu) {
            (true, 0) => Some(plateau().max(self.config.min_v4)),
            (true, _) => Some(mtu.max(self.config.min_v4)),
            (false, _) => (mtu >= MIN_V6).then_some(mtu),
        }
    }

    /// Remembers a smaller MTU; a larger one than what is known is not believed (RFC 8201 4). Returns whether it is news.
    pub(crate) fn lower(&mut self, now: Instant, destination: IpAddr, mtu: u16, link: u16) -> bool {
        if mtu >= self.get(now, destination, link) {
            return false;
        }
        if !self.entries.contains_key(&destination) && self.entries.len() >= self.config.max_entries {
            self.make_room(now);
        }
        if self.config.max_entries > 0 {
            self.entries.insert(destination, Entry { mtu, expires: now + self.config.lifetime });
        }
        true
    }

    fn make_room(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.expires > now);
        if self.entries.len() >= self.config.max_entries
            && let Some(first) = self.entries.iter().min_by_key(|(_, entry)| entry.expires).map(|(key, _)| *key)
        {
            self.entries.remove(&first);
        }
    }

    /// How many destinations are remembered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
