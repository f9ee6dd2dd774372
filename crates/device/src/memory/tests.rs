use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bowline_wire::packet::{PartialChecksum, RxChecksum, SegmentKind};

use super::*;

const NOW: Instant = Instant::ZERO;

fn plain(head: &[u8]) -> TxPacket<'_> {
    TxPacket { head, payload: &[], owners: &[], checksum: None, segment: None }
}

struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_goes_in_comes_out_whole_and_in_order() {
    let (mut a, mut b) = pair(MemoryConfig::offloading(1500));
    let body = vec![9; 60_000];
    let checksum = Some(PartialChecksum { start: 20, offset: 16 });
    let segment = Some((SegmentKind::Tcp4, 1448));
    assert_eq!(a.transmit(NOW, &plain(b"one")).unwrap(), Transmitted::Sent);
    let super_segment = TxPacket { head: b"head", payload: &[&body, b"x", b"y"], owners: &[], checksum, segment };
    assert_eq!(a.transmit(NOW, &super_segment).unwrap(), Transmitted::Sent);
    let first = b.receive(NOW).unwrap().unwrap();
    assert_eq!((&first.data[..], first.checksum, first.segment_size), (&b"one"[..], RxChecksum::Unverified, None));
    let second = b.receive(NOW).unwrap().unwrap();
    assert_eq!((second.checksum, second.segment_size), (RxChecksum::Partial, Some(1448)));
    assert_eq!((&second.data[..4], &second.data[60_004..]), (&b"head"[..], &b"xy"[..]));
    assert!(second.pinned >= second.data.len());
    assert!(b.receive(NOW).unwrap().is_none());
    assert!(a.receive(NOW).unwrap().is_none());
}

#[test]
fn a_full_queue_takes_nothing_and_says_when_there_is_room() {
    let (mut a, mut b) = pair(MemoryConfig { queue_packets: 2, ..MemoryConfig::default() });
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut cx = Context::from_waker(&waker);
    for _ in 0..2 {
        assert_eq!(a.transmit(NOW, &plain(b"x")).unwrap(), Transmitted::Sent);
    }
    assert_eq!(a.transmit(NOW, &plain(b"x")).unwrap(), Transmitted::Full);
    assert!(a.wake_slot().poll_notified(&mut cx).is_pending());
    // Room appears when the receiver comes back for more, not while it still holds the batch.
    assert!(b.receive(NOW).unwrap().is_some() && b.receive(NOW).unwrap().is_some());
    assert_eq!((a.in_flight().0, counter.0.load(Ordering::SeqCst)), (2, 0));
    assert!(b.receive(NOW).unwrap().is_none());
    assert_eq!((a.in_flight(), counter.0.load(Ordering::SeqCst)), ((0, 0), 1));
    assert_eq!(a.wake_slot().poll_notified(&mut cx), Poll::Ready(()));
    assert_eq!(a.transmit(NOW, &plain(b"x")).unwrap(), Transmitted::Sent);
}

#[test]
fn bytes_bound_the_queue_too_but_one_packet_always_fits() {
    let (mut a, _b) = pair(MemoryConfig { queue_bytes: 10, ..MemoryConfig::default() });
    assert_eq!(a.transmit(NOW, &plain(&[0; 100])).unwrap(), Transmitted::Sent);
    assert_eq!(a.transmit(NOW, &plain(&[0; 1])).unwrap(), Transmitted::Full);
}

#[test]
fn the_receiver_is_woken_once_per_batch_and_no_wake_is_lost() {
    let (mut a, mut b) = pair(MemoryConfig::default());
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(a.transmit(NOW, &plain(b"early")).unwrap(), Transmitted::Sent);
    assert!(b.wake_slot().poll_notified(&mut cx).is_ready(), "a notification before the wait is remembered");
    assert!(b.wake_slot().poll_notified(&mut cx).is_pending());
    while b.receive(NOW).unwrap().is_some() {}
    for _ in 0..10 {
        assert_eq!(a.transmit(NOW, &plain(b"x")).unwrap(), Transmitted::Sent);
    }
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
}

#[test]
fn more_than_promised_is_the_callers_mistake() {
    let (mut a, _b) = pair(MemoryConfig::plain(1500));
    let checksum = Some(PartialChecksum { start: 20, offset: 16 });
    let partial = TxPacket { checksum, ..plain(b"x") };
    assert_eq!(a.transmit(NOW, &partial).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let segment = TxPacket { segment: Some((SegmentKind::Udp, 1400)), ..plain(b"x") };
    assert_eq!(a.transmit(NOW, &segment).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(a.transmit(NOW, &plain(&[0; 1501])).unwrap(), Transmitted::Dropped);
    assert_eq!(a.dropped(), 1);
}

#[test]
fn a_cut_cable_still_delivers_what_was_on_it() {
    let (mut a, mut b) = pair(MemoryConfig::default());
    assert_eq!(a.transmit(NOW, &plain(b"last words")).unwrap(), Transmitted::Sent);
    assert!(!b.is_cut());
    drop(a);
    assert!(b.is_cut());
    assert_eq!(&b.receive(NOW).unwrap().unwrap().data[..], b"last words");
    assert_eq!(b.transmit(NOW, &plain(b"anybody?")).unwrap(), Transmitted::Dropped);
}

#[test]
fn two_threads_move_a_million_bytes_through_a_short_queue() {
    let (mut a, mut b) = pair(MemoryConfig { queue_packets: 8, ..MemoryConfig::default() });
    let sender = std::thread::spawn(move || {
        let thread = Arc::new(Unpark(std::thread::current()));
        let waker = Waker::from(thread);
        let mut cx = Context::from_waker(&waker);
        for n in 0..1000u32 {
            let head = n.to_be_bytes();
            while a.transmit(NOW, &TxPacket { payload: &[&[0; 1000]], ..plain(&head) }).unwrap() == Transmitted::Full {
                if a.wake_slot().poll_notified(&mut cx).is_pending() {
                    std::thread::park();
                }
            }
        }
    });
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut expected = 0u32;
    while expected < 1000 {
        match b.receive(NOW).unwrap() {
            Some(packet) => {
                assert_eq!(packet.data[..4], expected.to_be_bytes());
                expected += 1;
            }
            None if b.wake_slot().poll_notified(&mut cx).is_pending() => std::thread::park(),
            None => {}
        }
    }
    sender.join().unwrap();
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_large_part_with_an_owner_arrives_without_a_copy() {
    let (mut a, mut b) = pair(MemoryConfig::offloading(1500));
    let (large, small) = (bytes::Bytes::from(vec![9; 50_000]), bytes::Bytes::from(vec![8; 100]));
    let parts: [&[u8]; 3] = [&small, &large[10..], b"end"];
    let owners = [Some(&small), Some(&large), None];
    let packet = TxPacket { payload: &parts, owners: &owners, ..plain(b"head") };
    let segment = Some((SegmentKind::Tcp4, 1448));
    let checksum = Some(PartialChecksum { start: 20, offset: 16 });
    assert_eq!(a.transmit(NOW, &TxPacket { checksum, segment, ..packet }).unwrap(), Transmitted::Sent);
    let mut received = b.receive(NOW).unwrap().unwrap();
    assert_eq!((received.data.len(), received.more.len(), received.len()), (104, 2, 50_097));
    assert_eq!((received.more[0].bytes().as_ptr(), received.more[0].pinned()), (large[10..].as_ptr(), 50_000));
    received.gather();
    assert_eq!(&received.data[..], &[&b"head"[..], &parts.concat()].concat()[..]);
}
