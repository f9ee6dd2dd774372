//! Packets: what a script sends becomes one on the wire, what it expects is waited for and compared.

use bowline_base::Instant;
use bowline_wire::TcpFlags;

use super::flow::{Flow, Stage};
use super::values::filler;
use super::{Failure, Runner, seconds};
use crate::door::Packet as Raw;
use crate::script::packet::Md5;
use crate::script::{Body, Direction, Event, Icmp, Packet, Quoted, Seq, Tcp, TcpOption, Tos, When};
use crate::source::Place;
use crate::wire::build::{self, Network, Sent};
use crate::wire::{Difference, Ends, Seen, Wanted, differences, icmp_names, md5, options, show};

/// The first of the peer's ports that the runner chooses.
const FIRST_PEER_PORT: u16 = 40_001;

impl Runner<'_> {
    // ---- what the script sends

    pub(super) fn inject(&mut self, event: &Event, packet: &Packet) -> Result<(), Failure> {
        let fail = |message: String| Failure::new(event.place, message);
        let index = self.flow_for(packet).map_err(fail)?;
        let network = network(packet);
        let bytes = match &packet.body {
            Body::Tcp(tcp) => {
                let scaled = self.script.options.ts_ecr_scaled;
                let ends = self.peers_ends(index);
                let Some(flow) = self.flows.get_mut(index) else { return Ok(()) };
                let sent = segment(flow, tcp, scaled).map_err(fail)?;
                let mut bytes = build::tcp_packet(ends, network, &sent);
                let options = tcp.options.iter().flatten();
                if options.into_iter().any(|option| *option == TcpOption::Md5(Md5::Valid)) {
                    let secret = self.script.options.md5_secret.as_ref();
                    let secret = secret.ok_or_else(|| fail("`md5 valid` needs --tcp_md5_secret".to_owned()))?;
                    md5::sign(&mut bytes, secret.as_bytes());
                }
                bytes
            }
            Body::Udp(len) => build::udp_packet(self.peers_ends(index), network, &filler(0, (*len).into())),
            Body::Icmp(icmp) => self.icmp(index, network, icmp).map_err(fail)?,
        };
        self.log.sent(self.now_micros(), packet);
        let joined = match &packet.body {
            Body::Tcp(tcp) => self.script.options.mss.filter(|mss| tcp.len > *mss),
            _ => None,
        };
        self.world().arrive(&bytes, joined);
        Ok(())
    }

    /// The flow that a packet belongs to; a new one where a peer begins.
    fn flow_for(&mut self, packet: &Packet) -> Result<usize, String> {
        if let Some((src, dst)) = packet.ports {
            let (local, remote) = if packet.direction == Direction::In { (dst, src) } else { (src, dst) };
            let known = |flow: &Flow| flow.remote_port == remote && flow.local_port.is_none_or(|port| port == local);
            if let Some(index) = self.flows.iter().rposition(known) {
                return Ok(index);
            }
            self.flows.push(Flow::new(Stage::Passive, Some(local), remote));
            let index = self.flows.len() - 1;
            self.current.get_or_insert(index);
            return Ok(index);
        }
        match (self.current, packet.direction) {
            (Some(index), _) => Ok(index),
            (None, Direction::Out) => Err("there is no connection that this packet could be of".to_owned()),
            (None, Direction::In) => {
                let local = self.listener.or(self.bound.keys().next_back().copied());
                let local = local.and_then(|fd| self.bound.get(&fd).copied()).filter(|port| *port != 0);
                let is_stream = !matches!(packet.body, Body::Udp(_));
                let remote = if is_stream {
                    FIRST_PEER_PORT + self.flows.len() as u16
                } else {
                    self.script.options.connect_port
                };
                let local = local.unwrap_or(self.script.options.bind_port);
                let mut flow = Flow::new(Stage::Passive, Some(local), remote);
                flow.is_stream = is_stream;
                flow.is_unheard = self.listener.is_none();
                self.flows.push(flow);
                self.current = Some(self.flows.len() - 1);
                Ok(self.flows.len() - 1)
            }
        }
    }

    /// Who sends and who receives a packet of the peer's.
    fn peers_ends(&self, index: usize) -> Ends {
        let options = &self.script.options;
        let (local, remote) = self.flows.get(index).map_or((None, 0), |flow| (flow.local_port, flow.remote_port));
        Ends {
            src: options.remote(self.version),
            dst: options.local(self.version),
            src_port: remote,
            dst_port: local.unwrap_or(options.bind_port),
        }
    }

    fn icmp(&mut self, index: usize, network: Network, icmp: &Icmp) -> Result<Vec<u8>, String> {
        let ends = self.peers_ends(index);
        let numbers = icmp_names::numbers(ends.src.is_ipv4(), &icmp.kind, icmp.code.as_deref())?;
        let [m0, m1, m2, m3] = icmp.mtu.unwrap_or_default().to_be_bytes();
        if !ends.src.is_ipv4() && numbers.0 == icmp_names::ROUTER_ADVERTISEMENT {
            // RFC 4861 4.2, 4.6.4: no times, and the MTU.
            let mtu = [5, 1, 0, 0, m0, m1, m2, m3];
            let body = [&[0; 8][..], if icmp.mtu.is_some() { &mtu } else { &[] }].concat();
            return Ok(build::icmp_packet(ends, network, numbers, [0; 4], &body));
        }
        let word = match (icmp.mtu, icmp.ident) {
            (None, Some(ident)) => {
                let [i0, i1] = ident.to_be_bytes();
                [i0, i1, 0, 0]
            }
            _ => [m0, m1, m2, m3],
        };
        let Some(flow) = self.flows.get(index) else { return Err("there is no connection".to_owned()) };
        let ours = ends.reversed();
        // without a word about it, what is quoted is a segment of the connection
        let body = match icmp.quoted.unwrap_or(Quoted::Tcp(0, 0)) {
            Quoted::Raw(len) => filler(0, len.into()),
            _ if icmp.quoted.is_none() && icmp.kind.starts_with("echo") => Vec::new(),
            Quoted::Udp(len) => {
                build::quote(&build::udp_packet(ours, Network::default(), &filler(0, len.into()))).to_vec()
            }
            Quoted::Tcp(seq, len) => {
                let sent = Sent {
                    flags: TcpFlags::ACK,
                    seq: flow.quoted_seq(seq),
                    ack: 0,
                    window: 0,
                    urgent: 0,
                    options: Vec::new(),
                    payload: filler(0, len.into()),
                };
                build::quote(&build::tcp_packet(ours, Network::default(), &sent)).to_vec()
            }
        };
        Ok(build::icmp_packet(ends, network, numbers, word, &body))
    }

    // ---- what the script expects

    pub(super) fn expect(&mut self, index: usize, event: &Event, packet: &Packet) -> Result<(), Failure> {
        let (from, to, tolerance) = self.due(event.when);
        let last = self.world().at(to.saturating_add(tolerance).min(FOREVER));
        let Some(raw) = self.wait_for_packet(last, packet)? else {
            let why = format!("line {} expects this", event.place.line);
            self.log.expected(self.now_micros(), packet, why);
            let failure = Failure::new(event.place, "the packet was not sent");
            return Err(failure
                .expected(show::script_packet(packet))
                .seen(format!("nothing up to {}", seconds(self.now_micros()))));
        };
        let raw = self.cut(index, packet, raw);
        let at = self.micros_at(raw.at);
        let mut seen = self.parse_seen(event, packet, &raw)?;
        let index = self.flow_for(packet).map_err(|message| Failure::new(event.place, message))?;
        let ports = self.ports(index, packet, &seen);
        if let Some(flow) = self.flows.get_mut(index) {
            flow.receive(&mut seen, Some(packet));
        }
        self.complete(packet, &mut seen, index, last);
        let ts = self.script.options.ts_tick.map(|tick| (tick, self.tolerance(at)));
        let secret = self.script.options.md5_secret.as_ref();
        let signed = secret.is_some_and(|secret| md5::is_valid(&raw.bytes, secret.as_bytes()));
        let mut found = differences(Wanted { packet, ports, ts, signed }, &seen);
        found.extend(self.payload(index, &seen));
        let is_timely = event.when == When::Any || (at + tolerance >= from && at <= to.saturating_add(tolerance));
        if found.is_empty() && is_timely {
            self.log.seen(at, &seen, None);
            return Ok(());
        }
        if found.is_empty() {
            self.log.seen(at, &seen, Some("at another time"));
            let expected = if from == to { seconds(from) } else { format!("{} to {}", seconds(from), seconds(to)) };
            let failure = Failure::new(event.place, "the packet was sent at another time");
            return self
                .packet_differs(failure.expected(format!("{expected} ±{}", seconds(tolerance))).seen(seconds(at)));
        }
        self.log.expected(at, packet, format!("line {} expects this", event.place.line));
        self.log.seen(at, &seen, Some("this was sent"));
        let failure = Failure::new(event.place, summary(&found))
            .expected(show::script_packet(packet))
            .seen(show::seen(&seen))
            .with_differences(found);
        self.packet_differs(failure)
    }

    fn packet_differs(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.script.options.non_fatal_packet {
            self.remarks.push(failure);
            return Ok(());
        }
        Err(failure)
    }

    /// The next packet that the stack sends, if it does by then, and that a line could expect which `wanted` this one.
    fn wait_for_packet(&mut self, last: Instant, wanted: &Packet) -> Result<Option<Raw>, Failure> {
        // A line with ports says whose packet it is.
        let judges_others = wanted.ports.is_some() || !self.is_suites || self.strict;
        let is_icmp = matches!(wanted.body, Body::Icmp(_));
        loop {
            self.world().settle();
            self.judge_returned()?;
            if let Some(raw) = self.world().take() {
                if !is_icmp && self.is_left_over(&raw, judges_others) {
                    continue;
                }
                return Ok(Some(raw));
            }
            if !self.world().step(last) {
                let until = if last >= self.world().at(FOREVER) { self.world().now() } else { last };
                self.world().pass(until);
                return Ok(None);
            }
        }
    }

    /// Whether a packet is the last word of a connection that the script has closed, while it is about another one: a FIN, an
    /// acknowledgement, a RST. The script has no way to write that it does not matter. Unless it `judges_others`, no packet of a
    /// connection that the script has left for another one matters. The answer to a ping is no connection's: it matters only to a line
    /// that expects one.
    pub(super) fn is_left_over(&mut self, raw: &Raw, judges_others: bool) -> bool {
        let Ok(mut seen) = Seen::read(&raw.bytes) else { return false };
        let (ends, at) = (seen.ends(), self.micros_at(raw.at));
        if seen.is_echo_reply() {
            self.log.seen(at, &seen, Some("the answer to a ping"));
            return true;
        }
        // A connection that has not sent anything yet has no port; it could be anybody's.
        let is_its = |flow: &Flow| flow.remote_port == ends.dst_port && flow.local_port == Some(ends.src_port);
        let Some(index) = self.flows.iter().rposition(is_its) else { return false };
        let has_other = self.current.is_some_and(|current| current != index) || self.current.is_none();
        let Some(flow) = self.flows.get_mut(index).filter(|_| has_other) else { return false };
        if !flow.is_closed && judges_others {
            return false;
        }
        if seen.tcp().is_some_and(|tcp| flow.is_succeeded_by(tcp)) {
            return false;
        }
        let closed = flow.is_closed;
        flow.receive(&mut seen, None);
        let note =
            if closed { "of a connection that the script has closed" } else { "of a connection that it has left" };
        self.log.seen(at, &seen, Some(note));
        true
    }

    fn parse_seen(&self, event: &Event, packet: &Packet, raw: &Raw) -> Result<Seen, Failure> {
        Seen::read(&raw.bytes).map_err(|error| {
            Failure::new(event.place, format!("the stack sent {error}")).expected(show::script_packet(packet))
        })
    }

    /// The ports that count: those of the flow, and what the script says of them. A port that the stack chose is learned here.
    fn ports(&mut self, index: usize, packet: &Packet, seen: &Seen) -> Option<(u16, u16)> {
        let ends = seen.ends();
        let flow = self.flows.get_mut(index)?;
        if flow.local_port.is_none() && ends.dst_port == flow.remote_port {
            flow.local_port = Some(ends.src_port);
        }
        packet.ports.or(flow.local_port.map(|local| (local, flow.remote_port)))
    }

    /// Whether a segment has the bytes that were written there.
    fn payload(&self, index: usize, seen: &Seen) -> Option<Difference> {
        let (tcp, flow) = (seen.tcp()?, self.flows.get(index)?);
        let begin = if tcp.flags.contains(TcpFlags::SYN) { 0 } else { (tcp.seq as usize).checked_sub(1)? };
        let written = flow.written.get(begin..begin + tcp.payload.len());
        // what lies outside is told by the sequence number, or is the byte of a keepalive
        let at = written?.iter().zip(&tcp.payload).position(|(expected, seen)| expected != seen)?;
        if !flow.is_stream {
            return None;
        }
        let byte = begin + at;
        Some(Difference {
            field: "payload",
            expected: format!(
                "what was written: byte {byte} is {:#04x}",
                written?.get(at).copied().unwrap_or_default()
            ),
            seen: format!("{:#04x}", tcp.payload.get(at).copied().unwrap_or_default()),
        })
    }

    /// A packet that no line expects.
    pub(super) fn unexpected(&mut self, place: Place, raw: &Raw, why: &str) -> Failure {
        let at = self.micros_at(raw.at);
        let failure = Failure::new(place, why.to_owned()).expected("nothing".to_owned());
        match Seen::read(&raw.bytes) {
            Ok(mut seen) => {
                let ends = seen.ends();
                let is_its = |flow: &&mut Flow| {
                    flow.remote_port == ends.dst_port && flow.local_port.is_none_or(|port| port == ends.src_port)
                };
                if let Some(flow) = self.flows.iter_mut().rev().find(is_its) {
                    flow.receive(&mut seen, None);
                }
                self.log.seen(at, &seen, Some("no line expects this"));
                failure.seen(format!("{} at {}", show::seen(&seen), seconds(at)))
            }
            Err(error) => failure.seen(format!("{error} at {}", seconds(at))),
        }
    }

    // ---- what calls ask about flows

    /// The flow of one of the script's descriptors.
    pub(super) fn flow_of(&mut self, script: i64) -> Option<&mut Flow> {
        self.flows.iter_mut().rev().find(|flow| flow.fd == Some(script))
    }

    pub(super) fn is_connected(&self, script: i64) -> bool {
        self.flows.iter().any(|flow| flow.fd == Some(script) && !flow.is_closed)
    }

    /// What was to open by sending has not: the descriptor is as before.
    pub(super) fn not_opened(&mut self, script: i64) {
        if let Some(flow) = self.flow_of(script).filter(|flow| flow.is_silent()) {
            flow.fd = None;
        }
    }

    /// A descriptor sends to a port without having connected: a datagram, or a connection that begins with data.
    pub(super) fn opens_by_sending(&mut self, script: i64, remote: u16) {
        if self.is_connected(script) {
            return;
        }
        let local = self.bound.get(&script).copied().filter(|port| *port != 0);
        match self.flows.iter_mut().rev().find(|flow| flow.fd.is_none() && flow.remote_port == remote) {
            Some(flow) => flow.fd = Some(script),
            None => {
                self.flows.push(Flow::new(Stage::Connecting, local, remote).of(script));
                self.current = Some(self.flows.len() - 1);
            }
        }
    }
}

/// Longer than anything in a script takes, in microseconds: ten years.
const FOREVER: u64 = 315_360_000_000_000;

/// A segment of the script's on the wire.
fn segment(flow: &mut Flow, tcp: &Tcp, scaled: bool) -> Result<Sent, String> {
    let ace = tcp.ace.unwrap_or_default();
    let ace_flags = [(4, TcpFlags::AE), (2, TcpFlags::CWR), (1, TcpFlags::ECE)];
    let flags = ace_flags.iter().filter(|(bit, _)| ace & bit != 0).fold(tcp.flags, |flags, (_, flag)| flags | *flag);
    flow.has_urgent |= flags.contains(TcpFlags::URG);
    let (script_seq, absolute) = match tcp.seq {
        Seq::Mapped(seq) => (seq, false),
        Seq::Absolute(seq) => (seq, true),
        Seq::Any => return Err("a packet to send needs a sequence number".to_owned()),
    };
    let (seq, ack) = flow.send(flags, script_seq, tcp.ack);
    let options = flow.send_options(flags, tcp.options.as_deref().unwrap_or_default(), scaled)?;
    let bytes = options::encode(&options);
    if bytes.len() > options::MAX_LEN {
        return Err(format!("the options take {} bytes, and there is room for {}", bytes.len(), options::MAX_LEN));
    }
    let begin = if flags.contains(TcpFlags::SYN) { 0 } else { script_seq.wrapping_sub(1) };
    Ok(Sent {
        flags,
        seq: if absolute { script_seq } else { seq },
        ack,
        window: tcp.window.unwrap_or_default(),
        urgent: tcp.urgent,
        options: bytes,
        payload: filler(begin.into(), tcp.len.into()),
    })
}

fn network(packet: &Packet) -> Network {
    let traffic_class = match packet.tos {
        Tos::Any | Tos::Ect01 => 0,
        Tos::Ecn(ecn) => ecn as u8,
        Tos::Dscp(dscp, ecn) => dscp << 2 | ecn.map_or(0, |ecn| ecn as u8),
        Tos::Byte(byte) => byte,
    };
    Network { traffic_class, hop_limit: packet.ttl, flow_label: packet.flow_label.unwrap_or_default() }
}

/// What differs, in a few words.
fn summary(found: &[Difference]) -> String {
    let fields: Vec<_> = found.iter().map(|difference| difference.field).collect();
    format!("another packet was sent: {} differ{}", fields.join(", "), if fields.len() == 1 { "s" } else { "" })
}
