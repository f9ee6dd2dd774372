//! Two hosts in one thread with a queue between them: what the protocol code alone costs.
//!
//! A [`Contender`] is a stack. The measurements are methods of the trait, because only the stack knows its fastest way;
//! what must be equal for all is said at each method. Time inside is virtual, so no contender pays for reading a clock.

mod bowline;
mod cable;
mod smoltcp;

use std::any::Any;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant as Clock};

pub use self::bowline::Bowline;
pub use self::smoltcp::Smoltcp;
use crate::report::{Better, Report};
use crate::{Error, Result};

/// Short connections at a time where there is more than one.
pub const CONNECTIONS_AT_ONCE: u16 = 500;

/// Packets that come together where there is more than one: half of what a device is read for at a time.
pub const BATCH: usize = 32;

/// What an application of a bulk transfer writes or reads at once, in bytes.
const APPLICATION_BUFFER: usize = 64 << 10;

/// How long single packets of one run may take together: some stacks need milliseconds for each.
pub const PACKET_TIME: Duration = Duration::from_secs(1);

/// What lies between the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The greatest IP packet on the wire, in bytes.
    pub mtu: usize,
    /// Whether both ends compute and verify IP and TCP checksums.
    pub checksums: bool,
    /// Whether a segment may be longer than the MTU allows, up to 64 KiB, and stays whole.
    pub super_segments: bool,
    /// Whether the applications of a bulk transfer write from buffers of their own and read into such, as over sockets. If
    /// not, they let the stack share or lend what it can.
    pub copying: bool,
}

impl Link {
    /// Every packet as on an Ethernet: 1500 bytes, checksums computed and verified.
    pub const ETHERNET: Self = Self { mtu: 1500, checksums: true, super_segments: false, copying: false };
    /// The same, used like a socket.
    pub const SOCKETS: Self = Self { copying: true, ..Self::ETHERNET };
    /// Super-segments over a link that needs no checksums, at MTU 1500.
    pub const OFFLOADED: Self = Self { mtu: 1500, checksums: false, super_segments: true, copying: false };
    /// The greatest packets that IP has, without checksums.
    pub const JUMBO: Self = Self { mtu: 65_535, checksums: false, super_segments: false, copying: false };
}

/// What a bulk transfer took.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Payload bytes that the receiving application got.
    pub bytes: u64,
    /// Packets with payload that crossed the link.
    pub segments: u64,
    /// From the first write to the last read, connection already open.
    pub elapsed: Duration,
}

impl Bulk {
    /// The rate in Gbit/s.
    pub fn gbit_per_s(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.elapsed.as_nanos() as f64
    }

    /// The time for one segment in nanoseconds, both ends and all acknowledgments together.
    pub fn ns_per_segment(&self) -> f64 {
        self.elapsed.as_nanos() as f64 / self.segments as f64
    }
}

/// A stack that takes part. A failure of the stack (a connection that does not open, bytes that do not come) is an error.
pub trait Contender {
    /// The name in the report.
    fn name(&self) -> &'static str;

    /// Sends `bytes` over one connection in one direction. The application neither fills nor looks at the payload.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn bulk(&mut self, link: Link, bytes: u64) -> Result<Bulk>;

    /// `count` times, `at_once` at a time over [`Link::ETHERNET`]: open a connection, send one byte there and one
    /// back, close both ends in order, and wait (in virtual time) until TIME-WAIT is over. Each application runs
    /// between what its host receives and what it sends then, so that acknowledgments travel with what it says: seven
    /// segments in all.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn open_exchange_close(&mut self, count: u64, at_once: u16) -> Result<Duration>;

    /// Opens `count` connections which then stay idle until the result is dropped. Both ends live in the result, so
    /// it owns `2 * count` ends.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>>;

    /// A host to which `count` clients have sent a SYN and nothing else, and nothing of the clients. `None`: it has no state
    /// smaller than a connection's for that.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn half_open(&mut self, count: usize) -> Result<Option<Box<dyn Any>>> {
        let _ = count;
        Ok(None)
    }

    /// Opens `count` connections between two hosts and keeps them, to send single packets over them.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn crowd(&mut self, count: usize) -> Result<Box<dyn Crowd>>;
}

/// Many open connections between two hosts.
pub trait Crowd {
    /// Sends a byte over connection `index` and reads it. The answer is the time in which the receiving host takes its
    /// segment and answers it with an acknowledgment.
    ///
    /// # Errors
    /// When the byte does not arrive or is not acknowledged at once, or when there is no such connection.
    fn round(&mut self, index: usize) -> Result<Duration>;

    /// The same over each of these connections, no more than [`BATCH`] and no two the same: their segments arrive together,
    /// as from a device. The answer is the time for all.
    ///
    /// # Errors
    /// As [`round`](Self::round).
    fn batch(&mut self, indices: &[usize]) -> Result<Duration>;
}

/// How much to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Only what has this in the name of the measure or of the contender; empty: everything.
    pub only: String,
    /// Turns of each contender.
    pub runs: usize,
    /// Bytes of one bulk transfer.
    pub bulk_bytes: u64,
    /// Connections of one open-exchange-close run.
    pub connections: u64,
    /// Open connections in the crowded case.
    pub crowd: usize,
    /// Single packets of one run; fewer where they take longer than [`PACKET_TIME`] together.
    pub rounds: u64,
}

impl Default for Plan {
    /// Some two minutes on two cores.
    fn default() -> Self {
        let only = String::new();
        Self { only, runs: 5, bulk_bytes: 4 << 30, connections: 200_000, crowd: 100_000, rounds: 200_000 }
    }
}

impl Plan {
    /// A plan of a few seconds, which shows that everything works and roughly where it stands.
    pub fn quick() -> Self {
        let only = String::new();
        Self { only, runs: 1, bulk_bytes: 256 << 20, connections: 20_000, crowd: 10_000, rounds: 20_000 }
    }

    fn wants(&self, measure: &str, contender: &dyn Contender) -> bool {
        measure.contains(&self.only) || contender.name().contains(&self.only)
    }
}

/// The contenders that this build has.
pub fn contenders() -> Vec<Box<dyn Contender>> {
    vec![Box::new(Bowline::default()), Box::new(Smoltcp::default())]
}

/// Measures speed: bulk transfer on three links, on one of them also between applications that copy, connections per second, the cost of a packet.
pub fn speed(contenders: &mut [Box<dyn Contender>], plan: &Plan) -> Report {
    let mut report = Report::default();
    let links = [
        ("bulk, MTU 1500, checksums", Link::ETHERNET),
        ("bulk, MTU 1500, checksums, applications copy", Link::SOCKETS),
        ("bulk, MTU 1500, super-segments, no checksums", Link::OFFLOADED),
        ("bulk, MTU 65535, no checksums", Link::JUMBO),
    ];
    let visits = [1, CONNECTIONS_AT_ONCE].map(|at_once| {
        let how = if at_once == 1 { "one connection".to_owned() } else { format!("{at_once} connections") };
        (format!("open, one byte each way, close; {how} at a time"), at_once)
    });
    for _ in 0..plan.runs {
        for (name, link) in links {
            for contender in contenders.iter_mut().filter(|contender| plan.wants(name, contender.as_ref())) {
                let bulk = contender.bulk(link, plan.bulk_bytes);
                let rate = bulk.as_ref().map(Bulk::gbit_per_s).map_err(copy);
                report.add_result((name, "Gbit/s", Better::Higher), contender.name(), rate);
                let cost = bulk.map(|bulk| bulk.ns_per_segment());
                let measure = format!("{name}: a segment, both ends");
                report.add_result((&measure, "ns", Better::Lower), contender.name(), cost);
            }
        }
        for (measure, at_once) in &visits {
            for contender in contenders.iter_mut().filter(|contender| plan.wants(measure, contender.as_ref())) {
                let rate = contender.open_exchange_close(plan.connections, *at_once);
                let rate = rate.map(|elapsed| plan.connections as f64 / elapsed.as_secs_f64());
                report.add_result((measure, "1/s", Better::Higher), contender.name(), rate);
            }
        }
        for contender in contenders.iter_mut() {
            packets(contender.as_mut(), plan, &mut report);
            batches(contender.as_mut(), plan, &mut report);
        }
    }
    report
}

/// The cost of a small packet: with one connection open, and with many, for one that the packet before was for as well
/// (what the number of connections costs) and for any one (what the processor's caches cost, besides).
fn packets(contender: &mut dyn Contender, plan: &Plan, report: &mut Report) {
    let what = "a one-byte segment in and its ACK out";
    let alone = (format!("{what}, 1 connection open"), false);
    let same = (format!("{what}, {} open, always the same one", plan.crowd), false);
    let random = (format!("{what}, {} open, any one of them", plan.crowd), true);
    for (open, measures) in [(1, vec![alone]), (plan.crowd, vec![same, random])] {
        let wanted = |(measure, _): &(String, bool)| plan.wants(measure, contender);
        let measures: Vec<_> = measures.into_iter().filter(wanted).collect();
        if measures.is_empty() {
            continue;
        }
        let mut crowd = contender.crowd(open);
        for (measure, any) in measures {
            let range = if any { open } else { 1 };
            let cost = crowd.as_mut().map_err(|error| copy(error));
            let cost = cost.and_then(|crowd| packet_cost(crowd.as_mut(), plan.rounds, range));
            report.add_result((&measure, "ns", Better::Lower), contender.name(), cost);
        }
    }
}

/// The cost of a small packet of [`BATCH`] that come together, each for another connection: with no more connections open
/// than that, and for any of many.
fn batches(contender: &mut dyn Contender, plan: &Plan, report: &mut Report) {
    for open in [BATCH, plan.crowd.max(BATCH)] {
        let measure = format!("one-byte segments and their ACKs, {BATCH} at a time, any of {open} open: each");
        if !plan.wants(&measure, contender) {
            continue;
        }
        let cost = contender.crowd(open).and_then(|mut crowd| batch_cost(crowd.as_mut(), plan.rounds, open));
        report.add_result((&measure, "ns", Better::Lower), contender.name(), cost);
    }
}

/// The median over batches of the time for a packet of one, up to `rounds` packets in all.
fn batch_cost(crowd: &mut dyn Crowd, rounds: u64, open: usize) -> Result<f64> {
    let (clock, mut draw) = (clock_cost(), Draw::default());
    let (mut total, mut costs) = (Duration::ZERO, Vec::new());
    while ((costs.len() * BATCH) as u64) < rounds && total < PACKET_TIME {
        let mut indices = Vec::with_capacity(BATCH);
        while indices.len() < BATCH {
            let index = draw.below(open);
            if !indices.contains(&index) {
                indices.push(index);
            }
        }
        let cost = crowd.batch(&indices)?.saturating_sub(clock);
        total += cost;
        costs.push(cost);
    }
    costs.sort_unstable();
    let median = costs.get(costs.len() / 2).ok_or("no packet was measured")?;
    Ok(median.as_nanos() as f64 / BATCH as f64)
}

/// The median of up to `rounds` packets, each for one of the first `range` connections. (Not the mean: on a machine that
/// others share, that tells how often they interrupted.)
fn packet_cost(crowd: &mut dyn Crowd, rounds: u64, range: usize) -> Result<f64> {
    let (clock, mut draw) = (clock_cost(), Draw::default());
    let (mut total, mut costs) = (Duration::ZERO, Vec::new());
    while (costs.len() as u64) < rounds && total < PACKET_TIME {
        let cost = crowd.round(draw.below(range))?.saturating_sub(clock);
        total += cost;
        costs.push(cost);
    }
    costs.sort_unstable();
    let median = costs.get(costs.len() / 2).ok_or("no packet was measured")?;
    Ok(median.as_nanos() as f64)
}

/// Half-open connections whose memory is measured, at most: more are answered with cookies.
const HALF_OPEN: usize = 50_000;

/// Measures memory: bytes for each end of an idle connection, and for a half-open one, by `allocated`, which tells how many
/// bytes the process has allocated. Deterministic, so there is one run.
pub fn footprint(contenders: &mut [Box<dyn Contender>], plan: &Plan, allocated: fn() -> usize) -> Report {
    let mut report = Report::default();
    for contender in contenders.iter_mut() {
        let before = allocated();
        let size = contender.idle(plan.crowd).map(|connections| {
            let after = allocated();
            drop(connections);
            (after.saturating_sub(before)) as f64 / (2 * plan.crowd) as f64
        });
        let measure = format!("an idle connection, one end, {} open", plan.crowd);
        report.add_result((&measure, "bytes", Better::Lower), contender.name(), size);
        let (before, count) = (allocated(), plan.crowd.min(HALF_OPEN));
        let size = contender.half_open(count).map(|half_open| {
            half_open.map(|half_open| {
                let after = allocated();
                drop(half_open);
                after.saturating_sub(before) as f64 / count as f64
            })
        });
        if let Some(size) = size.transpose() {
            let measure = format!("a half-open connection, {count} of them");
            report.add_result((&measure, "bytes", Better::Lower), contender.name(), size);
        }
    }
    report
}

/// Numbers drawn at random, the same in every run.
#[derive(Debug)]
pub struct Draw(u64);

impl Default for Draw {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Draw {
    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// The clients' ports of `count` short connections (a few more where that does not divide), `at_once` at a time.
fn visitors(count: u64, at_once: u16) -> impl Iterator<Item = RangeInclusive<u16>> {
    let at_once = at_once.max(1);
    let groups = 50_000 / at_once;
    (0..count.div_ceil(at_once.into())).map(move |group| {
        let first = 10_000 + (group % u64::from(groups)) as u16 * at_once;
        first..=first + (at_once - 1)
    })
}

/// What it costs to read the clock twice, to be taken off what was measured between two readings.
pub fn clock_cost() -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..1000 {
        let started = Clock::now();
        least = least.min(started.elapsed());
    }
    least
}

fn copy(error: &Error) -> Error {
    error.to_string().into()
}

#[cfg(test)]
mod tests;
