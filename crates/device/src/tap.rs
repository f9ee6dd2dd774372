//! A device that writes all that passes through it to a pcapng file, for its host or around its link.
//!
//! It decides what a capture shows: wire packets with complete checksums, super-segments cut as they would be on a
//! network, so that any reader agrees on every packet; and that a capture which fails never disturbs the traffic. It
//! must not know what the packets mean: comments come from the owner of the [`Capture`].

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, RxPacket, TxPacket};
use parking_lot::Mutex;

use crate::cut::Cutter;
use crate::pcapng::{Direction, PcapngWriter, Record};
use crate::{Device, Readiness, Transmitted};

/// How a capture is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// The interface's name in the file. Default `bowline`.
    pub interface: String,
    /// Nanoseconds since 1970 at [`Instant::ZERO`]. Default 0, for virtual time.
    pub epoch: u64,
    /// Bytes kept of each packet; 0, the default, keeps all.
    pub snap: u32,
    /// The longest time a packet waits before it is written to the file. Default 200 ms: a kill loses no more.
    pub flush_after: Duration,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self { interface: "bowline".to_owned(), epoch: 0, snap: 0, flush_after: Duration::from_millis(200) }
    }
}

/// What a capture has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounters {
    /// Wire packets seen, written or not.
    pub packets: u64,
    /// Wire packets that are not in the file because it could not be written.
    pub lost: u64,
}

struct Shared {
    writer: PcapngWriter<Box<dyn Write + Send>>,
    config: CaptureConfig,
    comments: [String; 2],
    counters: CaptureCounters,
    /// Packets that went into the writer since its last flush.
    unflushed: u64,
    first: Option<Instant>,
    last: Instant,
    flush_at: Option<Instant>,
    error: Option<io::Error>,
    finished: bool,
}

/// A capture under way. Clones share it; the last one to go finishes it.
#[derive(Clone)]
pub struct Capture(Arc<Mutex<Shared>>);

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Capture {
    /// Begins a capture on `out`, which needs no buffer of its own.
    ///
    /// # Errors
    /// The beginning of the file cannot be written.
    pub fn new(out: impl Write + Send + 'static, config: CaptureConfig) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = Box::new(out);
        let writer = PcapngWriter::new(out, &config.interface, config.snap)?;
        Ok(Self(Arc::new(Mutex::new(Shared {
            writer,
            config,
            comments: Default::default(),
            counters: CaptureCounters::default(),
            unflushed: 0,
            first: None,
            last: Instant::ZERO,
            flush_at: None,
            error: None,
            finished: false,
        }))))
    }

    /// Adds a remark to the next packet in this direction; several before one packet are joined by `; `.
    ///
    /// Of a super-segment, the first wire packet gets it. For comments on what the host does, the tap should be the
    /// outermost device: behind a delay, the next packet is another one.
    pub fn comment_next(&self, direction: Direction, comment: &str) {
        let mut shared = self.0.lock();
        let pending = &mut shared.comments[direction as usize];
        // One packet has a few reasons at most; whoever adds more forgot to send it.
        if pending.len() > 4096 {
            return;
        }
        if !pending.is_empty() {
            pending.push_str("; ");
        }
        pending.push_str(comment);
    }

    /// Records one wire packet.
    pub fn record(&self, now: Instant, direction: Direction, packet: &[u8]) {
        self.0.lock().record(now, direction, packet);
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counters(&self) -> CaptureCounters {
        self.0.lock().counters
    }

    /// The error that ended the capture, once.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        self.0.lock().error.take()
    }

    /// Writes what is waiting.
    pub fn flush(&self) {
        self.0.lock().flush();
    }

    /// Writes the statistics and ends the capture; later packets are not recorded.
    pub fn finish(&self) {
        self.0.lock().finish();
    }

    fn flush_at(&self) -> Option<Instant> {
        self.0.lock().flush_at
    }
}

impl Shared {
    fn record(&mut self, now: Instant, direction: Direction, packet: &[u8]) {
        if self.finished {
            return;
        }
        self.counters.packets += 1;
        self.first.get_or_insert(now);
        self.last = self.last.max(now);
        let mut comment = std::mem::take(&mut self.comments[direction as usize]);
        if self.writer.is_broken() {
            self.counters.lost += 1;
            return;
        }
        self.unflushed += 1;
        let nanos = self.config.epoch.saturating_add(now.as_nanos());
        let outcome = self.writer.packet(&Record { nanos, direction, packet, comment: &comment });
        self.note(outcome);
        comment.clear();
        self.comments[direction as usize] = comment; // its memory serves again
        match self.writer.unflushed() {
            0 => (self.flush_at, self.unflushed) = (None, 0),
            _ => _ = self.flush_at.get_or_insert(now + self.config.flush_after),
        }
    }

    fn flush(&mut self) {
        let outcome = self.writer.flush();
        self.note(outcome);
        (self.flush_at, self.unflushed) = (None, 0);
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let time = |at: Instant| self.config.epoch.saturating_add(at.as_nanos());
        let (start, end) = (time(self.first.unwrap_or(self.last)), time(self.last));
        // Flushed first, so that what cannot be written is counted in the statistics, should they be writable.
        self.flush();
        let outcome = self.writer.finish(start, end, self.counters.packets, self.counters.lost);
        self.note(outcome);
    }

    fn note(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            self.counters.lost += std::mem::take(&mut self.unflushed);
            self.error.get_or_insert(error);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A device whose traffic, in both directions, goes into a [`Capture`].
#[derive(Debug)]
pub struct Tapped<D> {
    inner: D,
    capture: Capture,
    cutter: Cutter,
    unreadable: u64,
}

impl<D: Device> Tapped<D> {
    /// `inner`, with its traffic recorded.
    #[must_use]
    pub fn new(inner: D, capture: Capture) -> Self {
        Self { inner, capture, cutter: Cutter::new(), unreadable: 0 }
    }

    /// The capture.
    #[must_use]
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// The device inside.
    #[must_use]
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// The device inside.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Packets whose headers fit no wire packet, and which the capture therefore shows as they passed.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn flush_if_due(&mut self, now: Instant) {
        if self.capture.flush_at().is_some_and(|at| at <= now) {
            self.capture.flush();
        }
    }
}

impl<D: Device> Device for Tapped<D> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
        let Some(mut packet) = self.inner.receive(now)? else {
            self.flush_if_due(now);
            return Ok(None);
        };
        packet.gather();
        let mut shared = self.capture.0.lock();
        if self.cutter.received(&packet, |wire| shared.record(now, Direction::Inbound, wire)) == 0 {
            self.unreadable += 1;
            shared.record(now, Direction::Inbound, &packet.data);
        }
        drop(shared);
        Ok(Some(packet))
    }

    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        let outcome = self.inner.transmit(now, packet)?;
        if outcome == Transmitted::Full {
            return Ok(outcome);
        }
        let mut shared = self.capture.0.lock();
        if self.cutter.sent(packet, |wire| shared.record(now, Direction::Outbound, wire)) == 0 {
            self.unreadable += 1;
            let bytes = [packet.head, &packet.payload.concat()].concat();
            shared.record(now, Direction::Outbound, &bytes);
        }
        Ok(outcome)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.inner.poll_timeout(), self.capture.flush_at()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        self.flush_if_due(now);
        self.inner.handle_timeout(now)
    }

    fn readiness(&self) -> Readiness<'_> {
        self.inner.readiness()
    }
}

#[cfg(test)]
mod tests;
