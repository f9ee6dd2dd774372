//! What the network sends to a host: answers that are right or nearly so, and segments, datagrams and ICMP out of the blue.

use std::net::IpAddr;

use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{
    Fragment, RxChecksum, RxPacket, SackBlock, SeqNumber, Stretch, Stretches, TcpFlags, TcpHeader, TcpOptions,
    Timestamps, UdpHeader, icmp, tcp, udp,
};
use bytes::Bytes;

use super::{Bench, addresses, port};
use crate::input::Input;

/// The text of a segment, and how the device hands it over.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    len: usize,
    /// Bytes in each piece, where it does not lie in one with the headers.
    pieces: Option<usize>,
    /// Payload bytes per wire segment, of a super-segment.
    segment_size: Option<u16>,
    checksum: RxChecksum,
    marked: bool,
}

impl Text {
    /// In one piece, as it came from a wire.
    fn plain(len: usize, marked: bool) -> Self {
        Self { len, marked, ..Self::default() }
    }

    /// As devices with offloads hand it over, or those in memory.
    fn offloaded(self, input: &mut Input<'_>) -> Self {
        let pieces = input.one_of([None, Some(1), Some(100), Some(1448), Some(usize::MAX)]);
        let segment_size = input.one_of([None, Some(1448), Some(1), Some(536)]);
        let checksum = input.one_of([RxChecksum::Unverified, RxChecksum::Verified, RxChecksum::Partial]);
        let len = if segment_size.is_some() { self.len * 16 } else { self.len };
        Self { len, pieces, segment_size, checksum, ..self }
    }
}

/// A packet in one piece of which nothing is known.
pub(super) fn whole(bytes: Vec<u8>) -> RxPacket {
    RxPacket {
        pinned: bytes.len(),
        data: bytes.into(),
        checksum: RxChecksum::Unverified,
        segment_size: None,
        more: Stretches::new(),
    }
}

impl Bench<'_> {
    /// A segment that answers what the host sent last, right or nearly so.
    pub(super) fn answer(&mut self, choice: u8) {
        let Some((ip, sent, len)) = self.last.clone() else { return self.segment(choice) };
        let twist = self.input.byte();
        let mut header = TcpHeader {
            src_port: sent.dst_port,
            dst_port: sent.src_port,
            seq: sent.ack,
            ack: sent.seq + len as u32 + u32::from(sent.flags.intersects(TcpFlags::SYN | TcpFlags::FIN)),
            flags: TcpFlags::ACK,
            window: u16::from(self.input.byte()) << 8 | 0xff,
            ..TcpHeader::default()
        };
        if sent.flags.contains(TcpFlags::SYN) && !sent.flags.contains(TcpFlags::ACK) {
            header.flags |= TcpFlags::SYN;
        }
        if twist & 1 != 0 {
            header.flags = TcpFlags::from_bits_truncate(u16::from(self.input.byte()));
        }
        if twist & 2 != 0 {
            header.seq = header.seq + (self.input.word() as i16) as u32;
        }
        if twist & 4 != 0 {
            header.ack = header.ack + (self.input.word() as i16) as u32;
        }
        if twist & 8 != 0 {
            self.options(&mut header, sent.options.timestamps);
        } else if let Some(times) = sent.options.timestamps {
            header.options.timestamps = Some(Timestamps { value: self.now.as_millis() as u32, echo: times.value });
        }
        let len = if twist & 0x10 != 0 { usize::from(self.input.byte()) * 8 } else { 0 };
        let mut text = Text::plain(len, twist & 0x20 != 0);
        if twist & 0x80 != 0 {
            text = text.offloaded(&mut self.input);
        }
        // One of them, or as many as a window holds, each where the one before has ended.
        let count = if twist & 0x40 != 0 { 1 + self.input.byte() % 48 } else { 1 };
        for _ in 0..count {
            self.send_segment(ip.dst, ip.src, &header, text);
            header.seq = header.seq + text.len as u32;
        }
    }

    fn options(&mut self, header: &mut TcpHeader, times: Option<Timestamps>) {
        let bits = self.input.byte();
        let block = |left: SeqNumber, len: u16| SackBlock { left, right: left + u32::from(len) };
        header.options = TcpOptions {
            mss: (bits & 1 != 0).then(|| self.input.word()),
            window_scale: (bits & 2 != 0).then(|| self.input.byte()),
            sack_permitted: bits & 4 != 0,
            timestamps: (bits & 8 != 0).then(|| Timestamps {
                value: u32::from(self.input.word()),
                echo: times.map_or(0, |times| times.value).wrapping_sub(u32::from(self.input.byte())),
            }),
            sack: (0..bits >> 5 & 3)
                .map(|_| block(header.ack + u32::from(self.input.word()), self.input.word()))
                .collect(),
            ..TcpOptions::default()
        };
    }

    pub(super) fn segment(&mut self, choice: u8) {
        let (src, dst) = addresses(choice);
        let ports = self.input.byte();
        let mut header = TcpHeader {
            src_port: port(ports >> 2),
            dst_port: port(ports),
            seq: SeqNumber(u32::from(self.input.word()) << 16),
            ack: SeqNumber(u32::from(self.input.word()) << 16),
            flags: if ports & 0x40 != 0 { TcpFlags::SYN } else { TcpFlags::from_bits_truncate(self.input.word()) },
            window: self.input.word(),
            ..TcpHeader::default()
        };
        self.options(&mut header, None);
        let len = usize::from(self.input.byte());
        self.send_segment(src, dst, &header, Text::plain(len, ports & 0x80 != 0));
    }

    fn send_segment(&mut self, src: IpAddr, dst: IpAddr, header: &TcpHeader, text: Text) {
        let payload = vec![0x5a; text.len];
        let mut segment = vec![0; header.emit_len()];
        header.emit(&mut segment);
        tcp::fill_checksum(src, dst, &mut segment, &[&payload]);
        let mut ip = IpHeader::new(src, dst, Protocol::TCP, segment.len() + payload.len());
        ip.traffic_class.0 = if text.marked { 3 } else { 0 };
        let mut bytes = vec![0; ip.emit_len()];
        ip::emit(&ip, &mut bytes);
        bytes.extend(segment);
        let mut more = Stretches::new();
        match text.pieces {
            None => bytes.extend(payload),
            Some(len) => more.extend(payload.chunks(len).map(|piece| {
                let piece = Bytes::copy_from_slice(piece);
                Stretch::new(piece, len.min(payload.len()))
            })),
        }
        self.handle(RxPacket { checksum: text.checksum, segment_size: text.segment_size, more, ..whole(bytes) });
    }

    fn send_ip(&mut self, header: &IpHeader, payload: &[u8]) {
        let mut packet = vec![0; header.emit_len()];
        ip::emit(header, &mut packet);
        packet.extend(payload);
        self.handle(whole(packet));
    }

    /// A datagram, whole or a part of it as a fragment.
    pub(super) fn datagram(&mut self, choice: u8) {
        let (src, dst) = addresses(choice);
        let (ports, shape) = (self.input.byte(), self.input.byte());
        let payload = vec![0xa5; usize::from(shape & 0x3f) * 16];
        let header = UdpHeader { src_port: port(ports >> 2), dst_port: port(ports), payload_len: payload.len() };
        let mut bytes = vec![0; udp::HEADER];
        header.emit(&mut bytes);
        udp::fill_checksum(src, dst, &mut bytes, &[&payload]);
        bytes.extend(payload);
        let mut ip = IpHeader::new(src, dst, Protocol::UDP, bytes.len());
        if shape & 0x80 != 0 {
            let (from, len) = (usize::from(self.input.byte()) * 8, usize::from(self.input.byte()) * 4);
            let part = bytes.get(from.min(bytes.len())..(from + len).min(bytes.len())).unwrap_or_default().to_vec();
            ip.fragment = Some(Fragment { id: u32::from(ports & 3), offset: from as u16, more: shape & 0x40 != 0 });
            ip.payload_len = part.len();
            return self.send_ip(&ip, &part);
        }
        self.send_ip(&ip, &bytes);
    }

    /// A ping, or an error about what the host sent last.
    pub(super) fn icmp(&mut self, choice: u8) {
        let quoted = self.last_packet.get(..self.last_packet.len().min(200)).unwrap_or_default().to_vec();
        let header = ip::parse_quoted(&quoted);
        let (src, dst) = header.map_or_else(|| addresses(choice), |header| (header.dst, header.src));
        let (kind, value) = (self.input.byte(), self.input.word());
        let data = vec![1; usize::from(value & 0x7ff)];
        let message = match kind & 7 {
            0 => icmp::Icmp::EchoRequest { ident: value, sequence: 1, data: &data },
            1 => icmp::Icmp::EchoReply { ident: value, sequence: 1, data: &data },
            2 | 3 => {
                let error = icmp::IcmpError::PacketTooBig { mtu: u32::from(value) };
                icmp::Icmp::Error { error, quoted: &quoted }
            }
            4 => icmp::Icmp::Error { error: icmp::IcmpError::TimeExceeded { code: kind >> 7 }, quoted: &quoted },
            _ => icmp::Icmp::Error { error: icmp::IcmpError::Unreachable { code: kind >> 4 }, quoted: &quoted },
        };
        let mut bytes = vec![0; message.emit_len()];
        message.emit(src, dst, &mut bytes);
        let ip = IpHeader::new(src, dst, icmp::Icmp::protocol(src), bytes.len());
        self.send_ip(&ip, &bytes);
    }
}
