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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_hears_itself_until_the_queue_is_full() {
        let mut device = Loopback::new(MemoryConfig { queue_packets: 2, ..MemoryConfig::default() });
        let packets: [&[u8]; 3] = [b"one", b"two", b"three"];
        let packet = |head| TxPacket { head, payload: &[], owners: &[], checksum: None, segment: None };
        let outcomes = packets.map(|head| device.transmit(Instant::ZERO, &packet(head)).unwrap());
        assert_eq!(outcomes, [Transmitted::Sent, Transmitted::Sent, Transmitted::Full]);
        let mut heard = Vec::new();
        while let Some(packet) = device.receive(Instant::ZERO).unwrap() {
            heard.push(packet.data);
        }
        assert_eq!(heard, ["one", "two"]);
        assert_eq!(device.transmit(Instant::ZERO, &packet(b"three")).unwrap(), Transmitted::Sent);
    }

    #[test]
    fn devices_move_between_threads() {
        fn is_send<T: Send>() {}
        is_send::<Loopback>();
        is_send::<crate::Tapped<crate::Impaired<MemoryDevice>>>();
        is_send::<crate::Impaired<Box<dyn Device + Send>>>();
    }
}
