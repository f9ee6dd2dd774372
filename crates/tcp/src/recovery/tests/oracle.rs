//! Random exchanges with SACK against an oracle that keeps a record for each byte and follows RFC 8985 to the letter.

extern crate std;

use core::ops::Range;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use bowline_base::Instant;
use proptest::prelude::*;

use super::{MSS, at, established, ms, pos, span};
use crate::reason::{RecoveryChange, TimerKind};
use crate::recovery::ring::Fate;
use crate::recovery::{Ack, Phase, Recovery};

#[derive(Clone, Copy, Debug)]
struct Byte {
    sent_at: Instant,
    /// How many transmissions went before it: they are told apart where the clock stands still.
    count: u64,
    resent: bool,
    fate: Fate,
}

/// A record for each byte that is outstanding.
#[derive(Debug)]
struct Oracle {
    now: Instant,
    una: u64,
    nxt: u64,
    bytes: BTreeMap<u64, Byte>,
    count: u64,
    /// RACK.xmit_ts with its place among those of one time, RACK.end_seq, and RACK.rtt.
    newest: (Instant, u64, u64),
    rtt: Duration,
    dup_acks: u32,
    /// Reports were forgotten: when each of the bytes was sent is known for the whole stretch only.
    forgot: bool,
}

impl Oracle {
    fn new() -> Self {
        let newest = (Instant::ZERO, 0, 0);
        Self {
            now: at(50),
            una: 0,
            nxt: 0,
            bytes: BTreeMap::new(),
            count: 0,
            newest,
            rtt: Duration::ZERO,
            dup_acks: 0,
            forgot: false,
        }
    }

    fn with(&self, fate: Fate) -> BTreeSet<u64> {
        self.bytes.iter().filter(|(_, byte)| byte.fate == fate).map(|(&n, _)| n).collect()
    }

    fn send(&mut self, range: Range<u64>, resent: bool) {
        self.count += 1;
        for n in range {
            if resent && self.bytes.get(&n).is_none_or(|byte| byte.fate == Fate::Sacked) {
                continue;
            }
            self.bytes.insert(n, Byte { sent_at: self.now, count: self.count, resent, fate: Fate::Flying });
            self.nxt = self.nxt.max(n + 1);
        }
    }

    /// RFC 6675 4, Update, and RFC 8985 6.2, step 2.
    fn take(&mut self, ack: u64, blocks: &[Range<u64>], min_rtt: Duration) {
        let mut delivered = Vec::new();
        let left = self.bytes.split_off(&ack);
        for (n, byte) in core::mem::replace(&mut self.bytes, left) {
            if byte.fate != Fate::Sacked {
                delivered.push((byte, n));
            }
        }
        if ack > self.una {
            (self.una, self.dup_acks) = (ack, 0);
        }
        let mut sacked = false;
        for block in blocks.iter().filter(|block| block.start > self.una && block.end <= self.nxt) {
            for (&n, byte) in self.bytes.range_mut(block.start..block.end.max(block.start)) {
                if byte.fate != Fate::Sacked {
                    byte.fate = Fate::Sacked;
                    delivered.push((*byte, n));
                    sacked = true;
                }
            }
        }
        self.dup_acks += u32::from(sacked);
        delivered.retain(|(byte, _)| !byte.resent || self.now.since(byte.sent_at) >= min_rtt);
        if let Some(newest) = delivered.iter().map(|(byte, n)| (byte.sent_at, byte.count, n + 1)).max() {
            self.rtt = self.now.since(newest.0);
            self.newest = self.newest.max(newest);
        }
    }

    /// RFC 8985 6.2, step 4.
    fn reo_wnd(&self, r: &Recovery, phase: Phase) -> Duration {
        let sacked = self.with(Fate::Sacked).len() as u64;
        let recovering = matches!(phase, Phase::FastRecovery | Phase::Timeout);
        if r.stats().reordered == 0 && (recovering || self.dup_acks >= 3 || sacked > 2 * MSS) {
            return Duration::ZERO;
        }
        let least = r.rtt().min_rtt().unwrap_or_default();
        (least * r.reo_wnd.quarters() / 4).min(r.rtt().srtt().unwrap_or_default())
    }

    /// RFC 8985 6.2, step 5.
    fn detect(&mut self, r: &Recovery, phase: Phase) {
        let patience = self.rtt + self.reo_wnd(r, phase);
        for (n, byte) in &mut self.bytes {
            let before = (byte.sent_at, byte.count, n + 1) < self.newest;
            if byte.fate == Fate::Flying && before && byte.sent_at + patience <= self.now {
                byte.fate = Fate::Lost;
            }
        }
    }

    /// The window closes when recovery begins.
    fn detect_upon_entry(&mut self, r: &Recovery, change: Option<RecoveryChange>) {
        if change == Some(RecoveryChange::FastRecovery) {
            self.detect(r, Phase::FastRecovery);
        }
    }

    /// RFC 8985 6.3.
    fn time_out(&mut self, r: &Recovery, forget: bool) {
        self.dup_acks = 0;
        let rtt = if self.newest.0 == Instant::ZERO { r.rtt().srtt().unwrap_or_default() } else { self.rtt };
        for byte in self.bytes.values_mut().filter(|byte| byte.fate == Fate::Sacked && forget) {
            (byte.fate, byte.resent) = (Fate::Flying, true);
            self.forgot = true;
        }
        let patience = if forget { Duration::ZERO } else { rtt + self.reo_wnd(r, Phase::Timeout) };
        for (n, byte) in &mut self.bytes {
            if byte.fate == Fate::Flying && (*n < self.una + MSS || byte.sent_at + patience <= self.now) {
                byte.fate = Fate::Lost;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    /// Where SEG.ACK stands, and blocks, as fractions of what is outstanding.
    Ack(u8, Vec<(u8, u8)>),
    Repair(u64),
    Wait(u64),
    Timeout,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..400u64).prop_map(Step::Send),
        6 => (prop_oneof![3 => Just(0u8), 1 => any::<u8>()], prop::collection::vec((any::<u8>(), any::<u8>()), 0..4))
            .prop_map(|(a, b)| Step::Ack(a, b)),
        3 => (1..250u64).prop_map(Step::Repair),
        4 => (0..15u64).prop_map(Step::Wait),
        1 => Just(Step::Timeout),
    ]
}

fn fraction(oracle: &Oracle, f: u8) -> u64 {
    oracle.una + (oracle.nxt - oracle.una) * u64::from(f) / 255
}

fn relative(range: &Range<bowline_base::Position>) -> Range<u64> {
    range.start.since(pos(0))..range.end.since(pos(0))
}

fn apply(r: &mut Recovery, oracle: &mut Oracle, step: &Step) {
    let now = oracle.now;
    match step {
        Step::Send(len) => {
            let range = oracle.nxt..oracle.nxt + len;
            r.on_sent(now, span(range.start, range.end), false);
            oracle.send(range, false);
        }
        Step::Ack(f, blocks) => {
            let ack = fraction(oracle, *f);
            let blocks: Vec<_> = blocks.iter().map(|b| fraction(oracle, b.0)..fraction(oracle, b.1)).collect();
            let sack: Vec<_> = blocks.iter().map(|b| span(b.start, b.end)).collect();
            let (phase, min_rtt) = (r.phase(), r.rtt().min_rtt().unwrap_or_default());
            let ack_of = Ack { ack: pos(ack), sack: &sack, echo_rtt: None, has_data: false, window_changed: false };
            let outcome = r.on_ack(now, &ack_of);
            oracle.take(ack, &blocks, min_rtt);
            if outcome.change == Some(RecoveryChange::Undone) {
                let lost = oracle.bytes.values_mut().filter(|byte| byte.fate == Fate::Lost);
                lost.for_each(|byte| byte.fate = Fate::Flying);
            } else {
                oracle.detect(r, phase);
                oracle.detect_upon_entry(r, outcome.change);
            }
        }
        Step::Repair(limit) => {
            let first = oracle.with(Fate::Lost).first().copied();
            assert_eq!(r.next_lost().map(|lost| relative(&lost).start), first, "next_lost is the first lost byte");
            if let Some(lost) = r.next_lost().map(|lost| relative(&lost)) {
                let range = lost.start..lost.end.min(lost.start + limit);
                r.on_sent(now, span(range.start, range.end), true);
                oracle.send(range, true);
            }
        }
        Step::Wait(length) => wait(r, oracle, ms(*length)),
        Step::Timeout => {
            let (first, reneged) = (r.retries() == 0, oracle.with(Fate::Sacked).contains(&oracle.una));
            if oracle.una < oracle.nxt {
                oracle.time_out(r, !first || reneged);
            }
            r.on_timeout(now);
        }
    }
}

/// Time passes, and timers fire when they are due.
fn wait(r: &mut Recovery, oracle: &mut Oracle, length: Duration) {
    let end = oracle.now + length;
    while let Some((due, kind)) = r.alarm().filter(|&(due, _)| due <= end) {
        assert!(due > oracle.now || kind != TimerKind::Reordering, "the timer waits for something");
        oracle.now = oracle.now.max(due);
        match kind {
            TimerKind::Reordering => {
                let phase = r.phase();
                let outcome = r.on_reordering_timeout(due);
                assert!(outcome.newly_lost > 0, "and not for nothing");
                oracle.detect(r, phase);
                oracle.detect_upon_entry(r, outcome.change);
            }
            TimerKind::TailLossProbe => r.on_probe_timeout(),
            _ => apply(r, oracle, &Step::Timeout),
        }
    }
    oracle.now = end;
    // Nothing more is due: the timer did not wait too long.
    let lost = oracle.with(Fate::Lost);
    oracle.detect(r, r.phase());
    assert_eq!(lost, oracle.with(Fate::Lost), "the timer came too late");
}

fn compare(r: &Recovery, oracle: &mut Oracle) {
    let mut sacked = BTreeSet::new();
    let mut lost = BTreeSet::new();
    for (range, fate, _) in r.ring.audit() {
        match fate {
            Fate::Sacked => sacked.extend(relative(&range)),
            Fate::Lost => lost.extend(relative(&range)),
            Fate::Flying => {}
        }
    }
    assert_eq!(sacked, oracle.with(Fate::Sacked), "sacked");
    assert_eq!(lost, oracle.with(Fate::Lost), "lost");
    assert_eq!(r.in_flight(), oracle.with(Fate::Flying).len() as u64, "in flight");
    assert_eq!(r.outstanding(), oracle.nxt - oracle.una);
    assert_eq!(r.deadline().is_some(), oracle.nxt > oracle.una, "the timer runs while something is outstanding");
    if oracle.nxt == oracle.una {
        assert!(r.next_lost().is_none());
    }
    if r.episode.is_none() {
        // What arrived when all was well is forgotten: what is outstanding was sent after it.
        (oracle.newest, oracle.rtt) = ((Instant::ZERO, 0, 0), Duration::ZERO);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_flag_for_each_byte(steps in prop::collection::vec(step(), 1..60)) {
        let mut r = established(true);
        let mut oracle = Oracle::new();
        for step in &steps {
            // After an undo, copies that are forgiven are left to the retransmission timer; the oracle does not model
            // that.
            if r.stats().undone > 0 || oracle.forgot {
                break;
            }
            apply(&mut r, &mut oracle, step);
            compare(&r, &mut oracle);
        }
        // Everything acknowledged: nothing left, whatever happened before.
        r.on_ack(oracle.now, &Ack {
            ack: pos(oracle.nxt), sack: &[], echo_rtt: None, has_data: false, window_changed: false,
        });
        prop_assert!(r.is_idle() && r.deadline().is_none() && r.next_lost().is_none() && r.phase() == Phase::Open);
        prop_assert_eq!((r.in_flight(), r.lost(), r.sacked(), r.retries()), (0, 0, 0, 0));
        prop_assert!(r.memory() == 0, "the episode is gone");
    }
}
