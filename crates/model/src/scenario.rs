//! What is explored, and to what bound: who may call what how often, how often timers run out, and what the network does.

use std::time::Duration;

use bowline_tcp::{Config, Options};

use crate::Side;

/// What a user can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Call {
    /// OPEN, passive.
    Listen,
    /// CLOSE in LISTEN.
    Unlisten,
    /// OPEN, active.
    Connect,
    /// OPEN, active, on a connection in LISTEN.
    ConnectFrom,
    /// Answer a SYN that waits for the decision.
    Admit,
    /// Turn it away.
    Refuse,
    /// SEND one byte.
    Send,
    /// RECEIVE all there is.
    Read,
    /// CLOSE our direction.
    Shutdown,
    /// CLOSE both, and give the handle back.
    Close,
    /// ABORT.
    Abort,
    /// The host loses its memory, and begins anew.
    Crash,
    /// Two seconds pass in which nothing happens.
    Wait,
    /// Not a call: time passes until something happens by itself.
    Timer,
}

/// All of them.
pub const CALLS: [Call; 14] = [
    Call::Listen,
    Call::Unlisten,
    Call::Connect,
    Call::ConnectFrom,
    Call::Admit,
    Call::Refuse,
    Call::Send,
    Call::Read,
    Call::Shutdown,
    Call::Close,
    Call::Abort,
    Call::Crash,
    Call::Wait,
    Call::Timer,
];

/// As often as there is occasion.
pub const ANY: u8 = u8::MAX;

/// How often a side may do each thing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bound([u8; CALLS.len()]);

impl Bound {
    const fn of(calls: &[(Call, u8)]) -> Self {
        let mut left = [0; CALLS.len()];
        let mut i = 0;
        while i < calls.len() {
            left[calls[i].0 as usize] = calls[i].1;
            i += 1;
        }
        Self(left)
    }

    /// How often it may still be done.
    #[must_use]
    pub fn left(&self, call: Call) -> u8 {
        self.0[call as usize]
    }

    /// It was done once.
    pub fn take(&mut self, call: Call) {
        let left = &mut self.0[call as usize];
        if *left != ANY {
            *left = left.saturating_sub(1);
        }
    }

    /// `more` of all that is counted and done at all.
    fn raise(&mut self, more: u8) {
        for left in &mut self.0 {
            if *left != 0 && *left != ANY {
                *left = left.saturating_add(more).min(ANY - 1);
            }
        }
    }

    /// In words: `listen 1, send 2, close, …`.
    #[must_use]
    pub fn describe(&self) -> String {
        let word = |call: &Call| match self.left(*call) {
            0 => None,
            ANY => Some(format!("{call:?}").to_lowercase()),
            n => Some(format!("{call:?} {n}").to_lowercase()),
        };
        CALLS.iter().filter_map(word).collect::<Vec<_>>().join(", ")
    }
}

/// What the network holds besides what the sides send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strays {
    /// Nothing.
    None,
    /// The segments of an earlier incarnation, long over.
    Old,
    /// The same, with numbers moved into the windows of the incarnation that is explored: only timestamps tell.
    OldInWindow,
}

/// A world to explore.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What each side may do.
    pub bounds: [Bound; 2],
    /// How often a segment may be delivered and stay under way.
    pub duplicates: u8,
    /// Segments of an earlier incarnation.
    pub strays: Strays,
    /// How many of those may be delivered.
    pub stray_deliveries: u8,
    /// Whether both sides offer timestamps.
    pub timestamps: bool,
    /// Whether both sides offer SACK.
    pub sack: bool,
    /// Whether RSTs carry timestamps, as RFC 7323 3.2 allows and other stacks do.
    pub stamped_resets: bool,
    /// Whether listeners answer with cookies.
    pub cookies: bool,
    /// Whether the user decides on each SYN.
    pub deferred: bool,
    /// Whether reading is a choice; else all that can be read is read at once.
    pub lazy: bool,
    /// The delayed acknowledgement's time.
    pub delayed_ack: Duration,
    /// The receive buffer in bytes.
    pub receive_buffer: u32,
    /// Whether the sides are alike, so that one of them may be taken to move first.
    pub alike: bool,
}

use Call::{
    Abort, Admit, Close, Connect, ConnectFrom, Crash, Listen, Read, Refuse, Send, Shutdown, Timer, Unlisten, Wait,
};

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
    cookies: false,
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
            cookies: true,
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
    ]
}

impl Scenario {
    /// The same with a higher bound: `more` of everything that is counted.
    #[must_use]
    pub fn raised(mut self, more: u8) -> Self {
        self.bounds.iter_mut().for_each(|bound| bound.raise(more));
        self.duplicates = self.duplicates.saturating_add(more);
        if self.strays != Strays::None {
            self.stray_deliveries = self.stray_deliveries.saturating_add(more);
        }
        self
    }

    /// What a side's endpoint is configured with.
    #[must_use]
    pub fn config(&self, _side: Side) -> Config {
        // One retransmission, and always the same time-out: what is estimated decides nothing, and every way of giving up is
        // near. Nagle's algorithm would only keep segments apart that the explored order joins and separates anyway.
        let rto = Duration::from_secs(1);
        let options = Options {
            nodelay: true,
            delayed_ack: self.delayed_ack,
            min_rto: rto,
            max_rto: rto,
            retries: 1,
            syn_retries: 1,
            synack_retries: 1,
            receive_buffer: self.receive_buffer,
            receive_buffer_max: self.receive_buffer,
            window_scaling: false,
            timestamps: self.timestamps,
            sack: self.sack,
            ..Options::default()
        };
        let max_half_open = if self.cookies { 0 } else { 4 };
        Config { options, max_half_open, max_connections: 8, max_listeners: 4, max_trace: 4096, ..Config::default() }
    }
}
