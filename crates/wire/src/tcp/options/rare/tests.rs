use alloc::vec::Vec;

use super::*;
use crate::tcp::{Layout, Signature, TcpFlags, TcpHeader, TcpOptions, Timestamps};

const COOKIE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const TIMES: [u8; 8] = [0, 0, 0, 9, 0, 0, 0, 7];

fn emitted(options: TcpOptions) -> Vec<u8> {
    let mut bytes = [0; 60];
    let len = TcpHeader { flags: TcpFlags::SYN, options, ..TcpHeader::default() }.emit(&mut bytes);
    bytes[20..len].to_vec()
}

fn syn() -> TcpOptions {
    let timestamps = Some(Timestamps { value: 9, echo: 7 });
    TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, timestamps, ..TcpOptions::default() }
}

fn cookie(bytes: &[u8], experimental: bool) -> Option<FastOpen> {
    Some(FastOpen { cookie: Cookie::try_from(bytes).unwrap(), experimental })
}

#[test]
fn they_stand_where_linux_and_freebsd_have_them() {
    let plain: Vec<u8> = [&[2, 4, 5, 180, 4, 2, 8, 10][..], &TIMES, &[1, 3, 3, 7]].concat();
    let packed: Vec<u8> = [&[2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 8, 10][..], &TIMES].concat();
    let freebsd = TcpOptions { layout: Layout::FreeBsd, ..syn() };
    let rows = [
        (TcpOptions { fast_open: cookie(&COOKIE, false), ..syn() }, [&plain[..], &[34, 10], &COOKIE, &[1, 1]].concat()),
        (
            TcpOptions { fast_open: cookie(&COOKIE, true), ..syn() },
            [&plain[..], &[254, 12, 0xf9, 0x89], &COOKIE].concat(),
        ),
        (TcpOptions { fast_open: cookie(&[], false), ..syn() }, [&plain[..], &[34, 2, 1, 1]].concat()),
        (TcpOptions { fast_open: cookie(&[], true), ..syn() }, [&plain[..], &[254, 4, 0xf9, 0x89]].concat()),
        (
            TcpOptions { fast_open: cookie(&COOKIE, false), ..freebsd },
            [&packed[..], &[34, 10], &COOKIE, &[0, 0]].concat(),
        ),
    ];
    for (options, expected) in rows {
        let bytes = emitted(options.clone());
        assert_eq!(bytes, expected);
        assert_eq!(TcpOptions::parse(&bytes), TcpOptions { layout: Layout::Linux, ..options });
    }
}

#[test]
fn a_cookie_that_does_not_fit_is_left_out() {
    let options = TcpOptions { signature: Some(Signature::Md5([5; 16])), fast_open: cookie(&COOKIE, false), ..syn() };
    let bytes = emitted(options.clone());
    assert_eq!(bytes.len(), 40);
    assert_eq!(TcpOptions::parse(&bytes), TcpOptions { fast_open: None, ..options });
}

#[test]
fn what_has_an_impossible_length_says_nothing() {
    let long = [34, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
    let rows: [&[u8]; 4] = [&[34, 4, 1, 2], &[34, 7, 1, 2, 3, 4, 5, 1], &long, &[254, 4, 1, 2]];
    for bytes in rows {
        assert_eq!(TcpOptions::parse(bytes), TcpOptions::default(), "{bytes:?}");
    }
    // RFC 7413 4.1.1: one that makes no sense does not undo one that did.
    let both = [34, 6, 1, 2, 3, 4, 34, 4, 1, 2, 1, 1];
    assert_eq!(TcpOptions::parse(&both).fast_open, cookie(&[1, 2, 3, 4], false));
}
