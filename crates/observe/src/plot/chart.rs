//! A chart of anything over time.

use super::axes::{Axes, Unit, legend};

/// The classes of a chart's lines, in their order; later lines share them again.
const CLASSES: [&str; 4] = ["s0", "s1", "s2", "s3"];

/// Lines over time, each with its name, as self-contained SVG. Times are in seconds, from zero.
#[must_use]
pub fn chart(title: &str, unit: Unit, lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let width = points().map(|point| point.0).fold(0.0, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max);
    let axes = Axes::new(width, top);
    let mut out = axes.begin(title, unit);
    let mut entries = Vec::new();
    for ((name, points), class) in lines.iter().zip(CLASSES.iter().cycle()) {
        axes.line(&mut out, class, points.iter().copied());
        entries.push((*class, *name));
    }
    legend(&mut out, &entries);
    out.push_str("</svg>\n");
    out
}
