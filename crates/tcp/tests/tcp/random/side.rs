//! One side of a random conversation: what it writes and reads, and when it has had enough.

use std::time::Duration;

use bowline_base::{Instant, Randomness};
use bowline_tcp::{CallError, ConnectionError, ConnectionKey, FourTuple, Readiness, Then};
use bytes::Bytes;

use crate::bench::pair::{End, Pair};
use crate::bench::{byte_at, stream};

/// How a side behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// Writes all, closes its direction, reads to the end, closes.
    Orderly,
    /// Closes as soon as all is written, read or not.
    Hasty,
    /// Closes, or aborts, in the middle of it.
    Rude,
}

/// One side of a conversation.
pub(super) struct Side {
    pub(super) end: End,
    pub(super) key: Option<ConnectionKey>,
    pub(super) manner: Manner,
    /// Acts on events only, as a socket does; otherwise now and then.
    pub(super) by_events: bool,
    /// Where it is in the streams.
    pub(super) wants: u64,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) shut: bool,
    pub(super) ended: bool,
    pub(super) error: Option<ConnectionError>,
    /// Given its handle back.
    pub(super) gone: bool,
    pub(super) aborted: bool,
    pub(super) ready: Readiness,
    pub(super) next_act: Instant,
    /// How long it may take its time.
    pub(super) pause: Duration,
    /// The connection, as the client names it.
    pub(super) tuple: Option<FourTuple>,
}

impl Side {
    pub(super) fn new(end: End, random: &mut Randomness, calm: bool) -> Self {
        let manner = match random.below(10) {
            _ if calm => Manner::Orderly,
            0 => Manner::Rude,
            1 | 2 => Manner::Hasty,
            _ => Manner::Orderly,
        };
        let wants = match random.below(8) {
            0 => 0,
            1..=3 => random.below(3_000),
            4..=6 => random.below(40_000),
            _ => random.below(300_000),
        };
        Self {
            end,
            key: None,
            manner,
            by_events: random.below(2) == 0,
            wants,
            written: 0,
            read: 0,
            shut: false,
            ended: false,
            error: None,
            gone: false,
            aborted: false,
            ready: Readiness::empty(),
            next_act: Instant::ZERO,
            pause: Duration::from_micros([20_000, 60_000, 300_000, 3_000_000][random.below(4) as usize]),
            tuple: None,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.key.is_some() && !self.gone
    }

    pub(super) fn finished(&self) -> bool {
        self.ended && self.shut && self.written == self.wants && self.error.is_none()
    }

    pub(super) fn fail(&mut self, error: CallError) {
        match error {
            CallError::WouldBlock | CallError::Closing => {}
            CallError::Ended(why) => self.error = Some(why),
            CallError::NoConnection | CallError::Invalid => panic!("{error:?} on a live handle"),
        }
    }

    /// Does what it is ready for.
    pub(super) fn act(&mut self, pair: &mut Pair, random: &mut Randomness) {
        let Some(key) = self.key else { return };
        let mut moved = true;
        while moved && !self.gone && self.error.is_none() {
            moved = false;
            if !self.ended {
                moved |= self.read_some(pair, key, random);
            }
            if self.written < self.wants {
                moved |= self.write_some(pair, key, random);
            }
            if self.manner == Manner::Rude && random.below(30) == 0 {
                self.aborted = true;
                let abort = random.below(2) == 0;
                pair.call(self.end, |end, now| if abort { end.abort(now, key) } else { end.close(now, key) });
                self.gone = true;
                return;
            }
            if self.written == self.wants && !self.shut {
                self.shut = true;
                if self.manner == Manner::Hasty {
                    pair.call(self.end, |end, now| end.close(now, key));
                    self.gone = true;
                    return;
                }
                let result = pair.call(self.end, |end, now| end.shutdown(now, key));
                if let Err(error) = result {
                    self.fail(error);
                    assert!(error != CallError::Closing || self.error.is_some(), "nobody closed before");
                }
            }
            if !self.by_events && random.below(3) == 0 {
                break;
            }
        }
        if self.error.is_some() || self.finished() {
            pair.call(self.end, |end, now| end.close(now, key));
            self.gone = true;
        }
    }

    pub(super) fn read_some(&mut self, pair: &mut Pair, key: ConnectionKey, random: &mut Randomness) -> bool {
        let max = 1 + random.below(20_000) as usize;
        let mut out = vec![0; max];
        let result = match random.below(3) {
            0 => pair.call(self.end, |end, now| end.receive_bytes(now, key, max)).map(|bytes| {
                out[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            }),
            1 => {
                let mut seen = vec![0; max];
                let peeked = pair.call(self.end, |end, _| end.peek(key, &mut seen));
                let result = pair.call(self.end, |end, now| end.receive(now, key, &mut out));
                assert_eq!(peeked, result, "peek shows what receive gives");
                assert_eq!(seen, out);
                result
            }
            _ => pair.call(self.end, |end, now| end.receive(now, key, &mut out)),
        };
        match result {
            Ok(0) => self.ended = true,
            Ok(n) => {
                let wrong = (0..n).find(|&i| out[i] != byte_at(self.read + i as u64));
                assert_eq!(wrong.map(|i| self.read + i as u64), None, "a byte that was not written there");
                self.read += n as u64;
            }
            Err(error) => self.fail(error),
        }
        result.is_ok()
    }

    pub(super) fn write_some(&mut self, pair: &mut Pair, key: ConnectionKey, random: &mut Randomness) -> bool {
        let len = (1 + random.below(30_000)).min(self.wants - self.written) as usize;
        let data = stream(self.written, len);
        let kind = random.below(40);
        let result = pair.call(self.end, |end, now| match kind {
            0 => end.send_urgent(now, key, &data),
            1..=20 => end.send(now, key, &data),
            21..=23 => end.send_with(now, key, &mut Bytes::from(data), Then::More),
            24..=26 => end.send_with(now, key, &mut Bytes::from(data), Then::EndOfRecord),
            _ => end.send_bytes(now, key, &mut Bytes::from(data)),
        });
        match result {
            Ok(n) => self.written += n as u64,
            Err(error) => {
                assert_ne!(error, CallError::Closing, "nobody closed this direction");
                self.fail(error);
            }
        }
        result.is_ok()
    }
}

pub(super) fn change_options(side: &Side, pair: &mut Pair, random: &mut Randomness) {
    let Some(key) = side.key else { return };
    let what = random.below(4);
    let value = random.below(2) == 0;
    let result = pair.call(side.end, |end, now| {
        end.set_options(now, key, |options| match what {
            0 => options.nodelay = value,
            1 => options.cork = value,
            2 => options.receive_buffer = options.receive_buffer.saturating_mul(2),
            _ => options.delayed_ack = Duration::from_millis(if value { 0 } else { 200 }),
        })
    });
    assert!(matches!(result, Ok(()) | Err(CallError::Ended(_))), "{result:?}");
}
