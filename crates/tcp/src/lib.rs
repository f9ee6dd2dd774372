//! TCP (RFC 9293) as a sans-IO state machine: segments, calls and the time go in; segments, events and deadlines come out.
#![no_std]
extern crate alloc;

pub mod auth;
pub mod budget;
pub mod config;
pub mod congestion;
mod connection;
pub mod counters;
pub mod ecn;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod fast_open;
pub mod info;
pub mod isn;
pub mod key;
mod linked;
pub mod listener;
pub mod negotiate;
mod packed;
pub mod ports;
pub mod profile;
pub mod reason;
pub mod recovery;
pub mod recv;
pub mod segment;
mod short_deque;
pub mod state;
pub mod time_wait;
pub mod trace;
pub mod tuple;

pub use auth::{AoAlgorithm, AoCounts, AoKey, KeyName, Keys, Md5Key};
pub use bowline_wire::Cidr;
pub use bowline_wire::tcp::Layout;
pub use config::{
    Algorithm, Config, Cookies, HyStart, Keepalive, MtuProbing, OddSegments, OpenErrors, Options, PathMtuDiscovery,
    SynFin, TimeWaitSyn, WindowPolicy,
};
pub use connection::calls::Then;
pub use counters::Counters;
pub use ecn::{EcnMode, EcnOption};
pub use endpoint::{Endpoint, Listen, Pending};
pub use error::{CallError, ConnectError, ConnectionError, ListenError};
pub use event::{Event, Readiness};
pub use fast_open::{FastOpenConfig, FastOpenKeys, FastOpenOptions, FastOpenPolicy};
pub use info::{AccurateEcn, FastOpenFailure, FastOpenInfo, Info, ListenerInfo, MarkedBytes};
pub use key::{ConnectionKey, ListenerKey, PendingKey};
pub use profile::Profile;
pub use reason::{DropReason, SendReason};
pub use segment::{Arrival, Departure, IcmpError, Path, Refusal};
pub use state::State;
pub use tuple::FourTuple;
