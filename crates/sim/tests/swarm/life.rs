//! A world's life: the flows run, the network heals, and everything is looked at.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bowline::Listen;
use bowline_base::Instant;
use bowline_fuzz::options::memory_bound;
use bowline_sim::{Discipline, GilbertElliott, Host, Link, Node, NodeId, Policer, Rate, Sim};
use tokio::task::JoinHandle;

use crate::flow::{Door, Flow, Script};
use crate::plan::{HEALED, Kind, LinkPlan, Plan, What};
use crate::settings::{Ground, ground, may_take_old, options};

/// What a world came to, in words: two lives of one world are the same.
pub(crate) type Story = Vec<String>;

/// How often connections are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Nothing of a connection is left after this: TIME-WAIT, a half-closed or a forsaken connection.
const AFTERLIFE: Duration = Duration::from_secs(600);
const FIRST_PORT: u16 = 10_000;

/// Lives it; an error says what was wrong.
pub(crate) fn live(plan: &Plan, record: Option<&Path>) -> Result<Story, String> {
    let world = World::new(plan, record).map_err(|error| error.to_string())?;
    let verdict = world.live(plan);
    world.sim.finish_record().map_err(|error| error.to_string())?;
    verdict
}

struct World {
    sim: Sim,
    hosts: Vec<Place>,
    links: Vec<Link>,
    cuts: Vec<(Link, [u64; 2])>,
}

/// A host, how it was set, and what none of its connections may exceed.
struct Place {
    host: Host,
    ground: Ground,
    memory: u64,
}

/// Flows under way, and those who let them in.
struct Going {
    flows: Vec<Flow>,
    doors: Vec<JoinHandle<()>>,
    is_healed: bool,
}

impl Going {
    fn is_over(&self) -> bool {
        self.flows.iter().all(Flow::is_over)
    }
}

impl World {
    fn new(plan: &Plan, record: Option<&Path>) -> io::Result<Self> {
        let sim = match record {
            Some(directory) => Sim::recorded(plan.seed, directory)?,
            None => Sim::new(plan.seed)?,
        };
        let mut hosts = Vec::new();
        for (number, host) in plan.hosts.iter().enumerate() {
            let ground = ground(&host.host, &host.options, plan.keys);
            let config = ground.config.clone();
            let own = plan.flows.iter().filter(|flow| flow.ends[0] == number);
            let bounds = own.map(|flow| memory_bound(&options(&flow.options, plan.keys)));
            let memory = bounds.chain([memory_bound(&config.tcp.options)]).max().unwrap_or(0);
            let host = sim.host_with(&format!("host{number}"), host.mtu, |net| net.config(config))?;
            hosts.push(Place { host, ground, memory });
        }
        let ends = hosts.iter().map(|place| place.host.id());
        let ends: Vec<NodeId> = ends.chain((0..plan.routers).map(|_| sim.router().id())).collect();
        let (mut links, mut cuts) = (Vec::new(), Vec::new());
        for link in &plan.links {
            let [a, b] = link.ends.map(|end| ends[end]);
            links.push(worsen(&sim.link(&a, &b), link, [a, b], &mut cuts));
        }
        Ok(Self { sim, hosts, links, cuts })
    }

    fn live(&self, plan: &Plan) -> Result<Story, String> {
        let stalled = |error: bowline_sim::Stalled| error.to_string();
        let begin = self.sim.run(async { self.begin(plan) }).map_err(stalled)?;
        let mut going = begin.map_err(|error| error.to_string())?;
        for [at, by] in &plan.jumps {
            let at = Instant::from_millis(*at);
            self.sim.run(self.watch(&mut going, at)).map_err(stalled)??;
            if !going.is_over() {
                self.sim.jump(Duration::from_millis(*by));
            }
        }
        let end = Instant::from_millis(HEALED) + plan.patience();
        self.sim.run(self.watch(&mut going, end)).map_err(stalled)??;
        let mut story = self.sim.run(self.end(going, plan)).map_err(stalled)??;
        self.sim.pass(AFTERLIFE);
        self.is_over()?;
        let end = self.counters();
        self.sim.pass(Duration::from_secs(4 * 3600));
        if end != self.counters() {
            return Err("somebody still sends when everything is over".to_owned());
        }
        story.extend(end);
        Ok(story)
    }

    /// Opens the doors and lets the flows and the cuts begin.
    fn begin(&self, plan: &Plan) -> io::Result<Going> {
        let clock = self.sim.clock();
        for (link, [from, until]) in self.cuts.clone() {
            let clock = clock.clone();
            tokio::spawn(async move {
                clock.sleep(Duration::from_millis(from)).await;
                link.partition();
                clock.sleep(Duration::from_millis(until - from)).await;
                link.heal();
            });
        }
        let mut doors = BTreeMap::new();
        let mut flows = Vec::new();
        for (number, flow) in plan.flows.iter().enumerate() {
            let [from, to] = flow.ends.map(|end| &self.hosts[end]);
            let door = doors.entry((flow.ends[1], flow.door)).or_insert_with(Door::default).clone();
            let ip = if flow.v6 { to.host.ipv6() } else { to.host.ip() };
            let address = SocketAddr::new(ip, FIRST_PORT + flow.door);
            let options = options(&flow.options, plan.keys);
            let script = Script { number, plan: flow.clone(), may_break: flow.may_break(plan) };
            flows.push(Flow::begin(script, &from.host, address, options, door));
        }
        let mut open = Vec::new();
        for ((end, number), door) in doors {
            let Place { host, ground, .. } = &self.hosts[end];
            // One of them is for IPv4 alone where nobody comes by IPv6, the others are for both.
            let mut comers = plan.flows.iter().filter(|flow| flow.ends[1] == end && flow.door == number);
            let address = (number == 1 && comers.all(|flow| !flow.v6)).then(|| host.ip());
            let listen = Listen { address, backlog: ground.backlog, ..Listen::on_port(FIRST_PORT + number) };
            open.push(tokio::spawn(door.keep(host.clone(), host.listen_with(listen)?, ground.pause)));
        }
        Ok(Going { flows, doors: open, is_healed: false })
    }

    /// Lets time pass until the flows have ended, and no longer than `until`, and looks at everything now and then.
    async fn watch(&self, going: &mut Going, until: Instant) -> Result<(), String> {
        let clock = self.sim.clock();
        while !going.is_over() && clock.now() < until {
            clock.sleep(LOOK.min(until.since(clock.now()))).await;
            if !going.is_healed && clock.now() >= Instant::from_millis(HEALED) {
                going.is_healed = true;
                self.links.iter().for_each(mend);
            }
            self.look()?;
        }
        Ok(())
    }

    /// Closes the doors, and asks each flow what it came to.
    async fn end(&self, going: Going, plan: &Plan) -> Result<Story, String> {
        self.links.iter().for_each(mend);
        going.doors.iter().for_each(JoinHandle::abort);
        let mut story = Vec::new();
        for flow in going.flows {
            let (number, ends) = (flow.script.number, flow.script.plan.ends);
            let [from, to] = ends.map(|end| self.hosts[end].host.name());
            let host = &plan.hosts[ends[1]];
            if flow.strangers() > 0 && !may_take_old(&host.host, &host.options) {
                return Err(format!("{to} has accepted what nobody had opened"));
            }
            let has_little_room = host.host.contains_key("max_half_open");
            let forgot = has_little_room && self.hosts[ends[1]].host.counters().half_open_expired > 0;
            let outcome = flow.outcome(plan, forgot).await;
            story.push(outcome.map_err(|what| {
                let left: Vec<_> = self.hosts.iter().flat_map(|place| place.host.connections()).collect();
                format!("flow {number}, {from} to {to}: {what}; left is {left:?}")
            })?);
        }
        story.push(format!("{}", self.sim.now()));
        Ok(story)
    }

    /// What holds of every connection, and of all of a host's together, at any time.
    fn look(&self) -> Result<(), String> {
        for Place { host, ground, memory } in &self.hosts {
            for info in host.connections() {
                let holds = [
                    ("cwnd >= 1 segment", info.cwnd >= u64::from(info.mss) || !info.state.is_synchronized()),
                    ("flight <= what is queued", info.in_flight <= info.send_queue + 1),
                    ("unsent <= what is queued", info.notsent <= info.send_queue),
                    (
                        "a round trip takes some time",
                        info.srtt.is_none() || info.srtt.is_some_and(|rtt| !rtt.is_zero()),
                    ),
                    ("memory within its bound", info.memory <= *memory),
                ];
                if let Some((what, _)) = holds.iter().find(|(_, holds)| !holds) {
                    return Err(format!("{} at {} s: {what} does not hold: {info:?}", host.name(), host.now()));
                }
            }
            let (bounds, (_, half, closed)) = (&ground.config.tcp, host.population());
            if half > bounds.max_half_open + bounds.max_pending || closed > bounds.max_time_wait {
                return Err(format!("{}: {half} half-open, {closed} in TIME-WAIT", host.name()));
            }
        }
        Ok(())
    }

    fn is_over(&self) -> Result<(), String> {
        for Place { host, .. } in &self.hosts {
            let (population, connections) = (host.population(), host.connections());
            if population != (0, 0, 0) || !connections.is_empty() || !host.listeners().is_empty() {
                return Err(format!("{} has {population:?} left: {connections:?} {:?}", host.name(), host.listeners()));
            }
        }
        if self.sim.is_quiet() { Ok(()) } else { Err("packets are still under way".to_owned()) }
    }

    fn counters(&self) -> Story {
        let hosts = self.hosts.iter().map(|place| &place.host);
        let hosts = hosts.map(|host| format!("{:?} {:?}", host.counters(), host.stack_counters()));
        hosts.chain(self.links.iter().map(|link| format!("{:?}", link.counters()))).collect()
    }
}

/// Makes a link as bad as the plan has it.
fn worsen(link: &Link, plan: &LinkPlan, ends: [NodeId; 2], cuts: &mut Vec<(Link, [u64; 2])>) -> Link {
    let (share, micros) = (|thousandths: u32| f64::from(thousandths) / 1e3, Duration::from_micros);
    let rate = |kbit: u32| Rate::from_bits_per_second(u64::from(kbit.max(1)) * 1_000);
    for fault in &plan.faults {
        let way = fault.way.map_or_else(|| link.clone(), |end| link.toward(&ends[usize::from(end)]));
        match fault.what {
            What::Kbit(kbit) => rate(kbit).map(|rate| way.rate(rate)),
            What::Queue(kind, bytes) => Some(way.queue(discipline(kind, bytes))),
            What::Police { kbit, burst } => Some(way.policer(rate(kbit).map(|rate| Policer { rate, burst }))),
            What::Delay(delay) => Some(way.delay(micros(delay))),
            What::Jitter(jitter) => Some(way.jitter(micros(jitter))),
            What::Loss(thousandths) => Some(way.loss(share(thousandths))),
            What::Bursts { begin, end } => Some(way.burst_loss(bursts(share(begin), share(end)))),
            What::Duplicate(thousandths) => Some(way.duplicate(share(thousandths))),
            What::Corrupt(thousandths) => Some(way.corrupt(share(thousandths))),
            What::Reorder { share: thousandths, gap, hold } => Some(way.reorder(share(thousandths), gap, micros(hold))),
            What::Mtu(mtu) => Some(way.mtu(mtu)),
            What::BlackHole(mtu) => Some(way.black_hole(mtu)),
            What::Cut(from, until) => {
                cuts.push((way, [from, until]));
                None
            }
        };
    }
    link.clone()
}

fn bursts(begin: f64, end: f64) -> GilbertElliott {
    let percent = |share: f64| bowline_sim::Percent::new(share * 100.0).unwrap_or(bowline_sim::Percent::ZERO);
    GilbertElliott::simple(percent(begin), percent(end))
}

fn discipline(kind: Kind, bytes: usize) -> Discipline {
    match kind {
        Kind::DropTail => Discipline::drop_tail(bytes),
        Kind::CoDel => Discipline::codel(),
        Kind::FqCoDel => Discipline::fq_codel(),
        Kind::StepMark => Discipline::StepMark { threshold: Duration::from_millis(1), bytes },
    }
}

/// Takes away all that loses or damages packets: distance, rate and queue stay.
fn mend(link: &Link) {
    link.heal().loss(0.0).duplicate(0.0).corrupt(0.0).reorder(0.0, 0, Duration::ZERO);
    link.jitter(Duration::ZERO).mtu(u16::MAX).policer(None);
}
