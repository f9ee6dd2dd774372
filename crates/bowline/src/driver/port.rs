//! One device and how to wait for it: what has arrived and not been looked at, and what it had no room for.

use std::collections::VecDeque;
use std::io;
use std::task::Context;
#[cfg(unix)]
use std::task::Poll;

use bowline_base::Instant;
use bowline_device::{Device, Readiness, RxPacket, Transmitted, TxPacket, WakeSlot};
use bowline_stack::IfaceId;
use bowline_wire::packet::{PartialChecksum, SegmentKind};

#[cfg(unix)]
use super::watch;
use super::{BATCH_BYTES, BATCH_PACKETS, Batch};

/// A device of a network.
pub(crate) struct Port {
    pub(crate) device: Box<dyn Device + Send>,
    pub(crate) interface: IfaceId,
    pub(crate) received: Batch,
    wait: Option<Wait>,
    /// In order; as many as one packet of the stack can be cut into.
    stalled: VecDeque<Stalled>,
    /// Packets that the device refused as none that it takes.
    refused: u64,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").field("interface", &self.interface).field("wait", &self.wait).finish_non_exhaustive()
    }
}

/// What tells that a device has become worth looking at.
#[derive(Debug)]
enum Wait {
    #[cfg(unix)]
    Fd(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>),
    /// The slot, and whether a notification has been taken from it and not been followed up.
    Slot(WakeSlot, bool),
    Time,
}

/// A packet that met a full queue, kept until there is room.
#[derive(Debug)]
struct Stalled {
    bytes: Vec<u8>,
    head: usize,
    checksum: Option<PartialChecksum>,
    segment: Option<(SegmentKind, u16)>,
}

impl Port {
    pub(crate) fn new(device: Box<dyn Device + Send>, interface: IfaceId) -> Self {
        Self {
            device,
            interface,
            received: Vec::with_capacity(BATCH_PACKETS),
            wait: None,
            stalled: VecDeque::new(),
            refused: 0,
        }
    }

    /// Receives a batch and lets fall due what the device holds back. Returns whether there may be more; otherwise the
    /// task is woken when there is.
    pub(crate) fn receive(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<bool> {
        if self.device.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.device.handle_timeout(now)?;
            if self.fill(now)? {
                return Ok(true);
            }
        }
        if self.wait.is_none() {
            self.wait = Some(Wait::new(&*self.device)?);
        }
        // The wait is taken out so that the device can be used beside it.
        let mut wait = self.wait.take();
        let more = match &mut wait {
            #[cfg(unix)]
            Some(Wait::Fd(fd)) => self.receive_fd(fd, cx, now),
            Some(Wait::Slot(slot, notified)) => self.receive_slot(slot, notified, cx, now),
            Some(Wait::Time) | None => self.fill(now),
        };
        self.wait = wait;
        more
    }

    /// Readiness is asked for before reading, and given up after: news in between is not lost.
    #[cfg(unix)]
    fn receive_fd(
        &mut self,
        fd: &tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<bool> {
        while let Poll::Ready(guard) = fd.poll_read_ready(cx) {
            let mut guard = guard?;
            if self.fill(now)? {
                return Ok(true);
            }
            guard.clear_ready();
        }
        if !self.stalled.is_empty() {
            return self.wait_for_room(fd, cx, now);
        }
        Ok(false)
    }

    #[cfg(unix)]
    fn wait_for_room(
        &mut self,
        fd: &tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<bool> {
        while let Poll::Ready(guard) = fd.poll_write_ready(cx) {
            let mut guard = guard?;
            if self.retry(now)? {
                return Ok(true);
            }
            guard.clear_ready();
        }
        Ok(false)
    }

    fn receive_slot(
        &mut self,
        slot: &WakeSlot,
        notified: &mut bool,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<bool> {
        *notified |= slot.poll_notified(cx).is_ready();
        while *notified {
            if self.fill(now)? {
                return Ok(true);
            }
            *notified = slot.poll_notified(cx).is_ready();
        }
        Ok(false)
    }

    /// Receives until there is nothing, or a batch is full. Returns whether it is full.
    fn fill(&mut self, now: Instant) -> io::Result<bool> {
        let mut bytes: usize = self.received.iter().map(RxPacket::len).sum();
        while self.received.len() < BATCH_PACKETS && bytes < BATCH_BYTES {
            match self.device.receive(now)? {
                Some(packet) => {
                    bytes += packet.len();
                    self.received.push(packet);
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Offers a packet of the stack; one that finds no room is kept, and so are those after it.
    pub(crate) fn offer(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<()> {
        if self.is_stalled() || !self.transmit(now, packet)? {
            self.stalled.push_back(Stalled::new(packet));
        }
        Ok(())
    }

    /// Offers the packets again that found no room. Returns whether there are none any more.
    pub(crate) fn retry(&mut self, now: Instant) -> io::Result<bool> {
        while let Some(stalled) = self.stalled.pop_front() {
            let (head, payload) = stalled.bytes.split_at(stalled.head);
            let (checksum, segment) = (stalled.checksum, stalled.segment);
            if !self.transmit(now, &TxPacket { head, payload: &[payload], owners: &[], checksum, segment })? {
                self.stalled.push_front(stalled);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the device has taken it, or will never.
    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<bool> {
        match self.device.transmit(now, packet) {
            Ok(Transmitted::Sent | Transmitted::Dropped) => Ok(true),
            Ok(Transmitted::Full) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                // One packet that the device does not take is no reason to stop: to TCP it is lost.
                self.refused += 1;
                tracing::warn!(%error, refused = self.refused, "a device refused a packet");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a packet waits for room.
    pub(crate) fn is_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Whether the device itself will still do something: an impairment that holds packets back.
    pub(crate) fn holds_packets(&self, now: Instant) -> bool {
        self.device.poll_timeout().is_some_and(|deadline| deadline > now && deadline != Instant::MAX)
    }
}

impl Wait {
    fn new(device: &dyn Device) -> io::Result<Self> {
        Ok(match device.readiness() {
            #[cfg(unix)]
            // A descriptor of our own, so that the device may be dropped in any order.
            Readiness::Fd(fd) => Self::Fd(watch(
                fd.try_clone_to_owned()?,
                tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE,
            )?),
            // The first look may find what came before anybody waited.
            Readiness::Wake(slot) => Self::Slot(slot.clone(), true),
            Readiness::Time => Self::Time,
        })
    }
}

impl Stalled {
    fn new(packet: &TxPacket<'_>) -> Self {
        let mut bytes = Vec::with_capacity(packet.len());
        bytes.extend_from_slice(packet.head);
        packet.payload.iter().for_each(|part| bytes.extend_from_slice(part));
        Self { bytes, head: packet.head.len(), checksum: packet.checksum, segment: packet.segment }
    }
}
