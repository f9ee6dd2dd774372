use bowline_wire::packet::PartialChecksum;

use super::*;

fn header(flags: u8, kind: u8, gso_size: u16, csum_start: u16, csum_offset: u16, body: usize) -> Vec<u8> {
    let mut bytes = vec![flags, kind, 0, 0];
    for value in [gso_size, csum_start, csum_offset] {
        bytes.extend(value.to_ne_bytes());
    }
    bytes.resize(LEN + body, 0);
    bytes
}

#[test]
fn headers_from_the_kernel() {
    use RxChecksum::{Partial, Unverified, Verified};
    let ok = |checksum, segment_size| Ok(Received { checksum, segment_size });
    // flags, kind, gso_size, csum_start, csum_offset, body, what it means
    let table = [
        (0, 0, 0, 0, 0, 40, ok(Unverified, None)),
        (2, 0, 0, 0, 0, 40, ok(Verified, None)),
        (1, 0, 0, 20, 16, 40, ok(Partial, None)),
        (3, 0, 0, 20, 16, 40, ok(Partial, None)),
        (1, 1, 1448, 20, 16, 4000, ok(Partial, Some(1448))),
        (1, 4, 1428, 40, 16, 4000, ok(Partial, Some(1428))),
        (1, 0x81, 1448, 20, 16, 4000, ok(Partial, Some(1448))),
        (2, 4, 1428, 0, 0, 4000, ok(Verified, Some(1428))),
        (1, 5, 1400, 20, 6, 4000, ok(Partial, Some(1400))),
        // A size without a kind is noise, not a super-segment.
        (0, 0, 1448, 0, 0, 40, ok(Unverified, None)),
        (1, 0, 0, 20, 16, 38, ok(Partial, None)),
        (1, 0, 0, 20, 16, 37, Err(Malformed::Checksum)),
        (1, 0, 0, 0xffff, 0xffff, 40, Err(Malformed::Checksum)),
        (1, 1, 0, 20, 16, 4000, Err(Malformed::Segment)),
        (0, 1, 1448, 20, 16, 4000, Err(Malformed::Segment)),
        (1, 3, 1448, 20, 16, 4000, Err(Malformed::Kind)),
        (1, 2, 1448, 20, 16, 4000, Err(Malformed::Kind)),
        (1, 0x7f, 1448, 20, 16, 4000, Err(Malformed::Kind)),
    ];
    for (flags, kind, gso_size, start, offset, body, meaning) in table {
        let bytes = header(flags, kind, gso_size, start, offset, body);
        assert_eq!(parse(&bytes), meaning, "{flags} {kind} {gso_size} {start} {offset} {body}");
    }
    for len in 0..LEN {
        assert_eq!(parse(&vec![0; len]), Err(Malformed::Truncated));
    }
}

#[test]
fn headers_for_the_kernel() {
    let mut head = [0u8; 60];
    let plain = TxPacket { head: &head, payload: &[], owners: &[], checksum: None, segment: None };
    assert_eq!(emit(&plain), [0; LEN]);

    let checksum = Some(PartialChecksum { start: 20, offset: 16 });
    assert_eq!(emit(&TxPacket { checksum, ..plain }), header(1, 0, 0, 20, 16, 0)[..]);

    for (kind, code) in [(SegmentKind::Tcp4, 1), (SegmentKind::Tcp6, 4), (SegmentKind::Udp, 5)] {
        let bytes = emit(&TxPacket { checksum, segment: Some((kind, 1448)), ..plain });
        let mut expected = header(1, code, 1448, 20, 16, 0);
        expected[2..4].copy_from_slice(&60u16.to_ne_bytes());
        assert_eq!(bytes, expected[..]);
    }

    head[20 + 13] = 0x80 | 0x10;
    let cwr = TxPacket { head: &head, payload: &[], owners: &[], checksum, segment: Some((SegmentKind::Tcp4, 1448)) };
    assert_eq!(emit(&cwr)[1], 0x81, "CWR is announced");
    let udp = TxPacket { segment: Some((SegmentKind::Udp, 1448)), ..cwr };
    assert_eq!(emit(&udp)[1], 5, "and only in TCP");
}

#[test]
fn what_we_emit_parses_to_what_it_was() {
    let head = [0u8; 60];
    let body = [0u8; 4000];
    for checksum in [None, Some(PartialChecksum { start: 40, offset: 6 })] {
        for size in [None, Some(1), Some(1448), Some(u16::MAX)] {
            if size.is_some() && checksum.is_none() {
                continue;
            }
            let segment = size.map(|size| (SegmentKind::Tcp6, size));
            let packet = TxPacket { head: &head, payload: &[&body], owners: &[], checksum, segment };
            let mut bytes = emit(&packet).to_vec();
            bytes.extend([&head[..], &body[..]].concat());
            let expected = if checksum.is_some() { RxChecksum::Partial } else { RxChecksum::Unverified };
            assert_eq!(parse(&bytes), Ok(Received { checksum: expected, segment_size: size }));
        }
    }
}
