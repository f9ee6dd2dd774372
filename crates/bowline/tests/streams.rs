//! Streams and listeners as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use bowline::{Algorithm, Config, FastOpenOptions, Keepalive, Listen, Options, State};
use bowline_device::Impairments;
use bytes::Bytes;
use common::{connected, pair, pattern, server, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

async fn both_ways(length: usize) {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    let run = |stream: bowline::TcpStream, seed: u64, other: u64| async move {
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            write.write_all(&pattern(length, seed)).await.unwrap();
            write.shutdown().await.unwrap();
            write
        });
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        assert!(received == pattern(length, other), "{} bytes", received.len());
        read.reunite(sending.await.unwrap()).unwrap()
    };
    let (ours, theirs) = tokio::join!(tokio::spawn(run(ours, 1, 2)), tokio::spawn(run(theirs, 2, 1)));
    drop((ours.unwrap(), theirs.unwrap()));
    until(|| client.population().0 == 0 && server_net.population().0 == 0).await;
}

#[tokio::test]
async fn bytes_arrive_both_ways_at_once_on_one_thread() {
    both_ways(8 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_arrive_both_ways_at_once_on_two_threads() {
    both_ways(8 << 20).await;
}

#[tokio::test]
async fn ipv6_works_as_ipv4_does() {
    let (client, server_net) = pair();
    let listener = server_net.listen("[fd00::2]:80".parse().unwrap()).await.unwrap();
    let (opened, accepted) = tokio::join!(client.connect("[fd00::2]:80".parse().unwrap()), listener.accept());
    let (mut opened, (mut accepted, peer)) = (opened.unwrap(), accepted.unwrap());
    assert_eq!(peer, opened.local_addr().unwrap());
    opened.write_all(b"six").await.unwrap();
    let mut buffer = [0; 3];
    accepted.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"six");
}

#[tokio::test]
async fn the_second_connection_to_a_server_sends_with_its_syn() {
    let (client, server_net) = pair();
    let fast_open = FastOpenOptions { listen: 16, ..FastOpenOptions::default() };
    let options = Some(Options { fast_open, ..Options::default() });
    let listener = server_net.listen_with(Listen { options, ..Listen::on_port(80) }).unwrap();
    let request = pattern(5_000, 3);
    for taken in 0..2 {
        let (opened, accepted) = tokio::join!(client.connect_with_data(server(), &request, None), listener.accept());
        let (mut opened, mut accepted) = (opened.unwrap(), accepted.unwrap().0);
        let mut received = vec![0; request.len()];
        accepted.read_exact(&mut received).await.unwrap();
        assert!(received == request);
        accepted.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        opened.read_exact(&mut answer).await.unwrap();
        assert_eq!(client.counters().fast_open_active, taken);
        assert_eq!(server_net.counters().fast_open_passive, taken);
        assert_eq!(opened.info().unwrap().fast_open.unwrap().syn_data, taken == 1);
    }
    assert_eq!(server_net.counters().fast_open_cookie_reqd, 1);
}

#[tokio::test]
async fn half_close_leaves_the_other_direction_open() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    ours.write_all(b"question").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut question = Vec::new();
    theirs.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    assert_eq!(theirs.state(), Some(State::CloseWait));
    theirs.write_all(&pattern(300_000, 3)).await.unwrap();
    drop(theirs);
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).await.unwrap();
    assert!(answer == pattern(300_000, 3));
    let refused = ours.write_all(b"more").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let (client, _server_net) = pair();
    let refused = client.connect(server()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(refused.raw_os_error(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
    until(|| client.population() == (0, 0, 0)).await;
}

#[tokio::test]
async fn an_abort_is_a_reset_to_the_peer() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    ours.abort();
    let reset = theirs.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(theirs.error().unwrap().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dropping_with_unread_data_is_a_reset_to_the_peer() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    theirs.write_all(b"unread").await.unwrap();
    ours.readable().await.unwrap();
    drop(ours);
    assert_eq!(theirs.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn zero_linger_is_a_reset_to_the_peer() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    ours.set_linger(Some(Duration::ZERO)).unwrap();
    drop(ours);
    assert_eq!(theirs.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn what_was_written_before_dropping_is_delivered() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let data = pattern(1 << 20, 9);
    ours.write_all(&data).await.unwrap();
    drop(ours);
    let mut received = Vec::new();
    theirs.read_to_end(&mut received).await.unwrap();
    assert!(received == data);
}

#[tokio::test]
async fn peeking_takes_nothing() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    ours.write_all(b"look").await.unwrap();
    let mut buffer = [0; 8];
    for _ in 0..2 {
        assert_eq!(theirs.peek(&mut buffer).await.unwrap(), 4);
    }
    assert_eq!(theirs.read(&mut buffer).await.unwrap(), 4);
    assert_eq!(&buffer[..4], b"look");
}

#[tokio::test]
async fn try_calls_never_wait() {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    assert_eq!(theirs.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let chunk = [7; 65_536];
    let mut written = 0;
    // The peer reads nothing: both queues fill, and then the stream is not writable.
    let full = loop {
        match ours.try_write(&chunk) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let mut read = 0;
    let mut buffer = vec![0; 1 << 16];
    while read < written {
        theirs.readable().await.unwrap();
        match theirs.try_read(&mut buffer) {
            Ok(count) => read += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    ours.writable().await.unwrap();
    assert!(ours.try_write(&chunk).unwrap() > 0);
}

#[tokio::test]
async fn who_waits_to_write_goes_on_before_all_has_arrived() {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    theirs.set_receive_buffer_size(65_536).unwrap();
    // As much as there is said to be room for: no write ever finds too little.
    let chunk = [7; 65_536];
    while poll_fn(|cx| Poll::Ready(ours.poll_write_ready(cx).is_ready())).await {
        assert_eq!(ours.try_write(&chunk).unwrap(), chunk.len());
        tokio::task::yield_now().await;
    }
    // A task of its own, which nothing else wakes.
    let waiting = tokio::spawn(async move {
        ours.writable().await.unwrap();
        ours
    });
    tokio::task::yield_now().await;
    // The peer reads a part of it, and most still waits.
    let (mut buffer, mut read) = (vec![0; 1 << 16], 0);
    while read < 1 << 20 {
        theirs.readable().await.unwrap();
        read += theirs.try_read(&mut buffer).unwrap_or(0);
    }
    timeout(Duration::from_secs(20), waiting).await.expect("a third is free").unwrap();
}

#[tokio::test]
async fn owned_bytes_go_through_in_order() {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    let data = Bytes::from(pattern(3 << 20, 5));
    let sent = data.clone();
    let sending = tokio::spawn(async move {
        ours.send_bytes(sent.slice(..1000)).await.unwrap();
        ours.send_bytes(sent.slice(1000..)).await.unwrap();
        ours.close_write().unwrap();
        ours.flushed().await.unwrap();
    });
    let mut received = Vec::new();
    loop {
        let part = theirs.recv_bytes(100_000).await.unwrap();
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 100_000);
        received.extend_from_slice(&part);
    }
    assert!(received == data);
    sending.await.unwrap();
}

#[tokio::test]
async fn options_are_kept_and_given_back() {
    // A device that may lose packets: on others there is no congestion to control.
    let (client, server_net) = common::impaired_pair(
        Impairments { delay: Duration::from_micros(1), ..Impairments::default() },
        &Config::default(),
    );
    let (ours, _theirs) = connected(&client, &server_net).await;
    ours.set_nodelay(true).unwrap();
    assert!(ours.nodelay().unwrap());
    ours.set_cork(true).unwrap();
    assert!(ours.cork().unwrap());
    let keepalive = Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(1), probes: 3 };
    ours.set_keepalive(Some(keepalive)).unwrap();
    assert_eq!(ours.keepalive().unwrap(), Some(keepalive));
    ours.set_user_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(ours.user_timeout().unwrap(), Some(Duration::from_secs(5)));
    ours.set_congestion(Algorithm::NewReno).unwrap();
    assert_eq!(ours.congestion().unwrap(), Algorithm::NewReno);
    assert_eq!(ours.info().unwrap().algorithm, Algorithm::NewReno);
    ours.set_notsent_lowat(16_384).unwrap();
    assert_eq!(ours.notsent_lowat().unwrap(), 16_384);
    ours.set_send_buffer_size(100_000).unwrap();
    assert_eq!(ours.send_buffer_size().unwrap(), 100_000);
    ours.set_receive_buffer_size(200_000).unwrap();
    assert_eq!(ours.receive_buffer_size().unwrap(), 200_000);
    assert_eq!(ours.tcp_options().unwrap().receive_buffer_max, 200_000);
}

#[tokio::test]
async fn a_setter_minds_its_own_value_alone() {
    let (client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    // what a connection begins with is not looked at
    let odd = Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(1), probes: 0 };
    let options = Options { keepalive: Some(odd), ..Options::default() };
    let (opened, accepted) = tokio::join!(client.connect_with(None, server(), Some(options)), listener.accept());
    let (ours, _theirs) = (opened.unwrap(), accepted.unwrap());
    ours.set_nodelay(true).unwrap();
    assert!(ours.nodelay().unwrap());
    ours.set_keepalive(Some(Keepalive { probes: 3, ..odd })).unwrap();
    let invalid =
        [ours.set_keepalive(Some(odd)), ours.set_ttl(0), ours.set_send_buffer_size(0), ours.set_receive_buffer_size(0)];
    for error in invalid.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(ours.keepalive().unwrap().unwrap().probes, 3);
}

#[tokio::test]
async fn the_local_address_can_be_chosen() {
    let (client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    let local = "10.0.0.1:5555".parse().unwrap();
    let (opened, accepted) = tokio::join!(client.connect_with(Some(local), server(), None), listener.accept());
    let opened = opened.unwrap();
    assert_eq!(accepted.unwrap().1, local);
    let again = client.connect_with(Some(local), server(), None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    let foreign = client.connect_with(Some("10.9.9.9:0".parse().unwrap()), server(), None).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::AddrNotAvailable);
    drop(opened);
}

#[tokio::test]
async fn ports_are_taken_once_and_free_ones_are_found() {
    let (_client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    assert_eq!(server_net.listen(server()).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let any = server_net.listen("10.0.0.2:0".parse().unwrap()).await.unwrap();
    assert!(any.local_addr().unwrap().port() >= 32_768);
    assert_eq!(listener.info().unwrap().accept_queue, 0);
    drop(listener);
    server_net.listen(server()).await.unwrap();
}

#[tokio::test]
async fn a_listener_can_turn_into_an_active_open() {
    let (client, server_net) = pair();
    let theirs = server_net.listen(server()).await.unwrap();
    let ours = client.listen("10.0.0.1:4444".parse().unwrap()).await.unwrap();
    let (opened, accepted) = tokio::join!(ours.connect(server()), theirs.accept());
    assert_eq!(opened.unwrap().local_addr().unwrap().port(), 4444);
    assert_eq!(accepted.unwrap().1, "10.0.0.1:4444".parse().unwrap());
}

#[tokio::test]
async fn dropping_one_half_closes_and_dropping_both_ends() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    let (mut read, write) = ours.into_split();
    drop(write);
    assert_eq!(theirs.read(&mut [0; 1]).await.unwrap(), 0);
    theirs.write_all(b"still").await.unwrap();
    let mut buffer = [0; 5];
    read.read_exact(&mut buffer).await.unwrap();
    drop((read, theirs));
    until(|| client.population().0 == 0 && server_net.population().0 == 0).await;
}

#[tokio::test]
async fn halves_of_different_connections_do_not_reunite() {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    let (read, write) = ours.into_split();
    let (other_read, other_write) = theirs.into_split();
    let refused = read.reunite(other_write).unwrap_err();
    refused.0.reunite(write).unwrap();
    other_read.reunite(refused.1).unwrap();
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let data = pattern(200_000, 11);
    let sent = data.clone();
    tokio::spawn(async move {
        for part in sent.chunks(777) {
            ours.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut received = Vec::new();
    let mut buffer = [0; 512];
    let mut cancelled = 0;
    while received.len() < data.len() {
        tokio::select! {
            biased;
            count = theirs.read(&mut buffer) => received.extend_from_slice(&buffer[..count.unwrap()]),
            () = tokio::task::yield_now() => cancelled += 1,
        }
    }
    assert!(received == data);
    assert!(cancelled > 0, "nothing was ever cancelled");
}

#[tokio::test]
async fn a_cancelled_connect_leaves_nothing_behind() {
    let (client, _cable) = common::alone();
    {
        let connecting = client.connect(server());
        tokio::pin!(connecting);
        tokio::select! {
            biased;
            _ = &mut connecting => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(client.population().0, 1);
    }
    until(|| client.population() == (0, 0, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_times_out_after_three_minutes() {
    // RFC 9293 3.8.3, MUST-22, MUST-23: three minutes at least.
    let (client, _cable) = common::alone();
    let start = tokio::time::Instant::now();
    let error = client.connect(server()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 247);
}

#[tokio::test]
async fn no_route_is_known_at_once() {
    let (left, _right) = bowline_device::memory::pair(bowline_device::memory::MemoryConfig::default());
    let net = bowline::Net::builder().device(left).address("10.0.0.1/24".parse().unwrap()).start().unwrap();
    let error = net.connect("192.0.2.1:80".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}
