//! What the corpus reaches of the core, by file: `docs/fuzz.md`.
//!
//! The compiler's own instruments count (`-C instrument-coverage`), and LLVM's tools of the same version read what they wrote. The
//! corpus is replayed and nothing more, so that the figures are the same everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{TARGETS, host, page, record};
use crate::step;

const PAGE: &str = "docs/fuzz.md";

/// What is looked at.
pub(super) const CRATES: [&str; 3] = ["wire", "tcp", "stack"];

/// What there is of a file, and what of it was reached.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) count: u64,
    pub(super) covered: u64,
}

impl Share {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, covered: self.covered + other.covered }
    }
}

/// Of a file: its lines, and its regions, which branches end.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) lines: Share,
    pub(super) regions: Share,
}

impl Reached {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self { lines: self.lines.plus(other.lines), regions: self.regions.plus(other.regions) }
    }
}

/// By file, as `tcp/src/state.rs`.
pub(super) type Files = BTreeMap<String, Reached>;

/// Replays the corpus and writes the page.
pub(super) fn run() -> Result<(), String> {
    let place = step::root().join("target/coverage");
    let program = build(&place)?;
    let mut profiles = Vec::new();
    let mut by_target = Vec::new();
    for target in TARGETS {
        let profile = replay(&place, &program, target)?;
        by_target.push((target, read(&program, &merge(&place, target, std::slice::from_ref(&profile))?)?));
        profiles.push(profile);
    }
    let all = read(&program, &merge(&place, "all", &profiles)?)?;
    let page = page::page(&all, &by_target, &record::Records::read()?.list);
    fs::write(step::root().join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("{}", page::summary(&all));
    Ok(())
}

/// Builds the targets with the compiler's instruments.
fn build(place: &Path) -> Result<PathBuf, String> {
    let mut cargo = step::command("cargo", &["build", "--locked", "--package", "bowline-fuzz"]);
    // Build scripts and macros are instrumented, too: what they count goes where nobody looks.
    cargo.env("CARGO_TARGET_DIR", place).env("RUSTFLAGS", "-C instrument-coverage");
    step::run(cargo.env("LLVM_PROFILE_FILE", place.join("build.profraw")))?;
    Ok(place.join("debug/bowline-fuzz"))
}

/// Runs a target's seeds and corpus, and nothing else.
fn replay(place: &Path, program: &Path, target: &str) -> Result<PathBuf, String> {
    let profile = place.join(format!("{target}.profraw"));
    let program = program.to_str().ok_or("the folder's name is not UTF-8")?;
    let mut command = step::command(program, &[target, "--seconds", "0"]);
    step::run(command.env("LLVM_PROFILE_FILE", &profile))?;
    Ok(profile)
}

/// What LLVM's reader wants: profiles, indexed.
fn merge(place: &Path, name: &str, profiles: &[PathBuf]) -> Result<PathBuf, String> {
    let merged = place.join(format!("{name}.profdata"));
    let mut command = tool("llvm-profdata")?;
    command.args(["merge", "--sparse", "--output"]).arg(&merged).args(profiles);
    step::output(&mut command)?;
    Ok(merged)
}

#[derive(Deserialize)]
struct Export {
    data: Vec<Exported>,
}

#[derive(Deserialize)]
struct Exported {
    files: Vec<ExportedFile>,
}

#[derive(Deserialize)]
struct ExportedFile {
    filename: String,
    summary: Reached,
}

fn read(program: &Path, merged: &Path) -> Result<Files, String> {
    let mut command = tool("llvm-cov")?;
    command.args(["export", "--summary-only", "--instr-profile"]).arg(merged).arg(program);
    files(&step::output(&mut command)?, &step::root())
}

/// The files of the crates that are looked at, of what `llvm-cov export` says.
fn files(exported: &str, root: &Path) -> Result<Files, String> {
    let export: Export = serde_json::from_str(exported).map_err(|error| format!("llvm-cov: {error}"))?;
    let crates = root.join("crates");
    let of_interest = |file: &ExportedFile| {
        let name = Path::new(&file.filename).strip_prefix(&crates).ok()?.to_str()?.to_owned();
        CRATES.iter().any(|room| name.starts_with(&format!("{room}/src/"))).then_some((name, file.summary))
    };
    Ok(export.data.iter().flat_map(|data| &data.files).filter_map(of_interest).collect())
}

/// One of LLVM's tools, of the compiler's version: rustup's, else the system's.
fn tool(name: &str) -> Result<std::process::Command, String> {
    let sysroot = step::output(&mut step::command("rustc", &["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib").join(host()?).join("bin").join(name);
    let version = step::output(&mut step::command("rustc", &["-vV"]))?;
    let major = version.lines().find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next());
    let numbered = format!("{name}-{}", major.unwrap_or_default());
    for candidate in [own.to_str().unwrap_or_default(), &numbered, name] {
        if step::succeeds(&mut step::command(candidate, &["--version"])) {
            return Ok(step::command(candidate, &[]));
        }
    }
    let package = major.unwrap_or_default();
    Err(format!("{name} is missing: `rustup component add llvm-tools`, or `apt-get install llvm-{package}`"))
}

#[cfg(test)]
mod tests;
