//! What losses lead to: a recovery begins, is reduced once more, or is over.
//!
//! It decides when the window is to be reduced, and leaves by how much to the controller, and what goes out meanwhile to `prr`. RFC 5681
//! 4.3, 6582 3.2, 6675 5, 9937 6.1.

use bowline_base::Instant;

use super::ack::Work;
use super::episode::Episode;
use super::prr::Prr;
use super::undo::Undo;
use super::{Phase, Recovery};
use crate::reason::{LossReason, RecoveryChange};

impl Recovery {
    /// Enters and leaves recovery.
    pub(super) fn react_to_losses(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        let mut lost = work.outcome.newly_lost > 0;
        if matches!(self.phase, Phase::FastRecovery | Phase::Timeout) {
            if self.ring.una() < self.recovery_point {
                // RFC 5681 4.3: the loss of a copy is a second sign of congestion; one for each window.
                let again = work.lost_copy.is_some_and(|sent_at| sent_at >= episode.reduced);
                if again && self.phase == Phase::FastRecovery && !self.reduces_once() {
                    episode.prr.reduce_again(self.in_flight_before(work));
                    self.reduce(now, episode, work);
                    episode.undo = None;
                }
                return;
            }
            // RFC 6675 5 step A, RFC 6582 3.2 step 3: what was outstanding then is acknowledged.
            self.phase = Phase::Open;
            self.reo_wnd.on_recovered();
            episode.guessed = 0;
            if self.sack
                && let Some(undo) = &mut episode.undo
            {
                undo.on_recovered(self.ring.nxt());
            } else {
                episode.undo = None;
                work.outcome.settled = true;
            }
            work.outcome.change = Some(RecoveryChange::Recovered);
            lost = self.ring.lost() > 0;
        }
        if lost {
            self.begin_recovery(now, episode, work);
        }
    }

    fn begin_recovery(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        self.phase = Phase::FastRecovery;
        episode.prr = Prr::new(self.in_flight_before(work));
        episode.reducing = None;
        self.reduce(now, episode, work);
        // RFC 8985 6.2, step 4: upon entering recovery the reordering window may close.
        self.detect_losses(now, episode, work);
    }

    /// What was in flight before this ACK, and what it tells to be lost with it: RFC 9937 6.1, RecoverFS.
    fn in_flight_before(&self, work: &Work) -> u64 {
        self.ring.outstanding() - self.ring.sacked() + work.delivery.sacked + work.delivery.acked
    }

    /// The window is to be reduced, once until what is outstanding now is acknowledged.
    fn reduce(&mut self, now: Instant, episode: &mut Episode, work: &mut Work) {
        self.recovery_point = self.ring.nxt();
        self.stats.recoveries = self.stats.recoveries.saturating_add(1);
        self.stop_probing(episode);
        episode.reduced = now;
        episode.undo = Some(Undo::new(self.ring.una(), episode.copies.oldest()));
        episode.reason = work.outcome.lost.as_ref().map_or(LossReason::Sack, |&(_, reason)| reason);
        work.outcome.change = Some(RecoveryChange::FastRecovery);
    }
}
