//! The frame of a plot: its size, its scales with their round numbers, its legend. It knows numbers and no packets.

use std::fmt::Write;

use crate::diagram::svg::escape;

pub(super) const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
pub(super) const MARGIN: f64 = 70.0;

/// Round numbers on a scale, about so many.
const TICKS: f64 = 8.0;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#888}.grid{stroke:#888;stroke-opacity:.2}\
.sent,.again,.sack{fill:none;stroke-width:2}.sent{stroke:#3366cc}.again{stroke:#d0021b;stroke-width:3}.sack{stroke:#d98200}\
.ack{stroke:#2a8a3e;fill:none;stroke-width:1.5}.cwnd{stroke:#3366cc;fill:none;stroke-width:1.5}\
.s0{stroke:#3366cc}.s1{stroke:#b36b00}.s2{stroke:#2a8a3e}.s3{stroke:#8e44ad}.s0,.s1,.s2,.s3{fill:none;stroke-width:1.5}\
.thresh{stroke:#999;fill:none;stroke-dasharray:4 3}.rtt{stroke:#b36b00;fill:none;stroke-width:1.5}.pacing{stroke:#2a8a3e;fill:none;stroke-width:1}\
.bandwidth{stroke:#8e44ad;fill:none;stroke-width:1.5}.state{fill:#888;fill-opacity:.25;stroke:#888;stroke-width:.5}\
@media(prefers-color-scheme:dark){text{fill:#ddd}}";

/// What the numbers of a scale are, and so how they are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// A number.
    Number,
}

impl Unit {
    /// A value of a scale whose round numbers are `step` apart: all of them with the same unit and as many digits as they need.
    fn write(self, value: f64, step: f64) -> String {
        let (factor, name) = match self {
            Self::Bytes => [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
                .into_iter()
                .find(|(factor, _)| value >= *factor && step >= factor / 1e3)
                .unwrap_or((1.0, "B")),
            Self::Milliseconds => (1.0, "ms"),
            Self::Number => (1.0, ""),
        };
        format!("{} {name}", number(value / factor, step / factor)).trim_end().to_owned()
    }
}

/// A number with the digits that tell it from its neighbours, which are `step` away.
fn number(value: f64, step: f64) -> String {
    let digits = (-step.log10()).ceil().clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

/// The distance of round numbers (1, 2 or 5 and zeros) of which about [`TICKS`] are within `span`.
fn step(span: f64) -> f64 {
    let least = span / TICKS;
    let magnitude = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude).into_iter().find(|step| *step >= least).unwrap_or(least)
}

/// The round numbers from zero to `span`.
fn ticks(span: f64) -> impl Iterator<Item = f64> {
    let step = step(span);
    (0..=(span / step) as u32).map(move |number| f64::from(number) * step)
}

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

    /// The frame, with seconds below and `unit`s on the left.
    pub(super) fn begin(&self, title: &str, unit: Unit) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\"><style>{STYLE}</style><text x=\"{MARGIN}\" y=\"24\">{}</text>",
            escape(title)
        );
        let (left, bottom) = self.place(0.0, 0.0);
        let (right, upper) = self.place(self.width, self.height);
        for y in ticks(self.height) {
            let (_, down) = self.place(0.0, y);
            let (text, beside) = (unit.write(y, step(self.height)), down + 4.0);
            let _ = write!(out, "<path class=\"grid\" d=\"M{left:.1} {down:.1}H{right:.1}\"/>");
            let _ = write!(out, "<text text-anchor=\"end\" x=\"{:.1}\" y=\"{beside:.1}\">{text}</text>", left - 6.0);
        }
        for x in ticks(self.width) {
            let (across, below) = (self.place(x, 0.0).0, bottom + 18.0);
            let text = number(x, step(self.width));
            let _ = write!(out, "<path class=\"grid\" d=\"M{across:.1} {upper:.1}V{bottom:.1}\"/>");
            let _ = write!(out, "<text text-anchor=\"middle\" x=\"{across:.1}\" y=\"{below:.1}\">{text}</text>");
        }
        let (end, below) = (right + 34.0, bottom + 18.0);
        let _ = write!(out, "<text text-anchor=\"end\" x=\"{end:.1}\" y=\"{below:.1}\">s</text>");
        let _ = write!(out, "<path class=\"axis\" fill=\"none\" d=\"M{left:.1} {upper:.1}V{bottom:.1}H{right:.1}\"/>");
        out
    }

    /// A scale of `unit`s on the right, for what these axes are of.
    pub(super) fn right(&self, out: &mut String, unit: Unit) {
        let (left, _) = self.place(self.width, 0.0);
        for y in ticks(self.height) {
            let (text, beside) = (unit.write(y, step(self.height)), self.place(0.0, y).1 + 4.0);
            let _ = write!(out, "<text x=\"{:.1}\" y=\"{beside:.1}\">{text}</text>", left + 6.0);
        }
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

    /// Strokes that stand upright, each from one value to another at its time; the shortest can still be seen.
    pub(super) fn strokes(&self, out: &mut String, class: &str, strokes: impl Iterator<Item = (f64, f64, f64)>) {
        let mut path = String::new();
        for (x, from, to) in strokes {
            let ((x, lower), (_, upper)) = (self.place(x, from), self.place(x, to));
            let _ = write!(path, "M{x:.1} {lower:.1}V{:.1}", upper.min(lower - 2.0));
        }
        if !path.is_empty() {
            let _ = write!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
}

pub(super) fn legend(out: &mut String, entries: &[(&str, &str)]) {
    let (mut x, y) = (MARGIN, HEIGHT - 16.0);
    for (class, text) in entries {
        let _ = write!(out, "<path class=\"{class}\" d=\"M{} {}h16\"/>", x - 8.0, y - 4.0);
        let _ = write!(out, "<text x=\"{}\" y=\"{y}\">{text}</text>", x + 14.0);
        // a letter of the font is some 7 wide
        x += 46.0 + 7.0 * text.chars().count() as f64;
    }
}
