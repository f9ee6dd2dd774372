//! What a connection tells people of its ECN, in [`Info`](crate::Info).

use bowline_wire::Ecn;

use super::Feedback;
use crate::connection::tcb::Tcb;
use crate::info::AccurateEcn;

impl Tcb {
    /// Whether the window was reduced for marks, and what was sent until then is not acknowledged yet.
    pub(in crate::connection) fn is_reduced_by_ecn(&self) -> bool {
        self.snd.syn_acknowledged() && self.ecn.as_ref().is_some_and(|ecn| self.snd.una <= ecn.until)
    }

    /// CE marks that the peer has told of: packets, or with RFC 3168 segments acknowledged with an echo.
    pub(in crate::connection) fn delivered_ce(&self) -> u64 {
        match self.ecn.as_ref().map(|ecn| &ecn.feedback) {
            None => 0,
            Some(Feedback::Classic(classic)) => classic.delivered_ce.into(),
            Some(Feedback::Accurate(accurate)) => accurate.sender.counts().ce_packets().into(),
        }
    }

    /// AccECN's counters.
    pub(in crate::connection) fn describe_ecn(&self) -> Option<AccurateEcn> {
        let accurate = self.accurate()?;
        let marks = [Ecn::Ect0, Ecn::Ect1, Ecn::Ce];
        Some(AccurateEcn {
            received_ce: accurate.receiver.counts().ce_packets().into(),
            received: marks.map(|mark| accurate.receiver.counts().bytes(mark)).into(),
            delivered: marks.map(|mark| accurate.sender.counts().bytes(mark)).into(),
            option_seen: accurate.sender.seen(),
            failures: accurate.failures.bits(),
            capable: accurate.is_capable(),
        })
    }
}
