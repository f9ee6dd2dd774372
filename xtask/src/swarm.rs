//! Random worlds of `bowline-sim` by the thousand, optimized and with assertions: `crates/sim/tests/swarm.rs` with more seeds and time.

use crate::step;

const USAGE: &str = "usage: cargo xtask swarm [--seeds FIRST..END] [--minutes N]";

/// Runs the swarm; by default a million seeds for ten minutes.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut seeds, mut minutes) = ("0..1000000", "10");
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--seeds" => seeds = value,
            [name, value] if name == "--minutes" => minutes = value,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let test = ["test", "--profile", "checked", "--locked", "--package", "bowline-sim", "--test", "swarm"];
    let mut command = step::command("cargo", &test);
    command.args(["every_world", "--", "--nocapture"]);
    step::run(command.env("BOWLINE_SWARM_SEEDS", seeds).env("BOWLINE_SWARM_MINUTES", minutes))
}
