//! AccECN over networks that mark, lose, clear and remove (RFC 9768): what sender and receiver have counted agrees, and
//! whatever the network does to the feedback, the bytes arrive.

use bowline_tcp::ecn::sender::OptionSeen;
use bowline_tcp::{AccurateEcn, EcnMode, Info, Options};

use crate::bench::net::Weather;
use crate::bulk::{Bulk, LINK};

const LEN: usize = 400_000;

fn accurate() -> [Options; 2] {
    let options =
        Options { ecn: EcnMode::Accurate, ecn_when_asked: EcnMode::Accurate, sack: true, ..Options::default() };
    [options.clone(), options]
}

/// A transfer in this weather: what its sender and its receiver know of marks at the end.
fn transfer(seed: u64, weather: Weather, options: [Options; 2]) -> ((Info, AccurateEcn), AccurateEcn) {
    let mut bulk = Bulk::new(seed, weather, options, LEN);
    bulk.finish();
    let receiver = bulk.receiver().accurate_ecn.expect("agreed on");
    let sender = bulk.info();
    let counts = sender.accurate_ecn.expect("agreed on");
    ((sender, counts), receiver)
}

#[test]
fn both_sides_count_the_same_where_everything_is_marked() {
    for seed in 0..8 {
        let ((info, sender), receiver) = transfer(seed, Weather { mark: 1000, ..LINK }, accurate());
        assert_eq!(info.delivered_ce, receiver.received_ce, "seed {seed}");
        assert_eq!((sender.delivered.ce, sender.delivered.ect0), (LEN as u64, 0), "seed {seed}");
        assert!(sender.capable && sender.failures == 0, "seed {seed}: {sender:?}");
        assert_eq!(info.bytes_retrans, 0, "seed {seed}");
        assert!(info.cwnd < 5 * u64::from(info.mss), "seed {seed}: a window of {}", info.cwnd);
    }
}

#[test]
fn both_sides_count_the_same_where_acknowledgements_are_lost() {
    for seed in 0..20 {
        let ((info, sender), receiver) = transfer(seed, Weather { mark: 300, loss: 60, ..LINK }, accurate());
        // The last acknowledgements may be among the lost ones.
        let missing = receiver.received_ce.abs_diff(info.delivered_ce);
        assert!(missing <= 8, "seed {seed}: {} of {}", info.delivered_ce, receiver.received_ce);
        // Where the SYN-ACK with the option was lost, neither side has shown the other one its own.
        let bytes = sender.option_seen == OptionSeen::Never || sender.delivered.ce > 0;
        assert!(receiver.received_ce > 50 && bytes, "seed {seed}: {sender:?}");
        assert!(sender.capable && receiver.capable, "seed {seed}: {sender:?} {receiver:?}");
    }
}

#[test]
fn without_options_the_flags_do_alone() {
    for seed in 0..20 {
        let weather = Weather { mark: 300, loss: 60, strips: true, ..LINK };
        let ((info, sender), receiver) = transfer(seed, weather, accurate());
        assert_eq!((sender.option_seen, receiver.option_seen), (OptionSeen::Never, OptionSeen::Never));
        let difference = receiver.received_ce.abs_diff(info.delivered_ce);
        assert!(difference <= 8, "seed {seed}: {} of {}", info.delivered_ce, receiver.received_ce);
        assert!(sender.capable, "seed {seed}: {sender:?}");
    }
}

#[test]
fn a_path_that_clears_the_flags_gets_nothing_to_mark() {
    for seed in 0..8 {
        let weather = Weather { mark: 1000, bleaches: true, ..LINK };
        let ((info, sender), receiver) = transfer(seed, weather, accurate());
        assert!(!sender.capable && !receiver.capable, "seed {seed}: {sender:?} {receiver:?}");
        // What went out before the first answer may have been marked; nobody acts on what is told of it.
        assert!(receiver.received_ce < 30, "seed {seed}: {receiver:?}");
        assert!(info.cwnd >= 10 * u64::from(info.mss), "seed {seed}: a window of {}", info.cwnd);
    }
}

#[test]
fn super_segments_keep_the_counter_whole() {
    // What cuts a super-segment clears CWR in all but the first part, as devices do: it must not be a part of the counter.
    for seed in 0..8 {
        let mut options = accurate();
        options[1].quick_acks = 0;
        let mut bulk = Bulk::new(seed, Weather { mark: 500, ..LINK }, options, LEN);
        bulk.finish();
        // Acknowledgements are marked as well, and data tells of that, but for the last ones.
        let receiver = bulk.receiver();
        let arrived = bulk.info().accurate_ecn.expect("agreed on").received_ce;
        let difference = arrived.abs_diff(receiver.delivered_ce);
        assert!(arrived > 20 && difference <= 8, "seed {seed}: {} of {arrived}", receiver.delivered_ce);
    }
}
