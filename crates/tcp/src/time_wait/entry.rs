//! One connection in TIME-WAIT, in 64 bytes: what a segment means for it (RFC 9293 3.10.7.4, RFC 1337, RFC 6191).

use core::cmp::Ordering;
use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader, TcpOptions, Timestamps};

use crate::FourTuple;
use crate::isn::timestamp;
use crate::packed::PackedTuple;
use crate::reason::DropReason;

/// Least time between two answers to segments other than the peer's FIN, as Linux `tcp_invalid_ratelimit`.
const ANSWER_INTERVAL_MS: u64 = 500;
/// Unit of the 8-bit time of the last answer. It wraps after 32 s; then, once in sixty times, an answer is left out.
const ANSWER_TICK_MS: u64 = 125;

/// What a connection leaves behind when it enters TIME-WAIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remains {
    /// Its number in the trace.
    pub id: u64,
    /// Its name.
    pub tuple: FourTuple,
    /// SND.NXT: beyond our FIN.
    pub snd_nxt: SeqNumber,
    /// RCV.NXT: beyond the peer's FIN.
    pub rcv_nxt: SeqNumber,
    /// The window field of its last segments, as on the wire.
    pub window: u16,
    /// Our offset and TS.Recent, where timestamps are in use.
    pub timestamps: Option<(u32, u32)>,
}

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Hash)]
pub struct TimeWaitEntry {
    expires: Instant,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    ts_recent: u32,
    /// With `ts_recent`, zero where no timestamps are in use; where they are, this is random.
    ts_offset: u32,
    tuple: PackedTuple,
    window: u16,
    /// When a segment was answered last, from 1 to 255; 0 for never.
    answered: u8,
}

/// What to do after a segment arrived for a connection in TIME-WAIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeWaitOutcome {
    /// The peer's FIN again: send [`TimeWaitEntry::ack`]; 2MSL begins anew.
    AckFin,
    /// Drop the segment, and send [`TimeWaitEntry::ack`].
    Answer(DropReason),
    /// Drop the segment.
    Drop(DropReason),
    /// A SYN of a new incarnation: the entry may go, and a listener have the SYN. Our number must be beyond this one:
    /// see [`IsnGenerator::begin_above`](crate::isn::IsnGenerator::begin_above). Where there is no listener, or it does not
    /// take the SYN, the entry stays.
    AcceptSyn(SeqNumber),
    /// A RST that cannot be old: the entry goes.
    Close,
}

impl TimeWaitEntry {
    pub(super) fn new(remains: &Remains, expires: Instant) -> Self {
        let Remains { id: _, ref tuple, snd_nxt, rcv_nxt, window, timestamps } = *remains;
        let (ts_offset, ts_recent) = timestamps.unwrap_or_default();
        Self { expires, snd_nxt, rcv_nxt, ts_recent, ts_offset, tuple: PackedTuple::new(tuple), window, answered: 0 }
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

    /// When 2MSL are over.
    #[must_use]
    pub const fn expires(&self) -> Instant {
        self.expires
    }

    pub(super) fn set_expires(&mut self, expires: Instant) {
        self.expires = expires;
    }

    /// SND.NXT: beyond our FIN.
    #[must_use]
    pub const fn snd_nxt(&self) -> SeqNumber {
        self.snd_nxt
    }

    /// RCV.NXT: beyond the peer's FIN.
    #[must_use]
    pub const fn rcv_nxt(&self) -> SeqNumber {
        self.rcv_nxt
    }

    /// Whether the connection used timestamps.
    #[must_use]
    pub const fn has_timestamps(&self) -> bool {
        self.ts_offset != 0 || self.ts_recent != 0
    }

    /// The acknowledgement that a segment is answered with.
    // RFC 9293 3.10.7.4: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
    #[must_use]
    pub fn ack(&self, now: Instant) -> TcpHeader {
        let timestamps =
            self.has_timestamps().then(|| Timestamps { value: timestamp(now, self.ts_offset), echo: self.ts_recent });
        TcpHeader {
            src_port: self.tuple.local_port(),
            dst_port: self.tuple.remote_port(),
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: TcpFlags::ACK,
            window: self.window,
            options: TcpOptions { timestamps, ..TcpOptions::default() },
            ..TcpHeader::default()
        }
    }

    /// What a segment with `len` bytes of text means. `timestamps`: whether a new connection would use them; `None`: nobody
    /// would take it.
    pub(super) fn on_segment(
        &mut self,
        now: Instant,
        header: &TcpHeader,
        len: u32,
        timestamps: Option<bool>,
    ) -> TimeWaitOutcome {
        use TimeWaitOutcome::{AcceptSyn, AckFin, Close, Drop};
        let flags = header.flags;
        let age = self.timestamp_age(header);
        if flags.contains(TcpFlags::RST) {
            // RFC 1337 3: a RST in TIME-WAIT is ignored, for it may be the answer of a closed peer to our answer to an
            // old duplicate. It is not if it has a timestamp that is newer than all others: no old duplicate provoked
            // it, and a peer that keeps the connection's timestamps is not closed (RFC 9293 3.10.7.4, second check).
            let genuine = header.seq == self.rcv_nxt && age == Some(Ordering::Greater);
            return if genuine { Close } else { Drop(DropReason::ResetIgnored) };
        }
        if flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK) {
            if timestamps.is_some_and(|timestamps| self.may_be_reused(header, age, timestamps)) {
                return AcceptSyn(self.snd_nxt);
            }
            // RFC 9293 3.10.7.4 and RFC 5961 4.2: other SYNs are challenged; the entry stays as it is (RFC 6191 2).
            return self.answer(now, DropReason::TimeWait);
        }
        if age == Some(Ordering::Less) {
            return self.answer(now, DropReason::Paws); // RFC 7323 5.3, RFC7323-5.3-1
        }
        if !flags.contains(TcpFlags::ACK) {
            return Drop(DropReason::NoAck);
        }
        let control = (flags & (TcpFlags::SYN | TcpFlags::FIN)).iter().count() as u32;
        let end = header.seq + len.wrapping_add(control);
        let is_fin = flags.contains(TcpFlags::FIN) && end == self.rcv_nxt;
        if is_fin {
            // RFC 9293 3.10.7.4, fifth and eighth check: our ACK was lost. Always answered: the peer waits for it.
            if let Some(times) = header.options.timestamps.filter(|_| self.has_timestamps()) {
                self.ts_recent = times.value;
            }
            return AckFin;
        }
        // An acknowledgement where one is expected needs no answer; two in TIME-WAIT would answer each other for ever.
        if header.seq == self.rcv_nxt && end == header.seq {
            // RFC 7323 5.3, R3: its time counts, for what may reopen (RFC 6191 2).
            if let Some(times) = header.options.timestamps.filter(|_| self.has_timestamps()) {
                self.ts_recent = times.value;
            }
            return Drop(DropReason::TimeWait);
        }
        self.answer(now, DropReason::OutOfWindow)
    }

    /// RFC 6191 2, and RFC 9293 3.6.1, MAY-2, SHLD-4: whether a SYN can be none of the connection that was.
    fn may_be_reused(&self, syn: &TcpHeader, age: Option<Ordering>, timestamps: bool) -> bool {
        let beyond = (syn.seq.0.wrapping_sub(self.rcv_nxt.0) as i32) >= 0; // RCV.NXT - 1 was the peer's FIN
        let new_has_timestamps = timestamps && syn.options.timestamps.is_some();
        match (self.has_timestamps(), new_has_timestamps) {
            (true, true) => age == Some(Ordering::Greater) || age == Some(Ordering::Equal) && beyond,
            (false, true) => true,
            (_, false) => beyond,
        }
    }

    /// Whether a SYN is beyond all that the connection has seen, by its number or by its timestamp.
    pub(crate) fn is_surpassed_by(&self, syn: &TcpHeader) -> bool {
        (syn.seq.0.wrapping_sub(self.rcv_nxt.0) as i32) > 0 || self.timestamp_age(syn) == Some(Ordering::Greater)
    }

    /// Whether a new active open may take over this four-tuple: with timestamps, so that none of ours is older than what the peer
    /// has seen, and more than `delay` after it was last used, if there is one. `time_wait` is 2MSL.
    #[must_use]
    pub fn may_connect(&self, now: Instant, time_wait: Duration, delay: Option<Duration>, timestamps: bool) -> bool {
        let since = now.since(self.expires - time_wait);
        self.has_timestamps() && timestamps && delay.is_none_or(|delay| since > delay)
    }

    /// TS.Recent: the newest timestamp of the peer's, zero where there were none.
    #[must_use]
    pub const fn ts_recent(&self) -> u32 {
        self.ts_recent
    }

    /// A segment's timestamp beside TS.Recent: less is older.
    fn timestamp_age(&self, header: &TcpHeader) -> Option<Ordering> {
        let times = header.options.timestamps.filter(|_| self.has_timestamps())?;
        Some((times.value.wrapping_sub(self.ts_recent) as i32).cmp(&0))
    }

    /// RFC 5961 7: answers are rationed, each connection for itself.
    fn answer(&mut self, now: Instant, why: DropReason) -> TimeWaitOutcome {
        let tick = now.as_millis() / ANSWER_TICK_MS % 255;
        let since = (tick + 256 - u64::from(self.answered)) % 255;
        if self.answered != 0 && since * ANSWER_TICK_MS < ANSWER_INTERVAL_MS {
            return TimeWaitOutcome::Drop(why);
        }
        self.answered = tick as u8 + 1;
        TimeWaitOutcome::Answer(why)
    }
}
