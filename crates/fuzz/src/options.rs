//! Configurations and options at their borders, and what they bound.

use std::time::Duration;

use bowline_tcp::{Config, FastOpenConfig, FastOpenPolicy, Options};

use crate::input::Input;
use crate::knobs::KNOBS;

/// Changes some options: one to eight, each to a number at which something may break.
pub fn change(input: &mut Input<'_>, options: &mut Options) {
    for _ in 0..=input.byte() % 8 {
        if let Some(knob) = input.pick(KNOBS) {
            (knob.set)(options, input.pick(knob.borders).unwrap_or(0));
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
        max_spent_cookies: 2,
        max_pending: input.one_of([4, 0, 1, 16]),
        max_pending_per_source: input.one_of([4, 0, 1]),
        max_listeners: 3,
        max_time_wait: input.one_of([4, 0, 1, 16]),
        time_wait: input.one_of([Duration::from_secs(60), Duration::ZERO, Duration::from_secs(86_400)]),
        time_wait_reuse: true,
        time_wait_reuse_named: true,
        time_wait_reuse_delay: Duration::from_secs(1),
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
