//! A world's life: the flows run, the network heals, and everything is looked at.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bowline::{Algorithm, Config, EcnMode, Keepalive, Options, TcpStream};
use bowline_sim::{Discipline, GilbertElliott, Host, Link, Node, NodeId, Policer, Rate, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::plan::{FlowPlan, HEALED, Kind, LinkPlan, OptionsPlan, Plan, What};

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
    hosts: Vec<Host>,
    links: Vec<Link>,
    cuts: Vec<(Link, [u64; 2])>,
}

impl World {
    fn new(plan: &Plan, record: Option<&Path>) -> io::Result<Self> {
        let sim = match record {
            Some(directory) => Sim::recorded(plan.seed, directory)?,
            None => Sim::new(plan.seed)?,
        };
        let mut hosts = Vec::new();
        for (number, host) in plan.hosts.iter().enumerate() {
            let mut config = Config::default();
            config.tcp.options = options(&host.options, config.tcp.options.clone());
            hosts.push(sim.host_with(&format!("host{number}"), host.mtu, |net| net.config(config))?);
        }
        let ends: Vec<NodeId> =
            hosts.iter().map(Node::id).chain((0..plan.routers).map(|_| sim.router().id())).collect();
        let (mut links, mut cuts) = (Vec::new(), Vec::new());
        for link in &plan.links {
            let [a, b] = link.ends.map(|end| ends[end]);
            links.push(worsen(&sim.link(&a, &b), link, [a, b], &mut cuts));
        }
        Ok(Self { sim, hosts, links, cuts })
    }

    fn live(&self, plan: &Plan) -> Result<Story, String> {
        let stalled = |error: bowline_sim::Stalled| error.to_string();
        let mut story = self.sim.run(self.run(plan)).map_err(stalled)??;
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

    /// Runs the flows until all have ended, and no longer than they may take.
    async fn run(&self, plan: &Plan) -> Result<Story, String> {
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
        let mut flows: Vec<Flow> = Vec::new();
        for (number, flow) in plan.flows.iter().enumerate() {
            flows.push(Flow::begin(number, flow, &self.hosts).map_err(|error| error.to_string())?);
        }
        let mut healed = false;
        let end = clock.now() + Duration::from_millis(HEALED) + plan.patience();
        while !flows.iter().all(Flow::is_over) && clock.now() < end {
            clock.sleep(LOOK).await;
            if !healed && clock.now().as_millis() >= HEALED {
                healed = true;
                self.links.iter().for_each(mend);
            }
            self.look()?;
        }
        if !healed {
            self.links.iter().for_each(mend);
        }
        let mut story = Vec::new();
        for flow in flows {
            story.push(flow.outcome(&self.hosts).await?);
        }
        story.push(format!("{}", clock.now()));
        Ok(story)
    }

    /// What holds of every connection at any time.
    fn look(&self) -> Result<(), String> {
        for host in &self.hosts {
            for info in host.connections() {
                let holds = [
                    ("cwnd >= 1 segment", info.cwnd >= u64::from(info.mss) || !info.state.is_synchronized()),
                    ("flight <= what is queued", info.in_flight <= info.send_queue + 1),
                    ("unsent <= what is queued", info.notsent <= info.send_queue),
                    ("RTT at least the smallest", info.srtt.is_none() || info.srtt.is_some_and(|rtt| !rtt.is_zero())),
                ];
                if let Some((what, _)) = holds.iter().find(|(_, holds)| !holds) {
                    return Err(format!("{} at {} s: {what} does not hold: {info:?}", host.name(), host.now()));
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> Result<(), String> {
        for host in &self.hosts {
            let (population, connections) = (host.population(), host.connections());
            if population != (0, 0, 0) || !connections.is_empty() || !host.listeners().is_empty() {
                return Err(format!("{} has {population:?} left: {connections:?} {:?}", host.name(), host.listeners()));
            }
        }
        if self.sim.is_quiet() { Ok(()) } else { Err("packets are still under way".to_owned()) }
    }

    fn counters(&self) -> Story {
        let hosts = self.hosts.iter().map(|host| format!("{:?} {:?}", host.counters(), host.stack_counters()));
        hosts.chain(self.links.iter().map(|link| format!("{:?}", link.counters()))).collect()
    }
}

/// One connection, from both its ends.
struct Flow {
    plan: FlowPlan,
    number: usize,
    client: JoinHandle<io::Result<Side>>,
    server: JoinHandle<io::Result<Side>>,
}

/// How many bytes one end has written and read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Side {
    wrote: u64,
    read: u64,
}

impl Flow {
    fn begin(number: usize, plan: &FlowPlan, hosts: &[Host]) -> io::Result<Self> {
        let [from, to] = plan.ends.map(|end| hosts[end].clone());
        let ip = if plan.v6 { to.ipv6() } else { to.ip() };
        let address = SocketAddr::new(ip, FIRST_PORT + number as u16);
        let server = tokio::spawn(serve(to, address, plan.clone(), number));
        let client = tokio::spawn(call(from, address, plan.clone(), number));
        Ok(Self { plan: plan.clone(), number, client, server })
    }

    fn is_over(&self) -> bool {
        // Who is connected to may never hear of a connection that was reset at once.
        self.client.is_finished() && (self.server.is_finished() || self.plan.abort == Some(0))
    }

    /// What became of it; an error if that is not what should have.
    async fn outcome(self, hosts: &[Host]) -> Result<String, String> {
        let (number, plan) = (self.number, &self.plan);
        let [from, to] = plan.ends.map(|end| hosts[end].name().to_owned());
        let wrong = |what: String| format!("flow {number}, {from} to {to}: {what}");
        let over = [self.client.is_finished(), self.server.is_finished()];
        if !over[0] || (!over[1] && plan.abort.is_none()) {
            let left: Vec<_> = hosts.iter().flat_map(|host| host.connections()).collect();
            self.client.abort();
            self.server.abort();
            return Err(wrong(format!("not over (client and server: {over:?}) although all is well again; {left:?}")));
        }
        if !over[1] {
            self.server.abort();
        }
        let client = self.client.await.map_err(|panic| wrong(panic.to_string()))?;
        let server = match self.server.await {
            Err(error) if error.is_cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
            other => other.map_err(|panic| wrong(panic.to_string()))?,
        };
        let [up, down] = plan.bytes;
        let expected = (Side { wrote: up, read: down }, Side { wrote: down, read: up });
        match (&client, &server, plan.abort) {
            (Ok(client), Ok(server), None) if (*client, *server) == expected => {}
            // A reset that comes after everything else takes nothing away.
            (Ok(_), Err(error), Some(_)) if is_reset(error) => {}
            _ => return Err(wrong(format!("client {client:?}, server {server:?}, where {expected:?} was to be"))),
        }
        Ok(format!("{number}: {client:?} {server:?}"))
    }
}

fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionReset | BrokenPipe | NotConnected)
}

async fn serve(host: Host, address: SocketAddr, plan: FlowPlan, number: usize) -> io::Result<Side> {
    let listener = host.listen(address).await?;
    let (stream, _) = listener.accept().await?;
    drop(listener);
    // Whose peer is gone without a word that arrives must find out by himself.
    let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
    stream.set_keepalive(Some(Keepalive { idle, interval, probes: 9 }))?;
    let [up, down] = plan.bytes;
    let (mut reader, mut writer) = stream.into_split();
    let read = take(&mut reader, &host, &plan, (number, 0));
    let write = async {
        give(&mut writer, &plan, (number, 1), down).await?;
        writer.shutdown().await
    };
    let (read, wrote) = tokio::join!(read, write);
    wrote?;
    let read = read?;
    if read != up {
        return Err(io::Error::other(format!("{read} bytes and an end came of {up}")));
    }
    Ok(Side { wrote: down, read })
}

async fn call(host: Host, address: SocketAddr, plan: FlowPlan, number: usize) -> io::Result<Side> {
    host.clock().sleep(Duration::from_millis(plan.start)).await;
    let own = options(&plan.options, host_defaults());
    let stream: TcpStream = host.connect_with(None, address, Some(own)).await?;
    let [up, _] = plan.bytes;
    let (mut reader, mut writer) = stream.into_split();
    if let Some(after) = plan.abort {
        give(&mut writer, &plan, (number, 0), after).await?;
        let stream = reader.reunite(writer).map_err(io::Error::other)?;
        stream.abort();
        return Ok(Side { wrote: after, read: 0 });
    }
    let write = async {
        give(&mut writer, &plan, (number, 0), up).await?;
        writer.shutdown().await
    };
    let read = if plan.half_close {
        write.await?;
        take(&mut reader, &host, &plan, (number, 1)).await?
    } else {
        let (read, wrote) = tokio::join!(take(&mut reader, &host, &plan, (number, 1)), write);
        wrote?;
        read?
    };
    Ok(Side { wrote: up, read })
}

fn host_defaults() -> Options {
    Config::default().tcp.options
}

/// The byte at a position of one direction of a flow: what is shifted, doubled or swapped is another byte.
fn byte((flow, way): (usize, u64), at: u64) -> u8 {
    let mixed = (at ^ (at >> 8) ^ (flow as u64) << 3 ^ way << 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

async fn give(to: &mut (impl AsyncWriteExt + Unpin), plan: &FlowPlan, id: (usize, u64), bytes: u64) -> io::Result<()> {
    let mut at = 0;
    while at < bytes {
        let end = bytes.min(at + plan.chunk as u64);
        let chunk: Vec<u8> = (at..end).map(|at| byte(id, at)).collect();
        to.write_all(&chunk).await?;
        at = end;
    }
    Ok(())
}

/// Reads to the end and compares; how much that was.
async fn take(
    from: &mut (impl AsyncReadExt + Unpin),
    host: &Host,
    plan: &FlowPlan,
    id: (usize, u64),
) -> io::Result<u64> {
    let (mut buffer, mut at) = (vec![0; plan.chunk], 0);
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(at);
        }
        for got in &buffer[..count] {
            if *got != byte(id, at) {
                return Err(io::Error::other(format!("byte {at} is not the one that was sent")));
            }
            at += 1;
        }
        if plan.rest > 0 {
            host.clock().sleep(Duration::from_micros(plan.rest)).await;
        }
    }
}

fn options(plan: &OptionsPlan, defaults: Options) -> Options {
    Options {
        algorithm: if plan.new_reno { Algorithm::NewReno } else { Algorithm::Cubic },
        sack: !plan.no_sack,
        timestamps: !plan.no_timestamps,
        window_scaling: !plan.no_scaling,
        ecn: plan.ecn(),
        ecn_when_asked: plan.ecn().max(EcnMode::Classic),
        nodelay: plan.nodelay,
        cork: plan.cork,
        send_buffer: plan.send_buffer.unwrap_or(defaults.send_buffer),
        receive_buffer: plan.receive_buffer.unwrap_or(defaults.receive_buffer),
        receive_buffer_max: plan.receive_buffer.unwrap_or(defaults.receive_buffer_max),
        ..defaults
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
