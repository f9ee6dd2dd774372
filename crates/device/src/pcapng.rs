//! A writer of pcapng files: packets with nanosecond times, directions, comments, and statistics at the end.
//!
//! It decides the layout of the blocks (draft-ietf-opsawg-pcapng: SHB, IDB, EPB, ISB, in the machine's byte order) and
//! when bytes reach the file: only whole blocks, each flush one `write`, so that a reader finds a valid file after every
//! flush and after a kill between two of them. (A kill in the midst of that one system call may cut the last block short;
//! readers say so and show the rest.) It must not know where packets come from.

use std::io::{self, Write};

/// LINKTYPE_RAW: packets begin with an IPv4 or IPv6 header.
const LINKTYPE_RAW: u16 = 101;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// The longest option value: its length field has 16 bits, and a reader pads it.
const MAX_OPTION: usize = 65_532;

/// Blocks are handed to the file once this many bytes have gathered.
const FLUSH_AT: usize = 256 * 1024;

/// Which way a packet went, as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the device to the host.
    Inbound,
    /// From the host to the device.
    Outbound,
}

/// One packet for the file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Nanoseconds since 1970, UTC.
    pub nanos: u64,
    /// Which way it went.
    pub direction: Direction,
    /// The packet from its IP header on; the writer keeps as much of it as the snap length allows.
    pub packet: &'a [u8],
    /// For people; empty for none.
    pub comment: &'a str,
}

/// Writes one section with one interface to `W`.
///
/// An error of the output is reported once and ends the writing: after a half-written block nothing more would be
/// readable. Dropping the writer flushes it; [`finish`](Self::finish) also writes the statistics.
#[derive(Debug)]
pub struct PcapngWriter<W: Write> {
    out: W,
    buffer: Vec<u8>,
    snap: usize,
    broken: bool,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file: the section and its interface, called `interface`. Of each packet the first `snap` bytes are kept;
    /// 0 keeps all.
    ///
    /// # Errors
    /// Those of `out`, to which the beginning is written at once.
    pub fn new(out: W, interface: &str, snap: u32) -> io::Result<Self> {
        let mut writer = Self { out, buffer: Vec::with_capacity(FLUSH_AT + 4096), snap: snap as usize, broken: false };
        writer.block(SECTION_HEADER, |body| {
            body.extend(BYTE_ORDER_MAGIC.to_ne_bytes());
            body.extend([1u16, 0].map(u16::to_ne_bytes).as_flattened()); // version 1.0
            body.extend(u64::MAX.to_ne_bytes()); // the section's length is not known
            option(body, 3, std::env::consts::OS.as_bytes());
            option(body, 4, concat!("bowline ", env!("CARGO_PKG_VERSION")).as_bytes());
            end_of_options(body);
        });
        writer.block(INTERFACE_DESCRIPTION, |body| {
            body.extend([LINKTYPE_RAW, 0].map(u16::to_ne_bytes).as_flattened());
            body.extend(snap.to_ne_bytes());
            option(body, 2, interface.as_bytes());
            option(body, 9, &[9]); // if_tsresol: times count nanoseconds
            end_of_options(body);
        });
        writer.flush()?;
        Ok(writer)
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// Those of the output, if the buffer was full and had to be written.
    pub fn packet(&mut self, record: &Record<'_>) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let kept = if self.snap == 0 { record.packet.len() } else { self.snap.min(record.packet.len()) };
        self.block(ENHANCED_PACKET, |body| {
            body.extend(0u32.to_ne_bytes()); // the interface
            body.extend(high_low(record.nanos));
            body.extend((kept as u32).to_ne_bytes());
            body.extend((record.packet.len() as u32).to_ne_bytes());
            body.extend(record.packet.iter().take(kept));
            pad(body, kept);
            let flags: u32 = if record.direction == Direction::Inbound { 1 } else { 2 };
            if !record.comment.is_empty() {
                option(body, 1, record.comment.as_bytes());
            }
            option(body, 2, &flags.to_ne_bytes());
            end_of_options(body);
        });
        if self.buffer.len() >= FLUSH_AT { self.flush() } else { Ok(()) }
    }

    /// Adds the statistics of the interface and flushes: packets seen from `start` to `end` (nanoseconds since 1970)
    /// and how many of them the file lacks.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(&mut self, start: u64, end: u64, received: u64, dropped: u64) -> io::Result<()> {
        self.block(INTERFACE_STATISTICS, |body| {
            body.extend(0u32.to_ne_bytes());
            body.extend(high_low(end));
            option(body, 2, &high_low(start));
            option(body, 3, &high_low(end));
            option(body, 4, &received.to_ne_bytes());
            option(body, 5, &dropped.to_ne_bytes());
            end_of_options(body);
        });
        self.flush()
    }

    /// Hands all whole blocks to the output.
    ///
    /// # Errors
    /// Those of the output; the writer is silent from then on.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.broken || self.buffer.is_empty() {
            return Ok(());
        }
        let outcome = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        self.broken = outcome.is_err();
        outcome
    }

    /// Bytes that have not reached the output.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.buffer.len()
    }

    /// Whether an error has ended the writing.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Appends a block: type, length, what `fill` writes (a multiple of four bytes), length.
    fn block(&mut self, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        self.buffer.extend(kind.to_ne_bytes());
        self.buffer.extend([0; 4]);
        fill(&mut self.buffer);
        let total = ((self.buffer.len() - start + 4) as u32).to_ne_bytes();
        self.buffer.extend(total);
        if let Some(length) = self.buffer.get_mut(start + 4..start + 8) {
            length.copy_from_slice(&total);
        }
    }
}

impl<W: Write> Drop for PcapngWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to tell about an error.
        let _ = self.flush();
    }
}

/// A time as the format has it: the upper half first, each half in the section's byte order.
fn high_low(value: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&((value >> 32) as u32).to_ne_bytes());
    bytes[4..].copy_from_slice(&(value as u32).to_ne_bytes());
    bytes
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let mut len = value.len().min(MAX_OPTION);
    // Text is cut between two characters. (Binary values are short.)
    while len < value.len() && value.get(len).is_some_and(|byte| byte & 0xc0 == 0x80) {
        len -= 1;
    }
    body.extend([code, len as u16].map(u16::to_ne_bytes).as_flattened());
    body.extend(value.iter().take(len));
    pad(body, len);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>, len: usize) {
    body.extend(std::iter::repeat_n(0, len.wrapping_neg() & 3));
}

#[cfg(test)]
pub(crate) mod tests;
