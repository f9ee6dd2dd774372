//! The lint settings that cargo and clippy cannot inherit, and so must be kept equal by hand.
//!
//! Clippy takes the nearest `clippy.toml` and no other, so each core crate repeats the root's thresholds beside its ban
//! of clocks, randomness and threads.

use std::path::Path;

use crate::step;

/// The crates without IO, clocks, randomness, locks and `unsafe`.
const CORE: &[&str] = &["base", "wire", "tcp", "stack"];

/// Checks that the core crates have the same bans, and the root's thresholds.
pub(crate) fn run() -> Result<(), String> {
    let root = step::root();
    let common = read(&root.join("clippy.toml"))?;
    let mut first: Option<String> = None;
    for name in CORE {
        let own = read(&root.join("crates").join(name).join("clippy.toml"))?;
        check(name, &common, &own)?;
        if first.get_or_insert_with(|| own.clone()) != &own {
            return Err(format!("crates/{name}/clippy.toml differs from that of the other core crates"));
        }
        let source = read(&root.join("crates").join(name).join("src/lib.rs"))?;
        if !source.lines().any(|line| line.trim() == "#![no_std]") {
            return Err(format!("crates/{name}/src/lib.rs has no #![no_std]"));
        }
    }
    println!("{} share the bans on clocks, randomness and threads, and the root's thresholds", CORE.join(", "));
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn check(name: &str, common: &str, own: &str) -> Result<(), String> {
    for setting in common.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if !own.lines().any(|line| line == setting) {
            return Err(format!("crates/{name}/clippy.toml lacks `{setting}`, which the root's has"));
        }
    }
    let banned = own.contains("disallowed-methods") && own.contains("std::time::Instant::now");
    if banned { Ok(()) } else { Err(format!("crates/{name}/clippy.toml does not ban clocks")) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_missing_threshold_is_found() {
        let bans = "disallowed-methods = [{ path = \"std::time::Instant::now\" }]\n";
        assert_eq!(check("x", "a = 1\n", &format!("a = 1\n{bans}")), Ok(()));
        assert!(check("x", "a = 1\n", &format!("a = 2\n{bans}")).is_err());
        assert!(check("x", "a = 1\n", "a = 1\n").is_err());
    }
}
