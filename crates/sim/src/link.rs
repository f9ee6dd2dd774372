//! A link between two nodes, as the author of a simulation sees it: what it is like, and what happened on it.
//!
//! Everything may be changed at any time, also while packets are under way.

use std::time::Duration;

use bowline_device::impairment::{GilbertElliott, Loss, TooBig};
use bowline_device::units::{Percent, Rate};

use crate::kernel::WayId;
use crate::node::{Node, NodeId};
use crate::queue::Discipline;
use crate::shaper::{Policer, QueueSample};
use crate::way::{Way, WayCounters};
use crate::world::World;

/// A link, in both directions or (see [`toward`](Self::toward)) in one. New links are perfect: no delay, no rate, no loss.
///
/// Its methods change the direction or directions it stands for, and return it, so that they can be chained.
#[derive(Clone, Debug)]
pub struct Link {
    world: World,
    ways: Vec<(NodeId, WayId)>,
}

impl Link {
    pub(crate) fn new(world: World, ways: [(NodeId, WayId); 2]) -> Self {
        Self { world, ways: ways.to_vec() }
    }

    /// The direction that ends at `node` alone; none where the link does not end there.
    #[must_use]
    pub fn toward(&self, node: &impl Node) -> Self {
        let ways = self.ways.iter().copied().filter(|(to, _)| *to == node.id()).collect();
        Self { world: self.world.clone(), ways }
    }

    /// The rate at which packets enter the wire; default: no limit.
    pub fn rate(&self, rate: Rate) -> &Self {
        self.change(|_, way| way.shaper_mut().set_rate(Some(rate)))
    }

    /// What waits for the rate, and who gives way. Default: drop tail, 256 KiB.
    pub fn queue(&self, discipline: Discipline) -> &Self {
        self.change(|now, way| way.set_queue(now, discipline))
    }

    /// Drops what exceeds a token bucket, before the queue; `None`, the default, takes it away.
    pub fn policer(&self, policer: Option<Policer>) -> &Self {
        self.change(|_, way| way.set_policer(policer))
    }

    /// How long packets are on the wire; default: no time.
    pub fn delay(&self, delay: Duration) -> &Self {
        self.change(|_, way| way.change(|wire| wire.delay = delay))
    }

    /// How much the delay varies, evenly to both sides; packets stay in order. Default: not at all.
    pub fn jitter(&self, jitter: Duration) -> &Self {
        self.change(|_, way| way.change(|wire| wire.jitter = jitter))
    }

    /// The share of packets that is lost, each by itself, 0 to 1 (what lies beyond counts as the nearest); default 0.
    pub fn loss(&self, share: f64) -> &Self {
        self.change(|_, way| way.change(|wire| wire.loss = Loss::Random(percent(share))))
    }

    /// Loses packets in bursts; it replaces [`loss`](Self::loss).
    pub fn burst_loss(&self, model: GilbertElliott) -> &Self {
        self.change(|_, way| way.change(|wire| wire.loss = Loss::GilbertElliott(model)))
    }

    /// The share of packets that arrives twice; default 0.
    pub fn duplicate(&self, share: f64) -> &Self {
        self.change(|_, way| way.change(|wire| wire.duplicate = percent(share)))
    }

    /// The share of packets that arrives with one bit flipped; default 0.
    pub fn corrupt(&self, share: f64) -> &Self {
        self.change(|_, way| way.change(|wire| wire.corrupt = percent(share)))
    }

    /// The share of packets that arrives after `gap` later ones, but held no longer than `hold`; default 0.
    pub fn reorder(&self, share: f64, gap: u16, hold: Duration) -> &Self {
        self.change(|_, way| {
            way.change(|wire| {
                wire.reorder = percent(share);
                wire.reorder_gap = gap;
                wire.reorder_hold = hold;
            });
        })
    }

    /// The largest packet that passes, in bytes; senders of larger ones are told (RFC 1191, RFC 8201). Default: all pass.
    pub fn mtu(&self, mtu: u16) -> &Self {
        self.change(|_, way| way.change(|wire| (wire.mtu, wire.too_big) = (Some(mtu), TooBig::Report)))
    }

    /// The largest packet that passes, in bytes; larger ones vanish without a word (RFC 2923 2.1).
    pub fn black_hole(&self, mtu: u16) -> &Self {
        self.change(|_, way| way.change(|wire| (wire.mtu, wire.too_big) = (Some(mtu), TooBig::BlackHole)))
    }

    /// Cuts the link: what enters it is lost, until [`heal`](Self::heal).
    pub fn partition(&self) -> &Self {
        self.change(|_, way| way.set_cut(true))
    }

    /// Mends what [`partition`](Self::partition) cut.
    pub fn heal(&self) -> &Self {
        self.change(|_, way| way.set_cut(false))
    }

    /// Whether a direction of it is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.ways.iter().any(|(_, id)| self.look(*id, Way::is_cut).unwrap_or_default())
    }

    /// The rate of each direction.
    #[must_use]
    pub fn rates(&self) -> Vec<Option<Rate>> {
        self.ways.iter().filter_map(|(_, id)| self.look(*id, Way::rate)).collect()
    }

    /// What has happened in each direction.
    #[must_use]
    pub fn counters(&self) -> Vec<WayCounters> {
        self.ways.iter().filter_map(|(_, id)| self.look(*id, Way::counters)).collect()
    }

    /// Bytes that wait for the rate now, of all directions.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.ways.iter().filter_map(|(_, id)| self.look(*id, Way::queued)).sum()
    }

    /// How long packets waited in the queue so far, in each direction: the mean and this quantile (0 to 1).
    #[must_use]
    pub fn waits(&self, quantile: f64) -> Vec<(Duration, Duration)> {
        let of = |way: &Way| {
            let waits = way.waits();
            let mean = Duration::from_secs_f64(waits.mean().max(0.0) / 1e6);
            (mean, Duration::from_micros(waits.value_at_quantile(quantile)))
        };
        self.ways.iter().filter_map(|(_, id)| self.look(*id, of)).collect()
    }

    /// How the queue of each direction went, thinned to a few thousand samples.
    #[must_use]
    pub fn queue_samples(&self) -> Vec<Vec<QueueSample>> {
        self.ways.iter().filter_map(|(_, id)| self.look(*id, |way| way.samples().to_vec())).collect()
    }

    fn change(&self, change: impl Fn(bowline_base::Instant, &mut Way)) -> &Self {
        for (_, id) in &self.ways {
            self.world.with(|kernel| kernel.change_way(*id, &change));
        }
        self
    }

    fn look<R>(&self, id: WayId, look: impl FnOnce(&Way) -> R) -> Option<R> {
        self.world.with(|kernel| kernel.way(id).map(look))
    }
}

/// A share as a percentage; what is no number counts as none.
fn percent(share: f64) -> Percent {
    Percent::new((share * 100.0).clamp(0.0, 100.0)).unwrap_or(Percent::ZERO)
}
