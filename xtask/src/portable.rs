//! What works on every system is compiled for two that are not Linux: one that is a Unix and one that is not.
//!
//! `cargo check` needs no linker and no header of theirs, only Rust's own library, which rustup has. Where it cannot be
//! fetched the target is left out, and that is told.

use crate::step;

const TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// The command, and with it `bowline demo`, the sockets, and the devices that need no kernel.
const PACKAGES: [&str; 4] =
    ["--package=bowline-cli", "--package=bowline", "--package=bowline-device", "--package=bowline-bench"];

/// How long a target's library may take to come, in seconds.
const FETCH_LIMIT_S: &str = "120";

/// Checks each target that can be had.
pub(crate) fn run() -> Result<(), String> {
    for target in TARGETS {
        if !is_installed(target) {
            println!("{target} is not checked: `rustup target add {target}` does not work here");
            continue;
        }
        let mut args = vec!["check", "--locked", "--target", target];
        args.extend(PACKAGES);
        step::run(step::command("cargo", &args).env("RUSTFLAGS", "--deny warnings"))?;
    }
    Ok(())
}

fn is_installed(target: &str) -> bool {
    let has = || {
        let list = step::output(&mut step::command("rustup", &["target", "list", "--installed"]));
        list.is_ok_and(|list| list.lines().any(|line| line == target))
    };
    has() || step::succeeds(&mut step::command("timeout", &[FETCH_LIMIT_S, "rustup", "target", "add", target])) && has()
}
