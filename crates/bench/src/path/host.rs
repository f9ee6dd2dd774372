//! A sender of ours: Bowline's sans-IO host, which opens flows and sends on all of them as fast as it may.
//!
//! Buffers are as they are by default, which the report calls autotuned: nothing is set but the controller.

use std::net::{Ipv4Addr, SocketAddr};

use bowline_base::Instant;
use bowline_device::cut::Cutter;
use bowline_device::{Capabilities, RxPacket};
use bowline_stack::{Cidr, Config, IfaceId, Interface, Stack};
use bowline_tcp::{Algorithm, CallError, ConnectionKey};
use bytes::Bytes;

use crate::Result;

/// Segments that a flow hands over before others have their turn.
const BATCH: usize = 16;

/// A host with its flows.
pub(super) struct Host {
    stack: Stack,
    interface: IfaceId,
    address: Ipv4Addr,
    target: SocketAddr,
    /// Flows still to be opened.
    unopened: usize,
    flows: Vec<(ConnectionKey, Bytes)>,
    text: Bytes,
    cutter: Cutter,
}

impl Host {
    pub(super) fn open(address: Ipv4Addr, target: SocketAddr, algorithm: Algorithm, flows: usize) -> Result<Self> {
        let mut config = Config::default();
        config.tcp.options.algorithm = algorithm;
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&address.octets());
        let mut stack = Stack::new(config, seed, Instant::ZERO);
        // Super-segments are cut here, as by a card with segmentation offload.
        let capabilities = Capabilities {
            lossless: false,
            checksum: true,
            tcp_segmentation: true,
            udp_segmentation: false,
            mtu: 1500,
        };
        let network: Cidr = format!("{address}/8").parse().map_err(|_| "not a network")?;
        let interface =
            stack.add_interface(Interface::new(capabilities, [network])).ok_or("no room for an interface")?;
        let text = Bytes::from(vec![0x55; 256 << 10]);
        Ok(Self { stack, interface, address, target, unopened: flows, flows: Vec::new(), text, cutter: Cutter::new() })
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A packet for this host.
    pub(super) fn receive(&mut self, now: Instant, data: Bytes) {
        let packet = RxPacket { pinned: data.len(), data, ..RxPacket::default() };
        self.stack.handle_packets(now, self.interface, [packet]);
    }

    /// Does what is due, fills the send queues, and hands out what is to be sent; returns how many packets that were.
    pub(super) fn turn(&mut self, now: Instant, mut out: impl FnMut(&[u8])) -> Result<usize> {
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
        }
        while self.stack.poll_event().is_some() {}
        for _ in 0..std::mem::take(&mut self.unopened) {
            let flow = self.stack.tcp_connect(now, None, self.target, None);
            let flow = flow.map_err(|error| format!("bowline cannot connect: {error:?}"))?;
            self.flows.push((flow, self.text.clone()));
        }
        self.write(now)?;
        let Self { stack, cutter, .. } = self;
        let mut sent = 0;
        while sent < BATCH
            && stack.poll_transmit(now, &mut |_, packet| {
                cutter.sent(&packet, &mut out);
            })
        {
            sent += 1;
        }
        Ok(sent)
    }

    /// Fills the send queues.
    fn write(&mut self, now: Instant) -> Result<()> {
        for (flow, rest) in &mut self.flows {
            loop {
                match self.stack.tcp_mut().send_bytes(now, *flow, rest) {
                    Ok(_) if rest.is_empty() => *rest = self.text.clone(),
                    Ok(_) | Err(CallError::WouldBlock) => break,
                    Err(error) => return Err(format!("bowline cannot send: {error:?}").into()),
                }
            }
        }
        Ok(())
    }

    /// When something is due.
    pub(super) fn next_due(&mut self) -> Option<Instant> {
        self.stack.poll_timeout()
    }
}
