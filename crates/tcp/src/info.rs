//! What one can know about a connection: Linux's `tcp_info`, as far as there is a source for it.

use alloc::vec::Vec;
use core::time::Duration;

use crate::auth::{AoCounts, KeyName};
use crate::config::Algorithm;
use crate::congestion::Model;
use crate::ecn::EcnMode;
use crate::ecn::sender::OptionSeen;
use crate::reason::{Hold, TimerKind};
use crate::recovery::{DeliveryRate, Outstanding, Phase};
use crate::state::State;
use crate::{ConnectionError, ConnectionKey, FourTuple, ListenerKey};

/// A connection as `ss -tino` would show it. Lengths are bytes, and `_segs` counts wire segments.
#[derive(Clone, PartialEq, Debug)]
pub struct Info {
    /// Its handle; `None` for a half-open connection or one in TIME-WAIT.
    pub key: Option<ConnectionKey>,
    /// Its number in the trace.
    pub id: u64,
    /// Its name.
    pub tuple: FourTuple,
    /// Its state.
    pub state: State,
    /// Received, in order and not read yet (Recv-Q).
    pub recv_queue: u64,
    /// Written and not acknowledged yet (Send-Q).
    pub send_queue: u64,
    /// Written and not sent yet.
    pub notsent: u64,
    /// Whether the user has closed, and the FIN is not acknowledged yet.
    pub fin_unacknowledged: bool,
    /// The timer that will fire first, when, and how often it fired in a row.
    pub timer: Option<(TimerKind, Duration, u8)>,
    /// Negotiated: window scaling, as (ours, theirs) shifts.
    pub window_scale: Option<(u8, u8)>,
    /// Negotiated: timestamps.
    pub timestamps: bool,
    /// Negotiated: SACK.
    pub sack: bool,
    /// Negotiated: ECN.
    pub ecn: EcnMode,
    /// CE marks that the peer has told of: packets with AccECN, with RFC 3168 segments acknowledged by an echo.
    pub delivered_ce: u64,
    /// The counters of AccECN, where it was agreed on.
    pub accurate_ecn: Option<AccurateEcn>,
    /// Fast Open, where it was tried (RFC 7413).
    pub fast_open: Option<FastOpenInfo>,
    /// The names of the keys that its segments are signed with (RFC 2385, RFC 5925).
    pub keys: Vec<KeyName>,
    /// What has become of its segments, where they are signed with TCP-AO.
    pub ao: Option<AoCounts>,
    /// Payload bytes of a full segment we send.
    pub mss: u32,
    /// The MSS we announced.
    pub advertised_mss: u32,
    /// The MSS the peer announced.
    pub peer_mss: u32,
    /// The path MTU.
    pub path_mtu: u32,
    /// The search for what the path carries, where there is one: the largest packet that is taken to pass, which `path_mtu`
    /// gives too, and the largest that may (RFC 4821).
    pub mtu_search: Option<(u16, u16)>,
    /// Smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// Its mean deviation.
    pub rttvar: Duration,
    /// The smallest round-trip time seen.
    pub min_rtt: Option<Duration>,
    /// The largest round-trip time seen.
    pub max_rtt: Option<Duration>,
    /// The retransmission time-out, with backoff.
    pub rto: Duration,
    /// Doublings of the time-out, or of the time between probes of a closed window.
    pub backoff: u8,
    /// What ICMP said last of a segment of ours and did not end the connection (RFC 9293 3.9.1.8, MUST-47; 3.9.2.2, SHLD-25).
    pub soft_error: Option<ConnectionError>,
    /// The congestion controller.
    pub algorithm: Algorithm,
    /// What the controller believes of the path, if it models one.
    pub model: Option<Model>,
    /// The delivery rate of late, and what was delivered; `None` where nobody asked for samples
    /// ([`Options::rate_samples`](crate::Options::rate_samples)).
    pub delivery_rate: Option<DeliveryRate>,
    /// Congestion window.
    pub cwnd: u64,
    /// Slow-start threshold; `None` before the first loss.
    pub ssthresh: Option<u64>,
    /// The rate at which data leaves, in bytes a second; `None` where nothing but the windows limits it.
    pub pacing_rate: Option<u64>,
    /// The most that the user lets it be (`SO_MAX_PACING_RATE`).
    pub max_pacing_rate: Option<u64>,
    /// Bytes believed in flight.
    pub in_flight: u64,
    /// The peer's window.
    pub snd_wnd: u64,
    /// Our window, as the peer knows it.
    pub rcv_wnd: u64,
    /// The receive queue's bound now.
    pub receive_buffer: u64,
    /// Bytes sent, retransmissions included.
    pub bytes_sent: u64,
    /// Bytes retransmitted.
    pub bytes_retrans: u64,
    /// Bytes the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u64,
    /// Segments received.
    pub segs_in: u64,
    /// Segments with data sent.
    pub data_segs_out: u64,
    /// Segments with data received.
    pub data_segs_in: u64,
    /// Segments retransmitted, in all.
    pub total_retrans: u64,
    /// Of these, SYNs or SYN-ACKs of this connection; no more than 255.
    pub syn_retrans: u64,
    /// Where loss recovery stands.
    pub phase: Phase,
    /// Whether the window was reduced for an echo of congestion, and what was sent until then is not acknowledged yet
    /// (RFC 3168 6.1.2).
    pub reduced_by_ecn: bool,
    /// What is outstanding, in segments: a SYN is one, a FIN only where it travels alone.
    pub outstanding: Outstanding,
    /// Duplicate acknowledgements in a row.
    pub duplicate_acks: u32,
    /// Segments that the peer reported to have received twice (RFC 2883).
    pub duplicates: u64,
    /// Times that data arrived at the peer out of order.
    pub reorderings: u64,
    /// Retransmission time-outs in a row without progress.
    pub retries: u8,
    /// Probes of a closed window, or keepalives, in a row without an answer.
    pub probes: u8,
    /// What our acknowledgements go by.
    pub receiver: Receiver,
    /// Where both streams stand.
    pub positions: Positions,
    /// Times that fast recovery began.
    pub recoveries: u64,
    /// Recoveries, time-outs among them, that proved needless and were taken back.
    pub undone: u64,
    /// Times that the retransmission timer ran out.
    pub timeouts: u64,
    /// Out-of-order segments received.
    pub out_of_order: u64,
    /// Whether the peer was seen to reorder.
    pub reordering: u32,
    /// Time since data was last sent.
    pub last_data_sent: Duration,
    /// Time since data was last received.
    pub last_data_received: Duration,
    /// Time since an ACK was last received.
    pub last_ack_received: Duration,
    /// What holds back the sender now.
    pub hold: Hold,
    /// Time spent with data to send.
    pub busy_time: Duration,
    /// Of that, held back by the peer's window.
    pub rwnd_limited: Duration,
    /// Of that, held back by the congestion window.
    pub cwnd_limited: Duration,
    /// Of that, held back by the send buffer: all in it was sent, and the application had more.
    pub sndbuf_limited: Duration,
    /// Memory the connection's queues pin, in bytes.
    pub memory: u64,
    /// Age since the open.
    pub age: Duration,
}

impl Info {
    /// Segments that have arrived at the peer as far as it has told, the SYN among them (Linux `tcpi_delivered`): what was sent,
    /// less copies and what is neither acknowledged nor reported by SACK. Data that was taken along with a SYN counts with it. Where
    /// a FIN had to be repeated, or travels alone, it is one less for each.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        if matches!(self.state, State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait) {
            return 0;
        }
        let with_syn = self.fast_open.is_some_and(|opening| !opening.is_server && opening.syn_data);
        let again = self.total_retrans - self.syn_retrans;
        let under_way = again + self.outstanding.unacked.saturating_sub(self.outstanding.sacked);
        1 + self.data_segs_out.saturating_sub(under_way + u64::from(with_syn))
    }

    /// What is known of a connection that has no control block: nothing but its name and state.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a line for each field")]
    pub fn bare(id: u64, tuple: FourTuple, state: State) -> Self {
        Self {
            key: None,
            id,
            tuple,
            state,
            recv_queue: 0,
            send_queue: 0,
            notsent: 0,
            fin_unacknowledged: false,
            timer: None,
            window_scale: None,
            timestamps: false,
            sack: false,
            ecn: EcnMode::Off,
            delivered_ce: 0,
            accurate_ecn: None,
            fast_open: None,
            keys: Vec::new(),
            ao: None,
            mss: 0,
            advertised_mss: 0,
            peer_mss: 0,
            path_mtu: 0,
            mtu_search: None,
            srtt: None,
            rttvar: Duration::ZERO,
            min_rtt: None,
            max_rtt: None,
            rto: Duration::ZERO,
            backoff: 0,
            soft_error: None,
            algorithm: Algorithm::default(),
            model: None,
            delivery_rate: None,
            cwnd: 0,
            ssthresh: None,
            pacing_rate: None,
            max_pacing_rate: None,
            in_flight: 0,
            snd_wnd: 0,
            rcv_wnd: 0,
            receive_buffer: 0,
            bytes_sent: 0,
            bytes_retrans: 0,
            bytes_acked: 0,
            bytes_received: 0,
            segs_out: 0,
            segs_in: 0,
            data_segs_out: 0,
            data_segs_in: 0,
            total_retrans: 0,
            syn_retrans: 0,
            phase: Phase::Open,
            reduced_by_ecn: false,
            outstanding: Outstanding::default(),
            duplicate_acks: 0,
            duplicates: 0,
            reorderings: 0,
            retries: 0,
            probes: 0,
            receiver: Receiver::default(),
            positions: Positions::default(),
            recoveries: 0,
            undone: 0,
            timeouts: 0,
            out_of_order: 0,
            reordering: 3,
            last_data_sent: Duration::ZERO,
            last_data_received: Duration::ZERO,
            last_ack_received: Duration::ZERO,
            hold: Hold::Application,
            busy_time: Duration::ZERO,
            rwnd_limited: Duration::ZERO,
            cwnd_limited: Duration::ZERO,
            sndbuf_limited: Duration::ZERO,
            memory: 0,
            age: Duration::ZERO,
        }
    }
}

/// What AccECN has counted (RFC 9768 3.2), from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccurateEcn {
    /// Packets that arrived with CE.
    pub received_ce: u64,
    /// Text that arrived with a mark.
    pub received: MarkedBytes,
    /// Text that arrived at the peer with a mark, as far as its options tell.
    pub delivered: MarkedBytes,
    /// What is known of the peer's options.
    pub option_seen: OptionSeen,
    /// What was found wrong, as Linux's `tcpi_accecn_fail_mode`: 1 a SYN-ACK without the flags was sent, 2 flags came
    /// changed, 4 our options do not arrive, 8 the peer's came changed; and 16, the peer's counter is not acted on.
    pub failures: u8,
    /// Whether what is sent is marked as capable of ECN.
    pub capable: bool,
}

/// Bytes of text by their mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MarkedBytes {
    /// ECT(0).
    pub ect0: u64,
    /// ECT(1).
    pub ect1: u64,
    /// CE.
    pub ce: u64,
}

impl From<[u64; 3]> for MarkedBytes {
    /// Of ECT(0), ECT(1) and CE.
    fn from([ect0, ect1, ce]: [u64; 3]) -> Self {
        Self { ect0, ect1, ce }
    }
}

/// What the receiving side of a connection has learnt, and goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Receiver {
    /// How long an acknowledgement may be delayed; `None` before there was data to acknowledge.
    pub ack_delay: Option<Duration>,
    /// The size of the peer's full segments, as far as they have shown it.
    pub peer_segment: u32,
    /// The round-trip time as the receiver sees it.
    pub rtt: Option<Duration>,
    /// What the application reads in a round trip, at least the peer's initial window: what the buffer's size goes by.
    pub space: u64,
    /// Stretches of data that wait for what is missing before them.
    pub holes: u32,
}

/// Sequence numbers, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Positions {
    /// SND.UNA.
    pub snd_una: u32,
    /// SND.NXT.
    pub snd_nxt: u32,
    /// RCV.NXT.
    pub rcv_nxt: u32,
}

/// A listener as `ss -ltn` would show it.
#[derive(Clone, PartialEq, Debug)]
pub struct ListenerInfo {
    /// Its handle.
    pub key: ListenerKey,
    /// Its address; `None` for any.
    pub address: Option<core::net::IpAddr>,
    /// Its port; `None` for any.
    pub port: Option<u16>,
    /// Connections complete and not accepted yet (Recv-Q).
    pub accept_queue: usize,
    /// The bound on them (Send-Q).
    pub backlog: usize,
    /// Half-open connections.
    pub syn_queue: usize,
    /// SYNs that the caller has not decided on yet, where it decides ([`Listen::deferred`](crate::Listen::deferred)), told of or not.
    pub undecided: usize,
    /// Whether it answers with SYN cookies now.
    pub cookies: bool,
    /// Connections that it took with their SYN and whose handshake is not complete (RFC 7413).
    pub fast_open: usize,
    /// The names of its keys, for whichever peers.
    pub keys: Vec<KeyName>,
}

/// How a connection opened fast, or tried to (RFC 7413).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastOpenInfo {
    /// Whether a listener took it with its SYN.
    pub is_server: bool,
    /// Whether data came along with the SYN and was taken: by us, or all of ours by the peer (`TCPI_OPT_SYN_DATA`).
    pub syn_data: bool,
    /// Why an active open was not as fast as it wanted.
    pub failure: Option<FastOpenFailure>,
}

/// Why an active open was not as fast as it wanted (Linux `tcpi_fastopen_client_fail`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FastOpenFailure {
    /// There was no cookie: one was asked for.
    NoCookie,
    /// The server did not take the data.
    DataRefused,
    /// The SYN had to be sent again, which is done without data, and the server did not take what the first one had.
    SynLost,
}
