//! One connection: its variables, what arrives, what the user asks, what time does, and what leaves.
//!
//! It knows nothing of other connections, of listeners or of packets' addresses beyond its own name.

mod arrives;
mod auth;
pub(crate) mod calls;
pub(crate) mod context;
mod describe;
mod ecn;
mod fast_open;
mod halves;
mod mtu;
pub(crate) mod open;
pub(crate) mod rare;
mod send;
mod syn_sent;
pub(crate) mod tcb;
mod timeout;
mod timers;
mod timestamps;
mod validation;

pub(crate) use arrives::Reply;
pub(crate) use context::Context;
pub(crate) use open::Birth;
pub(crate) use send::Gathered;
pub(crate) use tcb::Tcb;
