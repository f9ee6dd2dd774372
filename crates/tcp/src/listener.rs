//! LISTEN: what a listener does with a SYN, and the connections that wait to be accepted (RFC 9293 3.10.7.2).
//!
//! | room | decides |
//! |---|---|
//! | here | queue, cookie, defer or drop; the accept queue and `backlog`, with Linux's meaning |
//! | [`half_open`] | what a segment means in SYN-RECEIVED |
//! | [`syn_queue`] | how many half-open connections there are, when a SYN-ACK is sent again |
//! | [`cookie`] | SYN cookies |
//! | [`pending`] | SYNs that wait for the caller's decision |
//!
//! A listener must not know what other listeners there are, nor which connections exist: the endpoint finds both.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use crate::config::Cookies;
use crate::fast_open::listener::FastOpenQueue;
use crate::info::ListenerInfo;
use crate::reason::DropReason;
use crate::{ConnectionKey, ListenerKey, Options, PendingKey};

pub mod cookie;
pub mod half_open;
pub mod pending;
pub mod syn_queue;
#[cfg(test)]
mod tests;

pub use cookie::{SpentCookies, SynCookies};
pub use half_open::{HalfOpen, HalfOpenOutcome};
pub use pending::{PendingLimits, PendingOutcome, PendingSyn, PendingTable};
pub use syn_queue::{Due, SynQueue};

/// The largest backlog, as Linux `somaxconn`; more is taken for this.
pub const MAX_BACKLOG: usize = 4096;
/// The least number of half-open connections a listener keeps before it sends cookies, however small its backlog.
const MIN_SYN_QUEUE: usize = 8;
/// How long after the last cookie one is still expected: as long as one can be good.
const COOKIES_EXPECTED: Duration = Duration::from_secs(128);

/// What to do with a segment that no connection claims and this listener got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenOutcome {
    /// A SYN: make a half-open connection and send its SYN-ACK.
    Queue,
    /// A SYN, but the SYN queue is full: answer with a cookie.
    Cookie,
    /// A SYN for the caller to decide on.
    Defer,
    /// An ACK where cookies were sent a moment ago: see whether it is one. If it is not, drop it.
    CheckCookie,
    /// An ACK of nothing: drop it and send a RST with this sequence number.
    Reset(SeqNumber),
    /// Drop the segment.
    Drop(DropReason),
}

/// What a listener has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListenerCounters {
    /// SYNs that were answered, or handed to the caller.
    pub syns: u64,
    /// Of these, answered with a cookie.
    pub cookies: u64,
    /// SYNs and last ACKs that found the accept queue full.
    pub overflows: u64,
    /// SYNs and last ACKs dropped, for whatever reason.
    pub drops: u64,
}

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    address: Option<IpAddr>,
    port: Option<u16>,
    backlog: usize,
    deferred: bool,
    options: Arc<Options>,
    accept_queue: VecDeque<ConnectionKey>,
    pending: VecDeque<PendingKey>,
    compact_at: usize,
    half_open: usize,
    last_cookie: Option<Instant>,
    counters: ListenerCounters,
    /// Connections that took data from a SYN and are in their handshake.
    pub(crate) fast_open: FastOpenQueue,
    /// In the endpoint's queue of events.
    pub(crate) in_events: bool,
}

impl Hash for Listener {
    /// All but what is counted.
    fn hash<H: Hasher>(&self, state: &mut H) {
        #[rustfmt::skip]
        let Self {
            counters: _,
            address, port, backlog, deferred, options, accept_queue, pending, compact_at, half_open, last_cookie, in_events,
            fast_open,
        } = self;
        (address, port, backlog, deferred, options, accept_queue, pending).hash(state);
        (compact_at, half_open, last_cookie, in_events, fast_open).hash(state);
    }
}

impl Listener {
    /// A listener on an address (`None`: any) and a port (`None`: any), for connections that begin with `options`.
    ///
    /// As on Linux, `backlog` + 1 connections may wait to be accepted, and about `backlog` handshakes be under way before
    /// cookies are sent; at most 4,096. `deferred`: the caller decides on each SYN.
    // RFC 9293 3.9.1.1, MUST-42, MUST-45, MUST-46: any number of connections from one passive open, on one or all addresses.
    #[must_use]
    pub fn new(
        address: Option<IpAddr>,
        port: Option<u16>,
        backlog: usize,
        deferred: bool,
        options: Arc<Options>,
    ) -> Self {
        Self {
            address,
            port,
            backlog: backlog.min(MAX_BACKLOG),
            deferred,
            options,
            accept_queue: VecDeque::new(),
            pending: VecDeque::new(),
            compact_at: 64,
            half_open: 0,
            last_cookie: None,
            counters: ListenerCounters::default(),
            fast_open: FastOpenQueue::default(),
            in_events: false,
        }
    }

    /// The address; `None` for any.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port; `None` for any.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the caller decides on each SYN.
    #[must_use]
    pub const fn is_deferred(&self) -> bool {
        self.deferred
    }

    /// What its connections begin with.
    #[must_use]
    pub const fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// The same, to change it for connections to come.
    pub fn options_mut(&mut self) -> &mut Options {
        Arc::make_mut(&mut self.options)
    }

    /// Sets how many connections may wait to be accepted, with the meaning that [`new`](Self::new) gives it.
    pub fn set_backlog(&mut self, backlog: usize) {
        self.backlog = backlog.min(MAX_BACKLOG);
    }

    /// How many connections may wait to be accepted, less one.
    pub(crate) const fn backlog(&self) -> usize {
        self.backlog
    }

    /// What it has counted.
    #[must_use]
    pub const fn counters(&self) -> &ListenerCounters {
        &self.counters
    }

    /// Decides on a segment. `syn_queue_full` is about the queue of the whole endpoint.
    ///
    /// For [`ListenOutcome::Queue`] the endpoint makes the half-open connection and calls
    /// [`on_half_open`](Self::on_half_open).
    // RFC 9293 3.10.7.2, in its order: RST, ACK, SYN, others.
    pub fn on_segment(&mut self, now: Instant, header: &TcpHeader, syn_queue_full: bool) -> ListenOutcome {
        let flags = header.flags;
        if flags.contains(TcpFlags::RST) {
            return ListenOutcome::Drop(DropReason::ResetIgnored);
        }
        if flags.contains(TcpFlags::ACK) {
            let may_be_cookie = !flags.contains(TcpFlags::SYN) && self.expects_cookies(now);
            if !may_be_cookie {
                return ListenOutcome::Reset(header.ack);
            }
            if self.is_accept_queue_full() {
                return self.overflow();
            }
            return ListenOutcome::CheckCookie;
        }
        if !flags.contains(TcpFlags::SYN) {
            return ListenOutcome::Drop(DropReason::NoAck);
        }
        if self.is_accept_queue_full() {
            return self.overflow();
        }
        self.counters.syns += 1;
        if self.deferred {
            return ListenOutcome::Defer;
        }
        let full = syn_queue_full || self.half_open >= self.syn_queue_bound();
        let cookies = self.options.syn_cookies;
        if full && cookies == Cookies::Never {
            return ListenOutcome::Drop(DropReason::SynQueueFull);
        }
        if full || cookies == Cookies::Always {
            self.last_cookie = Some(now);
            self.counters.cookies += 1;
            return ListenOutcome::Cookie;
        }
        ListenOutcome::Queue
    }

    fn overflow(&mut self) -> ListenOutcome {
        self.on_overflow();
        ListenOutcome::Drop(DropReason::ListenOverflow)
    }

    /// Counts a SYN or a last ACK that found the accept queue full.
    pub fn on_overflow(&mut self) {
        self.counters.overflows += 1;
        self.counters.drops += 1;
    }

    /// Counts a SYN that was dropped for another reason: the bound on those that wait for the caller, or its rules.
    pub fn on_drop(&mut self) {
        self.counters.drops += 1;
    }

    /// Whether a cookie may still come back: one was sent less than 128 s ago.
    #[must_use]
    pub fn expects_cookies(&self, now: Instant) -> bool {
        self.last_cookie.is_some_and(|last| now.since(last) < COOKIES_EXPECTED)
    }

    /// A half-open connection of this listener has been queued.
    pub fn on_half_open(&mut self) {
        self.half_open += 1;
    }

    /// A half-open connection of this listener has left the queue, whichever way.
    pub fn on_half_open_gone(&mut self) {
        self.half_open = self.half_open.saturating_sub(1);
    }

    /// Half-open connections of this listener.
    #[must_use]
    pub const fn half_open(&self) -> usize {
        self.half_open
    }

    fn syn_queue_bound(&self) -> usize {
        self.backlog.max(MIN_SYN_QUEUE)
    }

    /// Whether no further connection may wait to be accepted. As on Linux one more than `backlog` may.
    #[must_use]
    pub fn is_accept_queue_full(&self) -> bool {
        self.accept_queue.len() > self.backlog
    }

    /// A connection is established and waits to be accepted. The caller has asked
    /// [`is_accept_queue_full`](Self::is_accept_queue_full).
    pub fn push_accept(&mut self, key: ConnectionKey) {
        self.accept_queue.push_back(key);
    }

    /// The connection that has waited longest.
    pub fn pop_accept(&mut self) -> Option<ConnectionKey> {
        self.accept_queue.pop_front()
    }

    /// Connections that wait to be accepted.
    #[must_use]
    pub fn accept_queue_len(&self) -> usize {
        self.accept_queue.len()
    }

    /// A SYN waits for the caller. `waits` tells whether one still does: those that do not are forgotten here now and
    /// then, so that a caller who never asks costs no memory.
    pub fn push_pending(&mut self, key: PendingKey, waits: impl Fn(PendingKey) -> bool) {
        if self.pending.len() >= self.compact_at {
            self.pending.retain(|&key| waits(key));
            self.compact_at = (2 * self.pending.len()).max(64);
        }
        self.pending.push_back(key);
    }

    /// The SYN that has waited longest and that the caller has not been told of; it may have gone meanwhile.
    pub fn pop_pending(&mut self) -> Option<PendingKey> {
        self.pending.pop_front()
    }

    /// How it stands, as `ss -ltn` would show it, with as many SYNs undecided.
    #[must_use]
    pub fn info(&self, now: Instant, key: ListenerKey, undecided: usize) -> ListenerInfo {
        ListenerInfo {
            key,
            address: self.address,
            port: self.port,
            accept_queue: self.accept_queue.len(),
            backlog: self.backlog,
            syn_queue: self.half_open,
            undecided,
            cookies: self.expects_cookies(now),
            fast_open: self.fast_open.pending() as usize,
            keys: self.options.keys.names(),
        }
    }
}
