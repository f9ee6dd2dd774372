//! Fast Open for a whole endpoint (RFC 7413): which SYNs' data a listener takes, and what the user sets and sees.
//!
//! Decides in Linux's order: whether the listener does this at all, whether it has room, whether the cookie is good. What is
//! refused is an ordinary SYN.

use core::net::IpAddr;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::FastOpen;

use super::Endpoint;
use crate::connection::open::Handshake;
use crate::connection::{Birth, Context};
use crate::fast_open::keys::MadeWith;
use crate::fast_open::{CachedCookie, FastOpenKeys, FastOpenPolicy};
use crate::listener::MAX_BACKLOG;
use crate::negotiate::Negotiated;
use crate::segment::Arrival;
use crate::state::{Cause, State};
use crate::trace::Trace;
use crate::{ConnectionKey, ListenerKey};

/// What becomes of the data on a SYN. The SYN-ACK has this option.
pub(super) enum EarlyData {
    /// It is taken: there will be a connection before the handshake is complete.
    Take(Option<FastOpen>),
    /// It will come again.
    Leave(Option<FastOpen>),
}

impl Endpoint {
    // RFC 7413 4.1.2 and 4.2.2.
    pub(super) fn judge_syn(&mut self, now: Instant, key: ListenerKey, arrival: &Arrival<'_>) -> EarlyData {
        self.settle_early();
        let asked = arrival.header.options.fast_open.as_ref();
        if asked.is_some_and(|option| option.cookie.is_empty()) {
            self.counters.fast_open_cookie_reqd += 1;
        }
        let policy = self.fast_open.policy;
        let is_fast = asked.is_some() || arrival.text_len() > 0;
        let listener = self.listeners.get_mut(key.index, key.generation);
        let Some(listener) = listener.filter(|_| is_fast && policy.contains(FastOpenPolicy::SERVER)) else {
            return EarlyData::Leave(None);
        };
        let every = if policy.contains(FastOpenPolicy::EVERY_LISTENER) { listener.backlog() as u32 } else { 0 };
        let options = &listener.options().fast_open;
        let max = if options.listen > 0 { options.listen.min(MAX_BACKLOG as u32) } else { every };
        let needs_cookie = !options.without_cookie && !policy.contains(FastOpenPolicy::SERVER_WITHOUT_COOKIE);
        let is_signed = listener.options().keys.of(&arrival.tuple).is_some();
        if max == 0 || is_signed {
            return EarlyData::Leave(None);
        }
        if !listener.fast_open.has_room(now, max) {
            self.counters.fast_open_listen_overflow += 1;
            return EarlyData::Leave(None);
        }
        if !needs_cookie {
            return EarlyData::Take(None);
        }
        let Some(asked) = asked else { return EarlyData::Leave(None) };
        let keys = listener.options().fast_open.keys.as_ref().unwrap_or(&self.fast_open.keys);
        let answer = FastOpen { cookie: keys.cookie(&arrival.tuple), experimental: asked.experimental };
        match keys.made(&arrival.tuple, &asked.cookie) {
            Some(MadeWith::Primary) => EarlyData::Take(None),
            Some(MadeWith::Backup) => {
                self.counters.fast_open_passive_alt_key += 1;
                EarlyData::Take(Some(answer))
            }
            None => {
                self.counters.fast_open_passive_fail += u64::from(!asked.cookie.is_empty());
                EarlyData::Leave(Some(answer))
            }
        }
    }

    /// A connection in SYN-RECEIVED that waits to be accepted, with the data on its SYN. False where there are too many.
    pub(super) fn open_early(
        &mut self,
        now: Instant,
        key: ListenerKey,
        agreed: &Negotiated,
        option: Option<FastOpen>,
        arrival: &Arrival<'_>,
    ) -> bool {
        let (id, tuple) = (self.take_id(), arrival.tuple);
        let Some(listener) = self.listeners.get(key.index, key.generation) else { return false };
        let options = listener.options().clone();
        let birth = Birth::passive(tuple, id, options, arrival.path, agreed);
        let begins = Handshake::Begins { window: arrival.header.window };
        let Some(index) = self.insert_passive(now, birth, agreed, begins, None) else {
            self.counters.fast_open_passive_fail += 1;
            return false;
        };
        self.counters.syns_received += 1;
        self.counters.fast_open_passive += 1;
        self.note_received(now, arrival, id, State::Listen, None);
        let (from, to, cause) = (State::Listen, State::SynReceived, Cause::Syn);
        self.note(now, tuple, id, Trace::State { from, to, cause });
        let Some((generation, tcb)) = self.connections.at_mut(index) else { return false };
        let (counters, trace, fast_open) = (&mut self.counters, &mut self.trace, &mut self.fast_open);
        tcb.take_early(&mut Context { now, counters, trace, fast_open }, key, option, arrival);
        tcb.user.listener = Some(key);
        if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
            listener.push_accept(ConnectionKey { index, generation });
            listener.fast_open.enter();
        }
        self.settle(now, index);
        self.notify_listener(key);
        true
    }

    /// Listeners hear which of their early connections have left the handshake.
    fn settle_early(&mut self) {
        for (key, reset) in self.fast_open.left.drain(..) {
            if let Some(listener) = self.listeners.get_mut(key.index, key.generation) {
                listener.fast_open.leave(reset);
            }
        }
    }

    // ---- what the user sets and sees

    /// What connections and listeners may do.
    #[must_use]
    pub const fn fast_open_policy(&self) -> FastOpenPolicy {
        self.fast_open.policy
    }

    /// Changes what connections and listeners may do from now on (Linux `net.ipv4.tcp_fastopen`).
    pub const fn set_fast_open_policy(&mut self, policy: FastOpenPolicy) {
        self.fast_open.policy = policy;
    }

    /// The keys of listeners that have none of their own.
    #[must_use]
    pub const fn fast_open_keys(&self) -> &FastOpenKeys {
        &self.fast_open.keys
    }

    /// Changes these keys; [`FastOpenKeys::rotated`] leaves the cookies that peers have in force (Linux
    /// `net.ipv4.tcp_fastopen_key`).
    pub fn set_fast_open_keys(&mut self, keys: FastOpenKeys) {
        self.fast_open.keys = keys;
    }

    /// How long active opens are ordinary ones after a path was found to swallow fast ones; zero: that is not looked for
    /// (Linux `net.ipv4.tcp_fastopen_blackhole_timeout_sec`). Ends a pause.
    pub const fn set_fast_open_pause(&mut self, pause: Duration) {
        self.fast_open.pause.set(pause);
    }

    /// How long the first pause lasts.
    #[must_use]
    pub const fn fast_open_pause(&self) -> Duration {
        self.fast_open.pause.first()
    }

    /// What is known of servers, in the order of their addresses (`ip tcp_metrics`).
    pub fn fast_open_cookies(&self) -> impl Iterator<Item = (IpAddr, &CachedCookie)> {
        self.fast_open.cache.iter()
    }

    /// Forgets what is known of a server, or of all (`ip tcp_metrics flush`).
    pub fn forget_fast_open_cookies(&mut self, server: Option<IpAddr>) {
        self.fast_open.cache.forget(server);
    }

    /// How many of the bytes that are queued now, or until then, a connection's SYN is going to take along: none once it was sent,
    /// or where there is no cookie.
    #[must_use]
    pub fn syn_capacity(&self, key: ConnectionKey) -> usize {
        let tcb = self.connections.get(key.index, key.generation).filter(|tcb| !tcb.user.orphan);
        tcb.map_or(0, |tcb| usize::try_from(tcb.syn_capacity()).unwrap_or(0))
    }

    /// Whether a connection's SYN waits for the first byte ([`FastOpenOptions::wait`](crate::FastOpenOptions::wait)).
    #[must_use]
    pub fn waits_for_data(&self, key: ConnectionKey) -> bool {
        let tcb = self.connections.get(key.index, key.generation).filter(|tcb| !tcb.user.orphan);
        tcb.is_some_and(crate::connection::Tcb::waits_for_data)
    }
}
