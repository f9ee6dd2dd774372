//! The command line from outside: help, completions, manual pages, and the one line that each mistake is worth.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn bowline(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bowline")).args(words).env("COLUMNS", "100").output().unwrap()
}

fn stdout(words: &[&str]) -> String {
    let output = bowline(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

/// Status and standard error of a mistake, which is one line and nothing on standard output.
fn mistake(words: &[&str]) -> String {
    let output = bowline(words);
    assert!(output.stdout.is_empty(), "{words:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{words:?}: {error}");
    assert!(error.starts_with("bowline: "), "{words:?}: {error}");
    format!("{} {}", output.status.code().unwrap(), error.trim_end())
}

#[test]
fn help() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    insta::assert_snapshot!("help-run", stdout(&["run", "--help"]));
    insta::assert_snapshot!("help-run-short", stdout(&["run", "-h"]));
    insta::assert_snapshot!("help-ss", stdout(&["ss", "--help"]));
    insta::assert_snapshot!("help-drill", stdout(&["drill", "--help"]));
    insta::assert_snapshot!("help-bench", stdout(&["bench", "--help"]));
    insta::assert_snapshot!("help-completions", stdout(&["completions", "--help"]));
    insta::assert_snapshot!("help-man", stdout(&["man", "--help"]));
}

#[test]
fn mistakes_are_one_line_that_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let publish = format!("{port}:80");
    let lines: &[&[&str]] = &[
        &["fly"],
        &["--fly"],
        &["run"],
        &["run", "--los", "2%", "--", "true"],
        &["run", "--loss", "many", "true"],
        &["run", "--loss", "101%", "true"],
        &["run", "--loss", "1%/x", "true"],
        &["run", "--delay", "40", "true"],
        &["run", "--delay", "soon", "true"],
        &["run", "--rate", "10", "true"],
        &["run", "--rate", "0mbit", "true"],
        &["run", "--mtu", "100", "true"],
        &["run", "--seed", "-1", "true"],
        &["run", "--congestion", "vegas", "true"],
        &["run", "--quiet", "--json", "true"],
        &["run", "-p", "8080", "true"],
        &["run", "-p", "8080:80/sctp", "true"],
        &["run", "--allow", "example.org", "true"],
        &["run", "--deny", "10.0.0.1/8", "true"],
        &["run", "--pcap", "/nonexistent/x.pcapng", "true"],
        &["run", "-p", &publish, "true"],
        &["ss", "state", "bogus"],
        &["ss", "--pid", "1"],
        &["drill"],
        &["drill", "/nonexistent.pkt"],
        &["drill", "-D", "NAME", "x.pkt"],
        &["drill", "--profile", "plan9", "x.pkt"],
        &["drill", "--json", "--junit", "x.pkt"],
        &["drill", "--linger", "long", "x.pkt"],
        &["bench", "disk"],
        &["bench", "footprint"],
        &["bench", "--runs", "0"],
        &["bench", "memory", "--only", "no such thing"],
        &["completions", "dos"],
        &["completions"],
        &["man", "fly"],
    ];
    let lines: Vec<_> = lines.iter().map(|words| format!("{}: {}", words.join(" "), mistake(words))).collect();
    let lines = [lines.join("\n").replace(&port, "PORT")];
    insta::assert_snapshot!("mistakes", lines.join(""));
}

#[test]
fn every_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("bowline") && script.contains("completions"), "{shell}");
    }
}

#[test]
fn manual_pages_are_roff() {
    for words in [&["man"][..], &["man", "completions"]] {
        let page = stdout(words);
        assert!(page.contains(".TH bowline") && page.contains(".SH NAME"), "{page}");
    }
}
