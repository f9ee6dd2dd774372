//! What `ss -i` shows of a connection, as plain values.
//!
//! Times are whole microseconds or milliseconds as each field says, since that is what `ss` prints.

use std::time::Duration;

use bowline_tcp::EcnMode;
use bowline_tcp::congestion::Model;
use bowline_tcp::info::{Info, MarkedBytes};
use bowline_tcp::reason::Hold;
use serde::{Deserialize, Serialize};

use super::millis;

macro_rules! detail {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// What `ss -i` shows of a connection. Lengths are bytes, `_us` microseconds, `_ms` milliseconds.
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Detail { $($(#[$doc])* pub $field: $type,)* }
    };
}

detail! {
    /// The connection's number in the trace.
    id: u64,
    /// Whether timestamps are in use.
    ts: bool,
    /// Whether selective acknowledgement is in use.
    sack: bool,
    /// Whether ECN is in use, of either kind.
    ecn: bool,
    /// Whether it is AccECN (RFC 9768).
    accecn: bool,
    /// CE marks that the peer has told of: packets, or without AccECN segments acknowledged by an echo.
    delivered_ce: u64,
    /// Packets that arrived with CE; 0 without AccECN.
    received_ce: u64,
    /// Text that arrived at the peer by its mark, ECT(0), ECT(1) and CE, as far as AccECN's options tell.
    delivered_marked: Option<[u64; 3]>,
    /// Text that arrived by its mark, ECT(0), ECT(1) and CE.
    received_marked: Option<[u64; 3]>,
    /// What AccECN has found wrong with the path, as bits (`tcpi_accecn_fail_mode`); 0 for nothing.
    accecn_failures: u8,
    /// Whether text that went along with a SYN was taken (RFC 7413).
    fastopen: bool,
    /// The congestion controller.
    algorithm: String,
    /// Window scales: the peer's and ours, in `ss`'s order.
    wscale: Option<(u8, u8)>,
    /// Retransmission time-out, with backoff.
    rto_us: u64,
    /// Retransmission time-outs in a row.
    backoff: u8,
    /// Smoothed round-trip time.
    srtt_us: Option<u64>,
    /// Its mean deviation.
    rttvar_us: u64,
    /// The smallest round-trip time.
    min_rtt_us: Option<u64>,
    /// The largest round-trip time.
    max_rtt_us: Option<u64>,
    /// Payload of a full segment we send.
    mss: u32,
    /// The MSS the peer announced: the most it lets us send.
    peer_mss: u32,
    /// The MSS we announced.
    advmss: u32,
    /// The path MTU.
    pmtu: u32,
    /// The bounds of the search for it, where there is one.
    mtu_search: Option<(u16, u16)>,
    /// Congestion window.
    cwnd: u64,
    /// What the congestion controller believes of the path, if it models one.
    model: Option<PathModel>,
    /// Slow-start threshold.
    ssthresh: Option<u64>,
    /// The rate at which data leaves, in bytes a second.
    pacing_rate: Option<u64>,
    /// The most that the user lets it be.
    max_pacing_rate: Option<u64>,
    /// The rate of late at which the path delivers, in bytes a second; absent where no samples are taken.
    delivery_rate: Option<u64>,
    /// Whether the application was what limited that rate; without samples, whether it is what holds the sender back now.
    app_limited: bool,
    /// Segments that have arrived at the peer, as far as it has told.
    delivered: u64,
    /// Believed in flight.
    in_flight: u64,
    /// Sent, retransmissions included.
    bytes_sent: u64,
    /// Retransmitted.
    bytes_retrans: u64,
    /// Acknowledged by the peer.
    bytes_acked: u64,
    /// Received in order.
    bytes_received: u64,
    /// Segments sent.
    segs_out: u64,
    /// Segments received.
    segs_in: u64,
    /// Segments with data sent.
    data_segs_out: u64,
    /// Segments with data received.
    data_segs_in: u64,
    /// Segments retransmitted, in all.
    retrans: u64,
    /// Segments sent and not acknowledged.
    unacked: u64,
    /// Segments retransmitted, of these.
    retrans_out: u64,
    /// Segments of these believed lost, retransmitted or not.
    lost: u64,
    /// Segments of these that SACK reported.
    sacked: u64,
    /// Segments that the peer reported to have received twice.
    dsack_dups: u64,
    /// Times the peer was seen to receive out of order.
    reord_seen: u64,
    /// Delay of acknowledgements, once there was data to acknowledge.
    ato_us: Option<u64>,
    /// Full segments of the peer's, as seen.
    rcvmss: u32,
    /// Round-trip time as the receiver sees it.
    rcv_rtt_us: Option<u64>,
    /// Times that fast recovery began.
    recoveries: u64,
    /// Times that the retransmission timer ran out.
    timeouts: u64,
    /// Segments that arrived out of order.
    rcv_ooopack: u64,
    /// Segments by which the path is taken to reorder.
    reordering: u32,
    /// Written and not sent.
    notsent: u64,
    /// Since data was last sent.
    lastsnd_ms: u64,
    /// Since data was last received.
    lastrcv_ms: u64,
    /// Since an acknowledgement was last received.
    lastack_ms: u64,
    /// What holds the sender back: `cwnd`, `window`, `app`, `nagle`, `cork`, `sws`, `pacing`, or nothing.
    held_by: Option<String>,
    /// Time with data to send.
    busy_ms: u64,
    /// Of that, held back by the peer's window.
    rwnd_limited_ms: u64,
    /// Of that, held back by the congestion window.
    cwnd_limited_ms: u64,
    /// The peer's window.
    snd_wnd: u64,
    /// Our window.
    rcv_wnd: u64,
    /// The receive queue's bound.
    rcv_space: u64,
    /// Memory that the queues pin.
    memory: u64,
    /// Since the open.
    age_ms: u64,
}

/// What a congestion controller believes of the path. Rates are bytes a second.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PathModel {
    /// Where it stands, in its own words.
    pub state: String,
    /// The bandwidth; 0 while it is unknown.
    pub bandwidth: u64,
    /// The round-trip time without a queue.
    pub min_rtt_us: Option<u64>,
    /// What the sending rate is of the bandwidth, in percent.
    pub pacing_gain: u64,
    /// What the window is of the product of both, in percent.
    pub cwnd_gain: u64,
    /// The most in flight that losses of late allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inflight_shortterm: Option<u64>,
    /// The most in flight that probes have found to be safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inflight_longterm: Option<u64>,
}

impl From<Model> for PathModel {
    fn from(model: Model) -> Self {
        Self {
            state: model.state.to_owned(),
            bandwidth: model.bandwidth,
            min_rtt_us: model.min_rtt.map(micros),
            pacing_gain: model.pacing_gain,
            cwnd_gain: model.cwnd_gain,
            inflight_shortterm: model.inflight_shortterm,
            inflight_longterm: model.inflight_longterm,
        }
    }
}

const fn by_mark(bytes: &MarkedBytes) -> [u64; 3] {
    [bytes.ect0, bytes.ect1, bytes.ce]
}

pub(super) fn detail(info: &Info) -> Detail {
    Detail {
        id: info.id,
        ts: info.timestamps,
        sack: info.sack,
        ecn: info.ecn != EcnMode::Off,
        accecn: info.ecn == EcnMode::Accurate,
        delivered_ce: info.delivered_ce,
        received_ce: info.accurate_ecn.map_or(0, |ecn| ecn.received_ce),
        delivered_marked: info.accurate_ecn.map(|ecn| by_mark(&ecn.delivered)),
        received_marked: info.accurate_ecn.map(|ecn| by_mark(&ecn.received)),
        accecn_failures: info.accurate_ecn.map_or(0, |ecn| ecn.failures),
        fastopen: info.fast_open.is_some_and(|opening| opening.syn_data),
        algorithm: info.algorithm.name().to_owned(),
        wscale: info.window_scale.map(|(ours, theirs)| (theirs, ours)),
        rto_us: micros(info.rto),
        backoff: info.backoff,
        srtt_us: info.srtt.map(micros),
        rttvar_us: micros(info.rttvar),
        min_rtt_us: info.min_rtt.map(micros),
        max_rtt_us: info.max_rtt.map(micros),
        mss: info.mss,
        peer_mss: info.peer_mss,
        advmss: info.advertised_mss,
        pmtu: info.path_mtu,
        mtu_search: info.mtu_search,
        cwnd: info.cwnd,
        model: info.model.map(PathModel::from),
        ssthresh: info.ssthresh,
        pacing_rate: info.pacing_rate,
        max_pacing_rate: info.max_pacing_rate,
        delivery_rate: info.delivery_rate.map(|sample| sample.rate),
        app_limited: info.delivery_rate.map_or(info.hold == Hold::Application, |sample| sample.app_limited),
        delivered: info.delivered(),
        in_flight: info.in_flight,
        bytes_sent: info.bytes_sent,
        bytes_retrans: info.bytes_retrans,
        bytes_acked: info.bytes_acked,
        bytes_received: info.bytes_received,
        segs_out: info.segs_out,
        segs_in: info.segs_in,
        data_segs_out: info.data_segs_out,
        data_segs_in: info.data_segs_in,
        retrans: info.total_retrans,
        unacked: info.outstanding.unacked,
        retrans_out: info.outstanding.retrans,
        lost: info.outstanding.lost,
        sacked: info.outstanding.sacked,
        dsack_dups: info.duplicates,
        reord_seen: info.reorderings,
        ato_us: info.receiver.ack_delay.map(micros),
        rcvmss: info.receiver.peer_segment,
        rcv_rtt_us: info.receiver.rtt.map(micros),
        recoveries: info.recoveries,
        timeouts: info.timeouts,
        rcv_ooopack: info.out_of_order,
        reordering: info.reordering,
        notsent: info.notsent,
        lastsnd_ms: millis(info.last_data_sent),
        lastrcv_ms: millis(info.last_data_received),
        lastack_ms: millis(info.last_ack_received),
        held_by: held_by(info.hold).map(str::to_owned),
        busy_ms: millis(info.busy_time),
        rwnd_limited_ms: millis(info.rwnd_limited),
        cwnd_limited_ms: millis(info.cwnd_limited),
        snd_wnd: info.snd_wnd,
        rcv_wnd: info.rcv_wnd,
        rcv_space: info.receiver.space,
        memory: info.memory,
        age_ms: millis(info.age),
    }
}

/// What holds the sender back, in a word.
fn held_by(hold: Hold) -> Option<&'static str> {
    match hold {
        Hold::Nothing => None,
        Hold::Application => Some("app"),
        Hold::Congestion => Some("cwnd"),
        Hold::Window => Some("window"),
        Hold::Nagle => Some("nagle"),
        Hold::Cork => Some("cork"),
        Hold::SillyWindow => Some("sws"),
        Hold::Pacing => Some("pacing"),
        Hold::Buffer => Some("sndbuf"),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
