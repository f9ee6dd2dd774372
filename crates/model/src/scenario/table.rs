//! Which scenarios there are, each with what it is for and its bound.

use std::time::Duration;

use super::Call::{
    Abort, Admit, Close, Connect, ConnectFrom, Crash, Flood, Listen, Read, Refuse, Send, Shutdown, Timer, Unlisten,
    Wait,
};
use super::{ANY, Bound, ENOUGH, FastOpen, Scenario, Strays};

const PLAIN: Scenario = Scenario {
    name: "",
    about: "",
    bounds: [Bound::of(&[]), Bound::of(&[])],
    duplicates: 0,
    strays: Strays::None,
    stray_deliveries: 0,
    timestamps: false,
    sack: false,
    stamped_resets: false,
    max_half_open: ENOUGH,
    fast_open: FastOpen::Off,
    given_port: false,
    deferred: false,
    lazy: false,
    delayed_ack: Duration::ZERO,
    receive_buffer: 64 << 10,
    alike: false,
};

/// Everything that is explored.
#[must_use]
#[allow(clippy::too_many_lines, reason = "a table")]
pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "transfer",
            about: "one side opens actively, the other passively; both write and close, each direction for itself or both",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Shutdown, ANY), (Close, ANY)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Shutdown, ANY), (Close, ANY)]),
            ],
            duplicates: 1,
            ..PLAIN
        },
        Scenario {
            name: "patience",
            about: "the same with time-outs, up to giving up",
            bounds: [
                Bound::of(&[(Connect, 1), (Close, ANY), (Timer, 2)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Close, ANY), (Timer, 2)]),
            ],
            ..PLAIN
        },
        Scenario {
            name: "abort",
            about: "aborts, half-closed connections, and a listener that closes",
            bounds: [
                Bound::of(&[(Connect, 1), (Shutdown, ANY), (Close, ANY), (Abort, ANY), (Timer, 1)]),
                Bound::of(&[(Listen, 1), (Unlisten, 1), (Close, ANY), (Abort, ANY)]),
            ],
            duplicates: 1,
            ..PLAIN
        },
        Scenario {
            name: "simultaneous",
            about: "both open actively, with time-outs",
            bounds: [Bound::of(&[(Connect, 1), (Close, ANY), (Abort, ANY), (Timer, 1)]); 2],
            alike: true,
            ..PLAIN
        },
        Scenario {
            name: "crossed",
            about: "both open actively and write",
            bounds: [Bound::of(&[(Connect, 1), (Send, 1), (Shutdown, ANY), (Close, ANY)]); 2],
            alike: true,
            ..PLAIN
        },
        Scenario {
            name: "anyhow",
            about: "one side may listen and then connect from LISTEN, the other listen, connect, or both",
            bounds: [
                Bound::of(&[(Listen, 1), (ConnectFrom, 1), (Close, ANY)]),
                Bound::of(&[(Listen, 1), (Unlisten, 1), (Connect, 1), (Close, ANY)]),
            ],
            ..PLAIN
        },
        Scenario {
            name: "order",
            about: "several bytes that overtake each other, with SACK and delayed acknowledgements",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 3), (Close, ANY)]),
                Bound::of(&[(Listen, 1), (Close, ANY), (Timer, 1)]),
            ],
            sack: true,
            delayed_ack: Duration::from_millis(40),
            ..PLAIN
        },
        Scenario {
            name: "again",
            about: "the same two ports connect twice, through TIME-WAIT; RSTs with timestamps as other stacks send them",
            bounds: [
                Bound::of(&[(Connect, 2), (Close, ANY), (Abort, ANY), (Wait, 1)]),
                Bound::of(&[(Listen, 1), (Close, ANY), (Abort, ANY)]),
            ],
            timestamps: true,
            stamped_resets: true,
            ..PLAIN
        },
        Scenario {
            name: "old",
            about: "segments of an earlier incarnation turn up",
            bounds: [Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY)]), Bound::of(&[(Listen, 1), (Close, ANY)])],
            strays: Strays::Old,
            stray_deliveries: 2,
            ..PLAIN
        },
        Scenario {
            name: "wrapped",
            about: "segments of an earlier incarnation turn up inside the window; timestamps tell them apart",
            bounds: [Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY)]), Bound::of(&[(Listen, 1), (Close, ANY)])],
            strays: Strays::OldInWindow,
            stray_deliveries: 2,
            timestamps: true,
            ..PLAIN
        },
        Scenario {
            name: "crash",
            about: "the active side forgets everything in the middle, and opens again",
            bounds: [
                Bound::of(&[(Connect, 2), (Close, ANY), (Crash, 1)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Close, ANY)]),
            ],
            ..PLAIN
        },
        Scenario {
            name: "forget",
            about: "the passive side forgets everything in the middle, and listens again",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 2), (Close, ANY)]),
                Bound::of(&[(Listen, 2), (Close, ANY), (Crash, 1)]),
            ],
            ..PLAIN
        },
        Scenario {
            name: "cookies",
            about: "a listener that keeps nothing before the handshake is complete",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY), (Timer, 1)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Close, ANY)]),
            ],
            max_half_open: 0,
            ..PLAIN
        },
        Scenario {
            name: "deferred",
            about: "SYNs wait until the user admits or refuses them; what it admits it may close at once",
            bounds: [
                Bound::of(&[(Connect, 1), (Close, ANY), (Abort, ANY), (Timer, 1)]),
                Bound::of(&[
                    (Listen, 1),
                    (Unlisten, 1),
                    (Admit, ANY),
                    (Refuse, ANY),
                    (Close, ANY),
                    (Abort, ANY),
                    (Timer, 2),
                ]),
            ],
            deferred: true,
            ..PLAIN
        },
        Scenario {
            name: "unread",
            about: "windows of one byte that close, and closing with bytes unread",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 2), (Close, ANY), (Timer, 1)]),
                Bound::of(&[(Listen, 1), (Read, 1), (Close, ANY)]),
            ],
            lazy: true,
            receive_buffer: 1,
            ..PLAIN
        },
        Scenario {
            name: "early",
            about: "data on a SYN that the listener takes from anybody (RFC 7413), with copies, losses and aborts",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY), (Timer, 1)]),
                Bound::of(&[(Listen, 1), (Close, ANY), (Abort, ANY)]),
            ],
            duplicates: 1,
            fast_open: FastOpen::Free,
            ..PLAIN
        },
        Scenario {
            name: "answered",
            about: "the same, and the listener writes, too, perhaps before the handshake is complete",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY), (Timer, 1)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Close, ANY)]),
            ],
            duplicates: 1,
            fast_open: FastOpen::Free,
            ..PLAIN
        },
        Scenario {
            name: "earned",
            about: "the same two ports connect twice: the first time a Fast Open cookie is asked for, the second it is shown",
            bounds: [Bound::of(&[(Connect, 2), (Send, 2), (Close, ANY)]), Bound::of(&[(Listen, 1), (Close, ANY)])],
            fast_open: FastOpen::Cookie,
            ..PLAIN
        },
        Scenario {
            name: "mutual",
            about: "both open actively, with data on both SYNs",
            bounds: [Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY), (Abort, ANY)]); 2],
            fast_open: FastOpen::Free,
            alike: true,
            duplicates: 1,
            ..PLAIN
        },
        Scenario {
            name: "cut",
            about: "aborts in every state, with data of either side under way, or there and not read",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Read, 1), (Shutdown, ANY), (Abort, ANY)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Read, 1), (Shutdown, ANY), (Abort, ANY)]),
            ],
            lazy: true,
            ..PLAIN
        },
        Scenario {
            name: "blind",
            about: "SYNs and RSTs of earlier incarnations turn up inside the window: what RFC 5961 challenges, in every state",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Shutdown, ANY), (Close, ANY)]),
                Bound::of(&[(Listen, 1), (Send, 1), (Shutdown, ANY), (Close, ANY)]),
            ],
            strays: Strays::Blind,
            stray_deliveries: 1,
            ..PLAIN
        },
        Scenario {
            name: "flooded",
            about: "a stranger's SYN fills the queue of half-open connections, which empties again: cookies now and then",
            bounds: [
                Bound::of(&[(Connect, 1), (Send, 1), (Close, ANY)]),
                Bound::of(&[(Listen, 1), (Flood, 1), (Close, ANY), (Timer, 2)]),
            ],
            max_half_open: 1,
            ..PLAIN
        },
        Scenario {
            name: "reuse",
            about: "the same two ports connect twice, and write, where the listener is in TIME-WAIT, without timestamps",
            bounds: [Bound::of(&[(Connect, 2), (Send, 1), (Close, 1)]), Bound::of(&[(Listen, 1), (Close, ANY)])],
            duplicates: 1,
            ..PLAIN
        },
        Scenario {
            name: "given",
            about: "the endpoint chooses the port, and takes it over from TIME-WAIT, with timestamps",
            bounds: [
                Bound::of(&[(Connect, 2), (Send, 1), (Close, 1), (Wait, 1)]),
                Bound::of(&[(Listen, 1), (Close, 1)]),
            ],
            duplicates: 1,
            timestamps: true,
            given_port: true,
            ..PLAIN
        },
    ]
}
