//! Tests over many seeds: the first seed that fails is run once more, with everything recorded.
//!
//! It decides which seeds are run and what a failure says. A simulation is the same every time, so nothing need be
//! recorded until it is known to be worth it.

use std::any::Any;
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::Sim;

/// What a test in a simulated world returns.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A seed that failed, and where to look.
pub struct Failure {
    /// The test's name.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// What went wrong.
    pub why: String,
    /// The directory with a capture and the sequence diagrams of each host; or why there is none.
    pub record: Result<PathBuf, String>,
}

impl fmt::Debug for Failure {
    // What a test's `?` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, seed, why, record } = self;
        writeln!(f, "{name} failed with seed {seed}: {why}")?;
        match record {
            Ok(directory) => writeln!(f, "captures and diagrams: {}", directory.display())?,
            Err(error) => writeln!(f, "nothing could be recorded: {error}")?,
        }
        write!(f, "to run it alone: BOWLINE_SEED={seed} cargo test {name}")
    }
}

impl std::error::Error for Failure {}

/// Runs `test` in a world for each seed, or for those that the environment's `BOWLINE_SEED` names: `7`, or `7..20`.
///
/// A test may fail by an error or by a panic. The seed that fails is then run once more with a capture of each host and its
/// sequence diagrams, in a directory that the failure names.
///
/// ```
/// # fn main() -> Result<(), bowline_sim::Failure> {
/// bowline_sim::check("a_lossy_handshake", 0..=9, |sim| {
///     let (client, server) = (sim.host("client")?, sim.host("server")?);
///     sim.link(&client, &server).loss(0.2);
///     let address = server.at(80);
///     sim.run(async move {
///         let _listener = server.listen(address).await?;
///         client.connect(address).await
///     })??;
///     Ok(())
/// })
/// # }
/// ```
///
/// # Errors
/// The first failure.
pub fn check(name: &str, seeds: RangeInclusive<u64>, test: impl Fn(&Sim) -> Outcome) -> Result<(), Failure> {
    let seeds = asked(seeds.clone()).map_err(|why| Failure {
        name: name.to_owned(),
        seed: *seeds.start(),
        why,
        record: Err("no seed was run".to_owned()),
    })?;
    for seed in seeds {
        let Err(why) = attempt(Sim::new(seed), &test) else { continue };
        let directory = directory(name, seed);
        // The same world again: what it says the second time is what it said the first time.
        let again = Sim::recorded(seed, &directory);
        let record = match again {
            Ok(sim) => {
                let _same = attempt_in(&sim, &test);
                sim.finish_record().map(|()| directory).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        return Err(Failure { name: name.to_owned(), seed, why, record });
    }
    Ok(())
}

fn attempt(sim: std::io::Result<Sim>, test: &impl Fn(&Sim) -> Outcome) -> Result<(), String> {
    attempt_in(&sim.map_err(|error| error.to_string())?, test)
}

fn attempt_in(sim: &Sim, test: &impl Fn(&Sim) -> Outcome) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| test(sim))) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(words(panic.as_ref())),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

/// `target/sim/NAME-SEED`, or the same under the system's temporary directory where there is no target directory.
fn directory(name: &str, seed: u64) -> PathBuf {
    let exe = std::env::current_exe().ok();
    let target = exe.as_deref().and_then(|exe| exe.ancestors().find(|path| path.join("CACHEDIR.TAG").is_file()));
    let base = target.map_or_else(std::env::temp_dir, std::path::Path::to_owned);
    base.join("sim").join(format!("{name}-{seed}"))
}

/// The seeds that the environment asks for, or these.
fn asked(seeds: RangeInclusive<u64>) -> Result<RangeInclusive<u64>, String> {
    match std::env::var("BOWLINE_SEED") {
        Ok(text) => {
            range(&text).ok_or_else(|| format!("BOWLINE_SEED is neither a seed (7) nor seeds (7..20): {text:?}"))
        }
        Err(_) => Ok(seeds),
    }
}

/// `7`, `7..20` or `7..=20`, the last one among them.
fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let seeds = first.trim().parse().ok()?..=last.trim_start_matches('=').trim().parse().ok()?;
    // No seeds at all would make every test pass.
    (!seeds.is_empty()).then_some(seeds)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn seeds_are_one_or_a_range_and_anything_else_is_refused() {
        for (text, seeds) in [("7", 7..=7), ("7..20", 7..=20), ("7..=20", 7..=20), (" 7 .. 20 ", 7..=20)] {
            assert_eq!(range(text), Some(seeds));
        }
        for text in ["", "x", "7..", "..7", "20..7", "-1"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
