//! A connection in SYN-RECEIVED after a passive open, in 96 bytes at most: what it was agreed on, what it answers with, and what
//! a segment means (`arrives`) for it (RFC 9293 3.10.7.4).
//!
//! It completes nothing itself. When the handshake's last segment arrives it says so, and a full connection is made from
//! [`HalfOpen::negotiated`] and given that same segment, so that data, FIN and window on it are handled where they always
//! are. It must not know how many others there are, nor when it is retransmitted.

use core::hash::{Hash, Hasher};

use bowline_base::Instant;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{Layout, Signature, TcpFlags, TcpHeader, TcpOptions};

use self::flags::Flags;
use crate::ecn::receiver::Receiver;
use crate::ecn::{EcnAgreement, EcnMode, Mute};
use crate::negotiate::{Negotiated, initial_window, timestamps_len};
use crate::packed::PackedTuple;
use crate::{FourTuple, ListenerKey, Options};

mod arrives;
mod flags;
#[cfg(test)]
mod tests;

pub use arrives::HalfOpenOutcome;

/// Windows are not shifted: no shift is larger than 14.
const UNSCALED: u8 = 0xff;

/// A half-open connection.
#[derive(Clone, Copy)]
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
    /// For how many time-outs it waits for text.
    defer: u8,
    /// KeyID and RNextKeyID of its SYN (RFC 5925); zeros without.
    key_ids: [u8; 2],
    flags: Flags,
}

impl Hash for HalfOpen {
    /// All but its number in the trace.
    fn hash<H: Hasher>(&self, state: &mut H) {
        #[rustfmt::skip]
        let Self {
            id: _,
            deadline, listener, irs, iss, ts_recent, ts_offset, peer_mss, our_mss, window, answered, tuple, scales, retries,
            defer, key_ids, flags,
        } = self;
        (deadline, listener, irs, iss, ts_recent, ts_offset, peer_mss, our_mss).hash(state);
        (window, answered, tuple, scales, retries, defer, key_ids, flags).hash(state);
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
        let Negotiated { iss, irs, peer_mss, window_scale, timestamps, .. } = *negotiated;
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
            defer: options.defer_accept,
            key_ids: [0; 2],
            flags: Flags::of(negotiated, options),
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

    /// Whether the peer has done its part of the handshake, while the accept queue was full or text was waited for.
    #[must_use]
    pub const fn is_acknowledged(&self) -> bool {
        self.flags.contains(Flags::ACKNOWLEDGED)
    }

    /// Whether it waits for text behind the peer's last ACK.
    pub(crate) const fn awaits_text(&self) -> bool {
        self.retries < self.defer
    }

    /// Whether its SYN-ACK is sent again at the next time-out. Who has acknowledged it is asked once more at the end of the wait for
    /// text, and from then on (as Linux).
    pub(crate) const fn repeats_syn_ack(&self) -> bool {
        !self.is_acknowledged() || self.retries + 1 >= self.defer
    }

    /// Whether it may still wait although its SYN-ACK was sent as often as it may be: text is on its way.
    pub(crate) const fn is_deferred(&self) -> bool {
        self.is_acknowledged() && self.awaits_text()
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
