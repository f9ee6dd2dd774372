//! How `docs/fuzz.md` looks.

use std::fmt::Write as _;

use super::coverage::{CRATES, Files, Reached, Share};
use super::record::Run;

const HEAD: &str = "\
# Fuzzing

Written by `cargo xtask fuzz coverage`. The targets are functions of `crates/fuzz` that take bytes: `wire` (formats), `stack` (a host,
its packets and its programs' calls), `endpoint` (a whole TCP under segments, ICMP, calls and time), `pair` (two of them and a network
that the input drives) and `drill` (scripts). All but `wire` and `drill` read a program from the bytes, made of what a peer that keeps to
most of the rules would do: segments near the numbers that the other side expects, options, calls and waits.

`cargo xtask fuzz [TARGET]... [--minutes N] [--jobs N]` runs them with libFuzzer, which keeps and changes inputs that reach something
new, on all processors; it needs a stable compiler and a C++ compiler. (`cargo xtask fuzz
coverage` needs none, but LLVM's tools: `rustup component add llvm-tools`.) It tells every few seconds how many inputs were
run, how fast, how many are kept and how many edges of the control flow are taken. Debug assertions and checks of overflow are on. A
finding is made smaller and left in `fuzz/corpus`, where the tests replay it. `cargo xtask fuzz keep` adds to the corpus what takes an
edge that nothing in it takes.
";

/// Of findings that `docs/fuzz.toml` says nothing about.
const NOT_SAID: &str = "nobody has said yet.";

/// The page: who ran for how long, what each target reaches, and every file.
pub(super) fn page(all: &Files, by_target: &[(&str, Files)], runs: &[Run]) -> String {
    let mut page = String::from(HEAD);
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "\n## The last runs\n\n`cargo xtask fuzz TARGET --minutes 60 --record` writes a row. Beside other work a run has less of \
         the processor than\nits time; what it had is the fourth column, in minutes. Edges are those of everything that is linked, features are edges \
         by how often they\nwere taken, and comparisons.\n\n\
         | target | day | minutes | of a processor | runs | inputs kept | edges | features | findings |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for run in runs {
        let Run { target, date, minutes, cpu_minutes, runs, inputs, edges, features, findings, .. } = run;
        let _ = writeln!(
            page,
            "| `{target}` | {date} | {minutes} | {cpu_minutes} | {runs} | {inputs} | {edges} | {features} | {findings} |"
        );
    }
    for run in runs.iter().filter(|run| run.findings > 0) {
        let _ = writeln!(page, "\nWhat was found in `{}`: {}", run.target, run.found.as_deref().unwrap_or(NOT_SAID));
    }
    let _ = write!(
        page,
        "\n## What the corpus reaches\n\nOf the seeds and of `fuzz/corpus`, replayed once, without a change: lines, and regions, which end \
         where the control flow does.\n\n| crate | lines | regions | {} |\n|---|---|---|{}\n",
        by_target.iter().map(|(target, _)| format!("lines by `{target}`")).collect::<Vec<_>>().join(" | "),
        "---|".repeat(by_target.len()),
    );
    for room in CRATES {
        let whole = of(all, room);
        let _ = write!(page, "| `{room}` | {} | {} |", share(whole.lines), share(whole.regions));
        for (_, files) in by_target {
            let _ = write!(page, " {} |", percent(of(files, room).lines));
        }
        page.push('\n');
    }
    let _ = writeln!(page, "\n| file | lines | regions |\n|---|---|---|");
    for (name, reached) in all {
        let name = name.replacen("/src/", "/", 1);
        let _ = writeln!(page, "| {name} | {} | {} |", share(reached.lines), share(reached.regions));
    }
    page
}

/// One line.
pub(super) fn summary(all: &Files) -> String {
    let rooms = CRATES.map(|room| {
        let Reached { lines, regions } = of(all, room);
        format!("{room}: {} of lines, {} of regions", percent(lines), percent(regions))
    });
    rooms.join("; ")
}

fn of(files: &Files, room: &str) -> Reached {
    let begin = format!("{room}/");
    let of_it = files.iter().filter(|(name, _)| name.starts_with(&begin));
    of_it.fold(Reached::default(), |sum, (_, reached)| sum.plus(*reached))
}

fn share(share: Share) -> String {
    format!("{} of {} ({})", share.covered, share.count, percent(share))
}

fn percent(share: Share) -> String {
    format!("{:.1} %", share.covered as f64 * 100.0 / share.count.max(1) as f64)
}
