//! A world from a seed.

use bowline_base::random::Randomness;

use crate::plan::{Fault, FlowPlan, HEALED, HostPlan, Kind, Leave, LinkPlan, Manner, Pen, Plan, What};
use crate::settings::{draw_connection, draw_host, may_forget};

pub(crate) struct Dice(Randomness);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut key = [0x5a; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self(Randomness::new(key))
    }

    pub(crate) fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.0.below(of) == 0
    }

    /// Between powers of two, each as likely: small and large ones are as frequent.
    pub(crate) fn skewed(&mut self, least: u32, most: u32) -> u64 {
        let bits = self.within(least.into(), most.into());
        self.within(1 << bits, (2 << bits) - 1)
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize]
    }

    /// Between two numbers: each as likely where they are near, each order of magnitude where they are not.
    pub(crate) fn about(&mut self, least: u64, most: u64) -> u64 {
        if most < least.saturating_mul(64).max(1 << 9) {
            return self.within(least, most);
        }
        let (low, high) = (least.max(1).ilog2(), most.ilog2());
        self.skewed(low, high).clamp(least, most)
    }
}

impl Plan {
    pub(crate) fn random(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.within(2, 6) as usize;
        let hosts: Vec<_> = (0..count).map(|_| host(&mut dice)).collect();
        let keys = if dice.one_in(6) { dice.within(1, 5) } else { 0 };
        let routers = if count == 2 && dice.one_in(2) { 0 } else { dice.within(1, 3) as usize };
        let mut links = Vec::new();
        if routers == 0 {
            links.push(link(&mut dice, [0, 1]));
        }
        for router in 1..routers {
            let other = dice.within(0, router as u64 - 1) as usize;
            links.push(link(&mut dice, [count + router, count + other]));
        }
        for host in 0..if routers > 0 { count } else { 0 } {
            let router = dice.within(0, routers as u64 - 1) as usize;
            links.push(link(&mut dice, [host, count + router]));
        }
        corrupt_once(&mut links);
        let flows = (0..dice.within(1, 8)).map(|_| flow(&mut dice, &hosts)).collect();
        let jumps = (0..dice.of(&[0, 0, 0, 1, 2])).map(|_| [dice.within(0, HEALED - 1), dice.about(1, 1 << 14)]);
        let mut jumps: Vec<_> = jumps.collect();
        jumps.sort_unstable();
        Self { seed, routers, keys, jumps, hosts, links, flows }
    }
}

fn host(dice: &mut Dice) -> HostPlan {
    let mtu = dice.of(&[1500, 1500, 1280, 1400, 9000]);
    HostPlan { mtu, host: draw_host(dice), options: draw_connection(dice) }
}

fn link(dice: &mut Dice, ends: [usize; 2]) -> LinkPlan {
    let mut faults = vec![Fault { way: None, what: What::Delay(dice.skewed(3, 16)) }];
    for _ in 0..dice.within(0, 5) {
        let way = dice.one_in(2).then(|| dice.within(0, 1) as u8);
        faults.push(Fault { way, what: fault(dice) });
    }
    LinkPlan { ends, faults }
}

/// Leaves one link at most that damages packets. Two of them may flip the same bit of two words in opposite directions,
/// which the Internet checksum cannot notice, and which no TCP can make good (seed 314 once found such a packet).
fn corrupt_once(links: &mut [LinkPlan]) {
    let mut found = false;
    for link in links {
        let before = found;
        let corrupts = |fault: &Fault| matches!(fault.what, What::Corrupt(_));
        found |= link.faults.iter().any(corrupts);
        link.faults.retain(|fault| !(before && corrupts(fault)));
    }
}

fn fault(dice: &mut Dice) -> What {
    let kbit = |dice: &mut Dice| dice.skewed(9, 16) as u32;
    let kinds = [Kind::DropTail, Kind::CoDel, Kind::FqCoDel, Kind::StepMark];
    match dice.within(0, 13) {
        0 | 1 => What::Kbit(kbit(dice)),
        2 => What::Queue(dice.of(&kinds), dice.skewed(11, 18) as usize),
        3 => What::Police { kbit: kbit(dice), burst: dice.skewed(12, 17) as usize },
        4 => What::Delay(dice.skewed(3, 18)),
        5 => What::Jitter(dice.skewed(3, 14)),
        6 => What::Loss(dice.within(1, 150) as u32),
        7 => What::Bursts { begin: dice.within(1, 20) as u32, end: dice.within(50, 500) as u32 },
        8 => What::Duplicate(dice.within(1, 200) as u32),
        9 => What::Corrupt(dice.within(1, 50) as u32),
        10 => What::Reorder {
            share: dice.within(1, 300) as u32,
            gap: dice.within(1, 20) as u16,
            hold: dice.skewed(8, 17),
        },
        11 => What::Mtu(dice.within(1280, 1500) as u16),
        12 => What::BlackHole(dice.within(600, 1500) as u16),
        _ => {
            let from = dice.within(0, HEALED - 1_000);
            What::Cut(from, (from + dice.skewed(6, 13)).min(HEALED))
        }
    }
}

fn flow(dice: &mut Dice, hosts: &[HostPlan]) -> FlowPlan {
    let count = hosts.len() as u64;
    let from = dice.within(0, count - 1);
    let to = (from + dice.within(1, count - 1)) % count;
    let server = &hosts[to as usize];
    let bytes = [dice.skewed(0, 18), dice.skewed(0, 18)].map(|bytes| bytes - 1);
    let side = dice.within(0, 1) as usize;
    let (leaves, after, resets) = (dice.one_in(5), dice.within(0, bytes[side]), dice.one_in(2));
    let manner = match dice.within(0, 4) {
        0 => Manner::ClientFirst,
        1 => Manner::ServerFirst,
        2 => Manner::Answer,
        3 if !may_forget(&server.host, &server.options) => Manner::Greeting,
        _ => Manner::Together,
    };
    FlowPlan {
        ends: [from as usize, to as usize],
        v6: dice.one_in(3),
        door: dice.within(0, 2) as u16,
        // Often all at once.
        start: if dice.one_in(3) { 0 } else { dice.within(0, HEALED / 2) },
        bytes,
        chunk: dice.skewed(8, 15) as usize,
        rest: if dice.one_in(4) { dice.skewed(5, 14) } else { 0 },
        manner,
        pen: dice.of(&[Pen::Copied, Pen::Shared, Pen::Urgent]),
        restless: dice.one_in(4),
        leave: leaves.then_some(Leave { side, after, resets }),
        options: draw_connection(dice),
    }
}
