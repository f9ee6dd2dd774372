//! The multi-flow scenario of smoltcp's own tests: 25 MB/s, 100 ms, a queue of 64 KiB, 2 MiB a flow, buffers of 256 KiB; and
//! one large flow on the same link with a queue of one bandwidth-delay product and buffers that grow. And what pacing costs beside
//! one who sends in bursts (docs/share.md).

use bowline_sim::Scenario;
use bowline_sim::scenario::Settings;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const MULTI_FLOW: &str = include_str!("../../../scenarios/smoltcp-multi-flow.toml");
const BIG_FLOW: &str = include_str!("../../../scenarios/one-big-flow.toml");
const BURSTS: &str = include_str!("../../../scenarios/bursts-and-pacing.toml");

/// MB/s of all flows together, and how fair they were.
fn run(flows: u32) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let mut scenario = Scenario::parse(MULTI_FLOW)?;
    scenario.flows[0].count = flows;
    let report = scenario.run(&Settings::default())?;
    assert!(report.flows.iter().all(|flow| flow.done && flow.bytes == 2 << 20), "{report}");
    Ok((report.goodput / 8e6, report.fairness.unwrap_or_default()))
}

#[test]
fn every_flow_is_done_and_the_link_is_shared_fairly() -> Outcome {
    let figures = [1, 4, 16, 64].map(run).into_iter().collect::<Result<Vec<_>, _>>()?;
    // One flow cannot be faster than its buffer lets it: 256 KiB each 100 ms are 2.6 MB/s, and 1.6 with the handshake, the five
    // round trips of slow start and the FIN's acknowledgement. The floors are what a step back would fall below; they are
    // no claim that it could not be faster. All flows begin at one instant here and have one round-trip time: who is late
    // once is late always. smoltcp's own test draws delays; `bowline bench sim` has its world.
    let least = [1.45, 5.8, 5.0, 13.0];
    for ((goodput, fairness), least) in figures.iter().zip(least) {
        assert!(*goodput > least && *fairness > 0.5, "goodput in MB/s and fairness: {figures:?}");
    }
    assert!(figures[0].0 < 1.65, "{figures:?}");
    Ok(())
}

#[test]
fn one_large_flow_fills_the_link() -> Outcome {
    // A fifth of the scenario's flow: slow start weighs five times as much.
    let scenario = Scenario::parse(&BIG_FLOW.replace("1GB", "200MB"))?;
    let report = scenario.run(&Settings::default())?;
    assert!(report.flows[0].done && report.goodput > 0.78 * 200e6, "{report}");
    Ok(())
}

#[test]
fn who_sends_bursts_gets_more_than_who_does_not() -> Outcome {
    let share = |seed| -> Result<f64, Box<dyn std::error::Error>> {
        let report = Scenario { seed, ..Scenario::parse(BURSTS)? }.run(&Settings::default())?;
        let bursts = report.flows.iter().find(|flow| flow.name == "bursts").ok_or("no flow in bursts")?;
        Ok(3.0 * bursts.goodput / report.goodput)
    };
    let shares = (1..=3).map(share).collect::<Result<Vec<_>, _>>()?;
    assert!(shares.iter().all(|share| (1.0..2.0).contains(share)), "of a fair share: {shares:.2?}");
    assert!(shares.iter().sum::<f64>() / 3.0 > 1.15, "of a fair share: {shares:.2?}");
    Ok(())
}
