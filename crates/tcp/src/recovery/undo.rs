//! Was it all a mistake? What proves that data believed lost had only been late, and what is taken back then.
//!
//! Four proofs: the echo of a timestamp older than the first copy (RFC 3522), news of originals after a time-out (RFC
//! 5682, F-RTO), duplicate SACKs for all that was sent again (RFC 3708), and everything arriving before anything was
//! sent again. The response is that of RFC 4015: the window is as before, and the congestion controller brings it back.

use core::ops::Range;

use bowline_base::{Instant, Position};

use super::ack::Work;
use super::episode::Episode;
use super::{Ack, ECHO_GRANULARITY, Phase, Recovery};
use crate::reason::RecoveryChange;

/// Where F-RTO stands (RFC 5682 2.1 and 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Frto {
    /// The time-out was a real one, or there is none.
    Off,
    /// Step 2: SND.UNA was sent again, and nobody has answered yet.
    Head,
    /// Step 3: new data was sent instead of more copies, and its answer tells.
    New,
}

/// What may still prove that the last reduction was needless.
#[derive(Clone, Hash, Debug)]
pub(super) struct Undo {
    /// SND.UNA when it was made: duplicates of what lies below are old.
    marker: Position,
    /// When the oldest copy went out that may be in the network.
    oldest: Option<Instant>,
    /// Whether a copy has filled a hole.
    needed: bool,
    /// Bytes sent again since, and not reported as duplicates.
    resent: u64,
    /// When this is acknowledged, all duplicate SACKs have come.
    until: Option<Position>,
}

impl Undo {
    pub(super) const fn new(una: Position, oldest: Option<Instant>) -> Self {
        Self { marker: una, oldest, needed: false, resent: 0, until: None }
    }

    pub(super) fn on_resent(&mut self, now: Instant, len: u64) {
        self.oldest.get_or_insert(now);
        self.resent = self.resent.saturating_add(len);
    }

    /// Recovery ended, with so much outstanding.
    pub(super) const fn on_recovered(&mut self, nxt: Position) {
        self.until = Some(nxt);
    }

    pub(super) fn is_over(&self, una: Position) -> bool {
        self.until.is_some_and(|until| una >= until)
    }

    /// Whether this duplicate was the last that was missing.
    fn on_duplicate(&mut self, range: &Range<Position>) -> bool {
        let before = self.resent;
        if range.start >= self.marker {
            self.resent = self.resent.saturating_sub(range.end.since(range.start));
        }
        before > 0 && self.resent == 0
    }
}

impl Recovery {
    /// Whether this ACK proves that the data being repaired was never lost.
    pub(super) fn is_spurious(&self, now: Instant, ack: &Ack<'_>, episode: &mut Episode, work: &Work) -> bool {
        // RFC 3708 3: not one of the copies was needed. They may tell after the recovery has ended.
        let undo = episode.undo.as_mut().zip(work.duplicate.as_ref());
        if undo.is_some_and(|(undo, range)| undo.on_duplicate(range)) {
            return true;
        }
        let by_echo = self.is_original(now, ack, episode, work);
        let undo = episode.undo.as_ref();
        match self.phase {
            Phase::Open | Phase::Disorder => false,
            // Nothing was sent again yet, and all of it has arrived.
            Phase::FastRecovery => by_echo || (undo.is_some_and(|undo| undo.resent == 0) && self.ring.lost() == 0),
            // RFC 5682 3.1, step 3: news of data sent once, before the time-out. Without SACK, only after the second
            // ACK: the first may cover what had arrived behind a hole.
            Phase::Timeout => {
                let judges = episode.frto == Frto::New || (episode.frto == Frto::Head && self.sack);
                let original = work.delivery.lowest_original.is_some_and(|lowest| lowest < self.recovery_point);
                by_echo || (judges && original)
            }
        }
    }

    /// RFC 3522 3.2, step 4: what it answers was sent before the first copy, and no copy has filled a hole before. The echo is that
    /// of the segment that filled the first hole (RFC 7323 4.3), so that is the one whose copy is asked; after a time-out, which may
    /// have sent it several times, the oldest.
    fn is_original(&self, now: Instant, ack: &Ack<'_>, episode: &mut Episode, work: &Work) -> bool {
        let (Some(echo), Some(undo)) = (ack.echo_rtt.filter(|_| work.advanced), episode.undo.as_mut()) else {
            return false;
        };
        let copied_at = if self.phase == Phase::Timeout { undo.oldest } else { work.copied_at };
        let Some(copied_at) = copied_at else { return false };
        let original = echo >= now.since(copied_at) + ECHO_GRANULARITY;
        undo.needed |= !original;
        original && !undo.needed
    }

    /// RFC 4015: the state is as if nothing had been believed lost.
    pub(super) fn undo(&mut self, old_una: Position, episode: &mut Episode, work: &mut Work) {
        if self.phase == Phase::FastRecovery {
            let distance = work.highest.map_or(0, |highest| highest.since(old_una));
            self.raise_reordering(distance);
            self.give_more_time(episode);
        }
        self.ring.forgive();
        if !work.untimed {
            // Karn's rule: where the path may have become slower and no sample says so, the time-out stays doubled until one does.
            self.rtt.reset_backoff();
        }
        self.phase = Phase::Open;
        self.stats.undone = self.stats.undone.saturating_add(1);
        episode.undo = None;
        episode.frto = Frto::Off;
        episode.dup_acks = 0;
        episode.guessed = 0;
        // What is really missing among it is judged again, with the next news.
        episode.judged = self.ring.una();
        work.outcome.change = Some(RecoveryChange::Undone);
    }

    /// The next step of F-RTO, after an ACK that proved nothing.
    pub(super) fn step_frto(&self, episode: &mut Episode, work: &Work) {
        let news = work.advanced || work.delivery.sacked > 0 || work.outcome.duplicate;
        if episode.frto != Frto::Off && news {
            let head = episode.frto == Frto::Head && work.advanced && self.phase == Phase::Timeout;
            episode.frto = if head { Frto::New } else { Frto::Off };
        }
    }

    /// Whether new data, if there is any, shall go out before what is believed lost: its answer will tell whether the
    /// time-out was spurious (RFC 5682 2.1, step 2b).
    #[must_use]
    pub fn prefers_new_data(&self) -> bool {
        self.episode.as_deref().is_some_and(|episode| episode.frto == Frto::New)
    }
}
