//! The story as it is told: for people, and as JSON.
//!
//! It decides words and their order. All that stands here was seen; nothing is computed that the hosts do not know.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bowline_device::impairment::{DirectionCounters, Impairments, Loss};
use bowline_observe::diagram::text::{self, Style};
use bowline_observe::ss::{Row, table};
use bowline_observe::{Diagram, Summary, words};
use serde::Serialize;

use super::story::{Story, Tables};
use super::watch::{Side, View};

/// How the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whose view the diagram is.
    pub view: Side,
    /// Its letters, colours and width. On which side the host stands follows from the view.
    pub style: Style,
}

/// The whole story as text.
#[must_use]
pub fn text(story: &Story, telling: &Telling) -> String {
    let mut pen = Pen { style: telling.style, out: String::new() };
    pen.opening(story);
    let (diagram, who) = match telling.view {
        Side::Client => (&story.diagrams.0, "the client"),
        Side::Server => (&story.diagrams.1, "the server"),
    };
    pen.heading(&format!("What happened, as {who} saw it"));
    match diagram {
        Some(diagram) => {
            let us = if telling.view == Side::Server { text::Side::Right } else { text::Side::Left };
            pen.out.push_str(&text::render(diagram, &Style { us, ..telling.style }));
        }
        None => pen.line("Nothing: not one segment came through."),
    }
    if let Some(tables) = &story.half_way {
        pen.heading(&format!("Half-way, at {} s (as `bowline ss` shows it)", seconds(tables.at_us)));
        pen.tables(tables);
    }
    let title = if story.failure.is_some() { "Given up" } else { "Both sides closed" };
    pen.heading(&format!("{title}, at {} s", seconds(story.closed.at_us)));
    pen.tables(&story.closed);
    pen.aftermath(story);
    pen.heading("In short");
    pen.short(story);
    pen.out
}

struct Pen {
    style: Style,
    out: String,
}

impl Pen {
    /// Sentences, broken at spaces; lines after the first are indented as far as `indent`.
    fn say(&mut self, text: &str, indent: usize) {
        let room = self.style.width.max(60);
        let mut line = String::new();
        for word in text.split(' ') {
            let length = line.chars().count();
            if length > indent && length + 1 + word.chars().count() > room {
                self.line(&line);
                line = " ".repeat(indent);
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    fn line(&mut self, text: &str) {
        // The letters of a sentence have to be those of the diagram.
        let text = if self.style.ascii { text.replace('–', "-").replace('±', "+/-") } else { text.to_owned() };
        self.out.push_str(&text);
        self.out.push('\n');
    }

    fn heading(&mut self, title: &str) {
        let rule = if self.style.ascii { '-' } else { '─' };
        let width = self.style.width.clamp(60, 120);
        let rest: String = std::iter::repeat_n(rule, width.saturating_sub(title.chars().count() + 4)).collect();
        let (bold, plain) = if self.style.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(self.out, "\n{bold}{rule}{rule} {title} {rest}{plain}\n");
    }

    fn opening(&mut self, story: &Story) {
        let (pages, plot) = (story.plot.pages, &story.plot);
        let (client, server) = (story.client_address, story.server_address.ip());
        let size = words::bytes(pages.size);
        let count = words::counted(u64::from(pages.count), "page");
        self.say(&format!("{client} fetches {count} of {size} from {server} by HTTP/1.1, on one connection."), 0);
        let (up, down) = (conditions(&plot.network.ingress), conditions(&plot.network.egress));
        let seed = plot.network.seed;
        if up == down {
            self.say(&format!("The network between them {up}, both ways (seed {seed})."), 0);
        } else {
            self.say(
                &format!("On the way to the server, the network {up}; on the way back, it {down} (seed {seed})."),
                0,
            );
        }
    }

    fn tables(&mut self, tables: &Tables) {
        for (name, rows) in [("client", &tables.client), ("server", &tables.server)] {
            if rows.is_empty() {
                self.line(&format!("{name}: no socket is left"));
                continue;
            }
            self.line(&format!("{name}:"));
            let rows: Vec<&Row> = rows.iter().collect();
            for line in table::render(&rows, &table::Columns::default()).lines() {
                self.detail(line);
            }
        }
    }

    /// A line of a table; the long one below a socket is broken at spaces.
    fn detail(&mut self, line: &str) {
        let Some(words) = line.strip_prefix('\t') else { return self.line(line) };
        let room = self.style.width.max(60) - 6;
        let mut current = String::new();
        for word in words.split_whitespace() {
            if !current.is_empty() && current.len() + 1 + word.len() > room {
                self.out.push_str(&format!("      {current}\n"));
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        self.out.push_str(&format!("      {current}\n"));
    }

    fn aftermath(&mut self, story: &Story) {
        if story.failure.is_some() {
            return;
        }
        let left = story.end.client.iter().chain(&story.end.server).filter(|row| row.state != "LISTEN").count();
        let later = (story.end.at_us - story.closed.at_us) as f64 / 1e6;
        self.out.push('\n');
        match left {
            0 if story.end.at_us == story.closed.at_us => self.line("Nothing is left of it on either host."),
            0 => self.line(&format!("{later:.1} s later TIME-WAIT is over, and nothing is left of it on either host.")),
            _ => self.line(&format!("{later:.1} s later {left} sockets are left, and nothing will end them.")),
        }
    }

    fn short(&mut self, story: &Story) {
        let pages = story.plot.pages;
        if let Some(why) = &story.failure {
            self.fact("failed", why);
        }
        let bytes = words::bytes(story.received);
        let all = if story.failure.is_none() { "every byte as it was sent" } else { "as far as it came" };
        self.fact("pages", &format!("{} of {}, {bytes}, {all}", story.complete, pages.count));
        if let Some(span) = story.span.filter(|span| !span.is_zero()) {
            let rate = story.received as f64 * 8.0 / span.as_secs_f64();
            self.fact("goodput", &format!("{} for {} s of virtual time", bits(rate), seconds(micros(span))));
        }
        for (name, view) in [("client", &story.client), ("server", &story.server)] {
            self.fact(name, &traffic(view));
        }
        for (name, counters) in [("network up", &story.network.ingress), ("network down", &story.network.egress)] {
            self.fact(name, &deeds(counters));
        }
        if let Some(rtt) = rtt(&story.server) {
            self.fact("RTT", &format!("{rtt} (measured by the server)"));
        }
    }

    fn fact(&mut self, name: &str, what: &str) {
        self.say(&format!("{name:<14}{what}"), 14);
    }
}

/// What is wrong with one direction, in words that follow "the network".
fn conditions(network: &Impairments) -> String {
    let mut facts = Vec::new();
    match network.loss {
        _ if network.loss.is_none() => {}
        Loss::None => {}
        Loss::Random(percent) => facts.push(format!("loses {percent}")),
        Loss::GilbertElliott(model) => facts.push(format!("loses {:.1}% in bursts", model.mean_loss() * 100.0)),
    }
    for (what, percent) in
        [("reorders", network.reorder), ("duplicates", network.duplicate), ("corrupts", network.corrupt)]
    {
        if !percent.is_zero() {
            facts.push(format!("{what} {percent}"));
        }
    }
    if !facts.is_empty() {
        let last = facts.len() - 1;
        facts[last].push_str(" of the packets");
    }
    match (network.delay.is_zero(), network.jitter.is_zero()) {
        (true, true) => {}
        (_, true) => facts.push(format!("takes {}", duration(network.delay))),
        (_, false) => facts.push(format!("takes {} ±{}", duration(network.delay), duration(network.jitter))),
    }
    if let Some(rate) = network.rate {
        facts.push(format!("carries {rate}/s"));
    }
    if let Some(mtu) = network.mtu {
        facts.push(format!("passes packets up to {mtu} B"));
    }
    match facts.as_slice() {
        [] => "is perfect".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn traffic(view: &View) -> String {
    let Summary { segments_sent, bytes_sent, retransmissions, drops, .. } = &view.summary;
    let mut out = format!("sent {} with {}", words::counted(*segments_sent, "segment"), words::bytes(*bytes_sent));
    if *retransmissions > 0 {
        let reasons: Vec<String> =
            view.reasons.iter().map(|(why, n)| format!("{n} {}", why.trim_start_matches("retransmission: "))).collect();
        let _ = write!(out, ", {} ({})", words::counted(*retransmissions, "retransmission"), reasons.join(", "));
    }
    for (why, count) in drops {
        let _ = write!(out, ", dropped {count}: {why}");
    }
    out
}

fn deeds(counters: &DirectionCounters) -> String {
    let mut out = format!("{} in", words::counted(counters.packets, "packet"));
    let deeds = [
        (counters.lost, "lost"),
        (counters.queue_full, "dropped at a full queue"),
        (counters.too_big, "too big"),
        (counters.fragmented, "fragmented"),
        (counters.duplicated, "duplicated"),
        (counters.corrupted, "corrupted"),
        (counters.reordered, "out of order"),
        (counters.unreadable, "unreadable"),
        (counters.refused, "refused"),
    ];
    for (count, what) in deeds.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(out, ", {} {what}", words::thousands(count));
    }
    let _ = write!(out, ", {} out", words::thousands(counters.delivered));
    out
}

fn rtt(view: &View) -> Option<String> {
    let info = view.info.as_ref()?;
    let (min, smoothed, max) = (info.min_rtt?, info.srtt?, info.max_rtt);
    let mut out = format!("least {}, smoothed {}", millis(min), millis(smoothed));
    if let Some(max) = max {
        let _ = write!(out, ", most {}", millis(max));
    }
    let _ = write!(out, "; RTO {}", millis(info.rto));
    Some(out)
}

fn duration(time: Duration) -> String {
    format!("{time:?}")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Bits per second, in decimal units with three digits or so.
fn bits(rate: f64) -> String {
    let units = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
    match units.into_iter().find(|(factor, _)| rate >= *factor) {
        Some((factor, unit)) => format!("{:.2} {unit}", rate / factor),
        None => format!("{rate:.0} bit/s"),
    }
}

/// The story as one JSON object. Times are microseconds of virtual time.
#[derive(Debug, Serialize)]
struct Json<'a> {
    seed: u64,
    client: String,
    server: String,
    pages: u32,
    page_bytes: u64,
    ok: bool,
    failure: Option<&'a str>,
    complete_pages: u32,
    received_bytes: u64,
    transfer_us: Option<u64>,
    goodput_bits_per_second: Option<f64>,
    srtt_us: Option<u64>,
    min_rtt_us: Option<u64>,
    retransmissions: BTreeMap<&'static str, u64>,
    client_summary: &'a Summary,
    server_summary: &'a Summary,
    network_up: Deeds,
    network_down: Deeds,
    half_way: Option<&'a Tables>,
    closed: &'a Tables,
    end: &'a Tables,
    client_diagram: Option<&'a Diagram>,
    server_diagram: Option<&'a Diagram>,
}

/// What one direction of the network did, in wire packets.
#[derive(Debug, Serialize)]
struct Deeds {
    packets: u64,
    delivered: u64,
    lost: u64,
    queue_full: u64,
    too_big: u64,
    fragmented: u64,
    duplicated: u64,
    corrupted: u64,
    reordered: u64,
}

impl From<&DirectionCounters> for Deeds {
    fn from(counters: &DirectionCounters) -> Self {
        let &DirectionCounters {
            packets,
            delivered,
            lost,
            queue_full,
            too_big,
            fragmented,
            duplicated,
            corrupted,
            reordered,
            ..
        } = counters;
        Self { packets, delivered, lost, queue_full, too_big, fragmented, duplicated, corrupted, reordered }
    }
}

/// The story as JSON, for programs.
///
/// # Errors
/// Never for a story that was played: its maps have string keys.
pub fn json(story: &Story) -> serde_json::Result<String> {
    let span = story.span.filter(|span| !span.is_zero());
    let info = story.server.info.as_ref();
    let json = Json {
        seed: story.plot.network.seed,
        client: story.client_address.to_string(),
        server: story.server_address.to_string(),
        pages: story.plot.pages.count,
        page_bytes: story.plot.pages.size,
        ok: story.failure.is_none(),
        failure: story.failure.as_deref(),
        complete_pages: story.complete,
        received_bytes: story.received,
        transfer_us: story.span.map(micros),
        goodput_bits_per_second: span.map(|span| (story.received as f64 * 8.0 / span.as_secs_f64()).round()),
        srtt_us: info.and_then(|info| info.srtt).map(micros),
        min_rtt_us: info.and_then(|info| info.min_rtt).map(micros),
        retransmissions: story.server.reasons.iter().chain(&story.client.reasons).fold(
            BTreeMap::new(),
            |mut all, (why, count)| {
                *all.entry(*why).or_default() += count;
                all
            },
        ),
        client_summary: &story.client.summary,
        server_summary: &story.server.summary,
        network_up: Deeds::from(&story.network.ingress),
        network_down: Deeds::from(&story.network.egress),
        half_way: story.half_way.as_ref(),
        closed: &story.closed,
        end: &story.end,
        client_diagram: story.diagrams.0.as_ref(),
        server_diagram: story.diagrams.1.as_ref(),
    };
    serde_json::to_string_pretty(&json)
}
