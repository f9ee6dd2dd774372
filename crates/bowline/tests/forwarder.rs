//! The forwarder: any address, any port, and the answer deferred.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bowline::{Config, IcmpError, Net, Refusal};
use bowline_device::memory::{self, MemoryConfig};
use common::host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A client behind a gateway. Time is tokio's alone.
fn gateway() -> (Net, Net) {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    let client = host(1, left).coarse_timers(true).start().unwrap();
    let gateway = host(2, right).any_ip(true).config(Config::default()).coarse_timers(true).start().unwrap();
    (client, gateway)
}

fn far(port: u16) -> SocketAddr {
    SocketAddr::new("192.0.2.7".parse().unwrap(), port)
}

#[tokio::test]
async fn the_caller_sees_who_goes_where_and_accepts() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    let accepting = async {
        let incoming = forwarder.next().await.unwrap();
        assert_eq!(incoming.destination(), far(443));
        assert_eq!(incoming.source().ip(), "10.0.0.1".parse::<std::net::IpAddr>().unwrap());
        assert_eq!(incoming.syn().options.mss, Some(1460));
        incoming.accept(None).await.unwrap()
    };
    let (opened, mut accepted) = tokio::join!(client.connect(far(443)), accepting);
    let mut opened = opened.unwrap();
    assert_eq!(accepted.local_addr().unwrap(), far(443));
    opened.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 5];
    accepted.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"hello");
}

#[tokio::test]
async fn the_client_hears_nothing_before_the_decision() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect(far(443)).await }
    });
    let incoming = forwarder.next().await.unwrap();
    assert_eq!(client.connections()[0].state, bowline::State::SynSent);
    assert_eq!(client.connections()[0].segs_in, 0);
    let stream = incoming.accept_now(None).unwrap();
    connecting.await.unwrap().unwrap();
    stream.connected().await.unwrap();
}

#[tokio::test]
async fn what_is_written_before_the_handshake_ends_arrives() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    let greeting = async {
        let mut stream = forwarder.next().await.unwrap().accept_now(None).unwrap();
        stream.write_all(b"220 ready").await.unwrap();
        stream
    };
    let (opened, _held) = tokio::join!(client.connect(far(25)), greeting);
    let mut buffer = [0; 9];
    opened.unwrap().read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"220 ready");
}

#[tokio::test(start_paused = true)]
async fn refusals_look_as_they_would_from_the_destination() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    tokio::spawn(async move {
        while let Ok(incoming) = forwarder.next().await {
            match incoming.destination().port() {
                1 => incoming.refuse(Refusal::Reset),
                2 => incoming.refuse(Refusal::Icmp(IcmpError::HostUnreachable)),
                3 => incoming.refuse(Refusal::Icmp(IcmpError::NetworkUnreachable)),
                4 => incoming.refuse(Refusal::Silence),
                _ => drop(incoming),
            }
        }
    });
    let error = async |port| client.connect(far(port)).await.unwrap_err().kind();
    assert_eq!(error(1).await, ErrorKind::ConnectionRefused);
    assert_eq!(error(2).await, ErrorKind::HostUnreachable);
    assert_eq!(error(3).await, ErrorKind::NetworkUnreachable);
    assert_eq!(error(5).await, ErrorKind::ConnectionRefused, "dropping refuses");
    assert_eq!(error(4).await, ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn repeated_syns_are_seen_once() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    let connecting = tokio::spawn(async move { client.connect(far(443)).await.map(|stream| (client, stream)) });
    let incoming = forwarder.next().await.unwrap();
    // The client repeats its SYN after 1, 3 and 7 seconds; a dial may take so long.
    let again = tokio::time::timeout(Duration::from_secs(10), forwarder.next()).await;
    assert!(again.is_err(), "the same SYN was seen twice");
    assert_eq!(forwarder.info().unwrap().undecided, 1);
    let _stream = incoming.accept(None).await.unwrap();
    assert_eq!(forwarder.info().unwrap().undecided, 0);
    let (client, _opened) = connecting.await.unwrap().unwrap();
    assert!(client.connections()[0].total_retrans >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_black_holed_destination_holds_up_nobody() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    tokio::spawn(async move {
        let mut dialling = Vec::new();
        while let Ok(incoming) = forwarder.next().await {
            match incoming.destination().port() {
                9 => dialling.push(incoming),
                _ => drop(tokio::spawn(async move { incoming.accept(None).await })),
            }
        }
    });
    for _ in 0..50 {
        let client = client.clone();
        tokio::spawn(async move { client.connect(far(9)).await });
    }
    let start = tokio::time::Instant::now();
    for port in 1000..1100 {
        client.connect(far(port)).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_listener_of_its_own_goes_before_the_forwarder() {
    let (client, gateway) = gateway();
    let mut forwarder = gateway.forwarder().unwrap();
    let listener = gateway.listen("10.0.0.2:80".parse().unwrap()).await.unwrap();
    let (opened, accepted) = tokio::join!(client.connect("10.0.0.2:80".parse().unwrap()), listener.accept());
    opened.unwrap();
    accepted.unwrap();
    let (other, incoming) = tokio::join!(client.connect("10.0.0.2:81".parse().unwrap()), async {
        let incoming = forwarder.next().await.unwrap();
        let destination = incoming.destination();
        incoming.refuse(Refusal::Reset);
        destination
    });
    assert_eq!(incoming.port(), 81);
    assert!(other.is_err());
}

#[tokio::test]
async fn a_gateway_may_connect_in_anybodys_name() {
    let (client, gateway) = gateway();
    let listener = client.listen("10.0.0.1:22".parse().unwrap()).await.unwrap();
    let local = "203.0.113.9:7777".parse().unwrap();
    let (opened, accepted) =
        tokio::join!(gateway.connect_with(Some(local), "10.0.0.1:22".parse().unwrap(), None), listener.accept());
    opened.unwrap();
    assert_eq!(accepted.unwrap().1, local);
}
