//! A connection as `ss` and `tcp_info` show it.

use alloc::vec::Vec;

use bowline_base::Instant;
use core::time::Duration;

use super::tcb::Tcb;
use super::timers::Timer;
use crate::auth::Auth;
use crate::congestion::Controller;
use crate::info::{FastOpenInfo, Info, Positions, Receiver};
use crate::key::ConnectionKey;
use crate::reason::{Hold, TimerKind};

impl Tcb {
    /// Everything one can know about it. For people, not for the data path.
    pub(crate) fn describe(&self, now: Instant, key: Option<ConnectionKey>) -> Info {
        let (rtt, stats, snd, rcv) = (self.recovery.rtt(), &self.stats, &self.snd, &self.rcv);
        let spent = now.since(stats.hold_since);
        let held = |kinds: &[Hold]| if kinds.contains(&snd.hold) { spent } else { Duration::ZERO };
        let info = Info {
            key,
            recv_queue: rcv.queue.len() as u64,
            send_queue: snd.buffer.len(),
            notsent: snd.unsent(),
            fin_unacknowledged: snd.closed && !snd.fin_acknowledged() && !self.is_over(),
            timer: self.next_timer(now),
            window_scale: self.window_scale,
            timestamps: self.timestamps.is_some(),
            sack: self.sack,
            ecn: self.ecn_mode(),
            delivered_ce: self.delivered_ce(),
            accurate_ecn: self.describe_ecn(),
            fast_open: self.fast_open().map(|opening| FastOpenInfo {
                is_server: opening.is_server(),
                syn_data: opening.is_taken(),
                failure: opening.failure(),
            }),
            keys: self.auth().map_or_else(Vec::new, Auth::names),
            ao: self.ao_counts(),
            mss: snd.mss,
            advertised_mss: u32::from(self.announced_mss()),
            peer_mss: u32::from(snd.peer_mss),
            path_mtu: u32::from(self.effective_mtu()),
            mtu_search: self.mtu_search_range(),
            srtt: rtt.srtt(),
            rttvar: rtt.rttvar(),
            min_rtt: rtt.min_rtt(),
            max_rtt: rtt.max_rtt(),
            rto: rtt.rto(),
            backoff: rtt.backoff().max(snd.probe_backoff),
            soft_error: self.soft_error,
            algorithm: self.algorithm(),
            model: self.congestion.model(),
            delivery_rate: self.recovery.delivery_rate(),
            cwnd: self.window_now(),
            ssthresh: self.congestion.ssthresh(),
            pacing_rate: self.pacing_rate(),
            max_pacing_rate: self.max_pacing_rate(),
            in_flight: self.recovery.in_flight(),
            snd_wnd: u64::from(snd.wnd),
            rcv_wnd: rcv.window.right_edge().since(rcv.nxt()),
            receive_buffer: rcv.window.buffer() as u64,
            phase: self.recovery.phase(),
            reduced_by_ecn: self.is_reduced_by_ecn(),
            outstanding: self.recovery.outstanding_segments(snd.closed.then(|| snd.buffer.end())),
            duplicate_acks: self.recovery.duplicate_acks(),
            retries: self.recovery.retries(),
            probes: snd.probes,
            receiver: self.describe_receiver(),
            positions: Positions { snd_una: snd.una.wire(), snd_nxt: snd.nxt.wire(), rcv_nxt: rcv.nxt().wire() },
            reordering: self.recovery.reordering(),
            last_data_sent: now.since(stats.last_data_sent.max(self.opened)),
            last_data_received: now.since(stats.last_data_received.max(self.opened)),
            last_ack_received: now.since(stats.last_heard.max(self.opened)),
            hold: snd.hold,
            busy_time: stats.busy_until(now),
            rwnd_limited: stats.rwnd_limited.get() + held(&[Hold::Window, Hold::SillyWindow]),
            cwnd_limited: stats.cwnd_limited.get() + held(&[Hold::Congestion, Hold::Pacing]),
            sndbuf_limited: stats.sndbuf_limited.get() + held(&[Hold::Buffer]),
            memory: (rcv.queue.memory() + snd.buffer.memory() + self.recovery.memory()) as u64,
            age: now.since(self.opened),
            ..Info::bare(self.id, self.tuple.unpack(), self.state)
        };
        self.add_counts(info)
    }

    /// The window; while it falls with the ACKs, as far as it has fallen.
    fn window_now(&self) -> u64 {
        let cwnd = self.congestion.cwnd();
        if self.recovery.is_reducing() { self.recovery.in_flight() + self.recovery.quota(cwnd) } else { cwnd }
    }

    fn add_counts(&self, mut info: Info) -> Info {
        let (stats, counted) = (&self.stats, self.recovery.stats());
        info.bytes_sent = stats.bytes_sent;
        info.bytes_retrans = stats.bytes_retrans;
        info.bytes_acked = self.bytes_acked();
        info.bytes_received = self.bytes_received();
        info.segs_out = stats.segs_out;
        info.segs_in = stats.segs_in;
        info.data_segs_out = stats.data_segs_out;
        info.data_segs_in = stats.data_segs_in;
        info.total_retrans = u64::from(stats.total_retrans);
        info.syn_retrans = u64::from(self.snd.syn_repeats);
        info.duplicates = u64::from(counted.duplicates);
        info.reorderings = u64::from(counted.reordered);
        info.recoveries = u64::from(counted.recoveries);
        info.undone = u64::from(counted.undone);
        info.timeouts = u64::from(counted.timeouts);
        info.out_of_order = u64::from(stats.out_of_order);
        info
    }

    fn describe_receiver(&self) -> Receiver {
        let rcv = &self.rcv;
        Receiver {
            ack_delay: (self.stats.data_segs_in > 0).then(|| rcv.acks.delay()),
            peer_segment: u32::from(rcv.acks.full_segment()),
            rtt: rcv.window.rtt(),
            space: rcv.window.reading_rate(),
            holes: u32::try_from(rcv.queue.holes()).unwrap_or(u32::MAX),
        }
    }

    /// The timer that fires first, the time left, and how often it fired in a row.
    fn next_timer(&self, now: Instant) -> Option<(TimerKind, Duration, u8)> {
        if self.is_over() {
            return None;
        }
        let (at, kind) = self.recovery.alarm().unwrap_or((Instant::MAX, TimerKind::Retransmit));
        let running = [
            (kind, at, self.snd.retries),
            (TimerKind::Pacing, self.departure_deadline(), 0),
            (TimerKind::Persist, self.timers.deadline(Timer::Persist), self.snd.probes),
            (TimerKind::DelayedAck, self.rcv.acks.deadline().unwrap_or(Instant::MAX), 0),
            (TimerKind::Keepalive, self.timers.deadline(Timer::Keepalive), self.snd.probes),
            (TimerKind::FinWait2, self.timers.deadline(Timer::FinWait2), 0),
            (TimerKind::Cork, self.timers.deadline(Timer::Cork), 0),
        ];
        let first = running.into_iter().filter(|(_, at, _)| *at != Instant::MAX).min_by_key(|(_, at, _)| *at)?;
        Some((first.0, first.1.since(now), first.2))
    }
}
