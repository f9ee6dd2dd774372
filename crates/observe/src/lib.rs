//! Readers of the core's event stream: sequence diagrams, `ss` tables, summaries, packet comments, plots.
//!
//! Everything here takes [`Record`](bowline_tcp::trace::Record)s, [`Info`](bowline_tcp::info::Info)s and counters, and
//! gives text, SVG or JSON. It drives nothing, reads no clock, opens no file, and changes nothing in the stack.

pub mod comments;
pub mod diagram;
pub mod plot;
pub mod ss;
pub mod summary;
mod wire_count;
pub mod words;

#[cfg(test)]
mod script;

pub use comments::Comments;
pub use diagram::{Diagram, Diagrams};
pub use summary::Summary;
