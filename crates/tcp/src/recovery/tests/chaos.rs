//! Anything at any time: what never happens, whatever a peer and a clock do.

extern crate std;

use core::ops::Range;
use core::time::Duration;
use std::vec::Vec;

use bowline_base::{Instant, Position};
use proptest::prelude::*;

use super::{MSS, established, pos};
use crate::reason::TimerKind;
use crate::recovery::{Ack, Phase, Recovery};

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    Resend(u64, u64),
    Repair(u64),
    Ack {
        ack: u64,
        sack: Vec<(u64, u64)>,
        echo: Option<u64>,
        has_data: bool,
        window: bool,
    },
    Timeout,
    /// The reordering timer or the probe's, if one of them runs.
    Alarm,
    Mss(u32),
    Rearm,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || prop_oneof![8 => 0..20_000u64, 1 => any::<u64>()];
    let sack = prop::collection::vec((place(), place()), 0..6);
    let echo = prop::option::of(prop_oneof![0..10_000_000_000u64, any::<u64>()]);
    prop_oneof![
        6 => (1..3_000u64).prop_map(Step::Send),
        1 => (place(), 0..3_000u64).prop_map(|(a, b)| Step::Resend(a, b)),
        4 => (1..500u64).prop_map(Step::Repair),
        8 => (place(), sack, echo, any::<bool>(), any::<bool>())
            .prop_map(|(ack, sack, echo, has_data, window)| Step::Ack { ack, sack, echo, has_data, window }),
        1 => Just(Step::Timeout),
        2 => Just(Step::Alarm),
        1 => prop_oneof![Just(0), 1..2_000u32, Just(u32::MAX)].prop_map(Step::Mss),
        1 => Just(Step::Rearm),
    ]
}

fn apply(r: &mut Recovery, now: Instant, nxt: &mut Position, step: &Step) {
    match step {
        Step::Send(len) => {
            r.on_sent(now, *nxt..*nxt + *len, false);
            *nxt += *len;
        }
        Step::Resend(from, len) => r.on_sent(now, pos(*from).min(*nxt)..(pos(*from) + *len).min(*nxt), true),
        Step::Repair(limit) => {
            for _ in 0..20 {
                let Some(lost) = r.next_lost().filter(|_| r.quota(10 * MSS) > 0) else { break };
                r.on_sent(now, lost.start..lost.end.min(lost.start + *limit), true);
            }
            if r.is_probe_due() {
                let range = r.last_segment();
                r.on_probe_sent(now, range, true);
            }
        }
        Step::Ack { ack, sack, echo, has_data, window } => {
            let sack: Vec<Range<Position>> = sack.iter().map(|&(a, b)| pos(a)..pos(b)).collect();
            let (before, outstanding) = (r.in_flight(), r.outstanding());
            let outcome = r.on_ack(
                now,
                &Ack {
                    ack: pos(*ack),
                    sack: &sack,
                    echo_rtt: echo.map(Duration::from_nanos),
                    has_data: *has_data,
                    window_changed: *window,
                },
            );
            assert_eq!(outcome.prior_in_flight, before);
            assert_eq!(outcome.newly_acked, outstanding - r.outstanding());
            assert!(outcome.newly_acked + outcome.newly_sacked <= outstanding);
            assert!(outcome.delivered <= outstanding);
        }
        Step::Timeout => {
            r.on_timeout(now);
        }
        Step::Alarm => match r.alarm() {
            Some((at, TimerKind::Reordering)) => drop(r.on_reordering_timeout(at.max(now))),
            Some((_, TimerKind::TailLossProbe)) => r.on_probe_timeout(),
            _ => {}
        },
        Step::Mss(mss) => {
            r.on_path_mtu(now, *mss);
        }
        Step::Rearm => r.rearm(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_it(
        sack in any::<bool>(),
        steps in prop::collection::vec((prop_oneof![Just(0u64), 0..100_000_000u64, Just(u64::MAX / 300)], step()), 1..150),
    ) {
        let mut r = established(sack);
        let (mut now, mut nxt) = (Instant::from_secs(1), pos(0));
        for (gap, step) in &steps {
            now += Duration::from_nanos(*gap);
            apply(&mut r, now, &mut nxt, step);
            r.ring.audit();
            let una = nxt - r.outstanding();
            prop_assert!(r.in_flight() <= r.outstanding());
            prop_assert_eq!(r.deadline().is_some(), !r.is_idle());
            prop_assert_eq!(r.next_lost().is_some(), r.lost() > 0);
            for range in r.next_lost().into_iter().chain(r.is_probe_due().then(|| r.last_segment())) {
                prop_assert!(una <= range.start && range.start < range.end && range.end <= nxt);
            }
            let rto = r.rtt().rto();
            prop_assert!(rto >= Duration::from_millis(200) && rto <= Duration::from_secs(120));
            // A sender with everything lost may always send: nothing hangs.
            prop_assert!(r.in_flight() > 0 || r.quota(10_000) > 0);
        }
        r.on_ack(now, &Ack { ack: nxt, sack: &[], echo_rtt: None, has_data: true, window_changed: true });
        prop_assert_eq!((r.is_idle(), r.alarm(), r.phase()), (true, None, Phase::Open));
    }
}
