//! A table of what each segment means in TIME-WAIT, and the table of entries beside a naive one.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bowline_base::Randomness;
use bowline_wire::seq::SeqNumber;
use bowline_wire::tcp::{TcpFlags, Timestamps};

use super::*;
use crate::FourTuple;
use TimeWaitOutcome::{AcceptSyn, AckFin, Answer, Close, Drop};

const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;
const RST: TcpFlags = TcpFlags::RST;
const FIN: TcpFlags = TcpFlags::FIN;

const SND_NXT: u32 = 700;
const RCV_NXT: u32 = 3; // so that what lies before wraps
const TS_RECENT: u32 = 50;
const TWO_MSL: Duration = Duration::from_secs(60);

fn remains(id: u64, timestamps: bool) -> Remains {
    let remote = SocketAddr::from(([10, 0, 0, 1], id as u16));
    Remains {
        id,
        tuple: FourTuple::new(SocketAddr::from(([10, 0, 0, 2], 80)), remote),
        snd_nxt: SeqNumber(SND_NXT),
        rcv_nxt: SeqNumber(RCV_NXT),
        window: 0x1234,
        timestamps: timestamps.then_some((1000, TS_RECENT)),
    }
}

fn segment(flags: TcpFlags, offset: i32, timestamp: Option<u32>) -> TcpHeader {
    let mut header = TcpHeader {
        src_port: 1,
        dst_port: 80,
        seq: SeqNumber(RCV_NXT.wrapping_add_signed(offset)),
        ack: SeqNumber(SND_NXT),
        flags,
        ..TcpHeader::default()
    };
    header.options.timestamps = timestamp.map(|value| Timestamps { value, echo: 1000 });
    header
}

/// A table with one entry, and its place.
fn one(timestamps: bool) -> (TimeWaitTable, u32) {
    let mut table = TimeWaitTable::new(10, TWO_MSL);
    let (place, evicted) = table.insert(Instant::from_secs(1), &remains(1, timestamps));
    assert!(evicted.is_none());
    (table, place.unwrap())
}

fn outcome(with: bool, flags: TcpFlags, offset: i32, len: u32, timestamp: Option<u32>) -> TimeWaitOutcome {
    let (mut table, place) = one(with);
    table.on_segment(Instant::from_secs(2), place, &segment(flags, offset, timestamp), len, Some(true))
}

#[test]
fn it_is_small() {
    assert!(size_of::<TimeWaitEntry>() <= 64, "{}", size_of::<TimeWaitEntry>());
    let mut table = TimeWaitTable::new(1 << 16, TWO_MSL);
    for id in 0..65_536 {
        table.insert(Instant::ZERO, &remains(id, true));
    }
    assert!(table.memory() / table.len() <= 88, "{} with links", table.memory() / table.len());
}

#[test]
fn segments_of_the_connection_that_was() {
    use DropReason::{NoAck, OutOfWindow, ResetIgnored, TimeWait};
    for with in [false, true] {
        let ts = with.then_some(TS_RECENT);
        #[rustfmt::skip]
        let table = [
            // The FIN again: alone, or behind text.
            (ACK | FIN, -1, 0, AckFin),
            (ACK | FIN, -101, 100, AckFin),
            // A FIN elsewhere is none of this connection.
            (ACK | FIN, 0, 0, Answer(OutOfWindow)),
            (ACK | FIN, -2, 0, Answer(OutOfWindow)),
            (FIN, -1, 0, Drop(NoAck)),
            // The bare ACK of ours, and what is old or impossible.
            (ACK, 0, 0, Drop(TimeWait)),
            (ACK, -1, 0, Answer(OutOfWindow)),
            (ACK, -1, 1, Answer(OutOfWindow)),
            (ACK, -500, 100, Answer(OutOfWindow)),
            (ACK, 0, 10, Answer(OutOfWindow)),
            (ACK, 5_000, 0, Answer(OutOfWindow)),
            (TcpFlags::empty(), 0, 10, Drop(NoAck)),
            (SYN | ACK, 0, 0, Answer(OutOfWindow)),
            // RFC 1337.
            (RST, 0, 0, Drop(ResetIgnored)),
            (RST | ACK, 0, 0, Drop(ResetIgnored)),
            (RST, 1, 0, Drop(ResetIgnored)),
            (RST | SYN, 0, 0, Drop(ResetIgnored)),
        ];
        for (flags, offset, len, expected) in table {
            assert_eq!(
                outcome(with, flags, offset, len, ts),
                expected,
                "{flags} RCV.NXT{offset:+} LEN={len} TS={ts:?}"
            );
        }
    }
}

#[test]
fn a_rst_with_a_new_timestamp_is_believed() {
    for (with, offset, timestamp, expected) in [
        (true, 0, Some(TS_RECENT + 1), Close),
        (true, 0, Some(TS_RECENT), Drop(DropReason::ResetIgnored)),
        (true, 0, Some(TS_RECENT - 1), Drop(DropReason::ResetIgnored)),
        (true, 0, None, Drop(DropReason::ResetIgnored)),
        (true, 1, Some(TS_RECENT + 1), Drop(DropReason::ResetIgnored)),
        (true, -1, Some(TS_RECENT + 1), Drop(DropReason::ResetIgnored)),
        (false, 0, Some(TS_RECENT + 1), Drop(DropReason::ResetIgnored)),
    ] {
        assert_eq!(outcome(with, RST, offset, 0, timestamp), expected, "{with} {offset} {timestamp:?}");
    }
}

#[test]
fn old_timestamps_are_answered_and_restart_nothing() {
    // RFC 7323 5.3, RFC7323-5.3-1.
    let (mut table, place) = one(true);
    let before = table.get(place).unwrap().expires();
    let old = segment(ACK | FIN, -1, Some(TS_RECENT - 1));
    assert_eq!(table.on_segment(Instant::from_secs(9), place, &old, 0, Some(true)), Answer(DropReason::Paws));
    assert_eq!(table.get(place).unwrap().expires(), before);
}

#[test]
fn syns_are_let_pass_as_rfc_6191_says() {
    // RFC 9293 3.6.1, MAY-2, SHLD-4.
    let accept = AcceptSyn(SeqNumber(SND_NXT));
    let refuse = Answer(DropReason::TimeWait);
    let (newer, same, older) = (Some(TS_RECENT + 1), Some(TS_RECENT), Some(TS_RECENT - 1));
    // (timestamps before, timestamp of the SYN, whether we would use them, its number beside RCV.NXT)
    for (with, timestamp, use_them, offset, expected) in [
        (true, newer, true, -1_000_000, accept),
        (true, same, true, 0, accept),
        (true, same, true, -1, refuse),
        (true, older, true, 1_000, refuse),
        (true, None, true, 0, accept),
        (true, None, true, -1, refuse),
        (true, newer, false, -1, refuse),
        (true, older, false, 1, accept),
        (false, older, true, -1_000_000, accept),
        (false, older, false, -1, refuse),
        (false, None, true, 0, accept),
        (false, None, true, -1, refuse),
    ] {
        let (mut table, place) = one(with);
        let syn = segment(SYN, offset, timestamp);
        let outcome = table.on_segment(Instant::from_secs(2), place, &syn, 0, Some(use_them));
        assert_eq!(outcome, expected, "before {with}, SYN {timestamp:?} {use_them} at {offset:+}");
        assert_eq!(table.len(), 1, "it is the endpoint's to remove it");
    }
}

#[test]
fn a_repeated_fin_is_always_acknowledged_and_2msl_begin_anew() {
    let (mut table, place) = one(true);
    for secs in [1, 1, 30, 89] {
        let now = Instant::from_secs(secs);
        let fin = segment(ACK | FIN, -1, Some(TS_RECENT + secs as u32));
        assert_eq!(table.on_segment(now, place, &fin, 0, Some(true)), AckFin);
        assert_eq!(table.poll_timeout(), Some(now + TWO_MSL));
    }
    let ack = table.get(place).unwrap().ack(Instant::from_secs(90));
    assert_eq!((ack.seq, ack.ack, ack.flags), (SeqNumber(SND_NXT), SeqNumber(RCV_NXT), ACK));
    assert_eq!((ack.src_port, ack.dst_port, ack.window), (80, 1, 0x1234));
    assert_eq!(ack.options.timestamps, Some(Timestamps { value: 91_000, echo: TS_RECENT + 89 }));
    assert!(table.poll_expired(Instant::from_millis(148_999)).is_none());
    assert_eq!(table.poll_expired(Instant::from_secs(149)).unwrap().1.id, 1);
    assert!(table.is_empty() && table.poll_timeout().is_none());
}

#[test]
fn other_answers_are_rationed_and_two_in_time_wait_do_not_answer_each_other() {
    let (mut table, place) = one(true);
    let old = segment(ACK, -1, Some(TS_RECENT));
    let answers = (1_000..11_000)
        .step_by(10)
        .filter(|&ms| matches!(table.on_segment(Instant::from_millis(ms), place, &old, 0, Some(true)), Answer(_)))
        .count();
    assert!((19..=20).contains(&answers), "{answers} in ten seconds");

    // Both ends after a simultaneous close: our ACK is acceptable there, and theirs here, so nobody answers.
    let theirs = segment(ACK, 0, Some(TS_RECENT + 1));
    assert_eq!(table.on_segment(Instant::from_secs(60), place, &theirs, 0, Some(true)), Drop(DropReason::TimeWait));
}

#[test]
fn connects_may_take_over_a_second_after_the_last_use() {
    const SECOND: Option<Duration> = Some(Duration::from_secs(1));
    let may = |with, secs: u64, offers| {
        let (table, place) = one(with);
        table.may_connect(Instant::from_millis(1000 * secs + 1), place, SECOND, offers)
    };
    assert!(may(true, 2, true));
    assert!(!may(true, 1, true), "our clock may not have ticked");
    let (table, place) = one(true);
    assert!(!table.may_connect(Instant::from_secs(2), place, SECOND, true), "just a second is not more than one");
    assert!(!may(false, 30, true) && !may(true, 30, false), "without timestamps never");
    let (mut table, place) = one(true);
    table.on_segment(Instant::from_secs(20), place, &segment(ACK | FIN, -1, Some(TS_RECENT)), 0, Some(true));
    assert!(!table.may_connect(Instant::from_millis(20_500), place, SECOND, true), "the last use was the FIN again");
    assert!(table.may_connect(Instant::from_millis(21_500), place, SECOND, true));
    assert!(!table.may_connect(Instant::from_secs(99), 77, SECOND, true), "there is none in this place");
    assert!(table.may_connect(Instant::from_secs(20), place, None, true), "no delay, and no older timestamps");
    assert!(!table.may_connect(Instant::from_secs(30), place, None, false));
}

#[test]
fn the_oldest_gives_way() {
    let mut table = TimeWaitTable::new(3, TWO_MSL);
    let ids: Vec<_> =
        (0..6).map(|id| table.insert(Instant::from_secs(id), &remains(id, false)).1.map(|(_, gone)| gone.id)).collect();
    assert_eq!(ids, vec![None, None, None, Some(0), Some(1), Some(2)]);
    assert_eq!(table.len(), 3);
    let mut none = TimeWaitTable::new(0, TWO_MSL);
    assert!(none.insert(Instant::ZERO, &remains(1, false)).0.is_none());
}

#[test]
fn it_agrees_with_a_naive_table() {
    for seed in 0..30 {
        let mut random = Randomness::new([seed; 32]);
        let mut table = TimeWaitTable::new(20, TWO_MSL);
        let mut oracle: Vec<(u64, u32, Instant)> = Vec::new(); // by time of the last use
        let mut now = Instant::ZERO;
        for id in 0..1_000 {
            now += Duration::from_millis(random.below(8_000));
            while let Some(gone) = table.poll_expired(now) {
                let (id, _, expires) = oracle.remove(0);
                assert!(gone.1.id == id && expires <= now, "seed {seed}");
            }
            assert!(oracle.first().is_none_or(|entry| entry.2 > now));
            let chosen = random.below(oracle.len().max(1) as u64) as usize;
            match (random.below(3), oracle.get(chosen).copied()) {
                (0, Some((id, place, _))) => {
                    assert_eq!(table.remove(place).map(|gone| gone.id), Some(id));
                    oracle.remove(chosen);
                }
                (1, Some((id, place, _))) => {
                    assert_eq!(table.on_segment(now, place, &segment(ACK | FIN, -1, None), 0, Some(true)), AckFin);
                    oracle.remove(chosen);
                    oracle.push((id, place, now + TWO_MSL));
                }
                _ => {
                    let (place, evicted) = table.insert(now, &remains(id, false));
                    if oracle.len() == 20 {
                        assert_eq!(evicted.map(|(_, gone)| gone.id), Some(oracle.remove(0).0));
                    }
                    oracle.push((id, place.unwrap(), now + TWO_MSL));
                }
            }
            assert_eq!(table.len(), oracle.len());
            assert_eq!(table.poll_timeout(), oracle.first().map(|entry| entry.2));
        }
    }
}

#[test]
fn the_time_of_an_acknowledgement_counts_for_what_may_reopen() {
    // RFC 7323 5.3, R3; RFC 6191 2: a SYN that is older than it is an old one.
    let (mut table, place) = one(true);
    let now = Instant::from_secs(2);
    let syn = segment(SYN, -100, Some(TS_RECENT + 5));
    assert_eq!(table.on_segment(now, place, &syn, 0, Some(true)), AcceptSyn(SeqNumber(SND_NXT)));
    let ack = segment(ACK, 0, Some(TS_RECENT + 10));
    assert_eq!(table.on_segment(now, place, &ack, 0, Some(true)), Drop(DropReason::TimeWait));
    assert_eq!(table.on_segment(now, place, &syn, 0, Some(true)), Answer(DropReason::TimeWait));
}

#[test]
fn it_says_what_it_holds() {
    let mut table = TimeWaitTable::new(10, TWO_MSL);
    assert!(table.is_empty());
    let (place, _) = table.insert(Instant::ZERO, &remains(7, true));
    assert!(!table.is_empty() && table.memory() > size_of::<TimeWaitEntry>());
    let entry = place.and_then(|place| table.get(place)).expect("the entry");
    assert_eq!((entry.snd_nxt(), entry.rcv_nxt()), (SeqNumber(SND_NXT), SeqNumber(RCV_NXT)));
    assert_eq!(place.and_then(|place| table.id(place)), Some(7));
    assert!(entry.is(&remains(7, true).tuple) && !entry.is(&remains(8, true).tuple));
    for (timestamps, has) in [(None, false), (Some((0, 7)), true), (Some((7, 0)), true)] {
        let (place, _) = table.insert(Instant::ZERO, &Remains { timestamps, ..remains(2, true) });
        let entry = place.and_then(|place| table.get(place));
        assert_eq!(entry.map(TimeWaitEntry::has_timestamps), Some(has), "{timestamps:?}");
    }
}
