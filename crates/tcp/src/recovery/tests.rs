//! Recovery, as its callers see it: tables of exchanges, and random ones against a naive oracle.

extern crate std;

mod chaos;
mod oracle;
mod probe;
mod rack;
mod reno;
mod sack;
mod timer;
mod undo;

use core::ops::Range;
use core::time::Duration;
use std::vec::Vec;

use bowline_base::{Instant, Position};

use super::{Ack, AckOutcome, Recovery};
use crate::Options;

/// Small enough to read, large enough that a byte is not a segment.
pub(super) const MSS: u64 = 100;

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn at(n: u64) -> Instant {
    Instant::from_millis(1_000 + n)
}

/// Positions relative to the first byte of data.
pub(super) fn pos(n: u64) -> Position {
    Position::initial(u32::MAX - 1_000) + 1 + n
}

pub(super) fn span(from: u64, to: u64) -> Range<Position> {
    pos(from)..pos(to)
}

/// Segments, counted from 0, as a range of positions.
pub(super) fn segs(from: u64, to: u64) -> Range<Position> {
    span(from * MSS, to * MSS)
}

/// A connection past its handshake, whose round trip took 10 ms.
pub(super) fn established(sack: bool) -> Recovery {
    let mut r = Recovery::new(&Options::default(), pos(0));
    r.set_mss(MSS as u32);
    r.set_sack(sack);
    r.on_handshake(at(0), Some(ms(10)));
    r
}

/// Sends segments one by one, all at the same time.
pub(super) fn send(r: &mut Recovery, now: Instant, segments: Range<u64>) {
    for n in segments {
        r.on_sent(now, segs(n, n + 1), false);
    }
}

/// A pure ACK.
pub(super) fn ack(r: &mut Recovery, now: Instant, segment: u64, sack: &[Range<u64>]) -> AckOutcome {
    let sack: Vec<_> = sack.iter().map(|b| segs(b.start, b.end)).collect();
    r.on_ack(now, &Ack { ack: pos(segment * MSS), sack: &sack, echo_rtt: None, has_data: false, window_changed: false })
}

/// An ACK with a timestamp's echo.
pub(super) fn ack_echo(r: &mut Recovery, now: Instant, segment: u64, echo: Duration) -> AckOutcome {
    let ack = Ack { ack: pos(segment * MSS), sack: &[], echo_rtt: Some(echo), has_data: false, window_changed: false };
    r.on_ack(now, &ack)
}

/// Retransmits what is believed lost, whole segments as far as `cwnd` allows; says which.
pub(super) fn repair(r: &mut Recovery, now: Instant, cwnd: u64) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some(lost) = r.next_lost() {
        if r.quota(cwnd) < MSS {
            break;
        }
        let range = lost.start..lost.end.min(lost.start + MSS);
        sent.push(range.start.since(pos(0)) / MSS);
        r.on_sent(now, range, true);
    }
    sent
}
