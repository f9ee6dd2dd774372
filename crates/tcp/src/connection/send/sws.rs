//! How much of the unsent text may leave now: silly-window avoidance, Nagle, CORK (RFC 9293 3.7.4 and 3.8.6.2.1).
//!
//! A pure function of numbers. What the congestion window and the peer's window allow is decided before.

use crate::reason::Hold;

/// What the decision depends on; lengths in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    /// Written and not sent.
    pub(super) len: u64,
    /// What the peer's window has left.
    pub(super) usable: u64,
    /// What the congestion window has left.
    pub(super) quota: u64,
    /// A full segment.
    pub(super) mss: u64,
    /// The largest window the peer ever offered.
    pub(super) max_wnd: u64,
    /// Whether a segment smaller than `mss` is in flight.
    pub(super) small_in_flight: bool,
    /// Whether anything at all is in flight.
    pub(super) in_flight: bool,
    /// No more text will come to fill the last segment: the user has closed, a record ends, or it has waited long enough.
    pub(super) closing: bool,
    /// `TCP_NODELAY`.
    pub(super) nodelay: bool,
    /// `TCP_CORK`, or the user has said that more comes.
    pub(super) cork: bool,
}

/// How many bytes to send, and what holds the rest.
pub(super) fn sendable(u: &Unsent) -> (u64, Hold) {
    let allowed = u.len.min(u.usable).min(u.quota);
    if allowed == u.len {
        return tail(u);
    }
    let limit = if u.usable < u.quota { Hold::Window } else { Hold::Congestion };
    let full = full_segments(allowed, u.mss);
    if full > 0 {
        return (full, limit);
    }
    // RFC 9293 3.8.6.2.1, MUST-38: less than a full segment goes only where the window is as small as it can be
    // expected to stay: at least half of the largest one seen. (The override is the persist timer's.)
    if limit == Hold::Window && !u.in_flight && allowed > 0 && allowed * 2 >= u.max_wnd {
        return (allowed, limit);
    }
    let hold = if limit == Hold::Window && allowed > 0 { Hold::SillyWindow } else { limit };
    (0, hold)
}

/// All of the text may go as far as the windows are concerned: what about the part that fills no segment?
fn tail(u: &Unsent) -> (u64, Hold) {
    let full = full_segments(u.len, u.mss);
    if full == u.len || u.closing {
        return (u.len, Hold::Application);
    }
    if u.cork {
        return (full, Hold::Cork);
    }
    // RFC 9293 3.7.4, SHLD-7 and MUST-17: Nagle's algorithm, which the user can switch off. As Linux does, only small
    // segments in flight hold back the next (Minshall), so that a large write's tail does not wait for its head.
    if !u.nodelay && u.small_in_flight {
        return (full, Hold::Nagle);
    }
    (u.len, Hold::Application)
}

/// What of `len` fills segments. (A division only where it is needed.)
fn full_segments(len: u64, mss: u64) -> u64 {
    if len < mss { 0 } else { len - len % mss }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Unsent = Unsent {
        len: 0,
        usable: 65_535,
        quota: 65_535,
        mss: 1000,
        max_wnd: 65_535,
        small_in_flight: false,
        in_flight: false,
        closing: false,
        nodelay: false,
        cork: false,
    };

    #[test]
    fn every_rule_has_its_row() {
        let rows = [
            ("nothing to send", BASE, (0, Hold::Application)),
            ("small, nothing in flight", Unsent { len: 10, ..BASE }, (10, Hold::Application)),
            (
                "small behind small",
                Unsent { len: 10, small_in_flight: true, in_flight: true, ..BASE },
                (0, Hold::Nagle),
            ),
            ("nodelay", Unsent { len: 10, small_in_flight: true, nodelay: true, ..BASE }, (10, Hold::Application)),
            (
                "the tail of a large write waits",
                Unsent { len: 2500, small_in_flight: true, ..BASE },
                (2000, Hold::Nagle),
            ),
            ("but not behind full segments", Unsent { len: 2500, in_flight: true, ..BASE }, (2500, Hold::Application)),
            ("cork", Unsent { len: 2500, cork: true, nodelay: true, ..BASE }, (2000, Hold::Cork)),
            (
                "cork yields to close",
                Unsent { len: 2500, cork: true, closing: true, ..BASE },
                (2500, Hold::Application),
            ),
            ("cwnd", Unsent { len: 9000, quota: 2500, in_flight: true, ..BASE }, (2000, Hold::Congestion)),
            ("cwnd below a segment", Unsent { len: 9000, quota: 500, in_flight: true, ..BASE }, (0, Hold::Congestion)),
            ("window", Unsent { len: 9000, usable: 3999, in_flight: true, ..BASE }, (3000, Hold::Window)),
            ("silly window", Unsent { len: 9000, usable: 999, ..BASE }, (0, Hold::SillyWindow)),
            ("closed window", Unsent { len: 9000, usable: 0, ..BASE }, (0, Hold::Window)),
            ("a peer with tiny buffers", Unsent { len: 9000, usable: 600, max_wnd: 800, ..BASE }, (600, Hold::Window)),
        ];
        for (name, input, expected) in rows {
            assert_eq!(sendable(&input), expected, "{name}");
        }
    }
}
