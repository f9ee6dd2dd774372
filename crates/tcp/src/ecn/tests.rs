use core::time::Duration;

use bowline_base::Instant;
use bowline_wire::tcp::{AccEcnOption, AccEcnOrder};
use proptest::prelude::*;

use super::receiver::Receiver;
use super::sender::{Covered, OptionSeen, Sender};
use super::*;

const MARKS: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce];
const MODES: [EcnMode; 3] = [EcnMode::Off, EcnMode::Classic, EcnMode::Accurate];
const MSS: u64 = 1000;

#[test]
fn every_combination_of_flags_on_a_syn_is_answered() {
    use EcnMode::{Accurate, Classic, Off};
    let table = [
        (0, [Off, Off, Off]),
        (1, [Off, Off, Accurate]),
        (2, [Off, Off, Accurate]),
        (3, [Off, Classic, Classic]),
        (4, [Off, Off, Accurate]),
        (5, [Off, Off, Accurate]),
        (6, [Off, Off, Accurate]),
        (7, [Off, Classic, Accurate]),
    ];
    for (number, expected) in table {
        let syn = TcpFlags::SYN | flags(number);
        assert_eq!(ace(syn), number);
        assert_eq!(MODES.map(|mode| mode.answer(syn)), expected, "{number:03b}");
    }
}

#[test]
fn every_combination_of_flags_on_a_syn_ack_concludes() {
    use EcnMode::{Accurate, Classic, Off};
    let table = [
        (0, [Off, Off, Off]),
        (1, [Off, Classic, Classic]),
        (2, [Off, Off, Accurate]),
        (3, [Off, Off, Accurate]),
        (4, [Off, Off, Accurate]),
        (5, [Off, Classic, Accurate]),
        (6, [Off, Off, Accurate]),
        (7, [Off, Off, Off]),
    ];
    for (number, expected) in table {
        let syn_ack = TcpFlags::SYN | TcpFlags::ACK | flags(number);
        assert_eq!(MODES.map(|mode| mode.conclude(syn_ack)), expected, "{number:03b}");
    }
    // Whoever asks gets what both are ready for, whatever has become of the SYN's mark.
    for (asks, grants) in MODES.into_iter().flat_map(|asks| MODES.map(|grants| (asks, grants))) {
        let mode = grants.answer(asks.request());
        assert_eq!(mode, asks.min(grants), "{asks:?} {grants:?}");
        for mark in MARKS {
            assert_eq!(asks.conclude(EcnAgreement::new(mode, mark).flags()), mode, "{asks:?} {grants:?} {mark:?}");
        }
    }
}

#[test]
fn the_handshake_reflects_every_mark() {
    for mark in MARKS {
        assert_eq!(reflected(reflect(mark)), Some(mark));
        assert_eq!(EcnMode::Accurate.conclude(flags(reflect(mark))), EcnMode::Accurate);
    }
    assert_eq!([0, 1, 5, 7].map(reflected), [None; 4], "no mark is reflected by these");
    for (sent, arrived) in [
        (Ecn::NotEct, [true, false, false, false]),
        (Ecn::Ect1, [false, true, true, true]),
        (Ecn::Ect0, [false, true, true, true]),
        (Ecn::Ce, [false, false, false, true]),
    ] {
        assert_eq!(MARKS.map(|mark| may_become(sent, mark)), arrived, "{sent:?}");
    }
}

#[test]
fn what_arrives_is_counted_by_its_mark() {
    let mut receiver = Receiver::new(Ecn::NotEct, false);
    assert_eq!((receiver.counts().ace(), receiver.required()), (5, 0));
    assert_eq!(receiver.option(), Receiver::first_option());
    assert!(receiver.on_packets(Ecn::Ect0, 1, 0), "another mark, but no text");
    assert_eq!(receiver.required(), 0);
    assert!(!receiver.on_packets(Ecn::Ect0, 1, 700));
    assert_eq!(receiver.required(), 3, "the third in our order");
    assert!(receiver.on_packets(Ecn::Ce, 3, 3000));
    assert!(receiver.on_packets(Ecn::Ect1, 1, 50));
    assert_eq!((receiver.counts().ace(), receiver.counts().ce_packets()), (0, 3), "5 + 3");
    let option = receiver.option();
    assert_eq!((option.ect1_bytes(), option.ce_bytes(), option.ect0_bytes()), (Some(51), Some(3000), Some(701)));
    receiver.on_option_sent(Instant::ZERO);
    assert_eq!(receiver.required(), 0);
    receiver.on_packets(Ecn::Ect1, 1, 50);
    assert_eq!(receiver.required(), 1);
    assert!(receiver.on_packets(Ecn::NotEct, 1, 1000), "counted nowhere, but it is a change");
    assert_eq!((receiver.counts().bytes(Ecn::NotEct), receiver.counts().bytes(Ecn::Ect1)), (0, 100));
    assert_eq!(Receiver::new(Ecn::Ce, true).counts().ace(), 6, "a SYN-ACK with CE counts");
    assert_eq!(Receiver::new(Ecn::Ce, false).counts().ace(), 5, "a SYN does not");
}

#[test]
fn several_marks_are_due_at_once() {
    let mut receiver = Receiver::new(Ecn::Ect0, false);
    let due = |receiver: &mut Receiver| {
        receiver.on_packets(Ecn::Ce, 1, 100);
        (receiver.is_due(true), receiver.is_due(false))
    };
    assert_eq!(due(&mut receiver), (false, false));
    assert_eq!(due(&mut receiver), (true, false));
    assert_eq!(due(&mut receiver), (true, true));
    assert_eq!(ace(receiver.take_flags()), receiver.counts().ace());
    assert_eq!(due(&mut receiver), (false, false));
    receiver.on_packets(Ecn::Ce, 44, 4400);
    assert!(receiver.is_due(false), "a super-segment");
}

#[test]
fn options_go_out_as_the_policy_says() {
    let rtt = Duration::from_millis(30);
    let at = Instant::from_millis;
    let mut receiver = Receiver::new(Ecn::Ect0, false);
    let wants = |receiver: &Receiver, ms, policy| receiver.wants_option(at(ms), policy, 3, rtt);
    for (policy, always) in [
        (EcnOption::Never, false),
        (EcnOption::OnChange, true),
        (EcnOption::Always, true),
        (EcnOption::Persistently, true),
    ] {
        assert_eq!(wants(&receiver, 100, policy), always, "at the beginning: {policy:?}");
    }
    receiver.on_option_sent(at(100));
    assert!(wants(&receiver, 100, EcnOption::OnChange), "a second one");
    receiver.on_option_sent(at(100));
    assert!(!wants(&receiver, 109, EcnOption::OnChange));
    assert!(wants(&receiver, 110, EcnOption::OnChange), "three in a round trip");
    assert!(!receiver.wants_option(at(500), EcnOption::OnChange, 0, rtt), "or none");
    receiver.on_packets(Ecn::Ect0, 1, 1000);
    assert!(!wants(&receiver, 109, EcnOption::OnChange), "more of the same");
    receiver.on_packets(Ecn::Ce, 1, 1000);
    receiver.on_option_sent(at(105));
    assert!(wants(&receiver, 105, EcnOption::OnChange), "after a change there are two");
    receiver.on_option_sent(at(105));
    assert!(!wants(&receiver, 105, EcnOption::OnChange));
    receiver.on_packets(Ecn::Ect0, 1, 1000);
    receiver.on_option_sent(at(105));
    receiver.on_option_sent(at(105));
    receiver.on_packets(Ecn::Ect0, 1, 1 << 22);
    assert!(wants(&receiver, 105, EcnOption::OnChange), "before a counter can wrap");
}

/// `segments` full ones are acknowledged.
fn covered(segments: u64) -> Covered {
    Covered { bytes: segments * MSS, segments }
}

#[test]
fn a_wrapped_counter_is_read_as_is_likely() {
    // Without options, and with acknowledgements for one or two segments before.
    let table = [
        // (marks in the counter, segments) -> packets
        (0, 1, 0),
        (1, 1, 1),
        (7, 7, 7),
        (3, 2, 3),
        (0, 8, 8),
        (1, 8, 1),
        (0, 9, 8),
        (2, 17, 10),
        (2, 18, 18),
    ];
    for (told, segments, expected) in table {
        let mut sender = Sender::default();
        sender.on_ack(5, None, covered(1));
        let marks = sender.on_ack((5 + told) & 7, None, covered(segments));
        assert_eq!(u64::from(marks.packets), expected, "{told} of {segments}");
    }
    // Where every acknowledgement covers many, a large one is no sign that others were lost.
    let mut sender = Sender::default();
    for _ in 0..10 {
        assert_eq!(sender.on_ack(5, None, covered(20)).packets, 0);
    }
    assert_eq!(sender.on_ack(6, None, covered(20)).packets, 1);
}

#[test]
fn an_option_tells_how_often_the_counter_has_wrapped() {
    for marked in [0, 1, 7, 8, 9, 16, 30, 31, 40] {
        let mut sender = Sender::default();
        let mut receiver = Receiver::new(Ecn::Ect0, false);
        sender.see(&receiver.option());
        sender.on_ack(receiver.counts().ace(), Some(&receiver.option()), covered(1));
        receiver.on_packets(Ecn::Ce, marked, marked * MSS);
        receiver.on_packets(Ecn::Ect0, 40 - marked, (40 - marked) * MSS);
        let marks = sender.on_ack(receiver.counts().ace(), Some(&receiver.option()), covered(40));
        assert_eq!((u64::from(marks.packets), marks.bytes), (marked, Some(marked * MSS)));
        assert_eq!(sender.counts().bytes(Ecn::Ect0), (40 - marked) * MSS);
    }
}

#[test]
fn between_options_the_marks_go_on_as_they_were() {
    let mut sender = Sender::default();
    let mut receiver = Receiver::new(Ecn::Ect0, false);
    sender.see(&receiver.option());
    receiver.on_packets(Ecn::Ect0, 2, 2 * MSS);
    sender.on_ack(receiver.counts().ace(), Some(&receiver.option()), covered(2));
    assert_eq!(sender.on_ack(receiver.counts().ace(), None, covered(12)).packets, 0, "all of them ECT(0)");
    assert_eq!(sender.counts().bytes(Ecn::Ect0), 14 * MSS);
    // An option corrects what was guessed: it was not so much.
    receiver.on_packets(Ecn::Ce, 12, 12 * MSS);
    let marks = sender.on_ack(receiver.counts().ace(), Some(&receiver.option()), covered(1));
    assert_eq!((sender.counts().bytes(Ecn::Ect0), sender.counts().bytes(Ecn::Ce)), (2 * MSS, 12 * MSS));
    assert_eq!(marks.bytes, None, "what shrinks is not believed");
}

#[test]
fn options_that_were_zeroed_or_are_late_are_not_believed() {
    let first = |counters: &[u32]| AccEcnOption::new(AccEcnOrder::Ect0First, counters);
    for (option, expected) in [
        (first(&[]), OptionSeen::Empty),
        (first(&[1]), OptionSeen::Counters),
        (first(&[7, 0, 9]), OptionSeen::Counters),
        (first(&[0]), OptionSeen::Unusable),
        (first(&[1, 0, 0]), OptionSeen::Unusable),
        (first(&[0, 0, 1]), OptionSeen::Unusable),
    ] {
        let mut sender = Sender::default();
        sender.see(&option);
        assert_eq!(sender.seen(), expected, "{option:?}");
        let marks = sender.on_ack(6, Some(&first(&[1, 500, 1])), covered(1));
        assert_eq!(marks.bytes.is_some(), expected != OptionSeen::Unusable, "{option:?}");
        assert_eq!(marks.packets, 1, "the flags are believed anyway");
    }
    let mut sender = Sender::default();
    sender.on_bytes_sent((1 << 23) - 2);
    assert_eq!(sender.seen(), OptionSeen::Never);
    sender.on_bytes_sent((1 << 23) - 1);
    assert_eq!(sender.seen(), OptionSeen::Unusable);
}

proptest! {
    /// Any marks, any of the acknowledgements lost: the counts agree as far as three bits can tell, and exactly where options
    /// come through.
    #[test]
    fn counts_agree_however_many_acknowledgements_are_lost(
        bursts in proptest::collection::vec((0..4_usize, 1..20_u64, any::<bool>()), 1..60),
        options: bool,
    ) {
        let mut receiver = Receiver::new(Ecn::NotEct, false);
        let mut sender = Sender::default();
        if options {
            sender.see(&receiver.option());
        }
        let mut unacknowledged = 0;
        for (mark, packets, arrives) in bursts {
            receiver.on_packets(MARKS[mark], packets, packets * MSS);
            unacknowledged += packets;
            if !arrives {
                continue;
            }
            let option = options.then(|| receiver.option());
            sender.on_ack(receiver.counts().ace(), option.as_ref(), covered(unacknowledged));
            unacknowledged = 0;
            prop_assert_eq!(sender.counts().ce_packets() & 7, receiver.counts().ce_packets() & 7);
            if options {
                prop_assert_eq!(sender.counts().ce_packets(), receiver.counts().ce_packets());
                prop_assert_eq!(MARKS.map(|mark| sender.counts().bytes(mark)), MARKS.map(|mark| receiver.counts().bytes(mark)));
            }
        }
    }
}
