//! TCP (RFC 9293) as a sans-IO state machine: segments, calls and the time go in; segments, events and deadlines come out.
#![no_std]
extern crate alloc;

pub mod config;
pub mod counters;
pub mod error;
pub mod event;
pub mod key;
pub mod reason;
pub mod state;
pub mod tuple;

pub use config::{Algorithm, Config, Keepalive, Options};
pub use counters::Counters;
pub use error::{CallError, ConnectError, ConnectionError, ListenError};
pub use event::{Event, Readiness};
pub use key::{ConnectionKey, ListenerKey, PendingKey};
pub use state::State;
pub use tuple::FourTuple;
