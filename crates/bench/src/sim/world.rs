//! The narrow place, the ways, and the clock: who gets which packet when.
//!
//! It decides what is lost. It knows of packets no more than their lengths, and of stacks no more than when they want to be asked
//! again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bowline_base::Instant;

use super::{Contender, World};
use crate::Result;
use crate::report::fairness;

/// One end of a flow. What it sends are whole IP packets.
pub trait Side {
    /// Takes a packet, if one has come, does all that is due, and sends what may leave now.
    ///
    /// # Errors
    /// When the stack has given up.
    fn turn(&mut self, now: Instant, arrived: Option<Vec<u8>>, send: &mut dyn FnMut(Vec<u8>)) -> Result<()>;
    /// When it wants a turn although nothing has come.
    fn next(&mut self, now: Instant) -> Option<Instant>;
    /// Bytes that its application has read.
    fn received(&self) -> u64;
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// When the last flow had delivered what it must.
    pub lasted: Instant,
    /// What each flow had delivered by then.
    pub received: Vec<u64>,
    /// Packets that came to the narrow place, and those that found its queue full.
    pub packets: (u64, u64),
}

impl Outcome {
    /// Bytes that all applications got, in millions a second.
    #[must_use]
    pub fn goodput(&self) -> f64 {
        self.received.iter().sum::<u64>() as f64 / 1e6 / self.lasted.since(Instant::ZERO).as_secs_f64()
    }

    /// Jain's index over what the flows got.
    #[must_use]
    pub fn fairness(&self) -> f64 {
        fairness(self.received.iter().map(|&bytes| bytes as f64))
    }

    /// Packets dropped, in percent.
    #[must_use]
    pub fn dropped(&self) -> f64 {
        100.0 * self.packets.1 as f64 / self.packets.0.max(1) as f64
    }
}

/// One direction of the narrow place.
struct Narrow {
    /// When all that waits will have left.
    free_at: Instant,
    packets: u64,
    dropped: u64,
}

impl Narrow {
    const fn new() -> Self {
        Self { free_at: Instant::ZERO, packets: 0, dropped: 0 }
    }

    /// When a packet of `len` bytes is through; `None` if there is no room for it.
    fn admit(&mut self, world: &World, now: Instant, len: usize) -> Option<Instant> {
        self.packets += 1;
        let nanos = |bytes: u64| std::time::Duration::from_nanos(bytes * 1_000_000_000 / world.rate);
        let waits = self.free_at.since(now);
        if waits + nanos(len as u64) > nanos(world.queue) {
            self.dropped += 1;
            return None;
        }
        self.free_at = now + waits + nanos(len as u64);
        Some(self.free_at)
    }
}

/// What happens to a side. Sides are numbered: twice the flow's number, and one more for the end that listens.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival(usize, Vec<u8>),
    Wake(usize),
}

/// The time when it is over at the latest, whatever the flows have not done.
const PATIENCE: Instant = Instant::from_secs(2_000);

pub(super) fn run(world: &World, contender: &dyn Contender) -> Result<Outcome> {
    let mut sides = Vec::new();
    for _ in &world.delays {
        sides.extend(contender.ends(world)?);
    }
    let mut run = Run {
        world,
        narrow: [Narrow::new(), Narrow::new()],
        events: BinaryHeap::new(),
        count: 0,
        armed: vec![None; sides.len()],
    };
    // The ends that listen come first: nobody calls in vain.
    for side in (0..sides.len()).rev() {
        run.push(Instant::ZERO, Happening::Wake(side));
        run.armed[side] = Some(Instant::ZERO);
    }
    let mut missing = world.delays.len();
    while let Some(Reverse((now, _, happening))) = run.events.pop() {
        if now > PATIENCE {
            break;
        }
        let (side, packet) = match happening {
            Happening::Arrival(side, packet) => (side, Some(packet)),
            Happening::Wake(side) if run.armed[side] == Some(now) => (side, None),
            Happening::Wake(_) => continue,
        };
        let before = sides[side].received();
        run.turn(now, side, sides[side].as_mut(), packet)?;
        if before < world.bytes && sides[side].received() >= world.bytes {
            missing -= 1;
        }
        if missing == 0 {
            let received = sides.iter().skip(1).step_by(2).map(|side| side.received()).collect();
            let [there, back] = run.narrow;
            let packets = (there.packets + back.packets, there.dropped + back.dropped);
            return Ok(Outcome { lasted: now, received, packets });
        }
    }
    Err(format!("{missing} of {} flows were not done in time", world.delays.len()).into())
}

struct Run<'a> {
    world: &'a World,
    narrow: [Narrow; 2],
    events: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    count: u64,
    /// When each side will be woken.
    armed: Vec<Option<Instant>>,
}

impl Run<'_> {
    fn push(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.events.push(Reverse((at, self.count, happening)));
    }

    fn turn(&mut self, now: Instant, index: usize, side: &mut dyn Side, packet: Option<Vec<u8>>) -> Result<()> {
        let (flow, way) = (index / 2, index % 2);
        side.turn(now, packet, &mut |packet| {
            if let Some(through) = self.narrow[way].admit(self.world, now, packet.len()) {
                self.push(through + self.world.delays[flow][way], Happening::Arrival(index ^ 1, packet));
            }
        })?;
        let next = side.next(now).map(|at| at.max(now));
        if let Some(at) = next.filter(|_| next != self.armed[index] || next == Some(now)) {
            self.push(at, Happening::Wake(index));
        }
        self.armed[index] = next;
        Ok(())
    }
}
