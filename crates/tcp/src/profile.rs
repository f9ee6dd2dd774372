//! Profiles: what a connection of a well-known system starts with, as plain configuration.
//!
//! Nothing else asks which profile it is: whatever differs between systems is a value in [`Config`] or [`Options`], and
//! can be set one by one.

use core::time::Duration;

use crate::{
    Config, FastOpenConfig, FastOpenPolicy, HyStart, Layout, MtuProbing, OddSegments, OpenErrors, Options, SynFin,
    TimeWaitSyn, WindowPolicy,
};

/// A system whose choices to start with, where the RFCs leave one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Profile {
    /// Our own: Linux's, except where RFC 9293 says otherwise.
    #[default]
    Bowline,
    /// Linux 6.18, as it comes.
    Linux,
    /// FreeBSD 14, as it comes.
    FreeBsd,
}

impl Profile {
    /// The profile with this name: `bowline`, `linux`, `freebsd`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bowline" => Some(Self::Bowline),
            "linux" => Some(Self::Linux),
            "freebsd" => Some(Self::FreeBsd),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bowline => "bowline",
            Self::Linux => "linux",
            Self::FreeBsd => "freebsd",
        }
    }
}

impl Config {
    /// What endpoints of this profile start with.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let config = Self { options: Options::profile(profile), ..Self::default() };
        // tcp_fastopen=1 and tcp_fastopen_blackhole_timeout_sec=0; client_enable=1 and server_enable=0.
        let fast_open =
            FastOpenConfig { policy: FastOpenPolicy::CLIENT, pause: Duration::ZERO, ..FastOpenConfig::default() };
        match profile {
            Profile::Bowline => config,
            // tcp_tw_reuse=2, which is for connections inside the host.
            Profile::Linux => Self { time_wait_reuse: false, fast_open, ..config },
            // in_pcb_lport_dest and in_pcbconnect: whatever has the four-tuple keeps it, TIME-WAIT included.
            Profile::FreeBsd => Self {
                ephemeral_ports: (10_000, 65_535),
                time_wait_reuse: false,
                time_wait_reuse_named: false,
                // path_disable_time=900.
                fast_open: FastOpenConfig { shun: Duration::from_secs(900), ..fast_open },
                ..config
            },
        }
    }
}

impl Options {
    /// What connections of this profile start with.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        match profile {
            Profile::Bowline => Self::default(),
            // tcp_rmem as the conformance suites set it, "4096 131072 15728640": half of it is for data, the shift is 8. The
            // first window is in whole segments: 64240, or 65160 with timestamps.
            Profile::Linux => Self {
                receive_buffer: 64 << 10,
                receive_buffer_max: (15 << 20) / 2,
                window_shift: Some(8),
                whole_segments: true,
                least_burst: 2,
                send_blocks: true,
                delay_fin_ack: true,
                answer_joined_once: true,
                reduce_window: true,
                reduce_by_acks: true,
                hystart: HyStart::Classic,
                announce_path: true,
                cookie_mss: 1_460,
                lax_timestamps: true,
                echo_former_timestamp: true,
                odd: OddSegments { take_resets_at_fin: true, take_late_text: false, ..OddSegments::default() },
                uncut_segments: true,
                syn_retries: 6,
                linear_syns: 4,
                rate_samples: true,
                pacing: false,
                mtu_probing: MtuProbing::Off,
                mtu_probe_floor: 48,
                ..Self::default()
            },
            // net.inet.tcp: recvspace and sendspace 64 KiB, recvbuf_max and sendbuf_max 2 MiB, delacktime 40 ms without a
            // quick beginning, rexmit_min 30 ms and rexmit_slop 200 ms, at most 12 times.
            Profile::FreeBsd => Self {
                receive_buffer: 64 << 10,
                receive_buffer_max: 2 << 20,
                send_buffer: 2 << 20,
                window_policy: WindowPolicy::Everything,
                push_bursts: false,
                quick_acks: 0,
                ack_small_segments: true,
                layout: Layout::FreeBsd,
                min_rto: Duration::from_millis(30),
                rto_slop: Duration::from_millis(200),
                tail_loss_probe: false,
                max_rto: Duration::from_secs(64),
                retries: 12,
                syn_retries: 12,
                synack_retries: 3,
                ecn_retries: 1,
                reset_unread: false,
                mtu_probing: MtuProbing::Off,
                open_errors: OpenErrors::Hard,
                odd: OddSegments {
                    syn_fin: SynFin::SynOnly,
                    take_old_acks: true,
                    take_late_text: false,
                    repeat_fin: true,
                    time_wait_syn: TimeWaitSyn::Ignore,
                    ..OddSegments::default()
                },
                pacing: false,
                ..Self::default()
            },
        }
    }
}
