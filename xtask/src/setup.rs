//! Installs what the tests and benchmarks run beside our own code: real programs from Debian, and two
//! subcommands of cargo.
//!
//! Changes nothing when everything is there. Without root it changes nothing either and says what to install.

use std::path::Path;

use crate::step;

/// A program that tests or benchmarks start, and the Debian packages that have it (the first that exists is taken).
const PROGRAMS: &[(&str, &[&str])] = &[
    ("curl", &["curl"]),
    ("nginx", &["nginx-light", "nginx"]),
    ("iperf3", &["iperf3"]),
    ("wrk", &["wrk"]),
    ("tshark", &["tshark"]),
    ("hping3", &["hping3"]),
    ("python3", &["python3"]),
    ("nc.openbsd", &["netcat-openbsd"]),
    ("ip", &["iproute2"]),
    ("unshare", &["util-linux"]),
    ("setpriv", &["util-linux", "setpriv"]),
    ("ps", &["procps"]),
    ("sysctl", &["procps"]),
    ("slirp4netns", &["slirp4netns"]),
    ("pasta", &["passt"]),
];

/// How long building one of cargo's subcommands may take.
const BUILD_LIMIT_S: u32 = 8 * 60;

/// Installs what is missing.
pub(crate) fn run() -> Result<(), String> {
    let programs = programs();
    subcommand("cargo-nextest", "nextest");
    subcommand("cargo-deny", "deny");
    programs
}

/// Whether `program` is in `PATH` or in the folders for administrators, which an ordinary `PATH` may lack.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|folder| Path::new(folder).to_path_buf()));
    folders.iter().any(|folder| folder.join(program).is_file())
}

fn programs() -> Result<(), String> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !has(program)).collect();
    if missing.is_empty() {
        println!("all programs are there");
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().filter_map(|(_, packages)| packages.first().copied()).collect();
    let by_hand = format!("missing: {}; install them with `apt-get install {}`", names.join(" "), packages.join(" "));
    if !has("apt-get") || !is_root() {
        return Err(by_hand);
    }
    // tshark asks whether ordinary users may capture, iperf3 whether to start a daemon: no to both, and no questions.
    let answer = "wireshark-common wireshark-common/install-setuid boolean false";
    step::run(&mut shell(&format!("echo '{answer}' | debconf-set-selections || true")))?;
    step::run(&mut shell("apt-get update -qq"))?;
    for (program, packages) in missing {
        if has(program) {
            continue;
        }
        let installed = packages.iter().any(|package| {
            let install = format!("apt-get install -y -qq --no-install-recommends {package} >/dev/null");
            step::run(&mut shell(&install)).is_ok()
        });
        if !installed || !has(program) {
            return Err(format!("apt-get could not install {program}; {by_hand}"));
        }
    }
    Ok(())
}

fn shell(script: &str) -> std::process::Command {
    let mut command = step::command("sh", &["-c", script]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    step::output(&mut step::command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// Whether `cargo <name>` can be run.
pub(crate) fn has_subcommand(name: &str) -> bool {
    step::succeeds(&mut step::command("cargo", &[name, "--version"]))
}

/// Builds a subcommand of cargo if it is missing. A failure is told here and fails the step that needs the subcommand.
fn subcommand(package: &str, name: &str) {
    if has_subcommand(name) {
        println!("{package} is there");
        return;
    }
    let limit = BUILD_LIMIT_S.to_string();
    let mut install = step::command("timeout", &[&limit, "cargo", "install", "--quiet", "--locked", package]);
    if let Err(why) = step::run(&mut install) {
        println!("{package} could not be built: {why}");
    }
}
