//! The program's flows, each carried on by a socket of the host's.
//!
//! [`tcp`] decides what becomes of each SYN, [`relay`] moves the bytes of a connection both ways, [`udp`] maps
//! datagrams, [`echo`] pings. What they share is here: who may be reached, and how much is still on its way out.

pub(crate) mod echo;
pub(crate) mod end;
pub(crate) mod relay;
pub(crate) mod tcp;
pub(crate) mod udp;
pub(crate) mod waiting;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bowline::{IcmpError, Refusal};
use bowline_observe::Summary;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::end::{Open, Outward, Over};
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
    /// Datagrams of the program's that have gone on, or were turned away; trains count as one.
    pub(crate) datagrams: AtomicU64,
    /// Relays at work.
    pub(crate) relays: Open,
    /// Whether they are to end.
    pub(crate) over: Over,
    /// What the connections that have ended came to.
    pub(crate) ended: Mutex<Summary>,
    /// When a lack of descriptors or memory was last told of.
    lack_told: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(targets: Targets, queue_memory: usize) -> Self {
        Self {
            targets,
            resolver: Mutex::default(),
            waiting: Waiting::new(queue_memory),
            outward: Outward::default(),
            datagrams: AtomicU64::new(0),
            relays: Open::default(),
            over: Over::default(),
            ended: Mutex::default(),
            lack_told: Mutex::default(),
        }
    }

    pub(crate) const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What the program shall see of `error`, with which the host has answered a call for a flow to `target`.
    pub(crate) fn failure(&self, target: SocketAddr, error: &io::Error) -> Verdict {
        let lack = match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => {
                "the gateway has no more descriptors, of which each flow takes one: raise `ulimit -n`; until others close, the \
                 program's attempts are not answered"
            }
            Some(libc::ENOBUFS | libc::ENOMEM) => "the host has no more memory; the program will try again",
            _ => return Verdict::of(error),
        };
        let now = Instant::now();
        let mut told = self.lack_told.lock();
        if told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_AGAIN) {
            *told = Some(now);
            tracing::warn!(%target, %error, "{lack}");
        }
        Verdict::of(error)
    }
}

/// How long a lack that goes on is not told of again: it meets every attempt.
const TELL_AGAIN: Duration = Duration::from_secs(10);

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
