extern crate std;

use core::time::Duration;
use std::vec;

use bowline_base::{Instant, Position};
use bytes::Bytes;
use proptest::prelude::*;

use super::ReceiveWindow;
use crate::negotiate::initial_window;
use crate::recv::ReceiveQueue;
use crate::{Options, Profile};

const MSS: u16 = 1_000;

fn options(buffer: u32, most: u32) -> Options {
    Options { receive_buffer: buffer, receive_buffer_max: most, ..Options::default() }
}

/// A window after the handshake, and the queue behind it.
fn pair(buffer: u32, most: u32, shift: u8) -> (ReceiveWindow, ReceiveQueue) {
    let options = options(buffer, most);
    let start = Position::initial(1_000);
    let window = ReceiveWindow::new(&options, shift, start, initial_window(&options, MSS), MSS);
    (window, ReceiveQueue::new(start))
}

fn receive(window: &ReceiveWindow, queue: &mut ReceiveQueue, n: usize) {
    let done = queue.insert(queue.rcv_nxt(), &Bytes::from(vec![0; n]), n, window.memory_limit());
    assert_eq!(done.new, n as u64);
}

fn read(queue: &mut ReceiveQueue, n: usize) {
    assert_eq!(queue.read(&mut vec![0; n]), n);
}

#[test]
fn everything_free_is_offered_where_the_policy_says_so() {
    let freebsd = Options::profile(Profile::FreeBsd);
    let start = Position::initial(7);
    let mut window = ReceiveWindow::new(&freebsd, 6, start, 65_535, 1_460);
    let mut queue = ReceiveQueue::new(start);
    assert_eq!(window.buffer(), 65_700, "45 segments");
    assert_eq!(window.advertise(&queue), 1_027, "65,700 rounded up");
    receive(&window, &mut queue, 100);
    assert_eq!(window.advertise(&queue), 1_026, "65,628: no byte is taken back but what has come");
    read(&mut queue, 100);
    assert!(!window.would_update(&queue), "but no segment goes out for so little");
    assert_eq!(window.advertise(&queue), 1_027, "though any that goes out says it");
    let mut steps = ReceiveWindow::new(&Options::profile(Profile::Linux), 7, start, 64_240, 1_460);
    assert_eq!(steps.advertise(&ReceiveQueue::new(start)), 502, "64,240 rounded up");
}

#[test]
fn a_buffer_too_large_to_be_rounded_up_stays_as_it_is() {
    let all = Options { receive_buffer: u32::MAX, ..Options::profile(Profile::FreeBsd) };
    let window = ReceiveWindow::new(&all, 14, Position::initial(7), 65_535, 1_460);
    assert_eq!(window.buffer(), u32::MAX as usize);
}

#[test]
fn the_window_is_the_free_part_of_the_buffer() {
    let (mut window, mut queue) = pair(50_000, 50_000, 0);
    assert_eq!(window.advertise(&queue), 50_000);
    receive(&window, &mut queue, 20_000);
    assert_eq!(window.advertise(&queue), 30_000);
    assert_eq!(window.rcv_wnd(queue.rcv_nxt()), 30_000);
    receive(&window, &mut queue, 30_000);
    assert_eq!(window.advertise(&queue), 0);
    read(&mut queue, 50_000);
    assert_eq!(window.advertise(&queue), 50_000);
    assert_eq!(window.acknowledged(), queue.rcv_nxt());
}

#[test]
fn the_window_is_scaled_and_the_syn_window_is_not_taken_back() {
    let (mut window, queue) = pair(128 << 10, 6 << 20, 7);
    assert_eq!(window.rcv_wnd(queue.rcv_nxt()), 65_535, "as the SYN offered");
    assert_eq!(window.advertise(&queue), 1_024);
    assert_eq!(window.rcv_wnd(queue.rcv_nxt()), 128 << 10);
}

#[test]
fn small_openings_are_not_offered() {
    // RFC 9293 3.8.6.2.2: the edge moves by a segment or half the buffer, whichever is less.
    // buffer, freed by the reader, window then offered
    let table = [
        (10_000, 999, 0),
        (10_000, 1_000, 1_000),
        (10_000, 4_000, 4_000),
        (1_000, 499, 0),
        (1_000, 500, 500),
        (1_000, 1_000, 1_000),
        (1, 1, 1),
    ];
    for (buffer, freed, offered) in table {
        let (mut window, mut queue) = pair(buffer, buffer, 0);
        window.advertise(&queue);
        receive(&window, &mut queue, buffer as usize);
        assert_eq!(window.advertise(&queue), 0);
        read(&mut queue, freed);
        assert_eq!(window.advertise(&queue), offered, "{freed} of {buffer} freed");
    }
}

#[test]
fn an_update_is_due_when_it_helps_the_peer() {
    // received, read, whether an update is due (buffer 64,000, segments of 1,000)
    let table = [
        (10_000, 10_000, false), // the peer has 54,000 left: the next acknowledgement will do
        (40_000, 1_000, false),
        (40_000, 1_999, false),
        (40_000, 2_000, true),
        (31_000, 31_000, false),
        (32_000, 32_000, true),
        (64_000, 1_999, false),
        (64_000, 2_000, true),
        (64_000, 64_000, true),
    ];
    for (received, taken, due) in table {
        let (mut window, mut queue) = pair(64_000, 64_000, 0);
        window.advertise(&queue);
        receive(&window, &mut queue, received);
        window.advertise(&queue);
        read(&mut queue, taken);
        assert_eq!(window.would_update(&queue), due, "{taken} of {received}");
        if due {
            window.advertise(&queue);
            assert!(!window.would_update(&queue), "it is due once");
        }
    }
}

#[test]
fn a_small_buffer_is_opened_by_halves() {
    let (mut window, mut queue) = pair(1_500, 1_500, 0);
    window.advertise(&queue);
    receive(&window, &mut queue, 1_500);
    window.advertise(&queue);
    read(&mut queue, 749);
    assert!(!window.would_update(&queue));
    read(&mut queue, 1);
    assert!(window.would_update(&queue), "half of it is free, although that is less than a segment");
}

#[test]
fn a_smaller_buffer_does_not_take_back_what_was_offered() {
    let (mut window, mut queue) = pair(50_000, 50_000, 0);
    window.advertise(&queue);
    let edge = window.right_edge();
    window.set_buffer(10_000);
    assert_eq!(window.advertise(&queue), 50_000);
    assert_eq!(window.right_edge(), edge);
    receive(&window, &mut queue, 20_000);
    read(&mut queue, 20_000);
    assert_eq!(window.advertise(&queue), 30_000);
    receive(&window, &mut queue, 30_000);
    assert_eq!(window.advertise(&queue), 0);
    read(&mut queue, 30_000);
    assert_eq!(window.advertise(&queue), 10_000);
}

#[test]
fn single_bytes_do_not_hold_a_scaled_window_open_for_ever() {
    // Rounding up gives the peer up to 127 bytes each time; once that is a quarter of the buffer, it ends.
    let (mut window, mut queue) = pair(20_000, 20_000, 7);
    window.advertise(&queue);
    let mut taken = 0;
    while window.rcv_wnd(queue.rcv_nxt()) > 0 && taken < 100_000 {
        receive(&window, &mut queue, 1);
        taken += 1;
        if window.advertise(&queue) == 0 {
            break;
        }
    }
    assert!((20_000..=25_000).contains(&taken), "{taken} bytes taken for a buffer of 20,000");
}

/// A sender of `rate` bytes per round trip, never more than the window, and a reader of `reads` bytes per round.
fn rounds(window: &mut ReceiveWindow, queue: &mut ReceiveQueue, rate: usize, reads: usize, rounds: u64) {
    let rtt = Duration::from_millis(100);
    for round in 1..=rounds {
        let now = Instant::ZERO + rtt * round as u32;
        let n = (window.rcv_wnd(queue.rcv_nxt()) as usize).min(rate);
        receive(window, queue, n);
        window.on_data(now, queue.rcv_nxt(), Some(rtt));
        let n = queue.len().min(reads);
        read(queue, n);
        window.on_app_read(now, n, None, queue);
        window.advertise(queue);
    }
}

#[test]
fn the_buffer_grows_as_the_reader_does() {
    let (mut window, mut queue) = pair(128 << 10, 6 << 20, 7);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, usize::MAX, usize::MAX, 12);
    assert_eq!(window.buffer(), 6 << 20, "a fast path of 100 ms is filled within 12 round trips");
}

#[test]
fn ten_gigabits_at_100_ms_are_reached_within_twelve_round_trips() {
    let after = |count| {
        let (mut window, mut queue) = pair(128 << 10, 500_000_000, 13);
        window.advertise(&queue);
        rounds(&mut window, &mut queue, 125_000_000, usize::MAX, count);
        window.buffer()
    };
    // A second steep round in a row has four times as much as was read in it.
    assert_eq!([1, 2, 3, 4].map(after), [262_144, 524_288, 2_097_152, 8_388_608]);
    assert!(after(12) >= 125_000_000, "{}", after(12));
}

#[test]
fn a_rise_counts_before_its_round_is_over() {
    let (mut window, mut queue) = pair(100_000, 1_000_000, 5);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, 60_000, usize::MAX, 3);
    assert_eq!(window.buffer(), 120_000);
    // A tenth of a round trip later: what is read by then is read in this round, whatever else is.
    receive(&window, &mut queue, 80_000);
    read(&mut queue, 80_000);
    window.on_app_read(Instant::ZERO + Duration::from_millis(310), 80_000, None, &queue);
    assert_eq!(window.buffer(), 160_000, "one steep round is no slow start");
}

#[test]
fn the_buffer_grows_to_twice_what_is_read_and_no_further() {
    let (mut window, mut queue) = pair(128 << 10, 6 << 20, 7);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, 300_000, usize::MAX, 40);
    assert_eq!(window.buffer(), 600_000);
}

#[test]
fn what_comes_at_once_counts_although_it_is_read_in_several_calls() {
    let (mut window, mut queue) = pair(100_000, 1_000_000, 5);
    let mut now = Instant::ZERO;
    // Each window arrives within an instant, one round trip after the last, and is read in pieces.
    for _ in 0..8 {
        now += Duration::from_millis(20);
        let burst = window.rcv_wnd(queue.rcv_nxt()) as usize;
        receive(&window, &mut queue, burst);
        while !queue.is_empty() {
            let n = queue.len().min(30_000);
            read(&mut queue, n);
            window.on_app_read(now, n, Some(Duration::from_millis(20)), &queue);
        }
        window.advertise(&queue);
    }
    assert_eq!(window.buffer(), 1_000_000);
}

#[test]
fn a_slow_reader_keeps_a_small_buffer() {
    let (mut window, mut queue) = pair(128 << 10, 6 << 20, 7);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, usize::MAX, 20_000, 200);
    assert_eq!(window.buffer(), 128 << 10);
}

#[test]
fn a_fixed_buffer_is_not_tuned() {
    let (mut window, mut queue) = pair(128 << 10, 128 << 10, 7);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, usize::MAX, usize::MAX, 40);
    assert_eq!(window.buffer(), 128 << 10);
}

#[test]
fn data_behind_a_hole_makes_the_buffer_grow() {
    let (mut window, mut queue) = pair(128 << 10, 6 << 20, 7);
    window.advertise(&queue);
    rounds(&mut window, &mut queue, 100_000, usize::MAX, 10);
    assert_eq!(window.buffer(), 200_000);
    let far = queue.rcv_nxt() + 50_000;
    queue.insert(far, &Bytes::from(vec![0; 100_000]), 100_000, window.memory_limit());
    window.on_out_of_order(&queue);
    assert_eq!(window.buffer(), 350_000);
}

#[test]
fn a_small_buffer_does_not_double_with_every_segment_behind_a_hole() {
    // Its first size is all that is known of the reader, however often something arrives.
    let (mut window, mut queue) = pair(4_000, 6 << 20, 7);
    window.advertise(&queue);
    let far = queue.rcv_nxt() + 1_000;
    for n in 0..10 {
        queue.insert(far + n * 100, &Bytes::from(vec![0; 100]), 100, window.memory_limit());
        window.on_out_of_order(&queue);
        assert_eq!(window.buffer() as u64, 8_000 + 1_000 + (n + 1) * 100);
    }
}

#[test]
fn the_round_trip_is_measured_by_windows_or_by_echoes() {
    let (mut window, mut queue) = pair(10_000, 10_000, 0);
    window.advertise(&queue);
    assert_eq!(window.rtt(), None);
    // A window of 10,000 bytes takes 30 ms, the next one 20 ms, a third one 50 ms: the shortest counts.
    let mut now = Instant::ZERO;
    for millis in [0, 30, 20, 50] {
        now += Duration::from_millis(millis);
        receive(&window, &mut queue, 10_000);
        read(&mut queue, 10_000);
        window.advertise(&queue);
        window.on_data(now, queue.rcv_nxt(), None);
    }
    assert_eq!(window.rtt(), Some(Duration::from_millis(20)));
    window.on_data(now, queue.rcv_nxt(), Some(Duration::from_millis(1)));
    assert_eq!(window.rtt(), Some(Duration::from_millis(20)), "a tick of the timestamp clock says nothing");
    window.on_data(now, queue.rcv_nxt(), Some(Duration::from_millis(80)));
    assert_eq!(window.rtt(), Some(Duration::from_millis(80)));
    window.on_data(now, queue.rcv_nxt(), Some(Duration::from_millis(160)));
    assert_eq!(window.rtt(), Some(Duration::from_millis(90)));
}

proptest! {
    /// Whatever is received and read: what the peer sees never shrinks, stays within the buffer, and is always taken.
    #[test]
    fn the_right_edge_never_moves_left(
        ops in proptest::collection::vec((any::<bool>(), 0.0..1.0_f64), 1..200),
        buffer in 1..300_000_u32,
        shift in 0..10_u8,
        growth in 1..5_u32,
    ) {
        let (mut window, mut queue) = pair(buffer, buffer * growth, shift);
        let mut seen = Position::default();
        let mut now = Instant::ZERO;
        for (receives, part) in ops {
            now += Duration::from_millis(3);
            if receives {
                let n = (window.rcv_wnd(queue.rcv_nxt()) as f64 * part) as usize;
                let before = queue.memory();
                receive(&window, &mut queue, n);
                // The limit falls as the reader reads, the memory only when a whole piece has been read: what was taken
                // under an earlier limit may exceed this one, but nothing is added to it.
                prop_assert!(queue.memory() <= window.memory_limit().max(before), "{} bytes", queue.memory());
                window.on_data(now, queue.rcv_nxt(), None);
            } else {
                let n = (queue.len() as f64 * part) as usize;
                read(&mut queue, n);
                window.on_app_read(now, n, Some(Duration::from_millis(10)), &queue);
            }
            let edge = queue.rcv_nxt() + (u64::from(window.advertise(&queue)) << shift);
            // Only rounding may take something back, and only when it has given away a quarter of the buffer.
            let full = queue.len() as u64 + window.rcv_wnd(queue.rcv_nxt()) + (1 << shift) > window.buffer() as u64 * 5 / 4;
            let shrunk = seen.since(edge);
            prop_assert!(shrunk == 0 || full && shrunk < 1 << shift, "the window shrank by {shrunk}");
            prop_assert!(edge <= window.right_edge());
            prop_assert!(queue.len() <= window.buffer() * 5 / 4 + (1 << shift));
            seen = edge;
        }
    }
}
