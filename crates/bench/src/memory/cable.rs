//! The queue between two smoltcp hosts, as fast as we can make one: buffers go round and are never cleared.

use std::collections::VecDeque;

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::Link;

/// Room for the longest IP packet.
const BUFFER_LEN: usize = 65_536;

/// A packet: a buffer of [`BUFFER_LEN`] and how much of it is used.
type Packet = (Box<[u8]>, usize);

/// One direction.
#[derive(Default)]
pub(super) struct Pipe {
    packets: VecDeque<Packet>,
    spare: Vec<Box<[u8]>>,
    /// Packets that were too long to be a bare acknowledgment.
    pub(super) data_packets: u64,
}

/// Both directions.
pub(super) struct Cable {
    pub(super) there: Pipe,
    pub(super) back: Pipe,
    capabilities: DeviceCapabilities,
}

impl Cable {
    pub(super) fn new(link: Link) -> Self {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = link.mtu;
        if !link.checksums {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        if link.super_segments {
            capabilities.segmentation.tcpv4 = std::num::NonZeroUsize::new(65_535);
        }
        Self { there: Pipe::default(), back: Pipe::default(), capabilities }
    }

    /// The end that sends `there`.
    pub(super) fn near(&mut self) -> End<'_> {
        End { rx: &mut self.back, tx: &mut self.there, capabilities: &self.capabilities }
    }

    /// The end that sends `back`.
    pub(super) fn far(&mut self) -> End<'_> {
        End { rx: &mut self.there, tx: &mut self.back, capabilities: &self.capabilities }
    }
}

/// One end of a cable, for the length of a poll.
pub(super) struct End<'a> {
    rx: &'a mut Pipe,
    tx: &'a mut Pipe,
    capabilities: &'a DeviceCapabilities,
}

impl Device for End<'_> {
    type RxToken<'t>
        = Arrived<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Room<'_>)> {
        let packet = self.rx.packets.pop_front()?;
        Some((Arrived { packet, spare: &mut self.rx.spare }, Room { pipe: self.tx }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room { pipe: self.tx })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// A packet that has arrived.
pub(super) struct Arrived<'a> {
    packet: Packet,
    spare: &'a mut Vec<Box<[u8]>>,
}

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let (buffer, len) = self.packet;
        let result = f(buffer.get(..len).unwrap_or_default());
        self.spare.push(buffer);
        result
    }
}

/// Room for a packet to send.
pub(super) struct Room<'a> {
    pipe: &'a mut Pipe,
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut buffer = self.pipe.spare.pop().unwrap_or_else(|| vec![0; BUFFER_LEN].into_boxed_slice());
        let len = len.min(buffer.len());
        let result = f(buffer.get_mut(..len).unwrap_or_default());
        self.pipe.data_packets += u64::from(len > 100);
        self.pipe.packets.push_back((buffer, len));
        result
    }
}
