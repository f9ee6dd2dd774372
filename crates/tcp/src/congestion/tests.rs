//! What holds for every controller, by random histories, and the errors that others made.

extern crate std;

use core::time::Duration;
use std::vec::Vec;

use bowline_base::Instant;
use proptest::prelude::*;

use super::{
    AckSample, Congestion, CongestionControl, Controller, LossSample, MAX_CWND, RateSample, Start, initial_window,
};
use crate::Algorithm;
use crate::recovery::Phase;

pub(super) const MSS: u64 = 1_460;

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn acked(bytes: u64) -> AckSample {
    AckSample {
        acked: bytes,
        advances: true,
        rtt: Some(ms(50)),
        srtt: Some(ms(50)),
        min_rtt: Some(ms(50)),
        in_flight_before: u64::MAX,
        cwnd_limited: true,
        in_recovery: false,
        ..AckSample::default()
    }
}

/// One round trip in which the whole window is acknowledged, segment by segment.
pub(super) fn round(c: &mut dyn Controller, now: Instant) {
    let window = c.cwnd();
    for _ in 0..window / MSS {
        c.on_ack(now, &AckSample { in_flight_before: window, ..acked(MSS) });
    }
}

fn all() -> [CongestionControl; 3] {
    [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Local].map(|a| CongestionControl::new(a, Start::new(MSS as u32)))
}

#[test]
fn the_initial_window_is_ten_segments_within_bounds() {
    // RFC 5681 3.1, RFC5681-3.1-1.
    // RFC 6928 2
    for (mss, window) in [(536, 5_360), (1_460, 14_600), (1_500, 14_600), (8_960, 17_920), (65_495, 130_990)] {
        assert_eq!(initial_window(mss), window, "mss {mss}");
    }
}

#[test]
fn an_ack_of_nothing_grows_nothing() {
    // smoltcp grew its window on ACKs of no bytes.
    for mut c in all() {
        c.on_congestion_event(Instant::ZERO, 100 * MSS, Congestion::FastRecovery);
        c.on_recovered(Instant::ZERO);
        let before = c.cwnd();
        for n in 0..1_000 {
            c.on_ack(Instant::from_millis(n), &acked(0));
        }
        assert_eq!(c.cwnd(), before, "{}", c.name());
    }
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    for mut c in all() {
        c.on_congestion_event(Instant::ZERO, 40 * MSS, Congestion::FastRecovery);
        let before = c.cwnd();
        for n in 0..1_000 {
            c.on_ack(Instant::from_millis(n), &AckSample { cwnd_limited: false, ..acked(MSS) });
        }
        assert_eq!(c.cwnd(), before, "{}", c.name());
    }
}

#[test]
fn a_repeated_timeout_does_not_lower_the_threshold_again() {
    // RFC 5681 3.1, RFC5681-3.1-5, RFC5681-3.1-6; RFC 9293 3.8.2, MAY-18: each of the controllers.
    // smoltcp reduced ssthresh with each repetition. RFC 5681 3.1.
    for mut c in all() {
        c.on_timeout(Instant::ZERO, 40 * MSS, true);
        let threshold = c.ssthresh();
        for n in 1..10 {
            c.on_timeout(Instant::from_secs(n), MSS, false);
        }
        assert_eq!(c.ssthresh(), threshold, "{}", c.name());
    }
}

#[test]
fn undo_brings_the_window_back() {
    // gVisor noticed spurious recoveries, but did not undo them.
    for mut c in all() {
        for timeout in [false, true] {
            let before = (c.cwnd(), c.ssthresh());
            if timeout {
                c.on_timeout(Instant::ZERO, c.cwnd(), true);
                c.on_timeout(Instant::from_secs(1), MSS, false);
            } else {
                c.on_congestion_event(Instant::ZERO, c.cwnd(), Congestion::FastRecovery);
            }
            assert!(c.cwnd() < before.0);
            c.undo();
            assert_eq!((c.cwnd(), c.ssthresh()), before, "{}", c.name());
            c.undo();
            assert_eq!((c.cwnd(), c.ssthresh()), before, "undo twice");
        }
    }
}

#[test]
fn after_recovery_nothing_is_left_to_undo() {
    for mut c in all() {
        c.on_congestion_event(Instant::ZERO, 100 * MSS, Congestion::FastRecovery);
        c.on_recovered(Instant::ZERO);
        let after = c.cwnd();
        c.undo();
        assert_eq!(c.cwnd(), after, "{}", c.name());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ack { acked: u64, rtt: u64, limited: bool, recovering: bool },
    Congestion(u64),
    Timeout(u64, bool),
    Recovered,
    Undo,
    Idle(u64),
    Mss(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![4 => 0..200_000u64, 1 => 0..=1u64 << 40, 1 => Just(u64::MAX)];
    let time = prop_oneof![Just(0u64), 0..1_000u64, 0..1_000_000_000u64, Just(u64::MAX)];
    prop_oneof![
        10 => (bytes.clone(), time.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(acked, rtt, limited, recovering)| Step::Ack { acked, rtt, limited, recovering }),
        1 => bytes.clone().prop_map(Step::Congestion),
        1 => (bytes, any::<bool>()).prop_map(|(b, first)| Step::Timeout(b, first)),
        1 => Just(Step::Recovered),
        1 => Just(Step::Undo),
        1 => time.prop_map(Step::Idle),
        1 => prop_oneof![Just(1u32), 1..65_535u32, Just(u32::MAX), Just(0u32)].prop_map(Step::Mss),
    ]
}

fn run(c: &mut CongestionControl, steps: &[(u64, Step)]) {
    let (mut now, mut mss) = (Instant::ZERO, MSS);
    for (gap, step) in steps {
        now += Duration::from_nanos(*gap);
        let before = c.cwnd();
        match step {
            Step::Ack { acked, rtt, limited, recovering } => {
                let rtt = Some(Duration::from_nanos(*rtt));
                let sample = AckSample {
                    acked: *acked,
                    advances: *acked > 0,
                    rtt,
                    srtt: rtt,
                    min_rtt: rtt,
                    in_flight_before: before,
                    cwnd_limited: *limited,
                    in_recovery: *recovering,
                    ..AckSample::default()
                };
                c.on_ack(now, &sample);
                assert!(c.cwnd() >= before, "an ACK reduced the window");
                if *acked == 0 || !limited || *recovering {
                    assert_eq!(c.cwnd(), before, "an ACK that must not grew the window");
                }
            }
            Step::Congestion(bytes) => c.on_congestion_event(now, *bytes, Congestion::Ecn),
            Step::Timeout(bytes, first) => c.on_timeout(now, *bytes, *first),
            Step::Recovered => c.on_recovered(now),
            Step::Undo => c.undo(),
            Step::Idle(gap) => c.on_idle_restart(now, Duration::from_nanos(*gap), ms(200)),
            Step::Mss(size) => {
                mss = u64::from((*size).max(1));
                c.set_mss(*size);
            }
        }
        assert!(c.cwnd() >= mss && c.cwnd() <= MAX_CWND.max(16 * mss), "{:?} {}", step, c.cwnd());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// gVisor overflowed, and let an ACK reduce the window; quinn overflowed in the increment.
    #[test]
    fn no_history_breaks_a_controller(steps in prop::collection::vec(((0..5_000_000_000u64), step()), 1..200)) {
        for mut c in all() {
            run(&mut c, &steps);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// BBR's window goes down on ACKs, too; but it stays one, its rate is one, and nothing overflows, whatever is reported.
    #[test]
    fn no_history_breaks_the_model(
        steps in prop::collection::vec(((0..5_000_000_000u64), step(), any::<[u64; 4]>()), 1..200),
        seed in any::<u32>(),
    ) {
        let mut c = CongestionControl::new(Algorithm::Bbr, Start { seed, ..Start::new(MSS as u32) });
        let (mut now, mut mss) = (Instant::ZERO, MSS);
        for (gap, step, [rate, delivered, in_flight, lost]) in steps {
            now += Duration::from_nanos(gap);
            match step {
                Step::Ack { acked, rtt, limited, recovering } => {
                    let rtt = Some(Duration::from_nanos(rtt));
                    let rate = RateSample {
                        rate, delivered, prior_delivered: delivered / 2, total_delivered: delivered,
                        app_limited: limited, sent_in_flight: in_flight, lost, interval: ms(1),
                    };
                    let phase = if recovering { Phase::FastRecovery } else { Phase::Open };
                    c.on_loss(now, &LossSample {
                        bytes: lost, stretches: 1, sent_in_flight: in_flight, lost: lost / 2, total_delivered: delivered,
                        app_limited: limited,
                    });
                    c.on_ack(now, &AckSample {
                        acked, rtt, srtt: rtt, phase, in_flight, sack: limited, rate: (!limited).then_some(rate),
                        in_flight_before: in_flight, ..AckSample::default()
                    });
                }
                Step::Congestion(bytes) => c.on_congestion_event(now, bytes, Congestion::Ecn),
                Step::Timeout(bytes, first) => c.on_timeout(now, bytes, first),
                Step::Recovered => c.on_recovered(now),
                Step::Undo => c.undo(),
                Step::Idle(gap) => c.on_restart(now, Some(Duration::from_nanos(gap))),
                Step::Mss(size) => {
                    mss = u64::from(size.max(1));
                    c.set_mss(size);
                }
            }
            prop_assert!(c.cwnd() >= mss && c.cwnd() <= MAX_CWND.max(16 * mss), "{}", c.cwnd());
            prop_assert!(c.pacing_rate() > Some(0) && c.send_quantum() >= Some(2 * mss));
        }
    }
}

#[test]
fn two_flows_that_share_a_queue_converge() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut flows: Vec<_> = (0..2).map(|_| CongestionControl::new(algorithm, Start::new(MSS as u32))).collect();
        // The first one starts with all of it, 200 segments at 50 ms.
        flows[0].on_congestion_event(Instant::ZERO, 400 * MSS, Congestion::FastRecovery);
        flows[1].on_congestion_event(Instant::ZERO, 4 * MSS, Congestion::FastRecovery);
        let mut sums = [0u64; 2];
        for n in 0..20_000u64 {
            let now = Instant::from_millis(n * 50);
            if flows[0].cwnd() + flows[1].cwnd() > 200 * MSS {
                for f in &mut flows {
                    let window = f.cwnd();
                    f.on_congestion_event(now, window, Congestion::FastRecovery);
                    f.on_recovered(now);
                }
            }
            for (f, sum) in flows.iter_mut().zip(&mut sums) {
                round(f, now);
                *sum += if n > 10_000 { f.cwnd() / MSS } else { 0 };
            }
        }
        let (a, b) = (sums[0] as f64, sums[1] as f64);
        let jain = (a + b).powi(2) / (2.0 * (a * a + b * b));
        assert!(jain > 0.95, "{algorithm:?}: {sums:?}, Jain's index {jain}");
    }
}

#[test]
fn what_is_only_reported_opens_no_window() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let mut c = CongestionControl::new(algorithm, Start::new(MSS as u32));
        let begin = c.cwnd();
        c.on_ack(Instant::ZERO, &AckSample { advances: false, ..acked(MSS) });
        assert_eq!(c.cwnd(), begin, "{algorithm:?}");
        c.on_ack(Instant::ZERO, &acked(MSS));
        assert!(c.cwnd() > begin, "{algorithm:?}");
    }
}
