//! What is remembered only while something is amiss: from the first duplicate acknowledgement, tail loss probe or
//! time-out, until all is well again and nothing can prove any more that it had been all the time.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::copies::Copies;
use super::probe::Probe;
use super::prr::Prr;
use super::rack::Rack;
use super::ring::Ring;
use super::undo::{Frto, Undo};
use crate::reason::LossReason;

/// Duplicate acknowledgements, or segments reported by SACK, that make us believe in a loss (RFC 5681 3.2).
pub(super) const DUP_THRESH: u32 = 3;

/// The variables of a disorder or a recovery.
#[derive(Clone, Hash, Debug)]
pub(super) struct Episode {
    /// Duplicate acknowledgements since SND.UNA advanced (RFC 6675 2, DupAcks).
    pub(super) dup_acks: u32,
    /// Without SACK: bytes that duplicate acknowledgements tell to have left the network.
    pub(super) guessed: u64,
    /// RACK.fack: the end of what SACK has reported; SND.UNA or less if it has nothing.
    pub(super) highest: Position,
    /// Before it, what was sent once has been judged.
    pub(super) judged: Position,
    /// Before it, nothing waits for retransmission.
    pub(super) hint: Position,
    pub(super) rack: Rack,
    pub(super) copies: Copies,
    /// The run of transmissions: odd while copies go out, even while new data does.
    run: u32,
    /// Where the last copy ended.
    copied: Position,
    /// When RACK looks again although no ACK came.
    pub(super) reorder_at: Instant,
    /// RACK.dsack_round: until it is acknowledged, duplicate SACKs are of one round.
    pub(super) dsack_round: Position,
    /// The timer ran out, and what it asks for has not been sent.
    pub(super) owed: bool,
    /// When the window was last reduced.
    pub(super) reduced: Instant,
    /// The rate reduction of fast recovery.
    pub(super) prr: Prr,
    /// Until it is acknowledged, the window falls with the ACKs although nothing was lost.
    pub(super) reducing: Option<Position>,
    pub(super) frto: Frto,
    pub(super) undo: Option<Undo>,
    pub(super) probe: Option<Probe>,
    /// Why data was last believed lost.
    pub(super) reason: LossReason,
}

impl Episode {
    pub(super) fn new(ring: &Ring) -> Self {
        let una = ring.una();
        Self {
            dup_acks: 0,
            guessed: 0,
            highest: una,
            judged: una,
            hint: una,
            rack: Rack::new(una),
            copies: Copies::default(),
            run: ring.last_run(),
            copied: una,
            reorder_at: Instant::MAX,
            dsack_round: una,
            owed: false,
            reduced: Instant::ZERO,
            prr: Prr::default(),
            reducing: None,
            frto: Frto::Off,
            undo: None,
            probe: None,
            reason: LossReason::Sack,
        }
    }

    /// SND.UNA advanced.
    pub(super) fn on_advance(&mut self, una: Position) {
        self.judged = self.judged.max(una);
        self.hint = self.hint.max(una);
        self.copies.acknowledge(una);
    }

    /// The run that a transmission of new data belongs to.
    pub(super) fn run_of_new(&mut self) -> u32 {
        self.run = self.run.next_multiple_of(2);
        self.run
    }

    /// The run that a copy of `range` belongs to: another one where copies begin again further to the front.
    pub(super) fn run_of_copies(&mut self, range: &Range<Position>) -> u32 {
        let other = if self.run.is_multiple_of(2) { 1 } else { 2 * u32::from(range.start < self.copied) };
        self.run = self.run.wrapping_add(other);
        self.copied = range.end;
        self.run
    }

    /// Whether a tail loss probe is under way that repeats what had been sent.
    pub(super) const fn has_probe_again(&self) -> bool {
        matches!(self.probe, Some(Probe::Sent { resent: true, .. }))
    }

    /// All that goes out from now on goes out later than what went out before.
    pub(super) fn next_round(&mut self) {
        self.run = self.run.wrapping_add(2);
    }
}
