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
    insta::assert_snapshot!("help-completions", stdout(&["completions", "--help"]));
    insta::assert_snapshot!("help-man", stdout(&["man", "--help"]));
}

#[test]
fn mistakes_are_one_line_that_says_what_to_do() {
    let lines: Vec<_> = [&["fly"][..], &["--fly"], &["completions", "dos"], &["completions"], &["man", "fly"]]
        .map(|words| format!("{words:?}: {}", mistake(words)))
        .into();
    insta::assert_snapshot!("mistakes", lines.join("\n"));
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
