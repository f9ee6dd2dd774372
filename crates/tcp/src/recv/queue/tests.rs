extern crate std;

use core::ops::Range;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec;
use std::vec::Vec;

use bowline_base::Position;
use bowline_wire::packet::Piece;
use bytes::Bytes;
use proptest::prelude::*;

use super::{Inserted, ReceiveQueue};

const PLENTY: usize = 1 << 30;

fn start() -> Position {
    // The sequence number wraps soon after.
    Position::initial(u32::MAX - 100)
}

fn at(offset: u64) -> Position {
    start() + offset
}

/// The byte that the stream has at an offset.
fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn stream(range: Range<u64>) -> Vec<u8> {
    range.map(byte).collect()
}

fn queue() -> ReceiveQueue {
    ReceiveQueue::new(start())
}

/// Inserts a range of the stream in a buffer of its own size.
fn put(queue: &mut ReceiveQueue, range: Range<u64>) -> Inserted {
    let data = Bytes::from(stream(range.clone()));
    let len = data.len();
    queue.insert(at(range.start), &data, len, PLENTY)
}

fn blocks(queue: &ReceiveQueue, dsack: Option<Range<u64>>, max: usize) -> Vec<Range<u64>> {
    let offset = |p: Position| p.since(start());
    let dsack = dsack.map(|range| at(range.start)..at(range.end));
    queue.sack_blocks(dsack, max).into_iter().map(|block| offset(block.start)..offset(block.end)).collect()
}

fn read_all(queue: &mut ReceiveQueue) -> Vec<u8> {
    let mut all = vec![0; queue.len()];
    assert_eq!(queue.read(&mut all), all.len());
    assert!(queue.is_empty());
    all
}

#[test]
fn it_is_small_and_owns_nothing_when_empty() {
    assert!(size_of::<ReceiveQueue>() <= 96, "{} bytes", size_of::<ReceiveQueue>());
    let mut queue = queue();
    put(&mut queue, 5_000..9_000);
    put(&mut queue, 0..5_000);
    assert!(queue.memory() > 9_000);
    assert_eq!(read_all(&mut queue), stream(0..9_000));
    assert_eq!(queue.memory(), 0);
    assert!(queue.beyond.is_none());
}

#[test]
fn data_in_order_is_read_in_order() {
    let mut queue = queue();
    for n in 0..100 {
        let done = put(&mut queue, n * 1_000..(n + 1) * 1_000);
        assert_eq!(done, Inserted { advanced: 1_000, new: 1_000, ..Inserted::default() });
    }
    assert_eq!(queue.rcv_nxt(), at(100_000));
    assert_eq!(queue.highest(), at(100_000));
    let mut peeked = [0; 3_000];
    assert_eq!(queue.peek(54_321, &mut peeked), 3_000);
    assert_eq!(peeked.as_slice(), stream(54_321..57_321));
    assert_eq!(queue.peek(99_000, &mut peeked), 1_000);
    assert_eq!(queue.peek(100_000, &mut peeked), 0);
    assert_eq!(queue.chunks().flatten().copied().collect::<Vec<_>>(), stream(0..100_000));
    assert_eq!(read_all(&mut queue), stream(0..100_000));
}

#[test]
fn what_became_of_a_segment() {
    type Facts = (u64, u64, Option<Range<u64>>, bool, bool);
    let before = [10..20, 30..40];
    // segment, (advanced, new, duplicate, filled a hole, out of order)
    let table: [(Range<u64>, Facts); 12] = [
        (0..5, (5, 5, None, true, false)),
        (0..10, (20, 10, None, true, false)),
        (0..12, (20, 10, Some(10..12), true, false)),
        (0..35, (40, 20, Some(10..20), true, false)),
        (0..50, (50, 30, Some(10..20), true, false)),
        (5..8, (0, 3, None, false, true)),
        (10..20, (0, 0, Some(10..20), false, false)),
        (12..15, (0, 0, Some(12..15), false, false)),
        (15..35, (0, 10, Some(15..20), false, true)),
        (20..30, (0, 10, None, false, true)),
        (40..45, (0, 5, None, false, true)),
        (50..60, (0, 10, None, false, true)),
    ];
    for (segment, (advanced, new, duplicate, filled_hole, out_of_order)) in table {
        let mut queue = queue();
        for range in before.clone() {
            assert!(put(&mut queue, range).out_of_order);
        }
        let duplicate = duplicate.map(|range| at(range.start)..at(range.end));
        let expected = Inserted { advanced, new, duplicate, filled_hole, out_of_order, refused: 0 };
        assert_eq!(put(&mut queue, segment.clone()), expected, "{segment:?}");
        assert_eq!(read_all(&mut queue), stream(0..advanced), "{segment:?}");
    }
}

#[test]
fn what_was_received_before_is_a_duplicate() {
    let mut queue = queue();
    put(&mut queue, 0..100);
    read_all(&mut queue);
    let done = put(&mut queue, 20..60);
    assert_eq!(done, Inserted { duplicate: Some(at(20)..at(60)), ..Inserted::default() });
    let done = put(&mut queue, 90..130);
    assert_eq!(done, Inserted { advanced: 30, new: 30, duplicate: Some(at(90)..at(100)), ..Inserted::default() });
    assert_eq!(read_all(&mut queue), stream(100..130));
}

#[test]
fn a_fin_takes_one_position_and_nothing_follows_it() {
    let mut queue = queue();
    put(&mut queue, 0..10);
    put(&mut queue, 15..20);
    queue.skip_one();
    assert_eq!((queue.rcv_nxt(), queue.highest(), queue.holes()), (at(11), at(11), 0));
    assert_eq!(read_all(&mut queue), stream(0..10));
    assert_eq!(queue.memory(), 0);
}

#[test]
fn clearing_drops_everything_but_the_position() {
    let mut queue = queue();
    put(&mut queue, 0..10_000);
    put(&mut queue, 20_000..30_000);
    queue.clear();
    assert_eq!((queue.len(), queue.memory(), queue.out_of_order_len(), queue.rcv_nxt()), (0, 0, 0, at(10_000)));
}

#[test]
fn sack_blocks_name_the_newest_range_first() {
    let mut queue = queue();
    for start in [100, 300, 200, 500, 400] {
        put(&mut queue, start..start + 50);
    }
    assert_eq!(blocks(&queue, None, 3), [400..450, 500..550, 200..250]);
    assert_eq!(blocks(&queue, None, 4), [400..450, 500..550, 200..250, 300..350]);
    assert_eq!(blocks(&queue, None, 9).len(), 4);
    assert_eq!(blocks(&queue, None, 0), []);
    // An old range grows, and is the newest; two grow together into one.
    put(&mut queue, 150..160);
    assert_eq!(blocks(&queue, None, 2), [100..160, 400..450]);
    put(&mut queue, 250..300);
    assert_eq!(blocks(&queue, None, 4), [200..350, 100..160, 400..450, 500..550]);
    // What is in order is not reported.
    put(&mut queue, 0..100);
    assert_eq!(blocks(&queue, None, 4), [200..350, 400..450, 500..550]);
}

#[test]
fn a_duplicate_comes_first_and_the_range_around_it_second() {
    // RFC 2883 4.2: the second block holds the first one, if that lies above what is acknowledged.
    let mut queue = queue();
    put(&mut queue, 100..200);
    put(&mut queue, 300..400);
    let done = put(&mut queue, 120..140);
    assert_eq!(done.duplicate, Some(at(120)..at(140)));
    assert_eq!(blocks(&queue, Some(120..140), 3), [120..140, 100..200, 300..400]);
    assert_eq!(blocks(&queue, Some(120..140), 1).first(), Some(&(120..140)));
    assert_eq!(blocks(&queue, Some(120..140), 0), []);
}

#[test]
fn large_slices_are_kept_and_small_ones_copied() {
    let mut queue = queue();
    let large = Bytes::from(stream(0..20_000));
    queue.insert(start(), &large, 65_536, PLENTY);
    assert!(queue.memory() >= 65_536, "a kept slice costs its whole buffer");
    let out = queue.read_bytes(usize::MAX).unwrap();
    assert_eq!(out.as_ptr(), large.as_ptr(), "and comes out without a copy");
    assert_eq!(queue.memory(), 0);

    // Below an eighth of its buffer, and below 2 KiB.
    for (len, pinned) in [(8_000, 65_536), (2_047, 2_047)] {
        let at = queue.rcv_nxt();
        let data = Bytes::from(vec![7; len]);
        queue.insert(at, &data, pinned, PLENTY);
        assert!(queue.memory() < 2 * len + 256, "{} bytes for {len}", queue.memory());
        let out = queue.read_bytes(usize::MAX).unwrap();
        assert_ne!(out.as_ptr(), data.as_ptr());
        assert_eq!(out, data);
    }
}

#[test]
fn a_kept_slice_can_be_read_in_parts_without_a_copy() {
    let mut queue = queue();
    let data = Bytes::from(stream(0..20_000));
    queue.insert(start(), &data, 20_000, PLENTY);
    assert_eq!(queue.read_bytes(0), None);
    let first = queue.read_bytes(5_000).unwrap();
    assert_eq!((first.as_ptr(), first.len()), (data.as_ptr(), 5_000));
    assert!(queue.memory() >= 20_000, "the rest still pins the buffer");
    let mut some = [0; 5_000];
    assert_eq!(queue.read(&mut some), 5_000);
    assert_eq!(some.as_slice(), stream(5_000..10_000));
    assert_eq!(queue.read_bytes(usize::MAX).unwrap(), stream(10_000..20_000));
    assert_eq!((queue.read_bytes(1), queue.memory()), (None, 0));
}

#[test]
fn a_million_single_bytes_cost_about_a_million_bytes() {
    let mut queue = queue();
    let device_buffer = Bytes::from(stream(0..65_536));
    for n in 0..1_000_000_u64 {
        let slice = device_buffer.slice((n % 65_536) as usize..(n % 65_536) as usize + 1);
        let done = queue.insert(at(n), &slice, 65_536, PLENTY);
        assert_eq!(done.advanced, 1);
    }
    assert!(queue.memory() < 1_050_000, "{} bytes", queue.memory());
    assert_eq!(device_buffer.try_into_mut().map(|_| ()), Ok(()), "no slice of the device's buffer is left");
    let mut pieces = 0;
    while queue.read_bytes(usize::MAX).is_some() {
        pieces += 1;
    }
    assert!(pieces < 100, "{pieces} pieces");
}

#[test]
fn single_bytes_out_of_order_stay_within_the_limit() {
    // Backwards, every other byte, and forwards behind a hole: what each takes is bounded, and none is lost in the end.
    let limit = 64 << 10;
    let orders: [Vec<u64>; 3] =
        [(1..40_000).rev().collect(), (1..20_000).map(|n| 2 * n).collect(), (1..40_000).collect()];
    for order in orders {
        let mut queue = queue();
        for &n in &order {
            let done = queue.insert(at(n), &Bytes::from(vec![byte(n)]), 65_536, limit);
            assert!(queue.memory() <= limit, "{} bytes", queue.memory());
            assert!(queue.holes() <= 256);
            assert_eq!(done.new + done.refused, 1);
        }
        for n in 0..40_000 {
            let done = queue.insert(at(n), &Bytes::from(vec![byte(n)]), 65_536, limit);
            assert!(done.refused == 0 || done.out_of_order, "data in order is taken");
        }
        assert_eq!(read_all(&mut queue), stream(0..40_000));
        assert_eq!(queue.memory(), 0);
    }
}

#[test]
fn data_in_order_pushes_out_the_farthest() {
    let limit = 64 << 10;
    let mut queue = queue();
    for n in 1..4 {
        let data = Bytes::from(stream(n * 20_000..n * 20_000 + 19_000));
        assert_eq!(queue.insert(at(n * 20_000), &data, 19_000, limit).new, 19_000);
    }
    let refused = queue.insert(at(90_000), &Bytes::from(vec![0; 19_000]), 19_000, limit);
    assert_eq!((refused.new, refused.refused, refused.out_of_order), (0, 19_000, true));
    let taken = queue.insert(at(0), &Bytes::from(stream(0..20_000)), 20_000, limit);
    assert_eq!((taken.advanced, taken.refused), (39_000, 0));
    assert!(queue.memory() <= limit);
    assert_eq!(queue.highest(), at(59_000), "the farthest range made room");
    assert_eq!(read_all(&mut queue), stream(0..39_000));
}

#[test]
fn a_full_queue_takes_what_fits_and_refuses_the_rest() {
    let mut queue = queue();
    let done = queue.insert(start(), &Bytes::from(stream(0..100_000)), 100_000, 50_000);
    assert_eq!(done.new + done.refused, 100_000);
    assert!(done.new > 49_000 && queue.memory() <= 50_000);
    assert_eq!(queue.rcv_nxt(), at(done.new));
    let more = queue.insert(at(done.new), &Bytes::from(vec![1; 10_000]), 10_000, 50_000);
    assert_eq!((more.new, more.refused), (0, 10_000));
    assert_eq!(queue.insert(at(done.new), &Bytes::from(vec![1]), 1, 0).refused, 1);
    assert_eq!(read_all(&mut queue), stream(0..done.new));
}

#[test]
fn wasteful_slices_are_copied_together_before_anything_is_refused() {
    // Each slice of 8.3 kB pins 66 kB: in a memory of 512 KiB, all of a window of 256 KiB still fits.
    let limit = 512 << 10;
    let mut queue = queue();
    let mut n = 0;
    while n < 256 << 10 {
        let data = Bytes::from(stream(n..n + 8_300));
        assert_eq!(queue.insert(at(n), &data, 66_000, limit).refused, 0, "at {n}");
        assert!(queue.memory() <= limit);
        n += 8_300;
    }
    assert_eq!(read_all(&mut queue), stream(0..n));
}

#[test]
fn the_number_of_ranges_is_bounded_by_the_memory() {
    for (limit, most) in [(256 << 10, 256), (4 << 20, 1024), (1 << 30, 32_768)] {
        let mut queue = queue();
        let five = |n: u64| Bytes::from(stream(n..n + 5));
        for n in 1..=most + 44 {
            let done = queue.insert(at(n * 10), &five(n * 10), 5, limit);
            assert_eq!(done.refused, if n <= most { 0 } else { 5 }, "{n} of {most}");
        }
        assert_eq!(queue.holes() as u64, most);
        // A range that touches another needs no place of its own.
        assert_eq!(queue.insert(at(15), &five(15), 5, limit).new, 5);
        assert_eq!(queue.holes() as u64, most - 1);
    }
}

#[test]
fn the_ranges_reported_are_those_that_changed_last() {
    // Every other segment of many arrives, and then the others in a strange order, some of them again.
    let mut queue = queue();
    let mut changed: Vec<u64> = Vec::new();
    let orders = (1..2_000).filter(|n| n % 2 == 1).chain((1..2_000).map(|n| n * 7_919 % 2_000).filter(|n| *n > 0));
    for n in orders {
        put(&mut queue, n * 10..n * 10 + 10);
        changed.retain(|&other| other != n);
        changed.push(n);
        // Each newest change, wherever its range begins and ends by now.
        let mut expected: Vec<std::ops::Range<u64>> = Vec::new();
        for &n in changed.iter().rev() {
            if expected.len() == 4 {
                break;
            }
            if expected.iter().any(|range| range.contains(&(n * 10))) {
                continue;
            }
            let start = (1..=n).rev().take_while(|m| changed.contains(m)).last().unwrap_or(n);
            let end = (n..).take_while(|m| changed.contains(m)).last().unwrap_or(n);
            expected.push(start * 10..end * 10 + 10);
        }
        let reported: Vec<_> =
            queue.sack_blocks(None, 4).iter().map(|b| b.start.since(at(0))..b.end.since(at(0))).collect();
        assert_eq!(reported, expected, "after {n}");
    }
}

/// A device buffer that counts how much of its kind is alive.
struct Counted(Vec<u8>, Arc<AtomicUsize>, usize);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.2, Ordering::Relaxed);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert { back: u64, ahead: u64, len: u64, slack: usize },
    Read(usize),
    ReadBytes(usize),
}

fn op(unit: u64) -> impl Strategy<Value = Op> {
    let insert =
        (prop_oneof![4 => Just(0), 1 => 0..40_u64], prop_oneof![2 => Just(0), 3 => 0..200_u64], 0..40_u64, 1..12_usize);
    prop_oneof![
        6 => insert.prop_map(move |(back, ahead, len, slack)| Op::Insert { back: back * unit, ahead: ahead * unit, len: len * unit, slack }),
        1 => (0..2_000_usize).prop_map(Op::Read),
        1 => (0..2_000_usize).prop_map(Op::ReadBytes),
    ]
}

/// Everything the queue should know, byte by byte.
#[derive(Default)]
struct Oracle {
    here: BTreeSet<u64>,
    next: u64,
    read: u64,
}

impl Oracle {
    fn insert(&mut self, range: Range<u64>) -> (u64, u64, bool) {
        let new = range.filter(|&offset| offset >= self.next && self.here.insert(offset)).count() as u64;
        let had_hole = self.here.iter().any(|&offset| offset > self.next);
        let before = self.next;
        while self.here.remove(&self.next) {
            self.next += 1;
        }
        (self.next - before, new, had_hole)
    }

    fn holes(&self) -> usize {
        self.here.iter().filter(|&&offset| !self.here.contains(&(offset - 1))).count()
    }
}

fn check_reading(queue: &mut ReceiveQueue, oracle: &mut Oracle, op: &Op) {
    let mut buffer = vec![0; 2_000];
    match *op {
        Op::Read(n) => {
            let peeked = queue.peek(0, &mut buffer[..n]);
            let ahead = buffer[..peeked].to_vec();
            let n = queue.read(&mut buffer[..n]);
            assert_eq!(ahead, buffer[..n]);
            assert_eq!(buffer[..n], stream(oracle.read..oracle.read + n as u64));
            oracle.read += n as u64;
        }
        Op::ReadBytes(n) => {
            let data = queue.read_bytes(n).unwrap_or_default();
            assert!(data.len() <= n);
            assert_eq!(data, stream(oracle.read..oracle.read + data.len() as u64));
            oracle.read += data.len() as u64;
        }
        Op::Insert { .. } => unreachable!(),
    }
}

fn converse(ops: Vec<Op>, limit: usize) -> Result<(), TestCaseError> {
    let (mut queue, mut oracle) = (queue(), Oracle::default());
    let alive = Arc::new(AtomicUsize::new(0));
    for op in ops {
        if let Op::Insert { back, ahead, len, slack } = op {
            let first = (oracle.next + ahead).saturating_sub(back);
            let pinned = len as usize * slack;
            alive.fetch_add(pinned, Ordering::Relaxed);
            let data = Bytes::from_owner(Counted(stream(first..first + len), alive.clone(), pinned));
            let done = queue.insert(at(first), &data, pinned, limit);
            if limit == PLENTY {
                let (advanced, new, _) = oracle.insert(first..first + len);
                prop_assert_eq!((done.advanced, done.new, done.refused), (advanced, new, 0));
                prop_assert_eq!(queue.out_of_order_len(), oracle.here.len() as u64);
                prop_assert_eq!(queue.holes(), oracle.holes());
                let highest = oracle.here.last().map_or(oracle.next, |last| last + 1);
                prop_assert_eq!(queue.highest(), at(highest));
                for block in blocks(&queue, None, 4) {
                    prop_assert!(block.clone().all(|offset| oracle.here.contains(&offset)));
                    prop_assert!(!oracle.here.contains(&block.end) && block.start > oracle.next);
                }
                if len > 0 {
                    let first_blocks = blocks(&queue, None, 1);
                    let last = first + len - 1;
                    let here = last >= oracle.next && done.new > 0 && done.advanced == 0;
                    prop_assert!(!here || first_blocks[0].contains(&last), "the newest comes first");
                }
            } else {
                oracle.next += done.advanced;
            }
            if let Some(part) = done.duplicate {
                prop_assert!(part.start >= at(first) && part.end <= at(first + len) && part.start < part.end);
            }
        } else {
            check_reading(&mut queue, &mut oracle, &op);
        }
        prop_assert!(queue.memory() <= limit);
        prop_assert!(alive.load(Ordering::Relaxed) <= queue.memory(), "a buffer is alive that nobody accounts for");
        prop_assert_eq!(queue.rcv_nxt(), at(oracle.next));
        prop_assert_eq!(queue.len() as u64, oracle.next - oracle.read);
    }
    let rest = read_all(&mut queue);
    prop_assert_eq!(rest, stream(oracle.read..oracle.next));
    queue.clear();
    prop_assert_eq!((queue.memory(), alive.load(Ordering::Relaxed)), (0, 0));
    Ok(())
}

proptest! {
    #[test]
    fn it_agrees_with_a_map_of_bytes(ops in proptest::collection::vec(op(1), 1..150)) {
        converse(ops, PLENTY)?;
    }

    #[test]
    fn no_conversation_exceeds_the_limit(ops in proptest::collection::vec(op(97), 1..150), limit in 0..60_000_usize) {
        converse(ops, limit)?;
    }

    #[test]
    fn few_bytes_do_not_exceed_the_limit_either(ops in proptest::collection::vec(op(1), 1..300), limit in 0..6_000_usize) {
        converse(ops, limit)?;
    }
}

proptest! {
    // The oracle holds every byte on its own, and these are many.
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn it_agrees_when_slices_are_kept(ops in proptest::collection::vec(op(211), 1..40)) {
        converse(ops, PLENTY)?;
    }
}

#[test]
fn a_text_in_small_pieces_is_copied_to_one_place_and_is_the_same_as_piece_by_piece() {
    let piece = |range: Range<u64>| Piece { pinned: 65_536, ..Piece::from(Bytes::from(stream(range))) };
    let pieces: Vec<Piece> = (0..20).map(|i| piece(i * 1448..(i + 1) * 1448)).collect();
    let len = 20 * 1448;
    let (mut one, mut each) = (queue(), queue());
    let inserted = one.insert_pieces(at(0), (&pieces, len), PLENTY);
    assert_eq!(inserted, Inserted { advanced: len as u64, new: len as u64, ..Inserted::default() });
    for (i, piece) in (0..).zip(&pieces) {
        let _ = each.insert(at(i * 1448), &piece.data, piece.pinned, PLENTY);
    }
    assert_eq!((one.rcv_nxt(), one.len()), (each.rcv_nxt(), each.len()));
    assert_eq!(one.chunks().count(), 1, "one allocation");
    assert!(one.memory() <= each.memory(), "{} {}", one.memory(), each.memory());

    // what follows is appended where there is room, and the reader gets it all
    let more = [piece(len as u64..len as u64 + 10), piece(len as u64 + 10..len as u64 + 20)];
    assert_eq!(one.insert_pieces(at(len as u64), (&more, 20), PLENTY).advanced, 20);
    let mut read = vec![0; len + 20];
    assert_eq!(one.read(&mut read), len + 20);
    assert_eq!(read, stream(0..len as u64 + 20));
    assert_eq!(one.memory(), 0);

    // cut by the window, or with too little memory, it is taken piece by piece
    let (mut cut, mut tight) = (queue(), queue());
    assert_eq!(cut.insert_pieces(at(0), (&pieces, 2000), PLENTY).advanced, 2000);
    let inserted = tight.insert_pieces(at(0), (&pieces, len), 10_000);
    assert_eq!(inserted.advanced + inserted.refused, len as u64);
    assert!(inserted.advanced >= 8_000 && tight.memory() <= 10_000, "{inserted:?} {}", tight.memory());
}
