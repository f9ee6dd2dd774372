//! A cable in memory: two devices, each of which receives what the other transmits.
//!
//! It decides how much is on the way at once (bounded in packets and bytes; a full queue is [`Transmitted::Full`], never
//! a loss) and what each end promises its host. It costs one copy, but for large parts that the sender shares (see
//! [`RxPacket::more`]): these cost none. While packets come and go, there is no allocation for packets up to 8 KiB, and a
//! small one above. The ends are `Send` and need no clock: two hosts in one thread take turns,
//! two tasks wait for each other through [`Readiness::Wake`].
//!
//! ```
//! use bowline_base::Instant;
//! use bowline_device::{Device, Transmitted, TxPacket, memory};
//!
//! let (mut here, mut there) = memory::pair(memory::MemoryConfig::plain(1500));
//! let packet = TxPacket { head: b"an IP packet", payload: &[], owners: &[], checksum: None, segment: None };
//! assert_eq!(here.transmit(Instant::ZERO, &packet)?, Transmitted::Sent);
//! let received = there.receive(Instant::ZERO)?.ok_or("nothing arrived")?;
//! assert_eq!(&received.data[..], b"an IP packet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, MAX_PACKET, RxPacket, TxPacket};
use parking_lot::Mutex;

use crate::buffer::PacketMemory;
use crate::device::beyond_capabilities;
use crate::{Device, Readiness, Transmitted, WakeSlot};

/// One end of the cable as its host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// What this end takes from its host. Packets with a partial checksum and super-segments arrive as they were sent.
    pub capabilities: Capabilities,
    /// The most packets on their way from this end, super-segments counting one. Default 1024.
    pub queue_packets: usize,
    /// The most bytes on their way from this end. Default 8 MiB. One packet always fits.
    pub queue_bytes: usize,
}

impl MemoryConfig {
    /// An end that behaves like a plain network card: packets up to `mtu`, with complete checksums that the receiver
    /// must verify. Unlike one, it never loses a packet.
    #[must_use]
    pub const fn plain(mtu: u16) -> Self {
        let capabilities = Capabilities { lossless: true, ..Capabilities::plain(mtu) };
        Self { capabilities, queue_packets: 1024, queue_bytes: 8 << 20 }
    }

    /// An end that takes super-segments and partial checksums, as a TUN with all its offloads does.
    #[must_use]
    pub const fn offloading(mtu: u16) -> Self {
        let capabilities =
            Capabilities { mtu, checksum: true, tcp_segmentation: true, udp_segmentation: true, lossless: true };
        Self { capabilities, queue_packets: 1024, queue_bytes: 8 << 20 }
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self::plain(1500)
    }
}

/// Packets on their way in one direction.
#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<RxPacket>,
    /// Including those in the receiver's hands, up to its next look.
    packets: usize,
    bytes: usize,
    /// The sender has met a full queue and waits for room.
    starved: bool,
    /// One of the ends is gone.
    cut: bool,
}

/// One end of a cable; dropping it leaves the other end with what was already on its way.
#[derive(Debug)]
pub struct MemoryDevice {
    config: MemoryConfig,
    memory: PacketMemory,
    out: Arc<Mutex<Lane>>,
    into: Arc<Mutex<Lane>>,
    inbox: VecDeque<RxPacket>,
    inbox_packets: usize,
    inbox_bytes: usize,
    /// What this end last saw on its way out. Others only take away from that, so it needs no lock to know of room.
    seen: (usize, usize),
    own: WakeSlot,
    peer: WakeSlot,
    dropped: u64,
}

/// Both ends of a cable, alike.
#[must_use]
pub fn pair(config: MemoryConfig) -> (MemoryDevice, MemoryDevice) {
    pair_of(config, config)
}

/// Both ends of a cable, each to its own configuration.
#[must_use]
pub fn pair_of(a: MemoryConfig, b: MemoryConfig) -> (MemoryDevice, MemoryDevice) {
    let (ab, ba) = (Arc::new(Mutex::new(Lane::default())), Arc::new(Mutex::new(Lane::default())));
    let (slot_a, slot_b) = (WakeSlot::new(), WakeSlot::new());
    let end = |config, out: &Arc<_>, into: &Arc<_>, own: &WakeSlot, peer: &WakeSlot| MemoryDevice {
        config,
        memory: PacketMemory::new(16),
        out: Arc::clone(out),
        into: Arc::clone(into),
        inbox: VecDeque::new(),
        inbox_packets: 0,
        inbox_bytes: 0,
        seen: (0, 0),
        own: own.clone(),
        peer: peer.clone(),
        dropped: 0,
    };
    (end(a, &ab, &ba, &slot_a, &slot_b), end(b, &ba, &ab, &slot_b, &slot_a))
}

impl MemoryDevice {
    /// The slot that is notified when a packet arrives, when room appears after [`Transmitted::Full`], and when the
    /// other end goes.
    #[must_use]
    pub fn wake_slot(&self) -> &WakeSlot {
        &self.own
    }

    /// Whether the other end has been dropped. What it sent before can still be received.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.into.lock().cut
    }

    /// Packets of this end that were larger than an IP packet can be, or met a cut cable.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Packets and bytes on their way to the other end.
    #[must_use]
    pub fn in_flight(&self) -> (usize, usize) {
        let lane = self.out.lock();
        (lane.packets, lane.bytes)
    }

    /// Takes all that has arrived, and gives back the room of what was handed to the host before.
    fn refill(&mut self) {
        let mut lane = self.into.lock();
        lane.packets -= self.inbox_packets;
        lane.bytes -= self.inbox_bytes;
        let room = self.inbox_packets > 0 && std::mem::take(&mut lane.starved);
        std::mem::swap(&mut lane.queue, &mut self.inbox);
        (self.inbox_packets, self.inbox_bytes) = (lane.packets, lane.bytes);
        drop(lane);
        if room {
            self.peer.notify();
        }
    }
}

impl Device for MemoryDevice {
    fn capabilities(&self) -> Capabilities {
        self.config.capabilities
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        if self.inbox.is_empty() {
            self.refill();
        }
        Ok(self.inbox.pop_front())
    }

    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        if let Some(error) = beyond_capabilities(packet, &self.config.capabilities) {
            return Err(error);
        }
        let len = packet.len();
        let most = if packet.segment.is_some() { MAX_PACKET } else { usize::from(self.config.capabilities.mtu) };
        if len > most || len == 0 {
            self.dropped += 1;
            return Ok(Transmitted::Dropped);
        }
        if !self.has_room(len) {
            return Ok(Transmitted::Full);
        }
        let Self { memory, out, seen, .. } = self;
        let (mut sent, mut first) = (false, false);
        memory.carry(packet, |received| {
            let mut lane = out.lock();
            if !lane.cut {
                lane.packets += 1;
                lane.bytes += len;
                *seen = (lane.packets, lane.bytes);
                lane.queue.push_back(received);
                (sent, first) = (true, lane.queue.len() == 1);
            }
        });
        if !sent {
            self.dropped += 1;
            return Ok(Transmitted::Dropped);
        }
        if first {
            self.peer.notify();
        }
        Ok(Transmitted::Sent)
    }

    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wake(&self.own)
    }
}

impl MemoryDevice {
    /// Whether a packet of `len` bytes may go on its way. If not, the other end is asked to tell when that changes.
    fn has_room(&mut self, len: usize) -> bool {
        let config = self.config;
        let fits =
            |(packets, bytes)| packets == 0 || (packets < config.queue_packets && bytes + len <= config.queue_bytes);
        if fits(self.seen) {
            return true;
        }
        let mut lane = self.out.lock();
        self.seen = (lane.packets, lane.bytes);
        lane.starved = !fits(self.seen) && !lane.cut;
        !lane.starved
    }
}

impl Drop for MemoryDevice {
    fn drop(&mut self) {
        self.out.lock().cut = true;
        {
            let mut lane = self.into.lock();
            lane.cut = true;
            lane.queue.clear();
        }
        self.peer.notify();
    }
}

#[cfg(test)]
mod tests;
