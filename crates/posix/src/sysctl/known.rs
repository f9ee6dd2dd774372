//! Settings that the stack has, by both systems' names.

use core::time::Duration;

use bowline_tcp::{Cookies, FastOpenPolicy, HyStart, OpenErrors, PathMtuDiscovery, Profile, SynFin};

use super::values::{
    Value, algorithm, cookies, ecn_modes, ecn_option, fast_open_keys, least_mss, memory, mtu_probing, ports, shift_for,
};
use super::{Change, Sysctls};

/// Sets a place to a value, if it is one.
fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    value.map(|value| *place = value)
}

impl Sysctls {
    /// Sets what the stack has: `Some(None)` where the value is none; `None` where the stack has no such setting.
    pub(super) fn known(&mut self, name: &str, value: &str) -> Option<Option<Change>> {
        let value = Value(value);
        let of_sockets = self
            .fast_open(name, value)
            .or_else(|| self.odd_segments(name, value))
            .or_else(|| self.keepalive(name, value))
            .or_else(|| self.buffers(name, value))
            .or_else(|| self.linux_only(name, value))
            .or_else(|| self.handshake(name, value))
            .or_else(|| self.options(name, value));
        match of_sockets {
            Some(set) => Some(set.map(|()| Change::Sockets)),
            None => self.of_hosts(name, value).map(|set| set.map(|()| Change::Host)),
        }
    }

    /// What hosts are made of.
    fn of_hosts(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let tcp = &mut self.config.stack.tcp;
        Some(match name {
            "net.inet.tcp.msl" => value.millis().map(|msl| tcp.time_wait = 2 * msl),
            // 2 is for connections inside the host alone, of which there are none: here it is as 0.
            "net.ipv4.tcp_tw_reuse" => {
                put(&mut tcp.time_wait_reuse, value.small().filter(|mode| *mode <= 2).map(|mode| mode == 1))
            }
            "net.ipv4.tcp_tw_reuse_delay" => put(&mut tcp.time_wait_reuse_delay, value.millis()),
            "net.ipv4.ip_local_port_range" => put(&mut tcp.ephemeral_ports, ports(value)),
            _ => return None,
        })
    }

    /// Fast Open's.
    fn fast_open(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let config = &mut self.config.stack.tcp.fast_open;
        let digits = value.0.strip_prefix("0x");
        let number = digits.map_or_else(|| value.size(), |digits| u32::from_str_radix(digits, 16).ok());
        let flag = number.filter(|number| *number <= 1).map(|number| number == 1);
        let mut set = |bit| flag.map(|on| config.policy.set(bit, on));
        Some(match name {
            "net.ipv4.tcp_fastopen" => number.map(|bits| config.policy = FastOpenPolicy::from_bits_truncate(bits)),
            "net.ipv4.tcp_fastopen_blackhole_timeout_sec" => put(&mut config.pause, value.seconds()),
            "net.ipv4.tcp_fastopen_key" => put(&mut config.keys, fast_open_keys(value.0).map(Some)),
            "net.inet.tcp.fastopen.path_disable_time" => put(&mut config.shun, value.seconds()),
            "net.inet.tcp.fastopen.client_enable" => set(FastOpenPolicy::CLIENT),
            "net.inet.tcp.fastopen.server_enable" => set(FastOpenPolicy::SERVER),
            "net.inet.tcp.fastopen.acceptany" => set(FastOpenPolicy::SERVER_WITHOUT_COOKIE),
            _ => return None,
        })
    }

    /// Those about segments that no orderly peer sends.
    fn odd_segments(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let (odd, default) = (&mut self.config.stack.tcp.options.odd, self.defaults.0.odd.syn_fin);
        let on = value.flag();
        Some(match name {
            "net.inet.tcp.insecure_rst" => put(&mut odd.challenge_resets, on.map(|on| !on)),
            "net.inet.tcp.insecure_syn" => put(&mut odd.challenge_syns, on.map(|on| !on)),
            "net.inet.tcp.drop_synfin" => {
                put(&mut odd.syn_fin, on.map(|on| if on { SynFin::Nothing } else { default }))
            }
            _ => return None,
        })
    }

    /// What keepalive begins with, once a socket asks for it.
    fn keepalive(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let keep = &mut self.keep;
        Some(match name {
            "net.ipv4.tcp_keepalive_time" => put(&mut keep.idle, value.seconds()),
            "net.ipv4.tcp_keepalive_intvl" => put(&mut keep.interval, value.seconds()),
            "net.ipv4.tcp_keepalive_probes" | "net.inet.tcp.keepcnt" => put(&mut keep.probes, value.small()),
            "net.inet.tcp.keepidle" => put(&mut keep.idle, value.millis()),
            "net.inet.tcp.keepintvl" => put(&mut keep.interval, value.millis()),
            _ => return None,
        })
    }

    /// How much is queued.
    fn buffers(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let is_freebsd = self.config.profile == Profile::FreeBsd;
        let options = &mut self.config.stack.tcp.options;
        Some(match name {
            "net.ipv4.tcp_rmem" => memory(value, options, true),
            "net.ipv4.tcp_wmem" => memory(value, options, false),
            "net.ipv4.tcp_moderate_rcvbuf" | "net.inet.tcp.recvbuf_auto" => value.flag().map(|auto| {
                let most = self.defaults.0.receive_buffer_max;
                options.receive_buffer_max = if auto { most } else { options.receive_buffer };
            }),
            "net.inet.tcp.recvspace" => value.size().map(|size| {
                options.receive_buffer = size;
                options.receive_buffer_max = options.receive_buffer_max.max(size);
            }),
            "net.inet.tcp.recvbuf_max" => put(&mut options.receive_buffer_max, value.size()),
            "net.inet.tcp.sendbuf_max" if is_freebsd => put(&mut options.send_buffer, value.size()),
            "kern.ipc.maxsockbuf" => value.size().map(|most| options.window_shift = Some(shift_for(most))),
            _ => return None,
        })
    }

    /// All other options of sockets.
    fn options(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let options = &mut self.config.stack.tcp.options;
        Some(match name {
            "net.core.default_qdisc" => put(&mut options.pacing, Some(value.0 == "fq")),
            "net.inet.tcp.icmp_may_rst" => value.flag().map(|may| {
                options.open_errors = if may { OpenErrors::Hard } else { OpenErrors::Nothing };
            }),
            "net.inet.tcp.keepinit" => value.millis().map(|span| self.open_patience = Some(span)),
            "net.ipv4.tcp_congestion_control" | "net.inet.tcp.cc.algorithm" => {
                put(&mut options.algorithm, algorithm(value.0))
            }
            "net.ipv4.ip_no_pmtu_disc" => put(
                &mut options.path_mtu_discovery,
                value.flag().map(|off| if off { PathMtuDiscovery::Off } else { PathMtuDiscovery::On }),
            ),
            "net.inet.tcp.path_mtu_discovery" => put(
                &mut options.path_mtu_discovery,
                value.flag().map(|on| if on { PathMtuDiscovery::On } else { PathMtuDiscovery::Unmarked }),
            ),
            "tcp_cubic.parameters.hystart" => {
                let default = self.defaults.0.hystart;
                put(&mut options.hystart, value.flag().map(|on| if on { default } else { HyStart::Off }))
            }
            "net.ipv4.tcp_mtu_probing" => put(&mut options.mtu_probing, mtu_probing(value.0)),
            "net.ipv4.tcp_base_mss" => put(&mut options.base_mss, least_mss(value)),
            "net.ipv4.tcp_mtu_probe_floor" => put(&mut options.mtu_probe_floor, least_mss(value)),
            "net.ipv4.tcp_syn_retries" => put(&mut options.syn_retries, value.small()),
            "net.ipv4.tcp_synack_retries" => put(&mut options.synack_retries, value.small()),
            "net.ipv4.tcp_fin_timeout" => put(&mut options.fin_wait2, value.seconds()),
            "net.inet.tcp.finwait2_timeout" => put(&mut options.fin_wait2, value.millis()),
            "net.ipv4.tcp_notsent_lowat" => put(&mut options.notsent_lowat, value.size()),
            "net.ipv4.tcp_rto_min_us" => put(&mut options.min_rto, value.number().map(Duration::from_micros)),
            "net.ipv4.tcp_rto_max_ms" => put(&mut options.max_rto, value.millis()),
            "net.inet.tcp.rexmit_min" => put(&mut options.min_rto, value.millis()),
            "net.inet.tcp.rexmit_slop" => put(&mut options.rto_slop, value.millis()),
            "net.inet.tcp.delacktime" => put(&mut options.delayed_ack, value.millis()),
            "net.inet.tcp.delayed_ack" => {
                let default = self.defaults.0.delayed_ack;
                put(&mut options.delayed_ack, value.flag().map(|on| if on { default } else { Duration::ZERO }))
            }
            "net.inet.tcp.tolerate_missing_ts" => put(&mut options.lax_timestamps, value.flag()),
            "net.inet.tcp.syncookies" => {
                let used = value.flag().map(|on| match options.syn_cookies {
                    _ if !on => Cookies::Never,
                    Cookies::Always => Cookies::Always,
                    Cookies::Never | Cookies::WhenFull => Cookies::WhenFull,
                });
                put(&mut options.syn_cookies, used)
            }
            "net.inet.tcp.syncookies_only" => {
                let used = value.flag().map(|only| match options.syn_cookies {
                    _ if only => Cookies::Always,
                    Cookies::Always => Cookies::WhenFull,
                    without => without,
                });
                put(&mut options.syn_cookies, used)
            }
            "net.ipv4.ip_default_ttl" | "net.inet.ip.ttl" | "net.inet6.ip6.hlim" => {
                put(&mut options.hop_limit, value.small())
            }
            _ => return None,
        })
    }

    /// What a handshake offers and agrees to.
    fn handshake(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let is_freebsd = self.config.profile == Profile::FreeBsd;
        let options = &mut self.config.stack.tcp.options;
        Some(match name {
            "net.ipv4.tcp_sack" | "net.inet.tcp.sack.enable" => put(&mut options.sack, value.flag()),
            "net.ipv4.tcp_timestamps" => put(&mut options.timestamps, value.flag()),
            "net.ipv4.tcp_window_scaling" => put(&mut options.window_scaling, value.flag()),
            "net.inet.tcp.rfc1323" => value.small().filter(|mode| *mode <= 3).map(|mode| {
                options.window_scaling = matches!(mode, 1 | 2);
                options.timestamps = matches!(mode, 1 | 3);
            }),
            "net.ipv4.tcp_ecn" | "net.inet.tcp.ecn.enable" => value
                .small()
                .and_then(|mode| ecn_modes(mode, is_freebsd))
                .map(|(asked, agreed)| (options.ecn, options.ecn_when_asked) = (asked, agreed)),
            "net.ipv4.tcp_ecn_fallback" => put(&mut options.ecn_fallback, value.flag()),
            "net.ipv4.tcp_ecn_option" => put(&mut options.ecn_option, value.small().and_then(ecn_option)),
            "net.ipv4.tcp_ecn_option_beacon" => {
                put(&mut options.ecn_option_beacon, value.small().filter(|many| *many <= 63))
            }
            "net.inet.tcp.ecn.maxretries" => put(&mut options.ecn_retries, value.small()),
            "net.inet.tcp.rexmit_drop_options" => {
                put(&mut options.full_syns, value.flag().map(|drops| if drops { 2 } else { u8::MAX }))
            }
            _ => return None,
        })
    }

    /// Small numbers that only Linux has.
    fn linux_only(&mut self, name: &str, value: Value<'_>) -> Option<Option<()>> {
        let options = &mut self.config.stack.tcp.options;
        Some(match name {
            "net.ipv4.tcp_syn_linear_timeouts" => put(&mut options.linear_syns, value.small()),
            "net.ipv4.tcp_retries2" => put(&mut options.retries, value.small()),
            "net.ipv4.tcp_syncookies" => put(&mut options.syn_cookies, value.small().and_then(cookies)),
            "net.ipv4.tcp_slow_start_after_idle" => put(&mut options.restart_after_idle, value.flag()),
            "net.ipv4.tcp_min_tso_segs" => put(&mut options.least_burst, value.small().filter(|least| *least > 0)),
            "net.ipv4.tcp_early_retrans" => put(&mut options.tail_loss_probe, value.small().map(|mode| mode >= 3)),
            _ => return None,
        })
    }
}
