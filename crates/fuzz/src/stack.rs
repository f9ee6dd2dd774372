//! A whole host: segments, datagrams, fragments, ICMP, calls and time, in an order that the input chooses.
//!
//! Whatever happens: no panic; every packet that leaves is well-formed, has right checksums and fits the link; one input packet
//! causes a bounded number of output packets; and when everything is closed and time has passed, nothing is left.
#![allow(clippy::panic, reason = "a fuzz target panics on a finding")]

use bowline_base::Instant;
use bowline_stack::{Config, Event, IcmpError, IfaceId, Interface, Stack, UdpBind, UdpKey, UdpSend};
use bowline_tcp::{ConnectionKey, Listen, ListenerKey, Refusal};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{
    Capabilities, Fragment, RxChecksum, RxPacket, SackBlock, SeqNumber, Stretches, TcpFlags, TcpHeader, TcpOptions,
    Timestamps, UdpHeader, checksum, icmp, tcp, udp,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const MTU: u16 = 1500;

/// Reads the input front to back; zeros once it is over.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Bench<'a> {
    input: Input<'a>,
    stack: Stack,
    iface: IfaceId,
    now: Instant,
    listeners: Vec<ListenerKey>,
    connections: Vec<ConnectionKey>,
    sockets: Vec<UdpKey>,
    echoes: Vec<bowline_stack::Echo>,
    /// What the host sent last, so that answers can be near the truth.
    last: Option<(IpHeader, TcpHeader, usize)>,
    last_packet: Vec<u8>,
}

/// The target.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    let capabilities = Capabilities {
        mtu: MTU,
        checksum: flags & 1 != 0,
        tcp_segmentation: flags & 2 != 0,
        udp_segmentation: flags & 4 != 0,
        lossless: flags & 8 != 0,
    };
    let mut stack = Stack::new(Config::default(), [flags; 32], Instant::ZERO);
    let addresses =
        [([10, 0, 2, 2].into(), 24), (IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]), 64)];
    let addresses = addresses.map(|(address, prefix)| bowline_stack::Cidr::new(address, prefix));
    let interface = Interface { any_ip: flags & 16 != 0, ..Interface::new(capabilities, addresses) };
    let Some(iface) = stack.add_interface(interface) else { return };
    let mut bench = Bench {
        input,
        stack,
        iface,
        now: Instant::ZERO,
        listeners: Vec::new(),
        connections: Vec::new(),
        sockets: Vec::new(),
        echoes: Vec::new(),
        last: None,
        last_packet: Vec::new(),
    };
    for _ in 0..400 {
        if bench.input.0.is_empty() {
            break;
        }
        bench.step();
        bench.drain();
    }
    bench.finish();
}

fn addresses(choice: u8) -> (IpAddr, IpAddr) {
    let far = choice & 0x20 != 0;
    if choice & 0x10 == 0 {
        ([10, 0, 2, 100].into(), if far { [9, 9, 9, 9].into() } else { [10, 0, 2, 2].into() })
    } else {
        let ours = |last| IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        (ours(100), if far { IpAddr::from([0x20; 16]) } else { ours(2) })
    }
}

/// Few ports, so that packets meet sockets.
fn port(choice: u8) -> u16 {
    [80, 81, 4000, 4001][usize::from(choice & 3)]
}

impl Bench<'_> {
    fn step(&mut self) {
        let choice = self.input.byte();
        match choice & 0xf {
            0..=3 => self.answer(choice),
            4 => self.segment(choice),
            5 => self.datagram(choice),
            6 => self.icmp(choice),
            7 => {
                let len = usize::from(self.input.byte());
                let bytes = self.input.take(len).to_vec();
                self.handle(bytes, RxChecksum::Unverified);
            }
            8 | 9 => self.pass_time(choice),
            10 => self.listener(choice),
            11 => self.connect(choice),
            12 | 13 => self.call(choice),
            14 => self.udp_call(choice),
            _ => self.echo(choice),
        }
    }

    fn handle(&mut self, bytes: Vec<u8>, checksum: RxChecksum) {
        let (pinned, data) = (bytes.len(), bytes.into());
        self.stack.handle_packet(
            self.now,
            self.iface,
            RxPacket { data, pinned, checksum, segment_size: None, more: Stretches::new() },
        );
    }

    /// A segment that answers what the host sent last, right or nearly so.
    fn answer(&mut self, choice: u8) {
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
        self.send_segment(ip.dst, ip.src, &header, len, twist & 0x20 != 0);
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

    fn segment(&mut self, choice: u8) {
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
        self.send_segment(src, dst, &header, len, ports & 0x80 != 0);
    }

    fn send_segment(&mut self, src: IpAddr, dst: IpAddr, header: &TcpHeader, len: usize, marked: bool) {
        let payload = vec![0x5a; len];
        let mut bytes = vec![0; header.emit_len()];
        header.emit(&mut bytes);
        tcp::fill_checksum(src, dst, &mut bytes, &[&payload]);
        bytes.extend(payload);
        let mut ip = IpHeader::new(src, dst, Protocol::TCP, bytes.len());
        ip.traffic_class.0 = if marked { 3 } else { 0 };
        self.send_ip(&ip, &bytes);
    }

    fn send_ip(&mut self, header: &IpHeader, payload: &[u8]) {
        let mut packet = vec![0; header.emit_len()];
        ip::emit(header, &mut packet);
        packet.extend(payload);
        self.handle(packet, RxChecksum::Unverified);
    }

    /// A datagram, whole or a part of it as a fragment.
    fn datagram(&mut self, choice: u8) {
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
    fn icmp(&mut self, choice: u8) {
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

    /// A little time, or up to the next deadline.
    fn pass_time(&mut self, choice: u8) {
        if choice & 0x10 != 0 {
            let next = self.stack.poll_timeout().unwrap_or(self.now);
            self.now = self.now.max(next);
        } else {
            self.now += Duration::from_micros(u64::from(self.input.word()) << (choice >> 5));
        }
        self.stack.handle_timeout(self.now);
    }

    fn listener(&mut self, choice: u8) {
        if choice & 0x40 != 0
            && let Some(listener) = self.listeners.pop()
        {
            return self.stack.tcp_mut().close_listener(self.now, listener);
        }
        let port = if choice & 0x20 != 0 { None } else { Some(port(self.input.byte())) };
        let backlog = usize::from(choice >> 7);
        let listen = Listen { address: None, port, backlog, deferred: choice & 0x10 != 0, options: None };
        if self.listeners.len() < 8
            && let Ok(listener) = self.stack.tcp_mut().listen(listen)
        {
            self.listeners.push(listener);
        }
    }

    fn connect(&mut self, choice: u8) {
        let (remote, local) = addresses(choice);
        let ports = self.input.byte();
        let (local, remote) = (SocketAddr::new(local, port(ports)), SocketAddr::new(remote, port(ports >> 2)));
        let result = match (choice & 0x40 != 0, self.listeners.last().copied()) {
            (true, Some(listener)) => self.stack.tcp_connect_from(self.now, listener, remote),
            _ => self.stack.tcp_connect(self.now, Some(local), remote, None),
        };
        self.connections.extend(result.ok());
    }

    fn call(&mut self, choice: u8) {
        let (what, which) = (self.input.byte(), self.input.byte());
        for listener in self.listeners.clone() {
            while let Some(key) = self.stack.tcp_mut().accept(self.now, listener) {
                self.connections.push(key);
            }
            while let Some(pending) = self.stack.tcp_mut().pending(listener) {
                match choice >> 4 & 3 {
                    0 => self.stack.tcp_mut().refuse(self.now, pending.key, Refusal::Reset),
                    1 => self.stack.tcp_refuse_unreachable(self.now, &pending, IcmpError::HostUnreachable),
                    _ => self.connections.extend(self.stack.tcp_mut().admit(self.now, pending.key, None)),
                }
            }
        }
        let Some(&key) = self.connections.get(usize::from(which) % self.connections.len().max(1)) else { return };
        let (now, tcp) = (self.now, self.stack.tcp_mut());
        let len = usize::from(what & 0xf0) * 64;
        match what & 0xf {
            0..=3 => {
                let _ = tcp.send(now, key, &vec![0x33; len]);
            }
            4..=6 => {
                let _ = tcp.receive(now, key, &mut vec![0; len + 1]);
            }
            7 => {
                let _ = tcp.receive_bytes(now, key, len);
            }
            8 => {
                let _ = tcp.send_bytes(now, key, &mut vec![0x44; len].into());
            }
            9 => {
                let _ = tcp.send_urgent(now, key, b"!");
            }
            10 | 11 => {
                let _ = tcp.shutdown(now, key);
            }
            12 => {
                let _ = tcp.set_options(now, key, |options| {
                    options.nodelay = len & 0x400 != 0;
                    options.cork = len & 0x800 != 0;
                });
            }
            13 => tcp.abort(now, key),
            14 => tcp.close(now, key),
            _ => {
                let _ = (tcp.info(now, key), tcp.readiness(key), tcp.state(key));
            }
        }
    }

    fn udp_call(&mut self, choice: u8) {
        let which = self.input.byte();
        let Some(&key) =
            self.sockets.get(usize::from(which) % self.sockets.len().max(1)).filter(|_| choice & 0x80 != 0)
        else {
            let port = if choice & 0x40 != 0 { None } else { Some(port(which)) };
            let bind = UdpBind { port, receive_buffer: 4096, send_buffer: 4096, ..UdpBind::port(0) };
            self.sockets.extend(self.stack.udp_bind(bind));
            return;
        };
        let (remote, local) = addresses(choice);
        let ports = self.input.byte();
        let (local, remote) = (SocketAddr::new(local, port(ports)), SocketAddr::new(remote, port(ports >> 2)));
        match ports >> 4 & 7 {
            0 => {
                let _ = self.stack.udp_receive(key);
            }
            1 => {
                let _ = self.stack.udp_connect(key, remote);
            }
            2 => self.stack.udp_close(key),
            3 => {
                let _ = self.stack.udp_failure(key);
            }
            _ => {
                let payload = vec![0x66; usize::from(self.input.word())].into();
                let segment_size = (ports & 0x80 != 0).then(|| self.input.word());
                let send = UdpSend { source: Some(local), segment_size, ..UdpSend::to(remote, payload) };
                let _ = self.stack.udp_send(self.now, key, send);
            }
        }
    }

    fn echo(&mut self, choice: u8) {
        let (remote, _) = addresses(choice);
        match self.echoes.pop() {
            Some(echo) if choice & 0x40 == 0 => self.stack.echo_reply(&echo),
            Some(echo) => {
                let packet = bowline_stack::Undelivered::Echo(echo);
                self.stack.report_unreachable(self.now, &packet, IcmpError::NetworkUnreachable);
            }
            None => {
                let _ = self.stack.ping(remote, 1, 1, &vec![9; usize::from(self.input.word())]);
            }
        }
    }

    /// Takes all that the host has to give, and checks it.
    fn drain(&mut self) {
        let (stack, last, last_packet) = (&mut self.stack, &mut self.last, &mut self.last_packet);
        let mut packets = 0;
        while stack.poll_transmit(self.now, &mut |_, packet| {
            packets += 1;
            let mut bytes = vec![0; packet.len()];
            packet.copy_to(&mut bytes);
            check(&bytes, packet.checksum.is_some(), packet.segment.is_some(), last);
            *last_packet = bytes;
        }) {
            assert!(packets < 20_000, "the host does not stop sending");
        }
        while let Some(event) = self.stack.poll_event() {
            if let Event::EchoRequest(echo) = event {
                self.echoes.push(echo);
            }
        }
        let next = self.stack.poll_timeout();
        assert!(next.is_none_or(|next| next > Instant::ZERO), "a deadline before the beginning");
    }

    /// Everything is closed, and time passes: nothing may be left.
    fn finish(mut self) {
        for listener in core::mem::take(&mut self.listeners) {
            self.stack.tcp_mut().close_listener(self.now, listener);
        }
        for key in self.stack.tcp().keys() {
            self.stack.tcp_mut().abort(self.now, key);
        }
        for key in core::mem::take(&mut self.sockets) {
            self.stack.udp_close(key);
        }
        self.drain();
        for _ in 0..10_000 {
            let Some(next) = self.stack.poll_timeout() else { break };
            self.now = self.now.max(next) + Duration::from_micros(1);
            self.stack.handle_timeout(self.now);
            self.drain();
        }
        assert_eq!(self.stack.poll_timeout(), None, "timers are left");
        let left = self.stack.tcp().connections(self.now);
        let left: Vec<_> = left.iter().map(|info| (info.tuple, info.state)).collect();
        assert!(left.is_empty(), "connections are left: {left:?}");
        assert_eq!(self.stack.tcp().population(), (0, 0, 0), "connections are left");
        assert_eq!(self.stack.reassembly_usage(), (0, 0), "fragments are left");
    }
}

/// A packet that left the host.
fn check(bytes: &[u8], partial: bool, is_super: bool, last: &mut Option<(IpHeader, TcpHeader, usize)>) {
    let header = ip::parse(bytes).unwrap_or_else(|error| panic!("sent a bad packet: {error}"));
    assert_eq!(header.header_len + header.payload_len, bytes.len());
    assert!(is_super || bytes.len() <= usize::from(MTU), "{} bytes", bytes.len());
    let payload = header.payload(bytes);
    if header.fragment.is_some() {
        return;
    }
    let is_valid = match header.protocol {
        Protocol::ICMP => checksum::checksum(payload) == 0,
        protocol => partial || checksum::is_valid(header.src, header.dst, protocol, payload),
    };
    assert!(is_valid, "sent a wrong checksum");
    if header.protocol == Protocol::TCP {
        let (segment, len) = TcpHeader::parse(payload).unwrap_or_else(|error| panic!("sent a bad segment: {error}"));
        *last = Some((header, segment, payload.len() - len));
    }
}

/// Conversations that reach the middle of things.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let listen = [0x0a, 0];
    let syn: [u8; 12] = [4, 0x48, 0, 1, 0, 0, 0xff, 0xff, 0x0f, 5, 180, 7];
    let ack = [0, 0, 0xff];
    let data = [0, 0x10, 0xff, 16];
    let (accept, send, close) = ([12, 4, 0], [12, 0xf0, 0], [12, 14, 0]);
    let fin = [0, 1, 0xff, 0x11];
    let passive = [&[0][..], &listen, &syn, &[0; 4], &ack, &accept, &data, &send, &ack, &[8, 0xff, 0xff], &fin, &close];
    let active = [&[3][..], &[11, 0], &ack, &send, &data, &close, &fin, &[0x18], &[0x18], &ack];
    let deferred = [&[16][..], &[0x3a], &[0x24, 0x48], &syn[2..], &[0; 4], &[12, 0, 0], &[0x2c, 0, 0], &ack];
    let datagrams =
        [&[5][..], &[14, 0], &[5, 0, 20], &[0x8e, 0, 0x40, 0x20, 0], &[5, 1, 0xc4, 0, 10, 5, 1, 0x84, 5, 40]];
    let pings = [&[16][..], &[6, 0, 0, 9], &[0x26, 0, 4, 0], &[15], &[15, 0x0f, 0xff], &[6, 2, 4, 0]];
    [&passive[..], &active, &deferred, &datagrams, &pings].into_iter().map(<[&[u8]]>::concat).collect()
}
