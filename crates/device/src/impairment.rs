//! A worse network: a device that loses, delays, reorders, duplicates, damages and throttles what passes through it.
//!
//! It decides where the two directions meet the device inside, and that super-segments are cut into wire packets first,
//! because a network loses packets and not super-segments. A direction without impairments is passed through whole and
//! costs nothing. What happens to a packet is decided in `link`, in an order fixed there; all chance comes from one seed
//! and all time from the caller, so that the same inputs give the same outputs.

use std::io;
use std::time::Duration;

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, RxChecksum, RxPacket, Stretches, TxPacket};

use crate::buffer::CHUNK;
use crate::cut::Cutter;
use crate::{Device, Readiness, Transmitted};

mod config;
mod dice;
mod link;
mod monitor;
mod too_big;

pub use config::{GilbertElliott, ImpairmentConfig, Impairments, Loss, QueueLimit, TooBig};
pub use link::Link;
pub use monitor::{DirectionCounters, Impairment, ImpairmentCounters, ImpairmentMonitor, What};

/// Which way a packet goes, seen from the host that owns the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to the host.
    Ingress,
    /// From the host to the peer.
    Egress,
}

/// How soon a packet that met a full device is offered again, if the host does not come back before.
const RETRY: Duration = Duration::from_millis(1);

/// Packets taken from the device inside before the event loop gets a turn, while none of them is due yet.
const BATCH: usize = 256;

/// A device behind a worse network.
#[derive(Debug)]
pub struct Impaired<D> {
    inner: D,
    config: ImpairmentConfig,
    ingress: Link,
    egress: Link,
    cutter: Cutter,
    monitor: ImpairmentMonitor,
    /// The device inside was full when an egress packet fell due.
    retry_at: Option<Instant>,
    /// More may wait in the device inside than a batch took.
    more_at: Option<Instant>,
}

impl<D: Device> Impaired<D> {
    /// `inner`, behind the network that `config` describes.
    #[must_use]
    pub fn new(inner: D, config: ImpairmentConfig) -> Self {
        let monitor = ImpairmentMonitor::new();
        let link = |direction, impairments| Link::new(direction, impairments, config.seed, monitor.clone());
        Self {
            ingress: link(Direction::Ingress, config.ingress),
            egress: link(Direction::Egress, config.egress),
            inner,
            config,
            cutter: Cutter::new(),
            monitor,
            retry_at: None,
            more_at: None,
        }
    }

    /// Counters and, on demand, every single decision; valid wherever the device goes.
    #[must_use]
    pub fn monitor(&self) -> &ImpairmentMonitor {
        &self.monitor
    }

    /// The network that this is.
    #[must_use]
    pub fn config(&self) -> &ImpairmentConfig {
        &self.config
    }

    /// Wire packets and bytes that are between the two sides now.
    #[must_use]
    pub fn in_flight(&self) -> (usize, usize) {
        let ((packets_in, bytes_in), (packets_out, bytes_out)) = (self.ingress.held(), self.egress.held());
        (packets_in + packets_out, bytes_in + bytes_out)
    }

    /// The device inside.
    #[must_use]
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// The device inside.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Hands egress packets that are due to the device inside. `false` if it is full.
    fn pump(&mut self, now: Instant) -> io::Result<bool> {
        self.retry_at = None;
        // The error about a packet that is too big takes the way back, with its delay and its losses.
        while let Some(packet) = self.egress.front(now, |error| self.ingress.offer(now, error)) {
            let complete = TxPacket { head: &packet, payload: &[], owners: &[], checksum: None, segment: None };
            match self.inner.transmit(now, &complete)? {
                Transmitted::Full => {
                    self.retry_at = Some(now + RETRY);
                    return Ok(false);
                }
                outcome => self.egress.delivered(&packet, outcome == Transmitted::Sent),
            }
            self.egress.pop();
        }
        Ok(true)
    }

    /// The next ingress packet that is due.
    fn arrived(&mut self, now: Instant) -> Option<RxPacket> {
        let packet = self.ingress.front(now, |error| self.egress.offer(now, error))?;
        self.ingress.pop();
        self.ingress.delivered(&packet, true);
        Some(RxPacket {
            data: packet,
            pinned: CHUNK,
            more: Stretches::new(),
            checksum: RxChecksum::Unverified,
            segment_size: None,
        })
    }
}

impl<D: Device> Device for Impaired<D> {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        let lossless = inner.lossless && self.ingress.is_transparent() && self.egress.is_transparent();
        if self.egress.is_transparent() {
            return Capabilities { lossless, ..inner };
        }
        // Super-segments are cut and checksums completed here.
        Capabilities { lossless, checksum: true, tcp_segmentation: true, udp_segmentation: true, mtu: inner.mtu }
    }

    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
        self.more_at = None;
        if self.ingress.is_transparent() && self.ingress.is_empty() {
            return self.inner.receive(now);
        }
        for _ in 0..BATCH {
            if let Some(packet) = self.arrived(now) {
                return Ok(Some(packet));
            }
            let Some(mut packet) = self.inner.receive(now)? else { return Ok(self.arrived(now)) };
            if self.ingress.is_transparent() {
                return Ok(Some(packet));
            }
            packet.gather();
            let ingress = &mut self.ingress;
            if self.cutter.received(&packet, |wire| ingress.offer(now, wire)) == 0 {
                ingress.unreadable(now, &packet.data);
            }
        }
        self.more_at = Some(now);
        Ok(None)
    }

    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        if !self.pump(now)? {
            return Ok(Transmitted::Full);
        }
        if self.egress.is_transparent() {
            return self.inner.transmit(now, packet);
        }
        let most = if packet.segment.is_some() { usize::MAX } else { usize::from(self.inner.capabilities().mtu) };
        if packet.len() > most {
            self.egress.unreadable(now, packet.head);
            return Ok(Transmitted::Dropped);
        }
        let egress = &mut self.egress;
        if self.cutter.sent(packet, |wire| egress.offer(now, wire)) == 0 {
            egress.unreadable(now, packet.head);
            return Ok(Transmitted::Dropped);
        }
        // What is due at once goes out at once; if the device is full now, the next call says so.
        self.pump(now)?;
        Ok(Transmitted::Sent)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // While the device inside is full, egress packets that are overdue are no reason to wake up.
        let egress = self.retry_at.or_else(|| self.egress.next_due());
        [egress, self.ingress.next_due(), self.more_at, self.inner.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        self.inner.handle_timeout(now)?;
        self.pump(now)?;
        Ok(())
    }

    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}

#[cfg(test)]
mod tests;
