//! How `docs/conformance.md` looks. No line numbers: a page that changes with every edit is read by nobody.

use std::fmt::Write as _;

use super::sources::Sources;
use super::table::Requirement;

const HEAD: &str = "\
# Conformance

Written by `cargo xtask rfc` from `docs/requirements.toml` and from the comments in the sources; `cargo xtask ci` fails when
it is not current. The ids of RFC 9293 are its own (its appendix B lists them); those of the other RFCs are ours: the RFC, the
section, a number. What is asked is told in our words, so the RFC is what counts.

A requirement is accounted for when code names it in a comment and a test names it too, or when there is a reason why not.
Where we differ in a detail, on purpose, \"but\" says so. To see a test: `cargo nextest run NAME`, with a name from the last
column.
";

const TITLES: &[(&str, &str)] = &[
    ("9293", "Transmission Control Protocol"),
    ("2018", "Selective acknowledgement"),
    ("5681", "Congestion control"),
    ("5961", "Robustness against blind in-window attacks"),
    ("6298", "The retransmission timer"),
    ("6528", "Initial sequence numbers"),
    ("7323", "Window scaling and timestamps"),
    ("9768", "AccECN"),
];

/// One line: how many of what.
pub(super) fn summary(requirements: &[Requirement]) -> String {
    let rfc_9293 = || requirements.iter().filter(|requirement| requirement.rfc() == "9293");
    let without = rfc_9293().filter(|requirement| requirement.why_not.is_some()).count();
    let musts = rfc_9293().filter(|requirement| requirement.id.starts_with("MUST")).count();
    let musts_without =
        rfc_9293().filter(|requirement| requirement.id.starts_with("MUST") && requirement.why_not.is_some()).count();
    let all = rfc_9293().count();
    format!(
        "{all} of {all} requirements of RFC 9293 accounted for, {} met and {without} with a reason why not; of its {musts} \
         MUSTs {} met; {} requirements of other RFCs",
        all - without,
        musts - musts_without,
        requirements.len() - all
    )
}

/// The page.
pub(super) fn page(requirements: &[Requirement], sources: &Sources) -> String {
    let mut page = format!("{HEAD}\n{}.\n", wrap(&summary(requirements)));
    let mut rfcs: Vec<&str> = requirements.iter().map(Requirement::rfc).collect();
    rfcs.dedup();
    for rfc in rfcs {
        let title = TITLES.iter().find(|(number, _)| *number == rfc).map_or("", |(_, title)| title);
        // Writing to a string does not fail.
        let _ = writeln!(page, "\n## RFC {rfc}: {title}\n\n| id | § | asks | where | tests |\n|---|---|---|---|---|");
        for requirement in requirements.iter().filter(|requirement| requirement.rfc() == rfc) {
            let _ = writeln!(page, "{}", row(requirement, sources));
        }
    }
    page
}

fn row(requirement: &Requirement, sources: &Sources) -> String {
    let Requirement { id, asks, but, why_not, .. } = requirement;
    let code: Vec<String> = sources.code(id).iter().map(|file| link(short(file), file)).collect();
    let mut tests: Vec<String> = sources.tests(id).iter().map(|test| link(&test.name, &test.file)).collect();
    if let Some(why_not) = why_not {
        tests.insert(0, format!("**Why not:** {}", why_not.trim()));
    }
    let but = but.as_ref().map_or(String::new(), |but| format!(" **But:** {}", but.trim()));
    let (code, tests, section) = (code.join(", "), tests.join(", "), requirement.section());
    format!("| {id} | {section} | {}{but} | {code} | {tests} |", asks.trim())
}

/// A path as the columns have room for it.
fn short(file: &str) -> &str {
    file.strip_prefix("crates/").unwrap_or(file)
}

fn link(text: &str, file: &str) -> String {
    format!("[`{}`](../{file})", text.replace("/src/", "/"))
}

/// Breaks a text into lines of at most 120 characters.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < 119 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
