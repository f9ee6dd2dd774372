//! The two halves of a connection (RFC 9293 3.3.1): the variables of the sender, SND, those of the receiver, RCV, and what follows
//! from one half alone. A half knows nothing of the other, nor of the connection's state.

use bowline_base::{Instant, Position};

use super::send::buffer::SendBuffer;
use super::send::records::Records;
use super::send::usage::Usage;
use crate::config::Options;
use crate::reason::{Hold, SendReason};
use crate::recv::{AckPolicy, ReceiveQueue, ReceiveWindow};

/// The half that sends: SND of RFC 9293 3.3.1.
#[derive(Clone, Hash, Debug)]
pub(crate) struct SendHalf {
    pub(crate) iss: Position,
    pub(crate) una: Position,
    pub(crate) nxt: Position,
    /// SND.WND, unscaled.
    pub(crate) wnd: u32,
    /// The largest it ever was.
    pub(crate) max_wnd: u32,
    /// SND.WL1.
    pub(crate) wl1: Position,
    /// The peer's window shift.
    pub(crate) shift: u8,
    /// SND.UP: the position after urgent data (RFC 6093).
    pub(crate) up: Option<Position>,
    /// Where the last segment smaller than a full one ended, for Nagle's algorithm.
    pub(crate) small_end: Position,
    pub(crate) buffer: SendBuffer,
    /// The user has closed: a FIN follows the last byte.
    pub(crate) closed: bool,
    /// What the peer announced.
    pub(crate) peer_mss: u16,
    /// Segments of the largest congestion window that the queue has grown for.
    pub(crate) grown: u16,
    /// Bytes that the last block of the queue was given, where it has blocks.
    pub(crate) last_block: u16,
    /// Payload bytes of a full segment, options subtracted (RFC 9293 3.7.1, MUST-16).
    pub(crate) mss: u32,
    /// What keeps text from leaving now.
    pub(crate) hold: Hold,
    /// Before it, pacing lets nothing leave.
    pub(crate) departure: Instant,
    /// A probe that a timer asked for.
    pub(crate) probe: Option<SendReason>,
    /// Our SYN is to be sent again at once: the peer has not seen it.
    pub(crate) syn_again: bool,
    /// The patience of TCP_CORK has run out for what is unsent.
    pub(crate) uncorked: bool,
    /// The user has said that more comes: what fills no segment waits for it, for an ACK, or for the patience of TCP_CORK.
    pub(crate) more: bool,
    /// And so the end of the queue is not pushed.
    pub(crate) unpushed: bool,
    /// Whether the congestion window is in use.
    pub(crate) usage: Usage,
    /// Where records end.
    pub(crate) records: Records,
    /// Probes of a closed window, or keepalives, sent in a row without an answer.
    pub(crate) probes: u8,
    /// Doublings of the time between probes of a window that stays closed.
    pub(crate) probe_backoff: u8,
    /// Retransmission time-outs in a row without progress.
    pub(crate) retries: u8,
    /// SYNs or SYN-ACKs that went out again.
    pub(crate) syn_repeats: u8,
}

impl SendHalf {
    /// Nothing sent, nothing written.
    #[inline]
    pub(super) fn new(iss: Position, peer_mss: u16) -> Self {
        Self {
            iss,
            una: iss,
            nxt: iss,
            wnd: 0,
            max_wnd: 0,
            wl1: Position::initial(0),
            shift: 0,
            up: None,
            small_end: iss,
            buffer: SendBuffer::new(iss + 1),
            closed: false,
            peer_mss,
            mss: u32::from(peer_mss),
            hold: Hold::Application,
            departure: Instant::ZERO,
            probe: None,
            uncorked: false,
            more: false,
            unpushed: false,
            usage: Usage::new(iss),
            records: Records::new(),
            syn_again: false,
            probes: 0,
            probe_backoff: 0,
            retries: 0,
            syn_repeats: 0,
            grown: 0,
            last_block: 0,
        }
    }

    /// The position after everything the user has handed over, the FIN among it.
    pub(crate) fn end(&self) -> Position {
        self.buffer.end() + u64::from(self.closed)
    }

    /// Whether our SYN has been acknowledged.
    pub(crate) fn syn_acknowledged(&self) -> bool {
        self.una > self.iss
    }

    /// Whether our FIN has been sent and acknowledged.
    pub(crate) fn fin_acknowledged(&self) -> bool {
        self.closed && self.una == self.end()
    }

    /// Text written and not sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.buffer.end().since(self.nxt.max(self.iss + 1))
    }

    /// What the peer's window has left: nothing, if it shrank below what was sent (RFC 9293 3.8.6, SHLD-15). Our SYN takes no part
    /// of it, acknowledged or not.
    pub(crate) fn usable(&self) -> u64 {
        (self.una.max(self.iss + 1) + u64::from(self.wnd)).since(self.nxt)
    }
}

/// The half that receives: RCV of RFC 9293 3.3.1. RCV.NXT is the queue's.
#[derive(Clone, Hash, Debug)]
pub(crate) struct ReceiveHalf {
    pub(crate) irs: Position,
    pub(crate) queue: ReceiveQueue,
    pub(crate) window: ReceiveWindow,
    pub(crate) acks: AckPolicy,
    /// The acknowledgement number we sent last (Last.ACK.sent of RFC 7323).
    pub(crate) last_ack: Position,
    /// RCV.UP: the position after urgent data (RFC 6093).
    pub(crate) up: Option<Position>,
    /// Where the peer's FIN lies, once seen.
    pub(crate) fin_at: Option<Position>,
    /// Whether all before it has arrived.
    pub(crate) fin_received: bool,
}

impl ReceiveHalf {
    /// Nothing received; `mss` is what we announce.
    #[inline]
    pub(super) fn new(irs: Position, options: &Options, mss: u16) -> Self {
        let window = ReceiveWindow::new(options, 0, irs, 0, mss);
        Self {
            irs,
            queue: ReceiveQueue::new(irs),
            window,
            acks: AckPolicy::new(options, mss),
            last_ack: irs,
            up: None,
            fin_at: None,
            fin_received: false,
        }
    }

    /// The peer's stream begins behind its SYN, and our windows are shifted by `shift`. Our SYN has `offered` so much.
    pub(super) fn begin(&mut self, options: &Options, mss: u16, shift: u8, offered: u16) {
        let nxt = self.irs + 1;
        self.queue = ReceiveQueue::new(nxt);
        self.window = ReceiveWindow::new(options, shift, nxt, offered, mss);
        self.last_ack = nxt;
    }

    /// RCV.NXT.
    pub(crate) fn nxt(&self) -> Position {
        self.queue.rcv_nxt()
    }

    /// RCV.NXT + RCV.WND: what lies before it, and not before RCV.NXT, is in the window.
    pub(crate) fn right_edge(&self) -> Position {
        self.window.acceptable_edge(&self.queue).max(self.nxt())
    }
}
