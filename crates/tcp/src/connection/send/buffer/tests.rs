use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn text(buffer: &SendBuffer, from: u64, to: u64) -> Vec<u8> {
    let first = Position::initial(100);
    gathered(buffer, first + from..first + to).pieces.concat()
}

fn gathered(buffer: &SendBuffer, range: Range<Position>) -> Gathered<'_> {
    let mut out = Gathered::default();
    buffer.gather(range, &mut out);
    out
}

#[test]
fn small_writes_share_one_tail_and_large_ones_are_kept_by_reference() {
    let mut buffer = SendBuffer::new(Position::initial(100));
    buffer.push_slice(b"abc");
    buffer.push_bytes(Bytes::from_static(b"def"));
    assert_eq!(gathered(&buffer, Position::initial(100)..Position::initial(106)).pieces.len(), 1);
    let big = Bytes::from(vec![7; COPY_BREAK]);
    buffer.push_bytes(big.clone());
    let Gathered { pieces, owners } = gathered(&buffer, Position::initial(100)..buffer.end());
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[1].as_ptr(), big.as_ptr());
    assert_eq!((owners.len(), owners[0], owners[1]), (2, None, Some(&big)));
}

#[test]
fn acknowledging_in_the_middle_of_a_chunk_keeps_the_rest() {
    let mut buffer = SendBuffer::new(Position::initial(100));
    buffer.push_slice(b"hello world");
    buffer.acknowledge(Position::initial(106));
    assert_eq!(buffer.len(), 5);
    assert_eq!(text(&buffer, 0, 100), b"world");
    assert_eq!(text(&buffer, 7, 9), b"or");
    buffer.acknowledge(Position::initial(900));
    assert_eq!((buffer.len(), text(&buffer, 0, 100)), (0, vec![]));
}

#[test]
fn an_empty_queue_owns_no_memory() {
    let mut buffer = SendBuffer::new(Position::initial(0));
    for _ in 0..100 {
        buffer.push_bytes(Bytes::from(vec![1; 4096]));
    }
    buffer.acknowledge(buffer.end());
    assert_eq!(buffer.memory(), 0);
}

#[test]
fn a_segment_gathers_no_more_pieces_than_it_may() {
    let mut buffer = SendBuffer::new(Position::initial(0));
    for _ in 0..40 {
        buffer.push_bytes(Bytes::from(vec![1; COPY_BREAK]));
    }
    let n = buffer.gatherable(Position::initial(0), 1 << 20);
    assert_eq!(n, (MAX_PIECES * COPY_BREAK) as u64);
    let half = Position::initial(COPY_BREAK as u32 / 2);
    assert_eq!(buffer.gatherable(half, 1 << 20), n - COPY_BREAK as u64 / 2);
    assert_eq!(
        gathered(&buffer, half..half + (1 << 20)).pieces.iter().map(|s| s.len() as u64).sum::<u64>(),
        n - COPY_BREAK as u64 / 2
    );
}
