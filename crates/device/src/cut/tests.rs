use bytes::Bytes;

use super::*;
use crate::testing::{Sample, is_intact, pattern, tcp_of};
use bowline_wire::packet::Stretches;

fn received(sample: &Sample, body: &[u8], checksum: RxChecksum, segment_size: Option<u16>) -> RxPacket {
    let data = Bytes::from([&sample.head, body].concat());
    RxPacket { pinned: data.len(), data, checksum, segment_size, more: Stretches::new() }
}

fn packets(run: impl FnOnce(&mut Cutter, &mut Vec<Vec<u8>>) -> usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let count = run(&mut Cutter::new(), &mut all);
    assert_eq!(count, all.len());
    all
}

#[test]
fn both_directions_cut_alike_into_intact_packets() {
    let body = pattern(10_000);
    for version in [4, 6] {
        let sample = Sample::tcp(version, 1000, body.len());
        let parts = [&body[..1], &[], &body[1..7000], &body[7000..]];
        let sent = packets(|cutter, all| cutter.sent(&sample.packet(&parts, Some(1448)), |p| all.push(p.to_vec())));
        for checksum in [RxChecksum::Partial, RxChecksum::Verified] {
            let packet = received(&sample, &body, checksum, Some(1448));
            let got = packets(|cutter, all| cutter.received(&packet, |p| all.push(p.to_vec())));
            assert_eq!(sent, got, "{version} {checksum:?}");
        }
        assert_eq!(sent.len(), 7);
        let mut at = 0;
        for packet in &sent {
            let (seq, payload) = tcp_of(packet);
            assert!(is_intact(packet));
            assert_eq!((seq, payload), (1000 + at as u32, &body[at..at + payload.len()]));
            at += payload.len();
        }
        assert_eq!(at, body.len());
    }
}

#[test]
fn partial_checksums_are_completed() {
    let body = pattern(777);
    for sample in [Sample::tcp(4, 1, 777), Sample::tcp(6, 1, 777), Sample::udp(4, 777, true), Sample::udp(6, 777, true)]
    {
        let sent = packets(|cutter, all| cutter.sent(&sample.packet(&[&body], None), |p| all.push(p.to_vec())));
        let packet = received(&sample, &body, RxChecksum::Partial, None);
        assert!(!is_intact(&packet.data));
        let got = packets(|cutter, all| cutter.received(&packet, |p| all.push(p.to_vec())));
        assert!(sent == got && sent.len() == 1 && is_intact(&sent[0]));
        assert!(sent[0].ends_with(&body));
    }
}

#[test]
fn complete_packets_stay_as_they_are_even_if_they_are_nonsense() {
    let nonsense = received(&Sample::tcp(4, 1, 3), b"abc", RxChecksum::Unverified, None);
    let got = packets(|cutter, all| cutter.received(&nonsense, |p| all.push(p.to_vec())));
    assert_eq!(got, [nonsense.data.to_vec()]);
    let head = [0xff; 30];
    let packet = TxPacket { head: &head, payload: &[&[1, 2]], owners: &[], checksum: None, segment: None };
    assert_eq!(packets(|cutter, all| cutter.sent(&packet, |p| all.push(p.to_vec())))[0][28..], [255, 255, 1, 2]);
}

#[test]
fn what_cannot_be_cut_gives_nothing() {
    let mut cutter = Cutter::new();
    for data in [&[][..], &[0xff; 40], &[0x45; 10], &[0x60; 20]] {
        for segment_size in [None, Some(1000)] {
            let data = Bytes::copy_from_slice(data);
            let packet = RxPacket {
                pinned: data.len(),
                data,
                checksum: RxChecksum::Partial,
                segment_size,
                more: Stretches::new(),
            };
            assert_eq!(cutter.received(&packet, |_| panic!("nothing comes out")), 0);
        }
    }
    let sample = Sample::tcp(4, 1, 3000);
    let wrong = TxPacket { segment: Some((SegmentKind::Tcp6, 1000)), ..sample.packet(&[&[0; 3000]], None) };
    assert_eq!(cutter.sent(&wrong, |_| panic!("nothing comes out")), 0);
}
