//! A diagram as text: two life lines, an arrow per segment, our state and what went wrong beside it.
//!
//! It decides widths, glyphs and colours, and nothing about what is shown. Lines are at most [`Style::width`] wide where
//! that is 60 or more.

use super::model::{Diagram, Direction, Ending, Fold, Note, Row, Segment, What};
use crate::words;

/// On which side our stack stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// On the left.
    Left,
    /// On the right: the program whose connection ends in us stands on the left. The default.
    #[default]
    Right,
}

/// How a diagram is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Columns; default 100, at least 60. From 90 on, states and remarks stand beside the arrows instead of below them.
    pub width: usize,
    /// Whether to use nothing but ASCII; default false.
    pub ascii: bool,
    /// Whether to use ANSI colours; default false.
    pub colour: bool,
    /// Where we stand; default right.
    pub us: Side,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 100, ascii: false, colour: false, us: Side::default() }
    }
}

/// Draws a diagram. The text ends in a newline.
#[must_use]
pub fn render(diagram: &Diagram, style: &Style) -> String {
    let mut pen = Pen::new(style, diagram);
    pen.title();
    pen.names();
    for row in &diagram.rows {
        match &row.what {
            What::Segment(segment) => pen.segment(row, segment),
            What::Fold(fold) => pen.fold(fold),
            What::Note(note) => pen.note(row, note),
        }
    }
    pen.out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
}

struct Glyphs {
    lane: char,
    cut: char,
    line: char,
    left: char,
    right: char,
    cross: char,
    dots: &'static str,
}

const UNICODE: Glyphs =
    Glyphs { lane: '│', cut: '┆', line: '─', left: '◀', right: '▶', cross: '✗', dots: "…" };
const ASCII: Glyphs = Glyphs { lane: '|', cut: ':', line: '-', left: '<', right: '>', cross: 'x', dots: "..." };

/// The columns of the time, its gap included.
const TIME: usize = 13;

struct Pen<'a> {
    diagram: &'a Diagram,
    style: Style,
    glyphs: &'static Glyphs,
    /// Columns between the life lines.
    area: usize,
    /// Columns to the right of them; 0 where remarks stand below the arrows.
    beside: usize,
    out: String,
}

impl<'a> Pen<'a> {
    fn new(style: &Style, diagram: &'a Diagram) -> Self {
        let width = style.width.max(60);
        let beside = if width >= 90 { (width - 66).clamp(28, 44) } else { 0 };
        let area = width - TIME - 2 - beside - usize::from(beside > 0);
        let glyphs = if style.ascii { &ASCII } else { &UNICODE };
        Self { diagram, style: *style, glyphs, area: area.min(64), beside, out: String::new() }
    }

    fn title(&mut self) {
        let d = self.diagram;
        let arrow = if self.style.ascii { "<->" } else { "⇄" };
        let number = if d.id == 0 { String::new() } else { format!("connection {}: ", d.id) };
        let line = format!("{number}{} {arrow} {}", d.remote, d.local);
        self.line(&[(Colour::Bold, &line)]);
        let ending = match d.ending {
            Ending::Open => "still open",
            Ending::Closed => "closed",
            Ending::Reset => "reset",
            Ending::Refused => "refused",
            Ending::Failed => "failed",
        };
        let mut facts = match &d.ended_by {
            Some(why) if why != ending => format!("{ending} ({why}) after {}", seconds(d.duration)),
            _ => format!("{ending} after {}", seconds(d.duration)),
        };
        facts.push_str(" s; ");
        facts.push_str(&traffic("out", d.segments_out, d.bytes_out));
        facts.push_str("; ");
        facts.push_str(&traffic("in", d.segments_in, d.bytes_in));
        if d.retransmissions > 0 {
            facts.push_str("; ");
            facts.push_str(&words::counted(d.retransmissions, "retransmission"));
        }
        for line in wrap(&facts, self.style.width.max(60)) {
            self.line(&[(Colour::Plain, &line)]);
        }
        self.out.push('\n');
    }

    /// The names above the life lines.
    fn names(&mut self) {
        let (peer, us) = (self.diagram.remote.to_string(), format!("{} (we)", self.diagram.local));
        let (left, right) = if self.style.us == Side::Left { (us, peer) } else { (peer, us) };
        let room = self.area + 2;
        if left.len() + right.len() + 2 <= room {
            let gap = room - left.len() - right.len();
            self.line(&[(Colour::Plain, &spaces(TIME)), (Colour::Bold, &format!("{left}{}{right}", spaces(gap)))]);
        } else {
            self.line(&[(Colour::Plain, &spaces(TIME)), (Colour::Bold, &left)]);
            let indent = (TIME + room).saturating_sub(right.len());
            self.line(&[(Colour::Plain, &spaces(indent)), (Colour::Bold, &right)]);
        }
        let unit = format!("{:>width$}  ", "s", width = TIME - 2);
        self.lanes((Colour::Dim, &unit), self.glyphs.lane, (Colour::Plain, ""), "");
    }

    fn segment(&mut self, row: &Row, segment: &Segment) {
        let to_the_right = (segment.direction == Direction::Out) == (self.style.us == Side::Left);
        let colour = if segment.is_lost() || segment.dropped.is_some() {
            Colour::Bad
        } else if segment.why.is_some() {
            Colour::Warn
        } else if segment.flags.contains("RST") {
            Colour::Bad
        } else {
            Colour::Plain
        };
        let arrow = self.arrow(segment, to_the_right);
        let mut remarks = self.remarks(segment).into_iter();
        let time = format!("{:>width$}  ", seconds(row.at), width = TIME - 2);
        let first = if self.beside > 0 { remarks.next().unwrap_or_default() } else { String::new() };
        self.lanes((Colour::Dim, &time), self.glyphs.lane, (colour, &arrow), &first);
        let blank = spaces(TIME);
        for line in wrap(&segment.options.join(", "), self.area - 6) {
            let beside = if self.beside > 0 { remarks.next().unwrap_or_default() } else { String::new() };
            let line = format!("    {line}");
            self.lanes((Colour::Plain, &blank), self.glyphs.lane, (Colour::Dim, &line), &beside);
        }
        for remark in remarks {
            if self.beside > 0 {
                self.lanes((Colour::Plain, &blank), self.glyphs.lane, (Colour::Plain, ""), &remark);
            } else {
                let line = format!("      {remark}");
                self.lanes((Colour::Plain, &blank), self.glyphs.lane, (Colour::Dim, &line), "");
            }
        }
    }

    /// The arrow with its words; one that is lost on the way ends early.
    fn arrow(&self, segment: &Segment, to_the_right: bool) -> String {
        let g = self.glyphs;
        let reach = if segment.is_lost() { self.area - 6 } else { self.area };
        let head = match (segment.is_lost(), to_the_right) {
            (true, _) => g.cross,
            (false, true) => g.right,
            (false, false) => g.left,
        };
        let words = fit(segment, reach.saturating_sub(7), g.dots);
        let rest: String = std::iter::repeat_n(g.line, reach.saturating_sub(words.chars().count() + 5)).collect();
        let tail: String = std::iter::repeat_n(g.line, 2).collect();
        let gap = spaces(self.area - reach);
        if to_the_right {
            format!("{tail} {words} {rest}{head}{gap}")
        } else {
            format!("{gap}{head}{rest} {words} {tail}")
        }
    }

    /// What stands beside an arrow: our state first.
    fn remarks(&self, segment: &Segment) -> Vec<String> {
        let arrow = if self.style.ascii { "->" } else { "→" };
        let mut remarks = Vec::new();
        match &segment.next_state {
            Some(next) => remarks.push(format!("{} {arrow} {next}", segment.state)),
            None if segment.state.is_empty() => {}
            None => remarks.push(segment.state.clone()),
        }
        if let Some(fate) = &segment.fate {
            let lost = if fate.lost { "lost on the way: " } else { "on the way: " };
            remarks.push(format!("{lost}{}", fate.what));
        }
        remarks.extend(segment.why.as_ref().map(ToString::to_string));
        remarks.extend(segment.dropped.as_ref().map(|why| format!("dropped: {why}")));
        let room = if self.beside > 0 { self.beside } else { self.area - 8 };
        pack(&remarks, room).into_iter().flat_map(|line| wrap(&line, room)).collect()
    }

    fn fold(&mut self, fold: &Fold) {
        let dots = self.glyphs.dots;
        let mut facts = Vec::new();
        if fold.segments_out > 0 {
            facts.push(traffic("out", fold.segments_out, fold.bytes_out));
        }
        if fold.segments_in > 0 {
            facts.push(traffic("in", fold.segments_in, fold.bytes_in));
        }
        for (count, what) in
            [(fold.retransmissions, "retransmission"), (fold.drops, "segment lost or dropped"), (fold.notes, "note")]
        {
            if count > 0 {
                // The plural of the second stands inside it.
                let text = words::counted(count, what).replace("segment lost or droppeds", "segments lost or dropped");
                facts.push(text);
            }
        }
        let blank = spaces(TIME);
        let text = format!("{dots} {} {dots}", facts.join(", "));
        let lines = wrap(&text, self.area - 2);
        for line in lines {
            let indent = spaces((self.area.saturating_sub(line.chars().count())) / 2);
            let line = format!("{indent}{line}");
            self.lanes((Colour::Plain, &blank), self.glyphs.cut, (Colour::Dim, &line), "");
        }
    }

    fn note(&mut self, row: &Row, note: &Note) {
        let dot = if self.style.ascii { "*" } else { "·" };
        let colour = if note.trouble { Colour::Warn } else { Colour::Good };
        let text = if self.style.ascii { ascii(&note.text) } else { note.text.to_string() };
        let mut time = format!("{:>width$}  ", seconds(row.at), width = TIME - 2);
        for (number, line) in wrap(&text, self.area - 6).into_iter().enumerate() {
            let mark = if number == 0 { dot } else { " " };
            let line = format!("  {mark} {line}");
            self.lanes((Colour::Dim, &time), self.glyphs.lane, (colour, &line), "");
            time = spaces(TIME);
        }
    }

    /// One line: the time, both life lines, what stands between them and what stands beside them.
    fn lanes(&mut self, time: (Colour, &str), lane: char, between: (Colour, &str), beside: &str) {
        let text = if self.style.ascii { ascii(between.1) } else { between.1.to_owned() };
        let text: String = text.chars().take(self.area).collect();
        let gap = spaces(self.area - text.chars().count());
        let lane = lane.to_string();
        let gap = format!("{gap}{lane}");
        let beside = if beside.is_empty() { String::new() } else { format!(" {beside}") };
        self.line(&[time, (Colour::Plain, &lane), (between.0, &text), (Colour::Plain, &gap), (Colour::Good, &beside)]);
    }

    fn line(&mut self, parts: &[(Colour, &str)]) {
        for (colour, text) in parts {
            let code = match colour {
                _ if !self.style.colour || text.trim().is_empty() => "",
                Colour::Plain => "",
                Colour::Dim => "\x1b[2m",
                Colour::Bold => "\x1b[1m",
                Colour::Good => "\x1b[32m",
                Colour::Warn => "\x1b[33m",
                Colour::Bad => "\x1b[31m",
            };
            self.out.push_str(code);
            self.out.push_str(text);
            if !code.is_empty() {
                self.out.push_str("\x1b[0m");
            }
        }
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
        self.out.push('\n');
    }
}

/// The words on an arrow, as many as fit.
fn fit(segment: &Segment, room: usize, dots: &str) -> String {
    let mut words = format!("{} seq {}", segment.flags, segment.seq);
    let mut more = Vec::new();
    if segment.count > 1 {
        more.push(format!(" len {} ({}x)", segment.len, segment.count));
    } else if segment.len > 0 {
        more.push(format!(" len {}", segment.len));
    }
    more.extend(segment.ack.map(|ack| format!(" ack {ack}")));
    if !segment.flags.contains("RST") {
        more.push(format!(" win {}", segment.window));
    }
    for word in more {
        if words.chars().count() + word.len() > room {
            words.push_str(dots);
            break;
        }
        words.push_str(&word);
    }
    words.chars().take(room).collect()
}

/// Joins remarks to lines of at most `room` columns.
fn pack(remarks: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for remark in remarks {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + remark.chars().count() <= room => {
                line.push_str(", ");
                line.push_str(remark);
            }
            _ => lines.push(remark.clone()),
        }
    }
    lines
}

/// Breaks text at spaces into lines of at most `room` columns; nothing for empty text.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn traffic(way: &str, segments: u64, bytes: u64) -> String {
    if bytes == 0 {
        return format!("{way} {}", words::counted(segments, "segment"));
    }
    format!("{way} {}, {}", words::counted(segments, "segment"), words::bytes(bytes))
}

/// Microseconds as seconds with microseconds: `12.345678`.
pub(super) fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn ascii(text: &str) -> String {
    text.replace('–', "-").replace('→', "->").replace('…', "...")
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}
