//! What leaves as a plain packet, leaves as the same bytes by the way of any kind, and is counted alike; what does not, has
//! left no trace.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall stop")]

use alloc::vec::Vec;

use bowline_base::Instant;
use bowline_tcp::FourTuple;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, TcpHeader, Timestamps};
use bowline_wire::{SegmentKind, ip};

use super::*;
use crate::counters::Counters;
use crate::{Config, Interface, Stack};

/// A packet as the device sees it.
type Sent = (Vec<u8>, Option<PartialChecksum>, Option<(SegmentKind, u16)>);

const OURS: [&str; 2] = ["10.0.2.1/24", "fd00::1/64"];
const FOUR: (&str, &str) = ("10.0.2.1:4000", "10.0.2.2:80");
const SIX: (&str, &str) = ("[fd00::1]:4000", "[fd00::2]:80");

/// What leaves by the plain way, or by the other, and what has been counted then.
fn leaves(capabilities: Capabilities, departure: &Departure<'_>, plain: bool) -> (Option<()>, Vec<Sent>, Counters) {
    let mut stack = Stack::new(Config::default(), [1; 32], Instant::ZERO);
    let ours = OURS.map(|address| address.parse().unwrap());
    let id = stack.add_interface(Interface::new(capabilities, ours)).unwrap();
    let mut sent = Vec::new();
    let mut transmit = |_: IfaceId, packet: TxPacket<'_>| {
        let parts = core::iter::once(packet.head).chain(packet.payload.iter().copied());
        sent.push((parts.flatten().copied().collect(), packet.checksum, packet.segment));
    };
    let mut exit = stack.exit(Instant::ZERO);
    let done = if plain {
        exit.plain(id, &capabilities, departure, &mut transmit)
    } else {
        exit.tcp_of_any_kind(id, &capabilities, departure, &mut transmit);
        Some(())
    };
    (done, sent, *stack.counters())
}

fn departure<'a>((local, remote): (&str, &str), payload: &'a [&'a [u8]], dont_fragment: bool) -> Departure<'a> {
    let mut header = TcpHeader { src_port: 4000, dst_port: 80, seq: SeqNumber(7), ..TcpHeader::default() };
    (header.flags, header.window) = (TcpFlags::ACK, 9);
    header.options.timestamps = Some(Timestamps { value: 0xffff_0001, echo: 3 });
    let tuple = FourTuple::new(local.parse().unwrap(), remote.parse().unwrap());
    let (owners, segment_size): (&[_], _) = (&[], None);
    Departure { tuple, header, payload, owners, segment_size, traffic_class: 0xb9, hop_limit: 63, dont_fragment }
}

#[test]
fn what_leaves_as_a_plain_packet_leaves_so_by_any_way() {
    let text = [0xa5; 1_001];
    let payloads: [&[&[u8]]; 4] = [&[], &[&text], &[&text[..3], &text[3..]], &[&[0; 1], &[], &text]];
    let kinds = [
        Capabilities::plain(1_500),
        Capabilities { checksum: true, ..Capabilities::plain(1_500) },
        Capabilities { checksum: true, tcp_segmentation: true, ..Capabilities::plain(1_500) },
    ];
    for (payload, capabilities) in payloads.iter().flat_map(|payload| kinds.map(|kind| (payload, kind))) {
        for (ends, dont_fragment) in [(FOUR, true), (FOUR, false), (SIX, true), (SIX, false)] {
            for segment_size in [None, Some(100), Some(1_000), Some(2_000)] {
                let departure = Departure { segment_size, ..departure(ends, payload, dont_fragment) };
                let is_cut = segment_size.is_some_and(|size| usize::from(size) < departure.payload_len());
                let (done, sent, counters) = leaves(capabilities, &departure, true);
                assert_eq!(done.is_some(), ends == FOUR && dont_fragment && !is_cut, "{departure:?}");
                if done.is_some() {
                    assert_eq!((Some(()), sent, counters), leaves(capabilities, &departure, false), "{departure:?}");
                } else {
                    assert_eq!((sent, counters), (Vec::new(), Counters::default()), "{departure:?}");
                }
            }
        }
    }
}

#[test]
fn what_routers_may_cut_is_not_marked_and_has_a_number() {
    // RFC 6864 4, RFC 791 3.1.
    let mut stack = Stack::new(Config::default(), [1; 32], Instant::ZERO);
    stack.add_interface(Interface::new(Capabilities::plain(1_500), [OURS[0].parse().unwrap()])).unwrap();
    for (dont_fragment, numbers) in [(true, 1), (false, 4)] {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let departure = departure(FOUR, &[], dont_fragment);
            stack.exit(Instant::ZERO).tcp(&departure, &mut |_, packet| {
                let header = ip::parse(packet.head).unwrap();
                assert_eq!(header.dont_fragment, dont_fragment);
                seen.push(header.ident);
            });
        }
        assert_eq!(seen.len(), 4);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), numbers, "{seen:?}");
    }
}
