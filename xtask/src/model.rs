//! The model checker of `crates/model`, by the release build.

use crate::step;

/// Runs it with these arguments.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut command =
        step::command("cargo", &["run", "--quiet", "--release", "--locked", "--package", "bowline-model", "--"]);
    step::run(command.args(args))
}
