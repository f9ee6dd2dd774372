//! Settings by the names that Linux and FreeBSD have for them.
//!
//! A setting that the stack has is set. One that it does not have may be set to the system's own default, which is how the
//! stack behaves, and to nothing else: that is an error, and says so.

use std::time::Duration;

use bowline_posix::{HostConfig, Profile};
use bowline_tcp::{
    Algorithm, Cookies, EcnMode, EcnOption, FastOpenConfig, FastOpenKeys, FastOpenPolicy, Keepalive, MtuProbing,
    OpenErrors, Options, SynFin,
};

/// What a setting concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// What new sockets start with.
    Sockets,
    /// The host: not to be changed once it is there.
    Host,
    /// Nothing: it was as it is.
    Nothing,
}

/// What a host is made of, and what can be set of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host: HostConfig,
    /// What keepalive is like where a socket asks for it.
    pub(crate) keep: Keepalive,
    /// How long an open may take.
    pub(crate) open_patience: Option<Duration>,
    /// All as it was.
    defaults: (Options, Keepalive, FastOpenConfig),
}

impl Settings {
    pub(crate) fn new(mut host: HostConfig) -> Self {
        // Scripts say what leaves at once. As on Linux, nothing is paced unless the queueing discipline does it.
        host.stack.tcp.options.pacing = false;
        let options = host.stack.tcp.options.clone();
        let keep = options.keepalive.unwrap_or(Keepalive::profile(host.profile));
        let defaults = (options, keep, host.stack.tcp.fast_open.clone());
        Self { open_patience: open_patience(host.profile), host, keep, defaults }
    }

    /// Sets all that sockets start with as it was.
    pub(crate) fn reset(&mut self) {
        let tcp = &mut self.host.stack.tcp;
        (tcp.options, self.keep, tcp.fast_open) = self.defaults.clone();
        self.open_patience = open_patience(self.host.profile);
    }

    /// Sets one setting.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Change, String> {
        let value = value.trim_matches('"');
        if let Some(done) = fast_open(&mut self.host.stack.tcp.fast_open, name, value) {
            return done.then_some(Change::Sockets).ok_or_else(|| format!("{value} is no value of {name}"));
        }
        let known = self.odd_segments(name, value).or_else(|| self.keepalive(name, value));
        if let Some(done) = known.or_else(|| self.known(name, value)) {
            return done;
        }
        let Some((_, default)) = FIXED.iter().find(|(known, _)| *known == name) else {
            return Err(format!("nothing here knows the setting {name}"));
        };
        let same = |default: &&str| *default == "*" || default.split_whitespace().eq(value.split_whitespace());
        if default.split('|').any(|default| same(&default)) {
            return Ok(Change::Nothing);
        }
        Err(format!("the stack behaves as with {name}={default}, and has no {value}"))
    }

    /// Those about segments that no orderly peer sends.
    fn odd_segments(&mut self, name: &str, value: &str) -> Option<Result<Change, String>> {
        let name = name.strip_prefix("net.inet.tcp.")?;
        if !["insecure_rst", "insecure_syn", "drop_synfin"].contains(&name) {
            return None;
        }
        let Ok(on) = value.parse::<u8>().map(|flag| flag != 0) else {
            return Some(Err(format!("{value} is no value of {name}")));
        };
        let odd = &mut self.host.stack.tcp.options.odd;
        match name {
            "insecure_rst" => odd.challenge_resets = !on,
            "insecure_syn" => odd.challenge_syns = !on,
            _ => odd.syn_fin = if on { SynFin::Nothing } else { self.defaults.0.odd.syn_fin },
        }
        Some(Ok(Change::Sockets))
    }

    /// What keepalive begins with, once a socket asks for it.
    fn keepalive(&mut self, name: &str, value: &str) -> Option<Result<Change, String>> {
        let number = value.parse::<u64>().ok();
        let (seconds, millis) = (number.map(Duration::from_secs), number.map(Duration::from_millis));
        let set = match name {
            "net.ipv4.tcp_keepalive_time" => put(&mut self.keep.idle, seconds),
            "net.ipv4.tcp_keepalive_intvl" => put(&mut self.keep.interval, seconds),
            "net.ipv4.tcp_keepalive_probes" | "net.inet.tcp.keepcnt" => {
                put(&mut self.keep.probes, number.and_then(|number| u8::try_from(number).ok()))
            }
            "net.inet.tcp.keepidle" => put(&mut self.keep.idle, millis),
            "net.inet.tcp.keepintvl" => put(&mut self.keep.interval, millis),
            _ => return None,
        };
        Some(set.map(|()| Change::Sockets).ok_or_else(|| format!("{value} is no value of {name}")))
    }

    /// Settings that the stack has.
    fn known(&mut self, name: &str, value: &str) -> Option<Result<Change, String>> {
        let is_freebsd = self.host.profile == Profile::FreeBsd;
        let options = &mut self.host.stack.tcp.options;
        let wrong = || format!("{value} is no value of {name}");
        let number = value.parse::<u64>();
        let seconds = number.as_ref().ok().map(|seconds| Duration::from_secs(*seconds));
        let millis = number.as_ref().ok().map(|millis| Duration::from_millis(*millis));
        let small = number.as_ref().ok().and_then(|number| u8::try_from(*number).ok());
        let size = number.as_ref().ok().and_then(|number| u32::try_from(*number).ok());
        let flag = number.as_ref().ok().map(|number| *number != 0);
        let set = match name {
            "net.ipv4.tcp_sack" | "net.inet.tcp.sack.enable" => put(&mut options.sack, flag),
            "net.ipv4.tcp_timestamps" => put(&mut options.timestamps, flag),
            "net.ipv4.tcp_window_scaling" => put(&mut options.window_scaling, flag),
            "net.inet.tcp.rfc1323" => small.filter(|mode| *mode <= 3).map(|mode| {
                options.window_scaling = matches!(mode, 1 | 2);
                options.timestamps = matches!(mode, 1 | 3);
            }),
            "net.ipv4.tcp_ecn" | "net.inet.tcp.ecn.enable" => small
                .and_then(|mode| ecn_modes(mode, is_freebsd))
                .map(|(asked, agreed)| (options.ecn, options.ecn_when_asked) = (asked, agreed)),
            "net.ipv4.tcp_ecn_fallback" => put(&mut options.ecn_fallback, flag),
            "net.ipv4.tcp_ecn_option" => put(&mut options.ecn_option, small.and_then(ecn_option)),
            "net.ipv4.tcp_ecn_option_beacon" => put(&mut options.ecn_option_beacon, small.filter(|many| *many <= 63)),
            "net.core.default_qdisc" => put(&mut options.pacing, Some(value == "fq")),
            "net.inet.tcp.ecn.maxretries" => put(&mut options.ecn_retries, small),
            "net.inet.tcp.rexmit_drop_options" => flag.map(|drops| options.full_syns = if drops { 2 } else { u8::MAX }),
            "net.inet.tcp.icmp_may_rst" => flag.map(|may| {
                options.open_errors = if may { OpenErrors::Hard } else { OpenErrors::Nothing };
            }),
            "kern.ipc.maxsockbuf" => size.map(|most| options.window_shift = Some(shift_for(most))),
            "net.inet.tcp.keepinit" => millis.map(|span| self.open_patience = Some(span)),
            "net.ipv4.tcp_congestion_control" | "net.inet.tcp.cc.algorithm" => {
                put(&mut options.algorithm, algorithm(value))
            }
            "net.ipv4.tcp_mtu_probing" => put(&mut options.mtu_probing, mtu_probing(value)),
            "net.ipv4.tcp_base_mss" => put(&mut options.base_mss, least_mss(size)),
            "net.ipv4.tcp_mtu_probe_floor" => put(&mut options.mtu_probe_floor, least_mss(size)),
            "net.ipv4.tcp_syn_retries" => put(&mut options.syn_retries, small),
            "net.ipv4.tcp_synack_retries" => put(&mut options.synack_retries, small),
            "net.ipv4.tcp_fin_timeout" => put(&mut options.fin_wait2, seconds),
            "net.inet.tcp.finwait2_timeout" => put(&mut options.fin_wait2, millis),
            "net.ipv4.tcp_notsent_lowat" => put(&mut options.notsent_lowat, size),
            "net.ipv4.tcp_rto_min_us" => put(&mut options.min_rto, number.ok().map(Duration::from_micros)),
            "net.ipv4.tcp_rto_max_ms" => put(&mut options.max_rto, millis),
            "net.inet.tcp.delacktime" => put(&mut options.delayed_ack, millis),
            "net.ipv4.ip_default_ttl" | "net.inet.ip.ttl" | "net.inet6.ip6.hlim" => put(&mut options.hop_limit, small),
            "net.ipv4.tcp_rmem" => return Some(memory(value, options, true).ok_or_else(wrong)),
            "net.ipv4.tcp_wmem" => return Some(memory(value, options, false).ok_or_else(wrong)),
            "net.ipv4.tcp_moderate_rcvbuf" | "net.inet.tcp.recvbuf_auto" => flag.map(|auto| {
                let most = self.defaults.0.receive_buffer_max;
                options.receive_buffer_max = if auto { most } else { options.receive_buffer };
            }),
            "net.inet.tcp.recvspace" => size.map(|size| {
                options.receive_buffer = size;
                options.receive_buffer_max = options.receive_buffer_max.max(size);
            }),
            "net.inet.tcp.recvbuf_max" => put(&mut options.receive_buffer_max, size),
            "net.inet.tcp.sendbuf_max" if is_freebsd => put(&mut options.send_buffer, size),
            "net.inet.tcp.msl" => {
                let done = millis.map(|msl| self.host.stack.tcp.time_wait = 2 * msl);
                return Some(done.map(|()| Change::Host).ok_or_else(wrong));
            }
            "net.ipv4.ip_local_port_range" => {
                let set = put(&mut self.host.stack.tcp.ephemeral_ports, ports(value));
                return Some(set.map(|()| Change::Host).ok_or_else(wrong));
            }
            _ => linux_only(name, small, options)?,
        };
        Some(set.map(|()| Change::Sockets).ok_or_else(wrong))
    }
}

/// The smallest shift with which a window of this many bytes can be announced, as FreeBSD chooses it for the largest buffer.
fn shift_for(most: u32) -> u8 {
    (0..14).find(|&shift| u32::from(u16::MAX) << shift >= most).unwrap_or(14)
}

/// The ECN that is asked for, and the most that is agreed to, by the number that systems have for both.
fn ecn_modes(mode: u8, is_freebsd: bool) -> Option<(EcnMode, EcnMode)> {
    use EcnMode::{Accurate, Classic, Off};
    Some(match (mode, is_freebsd) {
        (0, _) => (Off, Off),
        (1, _) => (Classic, Classic),
        (2, _) => (Off, Classic),
        (3, _) => (Accurate, Accurate),
        (4, false) => (Classic, Accurate),
        (4, true) | (5, false) => (Off, Accurate),
        _ => return None,
    })
}

/// Linux's `tcp_ecn_option`.
const fn ecn_option(policy: u8) -> Option<EcnOption> {
    match policy {
        0 => Some(EcnOption::Never),
        1 => Some(EcnOption::OnChange),
        2 => Some(EcnOption::Always),
        3 => Some(EcnOption::Persistently),
        _ => None,
    }
}

/// FreeBSD's `keepinit`.
fn open_patience(profile: Profile) -> Option<Duration> {
    (profile == Profile::FreeBsd).then_some(Duration::from_secs(75))
}

/// Fast Open's settings: whether the value is one; `None` where there is no such setting.
fn fast_open(config: &mut FastOpenConfig, name: &str, value: &str) -> Option<bool> {
    let digits = value.strip_prefix("0x");
    let number = digits.map_or_else(|| value.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok());
    let flag = number.filter(|number| *number <= 1).map(|number| number == 1);
    let mut set = |bit| flag.map(|on| config.policy.set(bit, on)).is_some();
    Some(match name {
        "net.ipv4.tcp_fastopen" => {
            number.map(|bits| config.policy = FastOpenPolicy::from_bits_truncate(bits)).is_some()
        }
        "net.ipv4.tcp_fastopen_blackhole_timeout_sec" => {
            number.map(|seconds| config.pause = Duration::from_secs(seconds.into())).is_some()
        }
        "net.ipv4.tcp_fastopen_key" => fast_open_keys(value).map(|keys| config.keys = Some(keys)).is_some(),
        "net.inet.tcp.fastopen.client_enable" => set(FastOpenPolicy::CLIENT),
        "net.inet.tcp.fastopen.server_enable" => set(FastOpenPolicy::SERVER),
        "net.inet.tcp.fastopen.acceptany" => set(FastOpenPolicy::SERVER_WITHOUT_COOKIE),
        _ => return None,
    })
}

/// `a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4`: words, as a little-endian host reads them; a second key behind a comma.
fn fast_open_keys(text: &str) -> Option<FastOpenKeys> {
    let key = |text: &str| {
        let words: Option<Vec<[u8; 4]>> =
            text.split('-').map(|word| u32::from_str_radix(word, 16).ok().map(u32::to_le_bytes)).collect();
        <[u8; 16]>::try_from(words?.concat()).ok()
    };
    match text.split_once(',') {
        None => key(text).map(FastOpenKeys::new),
        Some((primary, backup)) => Some(FastOpenKeys::with_backup(key(primary)?, key(backup)?)),
    }
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    value.map(|value| *place = value)
}

/// Settings with small numbers that only Linux has; `None` where it is none of them.
fn linux_only(name: &str, value: Option<u8>, options: &mut Options) -> Option<Option<()>> {
    let flag = value.map(|value| value != 0);
    Some(match name {
        "net.ipv4.tcp_retries2" => put(&mut options.retries, value),
        "net.ipv4.tcp_syncookies" => put(&mut options.syn_cookies, value.and_then(cookies)),
        "net.ipv4.tcp_slow_start_after_idle" => put(&mut options.restart_after_idle, flag),
        "net.ipv4.tcp_min_tso_segs" => put(&mut options.least_burst, value.filter(|least| *least > 0)),
        "net.ipv4.tcp_early_retrans" => put(&mut options.tail_loss_probe, value.map(|mode| mode >= 3)),
        _ => return None,
    })
}

fn cookies(mode: u8) -> Option<Cookies> {
    [Cookies::Never, Cookies::WhenFull, Cookies::Always].get(usize::from(mode)).copied()
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "reno" | "newreno" => Some(Algorithm::NewReno),
        "cubic" => Some(Algorithm::Cubic),
        "bbr" => Some(Algorithm::Bbr),
        _ => None,
    }
}

/// `first last`.
fn ports(value: &str) -> Option<(u16, u16)> {
    let ports: Option<Vec<u16>> = value.split_whitespace().map(|port| port.parse().ok()).collect();
    let Some([first, last]) = ports.as_deref() else { return None };
    Some((*first, *last))
}

fn mtu_probing(mode: &str) -> Option<MtuProbing> {
    match mode {
        "0" => Some(MtuProbing::Off),
        "1" => Some(MtuProbing::BlackHole),
        "2" => Some(MtuProbing::Always),
        _ => None,
    }
}

/// A segment size; Linux takes none below 48 (`TCP_MIN_SND_MSS`).
fn least_mss(size: Option<u32>) -> Option<u16> {
    u16::try_from(size?).ok().filter(|size| *size >= 48)
}

/// `least default most`, of which Linux gives half to data of the receive queue.
fn memory(value: &str, options: &mut Options, is_receive: bool) -> Option<Change> {
    let sizes: Option<Vec<u32>> = value.split_whitespace().map(|size| size.parse().ok()).collect();
    let Some([_, default, most]) = sizes.as_deref() else { return None };
    if is_receive {
        options.receive_buffer = default / 2;
        options.receive_buffer_max = *most / 2;
        options.window_shift = Some(most.max(&1).ilog2().saturating_sub(15).min(14) as u8);
    } else {
        // the queue grows as it is used
        options.send_buffer = *most;
    }
    Some(Change::Sockets)
}

/// Settings that the stack does not have, with the value that describes it; `*` where any does, since nothing depends on it.
const FIXED: &[(&str, &str)] = &[
    // no metrics outlive a connection, no memory is counted but each queue's own, no packet is logged
    ("net.ipv4.tcp_no_metrics_save", "*"),
    ("net.ipv4.tcp_mem", "*"),
    ("net.ipv4.tcp_autocorking", "*"),
    ("net.ipv4.tcp_invalid_ratelimit", "*"),
    ("net.core.rmem_max", "*"),
    ("net.core.wmem_max", "*"),
    ("net.core.rmem_default", "*"),
    ("net.core.wmem_default", "*"),
    ("net.core.optmem_max", "*"),
    ("net.core.somaxconn", "*"),
    ("net.core.netdev_max_backlog", "*"),
    ("net.ipv4.tcp_max_syn_backlog", "*"),
    ("net.ipv4.tcp_max_orphans", "*"),
    ("net.ipv4.tcp_available_congestion_control", "*"),
    ("net.ipv4.tcp_allowed_congestion_control", "*"),
    ("net.ipv4.tcp_abort_on_overflow", "0"),
    ("net.ipv4.tcp_adv_win_scale", "1"),
    ("net.ipv4.tcp_app_win", "31"),
    ("net.ipv4.tcp_challenge_ack_limit", "2147483647|1000"),
    ("net.ipv4.tcp_comp_sack_nr", "*"),
    ("net.ipv4.tcp_comp_sack_delay_ns", "*"),
    ("net.ipv4.tcp_comp_sack_slack_ns", "*"),
    ("net.ipv4.tcp_dsack", "1"),
    ("net.ipv4.tcp_fack", "*"),
    ("net.ipv4.tcp_frto", "2"),
    ("net.ipv4.tcp_limit_output_bytes", "*"),
    ("net.ipv4.tcp_low_latency", "*"),
    ("net.ipv4.tcp_max_reordering", "300"),
    ("net.ipv4.tcp_max_tw_buckets", "*"),
    ("net.ipv4.tcp_min_rtt_wlen", "300"),
    ("net.ipv4.tcp_min_snd_mss", "48"),
    ("net.ipv4.tcp_orphan_retries", "0"),
    ("net.ipv4.tcp_pacing_ca_ratio", "*"),
    ("net.ipv4.tcp_pacing_ss_ratio", "*"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_probe_interval", "600"),
    ("net.ipv4.tcp_probe_threshold", "8"),
    ("net.ipv4.tcp_reflect_tos", "0"),
    ("net.ipv4.tcp_reordering", "3"),
    ("net.ipv4.tcp_retrans_collapse", "*"),
    ("net.ipv4.tcp_retries1", "3"),
    ("net.ipv4.tcp_rfc1337", "0|1"),
    ("net.ipv4.tcp_shrink_window", "0"),
    ("net.ipv4.tcp_stdurg", "0"),
    ("net.ipv4.tcp_syn_linear_timeouts", "0"),
    ("net.ipv4.tcp_thin_linear_timeouts", "0"),
    ("net.ipv4.tcp_tso_win_divisor", "*"),
    ("net.ipv4.tcp_tw_reuse", "0|1|2"),
    ("net.ipv4.tcp_workaround_signed_windows", "0"),
    ("net.ipv4.ip_no_pmtu_disc", "0"),
    ("net.ipv4.conf.all.accept_local", "*"),
    ("net.ipv4.conf.all.rp_filter", "*"),
    ("net.ipv6.auto_flowlabels", "1"),
    ("net.ipv6.flowlabel_reflect", "0"),
    // FreeBSD
    ("kern.ipc.soacceptqueue", "*"),
    ("kern.ipc.somaxconn", "*"),
    ("net.inet.tcp.hostcache.enable", "*"),
    ("net.inet.tcp.hostcache.purgenow", "*"),
    ("net.inet.tcp.hostcache.purge", "*"),
    ("net.inet.tcp.hostcache.prune", "*"),
    ("net.inet.tcp.hostcache.expire", "*"),
    ("net.inet.tcp.log_debug", "*"),
    ("net.inet.tcp.log_in_vain", "*"),
    ("net.inet.tcp.maxtcptw", "*"),
    ("net.inet.tcp.tcbhashsize", "*"),
    ("net.inet.tcp.tso", "*"),
    ("net.inet.tcp.sendbuf_inc", "*"),
    ("net.inet.tcp.recvbuf_inc", "*"),
    ("net.inet.tcp.sendspace", "*"),
    ("net.inet.tcp.sendbuf_auto", "1"),
    ("net.inet.tcp.sendbuf_auto_lowat", "*"),
    ("net.inet.tcp.sendbuf_max", "*"),
    ("net.inet.tcp.abc_l_var", "2"),
    ("net.inet.tcp.ack_war_timewindow", "*"),
    ("net.inet.tcp.ack_war_cnt", "*"),
    ("net.inet.tcp.always_keepalive", "1"),
    ("net.inet.tcp.blackhole", "0"),
    ("net.inet.tcp.delayed_ack", "1"),
    ("net.inet.tcp.do_lrd", "0"),
    ("net.inet.tcp.do_prr", "1"),
    ("net.inet.tcp.dsack_enable", "1"),
    ("net.inet.tcp.fast_finwait2_recycle", "0"),
    ("net.inet.tcp.functions_default", "freebsd"),
    ("net.inet.tcp.initcwnd_segments", "10"),
    ("net.inet.tcp.insecure_ack", "0"),
    ("net.inet.tcp.maxunacktime", "0"),
    ("net.inet.tcp.minmss", "216"),
    ("net.inet.tcp.mssdflt", "536"),
    ("net.inet.tcp.newcwv", "0"),
    ("net.inet.tcp.newreno_sack", "*"),
    ("net.inet.tcp.nolocaltimewait", "*"),
    ("net.inet.tcp.path_mtu_discovery", "1"),
    ("net.inet.tcp.persmax", "60000"),
    ("net.inet.tcp.persmin", "5000"),
    ("net.inet.tcp.pmtud_blackhole_detection", "0"),
    ("net.inet.tcp.reass.maxqueuelen", "*"),
    ("net.inet.tcp.reass.maxsegments", "*"),
    ("net.inet.tcp.rexmit_initial", "1000"),
    ("net.inet.tcp.rexmit_min", "30"),
    ("net.inet.tcp.rexmit_slop", "200"),
    ("net.inet.tcp.rfc3042", "1"),
    ("net.inet.tcp.rfc3390", "1"),
    ("net.inet.tcp.rfc3465", "1"),
    ("net.inet.tcp.rfc6675_pipe", "1"),
    ("net.inet.tcp.sack.globalmaxholes", "*"),
    ("net.inet.tcp.sack.maxholes", "*"),
    ("net.inet.tcp.sack.lrd", "0|1"),
    ("net.inet.tcp.sack.revised", "0|1"),
    ("net.inet.tcp.soreceive_stream", "*"),
    ("net.inet.tcp.syncache.rexmtlimit", "3"),
    ("net.inet.tcp.syncache.rst_on_sock_fail", "1"),
    ("net.inet.tcp.syncookies", "1"),
    ("net.inet.tcp.syncookies_only", "0"),
    ("net.inet.tcp.tolerate_missing_ts", "0"),
    ("net.inet.tcp.ts_offset_per_conn", "1"),
    ("net.inet.tcp.v6mssdflt", "1220"),
    ("net.inet.tcp.v6pmtud_blackhole_mss", "*"),
    ("net.inet.tcp.bind_all_fibs", "*"),
    ("net.inet.tcp.cc.abe", "0"),
    ("net.inet.icmp.icmplim", "*"),
    ("net.inet.icmp.icmplim_output", "*"),
    ("net.inet6.ip6.v6only", "*"),
    ("net.inet.ip.portrange.first", "*"),
    ("net.inet.ip.portrange.last", "*"),
];

#[cfg(test)]
mod tests;
