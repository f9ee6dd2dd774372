//! `bowline run [OPTIONS] -- CMD…`: a program behind the stack.

pub mod args;
pub mod network;
pub mod settings;

pub use args::Args;
pub use settings::Settings;

#[cfg(test)]
mod tests;
