use alloc::vec;

use super::*;

#[test]
fn a_part_with_an_owner_is_shared_and_others_are_not() {
    let (owner, stranger) = (Bytes::from(vec![7; 100]), Bytes::from(vec![8; 100]));
    let part = &owner[10..60];
    let owners = [Some(&owner), None, Some(&stranger)];
    let packet =
        TxPacket { head: b"head", payload: &[part, part, part], owners: &owners, checksum: None, segment: None };
    let piece = packet.shared(0).unwrap();
    assert_eq!((piece.bytes().as_ptr(), piece.len(), piece.pinned()), (part.as_ptr(), 50, 100));
    // Nobody owns the second; the third does not lie in what it is said to; there is no fourth.
    assert!((1..4).all(|other| packet.shared(other).is_none()));
    assert!(TxPacket { owners: &[], ..packet }.shared(0).is_none());
}

#[test]
fn pieces_are_put_together_in_order() {
    let piece = |data: &'static [u8]| Stretch::new(Bytes::from_static(data), 1000);
    let mut packet = RxPacket { data: Bytes::from_static(b"head"), pinned: 64, ..RxPacket::default() };
    packet.gather();
    assert_eq!((&packet.data[..], packet.pinned), (&b"head"[..], 64));
    packet.more = [piece(b" and"), piece(b" tail")].into_iter().collect();
    assert_eq!(packet.len(), 13);
    packet.gather();
    assert_eq!((&packet.data[..], packet.more.len()), (&b"head and tail"[..], 0));
    assert!(packet.pinned >= 13 && packet.pinned < 1000);
}

#[test]
fn stretches_that_lie_side_by_side_become_one() {
    let (owner, other) = (Bytes::from(vec![7; 100]), Bytes::from(vec![7; 100]));
    let cut = |owner: &Bytes, range: core::ops::Range<usize>| {
        let (parts, owners) = ([&owner[range]], [Some(owner)]);
        let packet = TxPacket { head: &[], payload: &parts, owners: &owners, checksum: None, segment: None };
        packet.shared(0).unwrap()
    };
    let mut first = cut(&owner, 10..40);
    assert!(!first.append(&cut(&owner, 41..50)), "a byte is missing");
    assert!(!first.append(&cut(&owner, 10..40)), "the same again");
    assert!(!first.append(&cut(&other, 40..50)), "another buffer");
    assert!(!first.append(&cut(&owner.slice(40..), 0..10)), "a buffer that we cannot tell to be the same");
    assert!(first.append(&cut(&owner, 40..50)) && first.append(&cut(&owner, 50..100)));
    assert!(!first.append(&cut(&owner, 0..1)), "nothing follows the end");
    assert_eq!((first.bytes().as_ptr(), first.len(), first.is_empty()), (owner[10..].as_ptr(), 90, false));
    let piece = Piece::from(first);
    assert_eq!((piece.data.as_ptr(), piece.data.len(), piece.pinned), (owner[10..].as_ptr(), 90, 100));
}
