//! Fourth check: SYN (RFC 9293 3.10.7.4, with RFC 5961 4.2, RFC5961-4.2-1). On a connection that has seen one, whatever its sequence
//! number, it is challenged: a peer that really restarted answers the challenge with a RST.

use bowline_wire::tcp::TcpFlags;

use super::{Check, Segment, discard};
use crate::connection::context::Context;
use crate::connection::tcb::Tcb;
use crate::reason::DropReason;

impl Tcb {
    /// Challenges any SYN.
    pub(super) fn check_syn(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Check {
        if !segment.has(TcpFlags::SYN) {
            return Check::Continue(());
        }
        cx.counters.syn_challenge += 1;
        self.challenge(cx);
        discard(DropReason::SynChallenged)
    }
}
