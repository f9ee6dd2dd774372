//! Nothing that can be set is left out.

use std::collections::BTreeSet;

use bowline_tcp::{FastOpenOptions, OddSegments, Options};

use super::KNOBS;

/// The names of the fields in which two structs differ; all of its fields must be named.
macro_rules! differing {
    ($prefix:literal, $Struct:ident, $a:expr, $b:expr, $($field:ident)*) => {{
        let $Struct { $($field),* } = $a;
        let mut names: Vec<&'static str> = Vec::new();
        $(if *$field != $b.$field { names.push(concat!($prefix, stringify!($field))); })*
        names
    }};
}

fn differing(a: &Options, b: &Options) -> Vec<&'static str> {
    let mut names = differing!("", Options, a, b,
        nodelay cork keepalive user_timeout linger reset_unread send_buffer send_buffer_first receive_buffer
        receive_buffer_max notsent_lowat delayed_ack algorithm rate_samples pacing max_pacing_rate min_rto max_rto
        clock_granularity rto_slop tail_loss_probe retries syn_retries linear_syns synack_retries defer_accept fin_wait2
        local_ports max_segment announce_mss announce_path
        full_syns mtu_probing base_mss mtu_probe_floor window_scaling window_shift whole_segments window_policy
        push_bursts least_burst send_blocks restart_after_idle window_validation reduce_window lax_timestamps
        echo_former_timestamp uncut_segments syn_cookies cookie_mss delay_fin_ack answer_joined_once quick_acks
        ack_small_segments layout timestamps sack ecn ecn_when_asked ecn_retries ecn_fallback ecn_option ecn_option_beacon
        open_errors odd
        fast_open traffic_class hop_limit hystart reduce_by_acks path_mtu_discovery keys);
    names.retain(|name| !["odd", "fast_open"].contains(name));
    names.extend(differing!("odd.", OddSegments, &a.odd, &b.odd,
        challenge_resets take_resets_at_fin challenge_syns syn_fin take_old_acks take_late_text repeat_fin time_wait_syn take_unknown_ao
        believe_icmp));
    names.extend(differing!("fast_open.", FastOpenOptions, &a.fast_open, &b.fast_open,
        connect wait listen without_cookie keys));
    names
}

/// Each knob changes what it is named after and nothing else, except those that stand for several.
#[test]
fn each_changes_what_its_name_says() {
    for knob in KNOBS {
        let mut moved = BTreeSet::new();
        for border in knob.borders {
            let mut options = Options::default();
            (knob.set)(&mut options, 60_000_000);
            (knob.set)(&mut options, *border);
            moved.extend(differing(&options, &Options::default()));
        }
        match knob.name {
            "profile" => assert!(moved.len() > 20, "{moved:?}"),
            "keepalive_interval" | "keepalive_probes" => {
                assert!(moved.is_empty(), "without keepalive they are nothing");
            }
            name => assert_eq!(moved.into_iter().collect::<Vec<_>>(), [name]),
        }
    }
}

/// What is inserted, and not appended, gives the inputs of the corpus another meaning.
#[test]
fn each_keeps_its_number() {
    let some = [
        (0, "profile"),
        (10, "send_buffer_first"),
        (20, "max_rto"),
        (30, "max_segment"),
        (40, "window_policy"),
        (50, "cookie_mss"),
        (60, "ecn_retries"),
        (70, "odd.repeat_fin"),
        (81, "keys"),
        (85, "echo_former_timestamp"),
    ];
    for (number, name) in some {
        assert_eq!(KNOBS.iter().position(|knob| knob.name == name), Some(number), "{name}");
    }
}
