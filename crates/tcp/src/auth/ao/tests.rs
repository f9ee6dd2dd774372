//! The segments of RFC 9235, sections 4 to 7: signed as there, and taken as there.

use alloc::vec::Vec;
use core::net::SocketAddr;

use bowline_wire::tcp::{Signature, TcpHeader};

use super::rollover::{Ao, Numbers};
use super::*;
use crate::reason::DropReason;

const CLIENT: u8 = 61;
const SERVER: u8 = 84;

/// Headers of a handshake and a segment each way: SYN, SYN-ACK, the client's, the server's.
struct Section {
    name: &'static str,
    algorithm: AoAlgorithm,
    covers_options: bool,
    /// From the TCP header on.
    heads: [&'static str; 4],
}

const V4: [Section; 4] = [
    Section {
        name: "4.1",
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        heads: [
            "e9d700b3fbfbab5a00000000e002ffffcac40000020405b4010303080402080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7",
            "00b3e9d711c14261fbfbab5be012ffff37760000020405b4010303080402080a84a50beb00155ab71d10543deeab0fe24c3010815116b3be",
            "e9d700b3fbfbab5b11c14262c0180104a16200000101080a00155ac184a50beb1d103d547064cf998cc6c315c2c2e2bf",
            "00b3e9d711c14262fbfbab9ec0180100400c00000101080a84a50bf500155ac11d10543da63f0ecbbb2e635c954deac7",
        ],
    },
    Section {
        name: "4.2",
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: false,
        heads: [
            "ff1200b3cb0efbee00000000e002ffff541f0000020405b4010303080402080a00024cce000000001d103d5480af3cfeb85368937b8f9ec2",
            "00b3ff12acd5b5e1cb0efbefe012ffff388e0000020405b4010303080402080a576772f300024cce1d10543d09306f9acea63a8c68cb9a70",
            "ff1200b3cb0efbefacd5b5e2c01801046c4500000101080a00024cce576772f31d103d54710608cc696c03a271c93aa5",
            "00b3ff12acd5b5e2cb0efc32c018010046b600000101080a576772f300024cce1d10543d97766e48ac262de9ae61b4f9",
        ],
    },
    Section {
        name: "5.1",
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: true,
        heads: [
            "c4fa00b3787a1ddf00000000e002ffff5a0f0000020405b4010303080402080a00017ed0000000001d103d54e477e99c8040765498e55091",
            "00b3c4fafadd6de9787a1de0e012fffff3f20000020405b4010303080402080a93f4e9e800017ed01d10543dd6ada7bc4cdd536d1769db5f",
            "c4fa00b3787a1de0fadd6deac0180104950500000101080a00017ed093f4e9e81d103d5477412742fa4dc433eff0973e",
            "00b3c4fafadd6dea787a1e23c0180100e7db00000101080a93f4e9e800017ed01d10543df6d965a78382a74845f72dac",
        ],
    },
    Section {
        name: "5.2",
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: false,
        heads: [
            "da1c00b3389bed7100000000e002ffff70bf0000020405b4010303080402080a000185e1000000001d103d54c44e60cb31f7c0b1de3d2749",
            "00b3da1cd3844a6f389bed72e012ffffe4450000020405b4010303080402080ace459838000185e11d10543d3a6abb207e49b1be7136db90",
            "da1c00b3389bed72d3844a70c0180104885100000101080a000185e1ce4598381d103d547585e9e9d5c3ec857b96f837",
            "00b3da1cd3844a70389bed72c0180100044900000101080ace459838000185e11d10543d5c040fd9233304765c0982f4",
        ],
    },
];

const V6: [Section; 4] = [
    Section {
        name: "6.1",
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        heads: [
            "f7e400b3176a833f00000000e002ffff47210000020405a0010303080402080a0041d087000000001d103d549033ec3d7334b64c5edd039f",
            "00b3f7e43f51994b176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d0871d10543df1cba346c3526163f71f1f55",
            "f7e400b3176a83403f51994cc0180100329c00000101080a0041d091bd33129b1d103d54bf0805feb4ac7b163d6fcdf2",
            "00b3f7e43f51994c176a8383c0180100ee6e00000101080abd3312a50041d0911d10543d6c48125c11335bab9a07a797",
        ],
    },
    Section {
        name: "6.2",
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: false,
        heads: [
            "c6cd00b3020c1e6900000000e002ffffa41a0000020405a0010303080402080a009db95b000000001d103d54885698b0530ed4d5a15f8346",
            "00b3c6cdeba3734d020c1e6ae012ffff774d0000020405a0010303080402080a5ec99b70009db95b1d10543d3c546bad9743f12df8b8010d",
            "c6cd00b3020c1e6aeba3734ec018010083e600000101080a009db9655ec99b701d103d5448bd093b1924e001192f5bf0",
            "00b3c6cdeba3734e020c1eadc0180100716a00000101080a5ec99b7a009db9651d10543d559a819445b4fde98d9e1317",
        ],
    },
    Section {
        name: "7.1",
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: true,
        heads: [
            "f85a00b3193cccec00000000e002ffffde5d0000020405a0010303080402080a13e4ab99000000001d103d5459b588107481ac6dc3927040",
            "00b3f85aa6744ecb193cccede012ffffeabb0000020405a0010303080402080a71daabc813e4ab991d10543ddc2843a84e78a6bcfdc5ed80",
            "f85a00b3193ccceda6744eccc0180100328000000101080a13e4aba371daabc81d103d547b6a455c0d4f5f01835baab3",
            "00b3f85aa6744ecc193ccd30c018010052f400000101080a71daabd313e4aba31d10543dc1069b7dfd3d693a6df3f289",
        ],
    },
    Section {
        name: "7.2",
        algorithm: AoAlgorithm::Aes128Cmac,
        covers_options: false,
        heads: [
            "f28800b3b01da74a00000000e002ffff75ff0000020405a0010303080402080a14275b3b000000001d103d543d45b4342de8bb1530847898",
            "00b3f288a6246145b01da74be012ffffa70c0000020405a0010303080402080a1782245b14275b3b1d10543d1d01f6c87c6f93acffa9d4b5",
            "f28800b3b01da74ba6246146c0180100c36d00000101080a14275b4f1782245b1d103d54290cf414ccb47a333276e7f8",
            "00b3f288a6246146b01da78ec0180100345100000101080a1782246514275b4f1d10543d99515ffcd5403499f619fd1b",
        ],
    },
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A BGP OPEN: autonomous system and identifier differ.
fn open(system: [u8; 2], identifier: [u8; 4]) -> Vec<u8> {
    let mut open = bytes("ffffffffffffffffffffffffffffffff00430104");
    open.extend(system);
    open.extend([0, 180]);
    open.extend(identifier);
    open.extend(bytes("260206010400010001020280000202020002024200020641040000"));
    open.extend(system);
    open.extend(bytes("02084006006400010100"));
    open
}

/// The client's name of a section's connection, and the texts of its segments.
fn conversation(section: &Section, v6: bool) -> (FourTuple, [Vec<u8>; 4]) {
    let port = u16::from_be_bytes(bytes(&section.heads[0][..4]).try_into().unwrap());
    let (ends, texts) = match v6 {
        false => (
            ["10.11.12.13", "172.27.28.29"],
            [open([0xda, 0xbf], [10, 11, 12, 13]), open([0xda, 0xc0], [172, 27, 28, 29])],
        ),
        true => (["fd00::1", "fd00::2"], [open([0xfd, 0xe8], [1, 1, 1, 0x79]), open([0xfd, 0xe8], [1, 1, 1, 0x7a])]),
    };
    let [client, server] = ends.map(|end| end.parse().unwrap());
    let tuple = FourTuple::new(SocketAddr::new(client, port), SocketAddr::new(server, 179));
    let [first, second] = texts;
    (tuple, [Vec::new(), Vec::new(), first, second])
}

fn keys(section: &Section, ids: (u8, u8)) -> Ao {
    let everybody = if section.name < "6" { "0.0.0.0/0" } else { "::/0" };
    let key = AoKey::new(everybody.parse().unwrap(), ids, b"testvector").unwrap();
    let key = AoKey { algorithm: section.algorithm, covers_options: section.covers_options, ..key };
    Ao::new(core::iter::once(key)).unwrap()
}

/// The initial numbers, the client's first.
fn isns(section: &Section) -> [u32; 2] {
    [0, 1].map(|n| TcpHeader::parse(&bytes(section.heads[n])).unwrap().0.seq.0)
}

#[test]
fn segments_are_signed_and_taken_as_in_rfc_9235() {
    for (section, v6) in V4.iter().map(|section| (section, false)).chain(V6.iter().map(|section| (section, true))) {
        let (tuple, texts) = conversation(section, v6);
        let [client, server] = isns(section);
        let reversed = FourTuple::new(tuple.remote, tuple.local);
        let ends = [
            (tuple, Numbers::initial(client, server), keys(section, (CLIENT, SERVER))),
            (reversed, Numbers::initial(server, client), keys(section, (SERVER, CLIENT))),
        ];
        for (n, text) in texts.iter().enumerate() {
            let head = bytes(section.heads[n]);
            let (header, len) = TcpHeader::parse(&head).unwrap();
            assert_eq!(len, head.len());
            let (sends, receives) = (&ends[n % 2], &ends[1 - n % 2]);
            let message = Message {
                from: sends.0.local.ip(),
                to: sends.0.remote.ip(),
                head: &head,
                text: [&text[..]].into_iter(),
            };
            let [sender, mut receiver] = [sends, receives].map(|end| end.2.clone());
            let expected = header.options.signature.clone();
            let what = (section.name, n);
            assert_eq!(Some(sender.signature(&sends.0, &sends.1, &header, &message)), expected, "{what:?}");
            for _ in 0..2 {
                assert_eq!(receiver.verify(&receives.0, &receives.1, &header, &message), Ok(()), "{what:?}");
                receiver.prepare(&receives.0, &receives.1);
            }
            refuses(&receiver, receives, &header, &message);
        }
    }
}

/// Whatever is changed of a segment, it is refused: but for options, if these are not covered.
fn refuses<'t>(
    ao: &Ao,
    (tuple, numbers, _): &(FourTuple, Numbers, Ao),
    header: &TcpHeader,
    message: &Message<'_, impl Text<'t>>,
) {
    let covers_options = ao.current().covers_options;
    // All of the header but its checksum, its options' kinds and lengths, and the identifiers.
    for at in [0, 2, 7, 11, 15, 19, message.head.len() - 1, message.head.len() - 20] {
        let mut head = message.head.to_vec();
        head[at] ^= 1;
        let changed = TcpHeader::parse(&head).unwrap().0;
        let message = Message { head: &head, text: message.text.clone(), ..*message };
        let is_option = at == head.len() - 20;
        let expected = if is_option && !covers_options { Ok(()) } else { Err(DropReason::AoBad) };
        // What tells its numbers are stays what it is.
        let header = TcpHeader { options: changed.options, ..header.clone() };
        assert_eq!(ao.verify(tuple, numbers, &header, &message), expected, "byte {at}");
    }
    let Message { from, to, head, .. } = *message;
    let other = Message { from, to, head, text: message.text.clone().chain([&b"x"[..]]) };
    assert_eq!(ao.verify(tuple, numbers, header, &other), Err(DropReason::AoBad), "text");
    let unsigned = TcpHeader { options: Default::default(), ..header.clone() };
    assert_eq!(ao.verify(tuple, numbers, &unsigned, message), Err(DropReason::AoNotFound));
    let mut unknown = header.clone();
    if let Some(Signature::Ao { key_id, .. }) = &mut unknown.options.signature {
        *key_id ^= 1;
    }
    assert_eq!(ao.verify(tuple, numbers, &unknown, message), Err(DropReason::AoKeyNotFound));
}

const MASTER: &[u8] = b"a master key";

fn ao_key(peers: &str, ids: (u8, u8)) -> AoKey {
    AoKey::new(peers.parse().unwrap(), ids, MASTER).unwrap()
}

fn ends() -> FourTuple {
    FourTuple::new("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:179".parse().unwrap())
}

/// The extension of a number is 1 where the numbers have begun anew since the initial one, and so on (RFC 5925 6.2).
#[test]
fn numbers_are_extended_when_they_begin_anew() {
    let ao = Ao::new([ao_key("10.0.0.0/24", (1, 1))].into_iter()).unwrap();
    let near_end = u32::MAX - 99;
    let begun = Numbers::initial(near_end, 500);
    let far = |bytes: u64| Numbers { snd: begun.iss + bytes, ..begun };
    let key = |sne: u32, header: &TcpHeader, message: &Message<'_, core::array::IntoIter<&[u8], 0>>| {
        let traffic = ao.current().traffic((ends().local, ends().remote), (near_end, 500));
        ao.current().mac(&traffic, sne, message).into_iter().collect::<bowline_wire::tcp::Mac>() == mac_of(header)
    };
    // (bytes sent so far, bytes from the beginning to the segment, its extension)
    for (sent, at, sne) in [
        (0, 1, 0),
        (99, 99, 0),
        (100, 100, 1),
        (100, 50, 0),
        (1_000, 40, 0),
        (1_000, 101, 1),
        (1 << 32, (1 << 32) + 40, 1),
        (1 << 32, (1 << 32) + 100, 2),
        (5 << 32, (5 << 32) - 7, 5),
    ] {
        let seq = (begun.iss + at).wire();
        let flags = bowline_wire::tcp::TcpFlags::ACK;
        let mut header = TcpHeader { seq: bowline_wire::SeqNumber(seq), flags, ..TcpHeader::default() };
        header.options.signature = Some(ao.blank());
        let mut head = [0; 60];
        let len = header.emit(&mut head);
        let from = ends();
        let message = Message { from: from.local.ip(), to: from.remote.ip(), head: &head[..len], text: [].into_iter() };
        header.options.signature = Some(ao.signature(&ends(), &far(sent), &header, &message));
        assert!(key(sne, &header, &message), "{sent} {at}: not {sne}");
        assert!(!key(sne + 1, &header, &message));
        // And so does the receiver, who has as much of it.
        let reversed = FourTuple::new(from.remote, from.local);
        let receives = Numbers { iss: begun.irs, irs: begun.iss, snd: begun.irs, rcv: begun.iss + sent };
        assert_eq!(ao.verify(&reversed, &receives, &header, &message), Ok(()), "{sent} {at}");
    }
}

fn mac_of(header: &TcpHeader) -> bowline_wire::tcp::Mac {
    match &header.options.signature {
        Some(Signature::Ao { mac, .. }) => mac.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_one_connection_have_identifiers_of_their_own() {
    let mut keys = crate::Keys::default();
    assert!(keys.add_ao(ao_key("10.0.0.0/24", (1, 2))));
    for (peers, ids, expected) in [
        ("10.0.0.0/24", (1, 3), false),
        ("10.0.0.0/24", (3, 2), false),
        ("10.0.0.7/32", (1, 3), false),
        ("10.0.0.0/8", (3, 2), false),
        ("10.0.1.0/24", (1, 2), true),
        ("10.0.0.0/24", (2, 1), true),
    ] {
        assert_eq!(keys.add_ao(ao_key(peers, ids)), expected, "{peers} {ids:?}");
    }
    let ports = AoKey { remote_port: Some(80), ..ao_key("10.0.2.0/24", (1, 1)) };
    assert!(keys.add_ao(ports.clone()) && !keys.add_ao(ports.clone()));
    assert!(keys.add_ao(AoKey { remote_port: Some(81), ..ports.clone() }));
    assert!(!keys.add_ao(AoKey { remote_port: None, ..ports }));
    assert!(!keys.remove_ao("10.0.0.0/24".parse().unwrap(), (1, 3)));
    assert!(keys.remove_ao("10.0.0.9/24".parse().unwrap(), (1, 2)));
    assert!(AoKey::new("::/0".parse().unwrap(), (1, 1), &[]).is_none());
    assert!(!alloc::format!("{keys:?}").contains("master"));
}
