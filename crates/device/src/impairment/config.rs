//! What can be wrong with a network, per direction, and the defaults.
//!
//! It decides nothing at run time: `link` does as it says.

use std::time::Duration;

use crate::units::{Percent, Rate};

/// A worse network. The default is a perfect one with seed 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImpairmentConfig {
    /// What happens to packets from the peer to the host.
    pub ingress: Impairments,
    /// What happens to packets from the host to the peer.
    pub egress: Impairments,
    /// Where all chance comes from. Same seed, same packets at the same times: same outcome.
    pub seed: u64,
}

impl ImpairmentConfig {
    /// The same impairments in both directions.
    #[must_use]
    pub const fn symmetric(impairments: Impairments, seed: u64) -> Self {
        Self { ingress: impairments, egress: impairments, seed }
    }

    /// Whether nothing is wrong in either direction.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// What is wrong in one direction. Packets meet it in the order of the fields from `rate` to `mtu`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairments {
    /// The rate at which packets enter the link; `None`, the default, for at once.
    pub rate: Option<Rate>,
    /// How much may wait to enter it, and how much may be on the link.
    pub queue: QueueLimit,
    /// Which packets are lost. Default: none.
    pub loss: Loss,
    /// How many packets arrive twice. Default: none.
    pub duplicate: Percent,
    /// How many packets arrive with one bit flipped, which any Internet checksum over it notices. Default: none.
    pub corrupt: Percent,
    /// How long packets are on the way. Default: not at all.
    pub delay: Duration,
    /// How much the delay varies, evenly from `delay - jitter` to `delay + jitter` and never below zero. Packets stay in
    /// order, so that those close behind a slow one are as late as it is. Default: not at all.
    pub jitter: Duration,
    /// How many packets arrive out of order. Default: none.
    pub reorder: Percent,
    /// A packet out of order arrives after this many that were behind it. Default 3: as many as make a sender that only
    /// counts duplicate acknowledgments believe in a loss (RFC 5681 3.2).
    pub reorder_gap: u16,
    /// A packet out of order is held no longer than this, if too few follow it. Default 5 ms.
    pub reorder_hold: Duration,
    /// The largest packet that passes, in bytes with its IP header; at least 68 makes sense (RFC 791 3.2), and IPv6 passes
    /// up to 1280 whatever it says (RFC 8200 5). `None`, the default, for all.
    pub mtu: Option<u16>,
    /// What becomes of larger packets. Default: [`TooBig::Report`].
    pub too_big: TooBig,
}

impl Default for Impairments {
    fn default() -> Self {
        Self {
            rate: None,
            queue: QueueLimit::default(),
            loss: Loss::default(),
            duplicate: Percent::ZERO,
            corrupt: Percent::ZERO,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: Percent::ZERO,
            reorder_gap: 3,
            reorder_hold: Duration::from_millis(5),
            mtu: None,
            too_big: TooBig::default(),
        }
    }
}

impl Impairments {
    /// Whether nothing is wrong, so that packets need not even be looked at.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let Self { rate, loss, duplicate, corrupt, delay, jitter, reorder, mtu, .. } = self;
        rate.is_none()
            && loss.is_none()
            && [duplicate, corrupt, reorder].into_iter().all(|percent| percent.is_zero())
            && delay.is_zero()
            && jitter.is_zero()
            && mtu.is_none()
    }

    /// The bytes that may wait for the link's rate.
    pub(super) fn rate_queue_bytes(&self) -> usize {
        let by_time = self.rate.map_or(0, |rate| rate.bytes_in(QueueLimit::TIME));
        self.queue.bytes.unwrap_or(by_time.max(QueueLimit::AT_LEAST))
    }
}

/// How much a direction holds. What exceeds it is dropped at the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// Packets that wait for the link's rate. Default: no limit of its own.
    pub packets: Option<usize>,
    /// Bytes that wait for the link's rate. Default: what the rate carries in 100 ms, a usual router's buffer, and at
    /// least 32 KiB, within `held_bytes`. One packet always fits.
    pub bytes: Option<usize>,
    /// Bytes held in all, waiting and on the way, a packet counting 256 at least: the bound of our memory, not a property
    /// of networks. Default 64 MiB.
    pub held_bytes: usize,
}

impl QueueLimit {
    const TIME: Duration = Duration::from_millis(100);
    const AT_LEAST: usize = 32 * 1024;
}

impl Default for QueueLimit {
    fn default() -> Self {
        Self { packets: None, bytes: None, held_bytes: 64 << 20 }
    }
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each with this probability, regardless of the others.
    Random(Percent),
    /// In bursts.
    GilbertElliott(GilbertElliott),
}

impl Loss {
    /// Whether nothing is ever lost.
    #[must_use]
    pub fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::Random(percent) => percent.is_zero(),
            Self::GilbertElliott(model) => model.mean_loss() == 0.0,
        }
    }
}

/// A channel with a good and a bad state, which changes its state by chance before each packet (Gilbert 1960, Elliott
/// 1963). It begins in the good one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GilbertElliott {
    /// From good to bad, often called p.
    pub to_bad: Percent,
    /// From bad to good, often called r. Bursts last 100 % / r packets on average.
    pub to_good: Percent,
    /// Loss in the good state, often called 1 - k. Usually none.
    pub loss_good: Percent,
    /// Loss in the bad state, often called 1 - h. Usually 100 %.
    pub loss_bad: Percent,
}

impl GilbertElliott {
    /// The simple model: nothing is lost in the good state and everything in the bad one.
    #[must_use]
    pub fn simple(to_bad: Percent, to_good: Percent) -> Self {
        let all = Percent::new(100.0).unwrap_or_default();
        Self { to_bad, to_good, loss_good: Percent::ZERO, loss_bad: all }
    }

    /// The share of packets that is lost in the long run, 0 to 1.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        let [p, r, good, bad] = [self.to_bad, self.to_good, self.loss_good, self.loss_bad].map(Percent::probability);
        if p == 0.0 {
            return good; // it never leaves the good state, where it begins
        }
        (good * r + bad * p) / (p + r)
    }
}

/// What becomes of a packet that is larger than the MTU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TooBig {
    /// What a router does: an IPv4 packet that permits it is fragmented, and the sender of any other gets an ICMP error
    /// (RFC 1191 3, RFC 4443 3.2).
    #[default]
    Report,
    /// It vanishes.
    BlackHole,
}
