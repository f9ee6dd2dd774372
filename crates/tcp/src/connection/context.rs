//! What an event brings along: the time, and where counters and trace records go.

use bowline_base::Instant;

use crate::fast_open::FastOpenState;
use crate::trace::{Record, Trace, TraceQueue};
use crate::{Counters, FourTuple};

/// Borrowed from the endpoint for the length of one event.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) counters: &'a mut Counters,
    pub(crate) trace: &'a mut TraceQueue,
    /// What the endpoint knows of Fast Open, and is told.
    pub(crate) fast_open: &'a mut FastOpenState,
}

impl Context<'_> {
    /// Records what `what` builds, if anybody listens.
    #[inline]
    pub(crate) fn record(&mut self, tuple: impl Into<FourTuple>, id: u64, what: impl FnOnce() -> Trace) {
        if self.trace.is_enabled() {
            self.keep(tuple, id, what);
        }
    }

    /// Mostly nobody listens: this stays out of the way of what is done for every segment.
    #[cold]
    #[inline(never)]
    fn keep(&mut self, tuple: impl Into<FourTuple>, id: u64, what: impl FnOnce() -> Trace) {
        self.trace.push(Record { at: self.now, tuple: tuple.into(), id, what: what() });
    }
}
