//! Everything that [`Options`] has, by name and number, for whoever draws options at random: the fuzz targets here, and the swarm
//! of `bowline-sim`. Decides what a number means and which numbers hurt; how often and how wildly is theirs.
//!
//! Times are microseconds, sizes bytes. What can be absent is one more than its value, and zero where it is absent. A test takes
//! [`Options`] apart, so that a new option does not compile before it is here.

use std::net::IpAddr;
use std::time::Duration;

use bowline_tcp::{
    Algorithm, AoAlgorithm, AoKey, Cidr, Cookies, EcnMode, EcnOption, FastOpenKeys, HyStart, Keepalive, Layout, Md5Key,
    MtuProbing, OpenErrors, Options, PathMtuDiscovery, Profile, SynFin, TimeWaitSyn, WindowPolicy,
};

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// As the field of [`Options`] is called; with the struct's name before it where it lies in another one.
    pub name: &'static str,
    /// Numbers at which something may break.
    pub borders: &'static [u64],
    /// Sets it.
    pub set: fn(&mut Options, u64),
}

const FLAG: &[u64] = &[0, 1];
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;
const TIMES: &[u64] = &[0, 1, 1_000, 40_000, 200_000, SECOND, 60 * SECOND, 2 * HOUR, 24 * HOUR];
/// No day for these: whoever asks for that has connections that take a year to end.
const TIMEOUTS: &[u64] = &[0, 1, 1_000, 40_000, 200_000, SECOND, 60 * SECOND, HOUR];
const MAYBE_TIMES: &[u64] = &[0, 1, 2, 1_001, SECOND + 1, 60 * SECOND + 1, 24 * HOUR + 1];
const BUFFERS: &[u64] = &[0, 1, 100, 1460, 4096, 65_535, 131_072, 1 << 20, u32::MAX as u64];
const SIZES: &[u64] = &[0, 1, 40, 88, 536, 1024, 1460, 9000, u16::MAX as u64];
const MAYBE_SIZES: &[u64] = &[0, 1, 2, 41, 89, 537, 1461, 9001, u16::MAX as u64 + 1];
const COUNTS: &[u64] = &[0, 1, 2, 5, 19];
const BYTES: &[u64] = &[0, 1, 2, 16, 64, 128, 255];

macro_rules! knobs {
    ($($name:literal $borders:expr, $set:expr;)*) => {
        /// All of them. A profile sets everything: it comes first. What is new comes last: an input of the corpus has the number
        /// of each knob that it draws in it, and the numbers of its borders, and would mean another one.
        pub const KNOBS: &[Knob] = &[$(Knob { name: $name, borders: $borders, set: $set }),*];
    };
}

knobs! {
    "profile" &[0, 1, 2], |o, v| *o = Options::profile(one_of(v, [Profile::Bowline, Profile::Linux, Profile::FreeBsd]));
    "nodelay" FLAG, |o, v| o.nodelay = v > 0;
    "cork" FLAG, |o, v| o.cork = v > 0;
    "keepalive" TIMES, |o, v| o.keepalive = (v > 0).then(|| Keepalive { idle: time(v), ..Keepalive::default() });
    "keepalive_interval" TIMES, |o, v| o.keepalive.iter_mut().for_each(|keepalive| keepalive.interval = time(v));
    "keepalive_probes" BYTES, |o, v| o.keepalive.iter_mut().for_each(|keepalive| keepalive.probes = v as u8);
    "user_timeout" MAYBE_TIMES, |o, v| o.user_timeout = v.checked_sub(1).map(time);
    "linger" MAYBE_TIMES, |o, v| o.linger = v.checked_sub(1).map(time);
    "reset_unread" FLAG, |o, v| o.reset_unread = v > 0;
    "send_buffer" BUFFERS, |o, v| o.send_buffer = v as u32;
    "send_buffer_first" BUFFERS, |o, v| o.send_buffer_first = v as u32;
    "receive_buffer" BUFFERS, |o, v| o.receive_buffer = v as u32;
    "receive_buffer_max" BUFFERS, |o, v| o.receive_buffer_max = v as u32;
    "notsent_lowat" BUFFERS, |o, v| o.notsent_lowat = v as u32;
    "delayed_ack" TIMES, |o, v| o.delayed_ack = time(v);
    "algorithm" &[0, 1, 2, 3],
        |o, v| o.algorithm = one_of(v, [Algorithm::Cubic, Algorithm::NewReno, Algorithm::Bbr, Algorithm::Local]);
    "rate_samples" FLAG, |o, v| o.rate_samples = v > 0;
    "pacing" FLAG, |o, v| o.pacing = v > 0;
    "max_pacing_rate" &[0, 1, 2, 1001, 1_000_001, u64::MAX], |o, v| o.max_pacing_rate = v.checked_sub(1);
    "min_rto" TIMEOUTS, |o, v| o.min_rto = time(v);
    "max_rto" TIMEOUTS, |o, v| o.max_rto = time(v);
    "clock_granularity" TIMES, |o, v| o.clock_granularity = time(v);
    "rto_slop" TIMEOUTS, |o, v| o.rto_slop = time(v);
    "tail_loss_probe" FLAG, |o, v| o.tail_loss_probe = v > 0;
    "retries" COUNTS, |o, v| o.retries = v as u8;
    "syn_retries" COUNTS, |o, v| o.syn_retries = v as u8;
    "linear_syns" COUNTS, |o, v| o.linear_syns = v as u8;
    "synack_retries" COUNTS, |o, v| o.synack_retries = v as u8;
    "fin_wait2" TIMES, |o, v| o.fin_wait2 = time(v);
    "local_ports" FLAG, |o, v| o.local_ports = (v > 0).then_some((40_000, 60_999));
    "max_segment" MAYBE_SIZES, |o, v| o.max_segment = v.checked_sub(1).map(|size| size as u16);
    "announce_mss" FLAG, |o, v| o.announce_mss = v > 0;
    "announce_path" FLAG, |o, v| o.announce_path = v > 0;
    "full_syns" BYTES, |o, v| o.full_syns = v as u8;
    "mtu_probing" &[0, 1, 2],
        |o, v| o.mtu_probing = one_of(v, [MtuProbing::Off, MtuProbing::BlackHole, MtuProbing::Always]);
    "base_mss" SIZES, |o, v| o.base_mss = v as u16;
    "mtu_probe_floor" SIZES, |o, v| o.mtu_probe_floor = v as u16;
    "window_scaling" FLAG, |o, v| o.window_scaling = v > 0;
    "window_shift" &[0, 1, 2, 8, 15, 16, 256], |o, v| o.window_shift = v.checked_sub(1).map(|shift| shift as u8);
    "whole_segments" FLAG, |o, v| o.whole_segments = v > 0;
    "window_policy" FLAG, |o, v| o.window_policy = one_of(v, [WindowPolicy::Steps, WindowPolicy::Everything]);
    "push_bursts" FLAG, |o, v| o.push_bursts = v > 0;
    "least_burst" BYTES, |o, v| o.least_burst = v as u8;
    "send_blocks" FLAG, |o, v| o.send_blocks = v > 0;
    "restart_after_idle" FLAG, |o, v| o.restart_after_idle = v > 0;
    "window_validation" FLAG, |o, v| o.window_validation = v > 0;
    "reduce_window" FLAG, |o, v| o.reduce_window = v > 0;
    "lax_timestamps" FLAG, |o, v| o.lax_timestamps = v > 0;
    "uncut_segments" FLAG, |o, v| o.uncut_segments = v > 0;
    "syn_cookies" &[0, 1, 2], |o, v| o.syn_cookies = one_of(v, [Cookies::Never, Cookies::WhenFull, Cookies::Always]);
    "cookie_mss" SIZES, |o, v| o.cookie_mss = v as u16;
    "delay_fin_ack" FLAG, |o, v| o.delay_fin_ack = v > 0;
    "answer_joined_once" FLAG, |o, v| o.answer_joined_once = v > 0;
    "quick_acks" BYTES, |o, v| o.quick_acks = v as u8;
    "ack_small_segments" FLAG, |o, v| o.ack_small_segments = v > 0;
    "layout" FLAG, |o, v| o.layout = one_of(v, [Layout::Linux, Layout::FreeBsd]);
    "timestamps" FLAG, |o, v| o.timestamps = v > 0;
    "sack" FLAG, |o, v| o.sack = v > 0;
    "ecn" &[0, 1, 2], |o, v| o.ecn = ecn(v);
    "ecn_when_asked" &[0, 1, 2], |o, v| o.ecn_when_asked = ecn(v);
    "ecn_retries" COUNTS, |o, v| o.ecn_retries = v as u8;
    "ecn_fallback" FLAG, |o, v| o.ecn_fallback = v > 0;
    "ecn_option" &[0, 1, 2, 3], |o, v| {
        let all = [EcnOption::Never, EcnOption::OnChange, EcnOption::Always, EcnOption::Persistently];
        o.ecn_option = one_of(v, all);
    };
    "ecn_option_beacon" BYTES, |o, v| o.ecn_option_beacon = v as u8;
    "open_errors" &[0, 1, 2],
        |o, v| o.open_errors = one_of(v, [OpenErrors::Nothing, OpenErrors::Unreachable, OpenErrors::Hard]);
    "odd.challenge_resets" FLAG, |o, v| o.odd.challenge_resets = v > 0;
    "odd.challenge_syns" FLAG, |o, v| o.odd.challenge_syns = v > 0;
    "odd.syn_fin" &[0, 1, 2], |o, v| o.odd.syn_fin = one_of(v, [SynFin::Both, SynFin::SynOnly, SynFin::Nothing]);
    "odd.take_old_acks" FLAG, |o, v| o.odd.take_old_acks = v > 0;
    "odd.take_late_text" FLAG, |o, v| o.odd.take_late_text = v > 0;
    "odd.repeat_fin" FLAG, |o, v| o.odd.repeat_fin = v > 0;
    "odd.time_wait_syn" FLAG, |o, v| o.odd.time_wait_syn = one_of(v, [TimeWaitSyn::Challenge, TimeWaitSyn::Ignore]);
    "odd.take_unknown_ao" FLAG, |o, v| o.odd.take_unknown_ao = v > 0;
    "odd.believe_icmp" FLAG, |o, v| o.odd.believe_icmp = v > 0;
    "fast_open.connect" FLAG, |o, v| o.fast_open.connect = v > 0;
    "fast_open.wait" FLAG, |o, v| o.fast_open.wait = v > 0;
    "fast_open.listen" &[0, 1, 2, u32::MAX as u64], |o, v| o.fast_open.listen = v as u32;
    "fast_open.without_cookie" FLAG, |o, v| o.fast_open.without_cookie = v > 0;
    "fast_open.keys" FLAG, |o, v| o.fast_open.keys = (v > 0).then_some(FastOpenKeys::new([7; 16]));
    "traffic_class" BYTES, |o, v| o.traffic_class = v as u8;
    "hop_limit" BYTES, |o, v| o.hop_limit = v as u8;
    "keys" &[0, 1, 2, 3, 4, 5], share_keys;
    "hystart" &[0, 1, 2], |o, v| o.hystart = one_of(v, [HyStart::Rfc9406, HyStart::Classic, HyStart::Off]);
    "reduce_by_acks" FLAG, |o, v| o.reduce_by_acks = v > 0;
    "path_mtu_discovery" &[0, 1, 2], |o, v| {
        let all = [PathMtuDiscovery::On, PathMtuDiscovery::Unmarked, PathMtuDiscovery::Off];
        o.path_mtu_discovery = one_of(v, all);
    };
    "echo_former_timestamp" FLAG, |o, v| o.echo_former_timestamp = v > 0;
    "defer_accept" COUNTS, |o, v| o.defer_accept = v as u8;
    "odd.take_resets_at_fin" FLAG, |o, v| o.odd.take_resets_at_fin = v > 0;
}

/// The knob with this name.
#[must_use]
pub fn knob(name: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.name == name)
}

const fn time(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn one_of<T: Copy, const N: usize>(number: u64, all: [T; N]) -> T {
    all[number as usize % N]
}

fn ecn(number: u64) -> EcnMode {
    one_of(number, [EcnMode::Off, EcnMode::Classic, EcnMode::Accurate])
}

/// A key for every peer, the same on all sides: with none, MD5, or TCP-AO with each algorithm, and with other options
/// signed or not.
fn share_keys(options: &mut Options, number: u64) {
    let secret = b"a secret that all of them share";
    options.keys = bowline_tcp::Keys::default();
    for peers in [Cidr::new(IpAddr::from([0; 4]), 0), Cidr::new(IpAddr::from([0; 16]), 0)] {
        let (md5, ao) = (Md5Key::new(secret), AoKey::new(peers, (3, 3), secret));
        match (number, md5, ao) {
            (1, Some(key), _) => options.keys.set_md5(peers, key),
            (2..=5, _, Some(key)) => {
                let algorithm = one_of(number, [AoAlgorithm::HmacSha1, AoAlgorithm::Aes128Cmac]);
                let _ = options.keys.add_ao(key.with_algorithm(algorithm).covering_options(number < 4));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
