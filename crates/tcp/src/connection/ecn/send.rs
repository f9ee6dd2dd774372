//! What leaves behind the handshake: whether a segment is marked as capable, its flags, and its option (RFC 3168 6.1.2 and
//! 6.1.3; RFC 9768 3.2.2 and 3.2.3).

use bowline_base::{Instant, Position};
use bowline_wire::Ecn;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::Feedback;
use crate::connection::tcb::Tcb;
use crate::ecn::{flags, reflect};

impl Tcb {
    /// Whether segments must leave one by one: devices and stacks that cut a super-segment clear CWR in all but the first
    /// (RFC 3168 6.1.2), which is a bit of AccECN's counter (RFC 9768 3.3.4), and cannot sign what they cut.
    #[inline]
    pub(in crate::connection) fn sends_singly(&self) -> bool {
        let counts = self.ecn.is_some()
            && self.accurate().is_some_and(|accurate| flags(accurate.receiver.counts().ace()).contains(TcpFlags::CWR));
        counts || self.auth().is_some()
    }

    /// The option of another segment, if it is to have one and has the room. `twice`: where a duplicate begins that the
    /// segment reports.
    #[inline(never)]
    pub(in crate::connection) fn add_option(&mut self, now: Instant, header: &mut TcpHeader, twice: Option<Position>) {
        let (policy, beacon) = (self.options.ecn_option, self.options.ecn_option_beacon);
        let rtt = self.recovery.rtt().srtt().unwrap_or_default();
        let Some(accurate) = self.accurate_mut() else { return };
        accurate.told_twice = None;
        if !accurate.sends_options(policy) || !accurate.receiver.wants_option(now, policy, beacon, rtt) {
            return;
        }
        header.options.acc_ecn = Some(accurate.receiver.option());
        header.options.fit_acc_ecn(accurate.receiver.required());
        if header.options.acc_ecn.is_some() {
            accurate.receiver.on_option_sent(now);
            accurate.told_twice = twice;
        }
    }

    /// The flags of a segment that is no SYN, and whether it is marked as capable: `text` that leaves for the first time is;
    /// with AccECN everything is, as on Linux, but acknowledgements of acknowledgements need SACK to be told from duplicates.
    #[inline(never)]
    pub(in crate::connection) fn mark_segment(&mut self, header: &mut TcpHeader, text: bool, again: bool) -> Ecn {
        let (sack, len) = (self.sack, header.options.sack.len());
        // RFC 9768 3.1.5, RFC9768-3.1.5-4.
        let Some(ecn) = &mut self.ecn else { return Ecn::NotEct };
        match &mut ecn.feedback {
            Feedback::Classic(classic) => {
                header.flags.set(TcpFlags::ECE, classic.echo);
                if !text || again {
                    return Ecn::NotEct;
                }
                header.flags.set(TcpFlags::CWR, core::mem::take(&mut classic.reduced));
                Ecn::Ect0
            }
            Feedback::Accurate(accurate) => {
                // RFC 9768 3.2.2.1, RFC9768-3.2.2.1-1; 3.1.5, RFC9768-3.1.5-7, and 3.2.2.3, RFC9768-3.2.2.3-1: whether or
                // not we mark anything ourselves.
                header.flags |= match accurate.reflects.take() {
                    Some(mark) if !text && len == 0 => flags(reflect(mark)),
                    _ => accurate.receiver.take_flags(),
                };
                if accurate.is_capable() && (text || sack) { Ecn::Ect0 } else { Ecn::NotEct }
            }
        }
    }

    /// The counter on a RST, which is no SYN either (RFC 9768 3.2.2).
    pub(in crate::connection) fn reset_flags(&self) -> TcpFlags {
        self.accurate().map_or(TcpFlags::empty(), |accurate| flags(accurate.receiver.counts().ace()))
    }
}
