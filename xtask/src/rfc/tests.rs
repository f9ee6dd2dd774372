use super::sources::{Sources, is_id};
use super::{citations, table, unaccounted};

const CODE: &str = "\
/// Not a test (MUST-1).
fn code() {
    // RFC 5961 3.2, RFC5961-3.2-1: exact, or a challenge.
    let _ = 1; // MUST-2.
}
";

const TESTS: &str = "\
fn helper() {
    // MUST-9 is named by no test.
}

// MUST-3, above.
#[test]
fn plain() {
    // MUST-4: inside.
    assert!(true, \"MUST-5, in a message\");
}

proptest! {
    #[test]
    fn of_a_property(n in 0..9) {
        // MUST-6.
    }
}

#[tokio::test(flavor = \"current_thread\")]
async fn of_tokio() {
    // MUST-7.
}

#[cfg(test)]
mod inner {
    #[test]
    #[ignore]
    fn deep() {
        // RFC5961-3.2-1
    }
}
";

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.add("crates/x/src/lib.rs", CODE).unwrap();
    sources.add("crates/x/src/lib/tests.rs", TESTS).unwrap();
    sources.add("scripts/rfc9293/3.6/a.pkt", "// MUST-8: a script.\n+0 socket(...) = 3\n").unwrap();
    sources
}

#[test]
fn what_looks_like_an_id() {
    for id in ["MUST-1", "SHLD-31", "MAY-18", "REC-1", "RFC5961-3.2-1", "RFC6298-5-7"] {
        assert!(is_id(id), "{id}");
    }
    for word in ["MUST", "MUST-", "MUST-x", "RFC-5961", "RFC5961", "RFC5961-3.2", "must-1", "SHOULD-1", "MUST-1-2-3"] {
        assert!(!is_id(word), "{word}");
    }
}

#[test]
fn comments_of_code_and_of_tests_are_told_apart() {
    let sources = sources();
    let names = |id: &str| sources.tests(id).iter().map(|test| test.name.clone()).collect::<Vec<_>>();
    assert_eq!(sources.code("MUST-1"), ["crates/x/src/lib.rs"]);
    assert_eq!(sources.code("MUST-2"), ["crates/x/src/lib.rs"]);
    assert!(sources.code("MUST-3").is_empty() && sources.code("MUST-9").is_empty());
    for (id, name) in [
        ("MUST-3", "plain"),
        ("MUST-4", "plain"),
        ("MUST-5", "plain"),
        ("MUST-6", "of_a_property"),
        ("MUST-7", "of_tokio"),
        ("MUST-8", "a.pkt"),
        ("RFC5961-3.2-1", "deep"),
    ] {
        assert_eq!(names(id), [name], "{id}");
    }
    assert!(names("MUST-1").is_empty() && names("MUST-9").is_empty());
}

#[test]
fn a_requirement_needs_code_and_a_test_or_a_reason() {
    let one = |id: &str, more: &str| {
        let text = format!("[[requirement]]\nid = \"{id}\"\nsection = \"1\"\nasks = \"x\"\n{more}");
        let all: toml::Table = toml::from_str(&text).unwrap();
        let requirement = all["requirement"].as_array().unwrap()[0].clone();
        vec![requirement.try_into::<table::Requirement>().unwrap()]
    };
    let wrong = |id: &str, more: &str| {
        let found = unaccounted(&one(id, more), &sources());
        found.into_iter().filter(|line| line.starts_with(id)).count()
    };
    assert_eq!(wrong("RFC5961-3.2-1", ""), 0);
    assert_eq!(wrong("MUST-1", ""), 1, "no test");
    assert_eq!(wrong("MUST-3", ""), 1, "no code");
    assert_eq!(wrong("MUST-3", "why-not = \"because\""), 0);
    assert_eq!(wrong("RFC5961-3.2-1", "why-not = \"because\""), 1, "a reason against what is there");
    // Every other id of the sources is unknown to a table of one.
    assert_eq!(unaccounted(&one("RFC5961-3.2-1", ""), &sources()).len(), 8);
}

#[test]
fn a_table_that_is_not_complete_is_refused() {
    let text = "[[requirement]]\nid = \"MUST-1\"\nsection = \"3.1\"\nasks = \"x\"\n";
    assert_eq!(table::parse(text).unwrap_err(), "1 of 119 requirements of RFC 9293");
    assert_eq!(table::parse(&text.repeat(2)).unwrap_err(), "MUST-1 is there twice");
}

#[test]
fn cited_tests_must_exist() {
    let page = "# Title\n### one\n[`plain`](../crates/x/src/lib/tests.rs)\n### two\nnothing\n### three\n\
                [`gone`](../crates/x/src/lib/tests.rs) and [`a.pkt`](../scripts/rfc9293/3.6/a.pkt)\n";
    let wrong = citations::wrong_in("p.md", page, true, &sources());
    assert_eq!(wrong, ["p.md, \"two\": cites no test", "p.md: there is no test gone in crates/x/src/lib/tests.rs"]);
}
