//! What a side has written, read and been told, over all its connections: the memory against which it and its peer are
//! judged. It outlives connections, and crashes.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use bowline_tcp::Info;
use bowline_tcp::state::{Cause, State, next};

use crate::Side;

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// Both sides closed, and know it.
    Orderly,
    /// Without that: reset, aborted, timed out, or its host crashed.
    Early,
}

/// One connection as its user knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Its number in the endpoint's trace.
    pub id: u64,
    /// Where our stream begins, and where the peer's does.
    pub iss: u32,
    /// See above.
    pub irs: Option<u32>,
    /// Bytes written.
    pub wrote: usize,
    /// Whether the user will write no more.
    pub shut: bool,
    /// Bytes received in order.
    pub got: usize,
    /// Bytes read.
    pub read: Vec<u8>,
    /// Whether the user was told that the peer's stream has ended.
    pub eof: bool,
    /// Whether it was accepted before the handshake was complete, with what its SYN had (RFC 7413).
    pub early: bool,
    /// Whether the handshake was completed.
    pub established: bool,
    /// Whether all that was written, and the FIN behind it, has been acknowledged.
    pub flushed: bool,
    /// How it ended, if it has.
    pub end: Option<End>,
}

impl Hash for Life {
    /// All but its number in the trace.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { id: _, iss, irs, wrote, shut, got, read, eof, early, established, flushed, end } = self;
        (iss, irs, wrote, shut, got, read, eof, early, established, flushed, end).hash(state);
    }
}

impl Life {
    /// A connection that begins.
    #[must_use]
    pub fn new(id: u64, iss: u32, irs: Option<u32>) -> Self {
        Self {
            id,
            iss,
            irs,
            wrote: 0,
            shut: false,
            got: 0,
            read: Vec::new(),
            eof: false,
            early: false,
            established: false,
            flushed: false,
            end: None,
        }
    }
}

impl Life {
    /// Whether its handshake is complete, by what the endpoint says of it now.
    ///
    /// One that was accepted early can be closed early, and then is in FIN-WAIT-1 before its SYN is acknowledged.
    #[must_use]
    pub fn has_both_syns(&self, info: &Info) -> bool {
        info.state.is_synchronized() && (!self.early || info.positions.snd_una != self.iss)
    }
}

/// The ledger of one side.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Its connections, in the order in which they began.
    pub lives: Vec<Life>,
    /// The states of connections by their number in the trace; what the endpoint itself decides.
    states: BTreeMap<u64, State>,
}

impl Hash for Ledger {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { lives, states: _ } = self;
        lives.hash(state);
    }
}

impl Ledger {
    /// Whether both say the same of every connection.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.lives == other.lives
    }

    /// The byte that this side's connection number `life` has at `position` of its stream: different for every connection.
    #[must_use]
    pub fn byte(side: Side, life: usize, position: usize) -> u8 {
        (side as u8) << 7 | (life as u8 & 7) << 4 | (position as u8 & 15)
    }

    /// Notes an arrow, and what it says about its connection.
    ///
    /// # Errors
    /// If the table has no such arrow, or the connection was in another state.
    pub fn on_arrow(&mut self, id: u64, from: State, cause: Cause, to: State) -> Result<(), String> {
        if next(from, cause) != Some(to) {
            return Err(format!("the table has no arrow from {from} by {cause:?} to {to}"));
        }
        if let Some(before) = self.states.insert(id, to)
            && before != from
        {
            return Err(format!("an arrow from {from} was taken in {before}"));
        }
        if matches!(to, State::Closed | State::Listen) {
            self.states.remove(&id);
        }
        let Some(life) = self.lives.iter_mut().find(|life| life.id == id) else { return Ok(()) };
        life.established |= to == State::Established;
        life.flushed |= matches!(cause, Cause::AckOfFin | Cause::FinAndAckOfFin);
        life.established |= life.early && life.flushed;
        match to {
            State::TimeWait => life.end = Some(End::Orderly),
            State::Closed if cause == Cause::AckOfFin => life.end = Some(End::Orderly),
            State::Closed | State::Listen => life.end = life.end.or(Some(End::Early)),
            _ => {}
        }
        Ok(())
    }

    /// The host has crashed: nothing goes on.
    pub fn on_crash(&mut self) {
        self.states.clear();
        for life in &mut self.lives {
            // Another endpoint counts from the beginning.
            life.id = 0;
            life.end = life.end.or(Some(End::Early));
        }
    }
}
