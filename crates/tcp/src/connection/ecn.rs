//! What a connection does about ECN: marks that arrive are counted and told, marks that the peer tells of reduce the window,
//! and what leaves is marked as capable (RFC 3168 6.1; RFC 9768 3.2; RFC 9293 3.8.2, SHLD-8).
//!
//! It decides when a path is not to be trusted with marks. What counters and flags say is for [`crate::ecn`]. A connection
//! without ECN has none of this.

use bowline_base::{Instant, Position};
use bowline_wire::Ecn;
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::arrives::Segment;
use super::context::Context;
use super::tcb::Tcb;
use crate::congestion::{Congestion, Controller};
use crate::ecn::receiver::Receiver;
use crate::ecn::sender::{Covered, OptionSeen, Sender};
use crate::ecn::{EcnAgreement, EcnMode, EcnOption, ace, flags, may_become, reflect, reflected};
use crate::info::AccurateEcn;
use crate::reason::SendReason;
use crate::recovery::{AckOutcome, Phase};
use crate::state::State;

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
    // RFC 9768 3.1.5, RFC9768-3.1.5-6: never where the handshake had a segment without flags; 3.2.2.3, 3.2.2.4 and 3.2.3.2.5: not on a path
    // that changes marks or flags.
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

    /// Whether the acknowledgement is news: what it tells has not been superseded by a later one (RFC 9768
    /// 3.2.2.2, RFC9768-3.2.2.2-2; A.1).
    fn is_news(&mut self, segment: &Segment<'_>, outcome: &AckOutcome) -> bool {
        let value = segment.header.options.timestamps.map(|times| times.value);
        let newer = value.zip(self.newest).is_some_and(|(value, newest)| value.wrapping_sub(newest).cast_signed() > 0);
        let news = newer || outcome.newly_acked > 0 || outcome.newly_sacked > 0;
        if news || self.newest.is_none() {
            self.newest = value;
        }
        news
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

    // ---- arrivals

    /// The SYN-ACK of an active open: what it says of our SYN's mark, and whether its options come through.
    // RFC 9768 3.2.2.3: a mark that our SYN cannot have got means that the path changes marks. 3.2.2.2: CE is acted on, but
    // is no part of the counter.
    pub(super) fn take_syn_ack_feedback(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (verify, cwnd) = (self.options.ecn_fallback, self.congestion.cwnd());
        let Some(accurate) = self.accurate_mut() else { return };
        let mark = reflected(ace(segment.header.flags));
        if verify && mark.is_some_and(|mark| !may_become(Ecn::NotEct, mark)) {
            accurate.failures |= Failures::FLAGS_RECEIVED;
        }
        if let Some(option) = &segment.header.options.acc_ecn {
            accurate.sender.see(option);
        }
        self.make_room_for_option();
        if mark == Some(Ecn::Ce) {
            self.reduce_for_ecn(cx, cwnd);
        }
    }

    /// The acknowledgement that ends a passive open: what it says of our SYN-ACK's mark.
    // RFC 9768 3.2.2.1, RFC9768-3.2.2.1-4, table 4: only a pure one, without SACK, says so; all others have the counter already.
    pub(super) fn take_handshake_feedback(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (verify, cwnd) = (self.options.ecn_fallback, self.congestion.cwnd());
        let Some(accurate) = self.accurate_mut() else { return };
        let seen = ace(segment.header.flags);
        accurate.hear(seen, true);
        let before = accurate.sender.seen();
        if let Some(option) = &segment.header.options.acc_ecn {
            accurate.sender.see(option);
        }
        self.after_option(before);
        let Some(accurate) = self.accurate_mut() else { return };
        if segment.len() > 0 || !segment.header.options.sack.is_empty() {
            return;
        }
        accurate.is_reflection = true;
        let mark = reflected(seen);
        if verify && mark.is_some_and(|mark| !may_become(Ecn::NotEct, mark)) {
            accurate.failures |= Failures::FLAGS_RECEIVED;
        }
        if mark == Some(Ecn::Ce) {
            accurate.sender.on_syn_ack_marked();
            self.reduce_for_ecn(cx, cwnd);
        }
    }

    /// A segment that is no SYN has passed the checks, or repeats what we have just acknowledged: its mark.
    pub(super) fn take_mark(&mut self, segment: &Segment<'_>) {
        let waiting = self.rcv.acks.is_waiting();
        let sack = self.sack;
        let Some(ecn) = &mut self.ecn else { return };
        match &mut ecn.feedback {
            // RFC 3168 6.1.3: echo a mark until the peer says that it has reduced its window. That may have left it with a
            // single segment, so that its text is acknowledged at once (as Linux and FreeBSD do).
            Feedback::Classic(classic) => {
                if segment.has(TcpFlags::CWR) {
                    classic.echo = false;
                    if segment.text_len() > 0 {
                        self.rcv.acks.on_immediate(SendReason::Ack);
                    }
                }
                if segment.mark == Ecn::Ce && !classic.echo {
                    classic.echo = true;
                    self.rcv.acks.on_immediate(SendReason::Ack);
                }
            }
            Feedback::Accurate(accurate) => {
                let text = segment.text_len() as u64;
                let changed = accurate.receiver.on_packets(segment.mark, segment.count, text);
                // RFC 9768 3.2.2.5.1, RFC9768-3.2.2.5.1-1, RFC9768-3.2.2.5.1-2: a change is told at once where there is
                // data to acknowledge, and so are several marks. An acknowledgement of acknowledgements must not look like a duplicate: only SACK tells them apart.
                let due = accurate.receiver.is_due(waiting || text > 0) && (text > 0 || sack);
                if (changed && text > 0) || due {
                    self.rcv.acks.on_immediate(SendReason::Ack);
                }
            }
        }
    }

    /// Text arrived that we have acknowledged before. Its mark counts where the last acknowledgement was of its end: that may
    /// have been lost, as on Linux. And if we have reported it as a duplicate before, together with an option, it is the
    /// option that does not get through (RFC 9768 3.2.3.2.2, RFC9768-3.2.3.2.2-2).
    pub(super) fn take_repeated_mark(&mut self, segment: &Segment<'_>) {
        let is_last = segment.end >= self.rcv.last_ack;
        let Some(accurate) = self.accurate_mut() else { return };
        if is_last {
            accurate.receiver.on_packets(segment.mark, segment.count, segment.text_len() as u64);
        }
        if accurate.told_twice == Some(segment.seq) {
            accurate.failures |= Failures::OPTION_SENT;
            self.make_room_for_option();
        }
    }

    /// A segment was challenged. If it is our peer's SYN-ACK once more, the challenge tells of its mark (RFC 9768
    /// 3.2.2.1, RFC9768-3.2.2.1-2),
    /// unless none is left to be sent.
    pub(super) fn take_syn_ack_again(&mut self, segment: &Segment<'_>) {
        let is_syn_ack = segment.has(TcpFlags::SYN) && segment.has(TcpFlags::ACK) && !self.passive;
        let answered = self.rcv.acks.pending().is_some();
        if let Some(accurate) = self.accurate_mut().filter(|_| is_syn_ack && answered) {
            accurate.reflects = Some(segment.mark);
        }
    }

    /// The peer's SYN has crossed ours: its mark is told by our SYN-ACK, and counts nowhere.
    pub(super) fn take_crossing_syn(&mut self, mark: Ecn) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.receiver = Receiver::new(mark, false);
            accurate.reflects = None;
        }
    }

    /// The SYN-ACK that follows a crossing SYN: its mark is told, and counts.
    pub(super) fn take_crossing_syn_ack(&mut self, mark: Ecn) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.receiver.on_packets(mark, 1, 0);
            accurate.reflects = Some(mark);
        }
    }

    /// The SYN came again before the handshake was over (RFC 9768 3.1.5, RFC9768-3.1.5-5): its mark is the one to tell, and without flags it
    /// says that the peer may not know of AccECN.
    pub(super) fn take_syn_mark(&mut self, segment: &Segment<'_>) {
        if let Some(accurate) = self.accurate_mut() {
            accurate.syn_mark = segment.mark;
            accurate.failures.set(
                Failures::FLAGS_RECEIVED,
                accurate.failures.contains(Failures::FLAGS_RECEIVED) || ace(segment.header.flags) == 0,
            );
        }
    }

    /// What an acknowledgement tells of marks on what we have sent.
    pub(super) fn take_ecn_feedback(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>, outcome: &AckOutcome) {
        let mss = u64::from(self.snd.mss);
        let covered = Covered { bytes: outcome.delivered, segments: outcome.delivered.div_ceil(mss) };
        let Some(ecn) = &mut self.ecn else { return };
        let is_marked = match &mut ecn.feedback {
            Feedback::Classic(classic) => {
                let echo = segment.has(TcpFlags::ECE);
                if echo {
                    classic.delivered_ce = classic.delivered_ce.wrapping_add(covered.segments as u32);
                }
                echo
            }
            Feedback::Accurate(_) => self.take_counters(segment, outcome, covered),
        };
        if is_marked && outcome.flight_size > 0 && self.recovery.phase() != Phase::FastRecovery {
            let until = self.ecn.as_ref().map_or(segment.ack, |ecn| ecn.until);
            if segment.ack > until {
                self.reduce_for_ecn(cx, outcome.flight_size);
            }
        }
    }

    /// AccECN's counters on an acknowledgement; returns whether there are marks to act on.
    fn take_counters(&mut self, segment: &Segment<'_>, outcome: &AckOutcome, covered: Covered) -> bool {
        let (sent, data_segs, idle) = (self.stats.bytes_sent, self.stats.data_segs_out, self.recovery.is_idle());
        let (verify, mss) = (self.options.ecn_fallback, u64::from(self.snd.mss));
        let Some(accurate) = self.accurate_mut() else { return false };
        let option = segment.header.options.acc_ecn.as_ref();
        let before = accurate.sender.seen();
        accurate.sender.on_bytes_sent(sent);
        let news = accurate.is_news(segment, outcome);
        if !core::mem::take(&mut accurate.is_reflection) && news {
            let seen = ace(segment.header.flags);
            accurate.hear(seen, verify);
            let marks = accurate.sender.on_ack(seen, option, covered);
            // RFC 9768 3.2.3.2.5, RFC9768-3.2.3.2.5-2: bytes with CE, but no packet, though the flags cannot have wrapped: the feedback is mangled.
            // Where an option was left out before, packets may have been told of already: they are of some size.
            let packets = u64::from(accurate.sender.ce_packets());
            let unexplained = accurate.sender.bytes(Ecn::Ce) > packets * 2 * mss;
            let told = marks.packets == 0 && marks.bytes.is_some_and(|bytes| bytes > 0);
            if told && unexplained && data_segs - accurate.settled < 8 {
                accurate.failures |= Failures::FLAGS_RECEIVED;
            }
            if idle {
                accurate.settled = data_segs;
            }
            let acts = marks.packets > 0 && !accurate.failures.contains(Failures::FEEDBACK);
            self.after_option(before);
            return acts;
        }
        self.after_option(before);
        false
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

    /// RFC 3168 6.1.2; RFC 9768 3.1.5, RFC9768-3.1.5-8, RFC9768-3.1.5-9: marks count like a loss, once a round trip, and only
    /// the ECN of RFC 3168 says so to the peer.
    fn reduce_for_ecn(&mut self, cx: &mut Context<'_>, flight: u64) {
        self.congestion.on_congestion_event(cx.now, flight, Congestion::Ecn);
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

    // ---- departures

    /// Whether a pure acknowledgement must tell of the SYN-ACK's mark before anything else goes out (RFC 9768
    /// 3.2.2.1, RFC9768-3.2.2.1-3).
    #[inline]
    pub(super) fn owes_reflection(&self) -> bool {
        self.ecn.is_some() && self.accurate().is_some_and(|accurate| accurate.reflects.is_some())
    }

    /// Whether segments must leave one by one: devices and stacks that cut a super-segment clear CWR in all but the first
    /// (RFC 3168 6.1.2), which is a bit of AccECN's counter (RFC 9768 3.3.4).
    #[inline]
    pub(super) fn sends_singly(&self) -> bool {
        self.ecn.is_some()
            && self.accurate().is_some_and(|accurate| flags(accurate.receiver.ace()).contains(TcpFlags::CWR))
    }

    /// The option of a SYN-ACK that a connection sends itself (RFC 9768 3.2.3.2.1, RFC9768-3.2.3.2.1-2): on the first one only, since it may be the
    /// option that is in the way.
    pub(super) fn add_syn_ack_option(&self, header: &mut TcpHeader, again: bool) {
        if self.accurate().is_some() && !again && self.options.ecn_option != EcnOption::Never {
            header.options.acc_ecn = Some(Receiver::first_option());
            header.options.fit_acc_ecn(0);
        }
    }

    /// The option of another segment, if it is to have one and has the room. `twice`: where a duplicate begins that the
    /// segment reports.
    pub(super) fn add_option(&mut self, now: Instant, header: &mut TcpHeader, twice: Option<Position>) {
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

    /// The flags of a SYN or SYN-ACK of ours.
    pub(super) fn mark_syn(&mut self, header: &mut TcpHeader) {
        let retries = self.snd.retries;
        if self.state == State::SynSent {
            // RFC 3168 6.1.1.1; RFC 9768 3.1.4.1, RFC9768-3.1.4.1-1: AccECN is asked for once more before it is given up,
            // and nothing else in its place (3.1.5, RFC9768-3.1.5-2).
            let least = if self.options.ecn == EcnMode::Accurate { 1 } else { 0 };
            if retries <= self.options.ecn_retries.max(least) {
                header.flags |= self.options.ecn.request();
            }
            return;
        }
        let Some(ecn) = &mut self.ecn else { return };
        let Feedback::Accurate(accurate) = &mut ecn.feedback else {
            header.flags |= TcpFlags::ECE;
            return;
        };
        // RFC 9768 3.2.3.2.2, RFC9768-3.2.3.2.2-1: the second retransmission does without.
        if retries > 1 && self.options.ecn_fallback {
            accurate.failures |= Failures::FLAGS_SENT;
        } else {
            header.flags |= flags(reflect(accurate.syn_mark));
        }
    }

    /// The flags of a segment that is no SYN, and whether it is marked as capable: `text` that leaves for the first time is;
    /// with AccECN everything is, as on Linux, but acknowledgements of acknowledgements need SACK to be told from duplicates.
    pub(super) fn mark_segment(&mut self, header: &mut TcpHeader, text: bool, again: bool) -> Ecn {
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
    pub(super) fn reset_flags(&self) -> TcpFlags {
        self.accurate().map_or(TcpFlags::empty(), |accurate| flags(accurate.receiver.ace()))
    }

    // ---- people

    /// Whether the window was reduced for marks, and what was sent until then is not acknowledged yet.
    pub(super) fn is_reduced_by_ecn(&self) -> bool {
        self.snd.syn_acknowledged() && self.ecn.as_ref().is_some_and(|ecn| self.snd.una <= ecn.until)
    }

    /// CE marks that the peer has told of: packets, or with RFC 3168 segments acknowledged with an echo.
    pub(super) fn delivered_ce(&self) -> u64 {
        match self.ecn.as_ref().map(|ecn| &ecn.feedback) {
            None => 0,
            Some(Feedback::Classic(classic)) => classic.delivered_ce.into(),
            Some(Feedback::Accurate(accurate)) => accurate.sender.ce_packets().into(),
        }
    }

    /// AccECN's counters.
    pub(super) fn describe_ecn(&self) -> Option<AccurateEcn> {
        let accurate = self.accurate()?;
        let marks = [Ecn::Ect0, Ecn::Ect1, Ecn::Ce];
        Some(AccurateEcn {
            received_ce: accurate.receiver.ce_packets().into(),
            received: marks.map(|mark| accurate.receiver.bytes(mark)).into(),
            delivered: marks.map(|mark| accurate.sender.bytes(mark)).into(),
            option_seen: accurate.sender.seen(),
            failures: accurate.failures.bits(),
            capable: accurate.is_capable(),
        })
    }
}
