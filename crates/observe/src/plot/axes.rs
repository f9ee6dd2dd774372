//! The frame of a plot: its size, its scales, its legend. It knows numbers and no packets.

use std::fmt::Write;

use crate::diagram::svg::escape;

pub(super) const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
pub(super) const MARGIN: f64 = 70.0;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#888}.sent{fill:#3366cc}\
.again{fill:#d0021b}.ack{stroke:#2a8a3e;fill:none;stroke-width:1.5}.cwnd{stroke:#3366cc;fill:none;stroke-width:1.5}\
.s0{stroke:#3366cc}.s1{stroke:#b36b00}.s2{stroke:#2a8a3e}.s3{stroke:#8e44ad}.s0,.s1,.s2,.s3{fill:none;stroke-width:1.5}\
.thresh{stroke:#999;fill:none;stroke-dasharray:4 3}.rtt{stroke:#b36b00;fill:none;stroke-width:1.5}.pacing{stroke:#2a8a3e;fill:none;stroke-width:1}\
.bandwidth{stroke:#8e44ad;fill:none;stroke-width:1.5}.state{fill:#8884;stroke:#888;stroke-width:.5}\
@media(prefers-color-scheme:dark){text{fill:#ddd}}";

pub(super) struct Axes {
    width: f64,
    height: f64,
}

impl Axes {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width: width.max(1e-6), height: height.max(1e-6) }
    }

    pub(super) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let across = MARGIN + x / self.width * (WIDTH - 2.0 * MARGIN);
        let down = HEIGHT - MARGIN - y / self.height * (HEIGHT - 2.0 * MARGIN);
        (across, down)
    }

    pub(super) fn begin(&self, title: &str, top: &str) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\"><style>{STYLE}</style><text x=\"{MARGIN}\" y=\"24\">{}</text>",
            escape(title)
        );
        let (left, bottom) = self.place(0.0, 0.0);
        let (right, upper) = self.place(self.width, self.height);
        let _ = write!(
            out,
            "<path class=\"axis\" fill=\"none\" d=\"M{left:.1} {upper:.1}V{bottom:.1}H{right:.1}\"/>\
             <text x=\"6\" y=\"{:.1}\">{top}</text><text x=\"{:.1}\" y=\"{:.1}\">{:.6} s</text>",
            upper + 4.0,
            right - 60.0,
            bottom + 18.0,
            self.width
        );
        out
    }

    pub(super) fn line(&self, out: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (number, (x, y)) in points.enumerate() {
            let (x, y) = self.place(x, y);
            let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
        }
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

pub(super) fn legend(out: &mut String, entries: &[(&str, &str)]) {
    for (number, (class, text)) in entries.iter().enumerate() {
        let x = MARGIN + 130.0 * number as f64;
        let y = HEIGHT - 16.0;
        let _ = match *class {
            "sent" | "again" => write!(out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{}\" r=\"4\"/>", y - 4.0),
            _ => write!(out, "<path class=\"{class}\" d=\"M{} {}h16\"/>", x - 8.0, y - 4.0),
        };
        let _ = write!(out, "<text x=\"{}\" y=\"{y}\">{text}</text>", x + 14.0);
    }
}
