use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bowline_wire::tcp::{Cookie, FastOpen};

use super::cache::{Attempt, Lesson};
use super::keys::MadeWith;
use super::listener::FastOpenQueue;
use super::*;
use crate::FourTuple;

const KEY: [u8; 16] = [0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2, 0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4];

fn tuple(local: &str, remote: &str) -> FourTuple {
    let address = |text: &str, port| SocketAddr::new(text.parse().unwrap(), port);
    FourTuple::new(address(local, 8080), address(remote, 40_000))
}

fn peer(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(1000 * seconds)
}

fn cookie(byte: u8) -> FastOpen {
    FastOpen { cookie: Cookie::try_from(&[byte; 8][..]).unwrap(), experimental: false }
}

fn given(byte: u8) -> Lesson {
    Lesson { mss: 1400, cookie: Some(cookie(byte)), ..Lesson::default() }
}

fn state() -> FastOpenState {
    FastOpenState::new(&FastOpenConfig { cookies: 2, ..FastOpenConfig::default() }, KEY)
}

fn client() -> FastOpenOptions {
    FastOpenOptions { connect: true, ..FastOpenOptions::default() }
}

#[test]
fn cookies_are_those_of_linux() {
    let four = tuple("192.168.0.1", "192.0.2.1");
    let six = tuple("fd3d:0a0b:17d6::1", "fd3d:fa7b:d17d::1");
    let rows = [
        (KEY, four, 0x3021_b9d8_8901_7eeb_u64),
        ([0; 16], four, 0xb7c1_2350_a90d_c8f5),
        (KEY, six, 0xc1d1_e974_2a47_a9bc),
        ([0; 16], six, 0x82af_1a8f_9a20_5c34),
    ];
    for (key, tuple, expected) in rows {
        assert_eq!(FastOpenKeys::new(key).cookie(&tuple)[..], expected.to_be_bytes(), "{tuple}");
    }
}

#[test]
fn a_cookie_of_the_key_before_is_believed_until_the_next_change() {
    let tuple = tuple("192.168.0.1", "192.0.2.1");
    let first = FastOpenKeys::new(KEY);
    let old = first.cookie(&tuple);
    let second = first.rotated([1; 16]);
    assert_eq!(second.made(&tuple, &old), Some(MadeWith::Backup));
    assert_eq!(second.made(&tuple, &second.cookie(&tuple)), Some(MadeWith::Primary));
    let third = second.rotated([2; 16]);
    assert_eq!(third.made(&tuple, &old), None);
    // Nobody else's.
    let other = FourTuple { remote: "192.0.2.2:40000".parse().unwrap(), ..tuple };
    assert_eq!(first.made(&other, &old), None);
    assert_eq!(first.made(&tuple, &Cookie::new()), None);
}

#[test]
fn keys_are_not_shown() {
    assert!(!alloc::format!("{:?}", FastOpenKeys::new([0xab; 16])).contains("171"));
}

#[test]
fn the_cookie_that_was_used_least_recently_yields() {
    let mut state = state();
    for n in 1..=2 {
        state.cache.learn(at(0), peer(n), given(n));
    }
    // The first one is used, so that the second is the oldest.
    assert_eq!(state.offer(at(1), peer(1), &client(), 1460).unwrap().option, Some(cookie(1)));
    state.cache.learn(at(2), peer(3), given(3));
    let known: Vec<IpAddr> = state.cache.iter().map(|(peer, _)| peer).collect();
    assert_eq!(known, [peer(1), peer(3)]);
    state.cache.forget(Some(peer(1)));
    assert_eq!(state.cache.iter().count(), 1);
    state.cache.forget(None);
    assert_eq!(state.cache.iter().count(), 0);
    state.cache.learn(at(3), peer(4), given(4));
    assert_eq!(state.offer(at(3), peer(4), &client(), 1460).unwrap().mss, Some(1400));
}

#[test]
fn what_a_syn_says_follows_from_policy_options_and_what_is_known() {
    let mut state = state();
    let ask = |experimental| Some(Offer { option: Some(FastOpen::request(experimental)), mss: None });
    assert_eq!(state.offer(at(0), peer(1), &FastOpenOptions::default(), 1460), None);
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), ask(false));
    let free = FastOpenOptions { without_cookie: true, ..client() };
    assert_eq!(state.offer(at(0), peer(1), &free, 1460), Some(Offer { option: None, mss: Some(1460) }));
    // The option was ignored: the experiment's is tried once, then that of RFC 7413 for good.
    let ignored = |attempt| Lesson { mss: 1400, attempt, ..Lesson::default() };
    state.cache.learn(at(0), peer(1), ignored(Attempt::Plain));
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), ask(true));
    state.cache.learn(at(0), peer(1), ignored(Attempt::Both));
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), ask(false));
    state.cache.learn(at(0), peer(1), ignored(Attempt::Plain));
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), ask(false), "not again");
    state.cache.learn(at(0), peer(1), given(7));
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), Some(Offer { option: Some(cookie(7)), mss: Some(1400) }));
    state.policy = FastOpenPolicy::SERVER;
    assert_eq!(state.offer(at(0), peer(1), &client(), 1460), None);
}

#[test]
fn a_server_whose_path_loses_syns_with_data_gets_ordinary_ones_for_a_while() {
    let mut state = state();
    state.cache.learn(at(0), peer(1), given(1));
    let lost = || Lesson { mss: 1400, lost: true, ..Lesson::default() };
    state.cache.learn(at(10), peer(1), lost());
    assert!(state.offer(at(10), peer(1), &client(), 1460).is_some(), "once is no habit");
    state.cache.learn(at(20), peer(1), lost());
    assert_eq!(state.offer(at(259), peer(1), &client(), 1460), None);
    assert!(state.offer(at(260), peer(1), &client(), 1460).is_some());
    state.cache.learn(at(261), peer(1), given(1));
    state.cache.learn(at(262), peer(1), lost());
    assert!(state.offer(at(262), peer(1), &client(), 1460).is_some(), "an answer ends the row");
}

#[test]
fn a_pause_doubles_until_a_path_is_found_to_be_good() {
    let mut pause = Pause::new(Duration::from_secs(10));
    assert!(pause.begin(at(0)) && pause.is_on(at(9)) && !pause.is_on(at(10)));
    assert!(pause.begin(at(10)) && pause.is_on(at(29)) && !pause.is_on(at(30)));
    pause.forgive();
    assert!(pause.begin(at(30)) && pause.is_on(at(39)) && !pause.is_on(at(40)));
    let mut off = Pause::new(Duration::ZERO);
    assert!(!off.begin(at(0)) && !off.is_on(at(0)));
}

#[test]
fn who_was_reset_in_the_handshake_counts_for_a_minute() {
    let mut queue = FastOpenQueue::default();
    assert!(queue.has_room(at(0), 2));
    queue.enter();
    queue.enter();
    assert!(!queue.has_room(at(0), 2));
    queue.leave(None);
    assert!(queue.has_room(at(0), 2));
    queue.leave(Some(at(1)));
    queue.enter();
    assert!(!queue.has_room(at(60), 2));
    assert!(queue.has_room(at(61), 2));
    assert_eq!(queue.pending(), 1);
    assert!(!queue.has_room(at(61), 0));
}
