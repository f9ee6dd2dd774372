//! Bulk over one connection between two of Bowline's hosts.
//!
//! Decides how its applications write and read; what is measured and against what is known above.

use std::time::Instant as Clock;

use bowline_base::Instant;
use bowline_tcp::{CallError, ConnectionKey, Endpoint, Options};
use bytes::Bytes;

use super::{Bench, PATIENCE, told};
use crate::Result;
use crate::memory::{APPLICATION_BUFFER, Bulk, Link};

/// Buffer sizes tried for bulk, each way, in bytes.
const BULK_BUFFERS: [u32; 5] = [64 << 10, 128 << 10, 256 << 10, 1 << 20, 4 << 20];
/// How much is sent to find the best of them.
const TRIAL_BYTES: u64 = 128 << 20;

fn fixed_buffers(bytes: u32) -> Options {
    Options { send_buffer: bytes, receive_buffer: bytes, receive_buffer_max: bytes, ..Options::default() }
}

/// The applications of a bulk transfer.
struct Applications {
    near: ConnectionKey,
    far: ConnectionKey,
    copying: bool,
    source: Bytes,
    /// What is left of the source, where it is shared.
    rest: Bytes,
    sink: Vec<u8>,
}

impl Applications {
    fn new((near, far): (ConnectionKey, ConnectionKey), copying: bool) -> Self {
        let source = Bytes::from(vec![0x55; APPLICATION_BUFFER]);
        Self { near, far, copying, rest: source.clone(), source, sink: vec![0; APPLICATION_BUFFER] }
    }

    /// Writes as much as there is room for.
    fn write(&mut self, now: Instant, host: &mut Endpoint) -> Result<()> {
        loop {
            let sent = if self.copying {
                host.send(now, self.near, &self.source)
            } else {
                host.send_bytes(now, self.near, &mut self.rest)
            };
            match sent {
                Ok(len) if self.copying && len == self.source.len() => {}
                Ok(_) if !self.copying && self.rest.is_empty() => self.rest = self.source.clone(),
                Ok(_) | Err(CallError::WouldBlock) => return Ok(()),
                Err(error) => return Err(told("send", error)),
            }
        }
    }

    /// Reads all that is there, and returns how many bytes that was.
    fn read(&mut self, now: Instant, host: &mut Endpoint) -> Result<u64> {
        let mut got = 0;
        loop {
            let read = if self.copying {
                host.receive(now, self.far, &mut self.sink)
            } else {
                host.receive_bytes(now, self.far, usize::MAX).map(|read| read.len())
            };
            match read {
                Ok(len) => got += len as u64,
                Err(CallError::WouldBlock) => return Ok(got),
                Err(error) => return Err(told("receive", error)),
            }
        }
    }
}

pub(super) fn bulk(link: Link, bytes: u64, buffer: u32) -> Result<Bulk> {
    let mut bench = Bench::new(link, &fixed_buffers(buffer))?;
    let listener = bench.listen(80)?;
    let mut applications = Applications::new(bench.open(listener, 40_000, 80)?, link.copying);
    let (mut got, mut idle) = (0, 0);
    let started = Clock::now();
    while got < bytes {
        applications.write(bench.now, bench.near.stack.tcp_mut())?;
        bench.turn_near();
        bench.turn_far();
        let read = applications.read(bench.now, bench.far.stack.tcp_mut())?;
        got += read;
        bench.tick();
        idle = if read == 0 { idle + 1 } else { 0 };
        if idle > PATIENCE {
            return Err("bowline stopped in the middle of a transfer".into());
        }
    }
    Ok(Bulk { bytes: got, segments: bench.near.out.data_packets, elapsed: started.elapsed() })
}

/// Tries every buffer size and takes the fastest.
pub(super) fn fastest(link: Link, bytes: u64) -> Result<u32> {
    let mut best: Option<(f64, u32)> = None;
    for buffer in BULK_BUFFERS {
        let rate = bulk(link, bytes.min(TRIAL_BYTES), buffer)?.gbit_per_s();
        if best.is_none_or(|(other, _)| rate > other) {
            best = Some((rate, buffer));
        }
    }
    Ok(best.ok_or("no buffer size to try")?.1)
}
