//! A copy of the sources with all variants in it, and what notices them, built without the variants that the compiler
//! refuses.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Variant;
use super::weave::{Sources, Woven, weave};
use crate::step;

/// What is asked, in this order: TCP's own tests catch most, and the first of them that fails is enough; all scripts are one test;
/// the model checker comes last.
const ASKED: [(Kind, &[&str]); 3] = [
    (Kind::Tests, &["test", "--no-run", "--package", "bowline-tcp"]),
    (Kind::Tests, &["test", "--no-run", "--package", "bowline-drill", "--test", "scripts"]),
    (Kind::Model, &["build", "--package", "bowline-model"]),
];

/// How a program is asked whether the code is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// By its tests.
    Tests,
    /// By exploring.
    Model,
}

/// A program that may notice what is broken.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    /// Where it is to be run.
    pub(super) directory: PathBuf,
}

/// What of cargo's messages matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    spans: Vec<DiagnosticSpan>,
}

#[derive(Deserialize)]
struct DiagnosticSpan {
    file_name: String,
    line_start: usize,
}

/// Why something was not built.
enum Refused {
    /// These variants do not compile.
    Variants(BTreeSet<usize>),
    /// Something else does not.
    Other(String),
}

/// The copy.
pub(super) struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Copies the files that git knows, and removes others. Those that did not change keep their times, so that they are not
    /// built again.
    pub(super) fn copy(place: &Path) -> Result<Self, String> {
        let tree = Self { root: place.join("tree"), target: place.join("build") };
        let listed = step::output(&mut step::command("git", &["ls-files"]))?;
        let names: BTreeSet<&str> = listed.lines().filter(|name| step::root().join(name).is_file()).collect();
        for name in &names {
            tree.copy_file(name).map_err(|error| format!("cannot copy {name}: {error}"))?;
        }
        tree.remove_others(&tree.root, &names).map_err(|error| format!("cannot remove what is no more: {error}"))?;
        Ok(tree)
    }

    fn remove_others(&self, folder: &Path, names: &BTreeSet<&str>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            if path.is_dir() {
                self.remove_others(&path, names)?;
            } else if name.is_some_and(|name| !names.contains(name)) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn copy_file(&self, name: &str) -> io::Result<()> {
        let (from, to) = (step::root().join(name), self.root.join(name));
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if std::fs::read(&to).ok() != Some(std::fs::read(&from)?) {
            std::fs::copy(from, to)?;
        }
        Ok(())
    }

    /// Weaves the variants in and builds what is asked, as often as some do not compile. Answers the programs, and the numbers
    /// of the variants that are in them.
    pub(super) fn build(&self, variants: &[Variant]) -> Result<(Vec<Binary>, Vec<usize>), String> {
        let (sources, mut dead) = (Sources::read(&step::root(), variants)?, BTreeSet::new());
        loop {
            let woven = weave(&sources, &self.root, variants, &dead)?;
            let built: Result<Vec<_>, _> =
                ASKED.iter().map(|(kind, what)| self.build_one(*kind, what, &woven)).collect();
            match built {
                Ok(binaries) => return Ok((binaries.into_iter().flatten().collect(), woven.numbers())),
                Err(Refused::Variants(more)) => dead.extend(more),
                Err(Refused::Other(why)) => return Err(why),
            }
            println!("{} variants do not compile", dead.len());
        }
    }

    fn build_one(&self, kind: Kind, what: &[&str], woven: &Woven) -> Result<Vec<Binary>, Refused> {
        let mut cargo = Command::new("cargo");
        cargo.args(what).args(["--locked", "--message-format", "json"]);
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).stderr(Stdio::null());
        let output = cargo.output().map_err(|error| Refused::Other(format!("cannot start cargo: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (mut binaries, mut refused, mut other) = (Vec::new(), BTreeSet::new(), None);
        for message in text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()) {
            if let (Some(path), Some(manifest)) = (message.executable, message.manifest_path) {
                let directory = manifest.parent().unwrap_or(&self.root).to_owned();
                binaries.push(Binary { kind, path, directory });
            }
            let Some(error) = message.message.filter(|message| message.level == "error") else { continue };
            match error.spans.iter().find_map(|span| woven.at(&span.file_name, span.line_start)) {
                Some(number) => drop(refused.insert(number)),
                None if error.spans.is_empty() => {}
                None => other = error.rendered,
            }
        }
        match (output.status.success(), refused.is_empty(), other) {
            (true, ..) => Ok(binaries),
            (false, false, _) => Err(Refused::Variants(refused)),
            (false, true, why) => Err(Refused::Other(why.unwrap_or_else(|| "what is asked does not build".to_owned()))),
        }
    }
}
