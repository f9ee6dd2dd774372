//! Random exchanges with SACK against an oracle that keeps a flag for each byte and follows RFC 6675 to the letter.
//!
//! The clock stands still, so that what depends on times (lost copies, echoes) has no say.

extern crate std;

use core::ops::Range;
use std::collections::BTreeSet;
use std::vec::Vec;

use bowline_base::Instant;
use proptest::prelude::*;

use super::{MSS, at, established, pos, span};
use crate::reason::RecoveryChange;
use crate::recovery::ring::Fate;
use crate::recovery::{Ack, Phase, Recovery};

/// A flag for each byte.
#[derive(Default, Debug)]
struct Oracle {
    una: u64,
    nxt: u64,
    sacked: BTreeSet<u64>,
    lost: BTreeSet<u64>,
    resent: BTreeSet<u64>,
    dup_acks: u32,
}

impl Oracle {
    /// RFC 6675 4, byte by byte.
    fn is_lost(&self, byte: u64) -> bool {
        let above: Vec<u64> = self.sacked.range(byte + 1..).copied().collect();
        let stretches = above.iter().enumerate().filter(|&(i, b)| i == 0 || above[i - 1] + 1 != *b).count();
        // A stretch that begins right at the byte's own stretch cannot be: the byte is not reported.
        stretches >= 3 || above.len() as u64 > 2 * MSS
    }

    fn highest(&self) -> Option<u64> {
        self.sacked.last().map(|b| b + 1)
    }

    fn on_ack(&mut self, ack: u64, blocks: &[Range<u64>], phase: Phase, reordering: u32) {
        if ack > self.una {
            self.dup_acks = 0;
        }
        self.una = ack;
        for set in [&mut self.sacked, &mut self.lost, &mut self.resent] {
            *set = set.split_off(&ack);
        }
        let before = self.sacked.len();
        for b in blocks {
            if b.start > self.una && b.end <= self.nxt {
                self.sacked.extend(b.clone());
            }
        }
        let news = self.sacked.len() > before;
        self.lost.retain(|b| !self.sacked.contains(b));
        if !news {
            return;
        }
        self.dup_acks += 1;
        let mut found = Vec::new();
        for byte in self.una..self.highest().unwrap_or(self.una) {
            let ahead = (u64::from(reordering) * MSS).min((self.nxt - self.una) / 2);
            let far = reordering <= 3 || byte + ahead < self.highest().unwrap_or(0);
            let flying = !self.sacked.contains(&byte) && !self.resent.contains(&byte) && !self.lost.contains(&byte);
            if flying && far && self.is_lost(byte) {
                found.push(byte);
            }
        }
        let calm = matches!(phase, Phase::Open | Phase::Disorder);
        if found.is_empty() && calm && self.dup_acks >= reordering {
            found.extend((self.una..(self.una + MSS).min(self.nxt)).filter(|b| !self.sacked.contains(b)));
            found.retain(|b| !self.resent.contains(b) && !self.lost.contains(b));
        }
        self.lost.extend(found);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    /// Where SEG.ACK stands, and blocks, as fractions of what is outstanding.
    Ack(u8, Vec<(u8, u8)>),
    Repair(u64),
    Rescue,
    Timeout,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..400u64).prop_map(Step::Send),
        6 => (prop_oneof![3 => Just(0u8), 1 => any::<u8>()], prop::collection::vec((any::<u8>(), any::<u8>()), 0..4))
            .prop_map(|(a, b)| Step::Ack(a, b)),
        3 => (1..250u64).prop_map(Step::Repair),
        1 => Just(Step::Rescue),
        1 => Just(Step::Timeout),
    ]
}

fn fraction(oracle: &Oracle, f: u8) -> u64 {
    oracle.una + (oracle.nxt - oracle.una) * u64::from(f) / 255
}

fn resend(r: &mut Recovery, oracle: &mut Oracle, now: Instant, range: Range<u64>) {
    r.on_sent(now, span(range.start, range.end), true);
    for byte in range {
        if !oracle.sacked.contains(&byte) {
            oracle.lost.remove(&byte);
            oracle.resent.insert(byte);
        }
    }
}

fn relative(range: &Range<bowline_base::Position>) -> Range<u64> {
    range.start.since(pos(0))..range.end.since(pos(0))
}

fn apply(r: &mut Recovery, oracle: &mut Oracle, step: &Step) {
    let now = at(50);
    match step {
        Step::Send(len) => {
            r.on_sent(now, span(oracle.nxt, oracle.nxt + len), false);
            oracle.nxt += len;
        }
        Step::Ack(f, blocks) => {
            let ack = fraction(oracle, *f);
            let blocks: Vec<_> = blocks.iter().map(|b| fraction(oracle, b.0)..fraction(oracle, b.1)).collect();
            let sack: Vec<_> = blocks.iter().map(|b| span(b.start, b.end)).collect();
            let (phase, dup_acks) = (r.phase(), oracle.dup_acks);
            let outcome = r.on_ack(
                now,
                &Ack { ack: pos(ack), sack: &sack, echo_rtt: None, has_data: false, window_changed: false },
            );
            let mut ending = phase;
            if outcome.change == Some(RecoveryChange::Recovered) {
                ending = Phase::FastRecovery;
            }
            oracle.dup_acks = dup_acks;
            oracle.on_ack(ack, &blocks, ending, r.reordering());
            if outcome.change == Some(RecoveryChange::Undone) {
                oracle.lost.clear();
                oracle.dup_acks = 0;
            }
        }
        Step::Repair(limit) => {
            if let Some(lost) = r.next_lost() {
                let lost = relative(&lost);
                assert_eq!(Some(&lost.start), oracle.lost.first(), "next_lost is the first lost byte");
                resend(r, oracle, now, lost.start..lost.end.min(lost.start + limit));
            } else {
                assert!(oracle.lost.is_empty());
            }
        }
        Step::Rescue => {
            if let Some(range) = r.next_rescue() {
                let range = relative(&range);
                assert!(oracle.una <= range.start && range.start < range.end && range.end <= oracle.nxt);
                assert!(range.clone().all(|b| !oracle.sacked.contains(&b)), "what arrived needs no rescue");
                resend(r, oracle, now, range);
            }
        }
        Step::Timeout => {
            let (first, reneged) = (r.retries() == 0, oracle.sacked.contains(&oracle.una));
            let idle = oracle.una == oracle.nxt;
            r.on_timeout(now);
            if idle {
                return;
            }
            if !first || reneged {
                oracle.resent.extend(&oracle.sacked);
                oracle.sacked.clear();
            }
            oracle.lost.extend((oracle.una..oracle.nxt).filter(|b| !oracle.sacked.contains(b)));
            oracle.dup_acks = 0;
        }
    }
}

fn compare(r: &Recovery, oracle: &Oracle) {
    let mut sacked = BTreeSet::new();
    let mut lost = BTreeSet::new();
    for (range, fate, _) in r.ring.audit() {
        match fate {
            Fate::Sacked => sacked.extend(relative(&range)),
            Fate::Lost => lost.extend(relative(&range)),
            Fate::Flying => {}
        }
    }
    assert_eq!(sacked, oracle.sacked, "sacked");
    assert_eq!(lost, oracle.lost, "lost");
    let flying = (oracle.una..oracle.nxt).filter(|b| !sacked.contains(b) && !lost.contains(b)).count() as u64;
    assert_eq!(r.in_flight(), flying, "in flight");
    assert_eq!(r.outstanding(), oracle.nxt - oracle.una);
    assert_eq!(r.deadline().is_some(), oracle.nxt > oracle.una, "the timer runs while something is outstanding");
    if oracle.nxt == oracle.una {
        assert!(r.next_lost().is_none());
        assert!(r.memory() <= size_of::<super::super::Episode>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_flag_for_each_byte(steps in prop::collection::vec(step(), 1..60)) {
        let mut r = established(true);
        let mut oracle = Oracle::default();
        for step in &steps {
            // Judging lags behind after an undo, until the next news; the oracle does not model that.
            if r.stats().undone > 0 {
                break;
            }
            apply(&mut r, &mut oracle, step);
            compare(&r, &oracle);
        }
        // Everything acknowledged: nothing left, whatever happened before.
        r.on_ack(at(60), &Ack {
            ack: pos(oracle.nxt), sack: &[], echo_rtt: None, has_data: false, window_changed: false,
        });
        prop_assert!(r.is_idle() && r.deadline().is_none() && r.next_lost().is_none() && r.phase() == Phase::Open);
        prop_assert_eq!((r.in_flight(), r.lost(), r.sacked(), r.retries()), (0, 0, 0, 0));
        prop_assert!(r.memory() == 0, "the episode is gone");
    }
}
