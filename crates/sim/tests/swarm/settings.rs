//! What can be set on connections and hosts in a world: how often and between which numbers it is drawn, and what it may cost.
//!
//! What a number means for a connection is the fuzz targets' table; what it means for a host stands here.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline::{Config, Options};
use bowline_fuzz::knobs::{self, KNOBS};

use crate::draw::Dice;

/// What differs from the defaults, by name.
pub(crate) type Settings = BTreeMap<String, u64>;

/// A name; in one of how many sets it is drawn; between which numbers.
type Drawn = (&'static str, u64, [u64; 2]);

const MS: u64 = 1_000;
const S: u64 = 1_000_000;

/// Of a connection. Rare are those with which it may end before the network is well again: see [`is_brittle`].
const OF_CONNECTIONS: &[Drawn] = &[
    ("profile", 6, [1, 2]),
    ("nodelay", 2, [1, 1]),
    ("cork", 6, [1, 1]),
    // Together they outlast every cut.
    ("keepalive", 3, [5 * S, 60 * S]),
    ("keepalive_interval", 2, [5 * S, 75 * S]),
    ("keepalive_probes", 2, [10, 20]),
    ("user_timeout", 50, [S, 60 * S]),
    ("linger", 30, [1, 5]),
    ("reset_unread", 4, [0, 0]),
    ("send_buffer", 4, [1 << 10, 1 << 18]),
    ("send_buffer_first", 4, [1 << 10, 1 << 16]),
    ("receive_buffer", 4, [1 << 10, 1 << 18]),
    ("receive_buffer_max", 4, [1 << 10, 1 << 20]),
    ("notsent_lowat", 4, [1, 1 << 16]),
    ("delayed_ack", 3, [0, 500 * MS]),
    ("algorithm", 2, [0, 3]),
    ("rate_samples", 3, [1, 1]),
    ("pacing", 3, [0, 0]),
    ("max_pacing_rate", 8, [20_001, 10_000_001]),
    ("min_rto", 4, [100 * MS, S]),
    ("max_rto", 6, [20 * S, 120 * S]),
    ("clock_granularity", 6, [1, 65 * MS]),
    ("rto_slop", 8, [10 * MS, 500 * MS]),
    ("tail_loss_probe", 4, [0, 0]),
    ("retries", 50, [1, 6]),
    ("syn_retries", 50, [0, 3]),
    ("linear_syns", 6, [1, 4]),
    ("synack_retries", 50, [0, 2]),
    ("fin_wait2", 6, [0, 120 * S]),
    ("local_ports", 6, [1, 1]),
    ("max_segment", 5, [89, 9001]),
    ("announce_mss", 8, [0, 0]),
    ("announce_path", 4, [1, 1]),
    ("full_syns", 6, [0, 3]),
    ("mtu_probing", 2, [0, 2]),
    ("base_mss", 6, [512, 1460]),
    ("mtu_probe_floor", 6, [48, 1024]),
    ("window_scaling", 6, [0, 0]),
    ("window_shift", 6, [1, 15]),
    ("whole_segments", 4, [1, 1]),
    ("window_policy", 4, [1, 1]),
    ("push_bursts", 4, [1, 1]),
    ("least_burst", 6, [1, 20]),
    ("send_blocks", 4, [1, 1]),
    ("restart_after_idle", 4, [0, 0]),
    ("window_validation", 3, [1, 1]),
    ("reduce_window", 4, [1, 1]),
    ("lax_timestamps", 4, [1, 1]),
    ("uncut_segments", 4, [1, 1]),
    ("syn_cookies", 2, [0, 2]),
    ("cookie_mss", 6, [536, 1460]),
    ("delay_fin_ack", 4, [1, 1]),
    ("answer_joined_once", 4, [1, 1]),
    ("quick_acks", 4, [0, 32]),
    ("ack_small_segments", 4, [1, 1]),
    ("layout", 3, [1, 1]),
    ("timestamps", 5, [0, 0]),
    ("sack", 5, [0, 0]),
    ("ecn", 2, [1, 2]),
    ("ecn_when_asked", 2, [0, 2]),
    ("ecn_retries", 4, [1, 3]),
    ("ecn_fallback", 3, [0, 0]),
    ("ecn_option", 2, [0, 3]),
    ("ecn_option_beacon", 4, [0, 10]),
    ("open_errors", 3, [0, 2]),
    ("odd.challenge_resets", 8, [0, 0]),
    ("odd.take_resets_at_fin", 6, [1, 1]),
    ("odd.challenge_syns", 8, [0, 0]),
    ("odd.syn_fin", 6, [1, 2]),
    ("odd.take_old_acks", 6, [1, 1]),
    ("odd.take_late_text", 6, [0, 0]),
    ("odd.repeat_fin", 6, [1, 1]),
    ("odd.time_wait_syn", 6, [1, 1]),
    ("odd.take_unknown_ao", 6, [1, 1]),
    ("odd.believe_icmp", 6, [1, 1]),
    ("fast_open.connect", 2, [1, 1]),
    ("fast_open.wait", 3, [1, 1]),
    ("fast_open.listen", 2, [1, 8]),
    ("fast_open.without_cookie", 5, [1, 1]),
    ("fast_open.keys", 3, [1, 1]),
    ("traffic_class", 4, [0, 255]),
    ("hop_limit", 6, [8, 255]),
    ("hystart", 3, [1, 2]),
    ("reduce_by_acks", 4, [1, 1]),
    ("path_mtu_discovery", 6, [1, 2]),
    ("echo_former_timestamp", 4, [1, 1]),
    ("defer_accept", 6, [1, 3]),
];

/// A host's settings, besides what its connections start with.
pub(crate) struct Ground {
    pub(crate) config: Config,
    /// How many connections may wait at each of its listeners.
    pub(crate) backlog: usize,
    /// How long its programs take from one accepted connection to the next.
    pub(crate) pause: Duration,
}

type OfHost = (Drawn, fn(&mut Ground, u64));

const OF_HOSTS: &[OfHost] = &[
    (("backlog", 3, [0, 4]), |ground, v| ground.backlog = v as usize),
    (("accept_pause", 4, [MS, 2 * S]), |ground, v| ground.pause = Duration::from_micros(v)),
    (("max_half_open", 4, [1, 4]), |ground, v| ground.config.tcp.max_half_open = v as usize),
    (("max_time_wait", 30, [0, 3]), |ground, v| ground.config.tcp.max_time_wait = v as usize),
    (("time_wait", 30, [0, 60 * S]), |ground, v| ground.config.tcp.time_wait = Duration::from_micros(v)),
    (("time_wait_reuse", 6, [0, 0]), |ground, v| ground.config.tcp.time_wait_reuse = v > 0),
    (("time_wait_reuse_delay", 6, [0, 2 * S]), |ground, v| {
        ground.config.tcp.time_wait_reuse_delay = Duration::from_micros(v);
    }),
    (("resets_per_second", 6, [5, 100]), |ground, v| ground.config.tcp.resets_per_second = v as u32),
    (("fast_open.cookies", 6, [0, 3]), |ground, v| ground.config.tcp.fast_open.cookies = v as usize),
    (("fast_open.pause", 6, [0, 10 * S]), |ground, v| ground.config.tcp.fast_open.pause = Duration::from_micros(v)),
];

/// What a connection starts with. `keys`: what all of a world share.
pub(crate) fn options(settings: &Settings, keys: u64) -> Options {
    // What a connection endures is drawn by its own name, and not by that of a system.
    let plain = Options::default();
    let (patience, times) = ((plain.retries, plain.syn_retries, plain.synack_retries), (plain.min_rto, plain.max_rto));
    let mut options = plain;
    for knob in KNOBS {
        if let Some(value) = settings.get(knob.name) {
            (knob.set)(&mut options, *value);
        }
        if knob.name == "profile" {
            (options.retries, options.syn_retries, options.synack_retries) = patience;
            (options.min_rto, options.max_rto) = times;
        }
    }
    if let Some(knob) = knobs::knob("keys") {
        (knob.set)(&mut options, keys);
    }
    options
}

/// A host and what its connections start with.
pub(crate) fn ground(host: &Settings, connections: &Settings, keys: u64) -> Ground {
    let mut ground = Ground { config: Config::default(), backlog: 128, pause: Duration::ZERO };
    ground.config.tcp.options = options(connections, keys);
    for ((name, ..), set) in OF_HOSTS {
        if let Some(value) = host.get(*name) {
            set(&mut ground, *value);
        }
    }
    ground
}

/// Whether a host can be set to something by this name.
pub(crate) fn is_of_host(name: &str) -> bool {
    OF_HOSTS.iter().any(|((of_host, ..), _)| *of_host == name)
}

/// Whether a connection may come to an end by this before all is sent and the network is well again.
pub(crate) fn is_brittle((name, value): (&String, &u64)) -> bool {
    match name.as_str() {
        "user_timeout" | "retries" | "syn_retries" | "synack_retries" | "max_time_wait" | "time_wait" => true,
        // Zero: closing resets.
        "linger" => *value == 1,
        _ => false,
    }
}

/// Whether a listener with these may answer with cookies: then it knows nothing of a connection until the peer says something
/// that arrives, and cannot speak first (RFC 4987 3.6).
pub(crate) fn may_forget(host: &Settings, connections: &Settings) -> bool {
    let cookies = connections.get("syn_cookies");
    cookies == Some(&2) || (cookies != Some(&0) && host.contains_key("max_half_open"))
}

/// Whether a listener with these may make a connection of an old segment once more: of a cookie, or of a SYN with text (RFC 7413 6.1).
pub(crate) fn may_take_old(host: &Settings, connections: &Settings) -> bool {
    may_forget(host, connections) || connections.contains_key("fast_open.listen")
}

/// Some settings of a connection: often few, seldom many, or none.
pub(crate) fn draw_connection(dice: &mut Dice) -> Settings {
    draw(dice, OF_CONNECTIONS.iter().copied())
}

/// Some settings of a host.
pub(crate) fn draw_host(dice: &mut Dice) -> Settings {
    draw(dice, OF_HOSTS.iter().map(|(drawn, _)| *drawn))
}

fn draw(dice: &mut Dice, all: impl Iterator<Item = Drawn>) -> Settings {
    let Some(rarer) = dice.of(&[None, Some(1), Some(1), Some(2), Some(4)]) else { return Settings::new() };
    // Dice of their own, thrown for each row in any case: a row more at the end changes nothing else of a seed's world.
    let mut dice = Dice::new(dice.within(0, u64::MAX - 1));
    let chosen = all.filter_map(|(name, odds, [least, most])| {
        let (is_set, value) = (dice.one_in(odds * rarer), dice.about(least, most));
        is_set.then(|| (name.to_owned(), value))
    });
    chosen.collect()
}

#[test]
fn every_option_is_drawn() {
    for knob in KNOBS {
        let drawn = OF_CONNECTIONS.iter().any(|(name, ..)| *name == knob.name);
        // Keys are the same for all of a world.
        assert!(drawn || knob.name == "keys", "{} is never drawn", knob.name);
    }
    for (name, ..) in OF_CONNECTIONS {
        assert!(knobs::knob(name).is_some(), "there is no {name}");
    }
}
