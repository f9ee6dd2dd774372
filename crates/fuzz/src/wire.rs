//! Everything in `bowline-wire` that reads bytes of a stranger: nothing panics, lengths stay inside the packet, and what was
//! read can be written and read again.
//!
//! The first byte of an input chooses what the rest is and whether checksums are repaired first: most random packets die
//! of a wrong checksum otherwise.

use bowline_wire::icmp::{Icmp, IcmpError, Quoted};
use bowline_wire::{
    Fragment, IpHeader, Protocol, RxChecksum, SackBlock, SegmentKind, Segmenter, SeqNumber, TcpFlags, TcpHeader,
    TcpOptions, Timestamps, UdpHeader, checksum, ip, tcp, udp,
};
use std::net::IpAddr;

/// The target.
pub fn run(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if choice & 1 == 1 {
        repair(&mut bytes);
    }
    match choice >> 1 & 3 {
        0 | 1 => packet(&bytes),
        2 => tcp_segment(&bytes),
        _ => segmentation(&bytes, choice),
    }
    sums(&bytes);
}

/// Makes the IPv4 header checksum right, so that what is behind it is reached.
fn repair(bytes: &mut [u8]) {
    let len = usize::from(bytes.first().copied().unwrap_or(0) & 0xf) * 4;
    if bytes.first().is_some_and(|byte| byte >> 4 == 4)
        && let Some(header) = bytes.get_mut(..len).filter(|header| header.len() >= 20)
    {
        header[10..12].fill(0);
        let sum = checksum::checksum(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fn packet(bytes: &[u8]) {
    let _ = ip::parse_quoted(bytes);
    let Ok(header) = ip::parse(bytes) else { return };
    assert!(header.header_len + header.payload_len <= bytes.len());
    ip_round(&header);
    let payload = header.payload(bytes);
    assert_eq!(payload.len(), header.payload_len);
    for check in [RxChecksum::Unverified, RxChecksum::Partial] {
        transport(&header, payload, check);
    }
}

/// A header that was read, without its options, survives writing and reading.
fn ip_round(header: &IpHeader) {
    let mut plain = *header;
    plain.header_len = plain.emit_len();
    let fits = plain.header_len + plain.payload_len <= usize::from(u16::MAX);
    if !fits {
        return;
    }
    let mut out = vec![0; plain.header_len + plain.payload_len];
    assert_eq!(ip::emit(&plain, &mut out), plain.header_len);
    match ip::parse(&out) {
        Ok(again) => assert_eq!(again, plain),
        // The payload begins with what would be one more extension header, which zeros are not.
        Err(_) => assert!(plain.fragment.is_none() && plain.src.is_ipv6()),
    }
}

fn transport(header: &IpHeader, payload: &[u8], check: RxChecksum) {
    match header.protocol {
        Protocol::TCP => {
            let _ = checksum::is_valid(header.src, header.dst, Protocol::TCP, payload);
            tcp_segment(payload);
        }
        Protocol::UDP => {
            if let Ok(udp) = UdpHeader::parse(header.src, header.dst, payload, check) {
                let mut out = [0; udp::HEADER];
                assert_eq!(udp.emit(&mut out), out.len());
                assert_eq!(out[..6], payload[..6]);
            }
        }
        Protocol::ICMP | Protocol::ICMPV6 => {
            if let Ok(message) = Icmp::parse(header.src, header.dst, payload, check) {
                icmp_message(header, &message);
            }
        }
        _ => {}
    }
}

fn icmp_message(header: &IpHeader, message: &Icmp<'_>) {
    let mut out = vec![0; message.emit_len()];
    assert_eq!(message.emit(header.src, header.dst, &mut out), out.len());
    assert_eq!(Icmp::parse(header.src, header.dst, &out, RxChecksum::Unverified).as_ref(), Ok(message));
    if let Icmp::Error { quoted, .. } = message
        && let Some(quoted) = Quoted::parse(quoted)
    {
        let _ = (quoted.ports(), quoted.tcp_seq(), quoted.echo());
    }
}

fn tcp_segment(bytes: &[u8]) {
    let Ok((header, len)) = TcpHeader::parse(bytes) else { return };
    assert!((tcp::MIN_HEADER..=tcp::MAX_HEADER).contains(&len) && len <= bytes.len());
    // What a sender does who has more to say than there is room for.
    let mut sent = header;
    sent.options.fit_acc_ecn(0);
    let mut out = [0; tcp::MAX_HEADER];
    let emitted = sent.emit(&mut out);
    assert_eq!(emitted, sent.emit_len());
    let mut expected = sent;
    expected.options.sack.truncate(expected.options.sack_that_fit());
    // What proves nothing is told apart, and never written.
    expected.options.signature.take_if(|signature| signature.emit_len() == 0);
    if let Some(option) = expected.options.fast_open.take() {
        let len = option.cookie.len() + if option.experimental { 4 } else { 2 };
        expected.options.fast_open = (expected.emit_len() + len <= tcp::MAX_HEADER).then_some(option);
    }
    assert_eq!(TcpHeader::parse(&out[..emitted]), Ok((expected, emitted)));
}

fn segmentation(bytes: &[u8], choice: u8) {
    let kind = [SegmentKind::Tcp4, SegmentKind::Tcp6, SegmentKind::Udp][usize::from(choice >> 3) % 3];
    let size = 1 + u16::from(choice) * 8;
    let mut out = vec![0; 4096];
    let mut segmenter = Segmenter::contiguous(bytes, Some((kind, size)), None);
    let mut packets = 0;
    while let Some(len) = segmenter.next(&mut out) {
        packets += 1;
        assert!(packets <= bytes.len().max(1), "more packets than bytes");
        let Some(header) = ip::parse_quoted(&out[..len]) else { continue };
        assert_eq!(header.header_len + header.payload_len, len);
        let transport = header.payload(&out);
        assert!(checksum::is_valid(header.src, header.dst, header.protocol, transport));
    }
}

/// Summing in two parts, or while copying, gives what summing at once gives.
fn sums(bytes: &[u8]) {
    let middle = bytes.len() / 3;
    let (first, second) = bytes.split_at(middle);
    let mut out = vec![0; second.len()];
    let mut sum = checksum::Accumulator::new();
    sum.add(first);
    sum.copy(&mut out, second);
    assert_eq!(out, second);
    assert_eq!(sum.finish(), checksum::checksum(bytes));
}

/// One packet of each kind, for both versions, right in every way.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let v4: (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [198, 51, 100, 2].into());
    let v6: (IpAddr, IpAddr) = ([0x20, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd; 16].into());
    let mut seeds = Vec::new();
    for (src, dst) in [v4, v6] {
        for header in tcp_headers() {
            let mut segment = vec![0; header.emit_len()];
            header.emit(&mut segment);
            tcp::fill_checksum(src, dst, &mut segment, &[b"some text"]);
            segment.extend(b"some text");
            seeds.push([&[4], &segment[..]].concat());
            seeds.push(ip_packet(src, dst, Protocol::TCP, &segment, None));
        }
        let mut datagram = vec![0; udp::HEADER];
        UdpHeader { src_port: 5353, dst_port: 53, payload_len: 5 }.emit(&mut datagram);
        udp::fill_checksum(src, dst, &mut datagram, &[b"query"]);
        datagram.extend(b"query");
        seeds.push(ip_packet(src, dst, Protocol::UDP, &datagram, None));
        let fragment = Fragment { id: 7, offset: 8, more: true };
        seeds.push(ip_packet(src, dst, Protocol::UDP, &datagram, Some(fragment)));
        let quoted = ip_packet(src, dst, Protocol::TCP, &[0; 20], None).split_off(1);
        for message in icmp_messages(&quoted) {
            let mut bytes = vec![0; message.emit_len()];
            message.emit(src, dst, &mut bytes);
            seeds.push(ip_packet(src, dst, Icmp::protocol(src), &bytes, None));
        }
        if src.is_ipv6() {
            let extended = [&[60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 5, 2, 0, 0, 0, 0], &datagram[..]].concat();
            seeds.push(ip_packet(src, dst, Protocol::HOP_BY_HOP, &extended, None));
        }
    }
    let cut: Vec<Vec<u8>> = seeds.iter().map(|seed| [&[7], &seed[1..]].concat()).collect();
    seeds.extend(cut);
    seeds
}

fn ip_packet(src: IpAddr, dst: IpAddr, protocol: Protocol, payload: &[u8], fragment: Option<Fragment>) -> Vec<u8> {
    let header = IpHeader { fragment, ..IpHeader::new(src, dst, protocol, payload.len()) };
    let mut bytes = vec![0; 1 + header.emit_len()];
    bytes[0] = 1;
    ip::emit(&header, &mut bytes[1..]);
    bytes.extend(payload);
    bytes
}

fn tcp_headers() -> [TcpHeader; 3] {
    let times = Some(Timestamps { value: 1, echo: 2 });
    let syn = TcpHeader {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNumber(9),
        flags: TcpFlags::SYN,
        window: 64_240,
        options: TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: times,
            ..TcpOptions::default()
        },
        ..TcpHeader::default()
    };
    let ack = TcpHeader {
        flags: TcpFlags::ACK,
        ack: SeqNumber(77),
        options: TcpOptions { timestamps: times, ..TcpOptions::default() },
        ..syn.clone()
    };
    let block = SackBlock { left: SeqNumber(5), right: SeqNumber(6) };
    let sack = TcpHeader {
        options: TcpOptions { sack: [block; 4].into_iter().collect(), ..TcpOptions::default() },
        ..ack.clone()
    };
    [syn, ack, sack]
}

fn icmp_messages(quoted: &[u8]) -> [Icmp<'_>; 5] {
    let error = |error| Icmp::Error { error, quoted };
    [
        Icmp::EchoRequest { ident: 1, sequence: 2, data: b"ping" },
        error(IcmpError::Unreachable { code: 3 }),
        error(IcmpError::PacketTooBig { mtu: 1400 }),
        error(IcmpError::TimeExceeded { code: 0 }),
        error(IcmpError::ParameterProblem { code: 0, pointer: 8 }),
    ]
}
