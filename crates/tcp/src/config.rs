//! Every number one can set, with its unit, default and reason, in one place.

use core::time::Duration;

use bowline_wire::tcp::Layout;

use crate::auth::Keys;
use crate::ecn::{EcnMode, EcnOption};
use crate::fast_open::{FastOpenConfig, FastOpenOptions};

mod choices;
mod keepalive;
mod odd;
mod path;

pub use choices::{Algorithm, Cookies, HyStart, MtuProbing, OpenErrors, WindowPolicy};
pub use keepalive::Keepalive;
pub use odd::{OddSegments, SynFin, TimeWaitSyn};
pub use path::PathMtuDiscovery;

/// What is the same for all connections of an [`Endpoint`](crate::Endpoint).
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections in synchronized states or SYN-SENT; default 1,048,576.
    pub max_connections: usize,
    /// Half-open connections of all listeners together; default 65,536. Beyond it, SYN cookies.
    pub max_half_open: usize,
    /// SYN cookies that are remembered because they have become connections: none makes a second one; default 4,096. The memory, 8
    /// bytes each, is taken by the first of them; later ones take the places of others.
    pub max_spent_cookies: usize,
    /// SYNs that wait for a caller's decision, of all deferred listeners together; default 4,096.
    pub max_pending: usize,
    /// Of these, from one source address; default 1,024. A gateway for one host wants no less than `max_pending`.
    pub max_pending_per_source: usize,
    /// Listeners; default 4,096.
    pub max_listeners: usize,
    /// Connections in TIME-WAIT; default 131,072 (Linux `tcp_max_tw_buckets` on such a machine). The oldest yields.
    pub max_time_wait: usize,
    /// How long TIME-WAIT lasts: 2MSL; default 60 s, as Linux (RFC 9293 3.4.2 would have 4 minutes).
    pub time_wait: Duration,
    /// Whether an active open that is given a port may be given one whose four-tuple is in TIME-WAIT, where both connections have
    /// timestamps; default true, as Linux `tcp_tw_reuse=1`. (Linux begins with 2: only inside a host.)
    pub time_wait_reuse: bool,
    /// Whether one whose caller names the port may have it, too, at once; default true, as Linux. FreeBSD has the address in use for as
    /// long as TIME-WAIT lasts.
    pub time_wait_reuse_named: bool,
    /// How long it must have been there where the port was not named; default 1 s, as Linux `tcp_tw_reuse_delay`.
    pub time_wait_reuse_delay: Duration,
    /// Ephemeral ports, inclusive; default 32768–60999, as Linux.
    pub ephemeral_ports: (u16, u16),
    /// RST and challenge segments sent for segments that belong to no connection, per second; default 1,000.
    pub resets_per_second: u32,
    /// Trace records kept for a reader that is slow; default 65,536. Beyond it, records are counted and lost.
    pub max_trace: usize,
    /// Fast Open: what may be used, and what is kept.
    pub fast_open: FastOpenConfig,
    /// What a connection starts with.
    pub options: Options,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 1 << 20,
            max_half_open: 65_536,
            max_spent_cookies: 4_096,
            max_pending: 4_096,
            max_pending_per_source: 1_024,
            max_listeners: 4_096,
            max_time_wait: 131_072,
            time_wait: Duration::from_secs(60),
            time_wait_reuse: true,
            time_wait_reuse_named: true,
            time_wait_reuse_delay: Duration::from_secs(1),
            ephemeral_ports: (32_768, 60_999),
            resets_per_second: 1_000,
            max_trace: 65_536,
            fast_open: FastOpenConfig::default(),
            options: Options::default(),
        }
    }
}

/// What a user can set on one connection, and what a listener hands to those it accepts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// Whether small segments go out at once although others are in flight (Nagle's algorithm off; RFC 9293 3.7.4, MUST-17);
    /// default false.
    pub nodelay: bool,
    /// Whether only full segments go out until this is taken back (Linux `TCP_CORK`), for at most an RTO; default false.
    pub cork: bool,
    /// Keepalive; off by default (RFC 9293 3.8.4, MUST-25).
    pub keepalive: Option<Keepalive>,
    /// How long sent data may stay unacknowledged (RFC 5482, `TCP_USER_TIMEOUT`); default: as `retries` gives.
    pub user_timeout: Option<Duration>,
    /// What `close` does with unsent data: with `Some(ZERO)` it resets; otherwise it delivers in the background.
    pub linger: Option<Duration>,
    /// Whether `close` resets where there is text that was not read (RFC 9293 3.6.1, SHLD-3); default true. FreeBSD throws it away
    /// and sends its FIN; what comes later is answered with a RST there, too.
    pub reset_unread: bool,
    /// The send queue's bound in bytes; default 4 MiB, as Linux `tcp_wmem`.
    pub send_buffer: u32,
    /// What it begins with: it grows up to `send_buffer` with the congestion window, or without one with the peer's, while a user
    /// waits for room, as Linux does from `tcp_wmem`'s second value. Default: no less than `send_buffer`.
    pub send_buffer_first: u32,
    /// The receive queue's first bound in bytes; default 128 KiB, as Linux `tcp_rmem`.
    pub receive_buffer: u32,
    /// What autotuning may raise `receive_buffer` to, in bytes; default 6 MiB, as Linux. Equal to it: no autotuning.
    pub receive_buffer_max: u32,
    /// The connection is writable while less than half of this, in bytes, is unsent (`TCP_NOTSENT_LOWAT`); with `send_blocks` no
    /// block is begun while so much is. Default: no limit.
    pub notsent_lowat: u32,
    /// The delayed acknowledgement's time; default 40 ms, at most 500 ms (RFC 9293 3.8.6.3, MUST-40).
    pub delayed_ack: Duration,
    /// The congestion controller.
    pub algorithm: Algorithm,
    /// What ends slow start before the first loss, with [`Algorithm::Cubic`]; default: [`HyStart::Rfc9406`].
    pub hystart: HyStart,
    /// Whether the delivery rate is sampled although the controller does not go by it, for who reads
    /// [`Info::delivery_rate`](crate::Info::delivery_rate); default false, true as Linux. It takes some 250 bytes of a
    /// connection that has sent.
    pub rate_samples: bool,
    /// Whether the window is spread over the round trip instead of leaving in bursts; default true. Never with
    /// [`Algorithm::Local`], nor on paths of less than 2 ms; always where a controller names its own rate.
    pub pacing: bool,
    /// The most bytes a second that leave, headers not counted (`SO_MAX_PACING_RATE`); default: no limit, which zero means too.
    pub max_pacing_rate: Option<u64>,
    /// The smallest retransmission time-out; default 200 ms, as Linux (RFC 6298 2.4 would have 1 s), at least 1 ms.
    pub min_rto: Duration,
    /// The largest retransmission time-out; default 120 s, as Linux.
    pub max_rto: Duration,
    /// The steps of the clock that the caller reads (G of RFC 6298): what two instants closer together than this say of
    /// which came first is not relied on. At most 65 ms; default zero, for a clock that is finer than any round trip.
    pub clock_granularity: Duration,
    /// What is added to every retransmission time-out but an open's first, after its doubling, in steps of 10 ms up to 2.55 s; default zero.
    /// Where it is not, `min_rto` bounds the rest as a whole (RFC 6298 2.4) instead of standing in for the variance. FreeBSD's
    /// `rexmit_slop` is 200 ms.
    pub rto_slop: Duration,
    /// Whether the last segments of a flight are probed for (RFC 8985 7); default true.
    pub tail_loss_probe: bool,
    /// Retransmissions of data before the connection ends (R2; RFC 9293 3.8.3, MUST-21); default 15, as Linux `tcp_retries2`:
    /// some 924 s (SHLD-11).
    pub retries: u8,
    /// Retransmissions of a SYN before an active open fails; default 7: 247 s. Linux has 6 (`tcp_syn_retries`), which ends
    /// after 127 s, where RFC 9293 3.8.3, MUST-23 wants three minutes.
    pub syn_retries: u8,
    /// Retransmissions of a SYN before its time-out begins to double, in addition to `syn_retries`; default 0 (RFC 6298
    /// 5.5). Linux has 4 (`tcp_syn_linear_timeouts`).
    pub linear_syns: u8,
    /// Retransmissions of a SYN-ACK; default 5, as Linux `tcp_synack_retries`.
    pub synack_retries: u8,
    /// How many time-outs of its SYN-ACK a half-open connection waits for text, so that who accepts it finds something to read (Linux
    /// `TCP_DEFER_ACCEPT`); default 0: none. An ACK without text completes nothing until then, and what keeps it from doing so is that
    /// text follows: the SYN-ACK is not sent again before the last of these time-outs, which asks the peer once more. An active open
    /// leaves its ACK of the SYN-ACK to its first text, for up to 200 ms.
    pub defer_accept: u8,
    /// How long FIN-WAIT-2 may last after `close`; default 60 s, as Linux `tcp_fin_timeout`.
    pub fin_wait2: Duration,
    /// The ports, inclusive, of which an active open is given one (Linux `IP_LOCAL_PORT_RANGE`); default:
    /// [`Config::ephemeral_ports`].
    pub local_ports: Option<(u16, u16)>,
    /// The largest segment to announce and to send, in bytes; default: what the link's MTU, and the path's, give.
    pub max_segment: Option<u16>,
    /// Whether SYNs announce an MSS (RFC 9293 3.7.1, SHLD-5); default true. Without it the peer takes 536 bytes, or 1220 of
    /// IPv6, to be all that one may send. Off with FreeBSD's `TCP_NOOPT`.
    pub announce_mss: bool,
    /// Whether SYNs and SYN-ACKs announce no more than the path carries, as far as that is known, as on Linux; default false: what the
    /// first link carries, for the way in need not be the way out (RFC 8201 5.4).
    pub announce_path: bool,
    /// Whether packets may be cut on the way, and who tells that they are too large is believed; default: not to be cut, believed.
    pub path_mtu_discovery: PathMtuDiscovery,
    /// Retransmissions of a SYN that still offer more than an MSS; default: all of them. FreeBSD's `rexmit_drop_options`
    /// leaves 2, for what drops SYNs whose options it does not know.
    pub full_syns: u8,
    /// When to find out by probes what the path carries; default: where it is a black hole.
    pub mtu_probing: MtuProbing,
    /// What segments carry, without options, when a search for the path's MTU begins; default 1024 bytes, as Linux
    /// `tcp_base_mss`. Over IPv6 packets of 1280 bytes pass (RFC 8200 5), and no less is assumed.
    pub base_mss: u16,
    /// The least that they are made to carry, without options, if these do not pass either; default 512 bytes, since every
    /// host takes packets of 576 (RFC 1122 3.3.2). Linux has 48 (`tcp_mtu_probe_floor`).
    pub mtu_probe_floor: u16,
    /// Whether to offer window scaling (RFC 7323); default true.
    pub window_scaling: bool,
    /// The shift to offer; default: the smallest with which the largest receive buffer can be announced. Never one whose unit is
    /// more than half of `receive_buffer`.
    pub window_shift: Option<u8>,
    /// Whether the window of our SYN or SYN-ACK holds whole segments only, as Linux's does; default false.
    pub whole_segments: bool,
    /// What later segments say of the free space; default: [`WindowPolicy::Steps`].
    pub window_policy: WindowPolicy,
    /// Whether what leaves in one go, if it is more than a segment, is pushed even if text behind it waits; default true, as Linux.
    /// Who joins segments on the way hands them on, and a receiver that hears of a burst's end acknowledges it there, so that
    /// acknowledgements keep step with bursts. If false, and on lossless devices, which have no queue to keep step with and where each
    /// acknowledgement costs time, only where the queue or a record ends (RFC 9293 3.9.1.2, MUST-61).
    pub push_bursts: bool,
    /// The fewest segments of a super-segment whose size follows the sending rate: it holds what is sent in a millisecond, and at
    /// most half of the congestion window. Default 0: as much as may leave. Linux has 2 (`tcp_min_tso_segs`).
    pub least_burst: u8,
    /// Whether the send queue is accounted for in blocks of a super-segment with a fixed cost, as on Linux: a block that was begun
    /// is filled, whatever `send_buffer` says. Default false: in bytes.
    pub send_blocks: bool,
    /// Whether a connection whose last exchange was longer ago than the RTO begins again with a small window (RFC 5681 4.1, Linux
    /// `tcp_slow_start_after_idle`); default true. Without effect with [`window_validation`](Self::window_validation).
    pub restart_after_idle: bool,
    /// Whether a congestion window that the application does not fill is kept for five minutes, silent ones or not, instead of being
    /// given up when a silence ends (RFC 7661): until the path has carried half of it again it does not grow, and a loss reduces what was
    /// in use to half, less half of what was lost. Who sends in bursts then need not begin each of them with a small window; pacing
    /// spreads them. Default false: the RFC is experimental, and other systems begin again.
    pub window_validation: bool,
    /// Whether what a reduction goes by is the congestion window itself, as on Linux (RFC 9438 4.6 lets it), or what was in flight (RFC
    /// 5681 3.1, equation 4, where user, peer or Nagle's algorithm held the sender back); and whether fast recovery reduces it only
    /// once, although what was sent again is lost, too (RFC 5681 4.3 would have it do so again), and counts what may go out meanwhile
    /// in whole segments. Default: what was in flight, each time, in bytes.
    pub reduce_window: bool,
    /// Whether a window that an echoed mark has reduced (RFC 3168 6.1.2) falls with the ACKs that follow, by the rule of RFC 9937, as on
    /// Linux; default false: at once. Less than the new window is in flight after half a round trip either way.
    pub reduce_by_acks: bool,
    /// Whether segments without timestamps are taken although these were agreed on, as on Linux; default false (RFC 7323 3.2).
    pub lax_timestamps: bool,
    /// Whether a SYN that takes the place of a connection in TIME-WAIT echoes the last timestamp of that one, as on Linux; default
    /// false (RFC 7323 3.2: an echo goes with an ACK).
    pub echo_former_timestamp: bool,
    /// Whether a segment that ends beyond the window is taken as a whole if nothing waits to be read, and else not at all, as on
    /// Linux; default false: what lies in the window is taken (RFC 9293 3.10.7.4).
    pub uncut_segments: bool,
    /// When SYNs are answered with cookies; default: once the queue of half-open connections is full.
    pub syn_cookies: Cookies,
    /// The largest MSS that an IPv4 cookie remembers, in bytes; default: no limit but that of its table. Linux has 1460.
    pub cookie_mss: u16,
    /// Whether the ACK of the peer's FIN waits for ours, as that of text does on a connection that answers (Linux); default
    /// false: it leaves at once.
    pub delay_fin_ack: bool,
    /// Whether segments beyond a hole that were joined on their way are answered by one duplicate ACK (Linux); default false: by as
    /// many as there were, up to the three that a sender without SACK waits for (RFC 5681 3.2).
    pub answer_joined_once: bool,
    /// Segments that are acknowledged at once when a connection begins and after a pause; default 16, as Linux.
    pub quick_acks: u8,
    /// Whether every second segment is acknowledged at once however small it is, every one that is larger than ours may be, and every
    /// FIN, as FreeBSD does; default false: every second full-sized one (RFC 9293 3.8.6.3), and a FIN where no answer is near.
    pub ack_small_segments: bool,
    /// In which order options are written; default: Linux's.
    pub layout: Layout,
    /// Whether to offer timestamps (RFC 7323); default true.
    pub timestamps: bool,
    /// Whether to offer selective acknowledgement (RFC 2018); default true.
    pub sack: bool,
    /// Which ECN active opens ask for; default: none. Who asks for AccECN (RFC 9768) may get RFC 3168's.
    pub ecn: EcnMode,
    /// Which ECN passive opens agree to when asked, at most; default: RFC 3168's, as Linux.
    pub ecn_when_asked: EcnMode,
    /// Retransmissions of a SYN that still ask for ECN (RFC 3168 6.1.1.1); default 0. FreeBSD has 1 (`ecn.maxretries`). For
    /// AccECN there is at least one (RFC 9768 3.1.4.1).
    pub ecn_retries: u8,
    /// Whether AccECN looks for paths that change marks or flags or drop them, and does without where it finds one (RFC 9768
    /// 3.2.2.3, 3.2.2.4); default true (Linux `tcp_ecn_fallback`).
    pub ecn_fallback: bool,
    /// When segments have AccECN's options; default: always (Linux `tcp_ecn_option`).
    pub ecn_option: EcnOption,
    /// How many segments in a round trip have them anyway, where it is [`EcnOption::OnChange`]; default 3 (Linux
    /// `tcp_ecn_option_beacon`).
    pub ecn_option_beacon: u8,
    /// Which ICMP errors end an active open; default: unreachable destinations.
    pub open_errors: OpenErrors,
    /// How segments are met that no orderly peer sends; default: as RFC 9293 and RFC 5961 ask.
    pub odd: OddSegments,
    /// Fast Open (RFC 7413); off by default, both for active opens and for listeners.
    pub fast_open: FastOpenOptions,
    /// The IP traffic class of what is sent (DSCP in the upper six bits; MUST-48); default 0.
    pub traffic_class: u8,
    /// The IP time to live of what is sent (MUST-49); default 64.
    pub hop_limit: u8,
    /// Keys that are shared with peers, whose segments are signed; default: none.
    pub keys: Keys,
}

impl Default for Options {
    #[expect(clippy::too_many_lines, reason = "a line for each field")]
    fn default() -> Self {
        Self {
            nodelay: false,
            cork: false,
            keepalive: None,
            user_timeout: None,
            linger: None,
            reset_unread: true,
            send_buffer: 4 << 20,
            send_buffer_first: u32::MAX,
            receive_buffer: 128 << 10,
            receive_buffer_max: 6 << 20,
            notsent_lowat: u32::MAX,
            delayed_ack: Duration::from_millis(40),
            algorithm: Algorithm::default(),
            hystart: HyStart::default(),
            rate_samples: false,
            pacing: true,
            max_pacing_rate: None,
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_secs(120),
            clock_granularity: Duration::ZERO,
            rto_slop: Duration::ZERO,
            tail_loss_probe: true,
            retries: 15,
            syn_retries: 7,
            linear_syns: 0,
            synack_retries: 5,
            defer_accept: 0,
            fin_wait2: Duration::from_secs(60),
            local_ports: None,
            max_segment: None,
            announce_mss: true,
            announce_path: false,
            path_mtu_discovery: PathMtuDiscovery::default(),
            full_syns: u8::MAX,
            mtu_probing: MtuProbing::default(),
            base_mss: 1024,
            mtu_probe_floor: 512,
            window_scaling: true,
            window_shift: None,
            whole_segments: false,
            window_policy: WindowPolicy::default(),
            push_bursts: true,
            least_burst: 0,
            send_blocks: false,
            restart_after_idle: true,
            window_validation: false,
            reduce_window: false,
            reduce_by_acks: false,
            lax_timestamps: false,
            echo_former_timestamp: false,
            uncut_segments: false,
            syn_cookies: Cookies::default(),
            cookie_mss: u16::MAX,
            delay_fin_ack: false,
            answer_joined_once: false,
            quick_acks: 16,
            ack_small_segments: false,
            layout: Layout::default(),
            timestamps: true,
            sack: true,
            ecn: EcnMode::Off,
            ecn_when_asked: EcnMode::Classic,
            ecn_retries: 0,
            ecn_fallback: true,
            ecn_option: EcnOption::default(),
            ecn_option_beacon: 3,
            open_errors: OpenErrors::default(),
            odd: OddSegments::default(),
            fast_open: FastOpenOptions::default(),
            traffic_class: 0,
            hop_limit: 64,
            keys: Keys::default(),
        }
    }
}
