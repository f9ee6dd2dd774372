//! The floors of the multi-flow world, and that smoltcp stands in it where its own test finds it.

use super::world::{Outcome, run};
use super::{Bowline, Contender, Plan, Smoltcp, World, multi_flow};

/// Megabytes a second and Jain's index, by seed.
fn figures(contender: &dyn Contender, flows: usize, seeds: u64) -> Vec<(f64, f64)> {
    let run = |seed| run(&World::multi_flow(flows, seed), contender).expect("all flows are done");
    (0..seeds).map(run).map(|outcome| (outcome.goodput(), outcome.fairness())).collect()
}

fn mean(figures: &[(f64, f64)]) -> (f64, f64) {
    let sum = figures.iter().fold((0.0, 0.0), |sum, figure| (sum.0 + figure.0, sum.1 + figure.1));
    (sum.0 / figures.len() as f64, sum.1 / figures.len() as f64)
}

#[test]
fn one_flow_is_as_fast_as_its_buffer_lets_it_be() {
    for seed in 0..20 {
        let world = World::multi_flow(1, seed);
        let outcome = run(&world, &Bowline::default()).unwrap();
        let (reached, bound) = (outcome.goodput(), world.bound().unwrap());
        assert!((0.98..1.0).contains(&(reached / bound)), "seed {seed}: {reached:.2} of {bound:.2} MB/s");
        assert_eq!(outcome.packets.1, 0, "seed {seed}: nothing is lost");
    }
    assert!(figures(&Bowline::default(), 1, 1)[0].0 > 1.9, "the delays of smoltcp's test");
}

#[test]
fn many_flows_fill_the_link_and_share_it() {
    // Of 16, those with the shortest of the round trips (54 to 139 ms) have a full buffer's window before others have
    // doubled theirs as often, and with 2 MiB all is over before anybody yields.
    for (flows, least, fair) in [(4, 7.0, 0.95), (16, 19.5, 0.82), (64, 22.5, 0.9)] {
        let figures = figures(&Bowline::default(), flows, 5);
        let (goodput, fairness) = mean(&figures);
        assert!(goodput > least && fairness > fair, "{flows} flows, MB/s and Jain's index: {figures:.3?}");
    }
}

#[test]
fn the_longer_they_last_the_more_evenly_flows_share() {
    let long = |seed| World { bytes: 32 << 20, ..World::multi_flow(16, seed) };
    let fairness = (0..2).map(|seed| run(&long(seed), &Bowline::default()).unwrap().fairness());
    assert!(fairness.clone().all(|fairness| fairness > 0.9), "{:.3?}", fairness.collect::<Vec<_>>());
}

#[test]
fn smoltcp_is_where_its_own_test_finds_it() {
    // 1.28, 1.79, 7.92 and 14.8 MB/s with Ethernet headers and its own order of events.
    for (flows, known) in [(1, 1.28), (16, 7.92), (64, 14.8)] {
        let (goodput, _) = figures(&Smoltcp { cubic: true }, flows, 1)[0];
        assert!((0.85..1.15).contains(&(goodput / known)), "{flows} flows: {goodput:.2} MB/s, once {known}");
    }
}

#[test]
fn a_report_has_every_figure_and_its_seeds() {
    let contenders: [Box<dyn Contender>; 2] = [Box::new(Bowline::default()), Box::new(Smoltcp { cubic: true })];
    let plan = Plan { only: String::new(), runs: 2, flows: vec![1, 2] };
    let report = multi_flow(&contenders, &plan, &|_| {});
    assert_eq!(report.notes, Vec::<String>::new());
    assert_eq!((report.rows.len(), report.rows[0].runs), (13, 2), "and the bound of one flow");
    let fair = multi_flow(&contenders, &Plan { only: "fairness".to_owned(), ..plan }, &|_| {});
    assert!(fair.rows.len() == 4 && fair.rows.iter().all(|row| row.unit == "1 is fair"));
}

#[test]
fn goodput_fairness_and_drops_are_what_they_say() {
    let lasted = bowline_base::Instant::from_secs(2);
    let outcome = Outcome { lasted, received: vec![3_000_000, 1_000_000], packets: (200, 3) };
    assert_eq!((outcome.goodput(), outcome.fairness(), outcome.dropped()), (2.0, 0.8, 1.5));
}
