//! A device that keeps a copy of what passes, cut into wire packets, until its comments are known.
//!
//! The stack tells why it has sent a segment only after it has sent it, so a capture that shall say so comes second. What
//! is kept is bounded by what passes in one turn of the stack, for the watcher comes after each.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bowline::FourTuple;
use bowline_base::Instant;
use bowline_device::cut::Cutter;
use bowline_device::pcapng::Direction;
use bowline_device::{Capabilities, Device, Readiness, RxPacket, Transmitted, TxPacket};
use bowline_wire::ip::{self, Protocol};
use bowline_wire::tcp::TcpHeader;

/// Bytes kept at most. A watcher that falls so far behind misses packets, and they are counted.
const MAX_BYTES: usize = 64 << 20;

/// What a TCP packet is called in the stack's records.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// Our side is `local`.
    pub(super) tuple: FourTuple,
    pub(super) header: TcpHeader,
    /// Payload bytes, of all of a super-segment.
    pub(super) len: u32,
}

/// A packet that has passed.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) at: Instant,
    pub(super) direction: Direction,
    pub(super) name: Option<Name>,
    /// Its wire packets, in order.
    pub(super) packets: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Queue {
    passed: VecDeque<Passed>,
    bytes: usize,
    missed: u64,
}

/// What has passed a [`Recorder`] and was not taken yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording(Arc<Mutex<Queue>>);

impl Recording {
    /// Takes everything, and how many packets had no room.
    pub(super) fn take(&self) -> (VecDeque<Passed>, u64) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes = 0;
        (std::mem::take(&mut queue.passed), std::mem::take(&mut queue.missed))
    }

    fn push(&self, passed: Passed) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.bytes > MAX_BYTES {
            queue.missed += 1;
            return;
        }
        queue.bytes += passed.packets.iter().map(Vec::len).sum::<usize>();
        queue.passed.push_back(passed);
    }
}

/// The device.
#[derive(Debug)]
pub(super) struct Recorder<D> {
    inner: D,
    recording: Recording,
    cutter: Cutter,
}

impl<D: Device> Recorder<D> {
    pub(super) fn new(inner: D, recording: Recording) -> Self {
        Self { inner, recording, cutter: Cutter::new() }
    }
}

/// The name of a TCP packet whose headers are at the beginning of `head`. `len` is the whole packet's length.
pub(super) fn name(head: &[u8], len: usize, direction: Direction) -> Option<Name> {
    let ip = ip::parse_quoted(head)?;
    if ip.protocol != Protocol::TCP || ip.fragment.is_some() {
        return None;
    }
    let (header, header_len) = TcpHeader::parse(head.get(ip.header_len..)?).ok()?;
    let source = SocketAddr::new(ip.src, header.src_port);
    let destination = SocketAddr::new(ip.dst, header.dst_port);
    let tuple = match direction {
        Direction::Inbound => FourTuple::new(destination, source),
        Direction::Outbound => FourTuple::new(source, destination),
    };
    let len = len.checked_sub(ip.header_len + header_len)?;
    Some(Name { tuple, header, len: u32::try_from(len).ok()? })
}

impl<D: Device> Device for Recorder<D> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
        let packet = self.inner.receive(now)?;
        if let Some(packet) = &packet {
            let mut packets = Vec::new();
            if self.cutter.received(packet, |wire| packets.push(wire.to_vec())) == 0 {
                packets.push(packet.data.to_vec());
            }
            let direction = Direction::Inbound;
            let name = name(&packet.data, packet.data.len(), direction);
            self.recording.push(Passed { at: now, direction, name, packets });
        }
        Ok(packet)
    }

    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        let outcome = self.inner.transmit(now, packet)?;
        if outcome != Transmitted::Full {
            let mut packets = Vec::new();
            if self.cutter.sent(packet, |wire| packets.push(wire.to_vec())) == 0 {
                packets.push([packet.head, &packet.payload.concat()].concat());
            }
            let direction = Direction::Outbound;
            let name = name(packet.head, packet.len(), direction);
            self.recording.push(Passed { at: now, direction, name, packets });
        }
        Ok(outcome)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        self.inner.handle_timeout(now)
    }

    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}
