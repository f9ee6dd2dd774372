use std::time::Duration;

use bowline_tcp::reason::SendReason;
use bowline_tcp::state::State;
use bowline_tcp::trace::Trace;

use super::Plot;
use crate::script::Script;

#[test]
fn both_plots_are_drawn_and_bounded() {
    let mut s = Script::new(State::Established);
    for number in 0..1000 {
        s.at(u64::from(number) * 100).sent("A", number * 1000, 1, 1000, SendReason::Data);
        s.got("A", 1, number * 1000, 0).what(Trace::Congestion {
            cwnd: 14_480 + u64::from(number),
            ssthresh: if number < 500 { u64::MAX } else { 10_000 },
            in_flight: 0,
            srtt: Some(Duration::from_millis(20)),
            rto: Duration::from_millis(220),
            pacing_rate: (number > 10).then_some(1_448_000),
            model: (number > 10).then_some((if number < 700 { "Startup" } else { "ProbeBW_<UP>" }, 1_000_000)),
        });
    }
    let mut plot = Plot::new("a <connection>", 100);
    s.records.iter().for_each(|record| plot.push(record));
    let sequence = plot.time_sequence();
    assert!(sequence.starts_with("<svg ") && sequence.ends_with("</svg>\n"));
    assert!(sequence.contains("a &lt;connection&gt;"));
    assert!(sequence.matches("<circle").count() <= 102, "bounded");
    let congestion = plot.congestion();
    for class in ["cwnd", "thresh", "rtt", "pacing", "bandwidth"] {
        assert!(congestion.contains(&format!("<path class=\"{class}\" d=")), "{class}");
    }
    assert_eq!(congestion.matches("<rect class=\"state\"").count(), 2, "one for each state");
    assert!(congestion.contains(">Startup</text>") && congestion.contains("ProbeBW_&lt;UP&gt;"));
    assert!(congestion.contains("pacing, up to "), "the legend tells the scale of the rate");
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let plot = Plot::new("empty", 0);
    assert!(plot.time_sequence().ends_with("</svg>\n"));
    assert!(!plot.congestion().contains("NaN"));
}
