//! What the project may depend on: `deny.toml` decides, cargo-deny checks.
//!
//! Licences, bans and sources need no network and are always checked. Advisories need their database, which is not
//! reachable everywhere: where it is not, that is said and nothing fails.

use crate::step;

/// The repository from which cargo-deny fetches advisories.
const ADVISORIES: &str = "https://github.com/rustsec/advisory-db";

/// Checks all that can be checked here.
pub(crate) fn run() -> Result<(), String> {
    step::run(&mut step::command("cargo", &["deny", "--all-features", "check", "licenses", "bans", "sources"]))?;
    let mut probe = step::command("timeout", &["20", "git", "ls-remote", "--exit-code", ADVISORIES, "HEAD"]);
    if step::succeeds(probe.env("GIT_TERMINAL_PROMPT", "0")) {
        step::run(&mut step::command("cargo", &["deny", "--all-features", "check", "advisories"]))
    } else {
        println!("advisories were NOT checked: {ADVISORIES} cannot be reached from here");
        Ok(())
    }
}
