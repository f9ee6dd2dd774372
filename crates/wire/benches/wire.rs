//! What the formats cost: sums per byte, headers per packet. `cargo bench -p bowline-wire`.
#![allow(missing_docs, reason = "criterion's macros define public functions")]

use bowline_wire::{IpHeader, Protocol, SegmentKind, Segmenter, TcpFlags, TcpHeader, TcpOptions, Timestamps};
use bowline_wire::{TxPacket, checksum, ip};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::IpAddr;

const ADDRESSES: (IpAddr, IpAddr) =
    (IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 2, 2)), IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 2, 100)));

fn header() -> TcpHeader {
    TcpHeader {
        src_port: 80,
        dst_port: 40_000,
        flags: TcpFlags::ACK,
        window: 500,
        options: TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..TcpOptions::default() },
        ..TcpHeader::default()
    }
}

fn head(payload: usize) -> Vec<u8> {
    let tcp = header();
    let ip = IpHeader::new(ADDRESSES.0, ADDRESSES.1, Protocol::TCP, tcp.emit_len() + payload);
    let mut head = vec![0; ip.emit_len() + tcp.emit_len()];
    let at = ip::emit(&ip, &mut head);
    tcp.emit(&mut head[at..]);
    head
}

fn sums(c: &mut Criterion) {
    for len in [20, 1460, 65_536] {
        let data = vec![0x5a; len];
        let mut out = vec![0; len];
        let mut group = c.benchmark_group(format!("{len} bytes"));
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function("sum", |b| b.iter(|| checksum::checksum(black_box(&data))));
        group.bench_function("copy and sum", |b| b.iter(|| checksum::copy_and_sum(black_box(&mut out), &data)));
        group.bench_function("copy", |b| b.iter(|| black_box(&mut out[..]).copy_from_slice(&data)));
        group.finish();
    }
}

fn headers(c: &mut Criterion) {
    let head = head(0);
    c.bench_function("parse IP and TCP", |b| {
        b.iter(|| {
            let packet = black_box(&head[..]);
            let ip = ip::parse(packet).map(|ip| TcpHeader::parse(ip.payload(packet)));
            black_box(ip).is_ok()
        });
    });
    let (tcp, mut out) = (header(), [0; 60]);
    c.bench_function("emit TCP", |b| b.iter(|| black_box(&tcp).emit(black_box(&mut out))));
    let ip = IpHeader::new(ADDRESSES.0, ADDRESSES.1, Protocol::TCP, 32);
    c.bench_function("emit IP", |b| b.iter(|| ip::emit(black_box(&ip), black_box(&mut out))));
}

fn segments(c: &mut Criterion) {
    let payload = vec![0x5a; 44 * 1448];
    let head = head(payload.len());
    let packet = TxPacket {
        head: &head,
        payload: &[&payload],
        owners: &[],
        checksum: None,
        segment: Some((SegmentKind::Tcp4, 1448)),
    };
    let mut out = [0; 1500];
    let mut group = c.benchmark_group("44 segments of 1448 bytes");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("cut", |b| {
        b.iter(|| {
            let mut segmenter = Segmenter::new(black_box(&packet));
            while let Some(len) = segmenter.next(&mut out) {
                black_box(len);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, sums, headers, segments);
criterion_main!(benches);
