//! How much may go out during fast recovery: Proportional Rate Reduction (RFC 6937, its successor RFC 9937).
//!
//! It spreads the reduction of the window over the round trip, by the data that the ACKs deliver. It does not choose
//! which data goes out, nor what the window is to become.

/// The state of one recovery, in bytes.
#[derive(Clone, Copy, Hash, Debug, Default)]
pub(super) struct Prr {
    /// What was in flight when recovery began.
    recover_fs: u64,
    /// Delivered since, the ACK that began it included.
    delivered: u64,
    /// Sent since.
    out: u64,
    /// Delivered and not replaced before the window was reduced once more.
    credit: u64,
    /// `out` before the last ACK that delivered anything.
    out_before: u64,
    /// What that ACK delivered.
    last: u64,
    /// Whether that ACK advanced SND.UNA and told of no further loss (SafeACK).
    safe: bool,
}

impl Prr {
    /// A recovery that begins with `recover_fs` bytes in flight.
    pub(super) const fn new(recover_fs: u64) -> Self {
        Self { recover_fs, delivered: 0, out: 0, credit: 0, out_before: 0, last: 0, safe: false }
    }

    /// The window is reduced once more in the same recovery: in proportion to what is in flight now. That less went out than was
    /// delivered still counts where losses leave room: the bound of RFC 9937 is one of the whole recovery.
    pub(super) const fn reduce_again(&mut self, recover_fs: u64) {
        let credit = self.credit.saturating_add(self.delivered).saturating_sub(self.out);
        *self = Self { credit, ..Self::new(recover_fs) };
    }

    /// An ACK delivered this much.
    pub(super) fn on_ack(&mut self, delivered: u64, safe: bool) {
        if delivered == 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        self.last = delivered;
        self.safe = safe;
        self.out_before = self.out;
    }

    /// This much was sent, new or again.
    pub(super) fn on_sent(&mut self, len: u64) {
        self.out = self.out.saturating_add(len);
    }

    /// Bytes that may still go out on the last ACK, to arrive at `ssthresh`; `pipe` is what is in flight now. `whole`: the
    /// proportion is rounded up to segments, as who counts in segments does.
    pub(super) fn quota(&self, ssthresh: u64, pipe: u64, mss: u64, whole: bool) -> u64 {
        let sent = self.out.saturating_sub(self.out_before);
        let pipe_then = pipe.saturating_sub(sent);
        let allowed = if pipe_then > ssthresh {
            // The reduction in proportion: of each RecoverFS delivered, ssthresh goes out.
            let share = u128::from(self.delivered) * u128::from(ssthresh);
            let share = share.div_ceil(u128::from(self.recover_fs.max(1)));
            let share = u64::try_from(share).unwrap_or(u64::MAX);
            let share = if whole { share.checked_next_multiple_of(mss).unwrap_or(share) } else { share };
            share.saturating_sub(self.out_before)
        } else {
            // The reduction bound: conservative, and in slow start where the ACK is a good sign.
            let delivered = self.delivered.saturating_add(self.credit);
            let mut limit = delivered.saturating_sub(self.out_before).max(self.last);
            if self.safe {
                limit = limit.saturating_add(mss);
            }
            (ssthresh - pipe_then).min(limit)
        };
        let left = allowed.saturating_sub(sent);
        // The retransmission that recovery begins with goes out in any case.
        if self.out == 0 { left.max(mss) } else { left }
    }
}
