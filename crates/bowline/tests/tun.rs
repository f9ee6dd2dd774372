//! The sockets against the running kernel's own, over a TUN in a network namespace that goes with the test.
//!
//! Each test runs itself again under `unshare`. Where that or `/dev/net/tun` is not to be had it says so and passes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]
#![allow(clippy::print_stdout, reason = "why a test was skipped, and what it measured")]

mod common;
#[path = "common/namespace.rs"]
mod namespace;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use common::pattern;
use namespace::in_namespace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much each direction carries.
fn length() -> usize {
    std::env::var("BOWLINE_TEST_BYTES").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(32 << 20)
}

/// The kernel's end: sends one pattern while it receives another.
fn kernel_end(stream: std::net::TcpStream, send: u64, expect: u64) {
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(&pattern(length(), send)).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    let mut reader = stream;
    reader.read_to_end(&mut received).unwrap();
    assert!(received == pattern(length(), expect), "the kernel received {} bytes", received.len());
    writing.join().unwrap();
}

/// Our end.
async fn our_end(stream: bowline::TcpStream, send: u64, expect: u64) {
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        write.write_all(&pattern(length(), send)).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    assert!(received == pattern(length(), expect), "we received {} bytes", received.len());
    writing.await.unwrap();
}

#[test]
fn the_kernel_connects_to_us_and_all_bytes_arrive_both_ways() {
    in_namespace("the_kernel_connects_to_us_and_all_bytes_arrive_both_ways", async |net| {
        for address in ["10.9.0.2:80", "[fd09::2]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = net.listen(address).await.unwrap();
            let kernel = std::thread::spawn(move || kernel_end(std::net::TcpStream::connect(address).unwrap(), 1, 2));
            let (stream, _) = listener.accept().await.unwrap();
            our_end(stream, 2, 1).await;
            kernel.join().unwrap();
        }
    });
}

#[test]
fn we_connect_to_the_kernel_and_all_bytes_arrive_both_ways() {
    in_namespace("we_connect_to_the_kernel_and_all_bytes_arrive_both_ways", async |net| {
        for address in ["10.9.0.1:80", "[fd09::1]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = std::net::TcpListener::bind(address).unwrap();
            let kernel = std::thread::spawn(move || kernel_end(listener.accept().unwrap().0, 1, 2));
            our_end(net.connect(address).await.unwrap(), 2, 1).await;
            kernel.join().unwrap();
        }
    });
}

#[test]
fn errors_look_alike_from_both_sides() {
    in_namespace("errors_look_alike_from_both_sides", async |net| {
        let ours = net.connect("10.9.0.1:1".parse().unwrap()).await.unwrap_err();
        assert_eq!((ours.kind(), ours.raw_os_error()), (ErrorKind::ConnectionRefused, Some(111)));
        let connecting = tokio::task::spawn_blocking(|| std::net::TcpStream::connect("10.9.0.2:1").unwrap_err());
        assert_eq!(connecting.await.unwrap().raw_os_error(), Some(111));

        let listener = net.listen("10.9.0.2:80".parse().unwrap()).await.unwrap();
        let reading = tokio::task::spawn_blocking(|| {
            let mut stream = std::net::TcpStream::connect("10.9.0.2:80").unwrap();
            stream.write_all(b"x").unwrap();
            stream.read(&mut [0; 1]).unwrap_err()
        });
        // Not before the kernel's connect has returned: it would fail instead.
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.read_exact(&mut [0; 1]).await.unwrap();
        accepted.abort();
        assert_eq!(reading.await.unwrap().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_thousand_short_connections_are_all_served() {
    in_namespace("a_thousand_short_connections_are_all_served", async |net| {
        let listener = net.listen("10.9.0.2:80".parse().unwrap()).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0; 1];
                    stream.read_exact(&mut byte).await.unwrap();
                    stream.write_all(&byte).await.unwrap();
                });
            }
        });
        let start = Instant::now();
        let clients = tokio::task::spawn_blocking(|| {
            for number in 0..1000_u32 {
                let mut stream = std::net::TcpStream::connect("10.9.0.2:80").unwrap();
                stream.write_all(&[number as u8]).unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                assert_eq!(answer, [number as u8]);
            }
        });
        clients.await.unwrap();
        println!("{:.0} connections per second", 1000.0 / start.elapsed().as_secs_f64());
        common::until(|| net.population().0 == 0).await;
    });
}

#[test]
fn round_trips_cost_microseconds() {
    in_namespace("round_trips_cost_microseconds", async |net| {
        let listener = net.listen("10.9.0.2:7".parse().unwrap()).await.unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut byte = [0; 1];
            while stream.read_exact(&mut byte).await.is_ok() {
                stream.write_all(&byte).await.unwrap();
            }
        });
        let median = tokio::task::spawn_blocking(|| {
            let mut stream = std::net::TcpStream::connect("10.9.0.2:7").unwrap();
            stream.set_nodelay(true).unwrap();
            let mut times = Vec::new();
            for _ in 0..2000 {
                let start = Instant::now();
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut [0; 1]).unwrap();
                times.push(start.elapsed());
            }
            times.sort();
            times[times.len() / 2]
        });
        let median = median.await.unwrap();
        println!("p50 {median:?}");
        // A poll that waits for a timer instead of the device would cost a millisecond.
        assert!(median < Duration::from_micros(900), "{median:?}");
    });
}
