//! Sixth check: URG (RFC 9293 3.10.7.4 and 3.8.5, with RFC 6093). Urgent data stays in the stream; the user is told
//! that there is some, and can ask how much of it is still to be read.

use bowline_wire::tcp::TcpFlags;

use super::Segment;
use crate::connection::tcb::Tcb;
use crate::event::Readiness;
use crate::state::State;

impl Tcb {
    /// RFC 9293 3.8.5, MUST-33: how much of what can be read or is still to come lies before RCV.UP, in bytes.
    pub(crate) fn urgent_left(&self) -> u64 {
        let read_next = self.rcv.nxt() - u64::from(self.rcv.fin_received) - self.rcv.queue.len() as u64;
        self.rcv.up.map_or(0, |up| up.since(read_next))
    }

    /// RCV.UP moves forward only (MUST-31: of any length; MUST-32: the user is told).
    pub(super) fn check_urgent(&mut self, segment: &Segment<'_>) {
        let listens = matches!(self.state, State::Established | State::FinWait1 | State::FinWait2);
        if !segment.has(TcpFlags::URG) || !listens {
            return;
        }
        // RFC 6093 3.1: the pointer gives the byte after the urgent data, as every stack has it.
        let up = segment.seq + u64::from(segment.header.urgent);
        if up > self.rcv.nxt() && self.rcv.up.is_none_or(|known| known < up) {
            self.rcv.up = Some(up);
            self.notify(Readiness::URGENT);
        }
    }
}
