use core::net::SocketAddr;

use super::*;
use crate::{EcnMode, Profile};

fn tuple(ipv6: bool) -> FourTuple {
    match ipv6 {
        false => FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), SocketAddr::from(([10, 0, 0, 1], 4000))),
        true => FourTuple::new(SocketAddr::from(([1_u16; 8], 80)), SocketAddr::from(([2_u16; 8], 4000))),
    }
}

fn ours(options: &Options) -> OurSide<'_> {
    OurSide { tuple: tuple(false), options, mss: 1460, timestamp_offset: 1000 }
}

fn syn(options: TcpOptions, flags: TcpFlags) -> TcpHeader {
    TcpHeader { seq: SeqNumber(77), flags: TcpFlags::SYN | flags, options, ..TcpHeader::default() }
}

fn all() -> TcpOptions {
    TcpOptions {
        mss: Some(1400),
        window_scale: Some(9),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 5, echo: 0 }),
        ..TcpOptions::default()
    }
}

#[test]
fn an_option_holds_only_if_both_have_it() {
    for bits in 0..64_u8 {
        let on = |bit: u8| bits >> bit & 1 == 1;
        let options = Options { window_scaling: on(0), timestamps: on(1), sack: on(2), ..Options::default() };
        let theirs = TcpOptions {
            window_scale: on(3).then_some(9),
            timestamps: on(4).then_some(Timestamps { value: 5, echo: 0 }),
            sack_permitted: on(5),
            ..TcpOptions::default()
        };
        let agreed = ours(&options).answer(SeqNumber(1), &syn(theirs.clone(), TcpFlags::empty()), Ecn::NotEct);
        assert_eq!(agreed.window_scale, (on(0) && on(3)).then_some((7, 9)), "{bits:06b}");
        assert_eq!(agreed.timestamps, (on(1) && on(4)).then_some((1000, 5)), "{bits:06b}");
        assert_eq!(agreed.sack, on(2) && on(5), "{bits:06b}");
        let concluded = ours(&options).conclude(SeqNumber(1), &syn(theirs, TcpFlags::ACK), Ecn::NotEct);
        assert_eq!(concluded, agreed, "both openers agree on the same");

        let answer = agreed.syn_ack_options(Instant::from_millis(3), Some(1460), Layout::Linux);
        assert_eq!(answer.window_scale.is_some(), on(0) && on(3), "{bits:06b}");
        assert_eq!(answer.timestamps, (on(1) && on(4)).then_some(Timestamps { value: 1003, echo: 5 }));
        assert_eq!(answer.sack_permitted, on(2) && on(5));
    }
}

#[test]
fn a_syn_may_say_little_or_nothing() {
    let mut options = Options::default();
    let bare = TcpOptions { mss: Some(1460), ..TcpOptions::default() };
    assert_eq!(ours(&options).bare_offer(), bare, "nothing but the MSS");
    options.announce_mss = false;
    assert_eq!(ours(&options).bare_offer(), TcpOptions::default());
    (options.window_scaling, options.timestamps, options.sack) = (false, false, false);
    assert_eq!(ours(&options).offer(Instant::from_millis(4)), TcpOptions::default());
    let agreed = ours(&options).answer(SeqNumber(1), &syn(all(), TcpFlags::empty()), Ecn::NotEct);
    let answer = agreed.syn_ack_options(Instant::from_millis(4), ours(&options).announced(), Layout::Linux);
    assert_eq!((answer, agreed.peer_mss), (TcpOptions::default(), 1400), "what the peer says counts all the same");
}

#[test]
fn our_syn_offers_what_is_switched_on() {
    let options = Options::default();
    let offer = ours(&options).offer(Instant::from_millis(4));
    assert_eq!((offer.mss, offer.window_scale, offer.sack_permitted), (Some(1460), Some(7), true));
    assert_eq!(offer.timestamps, Some(Timestamps { value: 1004, echo: 0 }));
    let off = Options { window_scaling: false, timestamps: false, sack: false, ..options };
    let offer = ours(&off).offer(Instant::ZERO);
    assert_eq!(offer, TcpOptions { mss: Some(1460), ..TcpOptions::default() });
}

#[test]
fn ecn_is_agreed_on_by_the_bits_of_rfc_3168() {
    let (none, ece, cwr) = (TcpFlags::empty(), TcpFlags::ECE, TcpFlags::CWR);
    let (both, ack, ae) = (ece | cwr, TcpFlags::ACK, TcpFlags::AE);
    let asks = Options { ecn: EcnMode::Classic, ..Options::default() };
    // Passive: agreed whenever it is asked for, and an offer of accurate ECN is one.
    for (flags, agreed) in [(none, false), (ece, false), (cwr, false), (both, true), (both | ae, true)] {
        for options in [&Options::default(), &asks] {
            let ecn = ours(options).answer(SeqNumber(1), &syn(all(), flags), Ecn::NotEct).ecn;
            assert_eq!(ecn.mode == EcnMode::Classic, agreed, "SYN {flags}");
        }
    }
    // Active: only if we asked. A SYN-ACK with both bits reflects ours blindly.
    for (flags, agreed) in
        [(ack, false), (ack | ece, true), (ack | cwr, false), (ack | both, false), (both, true), (ece, false)]
    {
        let conclude = |options| ours(options).conclude(SeqNumber(1), &syn(all(), flags), Ecn::NotEct).ecn.mode;
        assert_eq!(conclude(&asks) == EcnMode::Classic, agreed, "SYN {flags}");
        assert_eq!(conclude(&Options::default()), EcnMode::Off);
    }
}

#[test]
fn mss_and_shifts_are_kept_in_their_bounds() {
    // RFC 7323 2.3, RFC7323-2.3-1; RFC 9293 3.7.1, MUST-15.
    for (announced, ipv6, counts) in [
        (None, false, 536),
        (None, true, 1220),
        (Some(0), false, 536),
        (Some(0), true, 1220),
        (Some(1), false, 48),
        (Some(1460), false, 1460),
        (Some(65_535), true, 65_535),
    ] {
        assert_eq!(peer_mss(announced, ipv6), counts, "{announced:?} {ipv6}");
    }
    let huge = syn(TcpOptions { window_scale: Some(255), ..all() }, TcpFlags::empty());
    let options = Options::default();
    assert_eq!(ours(&options).answer(SeqNumber(1), &huge, Ecn::NotEct).window_scale, Some((7, 14)));
    for (buffer, shift) in [(0, 0), (65_535, 0), (65_536, 1), (131_070, 1), (131_071, 2), (6 << 20, 7), (u32::MAX, 14)]
    {
        let options = Options { receive_buffer: 0, receive_buffer_max: buffer, ..Options::default() };
        assert_eq!(window_shift(&options), shift, "{buffer}");
        let options = Options { receive_buffer: buffer, receive_buffer_max: 0, ..Options::default() };
        assert_eq!(window_shift(&options), shift, "autotuning off");
        let wanted = Options { window_shift: Some(99), ..options };
        assert_eq!(window_shift(&wanted), 14, "no more than there is");
    }
    for (buffer, shift) in [(1, 0), (2, 0), (4, 1), (2_000, 9), (32_767, 13), (32_768, 14)] {
        let wanted = Options { receive_buffer: buffer, window_shift: Some(14), ..Options::default() };
        assert_eq!(window_shift(&wanted), shift, "no unit of more than half of {buffer} bytes");
    }
    assert_eq!(initial_window(&Options { receive_buffer: 4000, ..Options::default() }, 1460), 4000);
    assert_eq!(initial_window(&Options { receive_buffer: 70_000, ..Options::default() }, 1460), 65_535);
    let linux = Options::profile(Profile::Linux);
    assert_eq!(initial_window(&linux, 1460), 64_240, "44 segments");
    assert_eq!(initial_window(&linux, 1448), 65_160, "45 with timestamps");
    assert_eq!(initial_window(&Options { receive_buffer: 1000, ..linux }, 1460), 1000, "less than one");
}
