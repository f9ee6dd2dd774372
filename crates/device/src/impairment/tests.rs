use bowline_wire::packet::{PartialChecksum, SegmentKind};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::memory::{self, MemoryConfig, MemoryDevice};
use crate::testing::{Sample, is_intact, pattern, tcp_of};
use crate::units::Percent;

mod chance;
mod time;
mod too_big;

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
    let (on_the_way, _) = near.monitor().in_flight();
    near.handle_timeout(ms(10)).unwrap();
    let mut seen = 0;
    while let Some(packet) = near.receive(ms(10)).unwrap() {
        assert!(is_intact(&packet.data) && packet.checksum == RxChecksum::Unverified);
        seen += 1;
    }
    let counters = near.monitor().counters().ingress;
    assert_eq!((counters.packets, counters.delivered, counters.delivered + counters.lost), (60, seen, 60));
    assert!(counters.lost > 0 && near.poll_timeout().is_none());
    assert_eq!((on_the_way as u64, near.monitor().in_flight()), (seen, (0, 0)));
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

    /// Whatever bytes come along, with whatever the device says of them, nothing panics and nothing stays behind.
    #[test]
    fn any_bytes_pass_or_are_counted(
        packets in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 1..200), 0u8..8, any::<bool>(), any::<u16>()), 1..40),
        seed: u64,
    ) {
        let half = percent(50.0);
        let wrong = Impairments {
            loss: Loss::Random(percent(10.0)),
            duplicate: half,
            corrupt: half,
            reorder: half,
            delay: Duration::from_millis(1),
            jitter: Duration::from_millis(1),
            rate: Some("1mbit".parse().unwrap()),
            mtu: Some(68),
            ..Impairments::default()
        };
        let (near, mut far) = pair(ImpairmentConfig::symmetric(wrong, seed));
        let disk = crate::pcapng::tests::Disk::default();
        let capture = crate::Capture::new(disk.clone(), crate::CaptureConfig::default()).unwrap();
        let mut near = crate::Tapped::new(near, capture);
        let kinds = [SegmentKind::Tcp4, SegmentKind::Tcp6, SegmentKind::Udp];
        for (mut bytes, kind, partial, number) in packets {
            bytes[0] = if kind & 4 == 0 { 0x45 } else { 0x60 };
            let checksum = partial.then_some(PartialChecksum { start: number % 64, offset: number >> 10 });
            let segment = kinds.get(usize::from(kind & 3)).map(|kind| (*kind, number));
            let packet = TxPacket { head: &bytes, payload: &[&bytes], owners: &[], checksum, segment };
            prop_assert_ne!(near.transmit(ms(0), &packet).unwrap(), Transmitted::Full);
            prop_assert_eq!(far.transmit(ms(0), &packet).unwrap(), Transmitted::Sent);
            while near.receive(ms(0)).unwrap().is_some() {}
        }
        for _ in 0..10_000 {
            let Some(due) = near.poll_timeout() else { break };
            near.handle_timeout(due).unwrap();
            while near.receive(due).unwrap().is_some() {}
        }
        prop_assert_eq!((near.poll_timeout(), near.inner().in_flight()), (None, (0, 0)));
        let seen = near.capture().counters();
        near.capture().finish();
        prop_assert_eq!((crate::pcapng::tests::read(&disk.bytes()).0.len() as u64, seen.lost), (seen.packets, 0));
        let counters = near.inner().monitor().counters();
        for one in [counters.ingress, counters.egress] {
            let dropped = one.lost + one.queue_full + one.too_big;
            prop_assert!(one.delivered + one.refused + dropped + one.fragmented >= one.packets);
        }
    }
}
