//! Many scripts: found in folders, run beside each other, told in the order in which they were found.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowline_posix::{Abi, Profile};

use crate::door::Make;
use crate::lex::Defines;
use crate::parse::parse;
use crate::report::{Outcome, Verdict};
use crate::run::{Setting, run, run_through};
use crate::script::{IpVersion, Script};
use crate::source::{ScriptError, Source};

mod defines;

/// What is the same for all scripts of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose behaviour the host has; default Bowline's own.
    pub profile: Profile,
    /// Whose numbers calls take; default: those of the profile's system.
    pub abi: Option<Abi>,
    /// Versions of IP to run in, as far as a script admits them; default all.
    pub versions: Vec<IpVersion>,
    /// Names that are defined for all scripts, beside that of the profile (`Bowline`, `Linux` or `FreeBSD`).
    pub defines: Defines,
    /// Commands carried out before each script, as if they stood there between backticks.
    pub init: Vec<String>,
    /// How long packets are looked for after the last line; default: time does not move on.
    pub linger: Duration,
    /// Whether packets after the last line fail scripts of suites, too; default no.
    pub strict: bool,
    /// Whether packets after the last line are remarked, and no failures, in any script; default no.
    pub open_end: bool,
    /// How many scripts run at once; default 1.
    pub jobs: usize,
    /// What they are run against; default: a host inside of the runner.
    pub door: Option<Make>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            abi: None,
            versions: IpVersion::ALL.to_vec(),
            defines: Defines::new(),
            init: Vec::new(),
            linger: Duration::ZERO,
            strict: false,
            open_end: false,
            jobs: 1,
            door: None,
        }
    }
}

/// The scripts in files and folders: of a folder every file below it that ends in `.pkt`, in the order of their names.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn find(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if std::fs::metadata(path).map_err(about)?.is_dir() {
            folder(path, 0, &mut found).map_err(about)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// Folders in folders, this deep and no deeper: a link may lead in a circle.
const MAX_DEPTH: u32 = 32;

fn folder(path: &Path, depth: u32, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries =
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if depth < MAX_DEPTH {
                folder(&entry, depth + 1, found)?;
            }
        } else if entry.extension().is_some_and(|extension| extension == "pkt") {
            found.push(entry);
        }
    }
    Ok(())
}

/// Runs the scripts in these files. `told` hears of each file as it is done, in any order.
#[must_use]
pub fn run_all(files: &[PathBuf], plan: &Plan, told: &(dyn Fn(&[Outcome]) + Sync)) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Vec<Outcome>)>> = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some((index, file)) = next_of(&next, files) {
            let outcomes = run_file(file, plan);
            told(&outcomes);
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, outcomes));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..plan.jobs.min(files.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

fn next_of<'a>(next: &AtomicUsize, files: &'a [PathBuf]) -> Option<(usize, &'a PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, file))
}

/// Runs the script in a file, once for each version that it admits.
#[must_use]
pub fn run_file(file: &Path, plan: &Plan) -> Vec<Outcome> {
    let name = file.display().to_string();
    match std::fs::read(file) {
        Ok(bytes) => run_source(&Source::new(name, String::from_utf8_lossy(&bytes).into_owned()), plan),
        Err(error) => vec![invalid(&name, error.to_string(), None, None)],
    }
}

/// Runs a script, once for each version that it admits.
#[must_use]
pub fn run_source(source: &Source, plan: &Plan) -> Vec<Outcome> {
    // Which versions there are, a script says in whichever it is read for.
    let read = |version| {
        let mut script = parse(source, &defines::of(plan, version))?;
        script.options.init_scripts.splice(..0, plan.init.iter().cloned());
        Ok::<_, ScriptError>(script)
    };
    let script = match read(plan.versions.first().copied().unwrap_or(IpVersion::V4)) {
        Ok(script) => script,
        Err(error) => return vec![unread(source, &error)],
    };
    if !script.options.is_for(plan.profile) {
        let why = format!("not for {}", plan.profile.name());
        return vec![Outcome { message: Some(why), ..Outcome::new(&source.name, None, Verdict::Skipped) }];
    }
    let versions: Vec<_> = plan.versions.iter().copied().filter(|version| script.options.admits(*version)).collect();
    if versions.is_empty() {
        let asked: Vec<_> = plan.versions.iter().map(|version| version.name()).collect();
        let why = format!("the script is not for {}", asked.join(" or "));
        return vec![invalid(&source.name, why, None, None)];
    }
    let run = |version| match read(version) {
        Ok(script) => run_once(source, &script, plan, version),
        Err(error) => unread(source, &error),
    };
    versions.into_iter().map(run).collect()
}

fn run_once(source: &Source, script: &Script, plan: &Plan, version: IpVersion) -> Outcome {
    if script.options.dry_run {
        return Outcome::new(&source.name, Some(version), Verdict::Passed);
    }
    let begin = Instant::now();
    let Plan { profile, abi, linger, strict, open_end, .. } = *plan;
    let setting = Setting { profile, abi, version, linger, strict, open_end };
    let result = match plan.door {
        Some(make) => run_through(script, setting, make),
        None => run(script, setting),
    };
    let took = begin.elapsed();
    match result {
        Ok(passed) => Outcome {
            took,
            virtual_micros: passed.virtual_micros,
            printed: passed.printed,
            remarks: passed.remarks.iter().map(|remark| remark.show(source)).collect(),
            without_effect: passed.without_effect,
            ..Outcome::new(&source.name, Some(version), Verdict::Passed)
        },
        Err(failed) => Outcome {
            took,
            message: Some(format!("{}: {}", failed.failure.place.line, failed.failure.what)),
            line: Some(failed.failure.place.line),
            detail: Some(failed.failure.show(source)),
            without_effect: failed.without_effect,
            ..Outcome::new(&source.name, Some(version), Verdict::Failed)
        },
    }
}

/// Of a script that is not written as one.
fn unread(source: &Source, error: &ScriptError) -> Outcome {
    invalid(&source.name, error.message.clone(), Some(error.place.line), Some(source.show(error)))
}

fn invalid(file: &str, why: String, line: Option<u32>, detail: Option<String>) -> Outcome {
    let message = line.map_or_else(|| why.clone(), |line| format!("{line}: {why}"));
    let detail = detail.unwrap_or_else(|| format!("{file}: {why}\n"));
    Outcome { message: Some(message), line, detail: Some(detail), ..Outcome::new(file, None, Verdict::Invalid) }
}
