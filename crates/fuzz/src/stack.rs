//! A whole host: segments, datagrams, fragments, ICMP, calls and time, in an order that the input chooses.
//!
//! Whatever happens: no panic; every packet that leaves is well-formed, has right checksums and fits the link; one input packet
//! causes a bounded number of output packets; and when everything is closed and time has passed, nothing is left.
#![allow(clippy::panic, reason = "a fuzz target panics on a finding")]

use bowline_base::Instant;
use bowline_stack::{Config, Event, IfaceId, Interface, Stack, UdpKey};
use bowline_tcp::{ConnectionKey, ListenerKey};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{Capabilities, RxChecksum, RxPacket, Stretches, TcpHeader, checksum};
use std::net::IpAddr;
use std::time::Duration;

mod calls;
mod packets;

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
