//! What two SYNs agree on: maximum segment size (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK
//! (RFC 2018), ECN ([`crate::ecn`]). Active opens, half-open connections and SYN cookies all negotiate here.
//!
//! It decides what holds for the connection and how our SYN or SYN-ACK says so, not when they are sent.

use bowline_base::Instant;
use bowline_wire::Ecn;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{Layout, TcpFlags, TcpHeader, TcpOptions, Timestamps};

use crate::ecn::EcnAgreement;
use crate::isn::timestamp;
use crate::{FourTuple, Options};

#[cfg(test)]
mod tests;

/// The largest shift of a window (RFC 7323 2.3).
pub const MAX_WINDOW_SCALE: u8 = 14;
/// The smallest MSS taken from a peer, as Linux: below it, headers would be all there is (CVE-2019-11479).
pub const MIN_MSS: u16 = 48;

/// What our side brings into a handshake.
#[derive(Clone, Copy, Debug)]
pub struct OurSide<'a> {
    /// The connection's name.
    pub tuple: FourTuple,
    /// The listener's or the connection's options.
    pub options: &'a Options,
    /// The MSS that we announce, in bytes.
    pub mss: u16,
    /// Where our timestamps begin: [`Beginning::timestamp_offset`](crate::isn::Beginning::timestamp_offset).
    pub timestamp_offset: u32,
}

/// What both sides have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Our initial sequence number.
    pub iss: SeqNumber,
    /// The peer's.
    pub irs: SeqNumber,
    /// The largest payload that the peer takes, in bytes, options of each segment not yet subtracted.
    pub peer_mss: u16,
    /// The shifts of (our, their) window, where both sides scale.
    pub window_scale: Option<(u8, u8)>,
    /// Our offset and TS.Recent, where both sides use timestamps.
    pub timestamps: Option<(u32, u32)>,
    /// Whether both sides may send SACK blocks.
    pub sack: bool,
    /// Which ECN both sides are capable of.
    pub ecn: EcnAgreement,
}

impl OurSide<'_> {
    /// What our SYN or SYN-ACK says of the MSS (RFC 9293 3.7.1, MUST-14, SHLD-5, MAY-3): in every one, unless the user has
    /// it otherwise.
    #[must_use]
    pub fn announced(&self) -> Option<u16> {
        self.options.announce_mss.then_some(self.mss)
    }

    /// Whether our SYN offers timestamps. As on Linux, not beside an MD5 digest, which leaves no room for both them and SACK blocks.
    pub(crate) fn offers_timestamps(&self) -> bool {
        self.options.timestamps && !self.options.keys.leave_no_room(&self.tuple)
    }

    /// The options of our SYN in an active open. RFC 9768 3.2.3.2.1, RFC9768-3.2.3.2.1-1: of AccECN there is none.
    #[must_use]
    pub fn offer(&self, now: Instant) -> TcpOptions {
        let Options { window_scaling, sack, .. } = *self.options;
        let timestamps = self.offers_timestamps();
        TcpOptions {
            mss: self.announced(),
            window_scale: window_scaling.then(|| window_shift(self.options)),
            sack_permitted: sack,
            timestamps: timestamps.then(|| Timestamps { value: timestamp(now, self.timestamp_offset), echo: 0 }),
            layout: self.options.layout,
            ..TcpOptions::default()
        }
    }

    /// The options of a SYN that goes out once more, after so many without an answer that the options may be why. What an
    /// earlier one offered stands: a peer that takes it up has seen it.
    #[must_use]
    pub fn bare_offer(&self) -> TcpOptions {
        TcpOptions { mss: self.announced(), layout: self.options.layout, ..TcpOptions::default() }
    }

    /// What holds once we answer the SYN of a peer that opened actively, with `iss` as our number. IP brought it with
    /// `mark`.
    #[must_use]
    pub fn answer(&self, iss: SeqNumber, syn: &TcpHeader, mark: Ecn) -> Negotiated {
        let mode = self.options.ecn_when_asked.answer(syn.flags);
        self.combine(iss, syn, EcnAgreement::new(mode, mark))
    }

    /// What holds once a peer has answered our SYN, or has sent its own at the same time. Our SYN was an
    /// [`offer`](Self::offer) from the same options.
    #[must_use]
    pub fn conclude(&self, iss: SeqNumber, peer: &TcpHeader, mark: Ecn) -> Negotiated {
        // RFC 9768 3.1.2, RFC9768-3.1.2-4: a SYN that crosses ours is answered as if we had not asked.
        let crossed = !peer.flags.contains(TcpFlags::ACK);
        let ours = self.options.ecn;
        let mode = if crossed { ours.answer(peer.flags) } else { ours.conclude(peer.flags) };
        self.combine(iss, peer, EcnAgreement::new(mode, mark))
    }

    fn combine(&self, iss: SeqNumber, peer: &TcpHeader, ecn: EcnAgreement) -> Negotiated {
        let Options { window_scaling, timestamps, sack, .. } = *self.options;
        let theirs = &peer.options;
        let sack = sack && theirs.sack_permitted; // RFC 2018 3, RFC2018-3-1
        // Who asks for both where there is room for one gets SACK, as on Linux.
        let timestamps = timestamps && !(sack && self.options.keys.leave_no_room(&self.tuple));
        Negotiated {
            iss,
            irs: peer.seq,
            peer_mss: peer_mss(theirs.mss, self.tuple.is_ipv6()),
            // RFC 7323 1.3 and 2.2, RFC7323-2.2-3: an option holds only if both SYNs have it; 2.3, RFC7323-2.3-1: more
            // than 14 counts as 14.
            window_scale: theirs
                .window_scale
                .filter(|_| window_scaling)
                .map(|shift| (window_shift(self.options), shift.min(MAX_WINDOW_SCALE))),
            timestamps: theirs.timestamps.filter(|_| timestamps).map(|t| (self.timestamp_offset, t.value)),
            sack,
            ecn,
        }
    }
}

impl Negotiated {
    /// The options of our SYN-ACK: ours where the peer's SYN had them too (RFC 7323 2.2, RFC7323-2.2-1; 3.2).
    #[must_use]
    pub fn syn_ack_options(&self, now: Instant, mss: Option<u16>, layout: Layout) -> TcpOptions {
        TcpOptions {
            layout,
            mss,
            window_scale: self.window_scale.map(|(ours, _)| ours),
            sack_permitted: self.sack,
            timestamps: self.timestamps_option(now),
            ..TcpOptions::default()
        }
    }

    /// The timestamps option of a segment that leaves now, with TS.Recent as it was in the handshake.
    #[must_use]
    pub fn timestamps_option(&self, now: Instant) -> Option<Timestamps> {
        self.timestamps.map(|(offset, ts_recent)| Timestamps { value: timestamp(now, offset), echo: ts_recent })
    }
}

/// The MSS that counts for a peer that announced `announced`.
// RFC 9293 3.7.1, MUST-15: without the option 536 for IPv4 and 1220 for IPv6. An MSS of zero says nothing, as on Linux.
#[must_use]
pub fn peer_mss(announced: Option<u16>, ipv6: bool) -> u16 {
    match announced {
        None | Some(0) => {
            if ipv6 {
                1220
            } else {
                536
            }
        }
        Some(mss) => mss.max(MIN_MSS),
    }
}

/// The shift to offer: what the user wants, or the smallest that lets a window of the largest receive buffer be announced; but none
/// whose unit is more than half of the first buffer. A window that was closed would look closed until more is read than that.
#[must_use]
pub fn window_shift(options: &Options) -> u8 {
    let largest = options.receive_buffer.max(options.receive_buffer_max);
    let enough = (0..MAX_WINDOW_SCALE).find(|&shift| u32::from(u16::MAX) << shift >= largest);
    let most = options.receive_buffer.checked_ilog2().map_or(MAX_WINDOW_SCALE, |log| log.saturating_sub(1) as u8);
    options.window_shift.or(enough).unwrap_or(MAX_WINDOW_SCALE).min(most).min(MAX_WINDOW_SCALE)
}

/// The window of our SYN or SYN-ACK, which is never scaled (RFC 7323 2.2). `mss`: the text of a full segment from the peer.
#[must_use]
pub fn initial_window(options: &Options, mss: u16) -> u16 {
    let (space, mss) = (options.receive_buffer, u32::from(mss));
    let rest = if options.whole_segments && space > mss { space.checked_rem(mss).unwrap_or(0) } else { 0 };
    u16::try_from(space - rest).unwrap_or(u16::MAX)
}

/// What timestamps take of a segment.
#[must_use]
pub const fn timestamps_len(agreed: bool) -> u16 {
    if agreed { 12 } else { 0 }
}
