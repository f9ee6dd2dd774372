//! Packets that do not lie in one piece, as a device in memory hands them over.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

mod common;

use bowline_base::Instant;
use bowline_stack::UdpBind;
use bowline_tcp::{CallError, ConnectionKey, Listen, State};
use bowline_wire::{RxPacket, Stretch};
use bytes::Bytes;
use common::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn carry(from: &mut Host, to: &mut Host, now: Instant) -> usize {
    let mut packets = Vec::new();
    while from.stack.poll_transmit(now, &mut |_, packet| packets.push(carried(&packet))) {}
    let scattered = packets.iter().filter(|packet| packet.more.len() > 1).count();
    for packet in packets {
        to.stack.handle_packet(now, to.iface, packet);
    }
    scattered
}

fn connected(pair: &mut Pair, to: &str) -> (ConnectionKey, ConnectionKey) {
    let listener = pair.b.stack.tcp_mut().listen(Listen::on_port(80)).unwrap();
    let client = pair.a.stack.tcp_connect(pair.now, None, at(to, 80), None).unwrap();
    let mut server = None;
    pair.run(10 * SECOND, |pair| {
        server = server.or_else(|| pair.b.stack.tcp_mut().accept(pair.now, listener));
        server.is_some()
    });
    (client, server.unwrap())
}

#[test]
fn a_super_segment_in_pieces_arrives_without_a_copy_and_with_its_end() {
    for to in [B4, B6] {
        let mut pair = Pair::new(offloads(1500));
        let (client, server) = connected(&mut pair, to);
        let source = Bytes::from(bytes(300_000));
        let (mut rest, mut got, mut scattered) = (source.clone(), Vec::new(), 0);
        let mut shared = 0;
        for _ in 0..1000 {
            // Written in parts of 50,000 bytes, so that super-segments reach over their ends.
            while !rest.is_empty() {
                let mut part = rest.slice(..rest.len().min(50_000));
                let before = part.len();
                let sent = pair.a.stack.tcp_mut().send_bytes(pair.now, client, &mut part);
                let taken = before - part.len();
                rest = rest.slice(taken..);
                if sent == Err(CallError::WouldBlock) || taken < before {
                    break;
                }
            }
            if rest.is_empty() {
                pair.a.stack.tcp_mut().close(pair.now, client);
            }
            scattered += carry(&mut pair.a, &mut pair.b, pair.now);
            while let Ok(read) = pair.b.stack.tcp_mut().receive_bytes(pair.now, server, usize::MAX) {
                if read.is_empty() {
                    break;
                }
                shared += usize::from(source.as_ptr_range().contains(&read.as_ptr()));
                got.extend(read);
            }
            carry(&mut pair.b, &mut pair.a, pair.now);
            pair.now += Duration::from_millis(1);
            pair.a.stack.handle_timeout(pair.now);
            pair.b.stack.handle_timeout(pair.now);
            if got.len() == source.len() && pair.b.stack.tcp().state(server) == Some(State::CloseWait) {
                break;
            }
        }
        assert!(got == source, "{} bytes of {}", got.len(), source.len());
        assert_eq!(pair.b.stack.tcp().state(server), Some(State::CloseWait), "the FIN came with the last piece");
        assert!(scattered > 0 && shared > 0, "{scattered} in pieces, {shared} reads were shared");
        assert_eq!(pair.a.counter("TcpRetransSegs"), 0);
    }
}

#[test]
fn other_packets_in_pieces_are_put_together_first() {
    let mut host = Host::new(offloads(1500), &["10.0.2.2/24"], 3);
    let socket = host.stack.udp_bind(UdpBind::port(9)).unwrap();
    let datagram = udp(at(A4, 7), at(B4, 9), &[5; 600]);
    let piece = |range: std::ops::Range<usize>| Stretch::new(Bytes::copy_from_slice(&datagram[range]), 700);
    for first in [3, 20, 28, 100] {
        let packet =
            RxPacket { more: [piece(first..300), piece(300..628)].into_iter().collect(), ..rx(&datagram[..first]) };
        host.stack.handle_packet(Instant::ZERO, host.iface, packet);
        assert_eq!(&host.stack.udp_receive(socket).unwrap().payload[..], &[5; 600]);
    }
    // A SYN to a closed port, whose checksum has to be verified: it is, and is answered.
    let syn = bowline_wire::TcpHeader { flags: bowline_wire::TcpFlags::SYN, ..Default::default() };
    let mut segment = tcp(at(A4, 7), at(B4, 10), syn, &[1; 40]);
    for (correct, answers) in [(true, 1), (false, 0)] {
        segment[60] ^= u8::from(!correct);
        let tail = Stretch::new(Bytes::copy_from_slice(&segment[45..]), 64);
        let packet = RxPacket { more: [tail].into_iter().collect(), ..rx(&segment[..45]) };
        host.stack.handle_packet(Instant::ZERO, host.iface, packet);
        assert_eq!(host.drain(Instant::ZERO).len(), answers);
    }
}
