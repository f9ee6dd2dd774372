//! What a scenario's file says. Unknown words are errors.
//!
//! ```toml
//! seed = 1
//! duration = "60s"             # default: until all flows are done
//!
//! [hosts.alice]                # hosts and their settings
//! congestion = "cubic"
//! [hosts.bob]
//!
//! [[link]]
//! ends = ["alice", "left"]     # names that are no hosts are routers
//! delay = "1ms"
//! [[link]]
//! ends = ["left", "bob"]
//! rate = "100mbit"
//! delay = "20ms"
//! queue = "250kB"
//! toward.bob = { loss = "1%" } # one direction alone
//!
//! [[flow]]
//! from = "alice"
//! to = "bob"
//! bytes = "10MB"
//! ```

mod check;

use std::collections::BTreeMap;

use bowline::{Algorithm, EcnMode};
use serde::Deserialize;
use serde::de::Error as _;
use toml::Table;

use super::ScenarioError;
use super::units::{Share, Size, Speed, Time};

/// A world, and what happens in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where all chance comes from; default 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// When it ends; default: when all flows are done, which those without a size never are.
    pub duration: Option<Time>,
    /// Hosts by name.
    pub hosts: BTreeMap<String, HostSpec>,
    /// Links.
    #[serde(rename = "link", default)]
    pub links: Vec<LinkSpec>,
    /// Flows.
    #[serde(rename = "flow", default)]
    pub flows: Vec<FlowSpec>,
}

fn one() -> u64 {
    1
}

fn once() -> u32 {
    1
}

/// A host's settings; what is left out is bowline's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// The congestion controller of its connections: `new-reno`, `cubic`, `bbr`, `local`.
    pub congestion: Option<String>,
    /// The MTU of its card; default 1500.
    pub mtu: Option<u16>,
    /// The bound of its send queues.
    pub send_buffer: Option<Size>,
    /// The first bound of its receive queues.
    pub receive_buffer: Option<Size>,
    /// What autotuning may raise that to.
    pub receive_buffer_max: Option<Size>,
    /// Whether it spreads its windows over the round trip.
    pub pacing: Option<bool>,
    /// Whether it offers selective acknowledgements.
    pub sack: Option<bool>,
    /// Whether it offers timestamps.
    pub timestamps: Option<bool>,
    /// Which ECN it asks for: `true`, `false`, or AccECN with `"accurate"`. Others' wish for AccECN is then granted, too.
    pub ecn: Option<EcnSpec>,
    /// The smallest retransmission time-out.
    pub min_rto: Option<Time>,
}

impl HostSpec {
    /// The controller that it names.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn algorithm(&self) -> Result<Option<Algorithm>, ScenarioError> {
        let Some(name) = &self.congestion else { return Ok(None) };
        let known = ALGORITHMS.iter().find(|(known, _)| known == name);
        let names = || ALGORITHMS.map(|(name, _)| name).join(", ");
        match known {
            Some((_, algorithm)) => Ok(Some(*algorithm)),
            None => Err(ScenarioError::Text(format!("{name:?} is no congestion controller; there are {}", names()))),
        }
    }
}

/// The controllers by their names.
pub const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("new-reno", Algorithm::NewReno),
    ("cubic", Algorithm::Cubic),
    ("bbr", Algorithm::Bbr),
    ("local", Algorithm::Local),
];

/// A link: its ends, and what each direction is like.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Table")]
pub struct LinkSpec {
    /// The names at its ends.
    pub ends: [String; 2],
    /// The direction toward the end of that name.
    pub ways: [WaySpec; 2],
}

impl TryFrom<Table> for LinkSpec {
    type Error = toml::de::Error;

    /// The keys of a link are those of both its directions; `toward.NAME` has those of one.
    fn try_from(mut table: Table) -> Result<Self, Self::Error> {
        let ends = table.remove("ends").ok_or_else(|| Self::Error::custom("a link has two ends"))?;
        let ends: [String; 2] = ends.try_into()?;
        let toward = table.remove("toward").map_or(Ok(Table::new()), toml::Value::try_into)?;
        if let Some(stranger) = toward.keys().find(|name| !ends.contains(name)) {
            return Err(Self::Error::custom(format!("the link does not end at {stranger:?}")));
        }
        let way = |end: &String| -> Result<WaySpec, Self::Error> {
            let mut both = table.clone();
            if let Some(own) = toward.get(end) {
                both.extend(own.as_table().cloned().ok_or_else(|| Self::Error::custom("toward.NAME is a table"))?);
            }
            both.try_into()
        };
        let [a, b] = &ends;
        Ok(Self { ways: [way(a)?, way(b)?], ends })
    }
}

/// What one direction of a link is like; what is left out is perfect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaySpec {
    /// The rate at which packets enter it.
    pub rate: Option<Speed>,
    /// What waits for that: a size for drop tail, or a table.
    pub queue: Option<QueueSpec>,
    /// Drops what exceeds a token bucket.
    pub policer: Option<PolicerSpec>,
    /// How long packets are on the way.
    pub delay: Option<Time>,
    /// How much that varies.
    pub jitter: Option<Time>,
    /// The share that is lost.
    pub loss: Option<Share>,
    /// Losses in bursts, in place of `loss`.
    pub burst_loss: Option<BurstSpec>,
    /// The share that arrives twice.
    pub duplicate: Option<Share>,
    /// The share that arrives damaged.
    pub corrupt: Option<Share>,
    /// The share that is passed by others.
    pub reorder: Option<Share>,
    /// By how many; default 3.
    pub reorder_gap: Option<u16>,
    /// For how long at most; default 5 ms.
    pub reorder_hold: Option<Time>,
    /// The largest packet that passes; senders of larger ones are told.
    pub mtu: Option<u16>,
    /// The largest packet that passes; larger ones vanish.
    pub black_hole: Option<u16>,
    /// From when to when it is cut.
    #[serde(default)]
    pub outages: Vec<[Time; 2]>,
}

/// Which ECN a host asks for, and agrees to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "expected true, false, \"classic\" or \"accurate\"")]
pub enum EcnSpec {
    /// That of RFC 3168, or none.
    Classic(bool),
    /// By name.
    Named(EcnName),
}

/// The name of a kind of ECN.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EcnName {
    /// That of RFC 3168.
    Classic,
    /// AccECN (RFC 9768).
    Accurate,
}

impl EcnSpec {
    /// What it means for connections that a host opens.
    #[must_use]
    pub const fn mode(self) -> EcnMode {
        match self {
            Self::Classic(false) => EcnMode::Off,
            Self::Classic(true) | Self::Named(EcnName::Classic) => EcnMode::Classic,
            Self::Named(EcnName::Accurate) => EcnMode::Accurate,
        }
    }
}

/// A queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum QueueSpec {
    /// Drop tail with this many bytes.
    DropTail(Size),
    /// Another one.
    Other(QueueTable),
}

impl TryFrom<toml::Value> for QueueSpec {
    type Error = toml::de::Error;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            table @ toml::Value::Table(_) => table.try_into().map(Self::Other),
            size @ (toml::Value::String(_) | toml::Value::Integer(_)) => size.try_into().map(Self::DropTail),
            _ => Err(Self::Error::custom("a queue is a size, \"250kB\", or a table, { kind = \"codel\" }")),
        }
    }
}

/// A queue in full.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum QueueTable {
    /// `{ kind = "drop-tail", bytes = "250kB", packets = 100 }`
    DropTail {
        /// Bytes that may wait; default: no limit.
        bytes: Option<Size>,
        /// Packets that may wait; default: no limit.
        packets: Option<usize>,
    },
    /// `{ kind = "codel" }`
    Codel {
        /// Default 5 ms.
        target: Option<Time>,
        /// Default 100 ms.
        interval: Option<Time>,
    },
    /// `{ kind = "fq-codel" }`
    FqCodel {
        /// Default 5 ms.
        target: Option<Time>,
        /// Default 100 ms.
        interval: Option<Time>,
    },
    /// `{ kind = "step-mark", threshold = "1ms", bytes = "250kB" }`
    StepMark {
        /// The wait that gets a mark.
        threshold: Time,
        /// Bytes that may wait.
        bytes: Size,
    },
}

/// A policer.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicerSpec {
    /// The rate of its tokens.
    pub rate: Speed,
    /// The bytes of tokens that it saves up.
    pub burst: Size,
}

/// Losses in bursts (Gilbert 1960).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurstSpec {
    /// How probably a packet begins a burst.
    pub begin: Share,
    /// How probably a packet ends one.
    pub end: Share,
}

/// What a flow does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One connection sends `bytes`, or without end.
    #[default]
    Bulk,
    /// One connection asks and is answered, over and over: `request`, `response`, `pause`, `requests`.
    Requests,
    /// One connection sends for `on` and is silent for `off`, over and over.
    OnOff,
    /// One connection sends a byte each `pause`.
    Idle,
}

impl Kind {
    /// As scenarios and reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Requests => "requests",
            Self::OnOff => "on-off",
            Self::Idle => "idle",
        }
    }
}

/// A flow, or several alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSpec {
    /// Its name in the report; default `FROM-TO`.
    pub name: Option<String>,
    /// Who connects, and sends.
    pub from: String,
    /// Who is connected to.
    pub to: String,
    /// What it does; default `bulk`.
    #[serde(default)]
    pub kind: Kind,
    /// How many of it there are; default 1.
    #[serde(default = "once")]
    pub count: u32,
    /// When the first begins; default at once.
    pub start: Option<Time>,
    /// How long after one the next begins; default at the same time.
    pub stagger: Option<Time>,
    /// Bulk: how much is sent; default without end.
    pub bytes: Option<Size>,
    /// Requests: the size of one; default 100 bytes.
    pub request: Option<Size>,
    /// Requests: the size of an answer; default 10 kB.
    pub response: Option<Size>,
    /// Requests: how many; default without end.
    pub requests: Option<u64>,
    /// Requests and idle: how long it waits after each; default none, and 30 s.
    pub pause: Option<Time>,
    /// On-off: how long it sends; default 1 s.
    pub on: Option<Time>,
    /// On-off: how long it is silent; default 1 s.
    pub off: Option<Time>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// It is not written as one, or it names what is not there.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::from_table(toml::from_str(text).map_err(wrong)?)
    }

    /// A scenario from what has been read, or changed, already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_table(table: Table) -> Result<Self, ScenarioError> {
        let scenario: Self = table.try_into().map_err(wrong)?;
        scenario.check()?;
        Ok(scenario)
    }
}

impl FlowSpec {
    /// Whether it is done some time.
    #[must_use]
    pub fn ends(&self) -> bool {
        match self.kind {
            Kind::Bulk => self.bytes.is_some(),
            Kind::Requests => self.requests.is_some(),
            Kind::OnOff | Kind::Idle => false,
        }
    }
}

/// The error as one line: where, and what.
fn wrong(error: toml::de::Error) -> ScenarioError {
    ScenarioError::Text(error.to_string().trim_end().to_owned())
}
