//! A congestion controller from outside that decides nothing: its window is what the test says, and it remembers what it is told.
//!
//! A test runs on one thread, and a controller is made by a plain function: what both share is the thread's.

use std::cell::RefCell;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::Algorithm;
use bowline_tcp::congestion::{AckSample, Congestion, Controller, Custom, LossSample, Start};

/// What the controller says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) cwnd: u64,
    pub(crate) ssthresh: Option<u64>,
    pub(crate) models_path: bool,
    pub(crate) holds_back: bool,
    /// By how many bytes each ACK widens the window.
    pub(crate) grows: u64,
}

impl Manner {
    /// A window of so many bytes, in slow start.
    pub(crate) fn new(cwnd: u64) -> Self {
        Self { cwnd, ssthresh: None, models_path: false, holds_back: false, grows: 0 }
    }

    /// The same of a controller that models the path.
    pub(crate) fn modelled(cwnd: u64) -> Self {
        Self { models_path: true, ..Self::new(cwnd) }
    }
}

/// What the controller was told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Told {
    Ack(AckSample),
    Congestion { in_flight: u64, kind: Congestion },
    Timeout { in_flight: u64, first: bool },
    Recovered,
    Undo,
    IdleRestart,
    Loss(LossSample),
    Unvalidated { cwnd: u64, ssthresh: u64 },
}

thread_local! {
    static SHARED: RefCell<(Manner, Vec<Told>)> = RefCell::new((Manner::new(0), Vec::new()));
}

/// The algorithm of a controller with this manner, which has been told nothing.
pub(crate) fn recorder(manner: Manner) -> Algorithm {
    SHARED.set((manner, Vec::new()));
    Algorithm::Custom(Custom::new("recorder", |_: Start| Box::new(Recorder)))
}

/// From now on it says something else.
pub(crate) fn change(how: impl FnOnce(&mut Manner)) {
    SHARED.with_borrow_mut(|(manner, _)| how(manner));
}

/// What it was told since this was asked last.
pub(crate) fn told() -> Vec<Told> {
    SHARED.with_borrow_mut(|(_, told)| std::mem::take(told))
}

/// What it was told of ACKs since this or [`told`] was asked last.
pub(crate) fn acks() -> Vec<AckSample> {
    told().into_iter().filter_map(|told| if let Told::Ack(sample) = told { Some(sample) } else { None }).collect()
}

#[derive(Clone, Debug)]
struct Recorder;

fn manner() -> Manner {
    SHARED.with_borrow(|(manner, _)| *manner)
}

fn note(what: Told) {
    SHARED.with_borrow_mut(|(_, told)| told.push(what));
}

impl Controller for Recorder {
    fn on_ack(&mut self, _now: Instant, sample: &AckSample) {
        note(Told::Ack(*sample));
        change(|manner| manner.cwnd += manner.grows);
    }
    fn on_congestion_event(&mut self, _now: Instant, in_flight: u64, kind: Congestion) {
        note(Told::Congestion { in_flight, kind });
    }
    fn on_timeout(&mut self, _now: Instant, in_flight: u64, first: bool) {
        note(Told::Timeout { in_flight, first });
    }
    fn on_recovered(&mut self, _now: Instant) {
        note(Told::Recovered);
    }
    fn undo(&mut self) {
        note(Told::Undo);
    }
    fn on_idle_restart(&mut self, _now: Instant, _idle: Duration, _rto: Duration) {
        note(Told::IdleRestart);
    }
    fn on_unvalidated(&mut self, cwnd: u64, ssthresh: u64) {
        note(Told::Unvalidated { cwnd, ssthresh });
    }
    fn on_loss(&mut self, _now: Instant, loss: &LossSample) {
        note(Told::Loss(*loss));
    }
    fn models_path(&self) -> bool {
        manner().models_path
    }
    fn holds_back(&self) -> bool {
        manner().holds_back
    }
    fn set_mss(&mut self, _mss: u32) {}
    fn cwnd(&self) -> u64 {
        manner().cwnd
    }
    fn ssthresh(&self) -> Option<u64> {
        manner().ssthresh
    }
    fn name(&self) -> &'static str {
        "recorder"
    }
}
