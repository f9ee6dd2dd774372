//! The kernel as everybody shares it, and the clock that it gives to networks and tasks.
//!
//! tokio's clock and the world's go together: tokio's is stopped, and moves in whole milliseconds when no task has anything
//! to do; the world's has nanoseconds. Before tokio would sleep, the world lets its next event happen, if that lies within
//! the millisecond that tokio's clock shows. A task of ours, the pacemaker, sleeps until the millisecond of the event
//! after that, so that tokio's timers and the world's events come in one order.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bowline::{Alarm, Timekeeper};
use bowline_base::Instant;
use parking_lot::Mutex;

use crate::kernel::{AlarmId, Kernel, News};

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Shared {
    kernel: Kernel,
    pacemaker: Pacemaker,
}

/// What the task that keeps tokio's clock in step knows.
#[derive(Debug, Default)]
struct Pacemaker {
    waker: Option<Waker>,
    /// What it sleeps for.
    until: Option<Instant>,
}

/// The world. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    shared: Arc<Mutex<Shared>>,
    /// When the world began, on tokio's clock.
    origin: tokio::time::Instant,
}

impl World {
    /// A world that begins now, on the clock of the current runtime.
    pub(crate) fn new() -> Self {
        let shared = Shared { kernel: Kernel::new(), pacemaker: Pacemaker::default() };
        Self { shared: Arc::new(Mutex::new(shared)), origin: tokio::time::Instant::now() }
    }

    /// Does something with the kernel, then wakes those whom it has news for.
    pub(crate) fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        let (result, news) = {
            let mut shared = self.shared.lock();
            let result = action(&mut shared.kernel);
            (result, std::mem::take(&mut shared.kernel.news))
        };
        news.tell();
        result
    }

    /// Now.
    pub(crate) fn now(&self) -> Instant {
        self.shared.lock().kernel.now()
    }

    /// When something happened the last time.
    pub(crate) fn last_event(&self) -> Instant {
        self.shared.lock().kernel.last_event()
    }

    /// No task has anything to do: lets the world's events happen until one of them changes that, within the millisecond
    /// that tokio's clock shows.
    pub(crate) fn idle(&self) {
        let shown = self.shown();
        let news = {
            let mut shared = self.shared.lock();
            shared.kernel.run_until_news(shown + MILLISECOND);
            let mut news = std::mem::take(&mut shared.kernel.news);
            if shared.pacemaker.until != shared.kernel.next_event().map(floor) {
                news.add(shared.pacemaker.waker.take());
            }
            news
        };
        news.tell();
    }

    /// tokio has let time pass.
    pub(crate) fn woken(&self) {
        let shown = self.shown();
        self.shared.lock().kernel.advance_to(shown);
    }

    /// What tokio's clock shows.
    fn shown(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The pacemaker's task: ready when nothing can happen any more, and nothing has for `patience`.
    pub(crate) async fn pace(self, patience: Duration) {
        let sleep = tokio::time::sleep_until(self.origin);
        let mut sleep = std::pin::pin!(sleep);
        let (mut set, begun) = (Instant::ZERO, self.now());
        std::future::poll_fn(|cx| {
            let next = self.pacemaker_sleeps(cx);
            // Events that tasks woke up for are over before this one sees them; the clock may have jumped before it began.
            let until = next.unwrap_or_else(|| self.last_event().max(begun) + patience);
            // A timer that is set to a time that has come wakes its task, which would set it again.
            if next.is_some() && self.shown() >= until {
                return Poll::Pending;
            }
            if set != until {
                set = until;
                sleep.as_mut().reset(self.origin + until.since(Instant::ZERO));
            }
            match (sleep.as_mut().poll(cx), next) {
                (Poll::Ready(()), None) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    fn pacemaker_sleeps(&self, cx: &mut Context<'_>) -> Option<Instant> {
        let mut shared = self.shared.lock();
        let until = shared.kernel.next_event().map(floor);
        shared.pacemaker = Pacemaker { waker: Some(cx.waker().clone()), until };
        until
    }

    /// An alarm for a task or a network.
    pub(crate) fn world_alarm(&self) -> WorldAlarm {
        let id = self.shared.lock().kernel.add_alarm();
        WorldAlarm { world: self.clone(), id }
    }
}

/// The millisecond in which this lies.
fn floor(at: Instant) -> Instant {
    Instant::from_millis(at.as_millis())
}

impl News {
    fn add(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }
}

impl Timekeeper for World {
    fn now(&self) -> Instant {
        World::now(self)
    }

    fn alarm(&self) -> Box<dyn Alarm> {
        Box::new(self.world_alarm())
    }
}

/// The world's clock, for programs that live in it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(World);

impl Clock {
    pub(crate) fn new(world: World) -> Self {
        Self(world)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Waits until `deadline`, to the nanosecond, where tokio's timers have milliseconds.
    pub async fn sleep_until(&self, deadline: Instant) {
        let mut alarm = self.0.world_alarm();
        std::future::poll_fn(|cx| alarm.poll(cx, deadline)).await;
    }

    /// Waits for `time`, to the nanosecond.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now() + time).await;
    }
}

/// A deadline on the world's clock.
#[derive(Debug)]
pub(crate) struct WorldAlarm {
    world: World,
    id: AlarmId,
}

impl Alarm for WorldAlarm {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.world.shared.lock().kernel.poll_alarm(self.id, cx, deadline)
    }
}

impl Drop for WorldAlarm {
    fn drop(&mut self) {
        self.world.shared.lock().kernel.remove_alarm(self.id);
    }
}
