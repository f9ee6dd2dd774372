//! The gateway: a network of ours on the TUN, and everything that serves it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline::{Algorithm, Cidr, Counters, Listen, Net, OddSegments, Options, State};
use bowline_base::Instant;
use bowline_device::{Capabilities, Device, Readiness, RxPacket, Transmitted, TxPacket};
use bowline_observe::Summary;

use crate::addresses::{DNS_V4, DNS_V6, HOST_V4, HOST_V6, PAGE_V4, PAGE_V6, PREFIX_V4, PREFIX_V6};
use crate::flows::end::PATIENCE;
use crate::flows::{Shared, echo, tcp, udp};
use crate::page;
use crate::ports::Ports;
use crate::target::Targets;

/// SYNs that may wait for their dial.
const BACKLOG: usize = 4096;

/// What waits for a program that has not read anything yet, in bytes: a quarter of a megabyte keeps a super-segment on its
/// way and three behind it. For one that reads, it grows with what its window lets out.
const SEND_BUFFER_FIRST: u32 = 256 << 10;

/// What may wait for a slow program unless something else is asked for, in bytes: 128 MiB, which is as much as some 30
/// connections of full speed make use of, and 500 of which nothing is read.
pub const QUEUE_MEMORY: usize = 128 << 20;

/// How long resets at the very end may take to leave. A network that was made slow holds them for longer, and the program that
/// they are for is gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a gateway does.
#[derive(Debug)]
pub struct Config {
    /// Who may be reached.
    pub targets: Targets,
    /// The host's ports that lead to the program.
    pub ports: Ports,
    /// The congestion control of the stack, or `None` for what the device needs: none where it loses nothing.
    pub congestion: Option<Algorithm>,
    /// How many descriptors the process may have.
    pub descriptors: usize,
    /// What may wait for a program that reads slowly, in bytes, over all connections: [`QUEUE_MEMORY`] by default. Beyond it
    /// each still gets a read ahead.
    pub queue_memory: usize,
}

/// A gateway at work. It ends when it is dropped: what is open is reset.
#[derive(Debug)]
pub struct Gateway {
    net: Net,
    shared: Arc<Shared>,
}

impl Gateway {
    /// Puts a network on `device` and serves it, on the current runtime.
    ///
    /// # Errors
    /// The runtime cannot watch a descriptor, or the system has no randomness.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(device: impl Device + Send + 'static, config: Config) -> io::Result<Self> {
        let device = Governed { device, governed: config.congestion.is_some() };
        let lossless = device.capabilities().lossless;
        let v4 = [HOST_V4, DNS_V4, PAGE_V4].map(|address| Cidr::new(address.into(), PREFIX_V4));
        let v6 = [HOST_V6, DNS_V6, PAGE_V6].map(|address| Cidr::new(address.into(), PREFIX_V6));
        let mut stack = bowline::Config::default();
        // all SYNs have the same source here
        stack.tcp.max_pending_per_source = stack.tcp.max_pending;
        stack.tcp.options = options(config.congestion, lossless);
        let net = Net::builder()
            .config(stack)
            .device(device)
            .addresses(v4.into_iter().chain(v6))
            .routes([Cidr::default_v4(), Cidr::default_v6()])
            .any_ip(true)
            .start()?;
        let shared = Arc::new(Shared::new(config.targets, config.queue_memory));
        for address in [PAGE_V4.into(), PAGE_V6.into()] {
            let listen = Listen { address: Some(address), ..Listen::on_port(page::PORT) };
            tokio::spawn(page::serve(net.clone(), net.listen_with(listen)?, Arc::clone(&shared)));
        }
        let listen = Listen { port: None, backlog: BACKLOG, ..Listen::on_port(0) };
        tokio::spawn(tcp::serve(net.forwarder_with(listen)?, Arc::clone(&shared)));
        tokio::spawn(echo::serve(net.clone(), Arc::clone(&shared)));
        let udp_ports = config.ports.start(&net, &shared)?;
        let udp = udp::Udp::new(&net, Arc::clone(&shared), udp_ports, config.descriptors / 4)?;
        tokio::spawn(udp.serve());
        Ok(Self { net, shared })
    }

    /// The network, to look at.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Ends everything, and says what all connections came to. Those that are still open are reset after `grace`; what the
    /// device then holds is for nobody.
    pub async fn finish(self, grace: Duration) -> Summary {
        self.shared.over.set();
        self.shared.relays.drained().await;
        // those that are still open after it are reset, and nobody is left to see that
        let out_rsts = self.net.counters().out_rsts;
        if tokio::time::timeout(grace + LAST_WORDS, self.net.shutdown(grace)).await.is_err() {
            self.net.halt();
        }
        let counters = Counters { out_rsts, ..self.net.counters() };
        let mut summary = self.shared.ended.lock().clone();
        // these know also of what came after a connection's last word to its socket
        summary.segments_sent = counters.out_segs;
        summary.segments_received = counters.in_segs;
        summary.retransmissions = counters.retrans_segs;
        summary.add_counters(&counters);
        summary.queues_full = self.shared.waiting.overflow();
        summary
    }

    /// Waits until the program's side has closed every connection, as its kernel does when it ends; on a slow network its
    /// FINs are still on their way. Not for longer than a second without one of them.
    pub async fn hung_up(&self) {
        const LOOK: Duration = Duration::from_millis(5);
        const PATIENCE: u32 = 200;
        let (mut before, mut looks) = (usize::MAX, 0);
        while looks < PATIENCE {
            let open = |info: &bowline::Info| {
                matches!(info.state, State::SynReceived | State::Established | State::FinWait1 | State::FinWait2)
            };
            let now = self.net.connections().iter().filter(|info| open(info)).count();
            if now == 0 {
                return;
            }
            looks = if now < before { 0 } else { looks + 1 };
            before = now;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the last datagrams of the program have gone out, of which no connection tells: those that are in its device,
    /// and those that `on_the_way` counts, on a network that was made slow. Not for longer than a minute.
    pub async fn settled(&self, on_the_way: impl Fn() -> usize) {
        const LOOK: Duration = Duration::from_millis(2);
        let begin = tokio::time::Instant::now();
        let mut before = None;
        while begin.elapsed() < PATIENCE {
            // between two looks, the network and whoever carries on what it brings have had a turn each
            let counters = self.net.stack_counters();
            let received = counters.ip.in_receives + counters.ip6.in_receives;
            let now = Some((received, self.shared.datagrams.load(Ordering::Relaxed)));
            if now == before && on_the_way() == 0 {
                return;
            }
            before = now;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until everything that the program has written has gone out, or nothing has moved for a minute. Says how many
    /// connections are left then.
    pub async fn drained(&self) -> usize {
        self.shared.outward.drained().await
    }
}

/// What connections start with. Both ends of a relay are on this machine, so that small writes are never held back. A program that
/// has closed has its kernel reset what comes after; nobody but that kernel can send here, so that a RST need not be at RCV.NXT.
fn options(congestion: Option<Algorithm>, lossless: bool) -> Options {
    let defaults = Options::default();
    Options {
        nodelay: true,
        send_buffer_first: SEND_BUFFER_FIRST,
        odd: OddSegments { take_resets_at_fin: true, ..defaults.odd },
        algorithm: congestion.unwrap_or(if lossless { Algorithm::Local } else { defaults.algorithm }),
        ..defaults
    }
}

/// A device whose host shall control its congestion although it may lose nothing.
#[derive(Debug)]
struct Governed<D> {
    device: D,
    governed: bool,
}

impl<D: Device> Device for Governed<D> {
    fn capabilities(&self) -> Capabilities {
        let capabilities = self.device.capabilities();
        Capabilities { lossless: capabilities.lossless && !self.governed, ..capabilities }
    }

    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
        self.device.receive(now)
    }

    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        self.device.transmit(now, packet)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        self.device.handle_timeout(now)
    }

    fn readiness(&self) -> Readiness<'_> {
        self.device.readiness()
    }
}
