//! Networks in virtual time, in which programs that use [`bowline`]'s sockets run unchanged.
//!
//! A [`Sim`] is a world with one clock of nanoseconds, hosts, routers and links. Its hosts are [`bowline::Net`]s, the
//! production code; only the network between them, and time, are made up. Time passes when nobody has anything to do: an
//! hour of waiting takes no time at all, and the same seed gives the same packets, byte for byte.
//!
//! What there is: [`Sim`] and its [`Host`]s, [`Link`]s with a rate, a [`Discipline`] for the queue, and all that can be
//! wrong with a wire; [`check`], which runs a test over many seeds and records the one that
//! fails; and [`Scenario`]s, which are written in TOML and give a [`Report`].

mod check;
mod host;
mod kernel;
mod link;
mod nic;
mod node;
mod queue;
mod record;
pub mod scenario;
mod seed;
mod shaper;
mod sim;
mod way;
mod world;

pub use bowline_device::impairment::GilbertElliott;
pub use bowline_device::units::{Percent, Rate};
pub use check::{Failure, Outcome, check};
pub use host::Host;
pub use link::Link;
pub use nic::Card;
pub use node::{Node, NodeId, Router};
pub use queue::{Discipline, QueueCounters};
pub use scenario::{Report, Scenario};
pub use shaper::{Policer, QueueSample};
pub use sim::{Sim, Stalled};
pub use way::WayCounters;
pub use world::Clock;
