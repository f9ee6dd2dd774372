use alloc::vec::Vec;

use super::*;
use crate::tcp::{Layout, TcpFlags, TcpHeader, TcpOptions, Timestamps};

const TIMES: [u8; 8] = [0, 0, 0, 9, 0, 0, 0, 7];

fn emitted(options: TcpOptions) -> Vec<u8> {
    let mut bytes = [0; 60];
    let len = TcpHeader { flags: TcpFlags::SYN, options, ..TcpHeader::default() }.emit(&mut bytes);
    bytes[20..len].to_vec()
}

fn syn(layout: Layout) -> TcpOptions {
    let timestamps = Some(Timestamps { value: 9, echo: 7 });
    let sack_permitted = true;
    TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted, timestamps, layout, ..TcpOptions::default() }
}

fn ao(len: usize) -> Signature {
    Signature::Ao { key_id: 61, next_key_id: 84, mac: (0..len as u8).collect() }
}

#[test]
fn they_stand_where_linux_and_freebsd_have_them() {
    let plain: Vec<u8> = [&[2, 4, 5, 180, 4, 2, 8, 10][..], &TIMES, &[1, 3, 3, 7]].concat();
    let packed: Vec<u8> = [&[2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 8, 10][..], &TIMES].concat();
    let digest = [&[1, 1, 19, 18][..], &[5; 16]].concat();
    let mac: Vec<u8> = (0..12).collect();
    let option = [&[29, 16, 61, 84][..], &mac].concat();
    let odd = [&[29, 14, 61, 84][..], &mac[..10], &[1, 1]].concat();
    let rows = [
        (Layout::Linux, Signature::Md5([5; 16]), [&digest[..], &plain].concat()),
        (Layout::FreeBsd, Signature::Md5([5; 16]), [&packed[..], &digest].concat()),
        (Layout::Linux, ao(12), [&option[..], &plain].concat()),
        (Layout::FreeBsd, ao(12), [&packed[..], &option].concat()),
        (Layout::Linux, ao(10), [&odd[..], &plain].concat()),
    ];
    for (layout, signature, expected) in rows {
        let options = TcpOptions { signature: Some(signature.clone()), ..syn(layout) };
        assert_eq!(emitted(options.clone()), expected);
        assert_eq!(TcpOptions::parse(&expected), TcpOptions { layout: Layout::Linux, ..options });
        assert!(signature.emit_len() >= expected.len() - plain.len().max(packed.len()));
    }
}

#[test]
fn blocks_have_what_room_is_left() {
    let times = Some(Timestamps::default());
    for (signature, timestamps, room) in [
        (None, None, 4),
        (None, times, 3),
        (Some(Signature::Md5([0; 16])), None, 2),
        (Some(Signature::Md5([0; 16])), times, 0),
        (Some(ao(12)), None, 2),
        (Some(ao(12)), times, 1),
    ] {
        let options = TcpOptions { signature, timestamps, ..TcpOptions::default() };
        assert_eq!(options.room_for_blocks(), room, "{options:?}");
    }
}

#[test]
fn several_or_a_broken_one_are_told_from_none() {
    let mut both = [&[19, 18][..], &[0; 16]].concat();
    both.extend([29, 6, 1, 2, 3, 4]);
    let rows: [&[u8]; 5] =
        [&[19, 4, 1, 2], &[29, 4, 1, 2], &[29, 3, 1, 1], &[29, 6, 1, 2, 3, 4, 29, 6, 1, 2, 3, 4], &both];
    for bytes in rows {
        let options = TcpOptions::parse(bytes);
        assert_eq!(options.signature, Some(Signature::Malformed), "{bytes:?}");
        assert_eq!(options.emit_len(), 0);
    }
}

#[test]
fn a_mac_that_is_longer_than_any_is_not_kept() {
    let bytes = [&[29, 36, 1, 2][..], &[7; 32]].concat();
    let expected = Signature::Ao { key_id: 1, next_key_id: 2, mac: Mac::new() };
    assert_eq!(TcpOptions::parse(&bytes).signature, Some(expected));
}
