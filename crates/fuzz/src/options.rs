//! Configurations and options at their borders, and what they bound.

use std::time::Duration;

use bowline_tcp::{Algorithm, Config, EcnMode, FastOpenConfig, FastOpenPolicy, Keepalive, Options};

use crate::input::Input;

/// A time that a user might set: from nothing to a day.
pub fn duration(input: &mut Input<'_>) -> Duration {
    input.one_of([
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(1),
        Duration::from_millis(40),
        Duration::from_millis(200),
        Duration::from_secs(1),
        Duration::from_secs(60),
        Duration::from_secs(7200),
        Duration::from_secs(86_400),
    ])
}

fn buffer(input: &mut Input<'_>) -> u32 {
    input.one_of([0, 1, 100, 1460, 4096, 65_535, 131_072, 1 << 20, u32::MAX])
}

/// Changes some options: one to four.
pub fn change(input: &mut Input<'_>, options: &mut Options) {
    for _ in 0..=input.byte() % 4 {
        let choice = input.byte();
        let flag = input.one_in(2);
        match choice % 26 {
            0 => options.nodelay = flag,
            1 => options.cork = flag,
            2 => {
                let (idle, interval, probes) = (duration(input), duration(input), input.byte());
                options.keepalive = flag.then_some(Keepalive { idle, interval, probes });
            }
            3 => options.user_timeout = flag.then(|| duration(input)),
            4 => options.linger = flag.then(|| duration(input)),
            5 => options.send_buffer = buffer(input),
            6 => options.receive_buffer = buffer(input),
            7 => options.receive_buffer_max = buffer(input),
            8 => options.notsent_lowat = buffer(input),
            9 => options.delayed_ack = duration(input),
            10 => {
                options.algorithm =
                    input.one_of([Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr, Algorithm::Local]);
            }
            11 => options.min_rto = duration(input).min(Duration::from_secs(3600)),
            // No day for these: whoever asks for that has connections that take a year to end.
            12 => options.max_rto = duration(input).min(Duration::from_secs(3600)),
            13 => options.retries = input.byte() % 20,
            14 => options.syn_retries = input.byte() % 20,
            15 => options.synack_retries = input.byte() % 20,
            16 => options.fin_wait2 = duration(input),
            17 => options.max_segment = flag.then(|| input.one_of([0, 1, 40, 88, 536, 1460, 9000, u16::MAX])),
            18 => options.window_scaling = flag,
            19 => options.timestamps = flag,
            20 => options.sack = flag,
            21 => options.ecn = input.one_of([EcnMode::Off, EcnMode::Classic, EcnMode::Accurate]),
            22 => options.traffic_class = input.byte(),
            23 => options.hop_limit = input.byte(),
            24 => (options.fast_open.connect, options.fast_open.without_cookie) = (flag, input.one_in(2)),
            _ => options.fast_open.listen = input.one_of([0, 1, 2, u32::MAX]),
        }
    }
}

/// An endpoint with tables so small that they overflow.
pub fn config(input: &mut Input<'_>) -> Config {
    let mut options = Options::default();
    if input.one_in(2) {
        change(input, &mut options);
    }
    let low = 40_000;
    Config {
        max_connections: input.one_of([8, 1, 3, 20]),
        max_half_open: input.one_of([4, 0, 1, 16]),
        max_pending: input.one_of([4, 0, 1, 16]),
        max_pending_per_source: input.one_of([4, 0, 1]),
        max_listeners: 3,
        max_time_wait: input.one_of([4, 0, 1, 16]),
        time_wait: input.one_of([Duration::from_secs(60), Duration::ZERO, Duration::from_secs(86_400)]),
        ephemeral_ports: (low, low + input.one_of([3, 0, 100])),
        resets_per_second: input.one_of([1000, 0, 1]),
        max_trace: input.one_of([64, 0, 1]),
        fast_open: FastOpenConfig {
            policy: input.one_of([FastOpenConfig::default().policy, FastOpenPolicy::empty(), FastOpenPolicy::all()]),
            cookies: input.one_of([4, 0, 1]),
            ..FastOpenConfig::default()
        },
        options,
    }
}

/// The most memory that one connection may pin with these options, in bytes: its queues as far as they may grow, a
/// super-segment in each direction besides, and what recovery remembers.
#[must_use]
pub fn memory_bound(options: &Options) -> u64 {
    let receive = u64::from(options.receive_buffer.max(options.receive_buffer_max));
    2 * receive + 2 * u64::from(options.send_buffer) + (1 << 20)
}
