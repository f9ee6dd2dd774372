//! One file for each verb: its arguments, the settings they come to, and what it does.

pub mod bench;
pub mod completions;
pub mod demo;
mod live;
pub mod man;
pub mod run;
pub mod ss;
