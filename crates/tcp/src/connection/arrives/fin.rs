//! Eighth check: FIN (RFC 9293 3.10.7.4). It counts once all before it has arrived.

use super::{Check, Segment};
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::event::Readiness;
use crate::reason::SendReason;
use crate::state::{Cause, State};

impl Tcb {
    /// Remembers where the FIN lies, and takes it when its turn has come.
    pub(super) fn check_fin(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if self.rcv.fin_received || (segment.fin.is_none() && self.rcv.fin_at.is_none()) {
            return Check::Continue(());
        }
        // Of several the first counts, unless text has gone on beyond it: a forged FIN ahead of a hole must not hide the true one.
        let nxt = self.rcv.nxt();
        let may_lie = nxt..self.rcv.right_edge().max(nxt + 1);
        let known = [self.rcv.fin_at, segment.fin].into_iter().flatten();
        self.rcv.fin_at = known.filter(|at| may_lie.contains(at)).min();
        match self.rcv.fin_at {
            Some(at) if at == nxt => self.take_fin(cx),
            // RFC 5681 4.2: what lies beyond a hole is acknowledged at once. Where text came along, that was done already.
            Some(_) if segment.fin == Some(segment.seq) => self.rcv.acks.on_immediate(SendReason::DuplicateAck),
            _ => {}
        }
        Check::Continue(())
    }

    /// Our FIN was acknowledged, and no FIN of the peer's was taken with it (one arrow would be for both): FIN-WAIT-2.
    pub(super) fn settle_fin(&mut self, cx: &mut Context<'_>) {
        if self.state == State::FinWait1 && self.snd.fin_acknowledged() {
            self.advance(cx, Cause::AckOfFin);
            self.arm_fin_wait_2(cx.now);
        }
    }

    #[inline(never)]
    fn take_fin(&mut self, cx: &mut Context<'_>) {
        self.rcv.queue.skip_one();
        self.rcv.fin_received = true;
        // A peer that has filled our window wants to hear that its FIN was taken all the same.
        let waits = self.options.delay_fin_ack && self.rcv.window.rcv_wnd(self.rcv.nxt()) > 0;
        self.rcv.acks.on_fin(cx.now, self.state == State::Established, waits);
        self.notify(Readiness::READABLE);
        match self.state {
            State::Established => self.advance(cx, Cause::Fin),
            State::FinWait1 if self.snd.fin_acknowledged() => {
                self.advance(cx, Cause::FinAndAckOfFin);
                self.enter_time_wait();
            }
            State::FinWait1 => self.advance(cx, Cause::Fin),
            State::FinWait2 => {
                self.advance(cx, Cause::Fin);
                self.enter_time_wait();
            }
            _ => {}
        }
    }
}
