//! What a seed makes of a conversation: the weather, and what both ends are set to.

use std::time::Duration;

use bowline_base::Randomness;
use bowline_tcp::{
    Algorithm, AoAlgorithm, AoKey, EcnMode, EcnOption, FastOpenKeys, FastOpenOptions, Keepalive, Md5Key, MtuProbing,
    OddSegments, Options, Profile, WindowPolicy,
};

use crate::bench::net::Weather;

pub(super) fn random_weather(random: &mut Randomness, calm: bool) -> Weather {
    let mut up_to = |most: u64| if random.below(3) == 0 { 0 } else { random.below(most + 1) };
    // In calm weather an outage ends long before a SYN-ACK is given up, after 63 s.
    let (most, longest) = if calm { (50, 8_000) } else { (200, 20_000) };
    Weather {
        loss: up_to(most),
        duplicate: up_to(100),
        reorder: up_to(150),
        corrupt: up_to(30),
        mark: up_to(100),
        delay: Duration::from_micros(up_to(100_000)),
        jitter: Duration::from_micros(up_to(longest)),
        outage: Some(up_to(5_000))
            .filter(|&from| from > 0)
            .map(|from| (Duration::from_millis(from), Duration::from_millis(from + up_to(longest)))),
        whole: up_to(1) == 1,
        ..Weather::default()
    }
}

pub(super) fn random_options(random: &mut Randomness, calm: bool) -> Options {
    let mut coin = |n: u64| random.below(n) == 0;
    let mut options = Options {
        nodelay: coin(2),
        cork: coin(8),
        window_scaling: !coin(4),
        timestamps: !coin(4),
        sack: !coin(4),
        ecn: if coin(2) { EcnMode::Classic } else { EcnMode::Off },
        ..Options::default()
    };
    if coin(2) {
        (options.ecn, options.ecn_when_asked) = (EcnMode::Accurate, EcnMode::Accurate);
    }
    options.algorithm = [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Local][random.below(3) as usize];
    if random.below(3) == 0 {
        options.send_buffer = 1_000 + random.below(30_000) as u32;
    }
    if random.below(3) == 0 {
        options.receive_buffer = 2_000 + random.below(30_000) as u32;
        options.receive_buffer_max = options.receive_buffer + random.below(60_000) as u32;
    }
    if random.below(4) == 0 {
        options.notsent_lowat = random.below(20_000) as u32;
    }
    if random.below(4) == 0 {
        options.max_segment = Some(100 + random.below(1400) as u16);
    }
    options.delayed_ack = Duration::from_millis(random.below(500));
    if !calm {
        // A RST may be lost: who only listens must find out in the end.
        let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
        options.keepalive = Some(Keepalive { idle, interval, probes: 5 });
    }
    options
}

/// What came later than the first conversations, from chance of its own: the seeds of before still have the weather and the
/// programs of before.
pub(super) fn more_options(random: &mut Randomness, options: &mut Options) {
    if random.below(4) == 0 {
        options.algorithm = Algorithm::Bbr;
    }
    options.rate_samples = random.below(3) == 0;
    options.pacing = random.below(3) > 0;
    if random.below(6) == 0 {
        options.max_pacing_rate = Some(20_000 + random.below(10_000_000));
    }
    options.window_validation = random.below(3) == 0;
}

/// A key that both ends share, now and then. Drawn last.
pub(super) fn share_keys(random: &mut Randomness, options: &mut [Options; 2]) {
    if random.below(6) > 0 {
        return;
    }
    let secret = random.next_u64().to_le_bytes();
    if random.below(2) == 0 {
        let algorithm = [AoAlgorithm::HmacSha1, AoAlgorithm::Aes128Cmac][random.below(2) as usize];
        let covers_options = random.below(3) > 0;
        for options in options {
            for network in ["0.0.0.0/0", "::/0"] {
                let key = AoKey::new(network.parse().unwrap(), (3, 3), &secret).unwrap();
                assert!(options.keys.add_ao(key.with_algorithm(algorithm).covering_options(covers_options)));
            }
        }
        return;
    }
    let key = Md5Key::new(&secret).unwrap();
    for options in options {
        for network in ["0.0.0.0/0", "::/0"] {
            options.keys.set_md5(network.parse().unwrap(), key.clone());
        }
    }
}

/// What came later still, from chance of its own again: what is like another system, Fast Open, the search for the path's MTU
/// where routers drop larger packets and say nothing, and paths that tamper with ECN.
pub(super) fn latest(random: &mut Randomness, weather: &mut Weather, options: &mut [Options; 2], ipv6: bool, mtu: u16) {
    let mut coin = |n: u64| random.below(n) == 0;
    // Flags and the length of the header are signed (RFC 2385 2.0, RFC 5925 5.1): where there are keys, who clears or removes
    // something lets nothing pass.
    let signed = options.iter().any(|options| !options.keys.is_empty());
    (weather.strips, weather.bleaches) = (coin(10) && !signed, coin(10) && !signed);
    let least = if ipv6 { 1280 } else { 600 };
    if mtu > least && random.below(4) == 0 {
        weather.hole = Some(least + random.below(u64::from(mtu - least)) as u16);
    }
    for options in options {
        like_another_system(random, options);
        options.mtu_probing = match random.below(3) {
            // Without it nothing large would ever arrive.
            0 if weather.hole.is_none() => MtuProbing::Off,
            1 => MtuProbing::Always,
            _ => MtuProbing::BlackHole,
        };
        let mut coin = |n: u64| random.below(n) == 0;
        options.tail_loss_probe = !coin(4);
        options.restart_after_idle = !coin(4);
        options.ecn_fallback = !coin(3);
        options.fast_open = FastOpenOptions {
            connect: coin(2),
            wait: coin(2),
            listen: if coin(2) { 3 } else { 0 },
            without_cookie: coin(4),
            keys: coin(2).then_some(FastOpenKeys::new([7; 16])),
        };
        options.ecn_option = [EcnOption::Never, EcnOption::OnChange, EcnOption::Always, EcnOption::Persistently]
            [random.below(4) as usize];
        if options.keepalive.is_none() && random.below(3) == 0 {
            options.keepalive = Some(Keepalive { idle: Duration::from_secs(20), ..Keepalive::default() });
        }
    }
}

/// What profiles of other systems have, each for itself.
fn like_another_system(random: &mut Randomness, options: &mut Options) {
    let other = Options::profile([Profile::Linux, Profile::FreeBsd][random.below(2) as usize]);
    let mut coin = || random.below(4) == 0;
    options.window_policy = if coin() { WindowPolicy::Everything } else { WindowPolicy::Steps };
    options.whole_segments = coin();
    options.push_bursts = coin();
    options.send_blocks = coin();
    options.reduce_window = coin();
    options.lax_timestamps = coin();
    options.echo_former_timestamp = options.lax_timestamps;
    options.uncut_segments = coin();
    options.delay_fin_ack = coin();
    options.ack_small_segments = coin();
    options.reset_unread = !coin();
    if coin() {
        (options.layout, options.quick_acks, options.min_rto) = (other.layout, other.quick_acks, other.min_rto);
        (options.rto_slop, options.clock_granularity) = (other.rto_slop, other.clock_granularity);
    }
    if coin() {
        options.odd =
            OddSegments { take_old_acks: coin(), take_late_text: coin(), repeat_fin: coin(), ..OddSegments::default() };
    }
}
