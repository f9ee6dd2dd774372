//! Guesses are mostly right, and do no harm where they are wrong.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use bowline_base::Instant;

use super::*;
use crate::{Config, Path};

const NOW: Instant = Instant::from_secs(1);

fn tuple(n: u16) -> FourTuple {
    let at = |last, port| SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), port);
    FourTuple::new(at(1, 1000 + n), at(2, 80))
}

fn crowd(count: u16) -> Endpoint {
    let mut endpoint = Endpoint::new(Config::default(), [3; 32]);
    for FourTuple { local, remote } in (0..count).map(tuple) {
        endpoint.connect(NOW, local, remote, Path::new(1500), None).unwrap();
    }
    endpoint
}

#[test]
fn what_is_there_is_found_and_what_is_not_is_not() {
    let endpoint = crowd(1000);
    assert!(endpoint.is_crowded());
    let (mut right, mut nobody) = (0, 0);
    for first in (0..1000).step_by(10) {
        let guesses = endpoint.look_ahead((first..first + 10).map(|n| Some(tuple(n))));
        right += guesses.iter().zip(first..).filter(|(guess, n)| guess.0 == u32::from(*n)).count();
        let strangers = endpoint.look_ahead((first..first + 10).map(|n| Some(tuple(2000 + n))));
        nobody += strangers.iter().filter(|guess| guess.0 == NONE).count();
    }
    // A guess goes by seven bits of a hash.
    assert!(right > 900 && nobody > 700, "{right} of 1000 are right, {nobody} of 1000 strangers seen as such");
    assert_eq!(endpoint.look_ahead([None].into_iter()).len(), 1);
    assert_eq!(endpoint.look_ahead((0..1000).map(|n| Some(tuple(n)))).len(), AHEAD, "no more than it can take");
}

#[test]
fn few_connections_are_no_crowd() {
    assert!(!crowd(CROWD as u16).is_crowded());
}

#[test]
fn a_wrong_guess_is_found_out() {
    let mut endpoint = crowd(20);
    let guesses: Vec<Guess> = [0, 7, 19, 20, NONE].map(Guess).into();
    for guess in guesses {
        endpoint.anticipate(guess);
        assert_eq!(endpoint.find(&tuple(7)), Some(Slot::Connection(7)), "{guess:?}");
        assert_eq!(endpoint.find(&tuple(30)), None, "{guess:?}");
    }
}
