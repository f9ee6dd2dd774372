//! ICMP: pings, errors that come in and errors that go out (RFC 792, RFC 4443, RFC 1122 3.2.2, RFC 5927).
//!
//! Decides which errors are sent at all, and to whom an error belongs that comes in. Whether TCP believes it, TCP decides.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bowline_base::Instant;
use bowline_tcp::{FourTuple, IcmpError, Pending, Refusal};
use bowline_wire::icmp::{self, Icmp, IcmpParseError, Quoted, unreachable4, unreachable6};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::packet::MAX_PACKET;
use bowline_wire::{TcpHeader, UdpHeader};
use bytes::Bytes;

use crate::error::SendError;
use crate::event::{Echo, Event};
use crate::interface::{Cast, IfaceId, is_unicast};
use crate::rate::Allowance;
use crate::receive::Inbound;
use crate::stack::Stack;
use crate::udp::UdpFailure;

/// The longest error over IPv4 (RFC 1812 4.3.2.3), and over IPv6 (RFC 4443 2.4 c), in bytes.
const MAX_ERROR: [usize; 2] = [576, 1280];

/// A message that waits to be sent.
#[derive(Debug)]
pub(crate) struct Control {
    /// The way out; `None`: what the route gives.
    pub(crate) interface: Option<IfaceId>,
    pub(crate) header: IpHeader,
    pub(crate) message: Vec<u8>,
}

/// A packet of a peer that its receiver could not pass on: see [`Stack::report_unreachable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// A datagram.
    Udp {
        /// Who sent it.
        source: SocketAddr,
        /// To whom.
        destination: SocketAddr,
        /// The length of its payload in bytes.
        len: usize,
    },
    /// A segment.
    Tcp {
        /// Who sent it.
        source: SocketAddr,
        /// To whom.
        destination: SocketAddr,
        /// Its header, so that its sender finds the sequence number.
        header: TcpHeader,
    },
    /// A ping.
    Echo(Echo),
}

impl Undelivered {
    const fn addresses(&self) -> (IpAddr, IpAddr) {
        match self {
            Self::Udp { source, destination, .. } | Self::Tcp { source, destination, .. } => {
                (source.ip(), destination.ip())
            }
            Self::Echo(echo) => (echo.src, echo.dst),
        }
    }

    /// The packet, as far as an error quotes it.
    fn quotation(&self) -> Vec<u8> {
        let (src, dst) = self.addresses();
        let (protocol, len, transport) = match self {
            Self::Udp { source, destination, len } => {
                let header = UdpHeader { src_port: source.port(), dst_port: destination.port(), payload_len: *len };
                let mut bytes = vec![0; header.emit_len()];
                header.emit(&mut bytes);
                (Protocol::UDP, bytes.len() + len, bytes)
            }
            Self::Tcp { header, .. } => {
                let mut bytes = vec![0; header.emit_len()];
                header.emit(&mut bytes);
                (Protocol::TCP, bytes.len(), bytes)
            }
            Self::Echo(echo) => {
                let request = Icmp::EchoRequest { ident: echo.ident, sequence: echo.sequence, data: &echo.data };
                let mut bytes = vec![0; request.emit_len()];
                request.emit(src, dst, &mut bytes);
                (Icmp::protocol(src), bytes.len(), bytes)
            }
        };
        let header = IpHeader::new(src, dst, protocol, len.min(MAX_PACKET - 60));
        let mut packet = vec![0; header.emit_len()];
        ip::emit(&header, &mut packet);
        packet.extend(transport);
        packet
    }
}

impl Stack {
    // ---- what comes in

    pub(crate) fn on_icmp(&mut self, now: Instant, inbound: &Inbound<'_>) {
        let Inbound { interface, header: ip, cast, packet } = *inbound;
        self.counters.icmp.in_msgs += 1;
        let payload = inbound.payload();
        let message = match Icmp::parse(ip.src, ip.dst, &payload, packet.checksum) {
            Ok(message) => message,
            Err(error) => {
                self.counters.icmp.in_errors += 1;
                self.counters.icmp.in_csum_errors += u64::from(error == IcmpParseError::Checksum);
                return;
            }
        };
        let echo = |ident, sequence, data: &[u8]| Echo {
            interface,
            src: ip.src,
            dst: ip.dst,
            ident,
            sequence,
            data: Self::keep(payload.slice_ref(data), packet.pinned),
            hop_limit: ip.hop_limit,
        };
        match message {
            Icmp::EchoRequest { ident, sequence, data } => {
                self.counters.icmp.in_echos += 1;
                // RFC 1122 3.2.2.6 allows to ignore pings to broadcast and multicast addresses.
                match cast {
                    Cast::Own if self.config.icmp.echo => self.echo_reply(&echo(ident, sequence, data)),
                    Cast::Any => self.push_echo(Event::EchoRequest(echo(ident, sequence, data))),
                    _ => {}
                }
            }
            Icmp::EchoReply { ident, sequence, data } => {
                self.counters.icmp.in_echo_reps += 1;
                self.push_echo(Event::EchoReply(echo(ident, sequence, data)));
            }
            Icmp::Error { error, quoted } => self.on_icmp_error(now, inbound, error, quoted),
            Icmp::Other { .. } => {}
        }
    }

    /// Finds whose packet an error quotes (RFC 1122 3.2.2, RFC 5927 4).
    fn on_icmp_error(&mut self, now: Instant, inbound: &Inbound<'_>, error: icmp::IcmpError, quoted: &[u8]) {
        self.count_error(error);
        let Some(quoted) = Quoted::parse(quoted) else {
            self.counters.icmp.in_errors += 1;
            return;
        };
        let (local, remote) = (quoted.header.src, quoted.header.dst);
        // We sent the quoted packet, so its source is where the error goes to.
        let is_ours = local == inbound.header.dst && matches!(inbound.cast, Cast::Own | Cast::Any);
        let Some((id, link)) = self.interfaces.route(remote).map(|(id, way, _)| (id, way.capabilities.mtu)) else {
            return;
        };
        if !is_ours {
            self.counters.icmp.in_strangers += 1;
            return;
        }
        let length = quoted.header.header_len + quoted.header.payload_len;
        let meant = match error {
            icmp::IcmpError::PacketTooBig { mtu } => {
                let meant = self.paths.meant(remote, mtu, length);
                if meant.is_none() {
                    self.counters.icmp.in_errors += 1;
                    return;
                }
                meant
            }
            _ => None,
        };
        let error =
            meant.map_or_else(|| unified(error, local.is_ipv4()), |mtu| Some(IcmpError::PacketTooBig(u32::from(mtu))));
        let Some(error) = error else { return };
        let believed = self.pass_error(now, id, &quoted, error);
        if !believed {
            self.counters.icmp.in_strangers += 1;
        } else if let Some(mtu) = meant {
            self.paths.lower(now, remote, mtu, link);
        }
    }

    /// Hands an error to the transport; returns whether it knows the packet.
    fn pass_error(&mut self, now: Instant, interface: IfaceId, quoted: &Quoted<'_>, error: IcmpError) -> bool {
        let (local, remote) = (quoted.header.src, quoted.header.dst);
        if let Some((ident, sequence)) = quoted.echo() {
            let (data, hop_limit) = (Bytes::new(), quoted.header.hop_limit);
            let echo = Echo { interface, src: local, dst: remote, ident, sequence, data, hop_limit };
            self.push_echo(Event::EchoError(echo, error));
            return false; // anybody can make up a ping: it changes no path
        }
        let Some((src_port, dst_port)) = quoted.ports() else { return false };
        let (local, remote) = (SocketAddr::new(local, src_port), SocketAddr::new(remote, dst_port));
        match quoted.tcp_seq() {
            Some(seq) => {
                // TCP counts what it does not believe: a sequence number that is not in flight (RFC 5927 4.1).
                let before = self.tcp.counters().icmp_ignored;
                self.tcp.handle_icmp(now, FourTuple::new(local, remote), seq.0, error);
                self.tcp.counters().icmp_ignored == before
            }
            None => quoted.header.protocol == Protocol::UDP && self.udp.fail(UdpFailure { local, remote, error }),
        }
    }

    const fn count_error(&mut self, error: icmp::IcmpError) {
        let counters = &mut self.counters.icmp;
        match error {
            icmp::IcmpError::Unreachable { .. } => counters.in_dest_unreachs += 1,
            icmp::IcmpError::PacketTooBig { .. } => counters.in_pkt_too_bigs += 1,
            icmp::IcmpError::TimeExceeded { .. } => counters.in_time_excds += 1,
            icmp::IcmpError::ParameterProblem { .. } => counters.in_parm_probs += 1,
        }
    }

    // ---- what goes out

    /// Answers a ping, as its destination.
    pub fn echo_reply(&mut self, echo: &Echo) {
        let reply = Icmp::EchoReply { ident: echo.ident, sequence: echo.sequence, data: &echo.data };
        if self.push_control(Some(echo.interface), echo.dst, echo.src, &reply) {
            self.counters.icmp.out_echo_reps += 1;
        }
    }

    /// Sends a ping. Its answer comes as [`Event::EchoReply`], an error about it as [`Event::EchoError`].
    ///
    /// # Errors
    /// No route, a full queue, or too much data.
    pub fn ping(&mut self, dst: IpAddr, ident: u16, sequence: u16, data: &[u8]) -> Result<(), SendError> {
        let (id, _, source) = self.interfaces.route(dst).ok_or(SendError::NoRoute)?;
        let source = source.filter(|source| source.is_ipv4() == dst.is_ipv4()).ok_or(SendError::NoRoute)?;
        if data.len() + icmp::HEADER + 20 > MAX_PACKET {
            return Err(SendError::TooLong);
        }
        let request = Icmp::EchoRequest { ident, sequence, data };
        if self.push_control(Some(id), source, dst, &request) { Ok(()) } else { Err(SendError::WouldBlock) }
    }

    /// Tells the sender of a packet that it could not be passed on, as a router would: for callers who take packets for
    /// others (any-IP). `error` is what they learned themselves.
    ///
    /// Each report answers a decision of the caller, so only the limit for all destinations applies: behind a gateway there
    /// may be one destination and many flows.
    ///
    /// A "port unreachable" or "protocol unreachable" comes from the destination itself, everything else from our own
    /// address.
    pub fn report_unreachable(&mut self, now: Instant, packet: &Undelivered, error: IcmpError) {
        let (src, dst) = packet.addresses();
        let is_host_error = matches!(error, IcmpError::PortUnreachable | IcmpError::ProtocolUnreachable);
        let Some((id, _, ours)) = self.interfaces.route(src) else { return };
        let from = if is_host_error { dst } else { ours.unwrap_or(dst) };
        let error = on_the_wire(error, src.is_ipv4());
        let allowance = self.error_rate.take_for_all(now);
        self.push_error(allowance, id, (from, src), &packet.quotation(), error);
    }

    /// Turns away a SYN that waits for a decision, with an ICMP error.
    pub fn tcp_refuse_unreachable(&mut self, now: Instant, pending: &Pending, error: IcmpError) {
        self.tcp.refuse(now, pending.key, Refusal::Silent);
        let FourTuple { local: destination, remote: source } = pending.tuple;
        let packet = Undelivered::Tcp { source, destination, header: pending.header.clone() };
        self.report_unreachable(now, &packet, error);
    }

    /// Answers a packet with an error, where one may be sent (RFC 1122 3.2.2, RFC 4443 2.4 e).
    pub(crate) fn answer_with_error(
        &mut self,
        now: Instant,
        interface: IfaceId,
        header: &IpHeader,
        packet: &[u8],
        error: icmp::IcmpError,
    ) {
        let is_v4 = header.src.is_ipv4();
        let inside = header.fragment.is_some_and(|fragment| fragment.offset > 0);
        let is_error = header.protocol == Icmp::protocol(header.src)
            && packet.get(header.header_len).is_none_or(|kind| Icmp::is_error_type(is_v4, *kind));
        if inside || is_error || !is_unicast(header.src) {
            return;
        }
        let from = if is_unicast(header.dst) {
            Some(header.dst)
        } else {
            self.interfaces.get(interface).and_then(|interface| interface.source_for(header.src))
        };
        let Some(from) = from.filter(|from| from.is_ipv4() == is_v4) else { return };
        let allowance = self.error_rate.take(now, header.src);
        self.push_error(allowance, interface, (from, header.src), packet, error);
    }

    /// RFC 1122 3.3.2, RFC 8200 4.5: the sender of a first fragment learns that the rest did not come in time.
    pub(crate) fn on_reassembly_timeout(&mut self, now: Instant, first: Option<&Bytes>) {
        let Some(packet) = first else {
            self.counters.ip.reasm_timeout += 1;
            return;
        };
        let Ok(header) = ip::parse(packet) else { return };
        let counters = self.counters.ip_of(header.src.is_ipv4());
        counters.reasm_timeout += 1;
        counters.reasm_fails += 1;
        if let Some((id, ..)) = self.interfaces.route(header.src)
            && is_unicast(header.dst)
        {
            self.answer_with_error(now, id, &header, packet, icmp::IcmpError::TimeExceeded { code: 1 });
        }
    }

    /// Queues an error, if the rate limits allow it.
    fn push_error(
        &mut self,
        allowance: Allowance,
        interface: IfaceId,
        (from, to): (IpAddr, IpAddr),
        packet: &[u8],
        error: icmp::IcmpError,
    ) {
        match allowance {
            Allowance::Granted => {}
            Allowance::RefusedForAll => return self.counters.icmp.out_rate_limit_global += 1,
            Allowance::RefusedForDestination => return self.counters.icmp.out_rate_limit_host += 1,
        }
        let (header, longest) = if to.is_ipv4() { (20, MAX_ERROR[0]) } else { (40, MAX_ERROR[1]) };
        let quoted = packet.get(..longest - header - icmp::HEADER).unwrap_or(packet);
        if self.push_control(Some(interface), from, to, &Icmp::Error { error, quoted }) {
            self.counters.icmp.out_errors += 1;
        }
    }

    fn push_control(&mut self, interface: Option<IfaceId>, from: IpAddr, to: IpAddr, message: &Icmp<'_>) -> bool {
        if self.control.len() >= self.config.icmp.max_queue || from.is_ipv4() != to.is_ipv4() {
            self.counters.ip_of(to.is_ipv4()).out_discards += 1;
            return false;
        }
        let mut bytes = vec![0; message.emit_len()];
        message.emit(from, to, &mut bytes);
        let mut header = IpHeader::new(from, to, Icmp::protocol(to), bytes.len());
        header.dont_fragment = false;
        self.control.push_back(Control { interface, header, message: bytes });
        self.counters.icmp.out_msgs += 1;
        true
    }
}

/// What an error of either version means to a transport (RFC 1122 4.2.3.9, RFC 5461); `None`: nothing.
fn unified(error: icmp::IcmpError, is_v4: bool) -> Option<IcmpError> {
    Some(match error {
        icmp::IcmpError::Unreachable { code } if is_v4 => match code {
            unreachable4::NETWORK | 6 | 11 => IcmpError::NetworkUnreachable,
            unreachable4::PROTOCOL => IcmpError::ProtocolUnreachable,
            unreachable4::PORT => IcmpError::PortUnreachable,
            unreachable4::NETWORK_PROHIBITED | unreachable4::HOST_PROHIBITED | unreachable4::PROHIBITED => {
                IcmpError::AdministrativelyProhibited
            }
            0..=15 => IcmpError::HostUnreachable,
            _ => return None,
        },
        icmp::IcmpError::Unreachable { code } => match code {
            unreachable6::NO_ROUTE => IcmpError::NetworkUnreachable,
            unreachable6::PORT => IcmpError::PortUnreachable,
            unreachable6::PROHIBITED | unreachable6::POLICY | unreachable6::REJECT_ROUTE => {
                IcmpError::AdministrativelyProhibited
            }
            unreachable6::BEYOND_SCOPE | unreachable6::ADDRESS => IcmpError::HostUnreachable,
            _ => return None,
        },
        icmp::IcmpError::PacketTooBig { mtu } => IcmpError::PacketTooBig(mtu),
        icmp::IcmpError::TimeExceeded { code: 0 } => IcmpError::TimeExceeded,
        icmp::IcmpError::TimeExceeded { .. } => IcmpError::NotReassembled,
        // RFC 4443 3.4: an unrecognized next header is IPv6's "protocol unreachable".
        icmp::IcmpError::ParameterProblem { code: 1, .. } if !is_v4 => IcmpError::ProtocolUnreachable,
        icmp::IcmpError::ParameterProblem { .. } => IcmpError::ParameterProblem,
    })
}

/// The message that says this.
fn on_the_wire(error: IcmpError, is_v4: bool) -> icmp::IcmpError {
    let code = |four, six| icmp::IcmpError::Unreachable { code: if is_v4 { four } else { six } };
    match error {
        IcmpError::NetworkUnreachable => code(unreachable4::NETWORK, unreachable6::NO_ROUTE),
        IcmpError::HostUnreachable => code(unreachable4::HOST, unreachable6::ADDRESS),
        IcmpError::PortUnreachable => code(unreachable4::PORT, unreachable6::PORT),
        IcmpError::AdministrativelyProhibited => code(unreachable4::PROHIBITED, unreachable6::PROHIBITED),
        IcmpError::ProtocolUnreachable if is_v4 => icmp::IcmpError::Unreachable { code: unreachable4::PROTOCOL },
        // The fixed header's next-header field.
        IcmpError::ProtocolUnreachable => icmp::IcmpError::ParameterProblem { code: 1, pointer: 6 },
        IcmpError::PacketTooBig(mtu) => icmp::IcmpError::PacketTooBig { mtu },
        IcmpError::TimeExceeded => icmp::IcmpError::TimeExceeded { code: 0 },
        IcmpError::NotReassembled => icmp::IcmpError::TimeExceeded { code: 1 },
        IcmpError::ParameterProblem => icmp::IcmpError::ParameterProblem { code: 0, pointer: 0 },
    }
}

#[cfg(test)]
mod tests;
