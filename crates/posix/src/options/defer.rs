//! `TCP_DEFER_ACCEPT`: seconds in the call, time-outs of a SYN-ACK in the stack, as on Linux.
//!
//! Decides which time-out comes after how many seconds: 1, 3, 7, 15, …, each twice as long as the one before (RFC 6298 5.5) and no longer
//! than two minutes (Linux `TCP_RTO_MAX`).

/// The longest time-out, in seconds.
const LONGEST: u32 = 120;

/// When each time-out is over, in seconds since the SYN-ACK.
fn ends() -> impl Iterator<Item = u32> {
    let timeouts = core::iter::successors(Some(1_u32), |timeout| Some((timeout * 2).min(LONGEST)));
    timeouts.scan(0, |end, timeout| {
        *end += timeout;
        Some(*end)
    })
}

/// How many time-outs so many seconds are, rounded up, at most 255; none of them where there is nothing to wait for.
pub(super) fn timeouts(seconds: i32) -> u8 {
    let Ok(seconds @ 1..) = u32::try_from(seconds) else { return 0 };
    let before = ends().take(254).take_while(|end| *end < seconds).count();
    before as u8 + 1
}

/// How many seconds so many time-outs are.
pub(super) fn seconds(timeouts: u8) -> u32 {
    usize::from(timeouts).checked_sub(1).and_then(|last| ends().nth(last)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{seconds, timeouts};

    #[test]
    fn seconds_are_whole_timeouts() {
        let rows = [(0, 0, 0), (-5, 0, 0), (1, 1, 1), (2, 2, 3), (3, 2, 3), (5, 3, 7), (7, 3, 7), (100, 7, 127)];
        for (asked, stored, told) in rows.into_iter().chain([(128, 8, 247), (247, 8, 247), (248, 9, 367)]) {
            assert_eq!((timeouts(asked), seconds(timeouts(asked))), (stored, told), "{asked}");
        }
        assert_eq!(timeouts(i32::MAX), 255);
    }
}
