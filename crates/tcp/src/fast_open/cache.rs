//! Which cookies servers gave us (RFC 7413 4.1.3): one for each address, with the segment size that it announced, and how
//! it took the option.
//!
//! Bounded: whose cookie was used least recently yields. It knows no connections.

use alloc::collections::BTreeMap;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::FastOpen;

/// After the second SYN that was lost ordinary ones go out for four times as long, then for eight times, and so on.
const WARY: Duration = Duration::from_secs(60);
const MAX_DOUBLINGS: u8 = 8;

/// What is known of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CachedCookie {
    /// The segment size that it announced last, in bytes; what its path carries may be less.
    pub mss: u16,
    /// Its cookie, if it gave one; and as which of two options.
    pub cookie: Option<FastOpen>,
    /// SYNs with data that were not answered, in a row.
    pub syn_losses: u8,
    /// When that was last.
    lost_at: Instant,
    /// Until when it is left alone, since it refused.
    shunned_until: Instant,
    /// How it took the wish for a cookie.
    attempt: Attempt,
    /// When it was used last, on a clock that counts uses.
    used: u64,
}

/// Which option a server was asked with in vain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) enum Attempt {
    /// None.
    #[default]
    None,
    /// The option with a number of its own: the next time the experiment's is tried.
    Plain,
    /// Both.
    Both,
}

impl CachedCookie {
    /// The option to show it.
    pub(crate) fn offer(&self) -> Option<FastOpen> {
        self.cookie.clone()
    }

    /// Whether it has refused, or its path has swallowed SYNs with data again and again, of late: then ours are ordinary for a while
    /// (RFC 7413 4.1.3.1).
    pub(crate) fn is_wary(&self, now: Instant) -> bool {
        let patience = WARY * (1 << self.syn_losses.min(MAX_DOUBLINGS));
        now < self.shunned_until || (self.syn_losses > 1 && now.since(self.lost_at) < patience)
    }

    /// Whether it knows the experiment's option at most.
    pub(crate) fn wants_experiment(&self) -> bool {
        self.attempt == Attempt::Plain
    }
}

/// What a handshake has shown of a server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Lesson {
    /// The segment size that it announced.
    pub(crate) mss: u16,
    /// A cookie, if it gave one.
    pub(crate) cookie: Option<FastOpen>,
    /// Whether our SYN with data, or its answer, was lost.
    pub(crate) lost: bool,
    /// What it was asked with, if it did not answer that.
    pub(crate) attempt: Attempt,
    /// For how long it is left alone, if it refused.
    pub(crate) shun: Duration,
}

/// The cookies of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct CookieCache {
    entries: BTreeMap<IpAddr, CachedCookie>,
    /// Who was used when.
    order: BTreeMap<u64, IpAddr>,
    clock: u64,
    max: usize,
}

impl Hash for CookieCache {
    /// What is known, in the order of use: when that was does not matter.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (peer, entry) in self.order.values().filter_map(|peer| Some((peer, self.entries.get(peer)?))) {
            let CachedCookie { mss, cookie, syn_losses, lost_at, shunned_until, attempt, used: _ } = entry;
            (peer, mss, cookie, syn_losses, lost_at, shunned_until, attempt).hash(state);
        }
    }
}

impl CookieCache {
    pub(crate) const fn new(max: usize) -> Self {
        Self { entries: BTreeMap::new(), order: BTreeMap::new(), clock: 0, max }
    }

    /// What is known of a server that is about to be used.
    pub(crate) fn get(&mut self, peer: IpAddr) -> Option<&CachedCookie> {
        let entry = self.entries.get_mut(&peer)?;
        self.clock += 1;
        self.order.remove(&core::mem::replace(&mut entry.used, self.clock));
        self.order.insert(self.clock, peer);
        Some(entry)
    }

    /// Remembers what a handshake has shown.
    pub(crate) fn learn(&mut self, now: Instant, peer: IpAddr, lesson: Lesson) {
        if self.max == 0 {
            return;
        }
        self.get(peer);
        if !self.entries.contains_key(&peer) {
            self.make_room();
            self.clock += 1;
            self.order.insert(self.clock, peer);
            let used = self.clock;
            let (mss, lost_at) = (lesson.mss, now);
            let (cookie, shunned_until, attempt) = (None, now, Attempt::None);
            let new = CachedCookie { mss, cookie, syn_losses: 0, lost_at, shunned_until, attempt, used };
            self.entries.insert(peer, new);
        }
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.mss = lesson.mss;
        if lesson.cookie.is_some() {
            entry.cookie = lesson.cookie;
        } else if entry.cookie.is_none() {
            entry.attempt = entry.attempt.max(lesson.attempt);
        }
        entry.syn_losses = if lesson.lost { entry.syn_losses.saturating_add(1) } else { 0 };
        entry.lost_at = now;
        entry.shunned_until = now + lesson.shun;
    }

    fn make_room(&mut self) {
        while self.entries.len() >= self.max {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.entries.remove(&oldest);
        }
    }

    /// Forgets one server, or all.
    pub(crate) fn forget(&mut self, peer: Option<IpAddr>) {
        match peer {
            None => (self.entries, self.order) = (BTreeMap::new(), BTreeMap::new()),
            Some(peer) => {
                if let Some(entry) = self.entries.remove(&peer) {
                    self.order.remove(&entry.used);
                }
            }
        }
    }

    /// Everything that is known, in the order of addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, &CachedCookie)> {
        self.entries.iter().map(|(peer, entry)| (*peer, entry))
    }
}
