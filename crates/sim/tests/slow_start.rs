//! How slow start ends on a long path: before its queue overflows.

use bowline_sim::Scenario;
use bowline_sim::scenario::{Report, Settings};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The first seconds of one flow over 140 ms, whose queue holds so many times what the path does.
fn begin(congestion: &str, rate: u32, queue: f64) -> Result<Report, Box<dyn std::error::Error>> {
    let bytes = (f64::from(rate) * 1e6 / 8.0 * 0.14 * queue) as u64;
    let text = format!(
        r#"
        duration = "5s"
        [hosts.a]
        congestion = "{congestion}"
        send_buffer = "64MiB"
        [hosts.b]
        receive_buffer_max = "64MiB"
        [[link]]
        ends = ["a", "b"]
        rate = "{rate}mbit"
        delay = "70ms"
        queue = "{bytes}B"
        [[flow]]
        from = "a"
        to = "b"
        "#
    );
    Ok(Scenario::parse(&text)?.run(&Settings::default())?)
}

/// The share of packets that the queue dropped.
fn lost(report: &Report) -> f64 {
    report.links[0].dropped as f64 / report.links[0].packets as f64
}

#[test]
fn hystart_leaves_it_before_the_queue_overflows() -> Outcome {
    for (rate, queue) in [(20, 1.0), (60, 1.0), (100, 1.0), (100, 2.0), (150, 1.0)] {
        let [cubic, reno] = [begin("cubic", rate, queue)?, begin("new-reno", rate, queue)?];
        let place = format!("{rate} Mbit/s, a queue of {queue} BDP");
        assert!(lost(&cubic) < 0.01, "{place}: {}\n{cubic}", lost(&cubic));
        // Without it every tenth packet is lost, and time with it.
        assert!(lost(&reno) > 0.05, "{place}: slow start to the end is no harm: {}\n{reno}", lost(&reno));
        // Where the last second has no loss to repair both carry what the link can.
        assert!(cubic.goodput >= reno.goodput, "{place}\n{cubic}\n{reno}");
    }
    Ok(())
}

#[test]
fn a_queue_of_half_of_what_the_path_holds_hardly_overflows() -> Outcome {
    for rate in [10, 20, 45, 60, 80, 100, 150, 250] {
        let [cubic, reno] = [begin("cubic", rate, 0.5)?, begin("new-reno", rate, 0.5)?];
        let lost = [lost(&cubic), lost(&reno)];
        assert!(lost[0] < 0.01 && lost[0] < lost[1] / 4.0, "{rate} Mbit/s: {lost:?}\n{cubic}\n{reno}");
        assert!(cubic.goodput > reno.goodput, "{rate} Mbit/s\n{cubic}\n{reno}");
    }
    // One of a quarter overflows by an eightieth at most.
    for rate in [100, 250] {
        let shallow = begin("cubic", rate, 0.25)?;
        assert!(lost(&shallow) < 0.0125, "{shallow}");
    }
    Ok(())
}
