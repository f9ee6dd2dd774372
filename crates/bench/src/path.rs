//! A network between senders and one receiver, in one process: TUN devices of two namespaces, hosts of ours in memory, and
//! our impairment layer between them.
//!
//! It decides that senders meet the same network whoever they are: wire packets enter one [`Link`] towards the receiver, and
//! what the receiver says comes back through another. The receiver is always the kernel, behind a TUN without offloads in a
//! namespace of its own; kernel senders are behind a TUN in the namespace of this process. Nothing here knows what is
//! measured.

mod host;
mod kernel;
mod receiver;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::impairment::{Direction, ImpairmentMonitor, Impairments, Link};
use bowline_device::tun::{Offloads, TunConfig};
use bowline_device::{Device, Transmitted, Tun, TxPacket};
use bowline_tcp::Algorithm;
use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use self::host::Host;
use self::receiver::Receiver;
use crate::Result;
use crate::process::{self, Namespace};

const SHORT: Duration = Duration::from_secs(5);
/// The TUN of kernel senders, in the namespace of this process.
const SENDERS: &str = "senders0";
/// The TUN of the receiver, in the other one.
const RECEIVER: &str = "receiver0";
/// The addresses of kernel senders, of ours and of the receiver.
const KERNEL: [u8; 3] = [10, 77, 1];
const OURS: [u8; 3] = [10, 77, 2];
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 1);
/// Packets that are taken from a device before others have their turn.
const BATCH: usize = 64;
/// The longest that the loop sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(20);
/// How long all flows of a turn may take to open.
const OPENING: Duration = Duration::from_secs(30);

/// Whose TCP sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The kernel, with the congestion control of this name.
    Kernel(&'static str),
    /// Bowline.
    Bowline(Algorithm),
}

impl Who {
    /// The name in a report.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Kernel(algorithm) => format!("Linux {algorithm}"),
            Self::Bowline(algorithm) => format!("bowline {}", format!("{algorithm:?}").to_lowercase()),
        }
    }
}

/// A congestion controller that the kernel and Bowline both have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Controller {
    /// CUBIC.
    #[default]
    Cubic,
    /// BBR: version 3 of ours, and of the kernel's the one that it has.
    Bbr,
}

impl Controller {
    /// Bowline with this controller.
    pub(crate) fn ours(self) -> Who {
        Who::Bowline(match self {
            Self::Cubic => Algorithm::Cubic,
            Self::Bbr => Algorithm::Bbr,
        })
    }

    /// The kernel with this controller.
    pub(crate) fn theirs(self) -> Who {
        Who::Kernel(match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        })
    }
}

/// Several flows of one sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) who: Who,
    pub(crate) flows: usize,
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// The way to the receiver, and the way back.
    pub(crate) data: Impairments,
    pub(crate) acks: Impairments,
    /// How late packets are at most when they enter the way to the receiver, evenly; they stay in order.
    pub(crate) lateness: Duration,
    /// Where the network's luck comes from.
    pub(crate) seed: u64,
    pub(crate) groups: Vec<Group>,
    /// Time before counting begins, once all flows are open.
    pub(crate) warm_up: Duration,
    /// Time of counting.
    pub(crate) length: Duration,
}

/// The namespaces and devices; turns follow each other on it.
#[derive(Debug)]
pub(crate) struct Path {
    senders: Tun,
    tun: Tun,
    namespace: Namespace,
}

impl Path {
    /// Makes everything. This process is in a namespace of its own already.
    pub(crate) fn open() -> Result<Self> {
        let mine = [
            &["ip", "link", "set", "lo", "up"][..],
            &["ip", "tuntap", "add", "dev", SENDERS, "mode", "tun"],
            &["ip", "link", "set", SENDERS, "mtu", "1500", "txqueuelen", "10000", "up"],
            &["ip", "route", "add", "10.77.0.0/16", "dev", SENDERS],
        ];
        for words in mine {
            process::output(words, SHORT)?;
        }
        // What the kernel remembers of one turn must not help it, or harm it, in the next.
        process::set_sysctl("tcp_no_metrics_save", "1")?;
        let senders = Tun::open(&plain(SENDERS))?;
        let namespace = Namespace::open()?;
        let tun = namespace.within(|| {
            let theirs = [
                &["ip", "link", "set", "lo", "up"][..],
                &["ip", "tuntap", "add", "dev", RECEIVER, "mode", "tun"],
                &["ip", "link", "set", RECEIVER, "mtu", "1500", "txqueuelen", "10000", "up"],
                &["ip", "address", "add", "10.77.3.1/32", "dev", RECEIVER],
                &["ip", "route", "add", "10.77.0.0/16", "dev", RECEIVER],
            ];
            for words in theirs {
                process::output(words, SHORT)?;
            }
            Ok(Tun::open(&plain(RECEIVER))?)
        })?;
        Ok(Self { senders, tun, namespace })
    }

    /// One measurement: for each group, in Mbit/s, what the receiving application got of each of its flows.
    pub(crate) fn measure(&mut self, turn: &Turn) -> Result<Vec<Vec<f64>>> {
        let receiver = self.namespace.within(|| Receiver::open(TARGET))?;
        let target = receiver.address();
        let sources: Vec<Ipv4Addr> = (1..).zip(&turn.groups).map(|(n, group)| source(group.who, n)).collect();
        let mut hosts = Vec::new();
        for (group, from) in turn.groups.iter().zip(&sources) {
            if let Who::Bowline(algorithm) = group.who {
                hosts.push(Host::open(*from, target, algorithm, group.flows)?);
            }
        }
        let mut network = Network::new(&mut self.senders, &mut self.tun, turn, hosts);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| network.run(&stop));
            let rates = watch(turn, &sources, &receiver, || moving.is_finished());
            stop.store(true, Ordering::Relaxed);
            moving.join().map_err(|_| "the network panicked")??;
            rates
        })
    }
}

/// Opens the kernel's flows, waits until all are open and warm, and counts what arrives.
fn watch(turn: &Turn, from: &[Ipv4Addr], to: &Receiver, is_over: impl Fn() -> bool) -> Result<Vec<Vec<f64>>> {
    let mut senders = Vec::new();
    for (group, from) in turn.groups.iter().zip(from) {
        if let Who::Kernel(algorithm) = group.who {
            senders.push(kernel::Senders::open(*from, to.address(), algorithm, group.flows)?);
        }
    }
    let wanted: usize = turn.groups.iter().map(|group| group.flows).sum();
    process::wait_until("all flows to open", OPENING, || {
        if is_over() { Err("the network stopped".into()) } else { Ok(to.flows() == wanted) }
    })?;
    std::thread::sleep(turn.warm_up);
    let (before, started) = (to.counts(), Clock::now());
    std::thread::sleep(turn.length);
    let (after, elapsed) = (to.counts(), started.elapsed());
    Ok(from.iter().map(|from| receiver::rates(&before, &after, (*from).into(), elapsed)).collect())
}

fn source(who: Who, number: u8) -> Ipv4Addr {
    let [a, b, c] = if matches!(who, Who::Kernel(_)) { KERNEL } else { OURS };
    Ipv4Addr::new(a, b, c, number)
}

/// Wire packets with complete checksums: what a network carries.
fn plain(name: &str) -> TunConfig {
    TunConfig { name: name.to_owned(), mtu: None, offloads: Offloads::None }
}

/// What moves packets during a turn.
struct Network<'a> {
    senders: &'a mut Tun,
    receiver: &'a mut Tun,
    /// The ways to the one that all share: the kernel's, and ours.
    access: [Link; 2],
    data: Link,
    acks: Link,
    hosts: Vec<Host>,
    started: Clock,
}

impl<'a> Network<'a> {
    fn new(senders: &'a mut Tun, receiver: &'a mut Tun, turn: &Turn, hosts: Vec<Host>) -> Self {
        let link = |direction, impairments, seed| Link::new(direction, impairments, seed, ImpairmentMonitor::new());
        let late = turn.lateness / 2;
        let late = Impairments { delay: late, jitter: late, ..Impairments::default() };
        let access = [1, 2].map(|number| link(Direction::Egress, late, turn.seed + number));
        let (data, acks) =
            (link(Direction::Egress, turn.data, turn.seed), link(Direction::Ingress, turn.acks, turn.seed));
        Self { senders, receiver, access, data, acks, hosts, started: Clock::now() }
    }

    /// Moves packets until `stop` is set.
    fn run(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::ZERO + self.started.elapsed();
            let moved = self.forth(now)? + self.back(now)?;
            if moved == 0 {
                self.wait(now)?;
            }
        }
        Ok(())
    }

    /// From senders to the receiver; how many packets moved.
    fn forth(&mut self, now: Instant) -> Result<usize> {
        let Self { senders, receiver, access, data, acks, hosts, .. } = self;
        let [kernel, ours] = access;
        let mut moved = take(senders, now, kernel)?;
        for host in hosts {
            moved += host.turn(now, |wire| ours.offer(now, wire))?;
        }
        for link in [kernel, ours] {
            // nothing on these ways is too large for them
            while let Some(packet) = link.front(now, |_| {}) {
                data.offer(now, &packet);
                link.pop();
            }
        }
        while let Some(packet) = data.front(now, |error| acks.offer(now, error)) {
            // what the device does not take is lost on the way
            let sent = receiver.transmit(now, &whole(&packet))? == Transmitted::Sent;
            data.delivered(&packet, sent);
            data.pop();
            moved += 1;
        }
        Ok(moved)
    }

    /// From the receiver to whom it answers; how many packets moved.
    fn back(&mut self, now: Instant) -> Result<usize> {
        let Self { senders, receiver, data, acks, hosts, .. } = self;
        let mut moved = take(receiver, now, acks)?;
        while let Some(packet) = acks.front(now, |error| data.offer(now, error)) {
            let to = packet.get(16..20).unwrap_or_default();
            let sent = match hosts.iter_mut().find(|host| host.address().octets() == to) {
                Some(host) => {
                    host.receive(now, packet.clone());
                    true
                }
                None => senders.transmit(now, &whole(&packet))? == Transmitted::Sent,
            };
            acks.delivered(&packet, sent);
            acks.pop();
            moved += 1;
        }
        Ok(moved)
    }

    /// Waits for a packet, or until something is due.
    fn wait(&mut self, now: Instant) -> Result<()> {
        let hosts = self.hosts.iter_mut().filter_map(Host::next_due).min();
        let links = self.access.iter().chain([&self.data, &self.acks]).filter_map(Link::next_due);
        let due = links.chain(hosts).min();
        let timeout = Timespec::try_from(due.map_or(NAP, |due| due.since(now)).min(NAP))?;
        let mut fds = [PollFd::new(&*self.senders, PollFlags::IN), PollFd::new(&*self.receiver, PollFlags::IN)];
        poll(&mut fds, Some(&timeout))?;
        Ok(())
    }
}

/// Takes what waits in a device into a link.
fn take(from: &mut Tun, now: Instant, to: &mut Link) -> Result<usize> {
    for taken in 0..BATCH {
        let Some(packet) = from.receive(now)? else { return Ok(taken) };
        if packet.data.first().is_some_and(|byte| byte >> 4 == 4) {
            to.offer(now, &packet.data);
        }
    }
    Ok(BATCH)
}

/// A packet with nothing left to do.
fn whole(packet: &Bytes) -> TxPacket<'_> {
    TxPacket { head: packet, payload: &[], owners: &[], checksum: None, segment: None }
}
