//! A host's one network card: packets leave into the world's links, and arrive from them.
//!
//! It decides that super-segments are cut where they leave the host, as a card with segmentation offload does: a network
//! carries packets. A card never is full; queues are where the links are.

use std::io;

use bowline_base::Instant;
use bowline_device::cut::Cutter;
use bowline_device::{Capabilities, Device, Readiness, RxPacket, Transmitted, TxPacket, WakeSlot};
use bytes::Bytes;

use crate::kernel::Inbox;
use crate::node::NodeId;
use crate::world::World;

/// A network card of a simulated host.
///
/// [`Sim::host`](crate::Sim::host) makes hosts that have one. Others, from [`Sim::card`](crate::Sim::card), are for stacks
/// that are not bowline's, or that are driven by hand.
#[derive(Debug)]
pub struct Card {
    world: World,
    node: NodeId,
    capabilities: Capabilities,
    slot: WakeSlot,
    cutter: Cutter,
}

impl Card {
    pub(crate) fn new(world: World, node: NodeId, capabilities: Capabilities, slot: WakeSlot) -> Self {
        Self { world, node, capabilities, slot, cutter: Cutter::new() }
    }

    pub(crate) fn inbox(slot: &WakeSlot) -> Inbox {
        Inbox { packets: std::collections::VecDeque::new(), slot: slot.clone() }
    }
}

impl Device for Card {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        Ok(self.world.with(|kernel| kernel.receive(self.node)))
    }

    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        let (node, mtu) = (self.node, usize::from(self.capabilities.mtu));
        let cutter = &mut self.cutter;
        let count = self.world.with(|kernel| {
            cutter.sent(packet, |wire| {
                if wire.len() <= mtu {
                    kernel.forward(node, Bytes::copy_from_slice(wire));
                }
            })
        });
        Ok(if count == 0 { Transmitted::Dropped } else { Transmitted::Sent })
    }

    fn readiness(&self) -> Readiness<'_> {
        Readiness::Wake(&self.slot)
    }
}
