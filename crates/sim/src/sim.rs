//! A simulation: a world, the runtime whose tasks live in it, and the hosts, routers and links that it is made of.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bowline::{Net, NetBuilder};
use bowline_base::Instant;
use bowline_device::{Capabilities, WakeSlot};
use tokio::runtime::{Builder, Runtime};

use crate::host::{self, Host};
use crate::link::Link;
use crate::nic::Card;
use crate::node::{Node, NodeId, Router};
use crate::record::Recorder;
use crate::seed::{self, Purpose};
use crate::way::Way;
use crate::world::{Clock, World};

/// How long nothing may be left to happen before a simulation is given up: longer than any timer of a program.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a simulation came to a halt: its future is not ready, and nothing will ever happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled {
    /// The time of the last event.
    pub at: Instant,
    /// The world's seed.
    pub seed: u64,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, seed } = self;
        write!(f, "nothing happens any more after {at} s, and the program waits for what never comes (seed {seed})")
    }
}

impl std::error::Error for Stalled {}

/// A simulation.
///
/// ```
/// use std::time::Duration;
/// use bowline_sim::Sim;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let sim = Sim::new(7)?;
/// let (client, server) = (sim.host("client")?, sim.host("server")?);
/// let link = sim.link(&client, &server);
/// link.delay(Duration::from_millis(20)).loss(0.02);
/// let address = server.at(80);
/// let text = sim.run(async move {
///     let listener = server.listen(address).await?;
///     tokio::spawn(async move {
///         let (mut stream, _) = listener.accept().await?;
///         stream.write_all(b"hello").await?;
///         stream.shutdown().await
///     });
///     let mut text = String::new();
///     client.connect(address).await?.read_to_string(&mut text).await?;
///     std::io::Result::Ok(text)
/// })??;
/// assert_eq!(text, "hello");
/// assert!(sim.now().as_millis() >= 60, "a handshake, and the bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sim {
    world: World,
    runtime: Runtime,
    seed: u64,
    recorder: Option<Recorder>,
}

impl Sim {
    /// An empty world, in which all chance comes from `seed`: the same seed gives the same packets at the same times.
    ///
    /// Programs keep that promise if they take no chance of their own: `tokio::select!` wants `biased;`.
    ///
    /// # Errors
    /// The runtime cannot be made.
    pub fn new(seed: u64) -> io::Result<Self> {
        // The runtime's hooks are made before the world, which wants the runtime's clock.
        let place = Arc::new(std::sync::OnceLock::<World>::new());
        let (idle, woken) = (Arc::clone(&place), Arc::clone(&place));
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || idle.get().into_iter().for_each(World::idle))
            .on_thread_unpark(move || woken.get().into_iter().for_each(World::woken))
            .build()?;
        let guard = runtime.enter();
        let world = place.get_or_init(World::new).clone();
        drop(guard);
        Ok(Self { world, runtime, seed, recorder: None })
    }

    /// A world as [`new`](Self::new) makes it, of which each host leaves `NAME.pcapng` and `NAME.txt`, with the sequence
    /// diagrams of its connections and what befell their segments on the way, in `directory`. They are complete after [`finish_record`](Self::finish_record).
    ///
    /// # Errors
    /// The directory cannot be made, or as [`new`](Self::new).
    pub fn recorded(seed: u64, directory: &Path) -> io::Result<Self> {
        let sim = Self::new(seed)?;
        let recorder = Recorder::new(directory, sim.world.clone())?;
        Ok(Self { recorder: Some(recorder), ..sim })
    }

    /// Completes what was recorded. Without a recording it does nothing.
    ///
    /// # Errors
    /// A file could not be written.
    pub fn finish_record(&self) -> io::Result<()> {
        self.recorder.as_ref().map_or(Ok(()), Recorder::finish)
    }

    /// Where the recording goes, if there is one.
    #[must_use]
    pub fn record_directory(&self) -> Option<&Path> {
        self.recorder.as_ref().map(Recorder::directory)
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The time: zero in the beginning.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// A host with bowline's defaults, an IPv4 and an IPv6 address, and a card with an MTU of 1500 bytes.
    ///
    /// # Errors
    /// The world has too many nodes.
    pub fn host(&self, name: &str) -> io::Result<Host> {
        self.host_with(name, 1500, |net| net)
    }

    /// A host with an MTU and settings of one's own; device, addresses, seed and clock are set already.
    ///
    /// # Errors
    /// The world has too many nodes, or as [`NetBuilder::build`].
    pub fn host_with(&self, name: &str, mtu: u16, settings: impl FnOnce(NetBuilder) -> NetBuilder) -> io::Result<Host> {
        let capabilities =
            Capabilities { checksum: true, tcp_segmentation: true, udp_segmentation: true, ..Capabilities::plain(mtu) };
        let (node, addresses, card) = self.place_card(capabilities)?;
        let (v4, v6) = addresses;
        let network = |address, prefix| bowline::Cidr::new(address, prefix);
        let routes = [network(IpAddr::from([0; 4]), 0), network(IpAddr::from([0; 16]), 0)];
        let builder = match &self.recorder {
            Some(recorder) => Net::builder().device(recorder.tap(name, [v4.into(), v6.into()], card)?),
            None => Net::builder().device(card),
        };
        let builder = builder
            .addresses([network(v4.into(), 8), network(v6.into(), 64)])
            .routes(routes)
            .seed(seed::derive_key(self.seed, Purpose::Host, node.0 as u64))
            .timekeeper(Arc::new(self.world.clone()));
        let _guard = self.runtime.enter();
        let net = settings(builder).start()?;
        if let Some(recorder) = &self.recorder {
            recorder.follow(&net);
        }
        Ok(Host { node, name: name.to_owned(), net, addresses, clock: self.clock() })
    }

    /// A card alone, for a stack that the caller drives: a node for links, its addresses, and the device.
    ///
    /// # Errors
    /// The world has too many nodes.
    pub fn card(&self, capabilities: Capabilities) -> io::Result<(NodeId, [IpAddr; 2], Card)> {
        let (node, (v4, v6), card) = self.place_card(capabilities)?;
        Ok((node, [v4.into(), v6.into()], card))
    }

    fn place_card(&self, capabilities: Capabilities) -> io::Result<(NodeId, (Ipv4Addr, Ipv6Addr), Card)> {
        let slot = WakeSlot::new();
        let number = self.world.with(|kernel| kernel.nodes());
        let (v4, v6) = host::addresses(number).ok_or_else(too_many)?;
        let inbox = Card::inbox(&slot);
        let node = self.world.with(|kernel| kernel.add_node(Some(inbox), &[v4.into(), v6.into()]));
        Ok((node, (v4, v6), Card::new(self.world.clone(), node, capabilities, slot)))
    }

    /// A router. Routes are found by themselves: the fewest links win.
    #[must_use]
    pub fn router(&self) -> Router {
        Router { node: self.world.with(|kernel| kernel.add_node(None, &[])) }
    }

    /// A perfect link between two nodes, to be made worse.
    pub fn link(&self, a: &impl Node, b: &impl Node) -> Link {
        let (a, b) = (a.id(), b.id());
        let way = |from, to| {
            let id = self.world.with(|kernel| {
                let mut way = Way::new(from, to, self.seed, kernel.ways() as u64);
                if self.recorder.is_some() {
                    way.observe();
                }
                kernel.add_way(way)
            });
            (to, id)
        };
        Link::new(self.world.clone(), [way(a, b), way(b, a)])
    }

    /// Lets time pass until `program` is done. Tasks that it spawned live on, and move on in the next run.
    ///
    /// # Errors
    /// [`Stalled`]: the program waits for something that can never happen.
    pub fn run<F: Future>(&self, program: F) -> Result<F::Output, Stalled> {
        self.runtime.block_on(async {
            // A task of its own: the program is polled for its own sake only.
            let mut pacemaker = tokio::spawn(self.world.clone().pace(PATIENCE));
            let mut program = pin!(program);
            let result = std::future::poll_fn(|cx| {
                if let Poll::Ready(output) = program.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                Pin::new(&mut pacemaker).poll(cx).map(|_| Err(Stalled { at: self.world.last_event(), seed: self.seed }))
            })
            .await;
            pacemaker.abort();
            result
        })
    }

    /// Lets `time` pass, to the nanosecond.
    pub fn pass(&self, time: Duration) {
        let slept = self.run(self.clock().sleep(time));
        debug_assert_eq!(slept, Ok(()), "whoever sleeps has an event to come");
    }

    /// The clock, for programs in the world.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.world.clone())
    }

    /// Lets all clocks jump ahead at once, as when a machine was suspended: what was due meanwhile is late.
    pub fn jump(&self, by: Duration) {
        let now = self.now() + by;
        self.runtime.block_on(tokio::time::advance(by));
        self.world.with(|kernel| kernel.advance_to(now));
    }

    /// Whether no packet is between two hosts.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.world.with(|kernel| kernel.is_quiet())
    }

    /// Packets that no way led to the destination of, or that were too damaged to tell.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.world.with(|kernel| kernel.unroutable())
    }
}

fn too_many() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a simulated world has room for 16 million nodes")
}
