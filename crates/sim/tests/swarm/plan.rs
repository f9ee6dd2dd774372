//! A world and what happens in it, as a value: made from a seed, written down, read again, made smaller.

use std::time::Duration;

use bowline::EcnMode;
use bowline_base::random::Randomness;
use serde::{Deserialize, Serialize};

/// When everything is well again, in milliseconds.
pub(crate) const HEALED: u64 = 20_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) routers: usize,
    pub(crate) links: Vec<LinkPlan>,
    #[serde(default)]
    pub(crate) flows: Vec<FlowPlan>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostPlan {
    pub(crate) mtu: u16,
    pub(crate) options: OptionsPlan,
}

/// What differs from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OptionsPlan {
    pub(crate) new_reno: bool,
    pub(crate) no_sack: bool,
    pub(crate) no_timestamps: bool,
    pub(crate) no_scaling: bool,
    pub(crate) ecn: bool,
    #[serde(default)]
    pub(crate) accurate_ecn: bool,
    pub(crate) nodelay: bool,
    pub(crate) cork: bool,
    pub(crate) send_buffer: Option<u32>,
    pub(crate) receive_buffer: Option<u32>,
}

/// Hosts come first, then routers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkPlan {
    pub(crate) ends: [usize; 2],
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with a link, in both directions or in one. Times are in microseconds, shares of a thousand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) way: Option<u8>,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    Kbit(u32),
    Queue(Kind, usize),
    Police {
        kbit: u32,
        burst: usize,
    },
    Delay(u64),
    Jitter(u64),
    Loss(u32),
    Bursts {
        begin: u32,
        end: u32,
    },
    Duplicate(u32),
    Corrupt(u32),
    Reorder {
        share: u32,
        gap: u16,
        hold: u64,
    },
    Mtu(u16),
    BlackHole(u16),
    /// From when until when it is cut, in milliseconds.
    Cut(u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    DropTail,
    CoDel,
    FqCoDel,
    StepMark,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowPlan {
    pub(crate) ends: [usize; 2],
    pub(crate) v6: bool,
    /// In milliseconds.
    pub(crate) start: u64,
    /// Bytes from the one that connects, and to it.
    pub(crate) bytes: [u64; 2],
    /// How much is written and read at once.
    pub(crate) chunk: usize,
    /// How long the readers rest after each read, in microseconds.
    pub(crate) rest: u64,
    /// Whether the one that connects says that it is done before it reads.
    pub(crate) half_close: bool,
    /// After how many bytes the one that connects resets.
    pub(crate) abort: Option<u64>,
    pub(crate) options: OptionsPlan,
}

impl Fault {
    pub(crate) fn is_lossy(&self) -> bool {
        matches!(self.what, What::Loss(_) | What::Bursts { .. })
    }
}

struct Dice(Randomness);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut key = [0x5a; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self(Randomness::new(key))
    }

    fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.0.below(of) == 0
    }

    /// Between powers of two, each as likely: small and large ones are as frequent.
    fn skewed(&mut self, least: u32, most: u32) -> u64 {
        let bits = self.within(least.into(), most.into());
        self.within(1 << bits, (2 << bits) - 1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize]
    }
}

impl Plan {
    pub(crate) fn random(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.within(2, 6) as usize;
        let hosts = (0..count).map(|_| host(&mut dice)).collect();
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
        let flows = (0..dice.within(1, 8)).map(|_| flow(&mut dice, count as u64)).collect();
        Self { seed, hosts, routers, links, flows }
    }

    pub(crate) fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    pub(crate) fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// How long after it is well again all must be done: the longest time-out, and four times what the bytes take.
    pub(crate) fn patience(&self) -> Duration {
        let kbit = self.links.iter().flat_map(|link| &link.faults).filter_map(|fault| match fault.what {
            What::Kbit(kbit) => Some(u64::from(kbit)),
            _ => None,
        });
        let slowest = kbit.min().unwrap_or(1_000_000);
        let bytes: u64 = self.flows.iter().map(|flow| flow.bytes[0] + flow.bytes[1]).sum();
        let rests = self.flows.iter().map(|flow| flow.rest * (flow.bytes[0] + flow.bytes[1])).max().unwrap_or(0);
        Duration::from_secs(240)
            + Duration::from_millis(4 * 8 * bytes / slowest)
            + Duration::from_micros(rests / 256)
            + self.round_trip() * self.rounds()
    }

    /// The longest time there and back that the links' delays can make.
    fn round_trip(&self) -> Duration {
        let micros = self.links.iter().flat_map(|link| &link.faults).map(|fault| match fault.what {
            What::Delay(micros) | What::Jitter(micros) => micros,
            _ => 0,
        });
        Duration::from_micros(2 * micros.sum::<u64>())
    }

    /// How many round trips the largest flow needs, where a small buffer lets a segment or two pass in each.
    fn rounds(&self) -> u32 {
        let small = |options: &OptionsPlan| options.send_buffer.is_some() || options.receive_buffer.is_some();
        let options = self.hosts.iter().map(|host| &host.options).chain(self.flows.iter().map(|flow| &flow.options));
        let most = self.flows.iter().map(|flow| flow.bytes[0] + flow.bytes[1]).max().unwrap_or(0);
        if options.into_iter().any(small) { u32::try_from(most / 1_000).unwrap_or(u32::MAX) } else { 0 }
    }
}

fn host(dice: &mut Dice) -> HostPlan {
    HostPlan { mtu: dice.of(&[1500, 1500, 1280, 1400, 9000]), options: options(dice) }
}

impl OptionsPlan {
    /// The ECN that it asks for.
    pub(crate) fn ecn(&self) -> EcnMode {
        match (self.ecn, self.accurate_ecn) {
            (false, _) => EcnMode::Off,
            (true, false) => EcnMode::Classic,
            (true, true) => EcnMode::Accurate,
        }
    }
}

fn options(dice: &mut Dice) -> OptionsPlan {
    let buffer = |dice: &mut Dice| dice.one_in(4).then(|| dice.skewed(11, 17) as u32);
    OptionsPlan {
        new_reno: dice.one_in(3),
        no_sack: dice.one_in(5),
        no_timestamps: dice.one_in(5),
        no_scaling: dice.one_in(8),
        ecn: dice.one_in(2),
        accurate_ecn: dice.one_in(2),
        nodelay: dice.one_in(2),
        cork: dice.one_in(6),
        send_buffer: buffer(dice),
        receive_buffer: buffer(dice),
    }
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

fn flow(dice: &mut Dice, hosts: u64) -> FlowPlan {
    let from = dice.within(0, hosts - 1);
    let to = (from + dice.within(1, hosts - 1)) % hosts;
    let bytes = [dice.skewed(0, 18), dice.skewed(0, 18)].map(|bytes| bytes - 1);
    FlowPlan {
        ends: [from as usize, to as usize],
        v6: dice.one_in(3),
        start: dice.within(0, HEALED / 2),
        bytes,
        chunk: dice.skewed(8, 15) as usize,
        rest: if dice.one_in(4) { dice.skewed(5, 14) } else { 0 },
        half_close: dice.one_in(2),
        abort: dice.one_in(6).then(|| dice.within(0, bytes[0])),
        options: options(dice),
    }
}
