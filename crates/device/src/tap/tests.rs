use std::process::Command;

use super::*;
use crate::memory::{self, MemoryConfig};
use crate::pcapng::tests::{Disk, read};
use crate::testing::{Sample, is_intact, pattern};

const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

fn tapped(disk: &Disk, config: CaptureConfig) -> (Tapped<memory::MemoryDevice>, memory::MemoryDevice) {
    let (near, far) = memory::pair(MemoryConfig::offloading(1500));
    (Tapped::new(near, Capture::new(disk.clone(), config).unwrap()), far)
}

#[test]
fn both_directions_are_recorded_as_intact_wire_packets() {
    let disk = Disk::default();
    let (mut near, mut far) = tapped(&disk, CaptureConfig { epoch: 5_000_000_000, ..CaptureConfig::default() });
    let body = pattern(4000);
    let sample = Sample::tcp(4, 9, body.len());
    near.capture().comment_next(Direction::Outbound, "new data");
    near.capture().comment_next(Direction::Outbound, "held back by cwnd");
    let at = Instant::from_millis(1);
    assert_eq!(near.transmit(at, &sample.packet(&[&body], Some(1448))).unwrap(), Transmitted::Sent);
    let passed = far.receive(at).unwrap().unwrap();
    assert_eq!(passed.segment_size, Some(1448), "the super-segment itself stays whole");
    assert_eq!(far.transmit(at, &sample.packet(&[&body], Some(1448))).unwrap(), Transmitted::Sent);
    let back = near.receive(Instant::from_millis(2)).unwrap().unwrap();
    assert_eq!((back.data, back.segment_size), (passed.data, Some(1448)));
    near.capture().finish();
    let (packets, statistics) = read(&disk.bytes());
    assert_eq!(statistics, Some((6, 0)));
    let told: Vec<_> = packets.iter().map(|(at, flags, comment, ..)| (*at, *flags, comment.as_str())).collect();
    let (first, second) = (5_001_000_000, 5_002_000_000);
    assert_eq!(
        told[..3],
        [(first, OUTBOUND, "new data; held back by cwnd"), (first, OUTBOUND, ""), (first, OUTBOUND, "")]
    );
    assert_eq!(told[3..], [(second, INBOUND, ""); 3]);
    assert!(packets.iter().all(|(.., data, _)| is_intact(data)));
}

#[test]
fn packets_reach_the_file_in_time() {
    let disk = Disk::default();
    let (mut near, _far) = tapped(&disk, CaptureConfig::default());
    let sample = Sample::udp(4, 0, true);
    assert_eq!(near.poll_timeout(), None);
    assert_eq!(near.transmit(Instant::from_millis(100), &sample.packet(&[], None)).unwrap(), Transmitted::Sent);
    assert_eq!(near.transmit(Instant::from_millis(150), &sample.packet(&[], None)).unwrap(), Transmitted::Sent);
    assert_eq!(near.poll_timeout(), Some(Instant::from_millis(300)));
    near.handle_timeout(Instant::from_millis(299)).unwrap();
    assert_eq!(read(&disk.bytes()).0.len(), 0);
    near.handle_timeout(Instant::from_millis(300)).unwrap();
    assert_eq!((read(&disk.bytes()).0.len(), near.poll_timeout()), (2, None));
}

#[test]
fn what_met_a_full_queue_is_recorded_once() {
    let disk = Disk::default();
    let (near, _far) = memory::pair(MemoryConfig { queue_packets: 1, ..MemoryConfig::offloading(1500) });
    let mut near = Tapped::new(near, Capture::new(disk.clone(), CaptureConfig::default()).unwrap());
    let sample = Sample::udp(4, 0, true);
    let outcomes = [(); 3].map(|()| near.transmit(Instant::ZERO, &sample.packet(&[], None)).unwrap());
    assert_eq!(outcomes, [Transmitted::Sent, Transmitted::Full, Transmitted::Full]);
    assert_eq!(near.capture().counters().packets, 1);
}

#[test]
fn a_full_disk_does_not_disturb_the_traffic_and_is_told_once() {
    let disk = Disk::default();
    let (mut near, _far) = tapped(&disk, CaptureConfig::default());
    let size = disk.bytes().len();
    disk.0.lock().1 = Some(size);
    let sample = Sample::udp(6, 0, true);
    for _ in 0..3 {
        assert_eq!(near.transmit(Instant::ZERO, &sample.packet(&[], None)).unwrap(), Transmitted::Sent);
    }
    near.capture().flush();
    assert_eq!(near.transmit(Instant::ZERO, &sample.packet(&[], None)).unwrap(), Transmitted::Sent);
    assert_eq!(near.capture().counters(), CaptureCounters { packets: 4, lost: 4 });
    assert_eq!(near.capture().take_error().unwrap().kind(), io::ErrorKind::StorageFull);
    assert!(near.capture().take_error().is_none());
}

#[test]
fn the_last_owner_finishes_the_file() {
    let disk = Disk::default();
    let (near, _far) = tapped(&disk, CaptureConfig::default());
    let handle = near.capture().clone();
    drop(near);
    assert_eq!(read(&disk.bytes()).1, None);
    drop(handle);
    assert_eq!(read(&disk.bytes()).1, Some((0, 0)));
}

#[test]
fn tshark_agrees_on_every_packet() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.pcapng");
    let (near, _far) = memory::pair(MemoryConfig::offloading(1500));
    let capture = Capture::new(std::fs::File::create(&path).unwrap(), CaptureConfig::default()).unwrap();
    let mut near = Tapped::new(near, capture);
    let body = pattern(5000);
    near.capture().comment_next(Direction::Outbound, "because");
    for version in [4, 6] {
        for (sample, size) in [(Sample::tcp(version, 1, 5000), 1400), (Sample::udp(version, 5000, true), 1400)] {
            assert_eq!(
                near.transmit(Instant::from_millis(7), &sample.packet(&[&body], Some(size))).unwrap(),
                Transmitted::Sent
            );
        }
    }
    near.capture().finish();
    let output = Command::new("tshark")
        .args(["-n", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"])
        .args(["-T", "fields", "-e", "frame.len", "-e", "tcp.checksum.status", "-e", "udp.checksum.status"])
        .args(["-e", "ip.checksum.status", "-e", "frame.packet_flags_direction", "-e", "frame.comment"])
        .args(["-e", "_ws.malformed", "-r"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect();
    assert_eq!(lines.len(), 16, "{text}");
    for (index, fields) in lines.iter().enumerate() {
        let (v4, tcp) = (index < 8, index % 8 < 4);
        let payload = if index % 4 == 3 { 800 } else { 1400 };
        let len = (payload + if v4 { 20 } else { 40 } + if tcp { 32 } else { 8 }).to_string();
        // tshark's status 1 is a good checksum.
        let expected = [
            len.as_str(),
            if tcp { "1" } else { "" },
            if tcp { "" } else { "1" },
            if v4 { "1" } else { "" },
            "2",
            if index == 0 { "because" } else { "" },
            "",
        ];
        let seen: Vec<_> = fields.iter().map(|field| field.trim_start_matches("0x0000000")).collect();
        assert_eq!(seen[..6], expected[..6], "packet {index}: {text}");
        assert!(fields.get(6).is_none_or(|field| field.is_empty()), "malformed: {text}");
    }
}
