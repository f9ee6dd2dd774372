//! Memory for received packets: large buffers that come back when the last slice of them is dropped, and chunks from
//! which small packets are carved.
//!
//! It decides that no packet costs a fresh 64 KiB: buffers are zeroed once in their life, and the free list is bounded
//! and last-in first-out, so that the next packet lands in memory that is still warm.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline_wire::packet::{RxChecksum, RxPacket, Stretch, Stretches, TxPacket, total_len};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

/// The size in bytes of a buffer that takes any packet with its virtio-net header.
pub const PACKET_BUFFER: usize = 66 * 1024;

/// The size in bytes of a chunk that an [`Arena`] carves.
pub const CHUNK: usize = 64 * 1024;

/// The largest packet worth carving: an eighth of a chunk, so that whoever keeps it for long copies it (DESIGN: the
/// copy-break) and the chunk comes back.
pub const CARVE_MAX: usize = CHUNK / 8;

/// The smallest part of a packet worth sharing with its sender: below, a copy costs less than a reference. The text of an
/// Ethernet's full segment is worth it, since such texts lie side by side and become one again where they arrive.
const SHARE_MIN: usize = 1024;

#[derive(Debug)]
struct Shared {
    size: usize,
    keep: usize,
    free: Mutex<Vec<Box<[u8]>>>,
    outstanding: AtomicUsize,
}

/// A pool of buffers of one size. Clones share it; buffers may be dropped on any thread, also after the pool.
#[derive(Clone, Debug)]
pub struct BufferPool(Arc<Shared>);

impl BufferPool {
    /// A pool of buffers of `size` bytes that keeps up to `keep` unused ones; more are given back to the allocator.
    #[must_use]
    pub fn new(size: usize, keep: usize) -> Self {
        Self(Arc::new(Shared { size, keep, free: Mutex::default(), outstanding: AtomicUsize::new(0) }))
    }

    /// A buffer, whose content is unspecified.
    #[must_use]
    pub fn take(&self) -> Buffer {
        let free = self.0.free.lock().pop();
        // A large zeroed allocation is mapped, not written: its pages appear as packets first fill them.
        let memory = free.unwrap_or_else(|| vec![0; self.0.size].into_boxed_slice());
        self.0.outstanding.fetch_add(1, Ordering::Relaxed);
        Buffer { memory, len: 0, start: 0, pool: Arc::clone(&self.0) }
    }

    /// The size of each buffer in bytes.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.0.size
    }

    /// Buffers that somebody holds, as themselves or as slices.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding.load(Ordering::Relaxed)
    }

    /// Unused buffers kept for later.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.0.free.lock().len()
    }
}

/// A buffer of a [`BufferPool`], to which it returns when it, or the last slice made of it, is dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    len: usize,
    pool: Arc<Shared>,
}

impl Buffer {
    /// All of the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// The bytes from `start` to `end` (both cut at the buffer's size) as shared bytes that keep the buffer.
    #[must_use]
    pub fn freeze(mut self, start: usize, end: usize) -> Bytes {
        let end = end.min(self.memory.len());
        self.start = start.min(end);
        self.len = end - self.start;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.len).unwrap_or(&[])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.outstanding.fetch_sub(1, Ordering::Relaxed);
        let memory = std::mem::take(&mut self.memory);
        let mut free = self.pool.free.lock();
        if free.len() < self.pool.keep {
            free.push(memory);
        }
    }
}

/// Carves small packets out of chunks: one reference count per packet, and no allocation while packets come and go.
///
/// Every packet keeps its whole chunk, [`CHUNK`] bytes, alive.
#[derive(Debug)]
pub struct Arena {
    current: BytesMut,
    retired: VecDeque<BytesMut>,
    keep: usize,
}

impl Arena {
    /// An arena that remembers up to `keep` full chunks, to use them again once their packets are gone.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { current: BytesMut::new(), retired: VecDeque::new(), keep }
    }

    /// Carves one packet of the concatenated `parts`.
    #[must_use]
    pub fn carve(&mut self, parts: &[&[u8]]) -> Bytes {
        self.carve_packet(&[], parts)
    }

    /// The same, for a packet that begins with `head`.
    #[inline(always)]
    fn carve_packet(&mut self, head: &[u8], parts: &[&[u8]]) -> Bytes {
        let len = head.len() + total_len(parts);
        if self.current.capacity() < len {
            self.next_chunk(len);
        }
        self.current.extend_from_slice(head);
        for part in parts {
            self.current.extend_from_slice(part);
        }
        self.current.split().freeze()
    }

    #[inline(never)]
    fn next_chunk(&mut self, len: usize) {
        let size = CHUNK.max(len);
        let full = std::mem::take(&mut self.current);
        if self.retired.len() < self.keep {
            self.retired.push_back(full);
        }
        // The oldest chunk is the likeliest to be free. The second gets a chance too, should one packet of the oldest
        // linger.
        for _ in 0..self.retired.len().min(2) {
            let Some(mut oldest) = self.retired.pop_front() else { break };
            if oldest.try_reclaim(size) {
                self.current = oldest;
                return;
            }
            self.retired.push_back(oldest);
        }
        self.current = BytesMut::with_capacity(size);
    }
}

/// Where a device copies packets that it hands on: small ones carved, large ones in buffers of their own.
#[derive(Debug)]
pub struct PacketMemory {
    arena: Arena,
    medium: BufferPool,
    large: BufferPool,
}

impl PacketMemory {
    const MEDIUM: usize = 16 * 1024;

    /// Memory that keeps up to `keep` unused large buffers, and some of the smaller kinds.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self {
            arena: Arena::new(keep.max(2)),
            medium: BufferPool::new(Self::MEDIUM, keep),
            large: BufferPool::new(PACKET_BUFFER, keep),
        }
    }

    /// Copies the concatenated `parts`; returns the bytes and the size of what they keep alive, or `None` if they
    /// exceed [`PACKET_BUFFER`].
    #[must_use]
    pub fn copy(&mut self, parts: &[&[u8]]) -> Option<(Bytes, usize)> {
        self.copy_packet(&[], parts)
    }

    /// Hands `take` what the other end of a cable receives when `packet` is sent: its metadata, and a copy of its bytes, but for
    /// the large parts that the sender shares. Not if it exceeds [`PACKET_BUFFER`]; returns whether it did not.
    // To a callback, which may put it where it is to stay: what is handed on at once after it was written in parts waits for these.
    #[inline(always)]
    pub fn carry(&mut self, packet: &TxPacket<'_>, take: impl FnOnce(RxPacket)) -> bool {
        if packet.len() >= SHARE_MIN {
            return self.carry_large(packet).map(take).is_some();
        }
        let checksum = if packet.checksum.is_some() { RxChecksum::Partial } else { RxChecksum::Unverified };
        let segment_size = packet.segment.map(|(_, size)| size);
        let data = self.arena.carve_packet(packet.head, packet.payload);
        take(RxPacket { data, pinned: CHUNK, checksum, segment_size, more: Stretches::new() });
        true
    }

    #[inline(never)]
    fn carry_large(&mut self, packet: &TxPacket<'_>) -> Option<RxPacket> {
        let is_shared = |part: usize| {
            let large = packet.payload.get(part).is_some_and(|bytes| bytes.len() >= SHARE_MIN);
            large && matches!(packet.owners.get(part), Some(Some(_)))
        };
        let first = (0..packet.owners.len().min(packet.payload.len())).find(|part| is_shared(*part));
        let copied = packet.payload.get(..first.unwrap_or(packet.payload.len()))?;
        let (data, pinned) = self.copy_packet(packet.head, copied)?;
        let checksum = if packet.checksum.is_some() { RxChecksum::Partial } else { RxChecksum::Unverified };
        let segment_size = packet.segment.map(|(_, size)| size);
        let Some(first) = first else {
            return Some(RxPacket { data, pinned, checksum, segment_size, more: Stretches::new() });
        };
        let rest = packet.payload.get(first..)?;
        let mut more = Stretches::new();
        more.reserve_exact(rest.len());
        for (part, bytes) in (first..).zip(rest) {
            let shared = if is_shared(part) { packet.shared(part) } else { None };
            let stretch = match shared {
                Some(stretch) => stretch,
                None => self.copy(&[bytes]).map(|(data, pinned)| Stretch::new(data, pinned))?,
            };
            more.push(stretch);
        }
        let received = RxPacket { data, pinned, checksum, segment_size, more };
        (received.len() <= PACKET_BUFFER).then_some(received)
    }

    fn copy_packet(&mut self, head: &[u8], parts: &[&[u8]]) -> Option<(Bytes, usize)> {
        let len = head.len() + total_len(parts);
        if len <= CARVE_MAX {
            return Some((self.arena.carve_packet(head, parts), CHUNK));
        }
        let pool = if len <= Self::MEDIUM { &self.medium } else { &self.large };
        let mut buffer = pool.take();
        let mut at = 0;
        for part in core::iter::once(head).chain(parts.iter().copied()) {
            buffer.space().get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        Some((buffer.freeze(0, len), pool.buffer_size()))
    }

    /// Medium and large buffers that somebody holds.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.medium.outstanding() + self.large.outstanding()
    }
}

#[cfg(test)]
mod tests;
