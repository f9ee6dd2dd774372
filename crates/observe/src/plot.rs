//! Plots from records as self-contained SVG: what was sent and acknowledged over time, and how the congestion window and
//! the round-trip time went.
//!
//! A [`Plot`] is one connection. Its memory is bounded: when it has too many points, every second one is left out. A
//! [`chart`] is anything over time.

use std::fmt::Write;

use bowline_base::{Instant, Position};
use bowline_tcp::trace::{Record, Trace};
use bowline_wire::tcp::TcpFlags;

use crate::diagram::svg::escape;
use crate::words;

mod axes;
mod chart;

pub use chart::chart;

use axes::{Axes, MARGIN, WIDTH, legend};

/// What one connection did over time.
#[derive(Debug)]
pub struct Plot {
    title: String,
    start: Option<Instant>,
    base: Option<Position>,
    end: Position,
    sent: Vec<Sent>,
    acked: Vec<(f64, f64)>,
    windows: Vec<Window>,
    /// When the controller said that it stands elsewhere.
    states: Vec<(f64, &'static str)>,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: f64,
    seq: f64,
    again: bool,
}

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
            sent: Vec::new(),
            acked: Vec::new(),
            windows: Vec::new(),
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
                let seq = self.relative(place);
                self.sent.push(Sent { at, seq, again: *again });
                thin(&mut self.sent, self.limit);
            }
            Trace::Received { header, dropped: None, .. } if header.flags.contains(TcpFlags::ACK) => {
                let place = self.place(header.ack.0);
                let seq = self.relative(place);
                self.acked.push((at, seq));
                thin(&mut self.acked, self.limit);
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
                thin(&mut self.windows, self.limit);
            }
            _ => {}
        }
    }

    /// Sequence numbers over time: a dot per segment, red where it was sent again, and the line of what was acknowledged.
    #[must_use]
    pub fn time_sequence(&self) -> String {
        let width = self.sent.iter().map(|s| s.at).chain(self.acked.iter().map(|a| a.0)).fold(0.0, f64::max);
        let height = self.sent.iter().map(|s| s.seq).chain(self.acked.iter().map(|a| a.1)).fold(0.0, f64::max);
        let axes = Axes::new(width, height);
        let mut out = axes.begin(&format!("{}: sequence numbers", self.title), &words::bytes(height as u64));
        for sent in &self.sent {
            let (x, y) = axes.place(sent.at, sent.seq);
            let class = if sent.again { "again" } else { "sent" };
            let radius = if sent.again { 3.0 } else { 1.8 };
            let _ = write!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
        }
        axes.line(&mut out, "ack", self.acked.iter().copied());
        legend(&mut out, &[("sent", "sent"), ("again", "sent again"), ("ack", "acknowledged")]);
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
        let mut out = axes.begin(&format!("{}: congestion window and RTT", self.title), &words::bytes(top as u64));
        axes.line(&mut out, "cwnd", self.windows.iter().map(|w| (w.at, w.cwnd)));
        axes.line(&mut out, "thresh", self.windows.iter().filter_map(|w| Some((w.at, w.ssthresh?))));
        let times = Axes::new(width, slowest);
        times.line(&mut out, "rtt", self.windows.iter().filter_map(|w| Some((w.at, w.rtt?))));
        let (x, y) = (WIDTH - MARGIN + 4.0, MARGIN);
        let _ = write!(out, "<text x=\"{x}\" y=\"{y}\">{slowest:.1} ms</text>");
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

/// Leaves out every second of too many points; the shape stays.
fn thin<T: Copy>(points: &mut Vec<T>, limit: usize) {
    if points.len() > limit {
        let mut number = 0_usize;
        points.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests;
