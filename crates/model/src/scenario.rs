//! What is explored, and to what bound: who may call what how often, how often timers run out, and what the network does.

use std::time::Duration;

use bowline_tcp::{Config, FastOpenOptions, Options};

use crate::Side;

mod table;

pub use table::scenarios;

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
    /// The SYN of a stranger arrives, who is never heard of again.
    Flood,
    /// Not a call: time passes until something happens by itself.
    Timer,
}

/// All of them.
pub const CALLS: [Call; 15] = [
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
    Call::Flood,
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
    /// SYNs and RSTs of earlier incarnations, one aborted by each side, with numbers moved into the windows of the one that is
    /// explored, though not to where the next segment is expected: RFC 5961 tells.
    Blind,
}

/// What goes along with the SYNs of active opens, which then wait for the first byte (RFC 7413).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FastOpen {
    /// Nothing, and none of them waits.
    Off,
    /// Data, and listeners take it from anybody.
    Free,
    /// The wish for a cookie, or data with it.
    Cookie,
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
    /// How many half-open connections are kept; beyond that, listeners answer with cookies.
    pub max_half_open: u8,
    /// What SYNs take along.
    pub fast_open: FastOpen,
    /// Whether active opens leave the choice of the port, of which there is one, to the endpoint: it may be in TIME-WAIT.
    pub given_port: bool,
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

impl FastOpen {
    fn options(self) -> FastOpenOptions {
        match self {
            Self::Off => FastOpenOptions::default(),
            Self::Free | Self::Cookie => FastOpenOptions {
                connect: true,
                wait: true,
                listen: 4,
                without_cookie: self == Self::Free,
                ..FastOpenOptions::default()
            },
        }
    }
}

/// Half-open connections that are kept where nothing is said: more than two sides can have.
const ENOUGH: u8 = 4;

impl Scenario {
    /// Whether listeners may answer with cookies.
    #[must_use]
    pub const fn has_cookies(&self) -> bool {
        self.max_half_open < ENOUGH
    }

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
            fast_open: self.fast_open.options(),
            ..Options::default()
        };
        let max_half_open = usize::from(self.max_half_open);
        Config { options, max_half_open, max_connections: 8, max_listeners: 4, max_trace: 4096, ..Config::default() }
    }
}
