//! Plots from records as self-contained SVG: what was sent, reported and acknowledged over time, and how the congestion window and
//! the round-trip time went.
//!
//! A [`Plot`] is one connection. Its memory is bounded: of too many points every second one is left out, of each kind by itself, so
//! that what is rare stays. A [`chart`] is anything over time.

use std::fmt::Write;

use bowline_base::{Instant, Position};
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::tcp::TcpFlags;

use crate::diagram::svg::escape;
use crate::words;

mod axes;
mod chart;
mod series;

pub use axes::Unit;
pub use chart::chart;

use axes::{Axes, MARGIN, legend};
use series::Series;

/// What one connection did over time.
#[derive(Debug)]
pub struct Plot {
    title: String,
    start: Option<Instant>,
    base: Option<Position>,
    end: Position,
    /// When the last record came, and the highest sequence number of one.
    extent: (f64, f64),
    sent: Series<Stroke>,
    again: Series<Stroke>,
    sacked: Series<Stroke>,
    acked: Series<(f64, f64)>,
    windows: Series<Window>,
    /// When the controller said that it stands elsewhere.
    states: Vec<(f64, &'static str)>,
    limit: usize,
}

/// When, and from which to which sequence number.
type Stroke = (f64, f64, f64);

#[derive(Clone, Copy, Debug)]
struct Window {
    at: f64,
    cwnd: f64,
    ssthresh: Option<f64>,
    rtt: Option<f64>,
    pacing: Option<f64>,
    bandwidth: Option<f64>,
}

impl Plot {
    /// An empty plot with at most `limit` points of each kind, at least 16.
    #[must_use]
    pub fn new(title: &str, limit: usize) -> Self {
        Self {
            title: title.to_owned(),
            start: None,
            base: None,
            end: Position::default(),
            extent: (0.0, 0.0),
            sent: Series::new(limit),
            again: Series::new(limit),
            sacked: Series::new(limit),
            acked: Series::new(limit),
            windows: Series::new(limit),
            states: Vec::new(),
            limit: limit.max(16),
        }
    }

    /// Takes one record of the connection in.
    pub fn push(&mut self, record: &Record) {
        let start = *self.start.get_or_insert(record.at);
        let at = record.at.since(start).as_secs_f64();
        match &record.what {
            Trace::Sent { header, len, again, .. } => {
                let place = self.place(header.seq.0);
                self.end = self.end.max(place + u64::from(*len));
                let stroke = (at, self.relative(place), self.relative(place + u64::from(*len)));
                self.note_extent(at, stroke.2);
                if *again { self.again.push(stroke) } else { self.sent.push(stroke) }
            }
            Trace::Received { header, dropped: None, .. } if header.flags.contains(TcpFlags::ACK) => {
                let acked = self.place(header.ack.0);
                let seq = self.relative(acked);
                self.note_extent(at, seq);
                self.acked.push((at, seq));
                for block in &header.options.sack {
                    let (start, end) = (self.place(block.left.0), self.place(block.right.0));
                    self.sacked.push((at, self.relative(start), self.relative(end)));
                }
            }
            Trace::Congestion { cwnd, ssthresh, srtt, pacing_rate, model, .. } => {
                let ssthresh = (*ssthresh != u64::MAX).then_some(*ssthresh as f64);
                let rtt = srtt.map(|srtt| srtt.as_secs_f64() * 1000.0);
                let pacing = pacing_rate.map(|rate| rate as f64);
                let bandwidth = model.map(|(_, bandwidth)| bandwidth as f64);
                if let Some((state, _)) = *model
                    && self.states.last().is_none_or(|last| last.1 != state)
                    && self.states.len() < self.limit
                {
                    self.states.push((at, state));
                }
                self.windows.push(Window { at, cwnd: *cwnd as f64, ssthresh, rtt, pacing, bandwidth });
            }
            _ => {}
        }
    }

    /// Sequence numbers over time: an upright stroke for each segment, red where it was sent again, and for each block of SACK; and the
    /// line of what was acknowledged.
    #[must_use]
    pub fn time_sequence(&self) -> String {
        let axes = Axes::new(self.extent.0, self.extent.1);
        let mut out = axes.begin(&format!("{}: sequence numbers", self.title), Unit::Bytes);
        axes.strokes(&mut out, "sack", self.sacked.iter());
        axes.strokes(&mut out, "sent", self.sent.iter());
        axes.line(&mut out, "ack", self.acked.iter());
        axes.strokes(&mut out, "again", self.again.iter());
        let names = [("sent", "sent"), ("again", "sent again"), ("sack", "reported by SACK"), ("ack", "acknowledged")];
        legend(&mut out, &names);
        out.push_str("</svg>\n");
        out
    }

    /// The congestion window and slow-start threshold (left scale), the smoothed round-trip time (right scale) and the pacing
    /// rate (a scale of its own, whose end the legend tells); of a controller that models the path, also the bandwidth it believes in
    /// (on that scale), and a strip of where it stands.
    #[must_use]
    pub fn congestion(&self) -> String {
        let width = self.windows.iter().map(|w| w.at).fold(0.0, f64::max);
        let top = self.windows.iter().map(|w| w.cwnd.max(w.ssthresh.unwrap_or(0.0))).fold(0.0, f64::max);
        let slowest = self.windows.iter().filter_map(|w| w.rtt).fold(0.0, f64::max);
        let axes = Axes::new(width, top);
        let mut out = axes.begin(&format!("{}: congestion window and RTT", self.title), Unit::Bytes);
        axes.line(&mut out, "cwnd", self.windows.iter().map(|w| (w.at, w.cwnd)));
        axes.line(&mut out, "thresh", self.windows.iter().filter_map(|w| Some((w.at, w.ssthresh?))));
        let times = Axes::new(width, slowest);
        times.line(&mut out, "rtt", self.windows.iter().filter_map(|w| Some((w.at, w.rtt?))));
        times.right(&mut out, Unit::Milliseconds);
        let fastest = self.windows.iter().flat_map(|w| [w.pacing, w.bandwidth]).flatten().fold(0.0, f64::max);
        let mut names = vec![("cwnd", "cwnd"), ("thresh", "ssthresh"), ("rtt", "smoothed RTT")];
        let pacing = format!("pacing, up to {}/s", words::bytes(fastest as u64));
        if fastest > 0.0 {
            let rates = Axes::new(width, fastest);
            rates.line(&mut out, "pacing", self.windows.iter().filter_map(|w| Some((w.at, w.pacing?))));
            if !self.states.is_empty() {
                rates.line(&mut out, "bandwidth", self.windows.iter().filter_map(|w| Some((w.at, w.bandwidth?))));
                names.push(("bandwidth", "bandwidth"));
            }
            names.push(("pacing", &pacing));
        }
        self.strip(&mut out, &axes, width);
        legend(&mut out, &names);
        out.push_str("</svg>\n");
        out
    }

    /// Where the controller stood: a box for each state, named where there is room and otherwise on a pointer's touch.
    fn strip(&self, out: &mut String, axes: &Axes, width: f64) {
        let ends = self.states.iter().skip(1).map(|(at, _)| *at).chain([width]);
        for ((at, state), end) in self.states.iter().zip(ends) {
            let ((from, _), (to, _)) = (axes.place(*at, 0.0), axes.place(end, 0.0));
            let (wide, name) = ((to - from).max(0.5), escape(state));
            let y = MARGIN - 14.0;
            let _ = write!(out, "<rect class=\"state\" x=\"{from:.1}\" y=\"{y}\" width=\"{wide:.1}\" height=\"10\">");
            let _ = write!(out, "<title>{name}</title></rect>");
            if wide > 7.0 * state.len() as f64 {
                let _ = write!(out, "<text x=\"{:.1}\" y=\"{}\">{name}</text>", from + 2.0, y - 2.0);
            }
        }
    }

    fn note_extent(&mut self, at: f64, seq: f64) {
        self.extent = (self.extent.0.max(at), self.extent.1.max(seq));
    }

    fn place(&mut self, wire: u32) -> Position {
        if self.base.is_none() {
            self.base = Some(Position::initial(wire));
            self.end = Position::initial(wire);
        }
        self.end.nearest(wire)
    }

    fn relative(&self, place: Position) -> f64 {
        self.base.map_or(0.0, |base| place.since(base) as f64)
    }
}

#[cfg(test)]
mod tests;
