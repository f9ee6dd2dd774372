//! Everything that CI runs, in the order in which it is most likely to be wrong.

use std::process::Command;

use crate::step::{self, Report, Tally};
use crate::{deny, diagram, differential, lints, nostd, portable, rfc, setup};

/// Runs every step; a failed one does not hide the others.
pub(crate) fn run() -> Result<(), String> {
    let mut report = Report::new();
    let mut tally = Tally::default();
    report.step("setup", setup::run);
    report.step("fmt", || {
        step::run(&mut cargo(&["fmt", "--all", "--check"]))?;
        // Not a member of the workspace.
        step::run(&mut step::command("rustfmt", &["--check", "--edition", "2024", "ci/nostd/src/lib.rs"]))
    });
    report.step("lints", lints::run);
    report.step("clippy", || {
        step::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))
    });
    report.step("test", || test(&mut tally));
    report.step("doc tests", || step::run_tests(&mut cargo(&["test", "--workspace", "--doc", "--locked"]), &mut tally));
    report.step("no_std", nostd::run);
    report.step("portable", portable::run);
    report.step("deny", deny::run);
    report.step("docs", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        step::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
    });
    report.step("diagram", diagram::check);
    report.step("conformance", rfc::check);
    report.step("differences", differential::explained::check);
    report.step("differential", differential::quick);
    report.finish(tally)
}

fn test(tally: &mut Tally) -> Result<(), String> {
    if setup::has_subcommand("nextest") {
        let args = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
        step::run_tests(&mut cargo(&args), tally)
    } else {
        let args = ["test", "--workspace", "--locked", "--lib", "--bins", "--tests", "--no-fail-fast"];
        step::run_tests(&mut cargo(&args), tally)
    }
}

fn cargo(args: &[&str]) -> Command {
    let mut command = step::command("cargo", args);
    // A snapshot that differs is a failure and leaves no file behind.
    command.env("INSTA_UPDATE", "no");
    // What `setup` has installed is there: no test may do without it.
    command.env("BOWLINE_E2E", "1");
    command
}
