//! What a connection does about ECN: marks that arrive are counted and told, marks that the peer tells of reduce the window,
//! and what leaves is marked as capable (RFC 3168 6.1; RFC 9768 3.2; RFC 9293 3.8.2, SHLD-8).
//!
//! | room | decides |
//! |---|---|
//! | here | what is remembered, when a path is not to be trusted with marks, and what reduces the window |
//! | [`handshake`] | what SYNs and SYN-ACKs say and tell |
//! | [`arrives`] | what later segments bring: marks, and what the peer tells of them |
//! | [`send`] | what later segments say |
//! | [`describe`] | what people get to know |
//!
//! What counters and flags say is for [`crate::ecn`]. A connection without ECN has none of this.

mod arrives;
mod describe;
mod handshake;
mod send;

use bowline_base::Position;
use bowline_wire::Ecn;

use super::context::Context;
use super::tcb::Tcb;
use crate::congestion::{Congestion, Controller};
use crate::ecn::receiver::Receiver;
use crate::ecn::sender::{OptionSeen, Sender};
use crate::ecn::{EcnAgreement, EcnMode, EcnOption};
use crate::recovery::AckOutcome;

/// What a connection with ECN remembers.
#[derive(Clone, Hash, Debug)]
pub(crate) struct EcnState {
    /// What the peer tells of marks up to here belongs to the reduction that was made (RFC 3168 6.1.2).
    until: Position,
    feedback: Feedback,
}

#[derive(Clone, Hash, Debug)]
enum Feedback {
    Classic(Classic),
    Accurate(Accurate),
}

/// RFC 3168.
#[derive(Clone, Hash, Debug, Default)]
struct Classic {
    /// The peer's network marked a packet, and the peer has not said CWR since.
    echo: bool,
    /// A congestion echo was acted on; say so once.
    reduced: bool,
    /// Segments that were acknowledged together with an echo.
    delivered_ce: u32,
}

/// RFC 9768.
#[derive(Clone, Hash, Debug)]
struct Accurate {
    receiver: Receiver,
    sender: Sender,
    /// The mark of the peer's SYN-ACK, which the next pure acknowledgement tells.
    reflects: Option<Ecn>,
    /// The mark of the peer's latest SYN, for our SYN-ACK.
    syn_mark: Ecn,
    /// The acknowledgement at hand tells of our SYN-ACK's mark: its flags are no counter.
    is_reflection: bool,
    /// Whether the flags of a segment behind the handshake have been seen.
    heard: bool,
    /// The newest timestamp of those whose feedback was taken.
    newest: Option<u32>,
    /// Where the duplicate began that was reported by a segment which also had an option.
    told_twice: Option<Position>,
    /// Data segments sent when everything was last acknowledged.
    settled: u64,
    failures: Failures,
}

bitflags::bitflags! {
    /// What has been found wrong with the path. The first four are Linux's `tcpi_accecn_fail_mode`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub(crate) struct Failures: u8 {
        /// A SYN-ACK went out without the flags.
        const FLAGS_SENT = 1;
        /// The flags came changed or cleared.
        const FLAGS_RECEIVED = 2;
        /// Segments with our options do not arrive.
        const OPTION_SENT = 4;
        /// The peer's options come changed.
        const OPTION_RECEIVED = 8;
        /// What the peer tells of marks is not to be acted on.
        const FEEDBACK = 16;
    }
}

impl EcnState {
    /// As the handshake has agreed on; `None` without ECN. `ours`: the first position that we have sent.
    pub(crate) fn new(agreed: &EcnAgreement, ours: Position, passive: bool) -> Option<Self> {
        let feedback = match agreed.mode {
            EcnMode::Off => return None,
            EcnMode::Classic => Feedback::Classic(Classic::default()),
            EcnMode::Accurate => Feedback::Accurate(Accurate::new(agreed, passive)),
        };
        Some(Self { until: ours, feedback })
    }

    const fn mode(&self) -> EcnMode {
        match self.feedback {
            Feedback::Classic(_) => EcnMode::Classic,
            Feedback::Accurate(_) => EcnMode::Accurate,
        }
    }
}

impl Accurate {
    fn new(agreed: &EcnAgreement, passive: bool) -> Self {
        let mut failures = Failures::empty();
        failures.set(Failures::FLAGS_SENT, agreed.mute.sent);
        failures.set(Failures::FLAGS_RECEIVED, agreed.mute.received);
        // RFC 9768 3.2.2.2, RFC9768-3.2.2.2-3: CE counts on a SYN-ACK, and not on a SYN.
        let counts = !passive && agreed.mark == Ecn::Ce;
        Self {
            receiver: Receiver::new(agreed.mark, counts),
            sender: Sender::default(),
            reflects: (!passive).then_some(agreed.mark),
            syn_mark: agreed.mark,
            is_reflection: false,
            heard: false,
            newest: None,
            told_twice: None,
            settled: 0,
            failures,
        }
    }

    /// Whether segments are to be marked as capable.
    // RFC 9768 3.1.5, RFC9768-3.1.5-6: never where the handshake had a segment without flags; 3.2.2.3, 3.2.2.4 and
    // 3.2.3.2.5: not on a path that changes marks or flags.
    fn is_capable(&self) -> bool {
        !self.failures.intersects(Failures::FLAGS_SENT | Failures::FLAGS_RECEIVED)
    }

    /// Whether the peer's options have come through, and ours are not known to be lost: then segments have room for one.
    fn sends_options(&self, policy: EcnOption) -> bool {
        let lost = self.failures.contains(Failures::OPTION_SENT) && policy != EcnOption::Persistently;
        policy != EcnOption::Never && self.sender.seen() != OptionSeen::Never && !lost
    }

    /// RFC 9768 3.2.2.4: flags that are all zero behind the handshake were cleared on the way, or come from a peer without
    /// AccECN: no counter begins like that.
    fn hear(&mut self, ace: u8, verify: bool) {
        if !self.heard && verify && ace == 0 {
            self.failures |= Failures::FLAGS_RECEIVED | Failures::FEEDBACK;
        }
        self.heard = true;
    }
}

impl Tcb {
    /// The kind of feedback that was agreed on.
    pub(crate) fn ecn_mode(&self) -> EcnMode {
        self.ecn.as_ref().map_or(EcnMode::Off, |ecn| ecn.mode())
    }

    fn accurate(&self) -> Option<&Accurate> {
        match &self.ecn.as_ref()?.feedback {
            Feedback::Accurate(accurate) => Some(accurate),
            Feedback::Classic(_) => None,
        }
    }

    fn accurate_mut(&mut self) -> Option<&mut Accurate> {
        match &mut self.ecn.as_mut()?.feedback {
            Feedback::Accurate(accurate) => Some(accurate),
            Feedback::Classic(_) => None,
        }
    }

    /// The bytes that an AccECN option takes of each segment: none where there is none.
    pub(crate) fn ecn_option_len(&self) -> u16 {
        if self.accurate().is_some_and(|accurate| accurate.sends_options(self.options.ecn_option)) { 12 } else { 0 }
    }

    /// Segments have room for an option, or do not need it any more.
    fn make_room_for_option(&mut self) {
        if self.fitting_mss() != self.snd.mss {
            self.update_mss();
        }
    }

    /// What the first options of the peer change.
    fn after_option(&mut self, before: OptionSeen) {
        let Some(accurate) = self.accurate_mut() else { return };
        let seen = accurate.sender.seen();
        if seen == before {
            return;
        }
        if seen == OptionSeen::Unusable {
            accurate.failures |= Failures::OPTION_RECEIVED;
        }
        accurate.receiver.owe_option();
        self.make_room_for_option();
    }

    /// The peer's echo says for the first time in a round trip that something was marked. As the options say, the window falls
    /// with the ACKs, and from all that was in use.
    fn reduce_for_echo(&mut self, cx: &mut Context<'_>, outcome: &AckOutcome) {
        let flight = outcome.flight_size;
        if self.options.reduce_by_acks {
            self.recovery.reduce_by_acks(self.congestion.cwnd(), outcome);
        }
        self.reduce_for_ecn(cx, if self.options.reduce_window { self.used_window(flight) } else { flight });
    }

    /// RFC 3168 6.1.2; RFC 9768 3.1.5, RFC9768-3.1.5-8, RFC9768-3.1.5-9: marks count like a loss, once a round trip, and only
    /// the ECN of RFC 3168 says so to the peer.
    fn reduce_for_ecn(&mut self, cx: &mut Context<'_>, flight: u64) {
        let used = self.validated_part(cx.now, flight, flight);
        self.congestion.on_congestion_event(cx.now, used, Congestion::Ecn);
        self.reduce_unvalidated(cx.now, used, false);
        self.note_reduced();
        self.record_congestion(cx);
    }

    /// RFC 3168 6.1.2: whatever the congestion window was reduced for, the next new text tells the peer, and a mark on what
    /// was in flight by then is not another reason.
    pub(in crate::connection) fn note_reduced(&mut self) {
        if let Some(ecn) = &mut self.ecn {
            ecn.until = self.snd.nxt;
            if let Feedback::Classic(classic) = &mut ecn.feedback {
                classic.reduced = true;
            }
        }
    }
}
