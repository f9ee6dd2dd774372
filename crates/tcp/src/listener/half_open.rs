//! A connection in SYN-RECEIVED after a passive open, in 96 bytes at most: what a segment means for it (RFC 9293 3.10.7.4).
//!
//! It completes nothing itself. When the handshake's last segment arrives it says so, and a full connection is made from
//! [`HalfOpen::negotiated`] and given that same segment, so that data, FIN and window on it are handled where they always
//! are. It must not know how many others there are, nor when it is retransmitted.

use core::hash::{Hash, Hasher};

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{Layout, Signature, TcpFlags, TcpHeader, TcpOptions};

use crate::ecn::receiver::Receiver;
use crate::ecn::{EcnAgreement, EcnMode, EcnOption, Mute};
use crate::negotiate::{Negotiated, initial_window, timestamps_len};
use crate::packed::PackedTuple;
use crate::reason::DropReason;
use crate::{FourTuple, ListenerKey, Options};

#[cfg(test)]
mod tests;

/// Unit of the 16-bit time of the last answer, so that it wraps after 17 minutes: longer than a half-open lives.
const ANSWER_TICK_MS: u64 = 16;
/// Least time between two challenges or other answers to unacceptable segments, in such units: half a second, as Linux
/// `tcp_invalid_ratelimit`.
const ANSWER_INTERVAL: u16 = 32;

/// Windows are not shifted: no shift is larger than 14.
const UNSCALED: u8 = 0xff;

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    struct Flags: u32 {
        /// Its SYN-ACK announces no MSS.
        const WITHOUT_MSS = 1;
        const TIMESTAMPS = 2;
        const SACK = 4;
        const CLASSIC_ECN = 8;
        /// The handshake's last segment has come, but the accept queue was full.
        const ACKNOWLEDGED = 16;
        /// An unacceptable segment has been answered, at the time `answered`.
        const ANSWERED = 32;
        /// Its options are written in FreeBSD's layout.
        const FREEBSD_LAYOUT = 64;
        /// Any RST in the window ends it.
        const TAKES_ANY_RESET = 32768;
        /// Timestamps may be missing although they were agreed on.
        const LAX_TIMESTAMPS = 65536;
        const ACCURATE_ECN = 128;
        /// The mark of the latest SYN: ECT(1), ECT(0), or both for CE.
        const ECT_1 = 256;
        const ECT_0 = 512;
        /// AccECN was agreed on, and then a SYN came without the flags.
        const MUTE_SYN = 1024;
        /// SYN-ACKs have AccECN's option.
        const ECN_OPTION = 2048;
        /// AccECN's SYN-ACKs have their flags however often they are sent.
        const ECN_PERSISTS = 4096;
        /// The SYN came again, so that the SYN-ACK has been sent more than once.
        const ASKED_AGAIN = 8192;
        /// The SYN asked for ECN as of RFC 3168, of a listener that has AccECN.
        const CLASSIC_SYN = 16384;
    }
}

impl Flags {
    /// The mark that is kept in two of them.
    fn mark(self) -> Ecn {
        match (self.contains(Self::ECT_1), self.contains(Self::ECT_0)) {
            (false, false) => Ecn::NotEct,
            (true, false) => Ecn::Ect1,
            (false, true) => Ecn::Ect0,
            (true, true) => Ecn::Ce,
        }
    }

    fn set_mark(&mut self, mark: Ecn) {
        self.set(Self::ECT_1, matches!(mark, Ecn::Ect1 | Ecn::Ce));
        self.set(Self::ECT_0, matches!(mark, Ecn::Ect0 | Ecn::Ce));
    }
}

/// A half-open connection.
#[derive(Clone)]
pub struct HalfOpen {
    id: u64,
    deadline: Instant,
    listener: ListenerKey,
    irs: SeqNumber,
    iss: SeqNumber,
    ts_recent: u32,
    ts_offset: u32,
    peer_mss: u16,
    our_mss: u16,
    window: u16,
    answered: u16,
    tuple: PackedTuple,
    /// Our shift in the upper half, theirs in the lower; or [`UNSCALED`].
    scales: u8,
    retries: u8,
    /// KeyID and RNextKeyID of its SYN (RFC 5925); zeros without.
    key_ids: [u8; 2],
    flags: Flags,
}

/// What to do after a segment arrived for a half-open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HalfOpenOutcome {
    /// The SYN again: send [`HalfOpen::syn_ack`] again.
    SynAck,
    /// An acceptable RST: forget it; the listener goes on listening.
    Forget,
    /// The SYN again, with another idea of ECN: forget it, and reset the peer.
    Abort,
    /// Drop the segment, and send [`HalfOpen::ack`].
    Answer(DropReason),
    /// An ACK of something we never sent: drop the segment and send a RST with this sequence number; the entry stays.
    Reset(SeqNumber),
    /// Drop the segment.
    Drop(DropReason),
    /// The handshake is complete: make the connection and give it this segment.
    Complete,
}

impl Hash for HalfOpen {
    /// All but its number in the trace.
    fn hash<H: Hasher>(&self, state: &mut H) {
        #[rustfmt::skip]
        let Self {
            id: _,
            deadline, listener, irs, iss, ts_recent, ts_offset, peer_mss, our_mss, window, answered, tuple, scales, retries,
            key_ids, flags,
        } = self;
        (deadline, listener, irs, iss, ts_recent, ts_offset, peer_mss, our_mss).hash(state);
        (window, answered, tuple, scales, retries, key_ids, flags).hash(state);
    }
}

impl HalfOpen {
    /// A half-open connection whose SYN-ACK is still to be sent. `id` is its number in the trace, `our_mss` what the
    /// SYN-ACK announces.
    #[must_use]
    pub fn new(
        id: u64,
        listener: ListenerKey,
        tuple: &FourTuple,
        negotiated: &Negotiated,
        our_mss: u16,
        options: &Options,
    ) -> Self {
        let Negotiated { iss, irs, peer_mss, window_scale, timestamps, sack, ecn } = *negotiated;
        let mut flags = Flags::empty();
        flags.set(Flags::TIMESTAMPS, timestamps.is_some());
        flags.set(Flags::SACK, sack);
        flags.set(Flags::CLASSIC_ECN, ecn.mode == EcnMode::Classic);
        flags.set(Flags::ACCURATE_ECN, ecn.mode == EcnMode::Accurate);
        flags.set(Flags::ECN_OPTION, ecn.mode == EcnMode::Accurate && options.ecn_option != EcnOption::Never);
        let chosen = ecn.mode == EcnMode::Classic && options.ecn_when_asked == EcnMode::Accurate;
        flags.set(Flags::CLASSIC_SYN, chosen);
        flags.set(Flags::ECN_PERSISTS, !options.ecn_fallback);
        flags.set_mark(ecn.mark);
        flags.set(Flags::FREEBSD_LAYOUT, options.layout == Layout::FreeBsd);
        flags.set(Flags::TAKES_ANY_RESET, !options.odd.challenge_resets);
        flags.set(Flags::LAX_TIMESTAMPS, options.lax_timestamps);
        flags.set(Flags::WITHOUT_MSS, !options.announce_mss);
        let (ts_offset, ts_recent) = timestamps.unwrap_or_default();
        Self {
            id,
            deadline: Instant::MAX,
            listener,
            irs,
            iss,
            ts_recent,
            ts_offset,
            peer_mss,
            our_mss,
            window: initial_window(options, our_mss.saturating_sub(timestamps_len(timestamps.is_some()))),
            answered: 0,
            tuple: PackedTuple::new(tuple),
            scales: window_scale.map_or(UNSCALED, |(ours, theirs)| ours << 4 | theirs & 15),
            retries: 0,
            key_ids: [0; 2],
            flags,
        }
    }

    /// Its SYN had this signature: its SYN-ACK is signed as that asks for.
    #[must_use]
    pub(crate) fn answering(mut self, signature: Option<&Signature>) -> Self {
        if let Some(Signature::Ao { key_id, next_key_id, .. }) = signature {
            self.key_ids = [*key_id, *next_key_id];
        }
        self
    }

    /// KeyID and RNextKeyID of its SYN.
    pub(crate) const fn key_ids(&self) -> (u8, u8) {
        let [key_id, next_key_id] = self.key_ids;
        (key_id, next_key_id)
    }

    /// Its number in the trace.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The listener that its SYN met.
    #[must_use]
    pub const fn listener(&self) -> ListenerKey {
        self.listener
    }

    /// Its name.
    #[must_use]
    pub fn tuple(&self) -> FourTuple {
        self.tuple.unpack()
    }

    /// Whether this is its name: for the endpoint's hash table.
    #[must_use]
    pub fn is(&self, tuple: &FourTuple) -> bool {
        self.tuple.is(tuple)
    }

    /// How often the SYN-ACK has been retransmitted because its timer ran out.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// When the SYN-ACK will be sent again, or the entry given up.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the peer has completed the handshake while the accept queue was full.
    #[must_use]
    pub const fn is_acknowledged(&self) -> bool {
        self.flags.contains(Flags::ACKNOWLEDGED)
    }

    /// The MSS that our SYN-ACK announces.
    #[must_use]
    pub const fn our_mss(&self) -> u16 {
        self.our_mss
    }

    /// The window that our SYN-ACK announces, in bytes.
    #[must_use]
    pub const fn window(&self) -> u16 {
        self.window
    }

    fn ecn(&self) -> EcnAgreement {
        let accurate = self.flags.contains(Flags::ACCURATE_ECN);
        let mode = match self.flags.contains(Flags::CLASSIC_ECN) {
            _ if accurate => EcnMode::Accurate,
            true => EcnMode::Classic,
            false => EcnMode::Off,
        };
        let mute = Mute { sent: accurate && self.is_mute(), received: self.flags.contains(Flags::MUTE_SYN) };
        EcnAgreement { mode, mark: self.flags.mark(), mute }
    }

    /// Whether the SYN-ACK has lost the flags of AccECN by now.
    // RFC 9768 3.2.3.2.2: they may be what is in the way, once it was sent without the option and has not arrived either.
    fn is_mute(&self) -> bool {
        self.retries > 1 && !self.flags.contains(Flags::ECN_PERSISTS)
    }

    /// The SYN again: what it says of ECN. False if it contradicts the first one.
    // RFC 9768 3.1.5, RFC9768-3.1.5-1, RFC9768-3.1.5-3, RFC9768-3.1.5-5: the mode stays, the mark to feed back is that of the latest SYN; and who asks for both kinds of feedback
    // cannot know which one it got.
    fn take_ecn_again(&mut self, header: &TcpHeader, mark: Ecn) -> bool {
        let asked = EcnMode::Accurate.answer(header.flags);
        self.flags.insert(Flags::ASKED_AGAIN);
        if self.flags.contains(Flags::ACCURATE_ECN) {
            self.flags.set_mark(mark);
            self.flags.set(Flags::MUTE_SYN, asked == EcnMode::Off || self.flags.contains(Flags::MUTE_SYN));
            return asked != EcnMode::Classic;
        }
        !self.flags.contains(Flags::CLASSIC_SYN) || asked != EcnMode::Accurate
    }

    /// What both sides have agreed on: all that a full connection needs.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        Negotiated {
            iss: self.iss,
            irs: self.irs,
            peer_mss: self.peer_mss,
            window_scale: (self.scales != UNSCALED).then_some((self.scales >> 4, self.scales & 15)),
            timestamps: self.flags.contains(Flags::TIMESTAMPS).then_some((self.ts_offset, self.ts_recent)),
            sack: self.flags.contains(Flags::SACK),
            ecn: self.ecn(),
        }
    }

    pub(crate) fn schedule(&mut self, retries: u8, deadline: Instant) {
        self.retries = retries;
        self.deadline = deadline;
    }

    /// The SYN-ACK, as it is sent now.
    // RFC 9293 3.10.7.2: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>
    #[must_use]
    pub fn syn_ack(&self, now: Instant) -> TcpHeader {
        let freebsd = self.flags.contains(Flags::FREEBSD_LAYOUT);
        let layout = if freebsd { Layout::FreeBsd } else { Layout::Linux };
        let mss = (!self.flags.contains(Flags::WITHOUT_MSS)).then_some(self.our_mss);
        let mut header = syn_ack(now, &self.tuple.unpack(), &self.negotiated(), (mss, self.window), layout);
        // RFC 9768 3.2.3.2.1, RFC9768-3.2.3.2.1-2; 3.2.3.2.2, RFC9768-3.2.3.2.2-1: the first one tests whether the option gets through, the others must get through.
        let first = self.retries == 0 && !self.flags.contains(Flags::ASKED_AGAIN);
        if first && self.flags.contains(Flags::ECN_OPTION) {
            header.options.acc_ecn = Some(Receiver::first_option());
            header.options.fit_acc_ecn(0);
        }
        header
    }

    /// The acknowledgement that answers an unacceptable segment.
    // RFC 9293 3.10.7.4: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. RFC 7323 2.2: its window is scaled already.
    #[must_use]
    pub fn ack(&self, now: Instant) -> TcpHeader {
        let negotiated = self.negotiated();
        let shift = negotiated.window_scale.map_or(0, |(ours, _)| ours);
        TcpHeader {
            src_port: self.tuple.local_port(),
            dst_port: self.tuple.remote_port(),
            seq: self.iss + 1,
            ack: self.irs + 1,
            flags: TcpFlags::ACK,
            window: self.window >> shift,
            options: TcpOptions { timestamps: negotiated.timestamps_option(now), ..TcpOptions::default() },
            ..TcpHeader::default()
        }
    }

    /// What a segment with `len` bytes of text and this mark means. `accept_queue_full` is about the listener, for the last
    /// ACK.
    pub fn on_segment(
        &mut self,
        now: Instant,
        header: &TcpHeader,
        (len, mark): (u32, Ecn),
        accept_queue_full: bool,
    ) -> HalfOpenOutcome {
        use HalfOpenOutcome::{Abort, Complete, Drop, Forget, Reset, SynAck};
        let flags = header.flags;
        let old_timestamp = self.has_old_timestamp(header);

        // RFC 9293 3.8.1: the SYN retransmitted, because our SYN-ACK was lost. Not acceptable by its number, but an ACK
        // of it alone would not help a peer in SYN-SENT. RFC 9293 3.10.7.4, MUST-10: it is the same attempt.
        let is_syn = flags.contains(TcpFlags::SYN) && !flags.intersects(TcpFlags::ACK | TcpFlags::RST);
        if is_syn && header.seq == self.irs && !old_timestamp {
            self.update_ts_recent(header);
            return if self.take_ecn_again(header, mark) { SynAck } else { Abort };
        }

        // First: the sequence number. RFC 7323 5.3, R1: so does an old timestamp make a segment unacceptable.
        let offset = header.seq.0.wrapping_sub(self.irs.0.wrapping_add(1));
        if old_timestamp || !self.is_acceptable(header, len) {
            return match flags.contains(TcpFlags::RST) {
                true => Drop(DropReason::ResetIgnored),
                false => self.answer(now, if old_timestamp { DropReason::Paws } else { DropReason::OutOfWindow }),
            };
        }
        // Second: RST. RFC 5961 3.2: only at the exact number.
        if flags.contains(TcpFlags::RST) {
            let counts = offset == 0 || self.flags.contains(Flags::TAKES_ANY_RESET);
            return if counts { Forget } else { self.answer(now, DropReason::ResetChallenged) };
        }
        // Fourth: SYN. RFC 9293 would return to LISTEN; RFC 5961 4.2 challenges, lest a blind SYN end a handshake. A peer
        // that has started anew answers the challenge with a RST at the exact number, and its next SYN is welcome.
        if flags.contains(TcpFlags::SYN) {
            return self.answer(now, DropReason::SynChallenged);
        }
        // Fifth: ACK.
        if !flags.contains(TcpFlags::ACK) {
            return Drop(DropReason::NoAck);
        }
        if header.ack != self.iss + 1 {
            return Reset(header.ack);
        }
        let has_none = self.flags.contains(Flags::TIMESTAMPS) && header.options.timestamps.is_none();
        if has_none && !self.flags.contains(Flags::LAX_TIMESTAMPS) {
            // RFC 7323 3.2: once agreed on, a segment without timestamps is dropped silently.
            return Drop(DropReason::Paws);
        }
        if accept_queue_full {
            // As Linux without tcp_abort_on_overflow: the peer believes itself connected, and our SYN-ACK, sent again,
            // will make it acknowledge once more when there may be room.
            self.flags.insert(Flags::ACKNOWLEDGED);
            return Drop(DropReason::ListenOverflow);
        }
        Complete
    }

    // RFC 9293 3.10.7.4, table 6, with RCV.NXT = IRS+1 and the window that the SYN-ACK announced.
    fn is_acceptable(&self, header: &TcpHeader, text: u32) -> bool {
        let control = header.flags & (TcpFlags::SYN | TcpFlags::FIN);
        let len = text.saturating_add(control.iter().count() as u32);
        let first = header.seq.0.wrapping_sub(self.irs.0.wrapping_add(1));
        let last = first.wrapping_add(len.saturating_sub(1));
        let window = u32::from(self.window);
        match (len, window) {
            (0, 0) => first == 0,
            // What is empty ends where it begins, and nothing lies in a closed window.
            _ => first < window || last < window,
        }
    }

    /// RFC 7323 5.3, R1. A RST is not subject to it.
    fn has_old_timestamp(&self, header: &TcpHeader) -> bool {
        self.flags.contains(Flags::TIMESTAMPS)
            && !header.flags.contains(TcpFlags::RST)
            && header.options.timestamps.is_some_and(|t| (t.value.wrapping_sub(self.ts_recent) as i32) < 0)
    }

    fn update_ts_recent(&mut self, header: &TcpHeader) {
        if let (true, Some(times)) = (self.flags.contains(Flags::TIMESTAMPS), header.options.timestamps) {
            self.ts_recent = times.value;
        }
    }

    /// RFC 5961 7: answers are rationed, each half-open connection for itself, so that one tells nothing about another.
    fn answer(&mut self, now: Instant, why: DropReason) -> HalfOpenOutcome {
        let tick = (now.as_millis() / ANSWER_TICK_MS) as u16;
        if self.flags.contains(Flags::ANSWERED) && tick.wrapping_sub(self.answered) < ANSWER_INTERVAL {
            return HalfOpenOutcome::Drop(why);
        }
        self.flags.insert(Flags::ANSWERED);
        self.answered = tick;
        HalfOpenOutcome::Answer(why)
    }
}

/// A SYN-ACK for what has been negotiated.
pub(super) fn syn_ack(
    now: Instant,
    tuple: &FourTuple,
    negotiated: &Negotiated,
    (our_mss, window): (Option<u16>, u16),
    layout: Layout,
) -> TcpHeader {
    let ecn = if negotiated.ecn.mute.sent { TcpFlags::empty() } else { negotiated.ecn.flags() };
    TcpHeader {
        src_port: tuple.local.port(),
        dst_port: tuple.remote.port(),
        seq: negotiated.iss,
        ack: negotiated.irs + 1,
        flags: TcpFlags::SYN | TcpFlags::ACK | ecn,
        window,
        urgent: 0,
        options: negotiated.syn_ack_options(now, our_mss, layout),
    }
}
