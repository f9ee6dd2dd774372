//! TCP options as bytes, in exactly the order that they have in a script or on the wire.

use crate::script::TcpOption;
use crate::script::packet::Md5;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
pub(super) const MD5: u8 = 19;
const FAST_OPEN: u8 = 34;
const ACC_ECN_0: u8 = 172;
const ACC_ECN_1: u8 = 174;
const EXPERIMENT: u8 = 254;
/// The experiment's number of TCP Fast Open (RFC 6994, RFC 7413 4.1.1).
const FAST_OPEN_EXPERIMENT: u16 = 0xf989;
const ACC_ECN_EXPERIMENTS: [u16; 2] = [0xacc0, 0xacc1];

/// The bytes that options take at most.
pub const MAX_LEN: usize = 40;

/// Writes options, with zeros up to a multiple of four bytes.
#[must_use]
pub fn encode(options: &[TcpOption]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_LEN);
    for option in options {
        one(option, &mut out);
    }
    out.resize(out.len().next_multiple_of(4), END);
    out
}

fn one(option: &TcpOption, out: &mut Vec<u8>) {
    match option {
        TcpOption::End => out.push(END),
        TcpOption::Nop => out.push(NOP),
        TcpOption::Mss(mss) => put(out, MSS, &[&mss.to_be_bytes()]),
        TcpOption::WindowScale(scale) => put(out, WINDOW_SCALE, &[&[*scale]]),
        TcpOption::SackPermitted => put(out, SACK_PERMITTED, &[]),
        TcpOption::Sack(blocks) => {
            let edges: Vec<u8> =
                blocks.iter().flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()]).flatten().collect();
            put(out, SACK, &[&edges]);
        }
        TcpOption::Timestamps { value, echo, .. } => {
            put(out, TIMESTAMPS, &[&value.unwrap_or_default().to_be_bytes(), &echo.to_be_bytes()]);
        }
        TcpOption::FastOpen { experimental: false, cookie } => put(out, FAST_OPEN, &[cookie]),
        TcpOption::FastOpen { experimental: true, cookie } => {
            put(out, EXPERIMENT, &[&FAST_OPEN_EXPERIMENT.to_be_bytes(), cookie]);
        }
        TcpOption::Md5(Md5::Digest(digest)) => put(out, MD5, &[digest]),
        // a valid one is computed once the packet is whole; zeros never are
        TcpOption::Md5(Md5::Valid | Md5::Invalid) => put(out, MD5, &[&[0; 16]]),
        TcpOption::AccEcn { kind, prefix, counters } => {
            let prefix = prefix.map(|prefix| prefix.to_be_bytes().to_vec()).unwrap_or_default();
            let counters: Vec<u8> =
                counters.iter().flat_map(|counter| counter.to_be_bytes().into_iter().skip(1)).collect();
            put(out, *kind, &[&prefix, &counters]);
        }
        TcpOption::Other(kind, bytes) => put(out, *kind, &[bytes]),
    }
}

fn put(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let len = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend([kind, len.min(255) as u8]);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Reads options as they stand; an option with an impossible length ends them.
///
/// Zeros after the end of the list are padding and no further options; each of the ones that scripts name `eol` is one.
#[must_use]
pub fn decode(mut bytes: &[u8]) -> Vec<TcpOption> {
    let mut options = Vec::new();
    loop {
        match *bytes {
            [] => return options,
            [END, ref rest @ ..] => {
                options.push(TcpOption::End);
                bytes = rest;
            }
            [NOP, ref rest @ ..] => {
                options.push(TcpOption::Nop);
                bytes = rest;
            }
            [kind, len, ..] if len >= 2 => {
                let Some((option, rest)) = bytes.split_at_checked(len.into()) else { return options };
                options.push(known(kind, option.get(2..).unwrap_or_default()));
                bytes = rest;
            }
            _ => return options,
        }
    }
}

fn known(kind: u8, value: &[u8]) -> TcpOption {
    let word = |bytes: &[u8]| bytes.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    match (kind, value) {
        (MSS, &[high, low]) => TcpOption::Mss(u16::from_be_bytes([high, low])),
        (WINDOW_SCALE, &[scale]) => TcpOption::WindowScale(scale),
        (SACK_PERMITTED, []) => TcpOption::SackPermitted,
        (SACK, blocks) if !blocks.is_empty() && blocks.len().is_multiple_of(8) => {
            let block = |block: &[u8; 8]| (word(&block[..4]), word(&block[4..]));
            TcpOption::Sack(blocks.as_chunks::<8>().0.iter().map(block).collect())
        }
        (TIMESTAMPS, times) if times.len() == 8 => {
            let (value, echo) = times.split_at(4);
            TcpOption::Timestamps { value: Some(word(value)), echo: word(echo), absolute: false }
        }
        (FAST_OPEN, cookie) => TcpOption::FastOpen { experimental: false, cookie: cookie.to_vec() },
        (MD5, digest) => TcpOption::Md5(Md5::Digest(digest.to_vec())),
        (ACC_ECN_0 | ACC_ECN_1, counters) if counters.len().is_multiple_of(3) => {
            TcpOption::AccEcn { kind, prefix: None, counters: counters.chunks(3).map(word).collect() }
        }
        (EXPERIMENT, &[high, low, ref rest @ ..]) => match u16::from_be_bytes([high, low]) {
            FAST_OPEN_EXPERIMENT => TcpOption::FastOpen { experimental: true, cookie: rest.to_vec() },
            number if ACC_ECN_EXPERIMENTS.contains(&number) && rest.len().is_multiple_of(3) => {
                TcpOption::AccEcn { kind, prefix: Some(number), counters: rest.chunks(3).map(word).collect() }
            }
            _ => TcpOption::Other(kind, value.to_vec()),
        },
        _ => TcpOption::Other(kind, value.to_vec()),
    }
}
