//! The controller that is out of the way.

extern crate std;

use bowline_base::Instant;

use super::Local;
use crate::congestion::tests::{MSS, acked};
use crate::congestion::{Congestion, Controller};

const NOW: Instant = Instant::ZERO;

#[test]
fn it_limits_nothing_until_something_is_lost_and_recovers_quickly() {
    let mut c = Local::new(MSS as u32);
    assert!(c.cwnd() > 1 << 39);
    c.on_congestion_event(NOW, 4_000 * MSS, Congestion::FastRecovery);
    assert_eq!(c.cwnd(), 2_000 * MSS);
    let mut rounds = 0;
    while c.cwnd() < 4_000 * MSS {
        c.on_ack(NOW, &acked(c.cwnd()));
        rounds += 1;
    }
    assert!(rounds <= 4, "{rounds} round trips");
}

#[test]
fn a_timeout_leaves_room_for_a_super_segment() {
    let mut c = Local::new(MSS as u32);
    c.on_timeout(NOW, 100 * MSS, true);
    assert_eq!((c.cwnd(), c.ssthresh()), (16 * MSS, Some(50 * MSS)));
    c.on_ack(NOW, &acked(16 * MSS));
    assert_eq!(c.cwnd(), 32 * MSS, "slow start up to the threshold");
}
