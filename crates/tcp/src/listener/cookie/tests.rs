use core::net::SocketAddr;
use core::time::Duration;

use bowline_wire::tcp::{TcpOptions, Timestamps};
use proptest::prelude::*;

use super::*;
use crate::isn::timestamp;
use crate::{FourTuple, Options};

fn cookies() -> SynCookies {
    SynCookies::new(&[3; 16], &[4; 16])
}

fn tuple(ipv6: bool, port: u16) -> FourTuple {
    match ipv6 {
        false => FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), SocketAddr::from(([10, 0, 0, 1], port))),
        true => FourTuple::new(SocketAddr::from(([1_u16; 8], 80)), SocketAddr::from(([2_u16; 8], port))),
    }
}

fn ours(options: &Options, ipv6: bool) -> OurSide<'_> {
    OurSide { tuple: tuple(ipv6, 4000), options, mss: 1460, timestamp_offset: 0x8000_0011 }
}

fn syn(seq: u32, mss: u16) -> TcpHeader {
    let options = TcpOptions {
        mss: Some(mss),
        window_scale: Some(9),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 900, echo: 0 }),
        ..TcpOptions::default()
    };
    let flags = TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR;
    TcpHeader { seq: SeqNumber(seq), flags, options, window: 1000, ..TcpHeader::default() }
}

/// What a peer that got `syn_ack` answers.
fn last_ack(syn_ack: &TcpHeader) -> TcpHeader {
    let timestamps = syn_ack.options.timestamps.map(|t| Timestamps { value: t.echo + 7, echo: t.value });
    TcpHeader {
        seq: syn_ack.ack,
        ack: syn_ack.seq + 1,
        flags: TcpFlags::ACK,
        options: TcpOptions { timestamps, ..TcpOptions::default() },
        ..TcpHeader::default()
    }
}

const NOW: Instant = Instant::from_secs(64 * 1000 + 63);

#[test]
fn all_64_combinations_of_options_come_back() {
    // Six bits: window scale, timestamps, SACK, ECN of the peer; window scaling and timestamps of ours.
    for bits in 0..64_u8 {
        let on = |bit: u8| bits >> bit & 1 == 1;
        let options = Options { window_scaling: on(4), timestamps: on(5), ..Options::default() };
        for ipv6 in [false, true] {
            let ours = ours(&options, ipv6);
            let mut syn = syn(5, 1440);
            syn.options.window_scale = on(0).then_some(9);
            syn.options.timestamps = syn.options.timestamps.filter(|_| on(1));
            syn.options.sack_permitted = on(2);
            if !on(3) {
                syn.flags = TcpFlags::SYN;
            }
            let answer = cookies().syn_ack(NOW, &ours, &syn, Ecn::NotEct);
            let got = cookies().check(NOW, &ours, &last_ack(&answer)).unwrap();

            let plain = ours.answer(answer.seq, &syn, Ecn::NotEct);
            let kept = plain.timestamps.is_some();
            assert_eq!(got.timestamps, plain.timestamps.map(|(offset, _)| (offset, 907)), "{bits:06b}");
            assert_eq!(got.window_scale, plain.window_scale.filter(|_| kept), "{bits:06b}");
            assert_eq!(
                (got.sack, got.ecn),
                (plain.sack && kept, if kept { plain.ecn } else { EcnAgreement::NONE }),
                "{bits:06b}"
            );
            assert_eq!((got.peer_mss, got.irs, got.iss), (1440, SeqNumber(5), answer.seq));
            // The SYN-ACK announces exactly what holds.
            assert_eq!(answer.options.window_scale, got.window_scale.map(|(ours, _)| ours));
            assert_eq!(answer.options.sack_permitted, got.sack);
            assert_eq!(answer.flags.contains(TcpFlags::ECE), got.ecn.mode == EcnMode::Classic);
            assert_eq!((answer.ack, answer.options.mss), (SeqNumber(6), Some(1460)));
        }
    }
}

#[test]
fn the_last_ack_tells_whether_acc_ecn_was_agreed_on() {
    // RFC 9768 5.1: with more than one in AE, CWR and ECE, which nobody else does there.
    let flags = [TcpFlags::empty(), TcpFlags::ECE, TcpFlags::CWR, TcpFlags::AE, TcpFlags::AE | TcpFlags::ECE];
    let mut syn = syn(5, 1440);
    syn.flags = TcpFlags::SYN | TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE;
    for (has, expected) in [
        (EcnMode::Accurate, [EcnMode::Off, EcnMode::Off, EcnMode::Accurate, EcnMode::Accurate, EcnMode::Accurate]),
        (EcnMode::Off, [EcnMode::Off; 5]),
    ] {
        let options = Options { ecn_when_asked: has, ..Options::default() };
        let ours = ours(&options, false);
        let ack = last_ack(&cookies().syn_ack(NOW, &ours, &syn, Ecn::NotEct));
        let got = flags.map(|flags| {
            let ack = TcpHeader { flags: TcpFlags::ACK | flags, ..ack.clone() };
            cookies().check(NOW, &ours, &ack).map(|agreed| agreed.ecn.mode)
        });
        assert_eq!(got, expected.map(Some), "{has:?}");
    }
}

#[test]
fn every_window_shift_comes_back() {
    let options = Options::default();
    for shift in 0..=20 {
        let mut syn = syn(1, 1460);
        syn.options.window_scale = Some(shift);
        let answer = cookies().syn_ack(NOW, &ours(&options, false), &syn, Ecn::NotEct);
        let got = cookies().check(NOW, &ours(&options, false), &last_ack(&answer)).unwrap();
        assert_eq!(got.window_scale, Some((7, shift.min(14))));
    }
}

#[test]
fn the_mss_comes_back_rounded_down() {
    let options = Options::default();
    for (announced, ipv6, kept) in [
        (1, false, 48),
        (535, false, 48),
        (536, false, 536),
        (1380, false, 1360),
        (1460, false, 1460),
        (8959, false, 1460),
        (65_495, false, 8960),
        (0, false, 536),
        (0, true, 1220),
        (1219, true, 48),
        (1440, true, 1440),
        (65_475, true, 8940),
    ] {
        let answer = cookies().syn_ack(NOW, &ours(&options, ipv6), &syn(1, announced), Ecn::NotEct);
        let got = cookies().check(NOW, &ours(&options, ipv6), &last_ack(&answer)).unwrap();
        assert_eq!(got.peer_mss, kept, "{announced}");
    }
}

#[test]
fn a_cookie_is_good_for_one_to_two_minutes() {
    let options = Options::default();
    let ours = ours(&options, false);
    for start in [0, 1, 63, 64, 64 * 255, 64 * 256, 64 * 257 + 10].map(Instant::from_secs) {
        let ack = last_ack(&cookies().syn_ack(start, &ours, &syn(1, 1460), Ecn::NotEct));
        let good = |secs| cookies().check(start + Duration::from_secs(secs), &ours, &ack).is_some();
        assert!(good(0) && good(64), "{start}");
        assert!((128..64 * 255).step_by(61).all(|secs| !good(secs)), "{start}");
        assert!(!good(64 * 256) && !good(64 * 256 + 64), "{start}: nor when its eight bits come again");
    }
}

#[test]
fn what_is_no_cookie_is_refused() {
    let options = Options::default();
    let ours = ours(&options, false);
    let ack = last_ack(&cookies().syn_ack(NOW, &ours, &syn(77, 1460), Ecn::NotEct));
    let check = |ours: &OurSide<'_>, ack: &TcpHeader| cookies().check(NOW, ours, ack);
    assert!(check(&ours, &ack).is_some());

    let elsewhere = OurSide { tuple: tuple(false, 4001), ..ours };
    assert_eq!(check(&elsewhere, &ack), None, "another port");
    let reversed = OurSide { tuple: FourTuple::new(ours.tuple.remote, ours.tuple.local), ..ours };
    assert_eq!(check(&reversed, &ack), None, "the other way round");
    assert_eq!(SynCookies::new(&[3; 16], &[5; 16]).check(NOW, &ours, &ack), None, "another key");
    for changed in [
        TcpHeader { ack: ack.ack + 1, ..ack.clone() },
        TcpHeader { ack: ack.ack + u32::MAX, ..ack.clone() },
        TcpHeader { seq: ack.seq + 1, ..ack.clone() },
        TcpHeader { options: TcpOptions::default(), ..ack.clone() },
        TcpHeader { flags: TcpFlags::ACK | TcpFlags::RST, ..ack.clone() },
        TcpHeader { flags: TcpFlags::ACK | TcpFlags::SYN, ..ack.clone() },
        TcpHeader { flags: TcpFlags::PSH, ..ack.clone() },
    ] {
        assert_eq!(check(&ours, &changed), None, "{changed:?}");
    }
    for flip in 1..64 {
        let mut forged = ack.clone();
        forged.options.timestamps.as_mut().unwrap().echo ^= flip;
        assert_eq!(check(&ours, &forged), None, "options changed by {flip:06b}");
    }
    let other_options = Options { receive_buffer_max: 64 << 20, ..options.clone() };
    assert_eq!(check(&OurSide { options: &other_options, ..ours }, &ack), None, "we would scale otherwise now");
    // Data and FIN may come with it.
    let with_fin = TcpHeader { flags: TcpFlags::ACK | TcpFlags::FIN | TcpFlags::PSH, ..ack };
    assert!(check(&ours, &with_fin).is_some());
}

#[test]
fn nothing_of_the_secrets_is_shown() {
    assert_eq!(alloc::format!("{:?}", cookies()), "SynCookies { .. }");
}

#[test]
fn guessing_is_hopeless() {
    let options = Options::default();
    let ours = ours(&options, false);
    let ack = last_ack(&cookies().syn_ack(NOW, &ours, &syn(1, 1460), Ecn::NotEct));
    // 16 numbers of 2^32 are good: of two million guesses in even steps, about 0.008 should be.
    let guess = |n: u32| TcpHeader { ack: SeqNumber(n.wrapping_mul(2_147)), ..ack.clone() };
    assert_eq!((0..2_000_000).filter(|&n| cookies().check(NOW, &ours, &guess(n)).is_some()).count(), 0);
}

#[test]
fn numbers_of_two_tuples_have_nothing_in_common() {
    // RFC 6528 3: who knows the number of one connection knows nothing of another's, in any of its bits.
    let options = Options::default();
    let number = |port| {
        let ours = OurSide { tuple: tuple(false, port), ..ours(&options, false) };
        cookies().syn_ack(NOW, &ours, &syn(5, 1440), Ecn::NotEct).seq.0
    };
    let first = number(4000);
    let same = |bit: u32| (4001..4257).filter(|port| (number(*port) ^ first) >> bit & 1 == 0).count();
    for bit in 0..32 {
        assert!((64..=192).contains(&same(bit)), "bit {bit} is the same in {} of 256", same(bit));
    }
}

#[test]
fn its_timestamp_is_not_later_than_the_true_one() {
    let options = Options::default();
    let ours = ours(&options, false);
    for ms in 0..200 {
        let now = Instant::from_millis(ms);
        let sent = cookies().syn_ack(now, &ours, &syn(1, 1460), Ecn::NotEct).options.timestamps.unwrap().value;
        let late_by = timestamp(now, ours.timestamp_offset).wrapping_sub(sent);
        assert!(late_by < 64, "{late_by}");
    }
    assert_eq!(timestamp_with(5, 63), u32::MAX, "across the wrap");
}

#[test]
fn the_number_of_one_tuple_grows_as_a_clock_does() {
    // RFC 9293 3.4.1, MUST-8: so that it lies beyond what a former incarnation used.
    let options = Options::default();
    let number = |minute: u64| {
        let now = Instant::from_secs(64 * minute);
        cookies().syn_ack(now, &ours(&options, false), &syn(1, 1460), Ecn::NotEct).seq.0
    };
    for minute in 0..300 {
        let step = number(minute + 1).wrapping_sub(number(minute));
        assert!(step < 1 << 25, "{step}");
        assert!(number(minute + 2).wrapping_sub(number(minute)) >= 1 << 24);
    }
}

proptest! {
    #[test]
    fn whatever_the_syn_the_options_come_back(
        seq: u32, mss: u16, scale in proptest::option::of(0..=255_u8), value: u32, offset: u32,
        flags in 0..4_u8, ms in 0..u64::MAX / 2_000_000, wait in 0..60_u64, port: u16, ipv6: bool,
    ) {
        let options = Options::default();
        let ours = OurSide { tuple: tuple(ipv6, port), timestamp_offset: offset, ..ours(&options, ipv6) };
        let mut syn = syn(seq, mss);
        syn.options.window_scale = scale;
        syn.options.timestamps = Some(Timestamps { value, echo: 0 });
        syn.options.sack_permitted = flags & 1 != 0;
        if flags & 2 == 0 {
            syn.flags = TcpFlags::SYN;
        }
        let now = Instant::from_millis(ms);
        let answer = cookies().syn_ack(now, &ours, &syn, Ecn::NotEct);
        let mut ack = last_ack(&answer);
        ack.options.timestamps = ack.options.timestamps.map(|t| Timestamps { value: value.wrapping_add(1), ..t });
        let got = cookies().check(now + Duration::from_secs(wait), &ours, &ack);
        let plain = ours.answer(answer.seq, &syn, Ecn::NotEct);
        let got = got.expect("a cookie of a minute ago is good");
        prop_assert!(got.peer_mss <= plain.peer_mss);
        let expected = Negotiated {
            peer_mss: got.peer_mss,
            timestamps: Some((offset, value.wrapping_add(1))),
            ..plain
        };
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn no_segment_makes_it_panic(
        seq: u32, ack: u32, flags: u16, echo in proptest::option::of(any::<u32>()), nanos: u64, ipv6: bool,
    ) {
        let options = Options::default();
        let timestamps = echo.map(|echo| Timestamps { value: seq, echo });
        let header = TcpHeader {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: TcpFlags::from_bits_truncate(flags),
            options: TcpOptions { timestamps, ..TcpOptions::default() },
            ..TcpHeader::default()
        };
        let ours = ours(&options, ipv6);
        let now = Instant::from_nanos(nanos);
        prop_assert_eq!(cookies().check(now, &ours, &header), None);
        let answer = cookies().syn_ack(now, &ours, &header, Ecn::NotEct);
        prop_assert_eq!(answer.ack, SeqNumber(seq) + 1);
    }
}
