//! Second check: RST (RFC 9293 3.10.7.4, with RFC 5961 3.2). Only the exact sequence number resets; others in the
//! window are challenged, so that who cannot see the connection cannot end it.

use bowline_wire::tcp::TcpFlags;

use super::{Check, Segment, discard, done};
use crate::ConnectionError;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::reason::DropReason;
use crate::state::{Cause, State};

impl Tcb {
    /// Ends the connection on a true RST.
    pub(super) fn check_reset(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if !segment.has(TcpFlags::RST) {
            return Check::Continue(());
        }
        self.take_reset(cx, segment)
    }

    #[cold]
    fn take_reset(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        // RFC 9293 3.5.3, SHLD-2: text that came along is no hindrance. RFC 5961 3.2, RFC5961-3.2-2, RFC5961-3.2-3.
        if segment.seq != self.rcv_nxt() && self.options.odd.challenge_resets {
            self.challenge(cx);
            return discard(DropReason::ResetChallenged);
        }
        self.reset(cx)
    }

    /// What a true RST does.
    pub(super) fn reset(&mut self, cx: &mut Context<'_>) -> Check {
        match self.state {
            State::SynReceived if self.passive => {
                // RFC 9293 3.10.7.4, MUST-11: back to LISTEN; the listener itself never left it. After an active open
                // (below) the user is told that it was refused.
                cx.counters.embryonic_rsts += 1;
                self.end(cx, Cause::ResetPassive, Some(ConnectionError::Reset));
            }
            State::SynReceived => {
                cx.counters.attempt_fails += 1;
                self.end(cx, Cause::Reset, Some(ConnectionError::Refused));
            }
            // In CLOSING and LAST-ACK as well (as on Linux and FreeBSD): what was not acknowledged may never have arrived.
            _ => {
                // What had arrived before can still be read, as on Linux: the peer's RST comes after it. RFC 9293 3.6,
                // MUST-12: then the user learns that it was a reset, and not an end in order.
                cx.counters.estab_resets += 1;
                self.end(cx, Cause::Reset, Some(ConnectionError::Reset));
            }
        }
        done()
    }
}
