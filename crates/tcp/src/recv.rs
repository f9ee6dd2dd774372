//! The receiving half of a connection: what has arrived, what the peer may still send, and when to say so.
//!
//! Three rooms that meet only through plain values: the queue takes data and reports what it did with it
//! ([`Inserted`]), the window turns free space into a right edge, the acknowledgement policy turns both into ACKs that
//! are due. None of them builds a segment or reads a clock.

pub mod ack_policy;
pub mod queue;
pub mod window;

mod chunks;
mod inserted;
mod late;
mod ranges;
mod rtt;

pub use ack_policy::{AckPolicy, Arrived};
pub use inserted::Inserted;
pub use queue::ReceiveQueue;
pub use window::ReceiveWindow;
