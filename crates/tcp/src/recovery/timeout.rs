//! The retransmission timer ran out (RFC 6298 5.4 to 5.6).

use alloc::boxed::Box;
use core::time::Duration;

use bowline_base::Instant;

use super::ack::Work;
use super::episode::{DUP_THRESH, Episode};
use super::undo::{Frto, Undo};
use super::{AckOutcome, Phase, Recovery, TimeoutOutcome};
use crate::reason::LossReason;

impl Recovery {
    /// The retransmission timer ran out: what is outstanding and not known to have arrived is believed lost, the
    /// time-out doubles, and the timer starts anew. The caller compares [`retries`](Self::retries) with its limit, and
    /// sends again from SND.UNA. A call with nothing outstanding only stops the timer.
    pub fn on_timeout(&mut self, now: Instant) -> TimeoutOutcome {
        if self.is_idle() {
            self.rearm(now);
            return TimeoutOutcome::default();
        }
        let mut work = Work::new(self);
        let (una, nxt) = (self.ring.una(), self.ring.nxt());
        let mut boxed = self.episode.take().unwrap_or_else(|| Box::new(Episode::new(&self.ring)));
        let episode = &mut *boxed;
        let first = self.retries == 0;
        let undisturbed = matches!(self.phase, Phase::Open | Phase::Disorder);
        self.retries = self.retries.saturating_add(1);
        self.stats.timeouts = self.stats.timeouts.saturating_add(1);
        // RFC 2018 5 and 8, RFC2018-5-2, would forget all that SACK reported, in case the peer dropped it. RFC 6675 5.1
        // allows to keep it where reneging is noticed: the first position was reported and is not acknowledged, or a
        // whole time-out's retransmissions changed nothing.
        let forget = !first || self.ring.is_reneged();
        if forget {
            self.ring.forget_sacks();
            episode.highest = una;
        }
        episode.reducing = None;
        if first {
            episode.undo = undisturbed.then(|| Undo::new(una, episode.copies.oldest()));
        }
        // RFC 5682 2.1 step 1: not where a recovery was under way, whose copies would be taken for originals.
        episode.frto = if undisturbed || !first { Frto::Head } else { Frto::Off };
        episode.owed = true;
        episode.next_round();
        episode.dup_acks = 0;
        episode.guessed = 0;
        episode.reason = LossReason::Timeout;
        self.stop_probing(episode);
        self.reordering = DUP_THRESH as u16;
        self.phase = Phase::Timeout;
        // RFC 6675 5.1, RFC 6582 3.2 step 4: no fast recovery until this is acknowledged.
        self.recovery_point = nxt;
        self.give_up(now, episode, forget, &mut work);
        self.episode = Some(boxed);
        // RFC 6298 5.5 and 5.6 (RFC 9293 3.8.2, MUST-19): double, then start.
        self.rtt.back_off();
        self.rearm(now);
        self.take_rate_of(now, &work);
        let AckOutcome { flight_size, newly_lost, lost, .. } = work.outcome;
        TimeoutOutcome { flight_size, newly_lost, lost: lost.map(|(range, _)| range), first }
    }

    /// RFC 6298 5.4, RFC6298-5-4, and RFC 8985 6.3: lost are the first segment, and what has been under way for longer
    /// than a round trip. Without SACK nothing would tell of the rest, so `all` is.
    fn give_up(&mut self, now: Instant, episode: &mut Episode, all: bool, work: &mut Work) {
        let una = self.ring.una();
        let patience = if all || !self.sack { Duration::ZERO } else { self.patience(episode) };
        work.note_lost(self.ring.lose_older(self.mss.into(), now - patience), LossReason::Timeout);
        episode.hint = una;
        episode.judged = una;
        self.detect_losses(now, episode, work);
    }
}
