//! Links that mark instead of dropping: with either kind of ECN a flow fills them with a short queue, and loses nothing.

use bowline_sim::scenario::Settings;
use bowline_sim::{Report, Scenario};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// 40 MB over 50 Mbit/s and 20 ms, through this queue, between hosts with this kind of ECN.
fn run(ecn: &str, queue: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let scenario = format!(
        r#"
        [hosts.sender]
        ecn = {ecn}
        [hosts.receiver]
        ecn = {ecn}
        [[link]]
        ends = ["sender", "receiver"]
        rate = "50mbit"
        delay = "10ms"
        queue = {queue}
        [[flow]]
        from = "sender"
        to = "receiver"
        bytes = "40MB"
        "#
    );
    Ok(Scenario::parse(&scenario)?.run(&Settings::default())?)
}

#[test]
fn marks_keep_the_queue_short_without_loss() -> Outcome {
    for queue in [r#"{ kind = "codel" }"#, r#"{ kind = "step-mark", threshold = "5ms", bytes = "1MB" }"#] {
        for ecn in ["\"classic\"", "\"accurate\""] {
            let report = run(ecn, queue)?;
            let (flow, link) = (&report.flows[0], report.links.iter().max_by_key(|link| link.bytes).unwrap());
            assert!(flow.done && report.goodput > 0.8 * 50e6, "{ecn} {queue}\n{report}");
            assert!(link.marked > 0 && link.dropped == 0, "{ecn} {queue}\n{report}");
            assert_eq!(flow.retransmitted_segments, 0, "{ecn} {queue}\n{report}");
            // Ten milliseconds are half a round trip. Slow start is in it: until it sees the first mark it fills the queue.
            assert!(link.wait.0 < 10e-3, "{ecn} {queue}\n{report}");
        }
    }
    Ok(())
}

#[test]
fn without_marks_the_same_queue_drops() -> Outcome {
    let report = run("false", r#"{ kind = "codel" }"#)?;
    let (flow, link) = (&report.flows[0], report.links.iter().max_by_key(|link| link.bytes).unwrap());
    assert!(link.marked == 0 && link.dropped > 0 && flow.retransmitted_segments > 0, "{report}");
    Ok(())
}
