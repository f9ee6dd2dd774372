use std::time::Duration;

use bowline_tcp::reason::SendReason;
use bowline_tcp::state::State;
use bowline_tcp::trace::Trace;
use bowline_wire::SeqNumber;
use bowline_wire::tcp::SackBlock;

use super::{Plot, Unit, chart};
use crate::script::Script;

/// The places of a path's strokes, across.
fn strokes(svg: &str, class: &str) -> Vec<f64> {
    let path = svg.split(&format!("<path class=\"{class}\" d=\"")).nth(1).and_then(|rest| rest.split('"').next());
    let each = path.unwrap_or_default().split('M').filter(|stroke| stroke.contains('V'));
    each.filter_map(|stroke| stroke.split(' ').next()?.parse().ok()).collect()
}

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
    assert!((50..=102).contains(&strokes(&sequence, "sent").len()), "bounded");
    let congestion = plot.congestion();
    for class in ["cwnd", "thresh", "rtt", "pacing", "bandwidth"] {
        assert!(congestion.contains(&format!("<path class=\"{class}\" d=")), "{class}");
    }
    assert_eq!(congestion.matches("<rect class=\"state\"").count(), 2, "one for each state");
    assert!(congestion.contains(">Startup</text>") && congestion.contains("ProbeBW_&lt;UP&gt;"));
    assert!(congestion.contains("pacing, up to "), "the legend tells the scale of the rate");
}

#[test]
fn what_is_left_out_is_left_out_everywhere_and_what_is_rare_stays() {
    let mut s = Script::new(State::Established);
    for number in 0..5000_u32 {
        let why = if number == 7 { SendReason::FastRetransmit } else { SendReason::Data };
        let seq = if number == 7 { 0 } else { number * 1000 };
        s.at(u64::from(number) * 100).sent("A", seq, 1, 1000, why);
        s.got("A", 1, number.saturating_sub(10) * 1000, 0);
        if number == 8 {
            let block = SackBlock { left: SeqNumber(5000), right: SeqNumber(7000) };
            if let Some(Trace::Received { header, .. }) = s.records.last_mut().map(|record| &mut record.what) {
                header.options.sack.push(block);
            }
        }
    }
    let mut plot = Plot::new("", 100);
    s.records.iter().for_each(|record| plot.push(record));
    let sequence = plot.time_sequence();
    let sent = strokes(&sequence, "sent");
    let middle = sent.iter().sum::<f64>() / sent.len() as f64;
    assert!((middle - 480.0).abs() < 30.0, "as many to the left as to the right: {middle}");
    assert_eq!((strokes(&sequence, "again").len(), strokes(&sequence, "sack").len()), (1, 1));
}

#[test]
fn scales_have_round_numbers_with_their_unit() {
    let svg = chart("", Unit::Bytes, &[("queue", vec![(0.0, 0.0), (9.459, 220_900.0)])]);
    for text in ["<text text-anchor=\"end\"", ">100 kB<", ">200 kB<", ">50 kB<", ">0 B<", ">2<", ">8<", ">s<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    let svg = chart("", Unit::Milliseconds, &[("wait", vec![(0.0, 0.3), (0.002, 0.7)])]);
    for text in [">0.1 ms<", ">0.6 ms<", ">0.0005<", ">0.0020<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let plot = Plot::new("empty", 0);
    assert!(plot.time_sequence().ends_with("</svg>\n"));
    assert!(!plot.congestion().contains("NaN"));
}
