//! A connection that begins with data on a SYN (RFC 7413): what our SYN takes along, what became of it, and what a server may do
//! before the handshake is complete.
//!
//! It must not know cookies' secrets; who may open fast was decided before.

use alloc::boxed::Box;
use core::time::Duration;

use bowline_base::Position;
use bowline_wire::tcp::FastOpen;

use super::arrives::Segment;
use super::context::Context;
use super::rare::Rare;
use super::tcb::Tcb;
use crate::ListenerKey;
use crate::event::Readiness;
use crate::fast_open::Offer;
use crate::fast_open::cache::{Attempt, Lesson};
use crate::info::FastOpenFailure;
use crate::negotiate::{initial_window, timestamps_len};
use crate::reason::LossReason;
use crate::recv::ReceiveWindow;
use crate::segment::Arrival;
use crate::state::{Cause, State};
use crate::trace::Trace;

/// What middleboxes may add to a SYN: so much of a segment is left free, as on Linux.
const RESERVED: u16 = 40;
/// Time-outs in a row that make a path look like one that swallows such connections (as Linux: before the third).
const SWALLOWED: u8 = 2;

/// How a connection opened fast, or tried to.
#[derive(Clone, Hash, Debug)]
pub(crate) struct FastOpening {
    /// What our SYN or SYN-ACK says.
    option: Option<FastOpen>,
    side: Side,
    /// Whether data came with the SYN and was taken: by us, or by the peer, all of it.
    taken: bool,
}

#[derive(Clone, Hash, Debug)]
enum Side {
    Client {
        /// The most that a segment to this peer takes, where data may go along.
        mss: Option<u16>,
        /// How much has gone along.
        sent: u32,
        failure: Option<FastOpenFailure>,
    },
    Server {
        listener: ListenerKey,
    },
}

impl FastOpening {
    /// Why an active open that wanted to be fast was none.
    pub(crate) const fn failure(&self) -> Option<FastOpenFailure> {
        match self.side {
            Side::Client { failure, .. } => failure,
            Side::Server { .. } => None,
        }
    }

    /// Whether data came with the SYN and was taken.
    pub(crate) const fn is_taken(&self) -> bool {
        self.taken
    }

    /// Whether a listener took the connection before its handshake was complete.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self.side, Side::Server { .. })
    }
}

impl Tcb {
    /// How the connection opened fast, if it did.
    pub(crate) fn fast_open(&self) -> Option<&FastOpening> {
        self.rare.as_ref()?.fast_open.as_ref()
    }

    fn fast_open_mut(&mut self) -> Option<&mut FastOpening> {
        self.rare.as_mut()?.fast_open.as_mut()
    }

    fn set_fast_open(&mut self, opening: FastOpening) {
        self.rare.get_or_insert_with(|| Box::new(Rare::default())).fast_open = Some(opening);
    }

    /// Whether text may travel although the handshake is not complete: a listener took this connection with its SYN.
    pub(crate) fn is_early(&self) -> bool {
        self.state == State::SynReceived && self.fast_open().is_some_and(FastOpening::is_server)
    }

    // ---- the client

    /// Our SYN, which has not been sent, shall say this.
    pub(crate) fn open_fast(&mut self, offer: Offer) {
        let Offer { option, mss } = offer;
        let failure = mss.is_none().then_some(FastOpenFailure::NoCookie);
        self.set_fast_open(FastOpening { option, side: Side::Client { mss, sent: 0, failure }, taken: false });
    }

    /// The option of the SYN or SYN-ACK that is about to be sent: not of its copies (RFC 7413 4.1.3.1, 7.1).
    pub(crate) fn fast_open_option(&self) -> Option<FastOpen> {
        let first = self.snd.nxt == self.snd.iss;
        self.fast_open().filter(|_| first).and_then(|opening| opening.option.clone())
    }

    /// How many bytes of text our first SYN may take along.
    // RFC 7413 4.2.1: as many as the peer's segments hold, by what it announced the last time.
    pub(crate) fn syn_capacity(&self) -> u64 {
        match self.fast_open() {
            Some(FastOpening { side: Side::Client { mss: Some(mss), .. }, .. })
                if self.state == State::SynSent && self.snd.nxt == self.snd.iss =>
            {
                u64::from(self.announced_mss().min(*mss).saturating_sub(RESERVED))
            }
            _ => 0,
        }
    }

    /// Whether our SYN waits for the first byte.
    pub(crate) fn waits_for_data(&self) -> bool {
        self.options.fast_open.wait && self.syn_capacity() > 0 && self.snd.unsent() == 0 && !self.snd.closed
    }

    /// Our SYN has taken along so much text.
    #[inline(never)]
    pub(crate) fn note_syn_text(&mut self, len: u64) {
        if let Some(FastOpening { side: Side::Client { sent, .. }, .. }) = self.fast_open_mut() {
            *sent = len as u32;
        }
    }

    /// Whether the text that went along with our SYN ends there: it is pushed where it is sent again, for it was all there was.
    pub(crate) fn was_syn_text(&self, end: Position) -> bool {
        match self.fast_open() {
            Some(FastOpening { side: Side::Client { sent, .. }, .. }) => {
                *sent > 0 && end == self.snd.iss + 1 + u64::from(*sent)
            }
            _ => false,
        }
    }

    /// The SYN-ACK has come: what it says of the data on our SYN, and of the server. What it does not acknowledge is sent again at
    /// once (RFC 7413 4.2.1).
    pub(super) fn conclude_fast_open(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (again, all) = (self.snd.retries > 0, self.snd.una == self.snd.nxt);
        let (mss, peer) = (self.snd.peer_mss, self.tuple.unpack().remote.ip());
        let Some(opening) = self.fast_open_mut() else { return };
        let option = opening.option.take();
        let Side::Client { sent, failure, .. } = &mut opening.side else { return };
        let asked = option.as_ref().is_some_and(|option| option.cookie.is_empty());
        let cookie = segment.header.options.fast_open.clone().filter(|given| !given.cookie.is_empty());
        // RFC 7413 4.1.2: a cookie that nobody asked for is none.
        let cookie = cookie.filter(|_| option.is_some());
        let unanswered = asked && cookie.is_none() && !again;
        let lost = again && cookie.is_none() && *sent > 0;
        let refused = unanswered || (cookie.is_none() && *sent > 0 && !all && !again);
        let shun = if refused { cx.fast_open.shun } else { Duration::ZERO };
        let attempt = match option {
            // Who is left alone is not asked in another way.
            _ if !shun.is_zero() => Attempt::None,
            Some(option) if unanswered && option.experimental => Attempt::Both,
            Some(_) if unanswered => Attempt::Plain,
            _ => Attempt::None,
        };
        if *sent > 0 && !all {
            *failure = Some(if again { FastOpenFailure::SynLost } else { FastOpenFailure::DataRefused });
        }
        let sent = *sent > 0;
        opening.taken = sent && all;
        cx.fast_open.cache.learn(cx.now, peer, Lesson { mss, cookie, lost, attempt, shun });
        if sent && all {
            cx.counters.fast_open_active += 1;
        } else if sent {
            cx.counters.fast_open_active_fail += 1;
            if self.recovery.on_refused(cx.now) > 0 {
                let range = self.snd.una..self.snd.nxt;
                cx.record(self.tuple, self.id, || Trace::Lost { range, why: LossReason::SynDataRefused });
            }
        }
    }

    /// The retransmission timer has run out: is it the path that swallows what opened fast? (`last`: no further attempt follows.)
    pub(super) fn suspect_path(&mut self, cx: &mut Context<'_>, last: bool) {
        let retries = self.snd.retries;
        let tried = self.fast_open().is_some_and(|opening| !opening.is_server());
        if tried && (retries == SWALLOWED || (retries < SWALLOWED && last)) {
            self.begin_pause(cx);
        }
    }

    fn begin_pause(&self, cx: &mut Context<'_>) {
        if cx.fast_open.pause.begin(cx.now) {
            cx.counters.fast_open_blackhole += 1;
        }
    }

    // ---- the server

    /// A listener takes the connection with its SYN: the text there is received, and our SYN-ACK, which is still to be sent,
    /// acknowledges it (RFC 7413 4.2.2). A FIN waits until it comes again.
    pub(crate) fn take_early(
        &mut self,
        cx: &mut Context<'_>,
        listener: ListenerKey,
        option: Option<FastOpen>,
        arrival: &Arrival<'_>,
    ) {
        let len = arrival.text_len();
        let limit = self.rcv.window.memory_limit();
        self.stats.segs_in += arrival.count();
        if len > 0 {
            let first = self.rcv.nxt();
            let inserted = self.rcv.queue.insert_pieces(first, (arrival.text, len), limit);
            self.stats.data_segs_in += arrival.count();
            self.stats.last_data_received = cx.now;
            // The window of our SYN-ACK begins behind the text.
            let mss = self.announced_mss().saturating_sub(timestamps_len(self.timestamps.is_some()));
            let shift = self.window_scale.map_or(0, |(ours, _)| ours);
            let offered = initial_window(&self.options, mss);
            self.rcv.window = ReceiveWindow::new(&self.options, shift, self.rcv.nxt(), offered, mss);
            if inserted.advanced > 0 {
                self.notify(Readiness::READABLE);
            }
        }
        let taken = len > 0 && self.rcv.nxt() > self.rcv.irs + 1;
        self.set_fast_open(FastOpening { option, side: Side::Server { listener }, taken });
    }

    /// Whether nothing was sent but a SYN-ACK that acknowledges text: what it could not offer, since its window is not scaled, is
    /// offered by the next segment, and until then there is enough for a first flight.
    pub(super) fn has_only_answered_syn(&self) -> bool {
        self.rare.is_some() && self.stats.segs_out == 1 && self.fast_open().is_some_and(FastOpening::is_server)
    }

    // ---- either

    /// The state has changed: a listener counts those in their handshake, and an end tells of the path.
    #[inline(never)]
    pub(super) fn on_fast_open_state(&mut self, cx: &mut Context<'_>, from: State, cause: Cause) {
        let Some(opening) = self.fast_open() else { return };
        match opening.side {
            Side::Server { listener } if from == State::SynReceived => {
                let reset = (cause == Cause::ResetPassive).then_some(cx.now);
                cx.fast_open.left.push((listener, reset));
            }
            Side::Client { .. } if self.is_over() => {
                let heard = self.stats.data_segs_in > 0 && self.bytes_received() > 0;
                // As Linux: all between SYN-ACK and FIN was swallowed.
                if !heard && self.rcv.fin_at.is_some() && !self.rcv.fin_received {
                    self.begin_pause(cx);
                } else if heard {
                    cx.fast_open.pause.forgive();
                }
            }
            _ => {}
        }
    }
}
