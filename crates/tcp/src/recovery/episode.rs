//! What is remembered only while something is amiss, from the first duplicate acknowledgement until all is well again.
//!
//! It decides up to where data is believed lost (RFC 6675 4, IsLost): a line that only moves forward, drawn from the
//! three highest stretches that SACK reported.

use core::ops::Range;

use arrayvec::ArrayVec;
use bowline_base::{Instant, Position};

use super::prr::Prr;
use crate::reason::LossReason;

/// Duplicate acknowledgements, or stretches reported by SACK, that make us believe in a loss (RFC 5681 3.2).
pub(super) const DUP_THRESH: u32 = 3;

/// The variables of a disorder or a recovery.
#[derive(Clone, Hash, Debug)]
pub(super) struct Episode {
    /// Duplicate acknowledgements since SND.UNA advanced (RFC 6675 2, DupAcks).
    pub(super) dup_acks: u32,
    /// Without SACK: bytes that duplicate acknowledgements tell to have left the network.
    pub(super) guessed: u64,
    /// Without SACK, the guess is bounded; with it, the highest stretches reported, the highest first.
    tops: ArrayVec<Range<Position>, { DUP_THRESH as usize }>,
    /// Before it, everything has been judged.
    pub(super) judged: Position,
    /// Before it, nothing waits for retransmission.
    pub(super) hint: Position,
    /// When the first retransmission went out: the line that tells originals from copies (RFC 3522).
    pub(super) first_resent: Option<Instant>,
    /// When the newest data known to have arrived was sent.
    pub(super) newest: Instant,
    /// When the window was last reduced.
    pub(super) reduced: Instant,
    /// RFC 6675's RescueRxt.
    pub(super) rescued: Position,
    /// The rate reduction of fast recovery.
    pub(super) prr: Prr,
    /// Whether the next ACK tells if the time-out was spurious (RFC 5682).
    pub(super) frto: bool,
    /// Why data was last believed lost.
    pub(super) reason: LossReason,
}

impl Episode {
    pub(super) fn new(una: Position) -> Self {
        Self {
            dup_acks: 0,
            guessed: 0,
            tops: ArrayVec::new(),
            judged: una,
            hint: una,
            first_resent: None,
            newest: Instant::ZERO,
            reduced: Instant::ZERO,
            rescued: una,
            prr: Prr::default(),
            frto: false,
            reason: LossReason::Sack,
        }
    }

    /// The end of what SACK reported.
    pub(super) fn highest(&self) -> Option<Position> {
        self.tops.first().map(|run| run.end)
    }

    /// SACK has reported `run`, a maximal stretch.
    pub(super) fn on_run(&mut self, run: Range<Position>) {
        self.tops.retain(|top| top.end < run.start || top.start > run.end);
        let at = self.tops.iter().position(|top| top.start < run.start).unwrap_or(self.tops.len());
        if self.tops.is_full() {
            if at == self.tops.len() {
                return;
            }
            self.tops.pop();
        }
        self.tops.insert(at, run);
    }

    /// SND.UNA advanced.
    pub(super) fn on_advance(&mut self, una: Position) {
        self.tops.retain(|top| top.end > una);
        for top in &mut self.tops {
            top.start = top.start.max(una);
        }
        self.judged = self.judged.max(una);
        self.hint = self.hint.max(una);
    }

    /// What SACK reported is no longer believed.
    pub(super) fn forget_sacks(&mut self) {
        self.tops.clear();
    }

    /// The position before which all that SACK did not report is lost, if it can be told.
    ///
    /// RFC 6675 4, IsLost: three stretches, or more than two segments' bytes, were reported beyond it. Where the path was
    /// seen to reorder by more than three segments, so far must the highest report be ahead as well, but by no more than
    /// half of what is outstanding, or small windows would wait for the timer.
    pub(super) fn loss_line(&self, mss: u64, reordering: u32, outstanding: u64) -> Option<Position> {
        let mut bytes = 0u64;
        let run = self.tops.iter().enumerate().find(|(n, run)| {
            bytes += run.end.since(run.start);
            n + 1 == DUP_THRESH as usize || bytes > u64::from(DUP_THRESH - 1) * mss
        });
        let line = run.map(|(_, run)| run.start)?;
        if reordering <= DUP_THRESH {
            return Some(line);
        }
        let ahead = (u64::from(reordering) * mss).min(outstanding / 2);
        self.highest().map(|highest| line.min(highest - ahead))
    }
}
