//! A device that gives its host back whatever the host transmits.
//!
//! It decides nothing: it is a cable whose two ends are in the same hands.

use std::io;

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, RxPacket, TxPacket};

use crate::memory::{self, MemoryConfig, MemoryDevice};
use crate::{Device, Readiness, Transmitted};

/// A device whose host talks to itself, through a bounded queue.
#[derive(Debug)]
pub struct Loopback {
    send: MemoryDevice,
    recv: MemoryDevice,
}

impl Loopback {
    /// A loopback to this configuration.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let (send, recv) = memory::pair(config);
        Self { send, recv }
    }
}

impl Device for Loopback {
    fn capabilities(&self) -> Capabilities {
        self.send.capabilities()
    }

    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
        self.recv.receive(now)
    }

    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        self.send.transmit(now, packet)
    }

    fn readiness(&self) -> Readiness<'_> {
        // The host that transmits is the host that receives: it looks again after each batch, and room appears only
        // when it has received.
        self.recv.readiness()
    }
}
