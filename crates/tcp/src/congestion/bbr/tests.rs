//! The model by itself, over scripted paths, and the errors that others made.

extern crate std;

use core::time::Duration;
use std::format;
use std::string::String;
use std::vec::Vec;

use bowline_base::Instant;

use self::path::{MSS, Path, Run};
use super::filter::WindowedMax;
use super::{Bbr, INFINITE, State};
use crate::congestion::{Congestion, Controller, LossSample, Start};

mod path;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The share of the path that was used, in percent.
fn used(run: &Run, delivered: u64, time: Duration) -> u64 {
    delivered * 100_000 / (run.path.rate * time.as_millis() as u64)
}

#[test]
fn a_plain_path_gives_this_trace() {
    let mut run = Run::new(Path::plain());
    run.run(secs(12));
    let lines: Vec<String> = run
        .steps
        .iter()
        .map(|step| {
            let at = step.at.since(Instant::from_secs(1)).as_millis();
            format!("{at:>5} {:<14} {:>5} kB/s {:>4} kB", step.state.name(), step.bw / 1_000, step.cwnd / 1_000)
        })
        .collect();
    let trace = lines.join("\n");
    std::println!("{trace}");
    assert_eq!(trace, include_str!("tests/plain.txt").trim_end());
}

#[test]
fn the_link_is_full_and_its_queue_is_short() {
    let mut run = Run::new(Path { queue: 8 * Path::plain().bdp(), ..Path::plain() });
    run.run(secs(2));
    run.backlog_percentile(0);
    let delivered = run.run(secs(20));
    assert!(used(&run, delivered, secs(20)) >= 96, "{} %", used(&run, delivered, secs(20)));
    // Eight times as much as the path holds would fit. Probes for more take three rounds to see that there is none.
    let backlogs = run.backlogs.clone();
    let p95 = run.backlog_percentile(95);
    assert!(p95 <= run.path.bdp() * 60 / 100, "{p95} bytes");
    run.backlogs = backlogs;
    let p50 = run.backlog_percentile(50);
    assert!(p50 <= run.path.bdp() / 20, "{p50} bytes");
}

#[test]
fn one_percent_of_loss_costs_no_bandwidth() {
    let mut run = Run::new(Path { rtt: ms(100), queue: 1_000_000, loss: Some(101), ..Path::plain() });
    run.run(secs(3));
    let delivered = run.run(secs(30));
    assert!(used(&run, delivered, secs(30)) >= 90, "{} %", used(&run, delivered, secs(30)));
}

#[test]
fn an_application_that_offers_little_from_birth_does_not_poison_the_model() {
    // quinn compared a gain with bytes, and grew its window without bound; and an estimate of what the application offers must
    // not be taken for the path's.
    let mut run = Run::new(Path::plain());
    run.offered = Some(0);
    for _ in 0..100 {
        run.offer(10 * MSS);
        run.run(ms(100));
    }
    assert!(!run.bbr.full_bw_reached, "the application's rate was taken for the path's");
    assert_eq!(run.bbr.state, State::Startup);
    assert!(run.bbr.cwnd() <= 4 * run.path.bdp(), "a window of {} bytes", run.bbr.cwnd());
    run.offered = None;
    run.run(ms(800));
    assert!(run.bbr.full_bw_reached && run.bbr.max_bw() >= run.path.rate * 95 / 100, "{:?}", run.steps);
}

#[test]
fn startup_is_not_left_before_the_pipe_is_full() {
    // picoquic: a plateau where ACKs come in lumps or the receiver's window grows late, and ten seconds in a tenth of the rate.
    for (ack_every, slot) in [(1, 0), (2, 0), (16, 0), (1, 10), (4, 20)] {
        let mut run = Run::new(Path {
            rate: 25_000_000,
            rtt: ms(100),
            queue: 2_500_000,
            ack_every,
            ack_slot: ms(slot),
            ..Path::plain()
        });
        run.run(secs(2));
        std::println!("{ack_every} {slot} {:?}", run.steps);
        let drain = run.steps.iter().find(|step| step.state == State::Drain);
        let found = drain.map(|step| step.bw).unwrap_or_default();
        assert!(found >= run.path.rate * 90 / 100, "{ack_every} {slot}: {found}");
        assert!(
            run.bbr.max_bw() <= run.path.rate * 110 / 100,
            "{ack_every} {slot}: {} is more than there is",
            run.bbr.max_bw()
        );
    }
}

#[test]
fn acks_that_come_in_lumps_do_not_slow_it() {
    for (ack_every, slot) in [(16, 0), (64, 0), (1, 10), (1, 30)] {
        let mut run = Run::new(Path { ack_every, ack_slot: ms(slot), ..Path::plain() });
        run.run(secs(2));
        let delivered = run.run(secs(20));
        let used = used(&run, delivered, secs(20));
        assert!(used >= 93, "an ACK for {ack_every}, every {slot} ms: {used} %");
    }
}

#[test]
fn every_five_seconds_there_is_a_pause_in_which_the_queue_drains() {
    let mut run = Run::new(Path::plain());
    run.run(secs(31));
    let pauses: Vec<_> = run.steps.windows(2).filter(|pair| pair[0].state == State::ProbeRtt).collect();
    assert!((4..=6).contains(&pauses.len()), "{} pauses", pauses.len());
    for pair in pauses {
        let long = pair[1].at.since(pair[0].at);
        assert!(long >= ms(200) && long <= ms(200) + 4 * run.path.rtt, "{long:?}");
        assert!(pair[0].cwnd <= run.path.bdp() * 60 / 100, "{}", pair[0].cwnd);
    }
    assert!(run.bbr.min_rtt <= Some(run.path.rtt + ms(1)), "{:?}", run.bbr.min_rtt);
}

#[test]
fn a_longer_path_is_believed_after_ten_seconds_and_a_slower_one_after_two_cycles() {
    let mut run = Run::new(Path { queue: 4_000_000, ..Path::plain() });
    run.run(secs(5));
    run.path.rate /= 4;
    run.run(secs(12));
    let bw = run.bbr.max_bw();
    assert!(bw <= run.path.rate * 110 / 100, "{bw} of {}", run.path.rate);
    run.path.rtt *= 3;
    run.run(secs(25));
    assert!(run.bbr.min_rtt >= Some(run.path.rtt), "{:?}", run.bbr.min_rtt);
    let delivered = run.run(secs(10));
    assert!(used(&run, delivered, secs(10)) >= 93);
}

#[test]
fn more_bandwidth_is_found_within_a_few_cycles() {
    let mut run = Run::new(Path::plain());
    run.run(secs(5));
    run.path = Path { rate: 40_000_000, queue: 1_600_000, ..run.path };
    run.run(secs(12));
    assert!(run.bbr.max_bw() >= 38_000_000, "{}", run.bbr.max_bw());
}

#[test]
fn a_shallow_queue_sets_a_bound_and_the_cycle_keeps_below() {
    let mut run = Run::new(Path { queue: Path::plain().bdp() / 10, ..Path::plain() });
    run.run(secs(3));
    let (sent, dropped) = (run.sent, run.dropped);
    let delivered = run.run(secs(20));
    let lost = (run.dropped - dropped) * 1_000 / (run.sent - sent);
    assert!(lost <= 20, "{lost} in 1000 lost");
    assert!(run.bbr.inflight_longterm != INFINITE);
    assert!(used(&run, delivered, secs(20)) >= 85, "{} %", used(&run, delivered, secs(20)));
}

#[test]
fn two_rounds_of_marks_end_startup_and_later_marks_lower_the_bound() {
    let mut run = Run::new(Path { queue: 4_000_000, mark_above: Some(40_000), ..Path::plain() });
    run.run(secs(1));
    assert!(run.states().contains(&State::Drain), "{:?}", run.states());
    run.run(secs(3));
    run.backlog_percentile(0);
    let delivered = run.run(secs(20));
    assert!(used(&run, delivered, secs(20)) >= 85, "{} %", used(&run, delivered, secs(20)));
    assert!(run.backlog_percentile(95) <= 100_000);
}

#[test]
fn losses_that_were_none_leave_no_trace() {
    let mut run = Run::new(Path::plain());
    run.run(secs(2));
    let (cwnd, shortterm, longterm) = (run.bbr.cwnd(), run.bbr.bw_shortterm, run.bbr.inflight_longterm);
    let bdp = run.path.bdp();
    let loss = LossSample {
        bytes: bdp / 2,
        stretches: 9,
        sent_in_flight: bdp,
        lost: bdp / 2,
        total_delivered: run.delivered,
        app_limited: false,
    };
    run.bbr.on_loss(run.now, &loss);
    run.bbr.on_congestion_event(run.now, bdp, Congestion::FastRecovery);
    run.run(ms(100));
    assert!(run.bbr.bw_shortterm < INFINITE, "a round with losses lowers what is believed");
    run.bbr.undo();
    assert_eq!((run.bbr.bw_shortterm, run.bbr.inflight_longterm), (shortterm, longterm));
    assert!(run.bbr.cwnd() >= cwnd);
}

#[test]
fn startup_that_losses_ended_begins_again_where_there_were_none() {
    let mut run = Run::new(Path { rate: 100_000_000, queue: 4_000_000, ..Path::plain() });
    run.run(ms(150));
    assert_eq!(run.bbr.state, State::Startup);
    run.bbr.save_state();
    run.bbr.leave_startup();
    run.bbr.check_startup_done(&crate::recovery::RateSample::default());
    assert_eq!(run.bbr.state, State::Drain);
    run.bbr.undo();
    assert!(run.bbr.state == State::Startup && !run.bbr.full_bw_reached && run.bbr.inflight_longterm == INFINITE);
    run.run(secs(2));
    assert!(run.bbr.max_bw() >= 95_000_000, "{}", run.bbr.max_bw());
}

#[test]
fn a_timeout_leaves_one_segment_and_the_way_back_is_short() {
    let mut run = Run::new(Path::plain());
    run.run(secs(3));
    let before = run.bbr.cwnd();
    run.bbr.on_timeout(run.now, before, true);
    assert_eq!(run.bbr.cwnd(), MSS);
    run.bbr.on_timeout(run.now, MSS, false);
    run.run(ms(200));
    assert!(run.bbr.cwnd() >= before * 7 / 10, "{} of {before}", run.bbr.cwnd());
}

#[test]
fn a_silence_is_followed_by_the_rate_of_before() {
    let mut run = Run::new(Path::plain());
    run.run(secs(4));
    run.offered = Some(0);
    run.run(secs(8));
    let cwnd = run.bbr.cwnd();
    run.offer(4_000_000);
    run.run(ms(20));
    assert!(!run.states().ends_with(&[State::ProbeRtt]), "a silence is pause enough");
    assert!(run.bbr.cwnd() >= cwnd, "the window of before");
    let rate = run.bbr.pacing_rate().unwrap_or_default();
    assert!((run.path.rate * 90 / 100..=run.path.rate * 104 / 100).contains(&rate), "{rate}");
}

#[test]
fn the_smallest_window_is_four_segments_and_the_quantum_two() {
    let mut run = Run::new(Path { rate: 100_000, rtt: ms(1), queue: 100_000, ..Path::plain() });
    run.run(secs(20));
    assert!(run.bbr.cwnd() >= 4 * MSS, "{}", run.bbr.cwnd());
    assert_eq!(run.bbr.send_quantum(), Some(2 * MSS));
    let mut fast = Run::new(Path { rate: 1_000_000_000, rtt: ms(5), queue: 5_000_000, ..Path::plain() });
    fast.run(secs(1));
    assert_eq!(fast.bbr.send_quantum(), Some(64 << 10));
}

#[test]
fn two_connections_do_not_probe_together() {
    let waits: Vec<_> = (0..16)
        .map(|seed| {
            let mut bbr = Bbr::new(Start { seed, ..Start::new(1_460) });
            bbr.start_probe_bw_down(Instant::ZERO);
            bbr.bw_probe_wait
        })
        .collect();
    assert!(waits.iter().all(|wait| (secs(2)..secs(3)).contains(wait)), "{waits:?}");
    let spread = waits.iter().max().zip(waits.iter().min()).map(|(most, least)| *most - *least);
    assert!(spread >= Some(ms(500)), "{waits:?}");
}

#[test]
fn the_filter_forgets_what_is_older_than_its_window() {
    let mut filter = WindowedMax::default();
    let mut naive: Vec<u64> = Vec::new();
    let mut random = 1u64;
    for round in 0..2_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = random >> 48;
        naive.push(value);
        filter.update(round, value, 10);
        let window = &naive[naive.len().saturating_sub(11)..];
        let most = window.iter().copied().max().unwrap_or_default();
        // Three samples are an approximation: never more than the window's most, nor less than what came last.
        assert!(filter.get() <= most && filter.get() >= value, "{} {most}", filter.get());
    }
}
