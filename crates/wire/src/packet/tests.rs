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
    assert_eq!((piece.data.as_ptr(), piece.data.len(), piece.pinned), (part.as_ptr(), 50, 100));
    // Nobody owns the second; the third does not lie in what it is said to; there is no fourth.
    assert!((1..4).all(|other| packet.shared(other).is_none()));
    assert!(TxPacket { owners: &[], ..packet }.shared(0).is_none());
}

#[test]
fn pieces_are_put_together_in_order() {
    let piece = |data: &'static [u8]| Piece { data: Bytes::from_static(data), pinned: 1000 };
    let mut packet = RxPacket { data: Bytes::from_static(b"head"), pinned: 64, ..RxPacket::default() };
    packet.gather();
    assert_eq!((&packet.data[..], packet.pinned), (&b"head"[..], 64));
    packet.more = vec![piece(b" and"), piece(b" tail")];
    assert_eq!(packet.len(), 13);
    packet.gather();
    assert_eq!((&packet.data[..], packet.more.len()), (&b"head and tail"[..], 0));
    assert!(packet.pinned >= 13 && packet.pinned < 1000);
}
