//! What a plan comes to, and what is told of rates.

use super::*;

#[test]
fn a_queue_is_counted_in_what_the_path_holds() {
    let turn = Plan::default().turn(40, 2.0).unwrap();
    // 50 Mbit/s for 40 ms are 250 kB.
    assert_eq!(turn.data.queue.bytes, Some(500_000));
    assert_eq!((turn.data.delay, turn.acks.delay), (Duration::from_millis(20), Duration::from_millis(20)));
    assert_eq!(turn.acks.rate, None);
    assert_eq!(turn.lateness, Duration::from_micros(240));
    assert_eq!(turn.groups.iter().map(|group| group.flows).sum::<usize>(), 3);
    assert!(Plan { rate: 0, ..Plan::default() }.turn(40, 1.0).is_err());
}

#[test]
fn every_flow_has_a_name_of_its_own() {
    let plan = Plan { ours: (Controller::Bbr, 2), ..Plan::default() };
    let names = plan.names(&plan.turn(40, 1.0).unwrap()).concat();
    assert_eq!(names, ["Linux cubic", "bowline bbr, flow 1", "bowline bbr, flow 2"]);
}

#[test]
fn those_who_have_no_flows_are_not_there() {
    let plan = Plan { ours: (Controller::Cubic, 0), theirs: (Controller::Cubic, 3), ..Plan::default() };
    let names = plan.names(&plan.turn(40, 1.0).unwrap());
    assert_eq!(names, [["Linux cubic, flow 1", "Linux cubic, flow 2", "Linux cubic, flow 3"]]);
}

#[test]
fn shares_are_of_what_all_got() {
    let names = ["a", "b", "c"].map(str::to_owned);
    let told = |only| {
        let mut report = Report::default();
        Measures::new("here", &names, only).add(&mut report, &[5.0, 15.0, 10.0]);
        report.rows.into_iter().map(|row| (row.measure, row.contender, row.median)).collect::<Vec<_>>()
    };
    let share = |name: &str, share| ("here: share".to_owned(), name.to_owned(), share);
    assert_eq!(told("share"), [share("a", 0.5), share("b", 1.5), share("c", 1.0)]);
    assert_eq!(told("Jain"), [("here: Jain's index".to_owned(), "all flows".to_owned(), 900.0 / (3.0 * 350.0))]);
    assert_eq!(told("").len(), 7);
    assert!(Measures::new("here", &names, "elsewhere").is_empty());
}
