//! How a connection begins: with our SYN, or from what a half-open one has agreed on.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use bowline_base::{Instant, Position};
use bowline_wire::seq::SeqNumber;

use super::ecn::EcnState;
use super::halves::{ReceiveHalf, SendHalf};
use super::rare::Rare;
use super::tcb::{Attachment, ChallengeBudget, Stats, Tcb};
use super::timers::Timers;
use super::timestamps::TimestampClock;
use crate::FourTuple;
use crate::config::{Algorithm, Options, WindowPolicy};
use crate::congestion::{CongestionControl, Controller, Local, Start};
use crate::negotiate::{Negotiated, OurSide, initial_window, timestamps_len};
use crate::packed::PackedTuple;
use crate::recovery::Recovery;
use crate::segment::Path;
use crate::state::State;

/// What a connection is born with.
pub(crate) struct Birth {
    pub(crate) tuple: FourTuple,
    pub(crate) id: u64,
    pub(crate) options: Arc<Options>,
    pub(crate) path: Path,
    pub(crate) iss: SeqNumber,
}

impl Birth {
    /// For a passive open that has agreed on `agreed`.
    pub(crate) fn passive(tuple: FourTuple, id: u64, options: Arc<Options>, path: Path, agreed: &Negotiated) -> Self {
        Self { tuple, id, options, path, iss: agreed.iss }
    }
}

/// How far the handshake of a passive open has come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handshake {
    /// The SYN is here, with this window; the SYN-ACK is still to be sent.
    Begins {
        /// The SYN's window.
        window: u16,
    },
    /// The SYN-ACK was sent. Its round-trip time, if known: the inner `None` says that it was sent more than once.
    Answered {
        /// See above.
        rtt: Option<Option<Duration>>,
    },
}

/// What an MTU leaves beside fixed headers, and the user allows. Of the first link's, it is the MSS to announce (RFC 9293
/// 3.7.1, MUST-67, SHLD-5), which a narrower way out does not change, unless [`Options::announce_path`] says so: the way in may be
/// another (RFC 8201 5.4). SHLD-6: an interface has one MTU, which is its smallest.
pub(crate) fn mss_of(mtu: u16, ipv6: bool, options: &Options) -> u16 {
    let headers = if ipv6 { 60 } else { 40 };
    let mss = mtu.saturating_sub(headers).max(1);
    options.max_segment.map_or(mss, |max| mss.min(max.max(crate::negotiate::MIN_MSS)))
}

impl Tcb {
    /// A connection that is about to begin, [actively](Self::begin_actively) or [passively](Self::begin_passively).
    // A control block is too large to be passed on from hand to hand. Nothing in here calls what could unwind, so that the compiler
    // builds it where it is to stay; what needs a call is made there afterwards.
    #[inline]
    pub(crate) fn new(now: Instant, birth: Birth, state: State) -> Self {
        let Birth { tuple, id, options, path, iss } = birth;
        let (iss, irs) = (Position::initial(iss.0), Position::initial(0));
        let peer_mss = crate::negotiate::peer_mss(None, tuple.is_ipv6());
        let stats = Stats { last_heard: now, hold_since: now, ..Stats::default() };
        Self {
            tuple: PackedTuple::new(&tuple),
            id,
            state,
            passive: false,
            opened: now,
            path_mtu: path.mtu,
            link_mtu: path.link_mtu,
            mtu_search: None,
            lossless: path.lossless,
            snd: SendHalf::new(iss, peer_mss),
            rcv: ReceiveHalf::new(irs, &options, mss_of(path.announced(&options), tuple.is_ipv6(), &options)),
            timestamps: None,
            sack: false,
            ecn: None,
            window_scale: None,
            paced: false,
            waits_for_departure: false,
            recovery: Recovery::new(&options, iss),
            congestion: CongestionControl::Local(Local::new(u32::from(peer_mss))),
            timers: Timers::new(),
            timed: false,
            challenge: ChallengeBudget::full(),
            stuck_since: Instant::MAX,
            error: None,
            soft_error: None,
            user: Attachment::default(),
            stats,
            rare: None,
            options,
        }
    }

    /// An active open: about to enter SYN-SENT, the SYN still to be sent. `ts_recent`: the timestamp of the peer's that it
    /// echoes, zero unless it takes the place of another connection.
    pub(crate) fn begin_actively(&mut self, now: Instant, timestamp_offset: u32, ts_recent: u32) {
        self.begin_signing();
        let signs_briefly = self.options.keys.leave_no_room(&self.tuple.unpack());
        let offers = self.options.timestamps && !signs_briefly;
        self.timestamps = offers.then(|| TimestampClock::new(now, timestamp_offset, ts_recent));
        let (mss, hystart) = (u32::from(self.snd.peer_mss), self.options.hystart);
        let start = Start { mss, seed: self.snd.iss.wire(), hystart };
        self.congestion.restart(self.algorithm(), start);
    }

    /// A passive open takes what was agreed on. The SYN-ACK is still to be sent, unless a half-open connection or a cookie
    /// was before this one, and `handshake` tells of it.
    pub(crate) fn begin_passively(&mut self, now: Instant, agreed: &Negotiated, handshake: Handshake) {
        self.begin_signing();
        self.passive = true;
        self.apply_negotiated(now, agreed);
        self.snd.wl1 = self.rcv.irs;
        match handshake {
            Handshake::Begins { window } => {
                self.snd.wnd = u32::from(window);
                self.snd.max_wnd = self.snd.wnd;
            }
            Handshake::Answered { rtt } => {
                self.snd.nxt = self.snd.iss + 1;
                self.recovery.begin_at(self.snd.nxt);
                if let Some(rtt) = rtt {
                    self.recovery.on_handshake(now, rtt);
                }
            }
        }
    }

    /// Its segments are signed if there are keys for its name.
    fn begin_signing(&mut self) {
        if !self.options.keys.is_empty() {
            self.rare = Rare::with_keys(&self.options.keys, &self.tuple.unpack());
        }
    }

    /// The congestion controller in force.
    // RFC 9293 3.8.2, MAY-18: any of several, by the user's choice. A lossless device needs no control of congestion, whatever the
    // user prefers.
    pub(crate) fn algorithm(&self) -> Algorithm {
        if self.lossless { Algorithm::Local } else { self.options.algorithm }
    }

    /// What we bring into the handshake.
    pub(crate) fn our_side(&self) -> OurSide<'_> {
        OurSide {
            tuple: self.tuple.unpack(),
            options: &self.options,
            mss: self.announced_mss(),
            timestamp_offset: self.timestamps.map_or(0, |clock| clock.offset()),
        }
    }

    /// The MSS we announce.
    pub(crate) fn announced_mss(&self) -> u16 {
        let path = Path { mtu: self.path_mtu, link_mtu: self.link_mtu, lossless: self.lossless };
        mss_of(path.announced(&self.options), self.tuple.is_ipv6(), &self.options)
    }

    /// What both SYNs agree on, and where the peer's stream begins.
    pub(crate) fn apply_negotiated(&mut self, now: Instant, agreed: &Negotiated) {
        self.rcv.irs = Position::initial(agreed.irs.0);
        // A SYN-ACK knows whether timestamps take their part of each segment; a SYN does not.
        let known = self.passive && agreed.timestamps.is_some();
        let offered = initial_window(&self.options, self.announced_mss().saturating_sub(timestamps_len(known)));
        let full = match self.options.window_policy {
            WindowPolicy::Steps => self.announced_mss(),
            WindowPolicy::Everything => self.announced_mss().min(agreed.peer_mss),
        };
        self.rcv.begin(&self.options, full, agreed.window_scale.map_or(0, |(ours, _)| ours), offered);
        self.snd.shift = agreed.window_scale.map_or(0, |(_, theirs)| theirs);
        self.snd.peer_mss = agreed.peer_mss;
        self.window_scale = agreed.window_scale;
        self.timestamps = agreed.timestamps.map(|(offset, recent)| TimestampClock::new(now, offset, recent));
        self.sack = agreed.sack;
        self.ecn = EcnState::new(&agreed.ecn, self.snd.iss, self.passive).map(Box::new);
        self.begin_mtu_search(now);
        self.update_mss();
        self.recovery.set_sack(agreed.sack);
        self.begin_congestion_control();
    }

    /// A controller that knows nothing yet, and samples for it if it goes by them.
    pub(crate) fn begin_congestion_control(&mut self) {
        let start = Start { mss: self.snd.mss, seed: self.snd.iss.wire(), hystart: self.options.hystart };
        self.congestion.restart(self.algorithm(), start);
        self.recovery.sample_rates(self.options.rate_samples, self.congestion.models_path());
        self.decide_pacing();
        self.begin_validation();
    }

    /// The text that fits a full segment (RFC 9293 3.7.1, MUST-16): what the peer takes, what the path carries, less
    /// the options of every segment.
    pub(crate) fn fitting_mss(&self) -> u32 {
        self.text_in(self.effective_mtu())
    }

    /// Takes [`fitting_mss`](Self::fitting_mss) for all that is sent from now on.
    pub(crate) fn update_mss(&mut self) {
        let mss = self.fitting_mss();
        self.snd.mss = mss;
        self.recovery.set_mss(mss);
        self.congestion.set_mss(mss);
    }
}
