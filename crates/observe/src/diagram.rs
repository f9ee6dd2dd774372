//! Sequence diagrams, one per connection: who sent what and when, our state beside it, and what went wrong.
//!
//! The parts: [`model`] is what a diagram holds, [`collect`] makes it from records, [`fold`] keeps it short and its
//! memory bounded, [`text`] and [`svg`] draw it; its JSON form is the model's `serde` form.
//!
//! ```
//! use bowline_base::Instant;
//! use bowline_observe::diagram::{Diagrams, Settings, text};
//!
//! let mut diagrams = Diagrams::new(Settings::default());
//! // for record in trace { diagrams.push(&record); }
//! for diagram in diagrams.take_closed(Instant::from_secs(1)) {
//!     print!("{}", text::render(&diagram, &text::Style::default()));
//! }
//! ```

pub mod collect;
pub mod fold;
pub mod model;
pub mod svg;
pub mod text;

pub use collect::{Diagrams, OnTheWay, Settings};
pub use model::{Diagram, Direction, Ending, Fate, Fold, Note, Row, Segment, What};

#[cfg(test)]
mod tests;
