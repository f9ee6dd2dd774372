//! What it costs to carry a packet from one host to the other. `cargo bench -p bowline-device`.
#![allow(missing_docs, reason = "criterion's macros define public functions")]

use std::hint::black_box;
use std::time::Duration;

use bowline_base::Instant;
use bowline_device::impairment::{ImpairmentConfig, Impairments};
use bowline_device::memory::{self, MemoryConfig, MemoryDevice};
use bowline_device::{Capture, CaptureConfig, Device, Impaired, Tapped, Transmitted, TxPacket};
use bowline_wire::packet::{PartialChecksum, SegmentKind};
use bowline_wire::{IpHeader, Protocol, TcpHeader, ip};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Packets handed over before the other side takes them: a batch, as event loops make them.
const BATCH: u64 = 32;

fn head(payload: usize) -> Vec<u8> {
    let tcp = TcpHeader::default();
    let addresses = ([10, 0, 2, 100].into(), [10, 0, 2, 2].into());
    let ip = IpHeader::new(addresses.0, addresses.1, Protocol::TCP, tcp.emit_len() + payload);
    let mut head = vec![0; ip.emit_len() + tcp.emit_len()];
    let at = ip::emit(&ip, &mut head);
    tcp.emit(&mut head[at..]);
    head
}

/// Sends a batch and takes it out at the other end.
fn carry(now: &mut Instant, near: &mut impl Device, far: &mut MemoryDevice, packet: &TxPacket<'_>) {
    for _ in 0..BATCH {
        assert_eq!(near.transmit(*now, packet).ok(), Some(Transmitted::Sent));
    }
    *now += Duration::from_micros(10);
    near.handle_timeout(*now).ok();
    while let Ok(Some(packet)) = far.receive(*now) {
        black_box(packet);
    }
}

fn devices(c: &mut Criterion) {
    let mut group = c.benchmark_group("carry");
    let body = vec![7; 65_000];
    for (len, segment) in [(0, None), (1460, None), (65_000, Some((SegmentKind::Tcp4, 1460)))] {
        let (head, parts) = (head(len), [&body[..len]]);
        let checksum = Some(PartialChecksum { start: 20, offset: 16 });
        let packet = TxPacket { head: &head, payload: &parts, owners: &[], checksum, segment };
        let config = MemoryConfig::offloading(1500);
        let mut now = Instant::ZERO;
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function(BenchmarkId::new("memory", len), |b| {
            let (mut near, mut far) = memory::pair(config);
            b.iter(|| carry(&mut now, &mut near, &mut far, &packet));
        });
        group.bench_function(BenchmarkId::new("impaired by nothing", len), |b| {
            let (near, mut far) = memory::pair(config);
            let mut near = Impaired::new(near, ImpairmentConfig::default());
            b.iter(|| carry(&mut now, &mut near, &mut far, &packet));
        });
        group.bench_function(BenchmarkId::new("delayed", len), |b| {
            let (near, mut far) = memory::pair(MemoryConfig { queue_packets: 1 << 20, ..config });
            let delayed = Impairments { delay: Duration::from_micros(10), ..Impairments::default() };
            let mut near = Impaired::new(near, ImpairmentConfig::symmetric(delayed, 1));
            b.iter(|| carry(&mut now, &mut near, &mut far, &packet));
        });
        group.bench_function(BenchmarkId::new("tapped", len), |b| {
            let (near, mut far) = memory::pair(config);
            let Ok(capture) = Capture::new(std::io::sink(), CaptureConfig::default()) else { return };
            let mut near = Tapped::new(near, capture);
            b.iter(|| carry(&mut now, &mut near, &mut far, &packet));
        });
    }
    group.finish();
}

criterion_group!(benches, devices);
criterion_main!(benches);
