//! `TCP_INFO`: what the stack knows, in the names and units of either system.

use core::time::Duration;

use bowline_base::Instant;
use bowline_tcp::recovery::Phase;
use bowline_tcp::{AccurateEcn, EcnMode, FastOpenFailure, Info, State};

use crate::abi::{Abi, encode_tcp_info};
use crate::host::Host;
use crate::socket::{Role, Socket};

/// The number that a state has in the struct.
const fn state_number(abi: Abi, state: State) -> u64 {
    match (abi, state) {
        (Abi::Linux, State::Established) => 1,
        (Abi::Linux, State::SynSent) => 2,
        (Abi::Linux, State::SynReceived) => 3,
        (Abi::Linux, State::FinWait1) => 4,
        (Abi::Linux, State::FinWait2) => 5,
        (Abi::Linux, State::TimeWait) => 6,
        (Abi::Linux, State::Closed) => 7,
        (Abi::Linux, State::CloseWait) => 8,
        (Abi::Linux, State::LastAck) => 9,
        (Abi::Linux, State::Listen) => 10,
        (Abi::Linux, State::Closing) => 11,
        (Abi::FreeBsd, State::Closed) => 0,
        (Abi::FreeBsd, State::Listen) => 1,
        (Abi::FreeBsd, State::SynSent) => 2,
        (Abi::FreeBsd, State::SynReceived) => 3,
        (Abi::FreeBsd, State::Established) => 4,
        (Abi::FreeBsd, State::CloseWait) => 5,
        (Abi::FreeBsd, State::FinWait1) => 6,
        (Abi::FreeBsd, State::Closing) => 7,
        (Abi::FreeBsd, State::LastAck) => 8,
        (Abi::FreeBsd, State::FinWait2) => 9,
        (Abi::FreeBsd, State::TimeWait) => 10,
    }
}

const fn micros(span: Duration) -> u64 {
    span.as_micros() as u64
}

const fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}

impl Host {
    /// The struct of a stream socket, whatever it is at the moment.
    pub(super) fn tcp_info(&self, now: Instant, socket: &Socket) -> Vec<u8> {
        let abi = self.abi;
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        let Some(info) = info else {
            return self.without_connection(now, socket);
        };
        encode_tcp_info(abi.tcp_info(), |name| match name.trim_start_matches("__") {
            // Back to LISTEN is the listener's; for the connection it was the end.
            "tcpi_state" if info.state == State::Listen => state_number(abi, State::Closed),
            "tcpi_state" => state_number(abi, info.state),
            "tcpi_options" => option_bits(abi, &info),
            "tcpi_fastopen_client_fail" => match info.fast_open.and_then(|opening| opening.failure) {
                None => 0,
                Some(FastOpenFailure::NoCookie) => 1,
                Some(FastOpenFailure::DataRefused) => 2,
                Some(FastOpenFailure::SynLost) => 3,
            },
            "tcpi_snd_wscale" => info.window_scale.map_or(0, |(_, theirs)| u64::from(theirs)),
            "tcpi_rcv_wscale" => info.window_scale.map_or(0, |(ours, _)| u64::from(ours)),
            "tcpi_snd_ssthresh" => match (abi, info.ssthresh) {
                (Abi::Linux, Some(bytes)) => segments(&info, bytes),
                (Abi::Linux, None) => 0x7fff_ffff,
                (Abi::FreeBsd, Some(bytes)) => bytes,
                (Abi::FreeBsd, None) => 65_535 << 14,
            },
            "tcpi_snd_cwnd" if abi == Abi::Linux => segments(&info, info.cwnd),
            "tcpi_snd_cwnd" => info.cwnd,
            "tcpi_rcv_space" if abi == Abi::FreeBsd => info.rcv_wnd,
            "tcpi_rcv_mss" if abi == Abi::FreeBsd => u64::from(info.mss),
            // Before the first sample: a quarter of the initial time-out.
            "tcpi_rttvar" if abi == Abi::Linux && info.srtt.is_none() => 250_000,
            other => times(&info, other)
                .or_else(|| segments_of(&info, other))
                .or_else(|| counts(&info, other))
                .or_else(|| positions(&info, other))
                .or_else(|| marks(&info, other))
                .unwrap_or(0),
        })
    }

    /// The struct of a socket that listens, or is not connected.
    fn without_connection(&self, now: Instant, socket: &Socket) -> Vec<u8> {
        let abi = self.abi;
        let listener = match socket.role {
            Role::Listening(key) => self.stack.tcp().listeners(now).into_iter().find(|info| info.key == key),
            _ => None,
        };
        let state = if matches!(socket.role, Role::Listening(_)) { State::Listen } else { State::Closed };
        encode_tcp_info(abi.tcp_info(), |name| match (name, &listener) {
            ("tcpi_state", _) => state_number(abi, state),
            // Linux tells of the accept queue here, and how long it may become.
            ("tcpi_unacked", Some(info)) => info.accept_queue as u64,
            ("tcpi_sacked", Some(info)) => info.backlog as u64,
            _ => 0,
        })
    }
}

/// Linux's name for where loss recovery stands, as a number: open, disorder, CWR, recovery, loss.
const fn recovery_number(info: &Info) -> u64 {
    match info.phase {
        Phase::FastRecovery => 3,
        Phase::Timeout => 4,
        Phase::Open | Phase::Disorder if info.reduced_by_ecn => 2,
        Phase::Disorder => 1,
        Phase::Open => 0,
    }
}

/// Of Fast Open Linux tells whether data went along with a SYN and was taken, FreeBSD whether it was tried.
fn option_bits(abi: Abi, info: &Info) -> u64 {
    let fast = info.fast_open.is_some_and(|opening| abi == Abi::FreeBsd || opening.syn_data);
    let ecn = info.ecn != EcnMode::Off;
    let bits = [(info.timestamps, 1), (info.sack, 2), (info.window_scale.is_some(), 4), (ecn, 8), (fast, 32)];
    bits.iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum()
}

/// Bytes as full segments.
fn segments(info: &Info, bytes: u64) -> u64 {
    bytes / u64::from(info.mss.max(1))
}

/// Fields that are times: microseconds, but for the ages.
fn times(info: &Info, name: &str) -> Option<u64> {
    Some(match name {
        "tcpi_rto" => micros(info.rto),
        "tcpi_ato" => info.receiver.ack_delay.map_or(0, micros),
        "tcpi_rcv_rtt" => info.receiver.rtt.map_or(0, micros),
        "tcpi_rtt" => micros(info.srtt.unwrap_or_default()),
        "tcpi_rttvar" => micros(info.rttvar),
        "tcpi_min_rtt" => info.min_rtt.map_or(u64::from(u32::MAX), micros),
        "tcpi_last_data_sent" => millis(info.last_data_sent),
        "tcpi_last_data_recv" => millis(info.last_data_received),
        "tcpi_last_ack_recv" => millis(info.last_ack_received),
        "tcpi_busy_time" => micros(info.busy_time),
        "tcpi_rwnd_limited" => micros(info.rwnd_limited),
        "tcpi_sndbuf_limited" => micros(info.sndbuf_limited),
        _ => return None,
    })
}

/// Fields that tell of what is in flight, and of its loss. (`tcpi_fackets` has been 0 since Linux 4.15.)
fn segments_of(info: &Info, name: &str) -> Option<u64> {
    Some(match name {
        "tcpi_ca_state" => recovery_number(info),
        "tcpi_unacked" => info.outstanding.unacked,
        "tcpi_sacked" => info.outstanding.sacked,
        "tcpi_lost" => info.outstanding.lost,
        "tcpi_retrans" => info.outstanding.retrans,
        "tcpi_dsack_dups" => info.duplicates,
        "tcpi_reord_seen" => info.reorderings,
        "tcpi_reordering" => u64::from(info.reordering),
        "tcpi_retransmits" => u64::from(info.retries),
        "tcpi_backoff" => u64::from(info.backoff),
        "tcpi_probes" => u64::from(info.probes),
        "tcpi_dupacks" => u64::from(info.duplicate_acks),
        _ => return None,
    })
}

/// What ECN has counted.
fn marks(info: &Info, name: &str) -> Option<u64> {
    let of = |count: fn(&AccurateEcn) -> u64| info.accurate_ecn.as_ref().map_or(0, count);
    Some(match name {
        "tcpi_delivered_ce" => info.delivered_ce,
        "tcpi_received_ce" => of(|ecn| ecn.received_ce),
        "tcpi_delivered_e0_bytes" => of(|ecn| ecn.delivered.ect0),
        "tcpi_delivered_e1_bytes" => of(|ecn| ecn.delivered.ect1),
        "tcpi_delivered_ce_bytes" => of(|ecn| ecn.delivered.ce),
        "tcpi_received_e0_bytes" => of(|ecn| ecn.received.ect0),
        "tcpi_received_e1_bytes" => of(|ecn| ecn.received.ect1),
        "tcpi_received_ce_bytes" => of(|ecn| ecn.received.ce),
        "tcpi_ecn_mode" => info.ecn as u64,
        "tcpi_accecn_fail_mode" => of(|ecn| u64::from(ecn.failures & 15)),
        "tcpi_accecn_opt_seen" => of(|ecn| ecn.option_seen as u64),
        _ => return None,
    })
}

/// Sequence numbers, which only FreeBSD tells.
fn positions(info: &Info, name: &str) -> Option<u64> {
    Some(u64::from(match name {
        "tcpi_snd_una" => info.positions.snd_una,
        "tcpi_snd_nxt" | "tcpi_snd_max" => info.positions.snd_nxt,
        "tcpi_rcv_nxt" => info.positions.rcv_nxt,
        "tcpi_rcv_adv" => info.positions.rcv_nxt.wrapping_add(info.rcv_wnd as u32),
        "tcpi_rcv_numsacks" => info.receiver.holes,
        _ => return None,
    }))
}

/// Fields that are numbers of bytes or segments.
fn counts(info: &Info, name: &str) -> Option<u64> {
    Some(match name {
        "tcpi_snd_mss" => u64::from(info.mss),
        "tcpi_advmss" => u64::from(info.advertised_mss),
        // Linux begins with the smallest MSS that everybody takes.
        "tcpi_rcv_mss" => u64::from(info.receiver.peer_segment.max(info.advertised_mss.min(536))),
        "tcpi_pmtu" => u64::from(info.path_mtu),
        "tcpi_rcv_ssthresh" => info.receive_buffer,
        "tcpi_rcv_space" => info.receiver.space,
        "tcpi_total_retrans" | "tcpi_snd_rexmitpack" => info.total_retrans,
        "tcpi_pacing_rate" => info.pacing_rate.unwrap_or(u64::MAX),
        "tcpi_max_pacing_rate" => info.max_pacing_rate.unwrap_or(u64::MAX),
        "tcpi_bytes_acked" => info.bytes_acked,
        "tcpi_bytes_received" => info.bytes_received,
        "tcpi_segs_out" => info.segs_out,
        "tcpi_segs_in" => info.segs_in,
        "tcpi_notsent_bytes" => info.notsent,
        "tcpi_data_segs_in" => info.data_segs_in,
        "tcpi_data_segs_out" => info.data_segs_out,
        "tcpi_bytes_sent" => info.bytes_sent,
        "tcpi_bytes_retrans" => info.bytes_retrans,
        "tcpi_rcv_ooopack" => info.out_of_order,
        "tcpi_snd_wnd" => info.snd_wnd,
        "tcpi_rcv_wnd" => info.rcv_wnd,
        "tcpi_total_rto" => info.timeouts,
        "tcpi_delivered" => info.delivered(),
        "tcpi_delivery_rate" => info.delivery_rate.map_or(0, |rate| rate.rate),
        "tcpi_delivery_rate_app_limited" => info.delivery_rate.map_or(0, |rate| u64::from(rate.app_limited)),
        _ => return None,
    })
}
