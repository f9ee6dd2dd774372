use core::net::IpAddr;

use super::*;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::TcpFlags;

fn key(text: &str) -> Md5Key {
    Md5Key::new(text.as_bytes()).unwrap()
}

fn tuple(peer: &str) -> FourTuple {
    let peer: IpAddr = peer.parse().unwrap();
    let local = if peer.is_ipv4() { IpAddr::from([10, 0, 0, 1]) } else { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]) };
    FourTuple::new((local, 179).into(), (peer, 40_000).into())
}

fn md5_of(keys: &Keys, peer: &str) -> Option<Md5Key> {
    match keys.of(&tuple(peer)) {
        Some(Auth::Md5 { peers, key }) if peers.contains(peer.parse().unwrap()) => Some(key),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_network_counts() {
    let mut keys = Keys::default();
    assert!(keys.is_empty() && keys.of(&tuple("10.0.0.2")).is_none());
    for (network, text) in [("10.0.0.0/8", "wide"), ("10.0.0.2/32", "host"), ("10.0.0.0/24", "narrow"), ("::/0", "six")]
    {
        keys.set_md5(network.parse().unwrap(), key(text));
    }
    let rows = [
        ("10.0.0.2", Some("host")),
        ("10.0.0.3", Some("narrow")),
        ("10.9.0.3", Some("wide")),
        ("11.0.0.1", None),
        ("fd00::2", Some("six")),
    ];
    for (peer, expected) in rows {
        assert_eq!(md5_of(&keys, peer), expected.map(key), "{peer}");
    }
    // Bits of the host do not make another network.
    keys.set_md5("10.0.0.77/24".parse().unwrap(), key("other"));
    assert_eq!(md5_of(&keys, "10.0.0.3"), Some(key("other")));
    assert!(keys.remove_md5("10.0.0.0/24".parse().unwrap()) && !keys.remove_md5("10.0.0.0/24".parse().unwrap()));
    assert_eq!(md5_of(&keys, "10.0.0.3"), Some(key("wide")));
    assert_eq!(keys.md5().count(), 3);
}

#[test]
fn keys_have_1_to_80_bytes_and_are_not_shown() {
    assert!(Md5Key::new(&[]).is_none() && Md5Key::new(&[1; 81]).is_none());
    let mut keys = Keys::default();
    keys.set_md5("10.0.0.0/8".parse().unwrap(), Md5Key::new(&[b'x'; 80]).unwrap());
    let shown = alloc::format!("{keys:?}");
    assert!(shown.contains("10.0.0.0/8") && !shown.contains("xx") && !shown.contains("120"), "{shown}");
}

/// A segment from 10.0.0.1:40000 to 10.0.0.2:179, and its digest with the key `secret`, which Python's hashlib gave:
///
/// ```python
/// pseudo = bytes([10,0,0,1, 10,0,0,2, 0,6]) + (40 + 5).to_bytes(2, 'big')
/// fixed = bytes.fromhex('9c4000b3 00000064 000000c8 a0181000 0000 0000')
/// hashlib.md5(pseudo + fixed + b'hello' + b'secret')
/// ```
#[test]
fn a_digest_is_what_hashlib_makes_of_it() {
    let tuple = FourTuple::new("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:179".parse().unwrap());
    let mut header = TcpHeader {
        src_port: 40_000,
        dst_port: 179,
        seq: SeqNumber(100),
        ack: SeqNumber(200),
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 0x1000,
        ..TcpHeader::default()
    };
    let auth = Auth::Md5 { peers: "0.0.0.0/0".parse().unwrap(), key: key("secret") };
    let numbers = Numbers::initial(0, 0);
    auth.sign(&tuple, &numbers, &mut header, [&b"he"[..], b"llo"].into_iter());
    assert_eq!(
        header.options.signature,
        Some(Signature::Md5([
            0x67, 0x5d, 0xe0, 0x56, 0x8c, 0x4f, 0xa3, 0x8b, 0xac, 0x6c, 0x46, 0xeb, 0xb4, 0x56, 0xf5, 0x1a
        ]))
    );

    let six = FourTuple::new("[fd00::1]:40000".parse().unwrap(), "[fd00::2]:179".parse().unwrap());
    auth.sign(&six, &numbers, &mut header, [&b"hello"[..]].into_iter());
    assert_eq!(
        header.options.signature,
        Some(Signature::Md5([
            0xc4, 0x4b, 0x4b, 0x59, 0x61, 0xcc, 0x51, 0x8e, 0x63, 0x8b, 0xff, 0x5b, 0x6c, 0xe8, 0x65, 0x1b
        ]))
    );
}
