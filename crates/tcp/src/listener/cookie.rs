//! SYN cookies (RFC 4987 3.6): answering a SYN without remembering it.
//!
//! Our initial sequence number tells, to us alone, that we answered this SYN less than two minutes ago and which MSS it
//! had; the low bits of our timestamp tell the rest (window scale, SACK, ECN), so that a connection made under a flood is
//! as good as another. Whether a cookie is sent or expected at all is the listener's decision.
//!
//! The number is `hash(tuple) + irs + minute·2^24 + (hash(tuple, irs, minute, options) + step·mss) mod 2^24`, in the
//! manner of Linux. The minute in the upper bits makes it grow by 2^18 a second, as RFC 9293 3.4.1 (MUST-8) wants of any
//! such number.

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader};
use core::fmt;
use siphasher::sip::SipHasher24;

use super::half_open::syn_ack;
use crate::FourTuple;
use crate::ecn::{EcnAgreement, EcnMode, ace};
use crate::isn::{hash, tuple_bytes};
use crate::negotiate::{Negotiated, OurSide, initial_window, timestamps_len};

mod spent;
#[cfg(test)]
mod tests;

pub use spent::SpentCookies;

/// How long a cookie's clock stands still.
const PERIOD_SECS: u64 = 64;
/// Periods in which a cookie is good: it lives for 64 to 128 s.
const MAX_AGE: u32 = 2;
/// The MSS values that a cookie can tell; the largest one that is not above the peer's is taken.
const MSS_V4: [u16; 8] = [48, 536, 1200, 1360, 1400, 1440, 1460, 8960];
const MSS_V6: [u16; 8] = [48, 1220, 1280, 1340, 1380, 1420, 1440, 8940];
const LOW: u32 = 0xff_ffff;
/// What one step in the table adds to the number: far from one, so that the number beside a good one is not good too.
const MSS_STEP: u32 = 0x9e_3779;

/// In the timestamp: four bits of the peer's window shift, fifteen for none…
const TS_NO_SCALE: u32 = 15;
/// … whether SACK is permitted…
const TS_SACK: u32 = 1 << 4;
/// … and whether ECN was asked for. AccECN needs no place here: the acknowledgement itself tells.
const TS_ECN: u32 = 1 << 5;
const TS_MASK: u32 = 63;
/// What is hashed instead where there are no timestamps.
const NO_TIMESTAMPS: u32 = 64;

/// The secrets of an endpoint's cookies.
#[derive(Clone)]
pub struct SynCookies {
    base: SipHasher24,
    proof: SipHasher24,
}

impl SynCookies {
    /// Cookies with these secrets.
    #[must_use]
    pub fn new(base_key: &[u8; 16], proof_key: &[u8; 16]) -> Self {
        Self { base: SipHasher24::new_with_key(base_key), proof: SipHasher24::new_with_key(proof_key) }
    }

    /// The SYN-ACK that answers `syn` and of which nothing need be kept.
    #[must_use]
    pub fn syn_ack(&self, now: Instant, ours: &OurSide<'_>, syn: &TcpHeader, mark: Ecn) -> TcpHeader {
        let mut negotiated = ours.answer(SeqNumber(0), syn, mark);
        if negotiated.timestamps.is_none() {
            forget_options(&mut negotiated);
        }
        let table = mss_table(ours);
        let most = if ours.tuple.is_ipv6() { u16::MAX } else { ours.options.cookie_mss };
        let mss = table.iter().rposition(|&mss| mss <= negotiated.peer_mss.min(most)).unwrap_or(0) as u32 * MSS_STEP;
        let options = option_bits(&negotiated);
        let minute = minute(now);
        let proof = self.proof(ours, negotiated.irs, minute, options).wrapping_add(mss) & LOW;
        negotiated.iss = SeqNumber(self.base(ours, negotiated.irs).wrapping_add(minute << 24).wrapping_add(proof));
        let full = ours.mss.saturating_sub(timestamps_len(negotiated.timestamps.is_some()));
        let (mss, window) = (ours.announced(), initial_window(ours.options, full));
        let mut answer = syn_ack(now, &ours.tuple, &negotiated, (mss, window), ours.options.layout);
        if let Some(times) = &mut answer.options.timestamps {
            times.value = timestamp_with(times.value, options);
        }
        answer
    }

    /// What was negotiated, if `ack` is the acknowledgement of a cookie of ours that is still good.
    // RFC 9293 3.10.7.2 would answer every ACK in LISTEN with a RST: an ACK that is no cookie still is.
    #[must_use]
    pub fn check(&self, now: Instant, ours: &OurSide<'_>, ack: &TcpHeader) -> Option<Negotiated> {
        if !ack.flags.contains(TcpFlags::ACK) || ack.flags.intersects(TcpFlags::SYN | TcpFlags::RST) {
            return None;
        }
        let iss = SeqNumber(ack.ack.0.wrapping_sub(1));
        let irs = SeqNumber(ack.seq.0.wrapping_sub(1));
        let timestamps = ack.options.timestamps.filter(|_| ours.options.timestamps);
        let options = timestamps.map_or(NO_TIMESTAMPS, |t| t.echo & TS_MASK);

        let rest = iss.0.wrapping_sub(self.base(ours, irs));
        // The upper bits give the minute in which it was made: those of now, or of up to MAX_AGE - 1 before.
        let now = minute(now);
        let age = now.wrapping_sub(rest >> 24) & 0xff;
        if age >= MAX_AGE {
            return None;
        }
        let proof = self.proof(ours, irs, now.wrapping_sub(age), options);
        let told = rest.wrapping_sub(proof) & LOW;
        let steps = (0..).map(|n: u32| n.wrapping_mul(MSS_STEP) & LOW);
        let (_, &peer_mss) = steps.zip(mss_table(ours)).find(|&(step, _)| step == told)?;

        let mut negotiated = Negotiated {
            iss,
            irs,
            peer_mss,
            window_scale: None,
            timestamps: timestamps.map(|t| (ours.timestamp_offset, t.value)),
            sack: options & TS_SACK != 0,
            ecn: self::ecn_of(ours, ack, options),
        };
        match (timestamps, options & TS_NO_SCALE) {
            (None, _) => forget_options(&mut negotiated),
            (Some(_), TS_NO_SCALE) => {}
            (Some(_), shift) => negotiated.window_scale = Some((our_shift(ours), shift as u8)),
        }
        Some(negotiated)
    }

    /// What tells the cookie with this number from all others, of this four-tuple and of others; never zero.
    #[must_use]
    pub fn mark(&self, tuple: &FourTuple, iss: SeqNumber) -> u64 {
        hash(&self.proof, tuple).wrapping_add(iss.0.into()).max(1)
    }

    /// Where the numbers for this four-tuple and this peer's number begin.
    fn base(&self, ours: &OurSide<'_>, irs: SeqNumber) -> u32 {
        (hash(&self.base, &ours.tuple) as u32).wrapping_add(irs.0)
    }

    /// What only we can compute. The options are part of it, ours too: a cookie does not outlive a change of them, and a
    /// peer cannot claim others than it had.
    fn proof(&self, ours: &OurSide<'_>, irs: SeqNumber, minute: u32, options: u32) -> u32 {
        let mut tuple = [0; 36];
        let len = tuple_bytes(&ours.tuple, &mut tuple);
        let mut bytes = [0; 46];
        let fields = [irs.0.to_be_bytes(), minute.to_be_bytes(), [options as u8, our_shift(ours), 0, 0]];
        for (place, byte) in bytes.iter_mut().zip(fields.as_flattened().iter().take(10).chain(&tuple)) {
            *place = *byte;
        }
        self.proof.hash(bytes.get(..10 + len).unwrap_or_default()) as u32
    }
}

impl fmt::Debug for SynCookies {
    /// Shows nothing of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynCookies").finish_non_exhaustive()
    }
}

fn minute(now: Instant) -> u32 {
    (now.as_millis() / (1000 * PERIOD_SECS)) as u32
}

fn mss_table(ours: &OurSide<'_>) -> &'static [u16; 8] {
    if ours.tuple.is_ipv6() { &MSS_V6 } else { &MSS_V4 }
}

fn our_shift(ours: &OurSide<'_>) -> u8 {
    crate::negotiate::window_shift(ours.options)
}

/// Without timestamps there is no place for what these options need.
fn forget_options(negotiated: &mut Negotiated) {
    (negotiated.window_scale, negotiated.sack) = (None, false);
    if negotiated.ecn.mode == EcnMode::Classic {
        negotiated.ecn = EcnAgreement::NONE;
    }
}

/// The kind of ECN that was agreed on.
// RFC 9768 5.1: only who has AccECN answers a SYN-ACK with more than one in these flags. What became of our SYN-ACK's mark
// they tell as they always do; that of the SYN is forgotten, and needed no more.
fn ecn_of(ours: &OurSide<'_>, ack: &TcpHeader, options: u32) -> EcnAgreement {
    let has_bit = options & NO_TIMESTAMPS == 0 && options & TS_ECN != 0;
    let mode = match ours.options.ecn_when_asked {
        EcnMode::Classic | EcnMode::Accurate if has_bit => EcnMode::Classic,
        EcnMode::Accurate if ace(ack.flags) > 1 => EcnMode::Accurate,
        _ => EcnMode::Off,
    };
    EcnAgreement::new(mode, Ecn::NotEct)
}

fn option_bits(negotiated: &Negotiated) -> u32 {
    if negotiated.timestamps.is_none() {
        return NO_TIMESTAMPS;
    }
    let scale = negotiated.window_scale.map_or(TS_NO_SCALE, |(_, theirs)| u32::from(theirs));
    let sack = if negotiated.sack { TS_SACK } else { 0 };
    scale | sack | if negotiated.ecn.mode == EcnMode::Classic { TS_ECN } else { 0 }
}

/// The latest timestamp not after `value` whose low bits are these: later segments must not look older (RFC 7323 5).
fn timestamp_with(value: u32, options: u32) -> u32 {
    let marked = value & !TS_MASK | options;
    if marked & TS_MASK > value & TS_MASK { marked.wrapping_sub(TS_MASK + 1) } else { marked }
}
