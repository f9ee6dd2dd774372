use std::time::Duration;

use super::{Failure, Outcome, Summary, Verdict, junit, table, without_effect};
use crate::script::IpVersion;
use crate::source::{Place, Source};
use crate::wire::Difference;

fn outcomes() -> Vec<Outcome> {
    let took = Duration::from_micros(1500);
    vec![
        Outcome { took, ..Outcome::new("a/one.pkt", Some(IpVersion::V4), Verdict::Passed) },
        Outcome {
            took,
            message: Some("3: <bad> & \"worse\"".to_owned()),
            detail: Some("line\nline\u{1b}".to_owned()),
            ..Outcome::new("b/two.pkt", Some(IpVersion::V6), Verdict::Failed)
        },
        Outcome::new("b/three.pkt", None, Verdict::Invalid),
        Outcome { message: Some("not for linux".to_owned()), ..Outcome::new("b/four.pkt", None, Verdict::Skipped) },
    ]
}

#[test]
fn outcomes_as_a_table() {
    insta::assert_snapshot!(table(&outcomes()));
    assert_eq!(Summary::of(&outcomes()).total(), 3);
}

#[test]
fn outcomes_as_xml() {
    insta::assert_snapshot!(junit(&outcomes()));
}

#[test]
fn a_failure_as_text() {
    let source = Source::new("x.pkt", "+0 close(3) = 0\n+0 > F. 1:1(0) ack 1\n");
    let difference = Difference { field: "flags", expected: "F.".to_owned(), seen: ".".to_owned() };
    let failure = Failure::new(Place { line: 2, column: 1 }, "another packet was sent")
        .expected("F. 1:1(0) ack 1".to_owned())
        .seen(". 1:1(0) ack 1".to_owned())
        .with_differences(vec![difference]);
    insta::assert_snapshot!(failure.show(&source));
}

#[test]
fn what_changes_nothing_is_told_with_the_number_of_runs() {
    assert_eq!(without_effect(&outcomes()), None);
    let mut outcomes = outcomes();
    outcomes[0].without_effect = vec!["SO_MARK".to_owned(), "net.ipv4.tcp_mem".to_owned()];
    outcomes[1].without_effect = vec!["SO_MARK".to_owned()];
    let told = without_effect(&outcomes);
    assert_eq!(told.as_deref(), Some("taken without effect, in so many runs: SO_MARK (2), net.ipv4.tcp_mem (1)\n"));
}
