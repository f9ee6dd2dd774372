//! Two endpoints in virtual time on a perfect link: the shortest life of a connection, and a bulk transfer.
#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::net::SocketAddr;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::*;
use bowline_wire::{Ecn, Piece};
use bytes::Bytes;

struct Flight {
    tuple: FourTuple,
    header: bowline_wire::tcp::TcpHeader,
    payload: Vec<u8>,
    size: Option<u16>,
}

/// Carries everything both ways until nothing moves; returns how many segments did.
fn exchange(now: Instant, a: &mut Endpoint, b: &mut Endpoint) -> usize {
    let mut total = 0;
    loop {
        let moved = carry(now, a, b) + carry(now, b, a);
        total += moved;
        if moved == 0 {
            return total;
        }
    }
}

fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint) -> usize {
    let mut n = 0;
    while let Some(f) = from.poll_transmit(now, |d| Flight {
        tuple: d.tuple,
        payload: d.payload.concat(),
        size: d.segment_size,
        header: d.header.clone(),
    }) {
        n += 1;
        to.handle_segment(
            now,
            &Arrival {
                tuple: FourTuple::new(f.tuple.remote, f.tuple.local),
                header: &f.header,
                head: &[],
                text: &[Piece::from(Bytes::from(f.payload))],
                segment_size: f.size,
                mark: Ecn::NotEct,
                path: Path::new(1500),
            },
        );
    }
    n
}

fn pair() -> (Endpoint, Endpoint, ConnectionKey, ConnectionKey, Instant) {
    let now = Instant::from_secs(1);
    let (mut a, mut b) = (Endpoint::new(Config::default(), [1; 32]), Endpoint::new(Config::default(), [2; 32]));
    let listener = b.listen(Listen::on_port(80)).unwrap();
    let (local, remote): (SocketAddr, SocketAddr) = ("10.0.0.1:0".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    let client = a.connect(now, local, remote, Path::new(1500), None).unwrap();
    assert_eq!(exchange(now, &mut a, &mut b), 3);
    let server = b.accept(now, listener).unwrap();
    assert_eq!((a.state(client), b.state(server)), (Some(State::Established), Some(State::Established)));
    (a, b, client, server, now)
}

#[test]
fn open_exchange_close_leaves_nothing_but_time_wait() {
    let (mut a, mut b, client, server, mut now) = pair();
    assert_eq!(a.send(now, client, b"hello"), Ok(5));
    exchange(now, &mut a, &mut b);
    let mut buf = [0; 16];
    assert_eq!(b.receive(now, server, &mut buf), Ok(5));
    assert_eq!(&buf[..5], b"hello");
    a.close(now, client);
    exchange(now, &mut a, &mut b);
    assert_eq!(b.state(server), Some(State::CloseWait));
    assert_eq!(b.receive(now, server, &mut buf), Ok(0));
    b.close(now, server);
    exchange(now, &mut a, &mut b);
    assert_eq!((a.population(), b.population()), ((0, 0, 1), (0, 0, 0)));
    now += Duration::from_secs(60);
    a.handle_timeout(now);
    assert_eq!((a.population(), a.poll_timeout(), b.poll_timeout()), ((0, 0, 0), None, None));
}

#[test]
fn a_bulk_transfer_arrives_whole() {
    let (mut a, mut b, client, server, mut now) = pair();
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let mut rest = Bytes::from(data.clone());
    let mut got = Vec::new();
    let mut rounds = 0;
    while got.len() < data.len() {
        rounds += 1;
        assert!(rounds < 10_000, "stuck at {} bytes", got.len());
        if !rest.is_empty() {
            let _ = a.send_bytes(now, client, &mut rest);
        }
        exchange(now, &mut a, &mut b);
        while let Ok(bytes) = b.receive_bytes(now, server, usize::MAX) {
            got.extend_from_slice(&bytes);
        }
        now += Duration::from_millis(1);
        a.handle_timeout(now);
        b.handle_timeout(now);
    }
    assert!(got == data);
    // The last segment may have been a small one, whose acknowledgement waits a little.
    now = b.poll_timeout().map_or(now, |due| due.min(now + Duration::from_millis(40)));
    b.handle_timeout(now);
    exchange(now, &mut a, &mut b);
    let heap = [a.info(now, client), b.info(now, server)].map(|info| info.map(|info| info.memory));
    assert_eq!(heap, [Some(0), Some(0)], "what has been delivered leaves no memory behind");
}
