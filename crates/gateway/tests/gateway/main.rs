//! The gateway between a client in memory and real sockets of this host's loopback: no namespace, no privilege. What is
//! asserted is what the client's and the host's programs see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod ends;
mod support;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bowline_gateway::addresses::{GUEST_V4, HOST_V4, PAGE_V4, PAGE_V6};
use bowline_gateway::forward::Forward;
use bowline_gateway::ports::Ports;
use bowline_gateway::rules::{Action, Rules};
use bowline_gateway::target::Targets;
use rustix::event::{PollFd, PollFlags};
use support::{behind, connect, listen, loopbacks, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_half_closes_by_itself() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for on in loopbacks() {
            let (mut inside, mut outside) = connect(&client, on).await;
            let (sent, answer) = (pattern(3_000_000), pattern(1_000_001));
            let host = async {
                let mut got = Vec::new();
                outside.read_to_end(&mut got).await.unwrap();
                // the other direction is still open
                outside.write_all(&answer).await.unwrap();
                outside.shutdown().await.unwrap();
                got
            };
            let program = async {
                inside.write_all(&sent).await.unwrap();
                inside.shutdown().await.unwrap();
                let mut got = Vec::new();
                inside.read_to_end(&mut got).await.unwrap();
                got
            };
            let (at_host, at_program) = tokio::join!(host, program);
            assert!(at_host == sent && at_program == answer, "bytes differ");
        }
    })
    .await;
}

#[tokio::test]
async fn the_host_may_close_first() {
    behind(open(), Ports::default(), async |client, _gateway| {
        let (mut inside, mut outside) = connect(&client, loopbacks()[0]).await;
        outside.write_all(b"bye").await.unwrap();
        outside.shutdown().await.unwrap();
        let mut got = Vec::new();
        inside.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bye");
        inside.write_all(b"but listen").await.unwrap();
        inside.shutdown().await.unwrap();
        got.clear();
        outside.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"but listen");
    })
    .await;
}

/// Gets an urgent byte as the kernel's sockets have it, apart from the stream, and sends one.
fn host_with_urgent_data(mut outside: std::net::TcpStream) -> std::net::TcpStream {
    use std::io::{Read, Write};
    let limit = rustix::time::Timespec { tv_sec: 9, tv_nsec: 0 };
    let ready = rustix::event::poll(&mut [PollFd::new(&outside, PollFlags::PRI)], Some(&limit)).unwrap();
    assert_eq!(ready, 1, "nothing urgent has come");
    let mut urgent = [0; 2];
    let (len, _) = rustix::net::recv(&outside, &mut urgent, rustix::net::RecvFlags::OOB).unwrap();
    assert_eq!(urgent[..len], *b"X");
    let mut stream = [0; 6];
    outside.read_exact(&mut stream).unwrap();
    assert_eq!(&stream, b"abcdef");
    outside.write_all(b"ghi").unwrap();
    socket2::SockRef::from(&outside).send_out_of_band(b"!").unwrap();
    outside.write_all(b"jkl").unwrap();
    outside
}

#[tokio::test]
async fn urgent_data_is_urgent_on_the_other_side() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for on in loopbacks() {
            let (mut inside, outside) = connect(&client, on).await;
            let outside = outside.into_std().unwrap();
            outside.set_nonblocking(false).unwrap();
            let at_host = tokio::task::spawn_blocking(move || host_with_urgent_data(outside));
            inside.write_all(b"abc").await.unwrap();
            assert_eq!(inside.send_urgent(b"X").await.unwrap(), 1);
            inside.write_all(b"def").await.unwrap();
            let outside = at_host.await.unwrap();

            let mut got = [0; 7];
            inside.read_exact(&mut got[..3]).await.unwrap();
            while inside.urgent_left() != 1 {
                tokio::task::yield_now().await;
            }
            // the host's end is open all the while: nothing but the data itself brings it here
            inside.read_exact(&mut got[3..]).await.unwrap();
            assert_eq!((&got, inside.urgent_left()), (b"ghi!jkl", 0));
            // one that comes alone, after all before it has been read
            assert_eq!(socket2::SockRef::from(&outside).send_out_of_band(b"?").unwrap(), 1);
            assert_eq!((inside.peek(&mut got).await.unwrap(), inside.urgent_left()), (1, 1));
            assert_eq!((inside.read(&mut got).await.unwrap(), got[0]), (1, b'?'));
        }
    })
    .await;
}

#[tokio::test]
async fn a_reset_is_a_reset_on_the_other_side() {
    behind(open(), Ports::default(), async |client, _gateway| {
        let (mut inside, outside) = connect(&client, loopbacks()[0]).await;
        socket2::SockRef::from(&outside).set_linger(Some(Duration::ZERO)).unwrap();
        drop(outside);
        let error = inside.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let (inside, mut outside) = connect(&client, loopbacks()[0]).await;
        inside.abort();
        let error = outside.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_reached_says_so_as_the_network_would() {
    let rules = Rules::new(vec![
        (Action::Deny, "192.0.2.0/24".parse().unwrap()),
        (Action::Deny, "2001:db8::/32".parse().unwrap()),
    ]);
    behind(Targets { rules, host_loopback: true }, Ports::default(), async |client, _gateway| {
        for on in loopbacks() {
            let (listener, closed) = listen(on).await;
            drop(listener);
            let error = client.connect(closed).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{closed}");
        }
        for (destination, errno) in [
            ("192.0.2.1:80", libc::EHOSTUNREACH),
            ("[2001:db8::1]:80", libc::EACCES),
            ("10.0.2.77:80", libc::EHOSTUNREACH),
            ("10.0.2.3:80", libc::ECONNREFUSED),
            ("10.0.2.4:81", libc::ECONNREFUSED),
        ] {
            let error = client.connect(destination.parse().unwrap()).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno), "{destination}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_loopback_that_is_switched_off_cannot_be_reached() {
    let targets = Targets { host_loopback: false, ..open() };
    behind(targets, Ports::default(), async |client, _gateway| {
        let (_listener, address) = listen(loopbacks()[0]).await;
        let error = client.connect(address).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EHOSTUNREACH));
    })
    .await;
}

#[tokio::test]
async fn datagrams_find_their_way_back_and_errors_do() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for (listen, seen) in loopbacks() {
            let host = UdpSocket::bind(listen).await.unwrap();
            let address = SocketAddr::new(seen, host.local_addr().unwrap().port());
            // a socket is of one IP version, unless it is bound to `[::]`
            let any = if seen.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let inside = client.bind_udp(any.parse().unwrap()).await.unwrap();
            let mut buffer = vec![0; 65_536];
            for len in [0, 1, 1472, 9000] {
                let datagram = pattern(len);
                inside.send_to(&datagram, address).await.unwrap();
                let (got, mapped) = host.recv_from(&mut buffer).await.unwrap();
                assert_eq!(buffer[..got], datagram);
                host.send_to(&buffer[..got], mapped).await.unwrap();
                let (got, from) = inside.recv_from(&mut buffer).await.unwrap();
                assert_eq!((&buffer[..got], from), (&datagram[..], address));
            }
            // nobody listens there any more
            drop(host);
            inside.connect(address).await.unwrap();
            inside.send(b"anybody?").await.unwrap();
            let error = inside.recv(&mut buffer).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    })
    .await;
}

#[tokio::test]
async fn one_port_of_the_programs_is_one_port_outside() {
    behind(open(), Ports::default(), async |client, _gateway| {
        let (listen, seen) = loopbacks()[0];
        let (one, other) = (UdpSocket::bind(listen).await.unwrap(), UdpSocket::bind(listen).await.unwrap());
        let inside = client.bind_udp("0.0.0.0:0".parse().unwrap()).await.unwrap();
        let mut mapped = Vec::new();
        for host in [&one, &other] {
            let address = SocketAddr::new(seen, host.local_addr().unwrap().port());
            inside.send_to(b"who am I?", address).await.unwrap();
            mapped.push(host.recv_from(&mut [0; 16]).await.unwrap().1);
        }
        assert_eq!(mapped[0], mapped[1]);
    })
    .await;
}

#[tokio::test]
async fn the_page_names_the_connection_that_fetches_it() {
    behind(open(), Ports::default(), async |client, _gateway| {
        for page in [IpAddr::V4(PAGE_V4), IpAddr::V6(PAGE_V6)] {
            let mut stream = client.connect(SocketAddr::new(page, 80)).await.unwrap();
            let me = stream.local_addr().unwrap().to_string();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            for says in [&me[..], "ESTABLISHED", "MSS 1", "SACK", "window scaling", "RTT", " ms", "LISTEN"] {
                assert!(text.contains(says), "{says} is not in\n{text}");
            }
            assert!(!text.contains("1 connections"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_forwarded_port_leads_in() {
    let forwards: Vec<Forward> = ["1:80", "1:53/udp"].map(|text| text.parse().unwrap()).into();
    let free =
        forwards.into_iter().map(|forward: Forward| Forward { listen: "127.0.0.1:0".parse().unwrap(), ..forward });
    let ports = Ports::bind(&free.collect::<Vec<_>>()).unwrap();
    let [tcp, udp] = ports.listening().unwrap()[..] else { panic!("two ports") };
    behind(open(), ports, async |client, _gateway| {
        let listener = client.listen("0.0.0.0:80".parse().unwrap()).await.unwrap();
        let (outside, inside) = tokio::join!(TcpStream::connect(tcp), listener.accept());
        let (mut outside, (mut inside, peer)) = (outside.unwrap(), inside.unwrap());
        assert_eq!(peer.ip(), IpAddr::V4(HOST_V4), "the host's loopback is the gateway");
        outside.write_all(b"knock").await.unwrap();
        let mut got = [0; 5];
        inside.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"knock");

        let server = client.bind_udp(SocketAddr::new(GUEST_V4.into(), 53)).await.unwrap();
        let host = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        host.send_to(b"query", udp).await.unwrap();
        let mut buffer = [0; 16];
        let (got, peer) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..got], peer.ip()), (&b"query"[..], IpAddr::V4(HOST_V4)));
        server.send_to(b"answer", peer).await.unwrap();
        // from the very port that was asked
        assert_eq!(host.recv_from(&mut buffer).await.unwrap(), (6, udp));
    })
    .await;
}

#[tokio::test]
async fn the_summary_counts_what_ended_and_what_did_not() {
    behind(open(), Ports::default(), async |client, gateway| {
        let (mut inside, mut outside) = connect(&client, loopbacks()[0]).await;
        inside.write_all(&[7; 1000]).await.unwrap();
        outside.read_exact(&mut [0; 1000]).await.unwrap();
        let (mut second, outside_second) = connect(&client, loopbacks()[0]).await;
        drop(outside_second);
        assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
        let summary = gateway.finish(Duration::ZERO).await;
        assert_eq!((summary.connections, summary.bytes_received), (2, 1000));
    })
    .await;
}

/// As Docker does it: the IPv6 socket would take IPv4 along, and the two stand in each other's way.
#[tokio::test]
async fn a_port_may_be_published_on_every_address_of_both_versions() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let port = std::net::TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
    for protocol in ["", "/udp"] {
        let both = ["[::]", "0.0.0.0"].map(|ip| format!("{ip}:{port}:80{protocol}").parse::<Forward>().unwrap());
        for order in [both, [both[1], both[0]]] {
            let ports = Ports::bind(&order).map_err(|(forward, error)| format!("{forward:?}: {error}")).unwrap();
            assert_eq!(ports.listening().unwrap().len(), 2);
        }
        let alone = Ports::bind(&both[..1]).map_err(|(forward, error)| format!("{forward:?}: {error}")).unwrap();
        if protocol.is_empty() {
            std::net::TcpStream::connect(("127.0.0.1", port)).expect("alone, it takes both");
        }
        drop(alone);
    }
}
