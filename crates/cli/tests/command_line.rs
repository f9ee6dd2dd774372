//! The command line from outside: help, completions, manual pages, and the one line that each mistake is worth.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

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
    insta::assert_snapshot!("help-sim", stdout(&["sim", "--help"]));
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
        &["run", "--loss", "-5%", "true"],
        &["run", "--loss", "1%/x", "true"],
        &["run", "--delay", "40", "true"],
        &["run", "--delay", "soon", "true"],
        &["run", "--rate", "10", "true"],
        &["run", "--rate", "0mbit", "true"],
        &["run", "--mtu", "100", "true"],
        &["run", "--seed", "-1", "true"],
        &["run", "--congestion", "vegas", "true"],
        &["run", "--quiet", "--json", "true"],
        &["sim", "no/such/scenario.toml"],
        &["sim", "x.toml", "--sweep", "nothing"],
        &["sim", "x.toml", "--csv", "y.csv"],
        &["run", "-p", "8080", "true"],
        &["run", "-p", "8080:80/sctp", "true"],
        &["run", "--allow", "example.org", "true"],
        &["run", "--deny", "10.0.0.1/8", "true"],
        &["run", "--pcap", "/nonexistent/x.pcapng", "true"],
        &["run", "-p", &publish, "true"],
        &["run", "-p", "192.0.2.99:8080:80", "true"],
        &["ss", "state", "bogus"],
        &["ss", "--pid", "1"],
        &["ss", "-4", "-tin", "dport", "=", "many"],
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
        &["bench", "loss", "--rate", "10mbit"],
        &["bench", "tun", "--controller", "bbr"],
        &["bench", "share", "--queue", "none"],
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

#[test]
fn a_scenario_gives_a_report_and_a_grid_gives_files() {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/first.toml");
    let text = stdout(&["sim", scenario]);
    assert!(text.contains("router → bob") && text.contains("fairness"), "{text}");
    assert_eq!(text, stdout(&["sim", scenario]), "the same seed, the same report");
    let report: serde_json::Value = serde_json::from_str(&stdout(&["sim", scenario, "--seed", "9", "--json"])).unwrap();
    assert_eq!(report["seed"], 9);
    assert_eq!(report["flows"][0]["bytes"], 50_000_000);
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (csv, parquet) = (at("grid.csv"), at("grid.parquet"));
    let grid = ["sim", scenario, "--sweep", "seed=1..2", "--csv", &csv, "--parquet", &parquet];
    assert_eq!(stdout(&grid), "");
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 7);
    assert!(std::fs::read(parquet).unwrap().starts_with(b"PAR1"));
}
