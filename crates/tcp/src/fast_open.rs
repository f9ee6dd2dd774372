//! TCP Fast Open (RFC 7413): data on a SYN, for peers that have shown before that they are where they say.
//!
//! | room | decides |
//! |---|---|
//! | here | what may be used at all, by whom, and what an endpoint keeps for it |
//! | [`keys`] | which cookie an address pair has |
//! | [`cache`] | which cookies servers gave us, and how they took data on a SYN |
//! | `pause` | when paths are so broken that we had better not try |
//! | `listener` | how many such connections may be in their handshake at once |
//!
//! It knows no segments and no connections: a connection's part is in `connection::fast_open`, an endpoint's in
//! `endpoint::fast_open`.

use core::net::IpAddr;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::FastOpen;

use crate::ListenerKey;

pub mod cache;
pub mod keys;
pub(crate) mod listener;
mod pause;

pub use cache::CachedCookie;
pub use keys::FastOpenKeys;

use self::cache::CookieCache;
use self::pause::Pause;

bitflags::bitflags! {
    /// What an endpoint may do, with the bits of Linux's `net.ipv4.tcp_fastopen`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct FastOpenPolicy: u32 {
        /// Active opens may, where [`FastOpenOptions::connect`] asks for it.
        const CLIENT = 0x1;
        /// Listeners may, where [`FastOpenOptions::listen`] is not zero.
        const SERVER = 0x2;
        /// Active opens send data without a cookie.
        const CLIENT_WITHOUT_COOKIE = 0x4;
        /// Listeners take data without a cookie.
        const SERVER_WITHOUT_COOKIE = 0x200;
        /// Every listener does, as many connections as its backlog.
        const EVERY_LISTENER = 0x400;
    }
}

/// What is the same for all of an endpoint's connections.
#[derive(Clone, Debug)]
pub struct FastOpenConfig {
    /// What may be used; default: [`CLIENT`](FastOpenPolicy::CLIENT) and [`SERVER`](FastOpenPolicy::SERVER), so that the
    /// options of a connection or listener decide. Linux has only the first.
    pub policy: FastOpenPolicy,
    /// The keys that cookies are made with; default: from the endpoint's seed.
    pub keys: Option<FastOpenKeys>,
    /// Peers whose cookies are kept; default 1,024. The one that was used least recently yields.
    pub cookies: usize,
    /// How long active opens do without after a path was found to swallow them (RFC 7413 4.1.3.1); default 1 h, twice
    /// as much each time it happens again. Zero: such paths are not looked for, as on Linux.
    pub pause: Duration,
    /// How long active opens do without towards a server that gave no cookie although it was asked for one, or did not take what a SYN
    /// brought along and gave no better cookie (RFC 7413 4.1.3.1). Default zero, as on Linux: it is tried the next time. FreeBSD has
    /// 15 min (`path_disable_time`).
    pub shun: Duration,
}

impl Default for FastOpenConfig {
    fn default() -> Self {
        Self {
            policy: FastOpenPolicy::CLIENT.union(FastOpenPolicy::SERVER),
            keys: None,
            cookies: 1_024,
            pause: Duration::from_secs(3_600),
            shun: Duration::ZERO,
        }
    }
}

/// What one active open or listener may do.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct FastOpenOptions {
    /// Whether an active open asks for a cookie or, where it has one, takes along on its SYN what the user has queued until
    /// that leaves; default false. What arrives twice must not do harm (RFC 7413 6.1).
    pub connect: bool,
    /// Whether the SYN of such an open, where there is a cookie or none is needed, waits for the first byte (Linux
    /// `TCP_FASTOPEN_CONNECT`); default false: it leaves at once.
    pub wait: bool,
    /// How many connections of a listener that took data from a SYN may be in their handshake; default 0: none. At most
    /// 4,096 (Linux `TCP_FASTOPEN`).
    pub listen: u32,
    /// Whether this end needs no cookie, neither to send data nor to take it (Linux `TCP_FASTOPEN_NO_COOKIE`); default
    /// false. A listener that takes data from anybody can be made to answer to who never asked.
    pub without_cookie: bool,
    /// A listener's own keys; default: the endpoint's.
    pub keys: Option<FastOpenKeys>,
}

/// What an endpoint keeps.
#[derive(Clone, Debug)]
pub(crate) struct FastOpenState {
    pub(crate) policy: FastOpenPolicy,
    pub(crate) keys: FastOpenKeys,
    pub(crate) cache: CookieCache,
    pub(crate) pause: Pause,
    /// For how long a server that refuses is left alone.
    pub(crate) shun: Duration,
    /// Connections that have left their handshake, and whether they were reset in it: for their listeners, which look here
    /// before they take on another one.
    pub(crate) left: alloc::vec::Vec<(ListenerKey, Option<Instant>)>,
}

/// What an active open says on its first SYN.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Offer {
    /// The option.
    pub(crate) option: Option<FastOpen>,
    /// The most that the peer takes in a segment, where data may come along.
    pub(crate) mss: Option<u16>,
}

impl FastOpenState {
    /// `key`: what cookies are made with where the configuration does not say.
    pub(crate) fn new(config: &FastOpenConfig, key: [u8; 16]) -> Self {
        Self {
            policy: config.policy,
            keys: config.keys.clone().unwrap_or(FastOpenKeys::new(key)),
            cache: CookieCache::new(config.cookies),
            pause: Pause::new(config.pause),
            shun: config.shun,
            left: alloc::vec::Vec::new(),
        }
    }

    /// What to say on the SYN of an active open; `None`: what every SYN says. `mss`: what is assumed of a peer that was never
    /// met.
    // RFC 7413 4.2.1.
    pub(crate) fn offer(&mut self, now: Instant, peer: IpAddr, options: &FastOpenOptions, mss: u16) -> Option<Offer> {
        if !options.connect || !self.policy.contains(FastOpenPolicy::CLIENT) || self.pause.is_on(now) {
            return None;
        }
        let needs_cookie = self.needs_cookie(options);
        let known = self.cache.get(peer);
        if known.is_some_and(|known| known.is_wary(now)) {
            return None;
        }
        let mss = known.map_or(mss, |known| known.mss);
        if !needs_cookie {
            return Some(Offer { option: None, mss: Some(mss) });
        }
        Some(match known.and_then(CachedCookie::offer) {
            Some(option) => Offer { option: Some(option), mss: Some(mss) },
            None => {
                Offer { option: Some(FastOpen::request(known.is_some_and(CachedCookie::wants_experiment))), mss: None }
            }
        })
    }

    fn needs_cookie(&self, options: &FastOpenOptions) -> bool {
        !options.without_cookie && !self.policy.contains(FastOpenPolicy::CLIENT_WITHOUT_COOKIE)
    }
}

#[cfg(test)]
mod tests;
