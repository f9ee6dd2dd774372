use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::memory::{self, MemoryConfig, MemoryDevice};
use crate::testing::{Sample, is_intact, pattern, tcp_of};
use crate::units::{Percent, Rate};

fn percent(value: f64) -> Percent {
    Percent::new(value).unwrap()
}

fn ms(n: u64) -> Instant {
    Instant::from_millis(n)
}

/// An impaired end and a far end, the link between them never full.
fn pair(config: ImpairmentConfig) -> (Impaired<MemoryDevice>, MemoryDevice) {
    let cable = MemoryConfig { queue_packets: 1 << 20, queue_bytes: 1 << 30, ..MemoryConfig::offloading(1500) };
    let (near, far) = memory::pair(cable);
    (Impaired::new(near, config), far)
}

fn egress(impairments: Impairments, seed: u64) -> ImpairmentConfig {
    ImpairmentConfig { egress: impairments, seed, ..ImpairmentConfig::default() }
}

/// Sends `count` segments of `len` bytes, `gap` apart, with their numbers as sequence numbers; returns the wire packets
/// that arrive and when, after all time-outs have run.
fn run(config: ImpairmentConfig, count: u32, len: usize, gap: Duration) -> (Vec<(Instant, Bytes)>, ImpairmentCounters) {
    let (mut near, mut far) = pair(config);
    let body = pattern(len);
    let mut arrivals = Vec::new();
    let mut now = Instant::ZERO;
    let mut collect = |now, far: &mut MemoryDevice| {
        while let Some(packet) = far.receive(now).unwrap() {
            arrivals.push((now, packet.data));
        }
    };
    for n in 0..count {
        let at = Instant::ZERO + gap * n;
        while let Some(due) = near.poll_timeout().filter(|due| *due <= at) {
            now = now.max(due);
            near.handle_timeout(now).unwrap();
            collect(now, &mut far);
        }
        now = at;
        let sample = Sample::tcp(4, n, len);
        assert_eq!(near.transmit(now, &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        collect(now, &mut far);
    }
    while let Some(due) = near.poll_timeout() {
        now = now.max(due);
        near.handle_timeout(now).unwrap();
        collect(now, &mut far);
    }
    assert_eq!(near.in_flight(), (0, 0), "nothing stays behind");
    (arrivals, near.monitor().counters())
}

fn numbers(arrivals: &[(Instant, Bytes)]) -> Vec<u32> {
    arrivals.iter().map(|(_, packet)| tcp_of(packet).0).collect()
}

/// Whether `count` of `n` trials is within four standard deviations of probability `p`.
fn plausible(count: usize, n: u32, p: f64) -> bool {
    let (mean, sigma) = (f64::from(n) * p, (f64::from(n) * p * (1.0 - p)).sqrt());
    (count as f64 - mean).abs() <= 4.0 * sigma
}

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
                let arrived = link.front(Instant::ZERO).is_some();
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
fn the_rate_holds_and_the_queue_drops_its_tail() {
    let rate = Some("10mbit".parse::<Rate>().unwrap());
    // Below the rate, everything passes; each packet takes its own 1200 µs.
    let impairments = Impairments { rate, ..Impairments::default() };
    let (arrivals, _) = run(egress(impairments, 1), 100, 1448, Duration::from_millis(2));
    assert_eq!(arrivals.len(), 100);
    assert_eq!(arrivals[0].0, Instant::from_micros(1200));
    assert_eq!(arrivals[99].0, Instant::from_micros(99 * 2000 + 1200));
    // At twice the rate, the link is always busy, and the queue holds 100 ms.
    let (arrivals, counters) = run(egress(impairments, 1), 2000, 1448, Duration::from_micros(600));
    let span = arrivals.last().unwrap().0.since(arrivals[0].0);
    let bits = (arrivals.len() - 1) as f64 * 1500.0 * 8.0;
    let measured = bits / span.as_secs_f64();
    assert!((measured / 10e6 - 1.0).abs() < 1e-6, "{measured} bit/s");
    assert_eq!(counters.egress.queue_full, 2000 - arrivals.len() as u64);
    let last_wait = arrivals.last().unwrap().0.since(Instant::from_micros(1999 * 600));
    assert!(last_wait <= Duration::from_millis(101) && last_wait > Duration::from_millis(95), "{last_wait:?}");
    assert!(numbers(&arrivals).is_sorted());
}

#[test]
fn queues_have_the_bounds_they_are_given() {
    let rate = Some("1mbit".parse::<Rate>().unwrap());
    let queue = |packets, bytes| QueueLimit { packets, bytes, ..QueueLimit::default() };
    for (limit, fits) in [(queue(Some(5), None), 5), (queue(None, Some(3100)), 2), (queue(None, Some(1)), 1)] {
        let impairments = Impairments { rate, queue: limit, ..Impairments::default() };
        let (arrivals, counters) = run(egress(impairments, 1), 50, 1448, Duration::ZERO);
        assert_eq!((arrivals.len(), counters.egress.queue_full), (fits, 50 - fits as u64));
    }
    let held = QueueLimit { held_bytes: 15_000, ..QueueLimit::default() };
    let impairments = Impairments { delay: Duration::from_secs(1), queue: held, ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 1), 50, 1448, Duration::ZERO);
    assert_eq!((arrivals.len(), counters.egress.queue_full), (9, 41), "our memory is bounded, too");
}

#[test]
fn delay_and_jitter_stay_within_their_bounds_and_in_order() {
    let (delay, jitter) = (Duration::from_millis(40), Duration::from_millis(5));
    let impairments = Impairments { delay, jitter, ..Impairments::default() };
    let gap = Duration::from_millis(20); // so that nobody waits for the packet before
    let (arrivals, _) = run(egress(impairments, 9), 5000, 0, gap);
    assert_eq!(numbers(&arrivals), (0..5000).collect::<Vec<_>>());
    let delays: Vec<_> = arrivals.iter().zip(0u32..).map(|((at, _), n)| at.since(Instant::ZERO + gap * n)).collect();
    assert!(delays.iter().all(|d| *d >= delay - jitter && *d <= delay + jitter));
    let mean = delays.iter().sum::<Duration>() / 5000;
    // Four standard errors of a uniform distribution 10 ms wide.
    let spread = Duration::from_nanos((4.0 * 10e6 / 12f64.sqrt() / 5000f64.sqrt()) as u64);
    assert!(mean.abs_diff(delay) < spread, "{mean:?}");
    assert!(delays.iter().min().unwrap() < &Duration::from_micros(35_100));
    // Packets closer to each other than the jitter still do not overtake.
    let (arrivals, _) = run(egress(impairments, 9), 5000, 0, Duration::from_micros(10));
    assert_eq!(numbers(&arrivals), (0..5000).collect::<Vec<_>>());
}

#[test]
fn more_jitter_than_delay_never_sends_into_the_past() {
    let impairments = Impairments { jitter: Duration::from_millis(5), ..Impairments::default() };
    let (arrivals, _) = run(egress(impairments, 9), 200, 0, Duration::from_millis(20));
    assert!(arrivals.iter().zip(0..).all(|((at, _), n)| *at >= ms(20 * n)));
}

#[test]
fn reordered_packets_arrive_after_three_that_were_behind_them() {
    let impairments = Impairments { reorder: percent(2.0), ..Impairments::default() };
    let (arrivals, counters) = run(egress(impairments, 11), 10_000, 0, Duration::from_micros(100));
    let order = numbers(&arrivals);
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 10_000, "nothing is lost or doubled");
    let mut highest = 0;
    let mut late = 0;
    for (index, number) in order.iter().enumerate() {
        if *number < highest {
            late += 1;
            let passed = order[..index].iter().filter(|earlier| *earlier > number).count();
            assert!(passed >= 3, "{number} was passed by {passed}");
        }
        highest = highest.max(*number);
    }
    assert_eq!(counters.egress.reordered, late);
    assert!(plausible(late as usize, 10_000, 0.02), "{late} reordered at 2%");
}

#[test]
fn a_packet_that_nobody_passes_is_not_held_forever() {
    let impairments = Impairments {
        reorder: percent(100.0),
        delay: Duration::from_millis(10),
        reorder_hold: Duration::from_millis(5),
        ..Impairments::default()
    };
    let (arrivals, _) = run(egress(impairments, 1), 3, 0, Duration::from_millis(1));
    assert_eq!(arrivals.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [ms(15), ms(16), ms(17)]);
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

#[test]
fn a_perfect_direction_passes_super_segments_through_whole() {
    let lossy = Impairments { loss: Loss::Random(percent(50.0)), ..Impairments::default() };
    let body = pattern(10_000);
    let sample = Sample::tcp(6, 1, body.len());
    let parts = [&body[..]];
    let train = sample.packet(&parts, Some(1400));

    let (mut near, mut far) = pair(ImpairmentConfig::default());
    assert!(near.capabilities().lossless);
    assert_eq!(near.transmit(ms(0), &train).unwrap(), Transmitted::Sent);
    assert_eq!(far.receive(ms(0)).unwrap().unwrap().segment_size, Some(1400));

    let (mut near, mut far) = pair(egress(lossy, 1));
    assert!(!near.capabilities().lossless);
    assert_eq!(far.transmit(ms(0), &train).unwrap(), Transmitted::Sent);
    assert_eq!(near.receive(ms(0)).unwrap().unwrap().segment_size, Some(1400));
    assert_eq!(near.transmit(ms(0), &train).unwrap(), Transmitted::Sent);
    let received = far.receive(ms(0)).unwrap().unwrap();
    assert_eq!((received.segment_size, received.checksum, received.data.len()), (None, RxChecksum::Unverified, 1472));
}

#[test]
fn a_plain_device_gets_what_it_can_carry() {
    let (near, mut far) = memory::pair(MemoryConfig::plain(1500));
    let delayed = Impairments { delay: Duration::from_millis(1), ..Impairments::default() };
    let mut near = Impaired::new(near, egress(delayed, 1));
    let capabilities = near.capabilities();
    assert!(capabilities.checksum && capabilities.tcp_segmentation && capabilities.udp_segmentation);
    let body = pattern(5000);
    let sample = Sample::tcp(4, 0, body.len());
    assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], Some(1448))).unwrap(), Transmitted::Sent);
    assert!(far.receive(ms(0)).unwrap().is_none());
    assert_eq!(near.poll_timeout(), Some(ms(1)));
    near.handle_timeout(ms(1)).unwrap();
    let mut at = 0;
    while let Some(packet) = far.receive(ms(1)).unwrap() {
        let (seq, payload) = tcp_of(&packet.data);
        assert!(is_intact(&packet.data));
        assert_eq!((seq as usize, payload), (at, &body[at..at + payload.len()]));
        at += payload.len();
    }
    assert_eq!(at, 5000);
}

#[test]
fn a_full_device_holds_packets_back_and_the_host_is_told() {
    let (near, mut far) = memory::pair(MemoryConfig { queue_packets: 2, ..MemoryConfig::offloading(1500) });
    let mut near = Impaired::new(near, egress(Impairments { mtu: Some(1500), ..Impairments::default() }, 1));
    let body = pattern(4000);
    let sample = Sample::tcp(4, 0, body.len());
    let parts = [&body[..]];
    let train = sample.packet(&parts, Some(1000));
    assert_eq!(near.transmit(ms(0), &train).unwrap(), Transmitted::Sent);
    assert_eq!((near.in_flight().0, near.poll_timeout()), (2, Some(ms(1))));
    assert_eq!(near.transmit(ms(0), &train).unwrap(), Transmitted::Full);
    let mut seen = Vec::new();
    for round in 1..10 {
        while let Some(packet) = far.receive(ms(round)).unwrap() {
            seen.push(tcp_of(&packet.data).0);
        }
        near.handle_timeout(ms(round)).unwrap();
    }
    assert_eq!((seen, near.poll_timeout()), (vec![0, 1000, 2000, 3000], None));
}

#[test]
fn ingress_is_impaired_the_same_way() {
    let ingress =
        Impairments { delay: Duration::from_millis(10), loss: Loss::Random(percent(20.0)), ..Impairments::default() };
    let (mut near, mut far) = pair(ImpairmentConfig { ingress, seed: 3, ..ImpairmentConfig::default() });
    let body = pattern(60_000);
    let sample = Sample::tcp(4, 0, body.len());
    assert_eq!(far.transmit(ms(0), &sample.packet(&[&body], Some(1000))).unwrap(), Transmitted::Sent);
    assert!(near.receive(ms(0)).unwrap().is_none());
    assert_eq!(near.poll_timeout(), Some(ms(10)));
    near.handle_timeout(ms(10)).unwrap();
    let mut seen = 0;
    while let Some(packet) = near.receive(ms(10)).unwrap() {
        assert!(is_intact(&packet.data) && packet.checksum == RxChecksum::Unverified);
        seen += 1;
    }
    let counters = near.monitor().counters().ingress;
    assert_eq!((counters.packets, counters.delivered, counters.delivered + counters.lost), (60, seen, 60));
    assert!(counters.lost > 0 && near.poll_timeout().is_none());
}

#[test]
fn a_flood_does_not_keep_the_event_loop_away() {
    let ingress = Impairments { delay: Duration::from_millis(10), ..Impairments::default() };
    let (mut near, mut far) = pair(ImpairmentConfig { ingress, ..ImpairmentConfig::default() });
    let sample = Sample::udp(4, 0, true);
    for _ in 0..BATCH + 10 {
        assert_eq!(far.transmit(ms(0), &sample.packet(&[], None)).unwrap(), Transmitted::Sent);
    }
    assert!(near.receive(ms(0)).unwrap().is_none());
    assert_eq!((near.in_flight().0, near.poll_timeout()), (BATCH, Some(ms(0))), "it comes back at once");
    assert!(near.receive(ms(0)).unwrap().is_none());
    assert_eq!((near.in_flight().0, near.poll_timeout()), (BATCH + 10, Some(ms(10))));
}

#[test]
fn every_decision_can_be_seen() {
    let impairments = Impairments {
        loss: Loss::Random(percent(20.0)),
        duplicate: percent(20.0),
        corrupt: percent(20.0),
        reorder: percent(20.0),
        ..Impairments::default()
    };
    let (mut near, _far) = pair(egress(impairments, 1));
    let monitor = near.monitor().clone();
    let sample = Sample::tcp(4, 77, 500);
    let body = pattern(500);
    let mut send = |times: usize| {
        for _ in 0..times {
            assert_eq!(near.transmit(ms(3), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        }
    };
    send(100);
    assert_eq!(monitor.drain(), (Vec::new(), 0), "nobody looked");
    let before = monitor.counters().egress;
    monitor.observe(1000);
    send(100);
    let (seen, missed) = monitor.drain();
    let after = monitor.counters().egress;
    let count = |wanted: fn(&What) -> bool| seen.iter().filter(|seen| wanted(&seen.what)).count() as u64;
    assert_eq!(count(|what| *what == What::Lost), after.lost - before.lost);
    assert_eq!(count(|what| *what == What::Duplicated), after.duplicated - before.duplicated);
    assert_eq!(count(|what| *what == What::Reordered), after.reordered - before.reordered);
    assert_eq!(count(|what| matches!(what, What::Corrupted { .. })), after.corrupted - before.corrupted);
    assert_eq!((missed, seen.len() > 20), (0, true));
    for one in &seen {
        assert_eq!((one.at, one.direction, one.len), (ms(3), Direction::Egress, 552));
        assert_eq!(one.head[24..28], 77u32.to_be_bytes());
    }
    monitor.observe(1);
    send(100);
    let (seen, missed) = monitor.drain();
    assert!(seen.len() == 1 && missed > 10);
}

#[test]
fn nonsense_is_dropped_and_counted() {
    let (mut near, _far) = pair(egress(Impairments { mtu: Some(1500), ..Impairments::default() }, 1));
    let sample = Sample::tcp(4, 0, 3000);
    let body = pattern(3000);
    assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Dropped);
    let parts = [&body[..]];
    let wrong = TxPacket { head: &[0xff; 40], ..sample.packet(&parts, Some(1000)) };
    assert_eq!(near.transmit(ms(0), &wrong).unwrap(), Transmitted::Dropped);
    assert_eq!(near.monitor().counters().egress.unreadable, 2);
}

mod too_big {
    use bowline_wire::icmp::{Icmp, IcmpError};
    use bowline_wire::ip;

    use super::*;

    fn narrow(too_big: TooBig) -> Impairments {
        Impairments { mtu: Some(1300), too_big, delay: Duration::from_millis(10), ..Impairments::default() }
    }

    fn assert_error(packet: &[u8], caused_by: &[u8]) {
        assert!(caused_by.len() > 1300);
        let header = ip::parse(packet).unwrap();
        let message = Icmp::parse(header.src, header.dst, header.payload(packet), RxChecksum::Unverified).unwrap();
        let Icmp::Error { error: IcmpError::PacketTooBig { mtu: 1300 }, quoted } = message else {
            panic!("{message:?}");
        };
        let original = ip::parse(caused_by).unwrap();
        assert_eq!((header.src, header.dst), (original.dst, original.src));
        assert!(quoted.len() >= 500 && caused_by.starts_with(quoted));
        assert_eq!(packet.len(), if header.src.is_ipv4() { 576 } else { 1280 });
    }

    #[test]
    fn the_sender_is_told() {
        let body = pattern(1400);
        for version in [4, 6] {
            let sample = Sample::tcp(version, 0, 1400);
            let complete = {
                let mut wire = Vec::new();
                Cutter::new().sent(&sample.packet(&[&body], None), |packet| wire = packet.to_vec());
                wire
            };
            // From the host: the error comes back to it, after the delay of one direction.
            let (mut near, mut far) = pair(egress(narrow(TooBig::Report), 1));
            assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
            near.handle_timeout(ms(10)).unwrap();
            assert_eq!(near.poll_timeout(), Some(ms(10)), "the host is called to receive");
            assert_error(&near.receive(ms(10)).unwrap().unwrap().data, &complete);
            assert!(near.receive(ms(10)).unwrap().is_none() && far.receive(ms(10)).unwrap().is_none());
            // From the peer: the error goes back to it.
            let ingress = narrow(TooBig::Report);
            let (mut near, mut far) = pair(ImpairmentConfig { ingress, ..ImpairmentConfig::default() });
            assert_eq!(far.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
            assert!(near.receive(ms(0)).unwrap().is_none());
            assert!(near.receive(ms(10)).unwrap().is_none());
            near.handle_timeout(near.poll_timeout().unwrap()).unwrap();
            assert_error(&far.receive(ms(10)).unwrap().unwrap().data, &complete);
            assert_eq!(near.monitor().counters().ingress.too_big, 1);
            assert_eq!(near.poll_timeout(), None);
        }
    }

    #[test]
    fn a_black_hole_tells_nobody() {
        let (mut near, mut far) = pair(egress(narrow(TooBig::BlackHole), 1));
        for (len, passes) in [(1248, true), (1249, false)] {
            let (sample, body) = (Sample::tcp(4, 0, len), pattern(len));
            assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
            near.handle_timeout(ms(10)).unwrap();
            assert_eq!(far.receive(ms(10)).unwrap().is_some(), passes, "{len}");
            assert!(near.receive(ms(10)).unwrap().is_none());
        }
        assert_eq!((near.monitor().counters().egress.too_big, near.poll_timeout()), (1, None));
    }

    #[test]
    fn what_may_be_fragmented_is() {
        let (mut near, mut far) = pair(egress(Impairments { mtu: Some(500), ..Impairments::default() }, 1));
        let (sample, body) = (Sample::udp(4, 1400, false), pattern(1400));
        assert_eq!(near.transmit(ms(0), &sample.packet(&[&body], None)).unwrap(), Transmitted::Sent);
        let mut datagram = Vec::new();
        let mut more = true;
        while let Some(packet) = far.receive(ms(0)).unwrap() {
            let header = ip::parse(&packet.data).unwrap();
            let part = header.fragment.unwrap();
            assert!(packet.data.len() <= 500 && more);
            assert_eq!((usize::from(part.offset), part.id), (datagram.len(), 77));
            datagram.extend(header.payload(&packet.data));
            more = part.more;
        }
        assert_eq!((more, &datagram[8..]), (false, &body[..]));
        let counters = near.monitor().counters().egress;
        assert_eq!((counters.fragmented, counters.delivered, counters.too_big), (1, 3, 0));
        assert_eq!(near.in_flight(), (0, 0));
    }

    #[test]
    fn no_error_about_an_error() {
        let mut error = vec![0; 1400];
        let header = ip::IpHeader::new([1, 2, 3, 4].into(), [5, 6, 7, 8].into(), ip::Protocol::ICMP, 1380);
        let start = ip::emit(&header, &mut error);
        let message = Icmp::Error { error: IcmpError::PacketTooBig { mtu: 9 }, quoted: &[0; 1372] };
        message.emit(header.src, header.dst, &mut error[start..]);
        let silence = super::super::too_big::Answer::Silence;
        assert_eq!(super::super::too_big::answer(&error, 1300, TooBig::Report), silence);
        assert_eq!(super::super::too_big::answer(&[0x45; 1400], 1300, TooBig::Report), silence, "an unreadable packet");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is cut and impaired with nothing, arrives as the same bytes in the same order.
    #[test]
    fn nothing_wrong_is_the_identity(
        sizes in proptest::collection::vec(1usize..30_000, 1..8),
        segment in 1u16..1440,
        delay in 0u64..3,
        jitter in 0u64..3,
        seed: u64,
        from_host: bool,
    ) {
        let wrong = Impairments {
            delay: Duration::from_micros(delay),
            jitter: Duration::from_micros(jitter),
            mtu: Some(1500),
            ..Impairments::default()
        };
        let segment = segment.max(100);
        let (mut near, mut far) = pair(ImpairmentConfig::symmetric(wrong, seed));
        let stream = pattern(sizes.iter().sum());
        let mut now = Instant::ZERO;
        let (mut at, mut seen) = (0usize, Vec::<u8>::new());
        for size in sizes {
            let sample = Sample::tcp(4, at as u32, size);
            let payload = &stream[at..at + size];
            let (first, last) = payload.split_at(size / 3);
            let parts = [first, last];
            let packet = sample.packet(&parts, Some(segment));
            let sent = if from_host { near.transmit(now, &packet) } else { far.transmit(now, &packet) };
            prop_assert_eq!(sent.unwrap(), Transmitted::Sent);
            at += size;
            for _ in 0..5 {
                near.handle_timeout(now).unwrap();
                while let Some(packet) = if from_host { far.receive(now) } else { near.receive(now) }.unwrap() {
                    prop_assert!(is_intact(&packet.data));
                    let (seq, payload) = tcp_of(&packet.data);
                    prop_assert_eq!(seq as usize, seen.len());
                    seen.extend(payload);
                }
                now += Duration::from_micros(1);
            }
        }
        prop_assert!(seen == stream, "{} bytes of {}", seen.len(), stream.len());
        prop_assert_eq!(near.poll_timeout(), None);
    }
}
