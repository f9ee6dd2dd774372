//! The fuzz targets, as functions that take bytes and panic on a finding.
//!
//! Three drivers call them: libFuzzer (`fuzz/`, `cargo xtask fuzz`), which follows coverage; the program
//! `bowline-fuzz`, which needs nothing but a stable compiler; and the tests, which replay `fuzz/corpus`.

pub mod drill;
pub mod endpoint;
pub mod input;
pub mod knobs;
pub mod mutate;
pub mod options;
pub mod pair;
pub mod segment;
pub mod stack;
pub mod wire;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus folder.
    pub name: &'static str,
    /// Panics where the input shows a defect.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations that the tests run: a few seconds' worth.
    pub rounds: usize,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "wire", run: wire::run, seeds: wire::seeds, rounds: 20_000 },
    Target { name: "stack", run: stack::run, seeds: stack::seeds, rounds: 20_000 },
    Target { name: "endpoint", run: endpoint::run, seeds: endpoint::seeds, rounds: 20_000 },
    Target { name: "pair", run: pair::run, seeds: pair::seeds, rounds: 5_000 },
    Target { name: "drill", run: drill::run, seeds: drill::seeds, rounds: 5_000 },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
