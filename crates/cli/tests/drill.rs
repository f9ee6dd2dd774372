//! `bowline drill` from outside: what is printed where, and with which status it ends.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::path::Path;
use std::process::{Command, Output};

const PASSES: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(3) = 0\n";
const FAILS: &str = "--ip_version=ipv4\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n\
    +0 listen(3, 1) = 0\n+.1 < S 0:0(0) win 1000 <mss 1000>\n+0 > S. 0:0(0) ack 2 <mss 1460>\n";

fn drill(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowline")).arg("drill").args(words).current_dir(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn all_is_well() {
    let folder = folder(&[("a/passes.pkt", PASSES), ("a/no script.txt", "")]);
    let output = drill(folder.path(), &["a"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    assert!(text(&output).contains("total          3        0        0"), "{}", text(&output));
    let output = drill(folder.path(), &["--quiet", "a/passes.pkt"]);
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_failure_is_shown_with_its_line_and_a_diagram() {
    let folder = folder(&[("fails.pkt", FAILS), ("passes.pkt", PASSES)]);
    let output = drill(folder.path(), &[".", "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output);
    let shown = shown.split("scripts").next().unwrap();
    insta::assert_snapshot!("failure", shown);
}

#[test]
fn scripts_that_cannot_be_run() {
    let folder =
        folder(&[("broken.pkt", "0 socket(..., SOCK_STREAM) = 3\n"), ("strange.pkt", "hello\n"), ("v4.pkt", FAILS)]);
    let output = drill(folder.path(), &["strange.pkt"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output).contains("strange.pkt:1:1: expected a time"));
    assert_eq!(drill(folder.path(), &["--ip-version", "ipv6", "v4.pkt"]).status.code(), Some(3));
    assert_eq!(drill(folder.path(), &["."]).status.code(), Some(1), "a failure counts more");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert_eq!(drill(folder.path(), &["empty"]).status.code(), Some(2));
}

#[test]
fn machines_get_what_they_read() {
    let folder = folder(&[("fails.pkt", FAILS), ("passes.pkt", PASSES)]);
    let json: serde_json::Value = serde_json::from_slice(&drill(folder.path(), &["--json", "."]).stdout).unwrap();
    let verdicts: Vec<_> =
        json.as_array().unwrap().iter().map(|outcome| outcome["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["failed", "passed", "passed", "passed"]);
    assert_eq!((&json[0]["line"], &json[0]["version"]), (&6.into(), &"ipv4".into()));
    let xml = text(&drill(folder.path(), &["--junit", "."]));
    assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"0\""), "{xml}");
}

#[test]
fn definitions_reach_scripts() {
    let script = format!("{PASSES}#ifdef WRONG\n+0 close(9) = N\n#endif\n");
    let folder = folder(&[("a.pkt", &script)]);
    assert_eq!(drill(folder.path(), &["a.pkt"]).status.code(), Some(0));
    assert_eq!(drill(folder.path(), &["-D", "WRONG=", "-D", "N=0", "a.pkt"]).status.code(), Some(1));
    assert_eq!(drill(folder.path(), &["-D", "WRONG=", "-D", "N=-1", "a.pkt"]).status.code(), Some(0));
}

#[test]
fn a_suites_defaults_are_read_as_a_shell_reads_them() {
    let script = format!("`./defaults.sh`\n{PASSES}");
    let run = |defaults: &str| {
        let folder = folder(&[("a.pkt", &script), ("defaults.sh", defaults)]);
        let output = drill(folder.path(), &["a.pkt"]);
        (output.status.code(), text(&output))
    };
    assert_eq!(run("#!/bin/sh\nnot_known || sysctl -q net.ipv4.tcp_sack=0\n").0, Some(0));
    let (status, shown) = run("not_known\n");
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("not_known"), "{shown}");
    let (status, shown) = run("not_known || ./defaults.sh\n");
    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("calls itself"), "{shown}");
}
