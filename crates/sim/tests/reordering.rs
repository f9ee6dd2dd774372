//! What a path that delivers late costs a connection: a share of the packets is held back for half a round trip.

use bowline_sim::Scenario;
use bowline_sim::scenario::{Report, Settings};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The receiver's buffer ends where the queue is half full, so that nothing is ever lost.
const ROOMY: &str = "1200KiB";
/// The queue overflows, too.
const OVERFLOWING: &str = "16MiB";

/// Twenty seconds of bulk over 50 Mbit/s and 100 ms; of what goes toward the receiver this share arrives 50 ms late.
fn bulk(seed: u32, receive_buffer_max: &str, late: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let scenario = format!(
        r#"
        seed = {seed}
        duration = "20s"
        [hosts.a]
        congestion = "cubic"
        send_buffer = "16MiB"
        [hosts.b]
        receive_buffer_max = "{receive_buffer_max}"
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
    let orderly = bulk(1, ROOMY, "0%")?;
    for late in ["0.5%", "2%", "5%", "10%"] {
        for seed in 1..=3 {
            let report = bulk(seed, ROOMY, late)?;
            assert!(report.links.iter().all(|link| link.dropped + link.lost == 0), "{report}");
            assert!(report.goodput >= 0.98 * orderly.goodput, "{late}, seed {seed}: {report}\n{orderly}");
        }
    }
    Ok(())
}

#[test]
fn a_loss_while_the_path_reorders_leads_to_no_others() -> Outcome {
    // RFC 7323 5.3: the copy of what was lost overtakes originals, and all of these look old then.
    let orderly = bulk(1, OVERFLOWING, "0%")?;
    for late in ["0.5%", "2%", "10%"] {
        for seed in 1..=3 {
            let report = bulk(seed, OVERFLOWING, late)?;
            let dropped: u64 = report.links.iter().map(|link| link.dropped).sum();
            assert!(dropped > 0, "{report}");
            let again: u64 = report.flows.iter().map(|flow| flow.retransmitted_segments).sum();
            assert!(
                again <= dropped + dropped / 2,
                "{late}, seed {seed}: {again} sent again of {dropped} dropped: {report}"
            );
            assert!(report.goodput >= 0.95 * orderly.goodput, "{late}, seed {seed}: {report}\n{orderly}");
        }
    }
    Ok(())
}
