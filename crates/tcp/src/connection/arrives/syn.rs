//! Fourth check: SYN (RFC 9293 3.10.7.4, with RFC 5961 4.2, RFC5961-4.2-1). On a connection that has seen one, whatever its sequence
//! number, it is challenged: a peer that really restarted answers the challenge with a RST.

use bowline_wire::tcp::TcpFlags;

use super::{Check, Reply, Segment, Stop, discard};
use crate::ConnectionError;
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::reason::DropReason;
use crate::state::Cause;

impl Tcb {
    /// Challenges any SYN.
    pub(super) fn check_syn(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if !segment.has(TcpFlags::SYN) {
            return Check::Continue(());
        }
        self.refuse_syn(cx)
    }

    #[cold]
    fn refuse_syn(&mut self, cx: &mut Context<'_>) -> Check {
        if !self.options.odd.challenge_syns {
            return self.reset_for_syn(cx);
        }
        cx.counters.syn_challenge += 1;
        self.challenge(cx);
        discard(DropReason::SynChallenged)
    }
    /// RFC 793 3.9: both ends are told that the connection is no more.
    fn reset_for_syn(&mut self, cx: &mut Context<'_>) -> Check {
        self.end(cx, Cause::Reset, Some(ConnectionError::Reset));
        Check::Break(Stop { dropped: None, reply: Reply::ResetOfOurs })
    }
}
