//! One endpoint and its user, who reads, writes and ends, and checks what arrives.

use std::collections::VecDeque;

use bowline_base::Instant;
use bowline_tcp::{Arrival, CallError, Config, ConnectionError, ConnectionKey, Endpoint, FourTuple, Path};
use bowline_wire::tcp::TcpHeader;
use bowline_wire::{Ecn, Piece, TrafficClass};
use bytes::Bytes;

/// Segments that may be on their way in one direction; what comes beyond is lost.
const FLYING: usize = 256;
/// Segments that one side may send at one instant: far more than its windows hold at the smallest segments.
const BURST: usize = 50_000;

/// A segment on its way.
#[derive(Clone, Debug)]
pub(super) struct Flying {
    pub(super) tuple: FourTuple,
    pub(super) header: TcpHeader,
    pub(super) payload: Vec<u8>,
    pub(super) size: Option<u16>,
    pub(super) mark: Ecn,
}

/// One endpoint, and its user.
pub(super) struct Side {
    pub(super) endpoint: Endpoint,
    pub(super) key: Option<ConnectionKey>,
    /// What it has sent and nobody has received.
    pub(super) out: VecDeque<Flying>,
    /// What it writes is told from what the other one writes.
    pub(super) voice: u8,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) shut: bool,
    pub(super) aborted: bool,
    /// The peer's end was read.
    pub(super) eof: bool,
    pub(super) error: Option<ConnectionError>,
}

impl Side {
    pub(super) fn new(config: Config, voice: u8) -> Self {
        let endpoint = Endpoint::new(config, [voice; 32]);
        let out = VecDeque::new();
        Self {
            endpoint,
            key: None,
            out,
            voice,
            written: 0,
            read: 0,
            shut: false,
            aborted: false,
            eof: false,
            error: None,
        }
    }

    pub(super) fn write(&mut self, now: Instant, len: u64) {
        let Some(key) = self.key.filter(|_| !self.shut) else { return };
        let data: Vec<u8> = (self.written..self.written + len).map(|at| byte(self.voice, at)).collect();
        self.written += self.endpoint.send(now, key, &data).unwrap_or(0) as u64;
    }

    /// Reads up to `most` bytes, which must be those that the other side wrote.
    pub(super) fn read(&mut self, now: Instant, most: usize, voice: u8, written: u64) {
        let Some(key) = self.key.filter(|_| !self.eof) else { return };
        let mut out = vec![0; most];
        match self.endpoint.receive(now, key, &mut out) {
            Ok(0) if most > 0 => {
                assert_eq!(self.read, written, "the end of the stream came before all of it");
                self.eof = true;
            }
            Ok(len) => {
                for (at, got) in (self.read..).zip(&out[..len]) {
                    assert_eq!(*got, byte(voice, at), "byte {at} is another one");
                }
                self.read += len as u64;
                assert!(self.read <= written, "more was read than was written");
            }
            Err(CallError::Ended(error)) => self.error = Some(error),
            Err(_) => {}
        }
    }

    pub(super) fn shutdown(&mut self, now: Instant) {
        if let Some(key) = self.key.filter(|_| !self.shut) {
            let told = self.endpoint.shutdown(now, key);
            self.shut = told.is_ok();
            if let Err(CallError::Ended(error)) = told {
                self.error = Some(error);
            }
        }
    }

    /// Takes out all that there is to send.
    pub(super) fn drain(&mut self, now: Instant) {
        let mut sent = 0;
        while let Some(flying) = self.endpoint.poll_transmit(now, |departure| Flying {
            tuple: FourTuple::new(departure.tuple.remote, departure.tuple.local),
            payload: departure.payload.concat(),
            size: departure.segment_size,
            mark: TrafficClass(departure.traffic_class).ecn(),
            header: departure.header.clone(),
        }) {
            sent += 1;
            assert!(sent < BURST, "no end to what is sent at {now}");
            if self.out.len() < FLYING {
                self.out.push_back(flying);
            }
        }
        while self.endpoint.poll_event().is_some() {}
    }

    pub(super) fn arrive(&mut self, now: Instant, flying: &Flying) {
        let arrival = Arrival {
            tuple: flying.tuple,
            header: &flying.header,
            head: &[],
            text: &[Piece::from(Bytes::from(flying.payload.clone()))],
            segment_size: flying.size,
            mark: flying.mark,
            path: Path::new(1500),
        };
        self.endpoint.handle_segment(now, &arrival);
    }

    /// Whether its user has nothing more to hear.
    pub(super) fn is_told(&self) -> bool {
        self.aborted || self.error.is_some() || (self.eof && self.shut)
    }
}

/// The byte at a place of what a side writes.
const fn byte(voice: u8, at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ voice
}
