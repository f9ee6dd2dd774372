use super::*;

const MSS: u32 = 1_000;

fn sample(acked: u64, in_flight: u64, rtt: u64) -> AckSample {
    AckSample {
        acked,
        advances: true,
        rtt: Some(Duration::from_millis(rtt)),
        srtt: Some(Duration::from_millis(rtt)),
        in_flight_before: in_flight + acked,
        in_flight,
        cwnd_limited: true,
        mss: MSS,
        ..AckSample::default()
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(1_000 + millis)
}

/// A round of 100 ms and then one whose ACKs come `gap` ms apart, each of two segments: how many of these until it is over.
fn second_round(rtt: u64, gap: u64, change: impl Fn(&mut AckSample)) -> Option<u64> {
    let mut classic = Classic::default();
    let mut first = sample(20_000, 0, 100);
    change(&mut first);
    assert!(!classic.on_ack(at(0), &first, 20), "the first round is the measure");
    (1..=60).find(|count| {
        let mut sample = sample(2_000, 200_000 - 2_000 * count, rtt);
        change(&mut sample);
        classic.on_ack(at(100 + gap * count), &sample, 20 + 2 * count)
    })
}

#[test]
fn the_ninth_longer_sample_ends_it() {
    // 12.5 ms more than 100 are a rise, 12 are not. Gaps of 3 ms are no train.
    assert_eq!(second_round(113, 3, |_| {}), Some(9));
    assert_eq!(second_round(112, 3, |_| {}), None);
}

#[test]
fn one_short_sample_of_the_round_clears_it() {
    let mut classic = Classic::default();
    classic.on_ack(at(0), &sample(20_000, 0, 100), 20);
    for count in 1..40 {
        let rtt = if count == 3 { 105 } else { 150 };
        assert!(!classic.on_ack(at(100 + 3 * count), &sample(1_000, 100_000, rtt), 30), "ACK {count}");
    }
}

#[test]
fn a_train_of_half_a_round_trip_ends_it() {
    // ACKs 2 ms apart: half of 100 ms (and of the millisecond for what a device holds back) after the beginning of the round.
    assert_eq!(second_round(100, 2, |_| {}), Some(27), "the first of them begins the round");
    // With pacing a whole round trip.
    assert_eq!(second_round(100, 2, |sample| sample.paced = true), Some(52));
    // A little further apart they are no train.
    assert_eq!(second_round(100, 3, |_| {}), None);
}

#[test]
fn small_windows_are_not_judged() {
    let mut classic = Classic::default();
    for count in 0..200 {
        assert!(!classic.on_ack(at(count), &sample(1_000, 1_000_000, 100 + count), 15));
    }
    let found = (0..10).find(|count| classic.on_ack(at(300 + 3 * count), &sample(1_000, 900_000, 300), 16));
    assert_eq!(found, Some(8), "but sampled when they have grown");
}

#[test]
fn it_is_found_once() {
    let mut classic = Classic::default();
    classic.on_ack(at(0), &sample(20_000, 0, 100), 20);
    let times = (1..100).filter(|count| classic.on_ack(at(100 + 3 * count), &sample(1_000, 200_000, 200), 30)).count();
    assert_eq!(times, 1);
}

#[test]
fn what_gives_no_time_says_nothing() {
    assert_eq!(second_round(200, 2, |sample| sample.rtt = None), None);
}
