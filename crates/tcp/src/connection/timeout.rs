//! What time does (RFC 9293 3.10.8): retransmission, probes, delayed acknowledgements, and giving up.

use super::context::Context;
use super::tcb::Tcb;
use super::timers::Timer;
use crate::ConnectionError;
use crate::congestion::Controller;
use crate::reason::{LossReason, RecoveryChange, SendReason, TimerKind};
use crate::state::{Cause, State};
use crate::trace::Trace;
use bowline_base::Instant;
use core::time::Duration;

/// Retransmissions for a connection that nobody holds any more, as Linux `tcp_orphan_retries`, and the time that they take at
/// least: what RFC 9293 3.8.3 wants of R2 (SHLD-11). Where time-outs are short, there are more of them.
const ORPHAN_RETRIES: u8 = 8;
const ORPHAN_SPAN: Duration = Duration::from_secs(100);

impl Tcb {
    /// Runs every timer that is due. Whether the peer is to be told of an end by a RST.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        if self.user_deadline() <= cx.now {
            self.fired(cx, TimerKind::User);
            self.give_up(cx);
            return false;
        }
        if self.rcv.acks.deadline().is_some_and(|at| at <= cx.now) {
            self.fired(cx, TimerKind::DelayedAck);
            self.rcv.acks.on_timer(cx.now);
        }
        if !self.is_over()
            && let Some((_, kind)) = self.recovery.alarm().filter(|&(at, _)| at <= cx.now)
        {
            self.fired(cx, kind);
            self.note_app_limited();
            match kind {
                TimerKind::Reordering => self.on_reordering_timeout(cx),
                TimerKind::TailLossProbe => self.recovery.on_probe_timeout(),
                _ => self.on_retransmission_timeout(cx),
            }
        }
        if self.may_depart(cx.now) {
            self.fired(cx, TimerKind::Pacing);
        }
        if !self.is_over() && self.timers.fire(Timer::Persist, cx.now) {
            self.fired(cx, TimerKind::Persist);
            self.on_persist(cx);
        }
        let unanswered = !self.is_over() && self.timers.fire(Timer::Keepalive, cx.now) && self.on_keepalive(cx);
        if self.timers.fire(Timer::Cork, cx.now) {
            self.fired(cx, TimerKind::Cork);
            (self.snd.uncorked, self.snd.more, self.snd.unpushed) = (true, false, false);
        }
        if self.timers.fire(Timer::FinWait2, cx.now) {
            self.fired(cx, TimerKind::FinWait2);
            cx.counters.abort_on_linger += 1;
            self.end(cx, Cause::Timeout, None);
        }
        self.assert_invariants();
        unanswered
    }

    fn fired(&mut self, cx: &mut Context<'_>, kind: TimerKind) {
        cx.record(self.tuple, self.id, || Trace::Timer(kind));
    }

    /// RFC 8985 6.2: the path has had time to reorder, and something has not come.
    fn on_reordering_timeout(&mut self, cx: &mut Context<'_>) {
        let outcome = self.recovery.on_reordering_timeout(cx.now);
        self.tell_losses(cx.now);
        self.take_recovery(cx, &outcome);
    }

    /// RFC 6298 5.4 to 5.7, and RFC 9293 3.8.3: R2 ends the connection (MUST-20), also while it opens (MUST-22, MUST-23).
    /// R1's advice to the layer below has no addressee: routes come from the caller, and no gateway is chosen here.
    fn on_retransmission_timeout(&mut self, cx: &mut Context<'_>) {
        let most = match self.state {
            State::SynSent => self.options.syn_retries.saturating_add(self.options.linear_syns),
            State::SynReceived => self.options.synack_retries,
            _ if self.user.orphan && cx.now.since(self.stuck_since) >= ORPHAN_SPAN => {
                self.options.retries.min(ORPHAN_RETRIES)
            }
            _ => self.options.retries,
        };
        if self.rare.is_some() {
            self.suspect_path(cx, self.snd.retries >= most);
        }
        if self.snd.retries >= most || self.has_opened_for_long(cx.now) {
            return self.give_up(cx);
        }
        self.snd.retries += 1;
        cx.counters.timeouts += 1;
        let outcome = self.recovery.on_timeout(cx.now);
        if self.state == State::SynSent && self.snd.retries <= self.options.linear_syns {
            self.recovery.take_back_backoff(cx.now);
        }
        if let Some(range) = outcome.lost {
            cx.record(self.tuple, self.id, || Trace::Lost { range, why: LossReason::Timeout });
        }
        self.tell_losses(cx.now);
        self.suspect_black_hole(cx);
        if self.snd.syn_acknowledged() {
            let used = if self.options.reduce_window { self.congestion.cwnd() } else { outcome.flight_size };
            self.congestion.on_timeout(cx.now, used, outcome.first);
            self.note_reduced();
            self.leave_unvalidated(cx.now);
            cx.record(self.tuple, self.id, || Trace::Recovery(RecoveryChange::TimeoutRecovery));
            self.record_congestion(cx);
        }
    }

    /// Whether an active open whose time-outs do not double at first has lasted as long as if they did: more SYNs go out by that, and
    /// the user does not wait longer (as on Linux).
    fn has_opened_for_long(&self, now: Instant) -> bool {
        let doubled = (2u32 << self.options.syn_retries.min(30)) - 1;
        let span = self.recovery.rtt().base_rto().saturating_mul(doubled);
        self.state == State::SynSent && self.options.linear_syns > 0 && now.since(self.opened) >= span
    }

    /// MUST-37: no end to probing while the peer answers; without an answer, R2 holds as for text.
    fn on_persist(&mut self, cx: &mut Context<'_>) {
        if self.snd.probes >= self.options.retries.max(1) {
            return self.give_up(cx);
        }
        self.snd.probes += 1;
        self.snd.probe_backoff = self.snd.probe_backoff.saturating_add(1);
        if self.snd.wnd > 0 && self.snd.usable() > 0 {
            // RFC 9293 3.8.6.2.1: the override: the window stays small, but it is open.
            self.snd.max_wnd = self.snd.wnd;
        } else {
            self.snd.probe = Some(SendReason::WindowProbe);
        }
    }

    /// RFC 9293 3.8.4: a probe of an idle connection, or its end once `probes` of them were not answered. That end is told by a
    /// RST, as Linux and FreeBSD do: a peer whose answers alone are lost need not wait for its own timer. Whether it came.
    fn on_keepalive(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(keepalive) = self.options.keepalive else { return false };
        let idle_until = self.stats.last_heard + keepalive.silence();
        let in_flight = !self.recovery.is_idle();
        if in_flight || (idle_until > cx.now && self.snd.probes == 0) {
            // MUST-26: probes go out only when neither text nor acknowledgements did; SHLD-12: they are empty.
            let again = if in_flight { cx.now + keepalive.silence() } else { idle_until };
            self.timers.set(Timer::Keepalive, again);
            return false;
        }
        self.fired(cx, TimerKind::Keepalive);
        if self.snd.probes >= keepalive.probes {
            self.give_up(cx);
            return true;
        }
        self.snd.probes += 1;
        self.snd.probe = Some(SendReason::Keepalive);
        self.timers.set(Timer::Keepalive, cx.now + keepalive.pace());
        false
    }

    /// An orphan waits for the peer's FIN only so long.
    pub(crate) fn arm_fin_wait_2(&mut self, now: Instant) {
        if self.user.orphan && self.state == State::FinWait2 {
            self.timers.set(Timer::FinWait2, now + self.options.fin_wait2);
        }
    }

    /// The peer does not answer. What ICMP said in the meantime says why (RFC 9293 3.9.2.2).
    fn give_up(&mut self, cx: &mut Context<'_>) {
        cx.counters.abort_on_timeout += 1;
        if !self.state.is_synchronized() {
            cx.counters.attempt_fails += 1;
        }
        let error = self.soft_error.unwrap_or(ConnectionError::TimedOut);
        self.end(cx, Cause::Timeout, Some(error));
    }
}
