//! A diagram as one self-contained SVG: no fonts, scripts or files from elsewhere, readable on light and dark pages.

use std::fmt::Write;

use super::model::{Diagram, Direction, Fold, Note, Row, Segment, What};
use super::text::{Side, seconds};
use crate::words;

const WIDTH: u32 = 960;
const LEFT: u32 = 150;
const RIGHT: u32 = 640;
const ROW: u32 = 26;
const TOP: u32 = 84;

const STYLE: &str = "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#222}.t{fill:#777;text-anchor:end}\
.c{text-anchor:middle}.b{font-weight:bold}.s{fill:#176f2c}.lane{stroke:#999}.a{stroke:#333;fill:none}.h{fill:#333}\
.w{stroke:#b36b00;fill:none}.wh,.wt{fill:#b36b00}.x{stroke:#c0182b;fill:none}.xh,.xt{fill:#c0182b}\
.f{fill:#777;font-style:italic;text-anchor:middle}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.a{stroke:#ccc}.h{fill:#ccc}.s{fill:#6c8}}";

/// Draws a diagram as an SVG document.
///
/// Later events are lower; the distance between rows does not stand for time, which is written beside each.
#[must_use]
pub fn render(diagram: &Diagram, us: Side) -> String {
    let height = TOP + ROW * (diagram.rows.len() as u32 + 2);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\"><title>{}</title><style>{STYLE}</style>",
        escape(&format!("{} and {}", diagram.remote, diagram.local))
    );
    let (peer, own) = (diagram.remote.to_string(), format!("{} (we)", diagram.local));
    let (left, right) = if us == Side::Left { (&own, &peer) } else { (&peer, &own) };
    for (x, name) in [(LEFT, left), (RIGHT, right)] {
        let _ = write!(
            out,
            "<text class=\"c b\" x=\"{x}\" y=\"{}\">{}</text><line class=\"lane\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" \
             y2=\"{height}\"/>",
            TOP - 26,
            escape(name),
            TOP - 18
        );
    }
    let facts = format!(
        "out {}, {}; in {}, {}; {}",
        words::counted(diagram.segments_out, "segment"),
        words::bytes(diagram.bytes_out),
        words::counted(diagram.segments_in, "segment"),
        words::bytes(diagram.bytes_in),
        words::counted(diagram.retransmissions, "retransmission")
    );
    let _ = write!(out, "<text x=\"16\" y=\"24\">{}</text>", escape(&facts));
    for (number, row) in diagram.rows.iter().enumerate() {
        let y = TOP + ROW * (number as u32 + 1);
        match &row.what {
            What::Segment(segment) => arrow(&mut out, (row, segment), y, us),
            What::Fold(fold) => folded(&mut out, fold, y),
            What::Note(note) => remark(&mut out, row, note, y),
        }
    }
    out.push_str("</svg>\n");
    out
}

fn arrow(out: &mut String, (row, segment): (&Row, &Segment), y: u32, us: Side) {
    let to_the_right = (segment.direction == Direction::Out) == (us == Side::Left);
    let class = if segment.is_lost() || segment.dropped.is_some() || segment.flags.contains("RST") {
        "x"
    } else if segment.why.is_some() {
        "w"
    } else {
        "a"
    };
    let (from, mut to) = if to_the_right { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
    if segment.is_lost() {
        to = if to_the_right { from + (RIGHT - LEFT) * 3 / 4 } else { from - (RIGHT - LEFT) * 3 / 4 };
    }
    let _ = write!(out, "<g><text class=\"t\" x=\"96\" y=\"{}\">{}</text>", y + 4, seconds(row.at));
    let _ = write!(out, "<line class=\"{class}\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>");
    if segment.is_lost() {
        let _ = write!(
            out,
            "<path class=\"x\" d=\"M{} {}l10 10m0 -10l-10 10\"/>",
            to.saturating_sub(5),
            y.saturating_sub(5)
        );
    } else {
        let back = if to_the_right { "l-9 -4v8z" } else { "l9 -4v8z" };
        let head = if class == "a" { "h".to_owned() } else { format!("{class}h") };
        let _ = write!(out, "<path class=\"{head}\" d=\"M{to} {y}{back}\"/>");
    }
    let mut words = format!("{} seq {}", segment.flags, segment.seq);
    if segment.len > 0 {
        let _ = write!(words, " len {}", segment.len);
    }
    if segment.count > 1 {
        let _ = write!(words, " ({}x)", segment.count);
    }
    if let Some(ack) = segment.ack {
        let _ = write!(words, " ack {ack}");
    }
    let _ = write!(words, " win {}", segment.window);
    if !segment.options.is_empty() {
        let _ = write!(words, " <{}>", segment.options.join(", "));
    }
    let middle = LEFT.midpoint(RIGHT);
    let _ = write!(out, "<text class=\"c\" x=\"{middle}\" y=\"{}\">{}</text>", y - 5, escape(&words));
    let mut state = segment.state.clone();
    if let Some(next) = &segment.next_state {
        let _ = write!(state, " → {next}");
    }
    let _ = write!(out, "<text class=\"s\" x=\"{}\" y=\"{}\">{}</text>", RIGHT + 14, y + 4, escape(&state));
    let mut marks: Vec<String> = Vec::new();
    marks.extend(segment.fate.as_ref().map(|fate| {
        let lost = if fate.lost { "lost on the way: " } else { "on the way: " };
        format!("{lost}{}", fate.what)
    }));
    marks.extend(segment.why.as_ref().map(ToString::to_string));
    marks.extend(segment.dropped.as_ref().map(|why| format!("dropped: {why}")));
    if !marks.is_empty() {
        let colour = if class == "x" { "xt" } else { "wt" };
        let (x, y) = (RIGHT + 14, y + 16);
        let _ = write!(out, "<text class=\"{colour}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(&marks.join(", ")));
    }
    out.push_str("</g>");
}

fn folded(out: &mut String, fold: &Fold, y: u32) {
    let text = format!(
        "… out {}, {}; in {}, {} …",
        words::counted(fold.segments_out, "segment"),
        words::bytes(fold.bytes_out),
        words::counted(fold.segments_in, "segment"),
        words::bytes(fold.bytes_in)
    );
    let _ = write!(out, "<text class=\"f\" x=\"{}\" y=\"{}\">{text}</text>", LEFT.midpoint(RIGHT), y + 4);
}

fn remark(out: &mut String, row: &Row, note: &Note, y: u32) {
    let class = if note.trouble { "c wt" } else { "c s" };
    let _ = write!(
        out,
        "<text class=\"t\" x=\"96\" y=\"{0}\">{1}</text><text class=\"{class}\" x=\"{2}\" y=\"{0}\">{3}</text>",
        y + 4,
        seconds(row.at),
        LEFT.midpoint(RIGHT),
        escape(&note.text)
    );
}

/// Text as XML wants it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
