//! The line that `ss -i` prints below a socket, with `ss`'s names in `ss`'s order, and the timer of `ss -o`.
//!
//! What Linux counts and we have no source for is left out, not invented. `cwnd` and `ssthresh` are in segments, as there.

use std::fmt::Write;

use super::row::{Detail, PathModel, Row, Timer};

/// The controller that sets no limit: its window, and the rate that would follow from it, say nothing.
const UNLIMITED: &str = "local";

/// Segments by which the path reorders as far as anybody believes at the beginning: not worth a word.
const USUAL_REORDERING: u32 = 3;

/// The detail line, without indentation; empty where there is nothing to say.
#[must_use]
pub fn line(row: &Row) -> String {
    let mut out = String::new();
    if let Some(queue) = row.syn_queue {
        word(&mut out, format_args!("synq:{queue}"));
        if row.cookies {
            word(&mut out, format_args!("cookies"));
        }
    }
    let Some(info) = &row.info else {
        keys(&mut out, row);
        return out;
    };
    if matches!(row.state.as_str(), "SYN-RECV" | "TIME-WAIT") {
        return brief(info);
    }
    options(&mut out, info);
    windows(&mut out, info);
    traffic(&mut out, info);
    limits(&mut out, info);
    losses(&mut out, info);
    keys(&mut out, row);
    out
}

/// Which keys sign: Linux's `ss` shows the keys, too, and this does not.
fn keys(out: &mut String, row: &Row) {
    for (name, keys) in [("md5keys", &row.md5keys), ("aokeys", &row.aokeys)] {
        if !keys.is_empty() {
            word(out, format_args!("{name}:{}", keys.join(",")));
        }
    }
}

/// What a half-open connection or one in TIME-WAIT has to tell: no more than what it keeps.
fn brief(info: &Detail) -> String {
    let mut out = String::new();
    let ecn = if info.accecn { "accecn" } else { "ecn" };
    for (set, name) in [(info.ts, "ts"), (info.sack, "sack"), (info.ecn, ecn)] {
        if set {
            word(&mut out, format_args!("{name}"));
        }
    }
    if let Some((theirs, ours)) = info.wscale {
        word(&mut out, format_args!("wscale:{theirs},{ours}"));
    }
    if info.rto_us > 0 {
        word(&mut out, format_args!("rto:{}", millis(info.rto_us)));
    }
    if info.mss > 0 {
        word(&mut out, format_args!("mss:{}", info.mss));
    }
    out
}

fn options(out: &mut String, info: &Detail) {
    let ecn = if info.accecn { "accecn" } else { "ecn" };
    for (set, name) in [(info.ts, "ts"), (info.sack, "sack"), (info.ecn, ecn)] {
        if set {
            word(out, format_args!("{name}"));
        }
    }
    if info.fastopen {
        word(out, format_args!("fastopen"));
    }
    word(out, format_args!("{}", info.algorithm));
    if let Some((theirs, ours)) = info.wscale {
        word(out, format_args!("wscale:{theirs},{ours}"));
    }
    word(out, format_args!("rto:{}", millis(info.rto_us)));
    if info.backoff > 0 {
        word(out, format_args!("backoff:{}", info.backoff));
    }
    if let Some(srtt) = info.srtt_us {
        word(out, format_args!("rtt:{}/{}", millis(srtt), millis(info.rttvar_us)));
    }
    if let Some(ato) = info.ato_us {
        word(out, format_args!("ato:{}", millis(ato)));
    }
}

fn windows(out: &mut String, info: &Detail) {
    let mss = u64::from(info.mss.max(1));
    word(out, format_args!("mss:{}", info.mss));
    word(out, format_args!("pmtu:{}", info.pmtu));
    if let Some((low, high)) = info.mtu_search {
        word(out, format_args!("mtu_search:{low}-{high}"));
    }
    nonzero(out, &[("rcvmss", info.rcvmss.into())]);
    word(out, format_args!("advmss:{}", info.advmss));
    if info.algorithm != UNLIMITED {
        word(out, format_args!("cwnd:{}", info.cwnd.div_ceil(mss)));
    }
    if let Some(ssthresh) = info.ssthresh {
        word(out, format_args!("ssthresh:{}", ssthresh.div_ceil(mss)));
    }
}

fn traffic(out: &mut String, info: &Detail) {
    let counts = [
        ("bytes_sent", info.bytes_sent),
        ("bytes_retrans", info.bytes_retrans),
        ("bytes_acked", info.bytes_acked),
        ("bytes_received", info.bytes_received),
        ("segs_out", info.segs_out),
        ("segs_in", info.segs_in),
        ("data_segs_out", info.data_segs_out),
        ("data_segs_in", info.data_segs_in),
        ("delivered_ce", info.delivered_ce),
        ("received_ce", info.received_ce),
        ("accecn_fail_mode", info.accecn_failures.into()),
    ];
    nonzero(out, &counts);
    for (direction, bytes) in [("delivered", info.delivered_marked), ("received", info.received_marked)] {
        let Some([ect0, ect1, ce]) = bytes.filter(|bytes| bytes.iter().any(|bytes| *bytes > 0)) else { continue };
        word(out, format_args!("{direction}_bytes:e0/{ect0},e1/{ect1},ce/{ce}"));
    }
    if let Some(model) = &info.model {
        word(out, format_args!("{}:({})", info.algorithm, path(model)));
    }
    if let Some(srtt) = info.srtt_us.filter(|srtt| *srtt > 0 && info.algorithm != UNLIMITED) {
        let rate = info.cwnd as f64 * 8.0 * 1e6 / srtt as f64;
        word(out, format_args!("send {rate:.0}bps"));
    }
    nonzero(out, &[("lastsnd", info.lastsnd_ms), ("lastrcv", info.lastrcv_ms), ("lastack", info.lastack_ms)]);
    if let Some(rate) = info.pacing_rate {
        let most = info.max_pacing_rate.map(|most| format!("/{}bps", most.saturating_mul(8))).unwrap_or_default();
        word(out, format_args!("pacing_rate {}bps{most}", rate.saturating_mul(8)));
    }
    if let Some(rate) = info.delivery_rate.filter(|rate| *rate > 0) {
        word(out, format_args!("delivery_rate {}bps", rate.saturating_mul(8)));
    }
    nonzero(out, &[("delivered", info.delivered)]);
}

/// A model of the path, as `ss` prints that of BBR: gains are factors.
fn path(model: &PathModel) -> String {
    let mut out = format!("bw:{}bps", model.bandwidth.saturating_mul(8));
    if let Some(rtt) = model.min_rtt_us {
        let _ = write!(out, ",mrtt:{}", millis(rtt));
    }
    for (name, gain) in [("pacing_gain", model.pacing_gain), ("cwnd_gain", model.cwnd_gain)] {
        if gain > 0 {
            let _ = write!(out, ",{name}:{}", gain as f64 / 100.0);
        }
    }
    out
}

fn limits(out: &mut String, info: &Detail) {
    if info.app_limited {
        word(out, format_args!("app_limited"));
    }
    if info.busy_ms > 0 {
        word(out, format_args!("busy:{}ms", info.busy_ms));
        for (name, part) in [("rwnd_limited", info.rwnd_limited_ms), ("cwnd_limited", info.cwnd_limited_ms)] {
            if part > 0 {
                let percent = part as f64 * 100.0 / info.busy_ms as f64;
                word(out, format_args!("{name}:{part}ms({percent:.1}%)"));
            }
        }
    }
}

fn losses(out: &mut String, info: &Detail) {
    nonzero(out, &[("unacked", info.unacked)]);
    if info.retrans > 0 {
        word(out, format_args!("retrans:{}/{}", info.retrans_out, info.retrans));
    }
    nonzero(out, &[("lost", info.lost), ("sacked", info.sacked), ("dsack_dups", info.dsack_dups)]);
    if info.reordering != USUAL_REORDERING && info.reordering > 0 {
        word(out, format_args!("reordering:{}", info.reordering));
    }
    nonzero(out, &[("reord_seen", info.reord_seen)]);
    if let Some(rtt) = info.rcv_rtt_us {
        word(out, format_args!("rcv_rtt:{}", millis(rtt)));
    }
    nonzero(out, &[("rcv_space", info.rcv_space), ("notsent", info.notsent)]);
    if let Some(min) = info.min_rtt_us {
        word(out, format_args!("minrtt:{}", millis(min)));
    }
    nonzero(out, &[("rcv_ooopack", info.rcv_ooopack), ("snd_wnd", info.snd_wnd), ("rcv_wnd", info.rcv_wnd)]);
}

/// `timer:(on,200ms,0)`.
#[must_use]
pub fn timer(timer: &Timer) -> String {
    format!("timer:({},{},{})", timer.name, timer_time(timer.expires_ms), timer.retrans)
}

/// Milliseconds as `ss` prints a timer's: `204ms`, `1.204ms`, `12sec`, `1min59sec`.
///
/// It is odd that 1.204 s is called `1.204ms`. Scripts read it that way, so we print it that way.
fn timer_time(expires: u64) -> String {
    let (mut millis, mut secs, minutes) = (expires % 1000, expires / 1000 % 60, expires / 60_000);
    let mut out = String::new();
    if minutes > 0 {
        millis = 0;
        let _ = write!(out, "{minutes}min");
        secs = if minutes > 9 { 0 } else { secs };
    }
    if secs > 0 {
        millis = if secs > 9 { 0 } else { millis };
        let _ = write!(out, "{secs}{}", if millis > 0 { "." } else { "sec" });
    }
    if millis > 0 {
        let _ = write!(out, "{millis:03}ms");
    }
    if out.is_empty() { "0ms".to_owned() } else { out }
}

fn nonzero(out: &mut String, counts: &[(&str, u64)]) {
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        word(out, format_args!("{name}:{count}"));
    }
}

fn word(out: &mut String, text: std::fmt::Arguments<'_>) {
    if !out.is_empty() {
        out.push(' ');
    }
    let _ = out.write_fmt(text);
}

/// Microseconds as milliseconds without trailing zeros: `0.037`, `204`.
fn millis(micros: u64) -> String {
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
