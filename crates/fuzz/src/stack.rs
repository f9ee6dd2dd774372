//! A whole host: segments, datagrams, fragments, ICMP, calls and time, in an order that the input chooses.
//!
//! Whatever happens: no panic; every packet that leaves is well-formed, has right checksums and fits the link; one input packet
//! causes a bounded number of output packets; and when everything is closed and time has passed, nothing is left.
#![allow(clippy::panic, reason = "a fuzz target panics on a finding")]

use bowline_base::Instant;
use bowline_stack::{Config, Event, IfaceId, Interface, Stack, UdpKey};
use bowline_tcp::{ConnectionKey, ListenerKey};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{Capabilities, RxPacket, TcpHeader, checksum};
use std::net::IpAddr;
use std::time::Duration;

use crate::input::Input;
use crate::options;

mod calls;
mod packets;

const MTU: u16 = 1500;
/// When it begins: no deadline may be before.
const START: Instant = Instant::from_secs(1);
/// Deadlines until everything is over.
const ROUNDS: usize = 100_000;

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
    /// How many packets the device delivers at once.
    together: usize,
    /// Those that came and were not delivered yet.
    batch: Vec<RxPacket>,
}

/// The target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let together = if flags & 32 != 0 { input.one_of([8, 2, 3, 64]) } else { 1 };
    let config = if flags & 64 != 0 { config(&mut input) } else { Config::default() };
    let capabilities = Capabilities {
        mtu: MTU,
        checksum: flags & 1 != 0,
        tcp_segmentation: flags & 2 != 0,
        udp_segmentation: flags & 4 != 0,
        lossless: flags & 8 != 0,
    };
    let mut stack = Stack::new(config, [flags; 32], START);
    let addresses =
        [([10, 0, 2, 2].into(), 24), (IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]), 64)];
    let addresses = addresses.map(|(address, prefix)| bowline_stack::Cidr::new(address, prefix));
    let interface = Interface { any_ip: flags & 16 != 0, ..Interface::new(capabilities, addresses) };
    let Some(iface) = stack.add_interface(interface) else { return };
    let mut bench = Bench {
        input,
        stack,
        iface,
        now: START,
        listeners: Vec::new(),
        connections: Vec::new(),
        sockets: Vec::new(),
        echoes: Vec::new(),
        last: None,
        last_packet: Vec::new(),
        together,
        batch: Vec::new(),
    };
    // Each segment goes its own way while somebody reads.
    bench.stack.tcp_mut().trace().set_enabled(flags & 128 != 0);
    for _ in 0..400 {
        if bench.input.is_empty() {
            break;
        }
        bench.step();
        bench.drain();
    }
    bench.finish();
}

/// A host with bounds so small that they are met.
fn config(input: &mut Input<'_>) -> Config {
    let mut config = Config { tcp: options::config(input), ..Config::default() };
    config.reassembly.max_datagrams = input.one_of([1024, 0, 1, 3]);
    config.reassembly.max_bytes = input.one_of([4 << 20, 0, 1000, 5000]);
    config.reassembly.max_fragments = input.one_of([256, 0, 1, 2]);
    config.icmp.errors_per_second = input.one_of([1000, 0, 1]);
    config.icmp.burst = input.one_of([50, 0, 1]);
    config.icmp.burst_per_destination = input.one_of([6, 0, 1]);
    config.icmp.max_queue = input.one_of([256, 0, 1]);
    config.icmp.echo = !input.one_in(4);
    config.udp.max_sockets = input.one_of([8, 0, 1, 2]);
    config.udp.ephemeral_ports = input.one_of([(4000, 4001), (40_000, 40_000), (80, 81)]);
    config.path_mtu.max_entries = input.one_of([4096, 0, 1, 2]);
    config.path_mtu.min_v4 = input.one_of([552, 0, 68, u16::MAX]);
    config.path_mtu.lifetime = Duration::from_secs(input.one_of([600, 0, 1]));
    config
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
        if choice & 8 != 0 {
            // Time passes, or a program calls: what came before was delivered before.
            self.deliver();
        }
        match choice & 0xf {
            0..=3 => self.answer(choice),
            4 => self.segment(choice),
            5 => self.datagram(choice),
            6 => self.icmp(choice),
            7 => {
                let len = usize::from(self.input.byte());
                let bytes = self.input.take(len).to_vec();
                self.handle(packets::whole(bytes));
            }
            8 | 9 => self.pass_time(choice),
            10 => self.listener(choice),
            11 => self.connect(choice),
            12 | 13 => self.call(choice),
            14 => self.udp_call(choice),
            _ => self.echo(choice),
        }
    }

    /// A packet comes in: alone, or to be delivered with others.
    fn handle(&mut self, packet: RxPacket) {
        if self.together == 1 {
            return self.stack.handle_packet(self.now, self.iface, packet);
        }
        self.batch.push(packet);
        if self.batch.len() >= self.together {
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        self.stack.handle_packets(self.now, self.iface, self.batch.drain(..));
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
        while self.stack.tcp_mut().trace().pop().is_some() {}
        while let Some(event) = self.stack.poll_event() {
            if let Event::EchoRequest(echo) = event {
                self.echoes.push(echo);
            }
        }
        let next = self.stack.poll_timeout();
        assert!(next.is_none_or(|next| next >= START), "a deadline before the beginning");
    }

    /// Everything is closed, and time passes: nothing may be left.
    fn finish(mut self) {
        self.deliver();
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
        for _ in 0..ROUNDS {
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
