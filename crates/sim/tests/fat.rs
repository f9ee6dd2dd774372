//! Long fat paths: windows of thousands of segments, of which hundreds are lost in one round trip.
//!
//! What a sender remembers of its segments, and a receiver of its holes, is bounded; the bounds must not show here.

use bowline_sim::Scenario;
use bowline_sim::scenario::{Report, Settings};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The first seconds of one flow over 100 ms.
fn run(
    congestion: &str,
    rate: u32,
    queue: &str,
    loss: &str,
    seconds: u32,
) -> Result<Report, Box<dyn std::error::Error>> {
    let text = format!(
        r#"
        duration = "{seconds}s"
        [hosts.a]
        congestion = "{congestion}"
        send_buffer = "200MB"
        [hosts.b]
        receive_buffer_max = "200MB"
        [[link]]
        ends = ["a", "b"]
        rate = "{rate}mbit"
        delay = "50ms"
        queue = "{queue}"
        loss = "{loss}"
        [[flow]]
        from = "a"
        to = "b"
        "#
    );
    Ok(Scenario::parse(&text)?.run(&Settings::default())?)
}

#[test]
fn what_a_full_queue_dropped_is_sent_again_once_and_without_a_time_out() -> Outcome {
    // The end of slow start: every other segment of half a window, or some hundred holes.
    for (congestion, rate, queue) in
        [("new-reno", 400, "2500KB"), ("new-reno", 700, "4400KB"), ("cubic", 400, "2500KB"), ("cubic", 700, "4400KB")]
    {
        let report = run(congestion, rate, queue, "0%", 4)?;
        let (flow, dropped) = (&report.flows[0], report.links[0].dropped);
        let place = format!("{congestion}, {rate} Mbit/s");
        assert!(dropped > 200, "{place}: nothing overflowed\n{report}");
        assert_eq!(flow.timeouts, 0, "{place}\n{report}");
        let again = flow.retransmitted_segments;
        assert!(again >= dropped && again - dropped <= dropped / 50, "{place}: {again} for {dropped}\n{report}");
    }
    Ok(())
}

#[test]
fn a_model_of_the_path_fills_a_gigabit_although_every_twentieth_segment_is_lost() -> Outcome {
    // Some 400 holes in each window, of which each is reported by no more than three blocks an ACK.
    let report = run("bbr", 1000, "6MB", "5%", 5)?;
    assert!(report.goodput > 500e6, "{report}");
    Ok(())
}
