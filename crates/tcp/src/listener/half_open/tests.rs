//! A table: what each segment means in SYN-RECEIVED after a passive open.

use core::net::SocketAddr;
use core::time::Duration;

use bowline_wire::Ecn;
use bowline_wire::tcp::Timestamps;

use super::*;
use crate::reason::DropReason;
use HalfOpenOutcome::{Answer, Complete, Drop, Forget, Reset, SynAck};

const IRS: u32 = 0xffff_fff0; // so that the window wraps
const ISS: u32 = 5_000;
const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;
const NONE: TcpFlags = TcpFlags::empty();

const LISTENER: ListenerKey = ListenerKey { index: 3, generation: 4 };

fn tuple() -> FourTuple {
    FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), SocketAddr::from(([10, 0, 0, 1], 4000)))
}

fn negotiated() -> Negotiated {
    Negotiated {
        iss: SeqNumber(ISS),
        irs: SeqNumber(IRS),
        peer_mss: 1400,
        window_scale: Some((7, 9)),
        timestamps: Some((1000, 50)),
        sack: true,
        ecn: EcnAgreement::new(EcnMode::Classic, Ecn::NotEct),
    }
}

fn half_open() -> HalfOpen {
    let options = Options { receive_buffer: 10_000, ..Options::default() };
    HalfOpen::new(9, LISTENER, &tuple(), &negotiated(), 1460, &options)
}

fn segment(flags: TcpFlags, offset: i32, ack: u32) -> TcpHeader {
    // `offset` is relative to RCV.NXT.
    let seq = SeqNumber(IRS.wrapping_add(1).wrapping_add_signed(offset));
    let header =
        TcpHeader { src_port: 4000, dst_port: 80, seq, ack: SeqNumber(ack), flags, window: 99, ..TcpHeader::default() };
    with_timestamp(header, 50)
}

fn with_timestamp(mut header: TcpHeader, value: u32) -> TcpHeader {
    header.options.timestamps = Some(Timestamps { value, echo: 1000 });
    header
}

#[test]
fn it_is_small() {
    assert!(size_of::<HalfOpen>() <= 96, "{}", size_of::<HalfOpen>());
}

#[test]
fn every_segment_means_what_3_10_7_4_says() {
    use DropReason::{NoAck, OutOfWindow, ResetChallenged, ResetIgnored, SynChallenged};
    let good = ISS + 1;
    let bad = SeqNumber(good + 1);
    #[rustfmt::skip]
    let table = [
        // The SYN again, alone, with text, with FIN, asking for ECN.
        (SYN, -1, 0, 0, SynAck),
        (SYN, -1, 0, 100, SynAck),
        (SYN | FIN, -1, 0, 0, SynAck),
        (SYN | TcpFlags::ECE | TcpFlags::CWR, -1, 0, 0, SynAck),
        // Other SYNs: in the window, before it, beyond it. MUST-10 distinguishes attempts by their numbers.
        (SYN, 0, 0, 0, Answer(SynChallenged)),
        (SYN, 9_999, 0, 0, Answer(SynChallenged)),
        (SYN, -2, 0, 0, Answer(OutOfWindow)),
        (SYN, 10_000, 0, 0, Answer(OutOfWindow)),
        (SYN | ACK, 0, good, 0, Answer(SynChallenged)),
        (SYN | ACK, -1, good, 0, Answer(OutOfWindow)),
        // RST: exact, in the window, outside of it. With or without ACK, whatever it acknowledges.
        (RST, 0, 0, 0, Forget),
        (RST | ACK, 0, 1, 0, Forget),
        (RST, 1, 0, 0, Answer(ResetChallenged)),
        (RST, 9_999, 0, 0, Answer(ResetChallenged)),
        (RST, -1, 0, 0, Drop(ResetIgnored)),
        (RST, 10_000, 0, 0, Drop(ResetIgnored)),
        (RST | SYN, -1, 0, 0, Drop(ResetIgnored)),
        (RST | SYN, 0, 0, 0, Forget),
        // ACKs of our SYN: alone, with text, with FIN, ahead of a lost segment.
        (ACK, 0, good, 0, Complete),
        (ACK, 0, good, 1_000, Complete),
        (ACK | FIN, 0, good, 0, Complete),
        (ACK | FIN | TcpFlags::PSH, 0, good, 20, Complete),
        (ACK, 9_999, good, 1_000, Complete),
        (ACK, -500, good, 501, Complete),
        (ACK | FIN, -500, good, 500, Complete),
        // … but not where their numbers are not acceptable.
        (ACK, -1, good, 0, Answer(OutOfWindow)),
        (ACK, -500, good, 500, Answer(OutOfWindow)),
        (ACK, 10_000, good, 0, Answer(OutOfWindow)),
        (ACK, i32::MAX, good, 10, Answer(OutOfWindow)),
        // ACKs of something else.
        (ACK, 0, ISS, 0, Reset(SeqNumber(ISS))),
        (ACK, 0, bad.0, 10, Reset(bad)),
        (ACK | FIN, 0, ISS.wrapping_sub(7), 0, Reset(SeqNumber(ISS - 7))),
        // No ACK at all.
        (NONE, 0, 0, 10, Drop(NoAck)),
        (FIN, 0, 0, 0, Drop(NoAck)),
        (NONE, -10, 0, 10, Answer(OutOfWindow)),
    ];
    for (flags, offset, ack, len, expected) in table {
        let outcome = half_open().on_segment(Instant::ZERO, &segment(flags, offset, ack), (len, Ecn::NotEct), false);
        assert_eq!(outcome, expected, "{flags} at RCV.NXT{offset:+} ACK={ack} LEN={len}");
    }
}

#[test]
fn old_timestamps_make_a_segment_unacceptable() {
    let good = ISS + 1;
    let table = [
        (ACK, 0, 50, Complete),
        (ACK, 0, 51, Complete),
        (ACK, 0, 49, Answer(DropReason::Paws)),
        (ACK, 0, 50_u32.wrapping_add(1 << 31), Answer(DropReason::Paws)),
        (SYN, -1, 51, SynAck),
        (SYN, -1, 49, Answer(DropReason::Paws)),
        (RST, 0, 49, Forget), // RFC 7323 5.2: not for RST
    ];
    for (flags, offset, value, expected) in table {
        let header = with_timestamp(segment(flags, offset, good), value);
        assert_eq!(
            half_open().on_segment(Instant::ZERO, &header, (0, Ecn::NotEct), false),
            expected,
            "{flags} TSval={value}"
        );
    }
    // Without timestamps negotiated, an option that comes all the same says nothing.
    let plain = Negotiated { timestamps: None, ..negotiated() };
    let mut entry = HalfOpen::new(9, LISTENER, &tuple(), &plain, 1460, &Options::default());
    let header = with_timestamp(segment(ACK, 0, good), 0);
    assert_eq!(entry.on_segment(Instant::ZERO, &header, (0, Ecn::NotEct), false), Complete);
}

#[test]
fn the_last_ack_must_have_the_timestamps_that_were_agreed_on() {
    let mut ack = segment(ACK, 0, ISS + 1);
    ack.options.timestamps = None;
    assert_eq!(half_open().on_segment(Instant::ZERO, &ack, (0, Ecn::NotEct), false), Drop(DropReason::Paws));
}

#[test]
fn a_repeated_syn_updates_the_timestamp_that_is_echoed() {
    let mut entry = half_open();
    let echo = |entry: &HalfOpen| entry.syn_ack(Instant::from_millis(7)).options.timestamps.unwrap().echo;
    assert_eq!(echo(&entry), 50);
    entry.on_segment(Instant::ZERO, &with_timestamp(segment(SYN, -1, 0), 1050), (0, Ecn::NotEct), false);
    assert_eq!(echo(&entry), 1050);
    assert_eq!(entry.negotiated().timestamps, Some((1000, 1050)));
}

#[test]
fn only_the_first_syn_ack_tests_whether_acc_ecns_option_arrives() {
    // RFC 9768 3.2.3.2.2: the peer that asks again may have been lost behind it.
    let agreed = Negotiated { ecn: EcnAgreement::new(EcnMode::Accurate, Ecn::NotEct), ..negotiated() };
    let options = Options { ecn_when_asked: EcnMode::Accurate, ..Options::default() };
    let mut entry = HalfOpen::new(9, LISTENER, &tuple(), &agreed, 1460, &options);
    assert!(entry.syn_ack(Instant::ZERO).options.acc_ecn.is_some());
    let syn = segment(SYN | TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE, -1, 0);
    assert_eq!(entry.on_segment(Instant::ZERO, &syn, (0, Ecn::NotEct), false), SynAck);
    assert!(entry.syn_ack(Instant::ZERO).options.acc_ecn.is_none());
}

#[test]
fn the_last_ack_waits_while_the_accept_queue_is_full() {
    let mut entry = half_open();
    let ack = segment(ACK, 0, ISS + 1);
    assert_eq!(entry.on_segment(Instant::ZERO, &ack, (5, Ecn::NotEct), true), Drop(DropReason::ListenOverflow));
    assert!(entry.is_acknowledged());
    assert_eq!(entry.on_segment(Instant::ZERO, &ack, (5, Ecn::NotEct), false), Complete);
    // A bad ACK is a bad ACK, full or not.
    assert_eq!(half_open().on_segment(Instant::ZERO, &segment(ACK, 0, 1), (0, Ecn::NotEct), true), Reset(SeqNumber(1)));
}

fn half_open_answered_at_zero() -> HalfOpen {
    let mut entry = half_open();
    let answer = entry.on_segment(Instant::ZERO, &segment(ACK, -1, ISS + 1), (0, Ecn::NotEct), false);
    assert_eq!(answer, Answer(DropReason::OutOfWindow));
    entry
}

#[test]
fn answers_are_rationed_to_two_a_second() {
    let mut entry = half_open();
    let out = segment(ACK, -1, ISS + 1);
    let answered = (0..10_000)
        .step_by(10)
        .filter(|&ms| matches!(entry.on_segment(Instant::from_millis(ms), &out, (0, Ecn::NotEct), false), Answer(_)))
        .count();
    assert!((19..=20).contains(&answered), "{answered} in ten seconds");
    let at = |ms| half_open_answered_at_zero().on_segment(Instant::from_millis(ms), &out, (0, Ecn::NotEct), false);
    assert_eq!(at(511), Drop(DropReason::OutOfWindow));
    assert_eq!(at(512), Answer(DropReason::OutOfWindow));
    // The SYN again is answered each time: the peer may have lost every SYN-ACK.
    for _ in 0..10 {
        assert_eq!(entry.on_segment(Instant::ZERO, &segment(SYN, -1, 0), (0, Ecn::NotEct), false), SynAck);
    }
}

#[test]
fn what_it_sends() {
    let entry = half_open();
    let now = Instant::from_millis(30);
    let syn_ack = entry.syn_ack(now);
    assert_eq!((syn_ack.src_port, syn_ack.dst_port), (80, 4000));
    assert_eq!((syn_ack.seq, syn_ack.ack), (SeqNumber(ISS), SeqNumber(IRS) + 1));
    assert_eq!(syn_ack.flags, SYN | ACK | TcpFlags::ECE);
    assert_eq!(syn_ack.window, 10_000, "not scaled");
    assert_eq!(syn_ack.options.mss, Some(1460));
    assert_eq!(syn_ack.options.window_scale, Some(7));
    assert!(syn_ack.options.sack_permitted);
    assert_eq!(syn_ack.options.timestamps, Some(Timestamps { value: 1030, echo: 50 }));

    let ack = entry.ack(now);
    assert_eq!((ack.seq, ack.ack, ack.flags), (SeqNumber(ISS) + 1, SeqNumber(IRS) + 1, ACK));
    assert_eq!(ack.window, 10_000 >> 7, "scaled");
    assert_eq!(
        ack.options,
        TcpOptions { timestamps: Some(Timestamps { value: 1030, echo: 50 }), ..TcpOptions::default() }
    );
}

#[test]
fn nothing_is_lost_in_packing() {
    let v6 =
        FourTuple::new(SocketAddr::from(([0x2001_u16, 2, 3, 4, 5, 6, 7, 8], 80)), SocketAddr::from(([9_u16; 8], 1)));
    for tuple in [tuple(), v6] {
        for bits in 0..16_u8 {
            let negotiated = Negotiated {
                window_scale: (bits & 1 != 0).then_some((14, 3)),
                timestamps: (bits & 2 != 0).then_some((u32::MAX, 1)),
                sack: bits & 4 != 0,
                ecn: EcnAgreement::new(if bits & 8 == 0 { EcnMode::Off } else { EcnMode::Classic }, Ecn::NotEct),
                ..negotiated()
            };
            let entry = HalfOpen::new(9, LISTENER, &tuple, &negotiated, 1220, &Options::default());
            assert_eq!(entry.negotiated(), negotiated);
            assert_eq!((entry.tuple(), entry.id(), entry.listener()), (tuple, 9, LISTENER));
            assert!(entry.is(&tuple) && !entry.is(&FourTuple::new(tuple.remote, tuple.local)));
            assert_eq!((entry.our_mss(), entry.window(), entry.retries()), (1220, u16::MAX, 0));
        }
    }
    // An IPv4 name is not the IPv6 name of the same bits.
    let as_v6 = |ip: [u8; 4]| {
        let [a, b, c, d] = ip;
        core::net::Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    };
    let twin =
        FourTuple::new(SocketAddr::from((as_v6([10, 0, 0, 2]), 80)), SocketAddr::from((as_v6([10, 0, 0, 1]), 4000)));
    assert!(!half_open().is(&twin));
}

#[test]
fn with_a_closed_window_only_empty_segments_at_rcv_nxt_are_acceptable() {
    let options = Options { receive_buffer: 0, ..Options::default() };
    let fresh = || HalfOpen::new(9, LISTENER, &tuple(), &negotiated(), 1460, &options);
    let at = |offset, len| {
        fresh().on_segment(Instant::ZERO + Duration::ZERO, &segment(ACK, offset, ISS + 1), (len, Ecn::NotEct), false)
    };
    assert_eq!(at(0, 0), Complete);
    assert_eq!(at(1, 0), Answer(DropReason::OutOfWindow));
    assert_eq!(at(0, 1), Answer(DropReason::OutOfWindow));
}

#[test]
fn a_closed_window_takes_only_what_is_empty_and_exact() {
    // RFC 9293 3.10.7.4, table 6: the two rows for RCV.WND = 0, beside those for an open window.
    let options = Options { receive_buffer: 0, ..Options::default() };
    let now = Instant::from_secs(1);
    let unacceptable = Answer(DropReason::OutOfWindow);
    for (offset, len, expected) in [(0, 0, Complete), (1, 0, unacceptable), (0, 1, unacceptable), (-1, 0, unacceptable)]
    {
        let mut closed = HalfOpen::new(9, LISTENER, &tuple(), &negotiated(), 1460, &options);
        assert_eq!(closed.window(), 0);
        assert_eq!(
            closed.on_segment(now, &segment(ACK, offset, ISS + 1), (len, Ecn::NotEct), false),
            expected,
            "{offset} {len}"
        );
    }
    let window = i32::from(half_open().window());
    for (offset, len, expected) in [
        (0, 0, Complete),
        (window - 1, 0, Complete),
        (window, 0, unacceptable),
        (-1, 0, unacceptable),
        (-1, 2, Complete),
        (window - 1, 1, Complete),
    ] {
        let mut half = half_open();
        assert_eq!(
            half.on_segment(now, &segment(ACK, offset, ISS + 1), (len, Ecn::NotEct), false),
            expected,
            "{offset} {len}"
        );
    }
}
