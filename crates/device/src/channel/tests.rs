use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

fn packet(bytes: &[u8]) -> TxPacket<'_> {
    TxPacket { head: bytes, payload: &[], owners: &[], checksum: None, segment: None }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What was found in the host's slot.
fn was_notified(device: &ChannelDevice) -> bool {
    let Readiness::Wake(slot) = device.readiness() else { panic!("it has a slot") };
    slot.poll_notified(&mut context()).is_ready()
}

#[test]
fn packets_go_through_whole_and_in_order() {
    let (mut device, sender, mut receiver) = channel(100, 4);
    for number in 0..3u8 {
        sender.try_send(vec![number; 10]).unwrap();
        let parts = TxPacket { payload: &[&[7; 5], &[8; 2]], ..packet(&[6; 20]) };
        assert_eq!(device.transmit(Instant::ZERO, &parts).unwrap(), Transmitted::Sent);
    }
    assert!(was_notified(&device));
    for number in 0..3u8 {
        assert_eq!(device.receive(Instant::ZERO).unwrap().unwrap().data, vec![number; 10]);
        assert_eq!(receiver.try_recv().unwrap(), [&[6; 20][..], &[7; 5], &[8; 2]].concat());
    }
    assert!(device.receive(Instant::ZERO).unwrap().is_none());
    assert_eq!(receiver.try_recv(), None);
}

#[test]
fn who_meets_a_full_queue_is_told_of_room() {
    let (mut device, sender, mut receiver) = channel(100, 1);
    sender.try_send("one").unwrap();
    let two = Bytes::from_static(b"two");
    assert_eq!(sender.try_send(two.clone()), Err(TrySendError::Full(two.clone())));
    let (told, waker) = flag();
    assert!(sender.poll_send(&mut Context::from_waker(&waker), &two).is_pending());
    device.receive(Instant::ZERO).unwrap().unwrap();
    assert!(told.load(Relaxed));
    assert_eq!(sender.poll_send(&mut context(), &two), Poll::Ready(Ok(())));

    assert!(was_notified(&device));
    assert_eq!(device.transmit(Instant::ZERO, &packet(b"up")).unwrap(), Transmitted::Sent);
    assert_eq!(device.transmit(Instant::ZERO, &packet(b"up")).unwrap(), Transmitted::Full);
    assert!(!was_notified(&device));
    receiver.try_recv().unwrap();
    assert!(was_notified(&device));
    assert_eq!(device.transmit(Instant::ZERO, &packet(&[0; 101])).unwrap(), Transmitted::Dropped, "above the MTU");
}

#[test]
fn futures_that_are_dropped_leave_nothing_with_a_stalled_host() {
    let (mut device, sender, _receiver) = channel(100, 1);
    sender.try_send("one").unwrap();
    let (told, waker) = flag();
    let mut waits = Box::pin(sender.send("two"));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for _ in 0..1000 {
        let (_, waker) = flag();
        let mut dropped = Box::pin(sender.send("three"));
        for _ in 0..2 {
            assert!(dropped.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(sender.0.state.lock().sending.len(), 2);
    }
    assert_eq!(sender.0.state.lock().sending.len(), 1);
    device.receive(Instant::ZERO).unwrap().unwrap();
    assert!(told.load(Relaxed));
    assert_eq!(waits.as_mut().poll(&mut context()), Poll::Ready(Ok(())));
    assert_eq!(device.receive(Instant::ZERO).unwrap().unwrap().data, "two");
}

#[test]
fn each_side_learns_that_the_other_is_gone() {
    let (device, sender, mut receiver) = channel(100, 1);
    let (told, waker) = flag();
    assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    drop(device);
    assert!(told.load(Relaxed));
    assert_eq!(receiver.poll_recv(&mut context()), Poll::Ready(None));
    assert!(sender.is_closed());
    assert_eq!(sender.try_send("x"), Err(TrySendError::Closed("x".into())));

    let (mut device, sender, receiver) = channel(100, 1);
    let other = sender.clone();
    drop(sender);
    drop(receiver);
    assert_eq!(device.transmit(Instant::ZERO, &packet(b"up")).unwrap(), Transmitted::Dropped);
    assert!(device.receive(Instant::ZERO).unwrap().is_none(), "a sender is left");
    other.try_send("last").unwrap();
    drop(other);
    assert_eq!(device.receive(Instant::ZERO).unwrap().unwrap().data, "last");
    assert_eq!(device.receive(Instant::ZERO).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert!(was_notified(&device));
}

struct Tell(Arc<AtomicBool>);

impl std::task::Wake for Tell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A waker, and whether it was woken.
fn flag() -> (Arc<AtomicBool>, Waker) {
    let told = Arc::new(AtomicBool::new(false));
    (Arc::clone(&told), Arc::new(Tell(told)).into())
}
