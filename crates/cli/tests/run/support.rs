//! What every test here stands on: the command under test, servers that end with the test, and waiting without sleeping
//! for longer than needed.

pub(crate) mod command;
pub(crate) mod servers;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use command::{Ended, Running, bowline, shell};

/// Set where every program that is needed has been installed, as CI does: nothing is skipped there for want of one.
const REQUIRED: &str = "BOWLINE_E2E";

/// Ends the test where this machine lacks a program, the device or namespaces, and says so.
macro_rules! needs {
    ($($program:literal),*) => {
        if let Some(why) = crate::support::missing(&[$($program),*]) {
            eprintln!("skipped: {why}");
            return;
        }
    };
}
pub(crate) use needs;

/// What this machine lacks, if anything.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    let program = programs.iter().find(|program| !has(program)).map(|program| format!("there is no {program}"));
    let installed = std::env::var_os(REQUIRED).is_some();
    assert!(program.is_none() || !installed, "{program:?}, although {REQUIRED} is set: see `cargo xtask setup`");
    program.or_else(no_device).or_else(no_namespaces)
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.any(|folder| folder.join(program).is_file())
}

fn no_device() -> Option<String> {
    let opened = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    opened.err().map(|error| format!("/dev/net/tun cannot be opened: {error}"))
}

fn no_namespaces() -> Option<String> {
    let made = shell("unshare -Urnm true || unshare -nm true").within(10).run();
    (!made.status.success()).then(|| format!("no namespaces can be made: {}", made.stderr.trim_end()))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How often a condition is looked at that nothing announces.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `found` has something, and fails after `limit` with what was waited for.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(LOOK);
    }
}

/// A folder that everybody may enter, and that goes with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("bowline-e2e").tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// Writes `len` bytes that nothing could guess into a file.
pub(crate) fn random_file(path: &Path, len: u64) {
    let made =
        shell("head -c $LEN /dev/urandom > $FILE").env("LEN", len.to_string()).env("FILE", path).within(60).run();
    made.assert_success();
}

/// The SHA-256 of a file, as `sha256sum` prints it.
pub(crate) fn sha256(path: &Path) -> String {
    let sum = shell("sha256sum < $FILE").env("FILE", path).within(60).run();
    sum.assert_success();
    sum.stdout.split_whitespace().next().unwrap().to_owned()
}

/// The memory in bytes that a process has in use.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
