//! The host under test, the clock, and what the host has sent: time moves only here.
//!
//! Decides in which order things happen at one instant: packets leave and blocked calls return before time moves on. It must
//! not know scripts.

use std::collections::VecDeque;

use bowline_base::Instant;
use bowline_posix::{Errno, Host, HostConfig, Progress, Reply, Waiting};

/// When the clock begins: far enough from zero that nothing can take it for "never".
const BEGIN: Instant = Instant::from_secs(1_000);
/// All randomness of a run: a script's result is the same every time.
const SEED: [u8; 32] = *b"a bowline holds and comes undone";
/// Things that may happen at one instant, before the host counts as caught in a loop.
const MAX_STEPS: u32 = 100_000;

/// A packet that the host sent.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) bytes: Vec<u8>,
}

/// A call that has not returned yet.
#[derive(Debug)]
struct Blocked {
    id: usize,
    waiting: Waiting,
}

/// A call that was blocked and has returned.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) id: usize,
    pub(crate) at: Instant,
    pub(crate) result: Result<Reply, Errno>,
}

/// The host, the clock, and what came out of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) now: Instant,
    sent: VecDeque<Packet>,
    blocked: Vec<Blocked>,
    returned: VecDeque<Returned>,
}

impl World {
    pub(crate) fn new(config: HostConfig) -> Self {
        let host = Host::new(config, SEED, BEGIN);
        Self { host, now: BEGIN, sent: VecDeque::new(), blocked: Vec::new(), returned: VecDeque::new() }
    }

    /// The clock's microseconds at the beginning.
    pub(crate) fn begin_micros(&self) -> i64 {
        BEGIN.as_micros().cast_signed()
    }

    /// Microseconds since the beginning.
    pub(crate) fn micros(&self, at: Instant) -> u64 {
        at.as_micros() - BEGIN.as_micros()
    }

    /// The instant so many microseconds after the beginning.
    pub(crate) fn at(&self, micros: u64) -> Instant {
        Instant::from_micros(BEGIN.as_micros() + micros)
    }

    /// A packet arrives.
    pub(crate) fn arrive(&mut self, packet: &[u8], segment_size: Option<u16>) {
        self.host.joined_packet_in(self.now, packet, segment_size);
        self.settle();
    }

    /// Makes a call; without an answer it is blocked under `id`.
    pub(crate) fn call(&mut self, id: usize, call: bowline_posix::Call) -> Option<Result<Reply, Errno>> {
        let progress = self.host.call(self.now, call);
        let result = match progress {
            Progress::Done(result) => Some(result),
            Progress::Waits(waiting) => {
                self.blocked.push(Blocked { id, waiting });
                None
            }
        };
        self.settle();
        result
    }

    /// Does all that can be done without time moving on.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let mut moved = false;
            while let Some(bytes) = self.host.poll_packet(self.now) {
                self.sent.push_back(Packet { at: self.now, bytes });
                moved = true;
            }
            for Blocked { id, waiting } in std::mem::take(&mut self.blocked) {
                match self.host.resume(self.now, waiting) {
                    Progress::Done(result) => {
                        self.returned.push_back(Returned { id, at: self.now, result });
                        moved = true;
                    }
                    Progress::Waits(waiting) => self.blocked.push(Blocked { id, waiting }),
                }
            }
            if !moved && !self.is_due() {
                return;
            }
            if self.is_due() {
                self.host.handle_timeout(self.now);
            }
        }
    }

    /// Whether a timer is due now.
    fn is_due(&mut self) -> bool {
        self.host.poll_timeout().is_some_and(|at| at <= self.now)
    }

    /// When something will happen by itself.
    fn next(&mut self) -> Option<Instant> {
        let deadlines = self.blocked.iter().filter_map(|blocked| blocked.waiting.deadline());
        deadlines.chain(self.host.poll_timeout()).min()
    }

    /// Lets time pass up to `until`, and what is due on the way happen.
    pub(crate) fn pass(&mut self, until: Instant) {
        while self.step(until) {}
        self.now = self.now.max(until);
        self.settle();
    }

    /// Lets time pass up to the next thing that happens by itself, if it does by `until`; returns whether it did.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        self.settle();
        match self.next() {
            Some(at) if at <= until && at > self.now => {
                self.now = at;
                self.settle();
                true
            }
            _ => false,
        }
    }

    /// Whether all packets that were sent have been taken.
    pub(crate) fn sent_is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Takes the oldest packet that was sent.
    pub(crate) fn take(&mut self) -> Option<Packet> {
        self.sent.pop_front()
    }

    /// Puts a packet back.
    pub(crate) fn put_back(&mut self, packet: Packet) {
        self.sent.push_front(packet);
    }

    /// Takes the next call that has returned.
    pub(crate) fn take_returned(&mut self) -> Option<Returned> {
        self.returned.pop_front()
    }
}
