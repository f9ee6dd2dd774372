//! One file for each verb: its arguments, the settings they come to, and what it does.

pub mod completions;
pub mod demo;
pub mod man;
pub mod run;
