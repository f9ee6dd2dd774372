//! TCP options: maximum segment size (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), AccECN
//! (RFC 9768 3.2.3), and what few segments have: Fast Open's in [`rare`] (RFC 7413), signatures in [`signature`]
//! (RFC 2385, RFC 5925).
//!
//! Every option may stand in every segment here (RFC 9293 3.1, MUST-5); whether it counts there is decided above.
//! Options are written in Linux's order and alignment, so that our packets look like those that middleboxes know, or in
//! FreeBSD's, which differs in a SYN.

use crate::seq::SeqNumber;
use crate::u32_at;
use arrayvec::ArrayVec;

mod acc_ecn;
pub mod rare;
pub mod signature;

pub use acc_ecn::{AccEcnOption, AccEcnOrder};
pub use rare::{Cookie, FastOpen};
pub use signature::{Mac, Signature};

/// The SACK blocks that fit beside no other option.
pub const MAX_SACK_BLOCKS: usize = 4;

/// The ranges of one SACK option, in their order.
pub type SackBlocks = ArrayVec<SackBlock, MAX_SACK_BLOCKS>;
/// The bytes that all options together may take.
pub const MAX_OPTIONS: usize = 40;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
/// What Linux puts before the two timestamps of a segment without SYN, and so do we.
const TIMESTAMPS_WORD: [u8; 4] = [NOP, NOP, TIMESTAMPS, 10];

/// The two times of a timestamps option (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the receiver's clock, as last seen.
    pub echo: u32,
}

/// A range of bytes that has arrived: from `left` up to but not including `right` (RFC 2018 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlock {
    /// The first number of the range.
    pub left: SeqNumber,
    /// The first number after it.
    pub right: SeqNumber,
}

/// In which order and alignment options are written. Segments without SYN look the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// `mss,sackOK,TS,nop,wscale`: each option in words of its own, SACK-permitted in the timestamps' padding.
    #[default]
    Linux,
    /// `mss,nop,wscale,sackOK,TS`: each option at the next place that its alignment allows; the end padded with
    /// end-of-options and zeros.
    FreeBsd,
}

/// The options of one segment.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TcpOptions {
    /// The largest segment that the sender takes, in bytes of payload; as given, zero included.
    pub mss: Option<u16>,
    /// The window scale; as given, above 14 included.
    pub window_scale: Option<u8>,
    /// Whether selective acknowledgements are welcome.
    pub sack_permitted: bool,
    /// The timestamps.
    pub timestamps: Option<Timestamps>,
    /// The SACK blocks, in their order. Emitting keeps those that fit.
    pub sack: SackBlocks,
    /// The byte counters of AccECN.
    pub acc_ecn: Option<AccEcnOption>,
    /// Fast Open's cookie, or the wish for one. Emitting leaves it out where it does not fit.
    pub fast_open: Option<FastOpen>,
    /// What proves who sent the segment. Emitting has room for it beside all options of a SYN but Fast Open's.
    pub signature: Option<Signature>,
    /// How they are written. Parsing does not find out: it gives the default.
    pub layout: Layout,
}

impl TcpOptions {
    /// Reads the options of a header.
    ///
    /// Unknown options are skipped by their length (RFC 9293 3.1, MUST-6). A known option of the wrong length is skipped
    /// as well. An illegal length, zero among them, ends the options and leaves those before it (MUST-7), as Linux does.
    /// Of repeated options the last one counts.
    #[inline]
    #[must_use]
    pub fn parse(options: &[u8]) -> Self {
        let mut parsed = Self::default();
        parsed.read_all(options);
        parsed
    }

    /// The same, where there were none before: options are large to move.
    #[inline]
    pub(super) fn read_all(&mut self, options: &[u8]) {
        match options.split_first_chunk::<4>() {
            Some((&TIMESTAMPS_WORD, times)) if times.len() == 8 => self.timestamps = read_timestamps(times),
            Some(_) => self.read_each(options),
            None => {} // the length is a multiple of four
        }
    }

    fn read_each(&mut self, mut rest: &[u8]) {
        loop {
            match *rest {
                [] | [END, ..] => return,              // MUST-4, MUST-68, MUST-69
                [NOP, ref after @ ..] => rest = after, // MUST-64: an option may begin at any byte
                [kind, length, ..] if length >= 2 => {
                    let Some((option, after)) = rest.split_at_checked(usize::from(length)) else { return };
                    self.read(kind, option.get(2..).unwrap_or_default());
                    rest = after;
                }
                _ => return,
            }
        }
    }

    /// Whether there is nothing but timestamps, or nothing at all: what most segments have, and all layouts write alike.
    #[inline]
    fn is_plain(&self) -> bool {
        let Self { mss, window_scale, sack_permitted, timestamps: _, sack, acc_ecn, fast_open, signature, layout: _ } =
            self;
        let of_syn = mss.is_some() | window_scale.is_some() | sack_permitted | fast_open.is_some();
        !(of_syn | !sack.is_empty() | acc_ecn.is_some() | signature.is_some())
    }

    /// Takes over one option, where its value has the length that it must have.
    fn read(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (WINDOW_SCALE, &[scale]) => self.window_scale = Some(scale),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (TIMESTAMPS, times) if times.len() == 8 => self.timestamps = read_timestamps(times),
            (SACK, blocks) if !blocks.is_empty() && blocks.len() % 8 == 0 => {
                let block = |block: &[u8; 8]| SackBlock {
                    left: SeqNumber(u32_at(block, 0).unwrap_or_default()),
                    right: SeqNumber(u32_at(block, 4).unwrap_or_default()),
                };
                self.sack = blocks.as_chunks::<8>().0.iter().take(MAX_SACK_BLOCKS).map(block).collect();
            }
            (acc_ecn::ACC_ECN_0 | acc_ecn::ACC_ECN_1, counters) => {
                self.acc_ecn = Some(AccEcnOption::read(kind, counters));
            }
            (rare::FAST_OPEN | rare::EXPERIMENT, value) => {
                self.fast_open = FastOpen::read(kind, value).or_else(|| self.fast_open.take());
            }
            (signature::MD5 | signature::AO, value) => {
                self.signature = Some(Signature::read(kind, value, self.signature.as_ref()));
            }
            _ => {}
        }
    }

    /// The bytes that all of them take, padding included.
    #[inline]
    #[must_use]
    pub fn emit_len(&self) -> usize {
        if self.is_plain() {
            return if self.timestamps.is_some() { 12 } else { 0 };
        }
        self.len_of_all()
    }

    fn len_of_all(&self) -> usize {
        if self.layout == Layout::FreeBsd {
            return self.packed(&mut [0; MAX_OPTIONS]);
        }
        let len = self.len_with_blocks(self.sack_that_fit());
        len + self.fast_open_that_fits(len).map_or(0, |option| option.emit_len().next_multiple_of(4))
    }

    /// The bytes of all options but Fast Open's, with so many SACK blocks.
    #[inline]
    fn len_with_blocks(&self, blocks: usize) -> usize {
        let sack = if blocks == 0 { 0 } else { 4 + 8 * blocks };
        self.emit_len_without_sack() + sack + self.acc_ecn_tail(blocks)
    }

    #[inline]
    fn emit_len_without_sack(&self) -> usize {
        let permitted_alone = self.sack_permitted && self.timestamps.is_none();
        let words = usize::from(self.mss.is_some())
            + usize::from(self.window_scale.is_some())
            + usize::from(permitted_alone)
            + if self.timestamps.is_some() { 3 } else { 0 }
            + self.acc_ecn.map_or(0, |option| option.words().0.len());
        4 * words + self.signature.as_ref().map_or(0, Signature::emit_len)
    }

    /// The Fast Open option, where `len` bytes of others leave room for it.
    #[inline]
    fn fast_open_that_fits(&self, len: usize) -> Option<&FastOpen> {
        self.fast_open.as_ref().filter(|option| len + option.emit_len() <= MAX_OPTIONS)
    }

    /// The bytes that what is left of the AccECN option takes: none where it has a place in the padding of what follows.
    #[inline]
    fn acc_ecn_tail(&self, blocks: usize) -> usize {
        match self.acc_ecn.and_then(|option| option.words().1) {
            None => 0,
            Some(_) if blocks > 0 || (self.sack_permitted && self.timestamps.is_none()) => 0,
            Some([_, NOP]) if self.window_scale.is_some() => 0,
            Some(_) => 4,
        }
    }

    /// How many SACK blocks there is room for.
    #[inline]
    #[must_use]
    pub fn sack_that_fit(&self) -> usize {
        self.sack.len().min(self.room_for_blocks())
    }

    /// How many SACK blocks the other options leave room for.
    #[inline]
    #[must_use]
    pub fn room_for_blocks(&self) -> usize {
        let room = MAX_OPTIONS.saturating_sub(self.emit_len_without_sack());
        MAX_SACK_BLOCKS.min(room.saturating_sub(4) / 8)
    }

    /// Writes the options to `out`, which has [`emit_len`](Self::emit_len) bytes. They fill whole words, so that there is no
    /// end of list and nothing behind it (RFC 9293 3.1, MUST-69). Returns the sum of the words as numbers.
    #[inline]
    pub(crate) fn emit(&self, out: &mut [u8]) -> u64 {
        if !self.is_plain() {
            self.emit_all(out);
            return out.as_chunks::<4>().0.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
        }
        let Some(times) = self.timestamps else { return 0 };
        let words = [u32::from_be_bytes(TIMESTAMPS_WORD), times.value, times.echo];
        if let Some(places) = out.first_chunk_mut::<12>() {
            crate::put_words(places, &words);
        }
        words.iter().map(|word| u64::from(*word)).sum()
    }

    fn emit_all(&self, out: &mut [u8]) {
        if self.layout == Layout::FreeBsd {
            let mut bytes = [0; MAX_OPTIONS];
            let len = self.packed(&mut bytes).min(out.len());
            if let (Some(to), Some(from)) = (out.get_mut(..len), bytes.get(..len)) {
                to.copy_from_slice(from);
            }
            return;
        }
        let mut words = out.as_chunks_mut::<4>().0.iter_mut();
        let mut put = |word: [u8; 4]| {
            if let Some(place) = words.next() {
                *place = word;
            }
        };
        if let Some(signature) = &self.signature {
            signature.words().for_each(&mut put);
        }
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put([MSS, 4, high, low]);
        }
        if let Some(times) = self.timestamps {
            // Linux puts SACK-permitted where the padding of the timestamps would be.
            put(if self.sack_permitted { [SACK_PERMITTED, 2, TIMESTAMPS, 10] } else { TIMESTAMPS_WORD });
            put(times.value.to_be_bytes());
            put(times.echo.to_be_bytes());
        }
        // What is left of the AccECN option behind its last word.
        let mut rest = None;
        if let Some((words, tail)) = self.acc_ecn.map(|option| option.words()) {
            words.into_iter().for_each(&mut put);
            rest = tail;
        }
        if self.sack_permitted && self.timestamps.is_none() {
            let [first, second] = rest.take().unwrap_or([NOP; 2]);
            put([first, second, SACK_PERMITTED, 2]);
        }
        if let Some(scale) = self.window_scale {
            let first = rest.take_if(|rest| rest[1] == NOP).map_or(NOP, |rest| rest[0]);
            put([first, WINDOW_SCALE, 3, scale]);
        }
        let blocks = self.sack_that_fit();
        if blocks > 0 {
            let [first, second] = rest.take().unwrap_or([NOP; 2]);
            put([first, second, SACK, 2 + 8 * blocks as u8]);
        }
        for block in self.sack.iter().take(blocks) {
            put(block.left.0.to_be_bytes());
            put(block.right.0.to_be_bytes());
        }
        if let Some([first, second]) = rest {
            put([first, second, NOP, NOP]);
        }
        if let Some(option) = self.fast_open_that_fits(self.len_with_blocks(blocks)) {
            option.words().for_each(put);
        }
    }
}

impl TcpOptions {
    /// Writes the options in FreeBSD's layout, and returns their length with padding.
    fn packed(&self, out: &mut [u8; MAX_OPTIONS]) -> usize {
        let mut at = 0;
        // Each option with the remainder that its place leaves when divided by four, or by two.
        let mut put = |modulus: usize, remainder: usize, option: &[u8]| {
            while at % modulus != remainder && at < MAX_OPTIONS {
                put_bytes(out, &mut at, &[NOP]);
            }
            put_bytes(out, &mut at, option);
        };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put(4, 0, &[MSS, 4, high, low]);
        }
        if let Some(scale) = self.window_scale {
            put(2, 1, &[WINDOW_SCALE, 3, scale]);
        }
        if self.sack_permitted {
            put(2, 0, &[SACK_PERMITTED, 2]);
        }
        if let Some(times) = self.timestamps {
            put(4, 2, &[TIMESTAMPS, 10]);
            put(1, 0, &times.value.to_be_bytes());
            put(1, 0, &times.echo.to_be_bytes());
        }
        if let Some(signature) = &self.signature {
            let (remainder, bytes) = signature.bytes();
            put(4, remainder, &bytes);
        }
        // Where blocks stand, no other option but timestamps and a signature does, so that as many fit as in the other layout.
        let blocks = self.sack_that_fit();
        if blocks > 0 {
            put(4, 2, &[SACK, 2 + 8 * blocks as u8]);
        }
        for block in self.sack.iter().take(blocks) {
            put(1, 0, &block.left.0.to_be_bytes());
            put(1, 0, &block.right.0.to_be_bytes());
        }
        if let Some(option) = &self.fast_open {
            put(1, 0, &option.bytes());
        }
        // FreeBSD has no place for it; behind all others there is room wherever there is in the other layout and no SYN.
        if let Some(option) = self.acc_ecn {
            put(1, 0, &option.bytes());
        }
        // MUST-69: what follows the end of the options is zero, which END is, too.
        at.next_multiple_of(4).min(MAX_OPTIONS)
    }
}

/// Writes bytes and moves on. What does not fit is left out.
fn put_bytes(out: &mut [u8; MAX_OPTIONS], at: &mut usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(*at..*at + bytes.len()) {
        place.copy_from_slice(bytes);
        *at += bytes.len();
    }
}

#[inline]
fn read_timestamps(times: &[u8]) -> Option<Timestamps> {
    Some(Timestamps { value: u32_at(times, 0)?, echo: u32_at(times, 4)? })
}
