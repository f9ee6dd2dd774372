//! A device whose other side is a program: packets go in and out through a pair of channels, as a tunnel or a VPN client has them.
//!
//! It decides how many packets wait in each direction, and who is told when that changes. Nothing is lost in here: a full queue
//! makes the program wait on one side and the host on the other. The channels work with every async runtime and with none.
//!
//! ```
//! use bowline_base::Instant;
//! use bowline_device::{Device, channel};
//!
//! let (mut device, packets_in, _packets_out) = channel::channel(1280, 64);
//! packets_in.try_send("an IP packet that came through the tunnel")?;
//! let received = device.receive(Instant::ZERO)?.ok_or("nothing arrived")?;
//! assert_eq!(&received.data[..], b"an IP packet that came through the tunnel");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, RxPacket, TxPacket};
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};

use crate::device::beyond_capabilities;
use crate::{Device, Readiness, Transmitted, WakeSlot};

/// Bytes from which packets that leave are carved; their last user frees them.
const CHUNK: usize = 64 << 10;

/// The device and both ends for the program: a host with `mtu` puts what it sends into the receiver, and takes what the sender
/// is given. At most `packets` packets, and at least one, wait in each direction.
#[must_use]
pub fn channel(mtu: u16, packets: usize) -> (ChannelDevice, PacketSender, PacketReceiver) {
    let most = packets.max(1);
    let shared = Arc::new(Shared { state: Mutex::new(State::default()), slot: WakeSlot::new(), most });
    shared.state.lock().senders = 1;
    let device = ChannelDevice { shared: Arc::clone(&shared), mtu, chunk: BytesMut::new() };
    (device, PacketSender(Arc::clone(&shared)), PacketReceiver(shared))
}

#[derive(Debug, Default)]
struct State {
    /// To the host.
    into: VecDeque<Bytes>,
    /// From the host.
    out: VecDeque<Bytes>,
    /// Who waits for room in `into`: futures of [`PacketSender::send`] by their number, which take theirs back, and callers of
    /// [`PacketSender::poll_send`].
    sending: BTreeMap<u64, Waker>,
    polling: Vec<Waker>,
    /// The number of the next future.
    next: u64,
    /// Who waits for a packet in `out`.
    wants_packet: Option<Waker>,
    /// The host has met a full `out`.
    starved: bool,
    senders: usize,
    no_receiver: bool,
    no_device: bool,
}

impl State {
    /// Everybody who waits for room.
    fn take_senders(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.sending).into_values().chain(std::mem::take(&mut self.polling))
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Where the host's event loop waits.
    slot: WakeSlot,
    most: usize,
}

/// The host's end. It is gone, and the host told so by an error, when all ends of the program are.
#[derive(Debug)]
pub struct ChannelDevice {
    shared: Arc<Shared>,
    mtu: u16,
    chunk: BytesMut,
}

impl Device for ChannelDevice {
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(self.mtu)
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        let mut state = self.shared.state.lock();
        let Some(data) = state.into.pop_front() else {
            let gone = state.senders == 0 && state.no_receiver;
            let error = || io::Error::new(io::ErrorKind::BrokenPipe, "the program has dropped its ends of the channel");
            return if gone { Err(error()) } else { Ok(None) };
        };
        let waiting = state.take_senders();
        drop(state);
        waiting.for_each(Waker::wake);
        Ok(Some(RxPacket { pinned: data.len(), data, ..RxPacket::default() }))
    }

    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        if let Some(error) = beyond_capabilities(packet, &self.capabilities()) {
            return Err(error);
        }
        let mut state = self.shared.state.lock();
        if state.no_receiver || packet.is_empty() || packet.len() > usize::from(self.mtu) {
            return Ok(Transmitted::Dropped);
        }
        if state.out.len() >= self.shared.most {
            state.starved = true;
            return Ok(Transmitted::Full);
        }
        if self.chunk.capacity() < packet.len() {
            self.chunk = BytesMut::with_capacity(CHUNK.max(packet.len()));
        }
        self.chunk.extend_from_slice(packet.head);
        packet.payload.iter().for_each(|part| self.chunk.extend_from_slice(part));
        state.out.push_back(self.chunk.split().freeze());
        let waiting = state.wants_packet.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(Transmitted::Sent)
    }

    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wake(&self.shared.slot)
    }
}

impl Drop for ChannelDevice {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.no_device = true;
        state.into.clear();
        let waiting = state.take_senders().chain(state.wants_packet.take());
        drop(state);
        waiting.for_each(Waker::wake);
    }
}

/// Gives packets to the host. Clones give to the same host.
#[derive(Debug)]
pub struct PacketSender(Arc<Shared>);

impl PacketSender {
    /// Gives an IP packet to the host; waits while the queue is full. Cancel-safe: a packet of a dropped future was not given.
    ///
    /// # Errors
    /// The host is gone.
    pub async fn send(&self, packet: impl Into<Bytes>) -> Result<(), Closed> {
        let packet = packet.into();
        let mut place = Place { shared: &self.0, number: None };
        poll_fn(|cx| self.wait_and_offer(&packet, |state| place.keep(state, cx))).await
    }

    /// [`send`](Self::send) for callers that poll: the packet was given when it is ready.
    pub fn poll_send(&self, cx: &mut Context<'_>, packet: &Bytes) -> Poll<Result<(), Closed>> {
        self.wait_and_offer(packet, |state| {
            if !state.polling.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.polling.push(cx.waker().clone());
            }
        })
    }

    fn wait_and_offer(&self, packet: &Bytes, wait: impl FnOnce(&mut State)) -> Poll<Result<(), Closed>> {
        match self.offer(packet, wait) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(TrySendError::Closed(_)) => Poll::Ready(Err(Closed)),
            Err(TrySendError::Full(_)) => Poll::Pending,
        }
    }

    /// Gives an IP packet to the host without waiting.
    ///
    /// # Errors
    /// There is no room now, or the host is gone; either has the packet.
    pub fn try_send(&self, packet: impl Into<Bytes>) -> Result<(), TrySendError> {
        self.offer(&packet.into(), |_| {})
    }

    /// Whether the host is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.state.lock().no_device
    }

    /// Gives the packet, or has the caller `wait` for room.
    fn offer(&self, packet: &Bytes, wait: impl FnOnce(&mut State)) -> Result<(), TrySendError> {
        let mut state = self.0.state.lock();
        if state.no_device {
            return Err(TrySendError::Closed(packet.clone()));
        }
        if state.into.len() >= self.0.most {
            wait(&mut state);
            return Err(TrySendError::Full(packet.clone()));
        }
        state.into.push_back(packet.clone());
        drop(state);
        self.0.slot.notify();
        Ok(())
    }
}

/// One future's place among those who wait.
struct Place<'a> {
    shared: &'a Shared,
    number: Option<u64>,
}

impl Place<'_> {
    fn keep(&mut self, state: &mut State, cx: &Context<'_>) {
        let number = *self.number.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        match state.sending.entry(number) {
            Entry::Occupied(mut kept) => kept.get_mut().clone_from(cx.waker()),
            Entry::Vacant(place) => drop(place.insert(cx.waker().clone())),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.shared.state.lock().sending.remove(&number);
            // not under the lock: it may be the last of its task
            drop(waker);
        }
    }
}

impl Clone for PacketSender {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for PacketSender {
    fn drop(&mut self) {
        self.0.state.lock().senders -= 1;
        self.0.slot.notify();
    }
}

/// Takes packets from the host.
#[derive(Debug)]
pub struct PacketReceiver(Arc<Shared>);

impl PacketReceiver {
    /// The next IP packet that the host sends, or `None` once the host is gone and all have been taken. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for callers that poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.0.state.lock();
        if state.out.is_empty() && !state.no_device {
            state.wants_packet = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.take(state))
    }

    /// The next IP packet that the host sends, if there is one now.
    pub fn try_recv(&mut self) -> Option<Bytes> {
        self.take(self.0.state.lock())
    }

    /// Whoever takes a packet also tells a host that has met a full queue.
    fn take(&self, mut state: MutexGuard<'_, State>) -> Option<Bytes> {
        let packet = state.out.pop_front()?;
        let starved = std::mem::take(&mut state.starved);
        drop(state);
        if starved {
            self.0.slot.notify();
        }
        Some(packet)
    }
}

impl Drop for PacketReceiver {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.no_receiver = true;
        state.out.clear();
        drop(state);
        self.0.slot.notify();
    }
}

/// The host is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host behind the channel is gone")
    }
}

impl std::error::Error for Closed {}

/// Why a packet was not given, and the packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrySendError {
    /// There is no room now.
    Full(Bytes),
    /// The host is gone.
    Closed(Bytes),
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the channel to the host is full"),
            Self::Closed(_) => Closed.fmt(f),
        }
    }
}

impl std::error::Error for TrySendError {}

#[cfg(test)]
mod tests;
