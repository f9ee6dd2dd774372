//! Loss, duplication and corruption happen as often as they should, and as the seed says.

use super::*;
use crate::units::Rate;

#[test]
fn random_loss_is_as_frequent_as_it_says() {
    for (seed, loss) in [(1, 0.1), (2, 2.0), (3, 30.0), (4, 0.0), (5, 100.0)] {
        let impairments = Impairments { loss: Loss::Random(percent(loss)), mtu: Some(9000), ..Impairments::default() };
        let (arrivals, counters) = run(egress(impairments, seed), 20_000, 10, Duration::ZERO);
        let lost = 20_000 - arrivals.len();
        assert!(plausible(lost, 20_000, loss / 100.0), "{lost} lost at {loss}%");
        assert_eq!((counters.egress.lost, counters.egress.packets), (lost as u64, 20_000));
        assert_eq!(counters.egress.delivered, arrivals.len() as u64);
        assert!(numbers(&arrivals).is_sorted());
    }
}

#[test]
fn burst_loss_has_the_share_and_the_length_of_its_model() {
    for (p, r) in [(0.2, 30.0), (1.0, 10.0)] {
        let model = GilbertElliott::simple(percent(p), percent(r));
        let impairments = Impairments { loss: Loss::GilbertElliott(model), ..Impairments::default() };
        let count = 200_000u32;
        let mut link = Link::new(Direction::Egress, impairments, 42, ImpairmentMonitor::new());
        let arrived: Vec<bool> = (0..count)
            .map(|_| {
                link.offer(Instant::ZERO, &[0; 40]);
                let arrived = link.front(Instant::ZERO, |_| ()).is_some();
                link.pop();
                arrived
            })
            .collect();
        let lost = arrived.iter().filter(|arrived| !**arrived).count();
        let bursts = arrived.windows(2).filter(|pair| pair[0] && !pair[1]).count();
        // The variance of a Markov chain's mean exceeds that of independent trials by (2 - p - r) / (p + r).
        let (p, r) = (p / 100.0, r / 100.0);
        let share = p / (p + r);
        assert!((model.mean_loss() - share).abs() < 1e-12);
        let sigma = (f64::from(count) * share * (1.0 - share) * (2.0 - p - r) / (p + r)).sqrt();
        assert!((lost as f64 - f64::from(count) * share).abs() < 4.0 * sigma, "{lost} lost at p={p} r={r}");
        let burst = lost as f64 / bursts as f64;
        let spread = 4.0 * (1.0 - r).sqrt() / r / (bursts as f64).sqrt();
        assert!((burst - 1.0 / r).abs() < spread, "bursts of {burst} at r={r}");
    }
    let never = GilbertElliott { loss_bad: percent(50.0), ..GilbertElliott::simple(Percent::ZERO, Percent::ZERO) };
    assert_eq!(never.mean_loss(), 0.0);
    assert!(Loss::GilbertElliott(never).is_none());
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let impairments = Impairments {
        loss: Loss::Random(percent(5.0)),
        duplicate: percent(3.0),
        corrupt: percent(3.0),
        reorder: percent(5.0),
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(3),
        rate: Some("20mbit".parse::<Rate>().unwrap()),
        ..Impairments::default()
    };
    let world = |seed| run(egress(impairments, seed), 2000, 500, Duration::from_micros(300));
    assert_eq!(world(7), world(7));
    assert_ne!(world(7).0, world(8).0);
}

#[test]
fn one_impairment_does_not_change_the_luck_of_another() {
    let lossy = Impairments { loss: Loss::Random(percent(10.0)), ..Impairments::default() };
    let also = Impairments {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(5),
        corrupt: percent(20.0),
        ..lossy
    };
    let (plain, _) = run(egress(lossy, 3), 1000, 0, Duration::from_millis(1));
    let (_, counters) = run(egress(also, 3), 1000, 0, Duration::from_millis(1));
    assert_eq!(1000 - plain.len() as u64, counters.egress.lost);
    assert!(counters.egress.corrupted > 0);
}

#[test]
fn duplicates_come_as_often_as_they_should() {
    let impairments = Impairments { duplicate: percent(10.0), ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 5), 10_000, 0, Duration::from_micros(1));
    let copies = arrivals.len() - 10_000;
    assert!(plausible(copies, 10_000, 0.1), "{copies} copies");
    assert_eq!((counters.egress.duplicated, counters.egress.delivered), (copies as u64, arrivals.len() as u64));
    assert!(arrivals.iter().all(|(_, packet)| is_intact(packet)));
}

#[test]
fn corruption_flips_one_bit_and_a_checksum_tells() {
    let impairments = Impairments { corrupt: percent(10.0), ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 5), 5000, 200, Duration::from_micros(1));
    let broken = arrivals.iter().filter(|(_, packet)| !is_intact(packet)).count();
    assert_eq!((arrivals.len(), broken as u64), (5000, counters.egress.corrupted), "every flip in IPv4 is noticed");
    assert!(plausible(broken, 5000, 0.1), "{broken} corrupted");
    let body = pattern(200);
    for ((_, packet), n) in arrivals.iter().zip(0..) {
        let sample = Sample::tcp(4, n, 200);
        let mut sent = Vec::new();
        Cutter::new().sent(&sample.packet(&[&body], None), |wire| sent = wire.to_vec());
        let flipped: u32 = sent.iter().zip(packet.iter()).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((sent.len(), flipped), (packet.len(), u32::from(!is_intact(packet))));
    }
}
