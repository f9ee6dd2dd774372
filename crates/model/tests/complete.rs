//! Every scenario, complete to its bound, with nothing wrong; and every arrow of the table taken by one of them, and SYNs and
//! RSTs of old challenged in every state that does so.

use std::collections::BTreeSet;

use bowline_model::diagram::draw;
use bowline_model::explore::{Limits, explore};
use bowline_model::report;
use bowline_model::scenario::scenarios;
use bowline_tcp::state::State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, TimeWait};

#[test]
fn nothing_is_wrong_to_the_bound_and_every_arrow_is_taken() {
    let limits = Limits { endings: 8, ..Limits::default() };
    let outcomes = report::explore_all(&scenarios(), limits, 2, |outcome| println!("{}", report::line(outcome)));
    for outcome in &outcomes {
        if let Some(finding) = &outcome.finding {
            panic!("{}\n{}", finding.what, draw(&outcome.scenario, finding).unwrap_or_else(|error| error));
        }
        assert!(outcome.complete, "{} was not explored to its end", outcome.scenario.name);
    }
    let missing = report::missing(&outcomes);
    assert!(missing.is_empty(), "nothing takes {missing:#?}");
    // RFC 1337: a RST in TIME-WAIT is ignored instead.
    let mut states = BTreeSet::from([SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck]);
    let [syns, resets] = report::challenged(&outcomes);
    assert_eq!(resets, states);
    states.insert(TimeWait);
    assert_eq!(syns, states);
}

/// What decides a side's future is in its fingerprint: sides that count as one make the same steps. So nothing depends on
/// which of them was met first, and that follows from what else is done on the way.
#[test]
fn sides_that_count_as_one_go_on_alike() {
    let all = scenarios();
    let named = |name: &str| all.iter().find(|scenario| scenario.name == name).expect("a scenario");
    for (name, depth) in [("forget", usize::MAX), ("order", 13)] {
        let limits = Limits { depth, endings: usize::MAX, twins: true, ..Limits::default() };
        let outcome = explore(named(name), limits);
        assert_eq!(outcome.finding.map(|finding| finding.what), None, "{name}");
        assert!(outcome.compared > 1000, "{name}: {} steps were compared", outcome.compared);
        if name == "forget" {
            let other = explore(named(name), Limits { endings: 1, ..limits });
            assert_eq!((other.states, other.transitions), (outcome.states, outcome.transitions));
        }
    }
}

/// A bound that is not reached would make the rest say nothing.
#[test]
fn limits_stop_an_exploration() {
    let all = scenarios();
    let transfer = all.first().expect("a scenario");
    let outcome = explore(transfer, Limits { depth: 4, ..Limits::default() });
    assert!(!outcome.complete && outcome.finding.is_none());
    assert_eq!(outcome.depth, 5);
    let outcome = explore(transfer, Limits { states: 100, ..Limits::default() });
    assert!(!outcome.complete && outcome.states < 200);
}
