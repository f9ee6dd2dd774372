use super::case::Step;
use super::explained::matches;
use super::record::Difference;
use super::{bowline, generate};

#[test]
fn a_star_stands_for_anything() {
    assert!(matches("a*c", "abbbc") && matches("*", "") && matches("a*", "a") && matches("*b*", "abc"));
    assert!(!matches("a*c", "abbb") && !matches("b*", "abc") && !matches("abc", "ab"));
}

#[test]
fn the_same_seed_is_the_same_case_and_bowline_does_the_same_in_it() {
    for seed in 0..200 {
        let case = generate::conversation(seed);
        assert_eq!(case, generate::conversation(seed));
        let (record, states) = bowline::run(&case);
        assert_eq!(bowline::run(&case), (record.clone(), states.clone()));
        assert_eq!((record.len(), states.len()), (case.steps.len(), case.steps.len()));
        assert_eq!(Difference::between(&case, &record, &record, &states), None);
    }
}

#[test]
fn every_state_has_its_segments() {
    let mut states: Vec<String> = generate::matrix()
        .iter()
        .map(|case| {
            assert!(matches!(case.steps[case.opening], Step::Peer(_)));
            bowline::run(case).1[case.opening].split(" (").next().unwrap_or_default().to_owned()
        })
        .collect();
    states.sort();
    states.dedup();
    let all = [
        "CLOSE-WAIT",
        "CLOSED",
        "CLOSING",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "LAST-ACK",
        "LISTEN",
        "SYN-RECEIVED",
        "SYN-SENT",
        "TIME-WAIT",
    ];
    assert_eq!(states, all);
}

#[test]
fn where_two_part_is_found() {
    let case = generate::conversation(3);
    let (record, states) = bowline::run(&case);
    let mut other = record.clone();
    other[2].returned = Some("EPERM".to_owned());
    let difference = Difference::between(&case, &other, &record, &states).unwrap();
    assert_eq!((difference.step, difference.state.as_str()), (2, states[2].as_str()));
    assert!(difference.linux.starts_with("= EPERM"), "{}", difference.linux);
}
