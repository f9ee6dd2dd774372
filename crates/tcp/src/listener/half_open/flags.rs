//! What a half-open connection remembers in single bits.

use bowline_wire::Ecn;
use bowline_wire::tcp::Layout;

use crate::Options;
use crate::ecn::{EcnMode, EcnOption};
use crate::negotiate::Negotiated;

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub(super) struct Flags: u32 {
        /// Its SYN-ACK announces no MSS.
        const WITHOUT_MSS = 1;
        const TIMESTAMPS = 2;
        const SACK = 4;
        const CLASSIC_ECN = 8;
        /// The handshake's last segment has come, but the accept queue was full, or text was waited for.
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
    /// What was agreed on with the peer's first SYN, by a listener with these options.
    pub(super) fn of(negotiated: &Negotiated, options: &Options) -> Self {
        let Negotiated { timestamps, sack, ecn, .. } = negotiated;
        let (classic, accurate) = (ecn.mode == EcnMode::Classic, ecn.mode == EcnMode::Accurate);
        let said = [
            (Self::WITHOUT_MSS, !options.announce_mss),
            (Self::TIMESTAMPS, timestamps.is_some()),
            (Self::SACK, *sack),
            (Self::CLASSIC_ECN, classic),
            (Self::FREEBSD_LAYOUT, options.layout == Layout::FreeBsd),
            (Self::TAKES_ANY_RESET, !options.odd.challenge_resets),
            (Self::LAX_TIMESTAMPS, options.lax_timestamps),
            (Self::ACCURATE_ECN, accurate),
            (Self::ECN_OPTION, accurate && options.ecn_option != EcnOption::Never),
            (Self::ECN_PERSISTS, !options.ecn_fallback),
            (Self::CLASSIC_SYN, classic && options.ecn_when_asked == EcnMode::Accurate),
        ];
        let mut flags: Self = said.into_iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag).collect();
        flags.set_mark(ecn.mark);
        flags
    }

    /// The mark that is kept in two of them.
    pub(super) fn mark(self) -> Ecn {
        match (self.contains(Self::ECT_1), self.contains(Self::ECT_0)) {
            (false, false) => Ecn::NotEct,
            (true, false) => Ecn::Ect1,
            (false, true) => Ecn::Ect0,
            (true, true) => Ecn::Ce,
        }
    }

    pub(super) fn set_mark(&mut self, mark: Ecn) {
        self.set(Self::ECT_1, matches!(mark, Ecn::Ect1 | Ecn::Ce));
        self.set(Self::ECT_0, matches!(mark, Ecn::Ect0 | Ecn::Ce));
    }
}
