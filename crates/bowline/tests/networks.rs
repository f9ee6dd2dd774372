//! Networks as wholes: their ends, their errors, and the driver at rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bowline::{Config, Net, UdpBind, UdpSend};
use bowline_base::Instant;
use bowline_device::memory::{self, MemoryConfig};
use bowline_device::{Capabilities, Device, Impairments, Readiness, RxPacket, Transmitted, TxPacket, WakeSlot};
use common::{connected, host, impaired_pair, pair, pattern, server, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A future that counts how often it is polled.
struct Counted<F>(F, Arc<AtomicU64>);

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_driver_is_not_polled() {
    let (left, right) = memory::pair(MemoryConfig::default());
    let polls = Arc::new(AtomicU64::new(0));
    let (client, driver) = host(1, left).coarse_timers(true).build().unwrap();
    tokio::spawn(Counted(driver, polls.clone()));
    let server_net = host(2, right).coarse_timers(true).start().unwrap();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    ours.write_all(b"x").await.unwrap();
    theirs.read_exact(&mut [0; 1]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = polls.load(Ordering::Relaxed);
    assert!(before < 100, "{before} polls for one handshake and one byte");
    tokio::time::sleep(Duration::from_secs(3000)).await;
    // A deadline that was lazily left in place may cost one more.
    assert!(polls.load(Ordering::Relaxed) <= before + 2, "{} polls while idle", polls.load(Ordering::Relaxed) - before);
}

#[tokio::test]
async fn shutdown_delivers_and_then_stops() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let data = pattern(500_000, 4);
    ours.write_all(&data).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        received
    });
    let closing = client.shutdown(Duration::from_secs(10));
    let reader = async move {
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).await.unwrap();
        drop(ours);
    };
    tokio::join!(closing, reader);
    assert!(reading.await.unwrap() == data);
    assert_eq!(client.connect(server()).await.unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_streams_that_have_ended_and_leaves_them_readable() {
    let (client, server_net) = impaired_pair(Impairments::default(), &Config::default());
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    theirs.write_all(b"the last word").await.unwrap();
    theirs.shutdown().await.unwrap();
    ours.shutdown().await.unwrap();
    until(|| client.population().2 + server_net.population().2 > 0).await;
    let start = tokio::time::Instant::now();
    client.shutdown(Duration::from_secs(60)).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let mut word = String::new();
    ours.read_to_string(&mut word).await.unwrap();
    assert_eq!(word, "the last word");
    assert_eq!(ours.write(b"x").await.unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
}

/// A device that holds packets for long holds a shutdown up, and nobody who does not want to wait.
#[tokio::test(start_paused = true)]
async fn halting_waits_for_nothing() {
    let slow = Impairments { delay: Duration::from_secs(3), ..Impairments::default() };
    let (client, server_net) = impaired_pair(slow, &Config::default());
    let (mut ours, theirs) = connected(&client, &server_net).await;
    ours.write_all(b"on its way").await.unwrap();
    let start = tokio::time::Instant::now();
    let shutdown = tokio::time::timeout(Duration::from_secs(1), client.shutdown(Duration::ZERO));
    assert!(shutdown.await.is_err(), "it waits for packets that are on their way");
    client.halt();
    client.stopped().await;
    assert!(start.elapsed() < Duration::from_millis(1100), "{:?}", start.elapsed());
    assert_eq!(ours.write(b"x").await.unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
    assert_eq!(client.connect(server()).await.unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn shutdown_resets_also_what_was_dropped_and_is_not_over() {
    let (client, server_net) = impaired_pair(Impairments::default(), &Config::default());
    let (ours, mut theirs) = connected(&client, &server_net).await;
    drop(ours);
    assert_eq!(theirs.read(&mut [0; 1]).await.unwrap(), 0, "the FIN");
    // The other direction stays open for as long as its user likes; the network does not.
    client.shutdown(Duration::from_secs(3)).await;
    until(|| theirs.error().is_some()).await;
    assert_eq!(theirs.error().unwrap().kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.population(), (0, 0, 0));
}

#[tokio::test]
async fn a_net_that_goes_resets_more_connections_than_a_queue_has_room_for() {
    const MANY: usize = 5_000;
    let (client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    let mut streams = Vec::with_capacity(2 * MANY);
    for _ in 0..MANY {
        let (opened, accepted) = tokio::join!(client.connect(server()), listener.accept());
        streams.push(opened.unwrap());
        streams.push(accepted.unwrap().0);
    }
    drop(client);
    until(|| server_net.population() == (MANY, 0, 0) && streams.iter().skip(1).step_by(2).all(|s| s.error().is_some()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_resets_what_does_not_end_in_time() {
    let (client, server_net) = impaired_pair(Impairments::default(), &Config::default());
    let (ours, mut theirs) = connected(&client, &server_net).await;
    let start = tokio::time::Instant::now();
    let mut byte = [0; 1];
    let ((), end) = tokio::join!(client.shutdown(Duration::from_secs(3)), theirs.read(&mut byte));
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(end.unwrap(), 0, "the FIN of the shutdown");
    let reset = theirs.write(b"x").await.and(theirs.read(&mut [0; 1]).await);
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ours.try_write(b"x").unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
}

#[tokio::test]
async fn dropping_the_last_handle_resets_everything_and_wakes_everybody() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let listener = client.listen("10.0.0.1:1".parse().unwrap()).await.unwrap();
    let mut trace = client.trace();
    let reading = tokio::spawn(async move { ours.read(&mut [0; 1]).await.unwrap_err() });
    let accepting = tokio::spawn(async move { listener.accept().await.unwrap_err() });
    tokio::task::yield_now().await;
    drop(client);
    assert_eq!(theirs.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(reading.await.unwrap().raw_os_error(), Some(100), "ENETDOWN");
    assert_eq!(accepting.await.unwrap().raw_os_error(), Some(100), "ENETDOWN");
    while trace.next().await.is_some() {}
}

/// A device of a program's own: two queues behind a lock.
struct Own {
    shared: Arc<parking_lot::Mutex<[VecDeque<Vec<u8>>; 2]>>,
    side: usize,
    slots: [WakeSlot; 2],
    broken: Arc<AtomicU64>,
}

impl Device for Own {
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(900)
    }
    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        if self.broken.load(Ordering::Relaxed) > 0 {
            return Err(io::Error::other("unplugged"));
        }
        let packet = self.shared.lock()[self.side].pop_front();
        Ok(packet.map(|bytes| RxPacket { pinned: bytes.len(), data: bytes.into(), ..RxPacket::default() }))
    }
    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        let mut queues = self.shared.lock();
        if queues[1 - self.side].len() >= 4 {
            return Ok(Transmitted::Full);
        }
        let mut bytes = vec![0; packet.len()];
        packet.copy_to(&mut bytes);
        assert!(bytes.len() <= 900);
        queues[1 - self.side].push_back(bytes);
        drop(queues);
        self.slots[1 - self.side].notify();
        // The other side makes room when it receives, and then finds us waiting.
        Ok(Transmitted::Sent)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wake(&self.slots[self.side])
    }
}

fn own_pair() -> (Own, Own, Arc<AtomicU64>) {
    let shared = Arc::default();
    let slots = [WakeSlot::new(), WakeSlot::new()];
    let broken = Arc::new(AtomicU64::new(0));
    let end = |side| Own { shared: Arc::clone(&shared), side, slots: slots.clone(), broken: Arc::clone(&broken) };
    (end(0), end(1), broken)
}

#[tokio::test]
async fn a_device_of_ones_own_with_a_tiny_queue_loses_nothing() {
    let (left, right, _broken) = own_pair();
    let (client, server_net) = (host(1, left).start().unwrap(), host(2, right).start().unwrap());
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let data = pattern(1 << 20, 6);
    let sent = data.clone();
    tokio::spawn(async move { ours.write_all(&sent).await.unwrap() });
    let mut received = Vec::new();
    theirs.read_to_end(&mut received).await.unwrap();
    assert!(received == data);
    assert_eq!(client.counters().retrans_segs, 0, "a full queue is not a loss");
}

#[tokio::test]
async fn a_broken_device_stops_the_network_with_an_error_for_everybody() {
    let (left, right, broken) = own_pair();
    let (client, driver) = host(1, left).build().unwrap();
    let driver = tokio::spawn(driver);
    let server_net = host(2, right).start().unwrap();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    broken.store(1, Ordering::Relaxed);
    let _ = theirs.write_all(b"x").await;
    assert_eq!(ours.read(&mut [0; 1]).await.unwrap_err().raw_os_error(), Some(100), "ENETDOWN");
    assert_eq!(driver.await.unwrap().unwrap_err().to_string(), "unplugged");
    client.stopped().await;
}

#[test]
fn a_builder_wants_a_device_first() {
    let error = Net::builder().address("10.0.0.1/24".parse().unwrap()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn two_interfaces_are_one_network() {
    let (left, middle_left) = memory::pair(MemoryConfig::default());
    let (right, middle_right) = memory::pair(MemoryConfig::default());
    let left = Net::builder().device(left).address("10.1.0.1/24".parse().unwrap()).start().unwrap();
    let right = Net::builder().device(right).address("10.2.0.1/24".parse().unwrap()).start().unwrap();
    let middle = Net::builder()
        .device(middle_left)
        .address("10.1.0.2/24".parse().unwrap())
        .device(middle_right)
        .address("10.2.0.2/24".parse().unwrap())
        .start()
        .unwrap();
    let listener = middle.listen("0.0.0.0:80".parse().unwrap()).await.unwrap();
    for (net, address) in [(&left, "10.1.0.2:80"), (&right, "10.2.0.2:80")] {
        let (opened, accepted) = tokio::join!(net.connect(address.parse().unwrap()), listener.accept());
        assert_eq!(accepted.unwrap().0.local_addr().unwrap(), opened.unwrap().peer_addr().unwrap());
    }
}

#[tokio::test]
async fn udp_errors_reach_connected_sockets_and_gateways_answer_for_others() {
    let (client, gateway) = bowline::memory::any_ip_pair().unwrap();
    let socket = client.bind_udp("0.0.0.0:0".parse().unwrap()).await.unwrap();
    socket.connect("10.0.0.2:9".parse().unwrap()).await.unwrap();
    socket.send(b"anybody?").await.unwrap();
    assert_eq!(socket.recv(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

    let any = bowline::UdpSocket::any_port(&gateway).unwrap();
    let asking = client.bind_udp("10.0.0.1:0".parse().unwrap()).await.unwrap();
    asking.send_to(b"query", "192.0.2.53:53".parse().unwrap()).await.unwrap();
    let query = any.recv_datagram().await.unwrap();
    assert_eq!(query.destination, "192.0.2.53:53".parse().unwrap());
    let answer = UdpSend { source: Some(query.destination), ..UdpSend::to(query.source, "answer".into()) };
    any.send_datagram(answer).await.unwrap();
    let mut buffer = [0; 16];
    let (length, from) = asking.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&b"answer"[..], query.destination));
}

#[tokio::test]
async fn udp_waits_for_room_and_cuts_what_does_not_fit() {
    let (client, server_net) = pair();
    let receiver = server_net.bind_udp("10.0.0.2:53".parse().unwrap()).await.unwrap();
    let bind = UdpBind { send_buffer: 2000, ..UdpBind::port(0) };
    let sender = bowline::UdpSocket::bind_with(&client, bind).unwrap();
    let sending = tokio::spawn(async move {
        for _ in 0..50 {
            sender.send_to(&[1; 1000], "10.0.0.2:53".parse().unwrap()).await.unwrap();
        }
        let long = sender.send_to(&vec![0; 70_000], "10.0.0.2:53".parse().unwrap()).await.unwrap_err();
        assert_eq!(long.raw_os_error(), Some(90), "EMSGSIZE");
    });
    let mut buffer = [0; 100];
    for _ in 0..50 {
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 100);
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn records_are_made_only_while_somebody_listens() {
    let (client, server_net) = pair();
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let mut first = client.trace();
    let mut second = client.trace();
    ours.write_all(b"traced").await.unwrap();
    theirs.read_exact(&mut [0; 6]).await.unwrap();
    let mut records = Vec::new();
    assert!(first.next_batch(&mut records).await);
    assert_eq!(second.next().await.unwrap(), records[0]);
    assert_eq!(records[0].tuple, ours.four_tuple());
    drop((first, second));
    let third = client.trace();
    assert_eq!(third.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lossy_link_in_stopped_time_delivers_everything() {
    let impairments = Impairments {
        loss: bowline_device::impairment::Loss::Random("3%".parse().unwrap()),
        delay: Duration::from_millis(20),
        reorder: "2%".parse().unwrap(),
        duplicate: "1%".parse().unwrap(),
        corrupt: "0.5%".parse().unwrap(),
        ..Impairments::default()
    };
    let (client, server_net) = impaired_pair(impairments, &Config::default());
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    let data = pattern(2 << 20, 8);
    let sent = data.clone();
    tokio::spawn(async move {
        ours.write_all(&sent).await.unwrap();
        ours.shutdown().await.unwrap();
        ours.flushed().await.unwrap();
    });
    let mut received = Vec::new();
    theirs.read_to_end(&mut received).await.unwrap();
    assert!(received == data);
    assert!(client.counters().retrans_segs > 0);
    drop(theirs);
    until(|| client.population().0 == 0 && server_net.population().0 == 0).await;
}

#[tokio::test]
async fn near_deadlines_are_kept_to_less_than_a_millisecond() {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    let delay = Impairments { delay: Duration::from_millis(3), ..Impairments::default() };
    let left = bowline_device::Impaired::new(left, bowline_device::ImpairmentConfig::symmetric(delay, 1));
    let (client, server_net) = (host(1, left).start().unwrap(), host(2, right).start().unwrap());
    let (mut ours, mut theirs) = connected(&client, &server_net).await;
    tokio::spawn(async move {
        let mut byte = [0; 1];
        while theirs.read_exact(&mut byte).await.is_ok() {
            theirs.write_all(&byte).await.unwrap();
        }
    });
    let mut best = Duration::MAX;
    for _ in 0..30 {
        let start = std::time::Instant::now();
        ours.write_all(b"x").await.unwrap();
        ours.read_exact(&mut [0; 1]).await.unwrap();
        best = best.min(start.elapsed());
    }
    assert!(best >= Duration::from_millis(6), "{best:?}");
    // tokio's own timer would make it 8 ms or more.
    assert!(best < Duration::from_micros(6900), "{best:?}");
}
