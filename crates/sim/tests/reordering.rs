//! What a path that delivers late costs a connection: a share of the packets is held back for half a round trip.

use bowline_sim::Scenario;
use bowline_sim::scenario::{Report, Settings};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Twenty seconds of bulk over 50 Mbit/s and 100 ms; of what goes toward the receiver this share arrives 50 ms late. The receiver's
/// buffer ends where the queue is half full, so that nothing is ever lost.
fn bulk(seed: u32, late: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let scenario = format!(
        r#"
        seed = {seed}
        duration = "20s"
        [hosts.a]
        congestion = "cubic"
        send_buffer = "16MiB"
        [hosts.b]
        receive_buffer_max = "1200KiB"
        [[link]]
        ends = ["a", "b"]
        rate = "50mbit"
        delay = "50ms"
        queue = "1250kB"
        toward.b = {{ reorder = "{late}", reorder_gap = 60000, reorder_hold = "50ms" }}
        [[flow]]
        from = "a"
        to = "b"
        "#
    );
    Ok(Scenario::parse(&scenario)?.run(&Settings::default())?)
}

#[test]
fn reordering_by_half_a_round_trip_costs_every_transfer_less_than_two_percent() -> Outcome {
    let orderly = bulk(1, "0%")?;
    for late in ["0.5%", "2%", "5%", "10%"] {
        for seed in 1..=3 {
            let report = bulk(seed, late)?;
            assert!(report.links.iter().all(|link| link.dropped + link.lost == 0), "{report}");
            assert!(report.goodput >= 0.98 * orderly.goodput, "{late}, seed {seed}: {report}\n{orderly}");
        }
    }
    Ok(())
}
