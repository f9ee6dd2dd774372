//! What a sender does about paths that are narrower than their first link.

/// Path MTU discovery by ICMP (RFC 1191, RFC 8201), as Linux's `IP_MTU_DISCOVER` has it for streams. Over IPv6 routers cut
/// nothing, and nothing is marked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PathMtuDiscovery {
    /// Packets must not be cut on the way, and a router that says that one was too large is believed (`WANT` and `DO`).
    #[default]
    On,
    /// Routers may cut packets, all but [probes](super::MtuProbing), and are believed if they cannot (`PROBE`).
    Unmarked,
    /// Routers may cut packets, all but probes, and what they say is not believed (`DONT`, `INTERFACE` and `OMIT`).
    Off,
}

impl PathMtuDiscovery {
    /// Whether packets leave marked as not to be cut.
    #[must_use]
    pub const fn marks(self) -> bool {
        matches!(self, Self::On)
    }

    /// Whether a router's word on the path's MTU counts.
    #[must_use]
    pub const fn believes(self) -> bool {
        !matches!(self, Self::Off)
    }
}
