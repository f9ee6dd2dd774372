//! Keepalive (RFC 9293 3.8.4): how long a silent connection is left alone, and how often its peer is asked.

use core::time::Duration;

use crate::Profile;

/// Keepalive (RFC 9293 3.8.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Keepalive {
    /// Silence before the first probe (MUST-27); default 2 h (MUST-28: no less by default). Less than a second counts as one.
    pub idle: Duration,
    /// Time between probes; default 75 s. Less than a second counts as one.
    pub interval: Duration,
    /// Unanswered probes that end the connection (MUST-29: more than one); default 10.
    pub probes: u8,
}

impl Keepalive {
    /// The least that Linux takes. Without it, a time of zero would be due again at once, for ever.
    const LEAST: Duration = Duration::from_secs(1);

    /// `idle`, within its bound.
    pub(crate) fn silence(&self) -> Duration {
        self.idle.max(Self::LEAST)
    }

    /// `interval`, within its bound.
    pub(crate) fn pace(&self) -> Duration {
        self.interval.max(Self::LEAST)
    }
}

impl Keepalive {
    /// What connections of this profile have where they are asked for it: FreeBSD's `keepcnt` is 8.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let probes = if profile == Profile::FreeBsd { 8 } else { 10 };
        Self { probes, ..Self::default() }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), probes: 10 }
    }
}
