//! `epoll`: which descriptors are watched, for what, and what was reported of them.

use std::collections::BTreeMap;

use crate::call::{EpollEvent, Fd};

/// Report once per change instead of as long as it holds.
pub(crate) const EDGE: u32 = 1 << 31;
/// Report once.
pub(crate) const ONESHOT: u32 = 1 << 30;
/// Wake one of several waiters: there is only one here.
pub(crate) const EXCLUSIVE: u32 = 1 << 28;

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    pub(crate) event: EpollEvent,
    /// What an edge-triggered one reported last, and the socket's activity then.
    pub(crate) seen: Option<(u32, u64)>,
    /// A one-shot that has fired.
    pub(crate) spent: bool,
}

/// An epoll descriptor.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    pub(crate) interests: BTreeMap<Fd, Interest>,
    /// The descriptor reported last, so that all have their turn.
    pub(crate) last: Fd,
}

impl Epoll {
    pub(crate) fn forget(&mut self, fd: Fd) {
        self.interests.remove(&fd);
    }
}

impl Interest {
    pub(crate) const fn new(event: EpollEvent) -> Self {
        Self { event, seen: None, spent: false }
    }

    /// What to report of what a descriptor is ready for now. `activity` tells new events from old ones.
    pub(crate) fn fire(&mut self, ready: u32, activity: u64) -> u32 {
        let found = ready & (self.event.events | ALWAYS);
        if self.spent || found == 0 {
            self.seen = self.seen.filter(|_| found != 0);
            return 0;
        }
        if self.event.events & EDGE != 0 {
            let is_news = self.seen.is_none_or(|(before, when)| found & !before != 0 || activity != when);
            self.seen = Some((found, activity));
            if !is_news {
                return 0;
            }
        }
        self.spent = self.event.events & ONESHOT != 0;
        found
    }
}

/// `EPOLLERR` and `EPOLLHUP`, which are reported unasked.
const ALWAYS: u32 = 0x18;
