//! The built-in page, `http://bowline.internal/`: what the stack knows of the very connection that fetches it, and of all
//! others.
//!
//! It decides what is on the page. `serve` speaks HTTP.

mod serve;

use std::fmt::Write as _;
use std::time::Duration;

use bowline::{Algorithm, EcnMode, Info, ListenerInfo};
use bowline_observe::ss::{Row, table};
use bowline_observe::words::counted;

pub(crate) use serve::serve;

/// The page's port.
pub const PORT: u16 = 80;

/// Rows of the table: a page is for people.
const MAX_ROWS: usize = 100;

/// How a page may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Html,
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// What is known of one connection, a line each.
fn connection(info: &Info) -> String {
    let mut options = vec![format!("MSS {} (we announced {})", info.peer_mss, info.advertised_mss)];
    if let Some((ours, theirs)) = info.window_scale {
        options.push(format!("window scaling {theirs} (ours {ours})"));
    }
    let agreed = [(info.timestamps, "timestamps"), (info.sack, "SACK"), (info.ecn != EcnMode::Off, "ECN")];
    options.extend(agreed.iter().filter(|(agreed, _)| *agreed).map(|(_, name)| (*name).to_owned()));
    let rtt = info.srtt.map_or_else(
        || "not measured yet".to_owned(),
        |srtt| {
            let least = info.min_rtt.map(|least| format!(", least {}", ms(least))).unwrap_or_default();
            format!("{}, deviation {}{least}", ms(srtt), ms(info.rttvar))
        },
    );
    let window = format!("; window {} bytes, {} in flight", info.cwnd, info.in_flight);
    let congestion = match info.algorithm {
        Algorithm::NewReno => format!("NewReno{window}"),
        Algorithm::Cubic => format!("CUBIC{window}"),
        Algorithm::Bbr => match info.model {
            Some(model) => format!("BBR in {}: {} bytes/s{window}", model.state, model.bandwidth),
            None => format!("BBR{window}"),
        },
        Algorithm::Custom(custom) => format!("{}{window}", custom.name()),
        Algorithm::Local => "no control needed: the device loses nothing".to_owned(),
    };
    let mut out = String::new();
    for (name, value) in [
        ("Connection", format!("{} -> {}", info.tuple.remote, info.tuple.local)),
        ("State", info.state.to_string()),
        ("Options", options.join(", ")),
        ("RTT", rtt),
        ("RTO", ms(info.rto)),
        ("Window", format!("yours {} bytes, ours {} bytes", info.snd_wnd, info.rcv_wnd)),
        ("Congestion", congestion),
        ("Received", format!("{} bytes in {} segments", info.bytes_received, info.segs_in)),
        (
            "Sent",
            format!("{} bytes in {} segments, {} of them again", info.bytes_sent, info.segs_out, info.total_retrans),
        ),
        ("Age", ms(info.age)),
    ] {
        let _ = writeln!(out, "{name:<12}{value}");
    }
    out
}

/// The table of all connections and listeners.
pub(crate) fn table(connections: &[Info], listeners: &[ListenerInfo]) -> String {
    let rows: Vec<Row> = listeners.iter().map(Row::listener).chain(connections.iter().map(Row::connection)).collect();
    let shown: Vec<&Row> = rows.iter().take(MAX_ROWS).collect();
    let count = |rows: usize, one| counted(rows as u64, one);
    let mut out = format!("{}, {}\n\n", count(connections.len(), "connection"), count(listeners.len(), "listener"));
    out.push_str(&table::render(&shown, &table::Columns::default()));
    if rows.len() > MAX_ROWS {
        let _ = writeln!(out, "and {} more: `bowline ss` shows them all", rows.len() - MAX_ROWS);
    }
    out
}

const INTRODUCTION: &str = "This page comes from Bowline, the TCP/IP stack that everything sent from here ends in.";

/// The whole page. `info` is the connection that fetches it.
pub(crate) fn render(info: Option<&Info>, table: &str, format: Format) -> String {
    let connection = info.map(connection).unwrap_or_default();
    match format {
        Format::Text => format!("{INTRODUCTION}\n\n{connection}\n{table}"),
        Format::Html => format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Bowline</title>\
             <style>body{{font-family:sans-serif;margin:2em}}pre{{font-size:90%}}</style></head>\n\
             <body><h1>Bowline</h1><p>{INTRODUCTION}</p>\n<h2>This connection</h2>\n<pre>{}</pre>\n\
             <h2>All of them</h2>\n<pre>{}</pre></body></html>\n",
            escape(&connection),
            escape(table)
        ),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
