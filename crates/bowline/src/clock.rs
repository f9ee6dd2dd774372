//! The one clock: tokio's, counted from when the network was made, so that tests may stop it; or one that the caller keeps.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bowline_base::Instant;

/// Time that somebody else keeps: a simulated world, a hypervisor, a replay. See
/// [`NetBuilder::timekeeper`](crate::NetBuilder::timekeeper).
pub trait Timekeeper: fmt::Debug + Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Instant;

    /// An alarm of its own for one network.
    fn alarm(&self) -> Box<dyn Alarm>;
}

/// The next deadline of one network, on the clock of a [`Timekeeper`].
pub trait Alarm: fmt::Debug + Send {
    /// Ready when `deadline` has passed; early now and then does no harm. Otherwise the task of `cx` is woken then, unless
    /// the next call names another deadline.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()>;
}

/// Turns the runtime's time into the stack's.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    Runtime { origin: tokio::time::Instant, wall: SystemTime },
    Kept(Arc<dyn Timekeeper>),
}

impl Clock {
    /// tokio's clock, from now on.
    pub(crate) fn runtime() -> Self {
        Self::Runtime { origin: tokio::time::Instant::now(), wall: SystemTime::now() }
    }

    /// Now, as the stack counts it.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Runtime { origin, .. } => Instant::ZERO + origin.elapsed(),
            Self::Kept(keeper) => keeper.now(),
        }
    }

    /// The wall-clock time of the stack's origin, for captures. A clock that somebody else keeps begins in 1970.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::Runtime { wall, .. } => *wall,
            Self::Kept(_) => SystemTime::UNIX_EPOCH,
        }
    }
}

/// A time of the stack that began at `origin`, as tokio counts it.
pub(crate) fn runtime_time(origin: tokio::time::Instant, at: Instant) -> tokio::time::Instant {
    // A deadline that means "never" is as good a year away.
    let far = std::time::Duration::from_secs(365 * 24 * 3600);
    origin + at.since(Instant::ZERO).min(origin.elapsed() + far)
}
