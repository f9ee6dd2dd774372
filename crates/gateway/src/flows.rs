//! The program's flows, each carried on by a socket of the host's.
//!
//! [`tcp`] decides what becomes of each SYN, [`relay`] moves the bytes of a connection both ways, [`udp`] maps
//! datagrams, [`echo`] pings. What they share is here: who may be reached, and how much is still on its way out.

pub(crate) mod echo;
pub(crate) mod relay;
pub(crate) mod tcp;
pub(crate) mod udp;
pub(crate) mod waiting;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bowline::{IcmpError, Refusal};
use bowline_observe::Summary;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::waiting::Waiting;
use crate::host::{Resolver, Verdict};
use crate::target::Targets;

/// The size in bytes of what is read from a host socket at once: as much as a super-segment carries.
const READ_SIZE: usize = 64 << 10;

/// What all flows of a gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    targets: Targets,
    pub(crate) resolver: Mutex<Resolver>,
    /// What has been read for the program.
    pub(crate) waiting: Waiting,
    pub(crate) outward: Outward,
    /// Relays at work.
    pub(crate) relays: Outward,
    /// What the connections that have ended came to.
    pub(crate) ended: Mutex<Summary>,
}

impl Shared {
    pub(crate) fn new(targets: Targets, queue_memory: usize) -> Self {
        Self {
            targets,
            resolver: Mutex::default(),
            waiting: Waiting::new(queue_memory),
            outward: Outward::default(),
            relays: Outward::default(),
            ended: Mutex::default(),
        }
    }

    pub(crate) const fn targets(&self) -> &Targets {
        &self.targets
    }
}

/// How many flows may still have something to bring out, and how much has come out. Once the program has ended, what it
/// wrote is still delivered, as the kernel would.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    open: AtomicUsize,
    moved: AtomicU64,
    closed: Notify,
}

/// One flow that may still have something to bring out.
#[derive(Debug)]
pub(crate) struct OutwardFlow<'a>(&'a Outward);

impl Outward {
    /// How long nothing may move before what is left is given up.
    const PATIENCE: Duration = Duration::from_secs(5);

    pub(crate) fn begin(&self) -> OutwardFlow<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        OutwardFlow(self)
    }

    /// Waits until every flow has brought out what it had, or nothing moves any more.
    pub(crate) async fn drained(&self) {
        let mut moved = self.moved.load(Ordering::Relaxed);
        loop {
            let closed = self.closed.notified();
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            if tokio::time::timeout(Self::PATIENCE, closed).await.is_err() {
                let now = self.moved.load(Ordering::Relaxed);
                if now == moved {
                    return;
                }
                moved = now;
            }
        }
    }
}

impl OutwardFlow<'_> {
    pub(crate) fn moved(&self, bytes: usize) {
        self.0.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for OutwardFlow<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }
}

/// What the program shall see of `error`, with which the host has answered a call for a flow to `target`.
pub(crate) fn failure(target: SocketAddr, error: &io::Error) -> Verdict {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => tracing::warn!(
            %target, %error, "the gateway has no more descriptors, of which each flow takes one: raise `ulimit -n`; until \
            others close, the program's attempts are not answered"
        ),
        Some(libc::ENOBUFS | libc::ENOMEM) => {
            tracing::warn!(%target, %error, "the host has no more memory; the program will try again");
        }
        _ => {}
    }
    Verdict::of(error)
}

/// The ICMP error that says what `verdict` says; `None` where it is not said by ICMP.
pub(crate) const fn icmp(verdict: Verdict) -> Option<IcmpError> {
    Some(match verdict {
        Verdict::Closed => IcmpError::PortUnreachable,
        Verdict::NetworkUnreachable => IcmpError::NetworkUnreachable,
        Verdict::HostUnreachable => IcmpError::HostUnreachable,
        Verdict::ProtocolUnreachable => IcmpError::ProtocolUnreachable,
        Verdict::Prohibited => IcmpError::AdministrativelyProhibited,
        Verdict::TooBig(mtu) => IcmpError::PacketTooBig(mtu),
        Verdict::TimeExceeded => IcmpError::TimeExceeded,
        Verdict::Silence => return None,
    })
}

/// How a SYN is turned away so that it says what `verdict` says.
pub(crate) fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Closed => Refusal::Reset,
        verdict => icmp(verdict).map_or(Refusal::Silence, Refusal::Icmp),
    }
}
