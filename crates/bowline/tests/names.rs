//! What programs that were written for tokio's sockets call: the names are the same, and so is what they do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod common;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::time::Duration;

use bowline::{Keepalive, TcpStream, UdpSocket};
use bytes::BytesMut;
use common::{connected, pair, server, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf, Ready};

#[tokio::test]
async fn a_stream_says_what_it_is_ready_for() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    let both = Interest::READABLE | Interest::WRITABLE;
    assert_eq!(ours.ready(both).await.unwrap(), Ready::WRITABLE, "there is nothing to read");
    theirs.write_all(b"x").await.unwrap();
    assert_eq!(ours.ready(Interest::READABLE).await.unwrap(), Ready::READABLE);
    assert_eq!(ours.try_read(&mut [0; 8]).unwrap(), 1);
    assert_eq!(ours.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    theirs.shutdown().await.unwrap();
    assert_eq!(ours.ready(Interest::READABLE).await.unwrap(), Ready::READABLE | Ready::READ_CLOSED);
    assert_eq!(ours.try_read(&mut [0; 8]).unwrap(), 0);
    theirs.abort();
    until(|| ours.error().is_some()).await;
    let all = Ready::READABLE | Ready::READ_CLOSED | Ready::WRITABLE | Ready::WRITE_CLOSED;
    assert_eq!(ours.ready(both).await.unwrap(), all);
    assert_eq!(ours.take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn who_waits_for_either_is_told_of_both() {
    let (client, server_net) = pair();
    let (ours, mut theirs) = connected(&client, &server_net).await;
    ours.set_send_buffer_size(4_096).unwrap();
    while ours.try_write(&[0; 4_096]).is_ok() {}
    // Full: what makes it ready is a byte from the peer, which reads nothing.
    theirs.write_all(b"x").await.unwrap();
    let ready = ours.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
    assert!(ready.is_readable() || ready.is_writable());
    ours.readable().await.unwrap();
    let mut sink = Vec::new();
    let reading = tokio::spawn(async move {
        let _ = theirs.read_to_end(&mut sink).await;
        sink.len()
    });
    assert!(ours.ready(Interest::WRITABLE).await.unwrap().is_writable());
    ours.close_write().unwrap();
    assert!(reading.await.unwrap() >= 4_096);
}

#[tokio::test]
async fn an_interest_that_nothing_meets_is_refused() {
    let (client, server_net) = pair();
    let (ours, _theirs) = connected(&client, &server_net).await;
    let datagrams = UdpSocket::bind(&client, "10.0.0.1:0".parse().unwrap()).await.unwrap();
    for interest in [Interest::PRIORITY, Interest::ERROR, Interest::PRIORITY | Interest::ERROR] {
        assert_eq!(ours.ready(interest).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(datagrams.ready(interest).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn buffers_in_pieces_are_written_and_read_without_waiting() {
    let (client, server_net) = pair();
    let (ours, theirs) = connected(&client, &server_net).await;
    assert_eq!(
        ours.try_write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo, you")]).unwrap(),
        10
    );
    until(|| theirs.info().is_some_and(|info| info.bytes_received == 10)).await;
    let (mut first, mut second) = ([0; 3], [0; 4]);
    let count = theirs.try_read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]).unwrap();
    assert_eq!((count, &first, &second), (7, b"hel", b"lo, "));
    let mut rest = BytesMut::with_capacity(64);
    assert_eq!(theirs.try_read_buf(&mut rest).unwrap(), 3);
    assert_eq!(&rest[..], b"you");
    assert_eq!(theirs.try_read_buf(&mut rest).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut none = [IoSliceMut::new(&mut first)];
    assert_eq!(theirs.try_read_vectored(&mut none).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn halves_have_what_the_whole_has() {
    let (client, server_net) = pair();
    let (mut ours, theirs) = connected(&client, &server_net).await;
    let (read, write) = theirs.into_split();
    write.writable().await.unwrap();
    assert_eq!(write.try_write(b"from a half").unwrap(), 11);
    {
        let (read, write) = ours.split();
        read.readable().await.unwrap();
        let mut peeked = [0; 4];
        assert_eq!(read.peek(&mut peeked).await.unwrap(), 4);
        let mut buf = [0; 11];
        assert_eq!(read.try_read(&mut buf).unwrap(), 11);
        assert_eq!((&peeked, &buf), (b"from", b"from a half"));
        assert!(write.ready(Interest::WRITABLE).await.unwrap().is_writable());
        assert_eq!(write.try_write(b"back").unwrap(), 4);
    }
    let mut buf = [0; 8];
    let mut peeked = ReadBuf::new(&mut buf);
    assert_eq!(poll_fn(|cx| read.poll_peek(cx, &mut peeked)).await.unwrap(), 4);
    assert_eq!(peeked.filled(), b"back");
    let whole: &TcpStream = read.as_ref();
    assert_eq!(whole.local_addr().unwrap(), server());
    let theirs = write.reunite(read).unwrap();
    assert_eq!(theirs.recv_bytes(100).await.unwrap(), &b"back"[..]);
}

#[tokio::test]
async fn values_that_would_stop_a_connection_are_refused() {
    let (client, server_net) = pair();
    let (ours, _theirs) = connected(&client, &server_net).await;
    let refused = [
        ours.set_ttl(0),
        ours.set_send_buffer_size(0),
        ours.set_receive_buffer_size(0),
        ours.set_keepalive(Some(Keepalive { probes: 0, ..Keepalive::default() })),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(ours.ttl().unwrap(), 64);
    assert_eq!(ours.keepalive().unwrap(), None);
    ours.set_ttl(3).unwrap();
    assert_eq!(ours.ttl().unwrap(), 3);
    ours.set_quickack(false).unwrap();
    assert!(!ours.quickack().unwrap());
    ours.set_quickack(true).unwrap();
    assert!(ours.quickack().unwrap());
    ours.set_zero_linger().unwrap();
    assert_eq!(ours.linger().unwrap(), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_listener_is_where_the_kernel_would_have_it() {
    let (client, server_net) = pair();
    let foreign = server_net.listen("10.0.0.9:80".parse().unwrap()).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::AddrNotAvailable);
    let four = server_net.listen("0.0.0.0:0".parse().unwrap()).await.unwrap();
    let local = four.local_addr().unwrap();
    assert!(local.is_ipv4() && local.port() > 0, "{local}");
    four.set_ttl(9).unwrap();
    assert_eq!(four.ttl().unwrap(), 9);
    let to = |address: &str| format!("{address}:{}", local.port()).parse().unwrap();
    client.connect(to("10.0.0.2")).await.unwrap();
    assert_eq!(four.accept().await.unwrap().0.ttl().unwrap(), 9);
    let refused = client.connect(to("[fd00::2]")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "it is IPv4's");
    let both = server_net.listen("[::]:0".parse().unwrap()).await.unwrap();
    let port = both.local_addr().unwrap().port();
    for address in ["10.0.0.2", "fd00::2"] {
        let stream = client.connect((address.parse::<std::net::IpAddr>().unwrap(), port).into()).await.unwrap();
        assert_eq!(both.accept().await.unwrap().1, stream.local_addr().unwrap());
    }
}

#[tokio::test]
async fn datagrams_by_every_name() {
    let (client, server_net) = pair();
    let theirs = UdpSocket::bind(&server_net, "0.0.0.0:53".parse().unwrap()).await.unwrap();
    assert!(theirs.local_addr().unwrap().is_ipv4());
    let ours = UdpSocket::bind(&client, "10.0.0.1:0".parse().unwrap()).await.unwrap();
    let (from, to) = (ours.local_addr().unwrap(), "10.0.0.2:53".parse().unwrap());
    assert_eq!(theirs.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    ours.set_ttl(5).unwrap();
    assert_eq!(ours.set_ttl(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    ours.set_traffic_class(0x20).unwrap();
    assert_eq!(ours.try_send_to(b"first", to).unwrap(), 5);
    let first = theirs.recv_datagram().await.unwrap();
    assert_eq!((first.hop_limit, first.traffic_class, first.source), (5, 0x20, from));

    ours.connect(to).await.unwrap();
    assert_eq!(ours.try_send(b"second").unwrap(), 6);
    theirs.readable().await.unwrap();
    let mut buf = [0; 4];
    assert_eq!(theirs.peek_from(&mut buf).await.unwrap(), (4, from));
    assert_eq!(theirs.try_recv_from(&mut buf).unwrap(), (4, from), "the rest of it is lost");
    assert_eq!(&buf, b"seco");

    poll_fn(|cx| ours.poll_send(cx, b"third")).await.unwrap();
    let mut space = [0; 16];
    let mut space = ReadBuf::new(&mut space);
    assert_eq!(poll_fn(|cx| theirs.poll_recv_from(cx, &mut space)).await.unwrap(), from);
    assert_eq!(space.filled(), b"third");

    ours.send(b" and fourth").await.unwrap();
    let mut text = b"third".to_vec();
    assert_eq!(theirs.recv_buf_from(&mut text).await.unwrap(), (11, from));
    assert_eq!(text, b"third and fourth");
    let both = Interest::READABLE | Interest::WRITABLE;
    assert_eq!(theirs.ready(both).await.unwrap(), Ready::WRITABLE);
}

#[tokio::test]
async fn what_is_printed_of_a_socket_is_its_addresses() {
    let (client, server_net) = pair();
    let listener = server_net.listen(server()).await.unwrap();
    assert_eq!(format!("{listener:?}"), "TcpListener { local: 10.0.0.2:80, .. }");
    let stream = client.connect(server()).await.unwrap();
    let local = stream.local_addr().unwrap();
    assert_eq!(format!("{stream:?}"), format!("TcpStream {{ local: {local}, peer: 10.0.0.2:80, .. }}"));
    assert_eq!(format!("{client:?}"), "Net(Running)");
}
