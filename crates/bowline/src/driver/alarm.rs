//! When to come back: tokio's timer for what is far, a timer of the kernel's with nanoseconds for what is near; or the
//! alarm of whoever keeps the time.
//!
//! tokio's wheel turns in milliseconds and rounds up. That is nothing to a retransmission timer, but it would make a link
//! of 10 ms one of 11, and add a millisecond to each round trip of a paced sender.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_base::Instant;

use crate::clock::{self, Clock};

/// Deadlines nearer than this are kept to the microsecond, where the system has such timers.
const NEAR: Duration = Duration::from_millis(20);

/// The next deadline.
#[derive(Debug)]
pub(crate) enum Alarm {
    Runtime(RuntimeAlarm),
    Kept(Box<dyn clock::Alarm>),
}

impl Alarm {
    /// An alarm without a deadline. `precise`: whether near deadlines get a timer of the kernel's.
    pub(crate) fn new(clock: &Clock, precise: bool) -> Self {
        match clock {
            Clock::Runtime { origin, .. } => Self::Runtime(RuntimeAlarm::new(*origin, precise)),
            Clock::Kept(keeper) => Self::Kept(keeper.alarm()),
        }
    }

    /// Ready when `deadline` may have passed; early now and then. Otherwise the task is woken then.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        deadline: Option<Instant>,
    ) -> io::Result<Poll<()>> {
        let Some(deadline) = deadline else { return Ok(Poll::Pending) };
        if deadline <= now {
            return Ok(Poll::Ready(()));
        }
        match self {
            Self::Runtime(alarm) => alarm.poll(cx, now, deadline),
            Self::Kept(alarm) => Ok(alarm.poll(cx, deadline)),
        }
    }
}

/// The next deadline on tokio's clock.
#[derive(Debug)]
pub(crate) struct RuntimeAlarm {
    origin: tokio::time::Instant,
    far: Option<Pin<Box<tokio::time::Sleep>>>,
    far_at: Instant,
    near: Near,
    precise: bool,
}

impl RuntimeAlarm {
    fn new(origin: tokio::time::Instant, precise: bool) -> Self {
        Self { origin, far: None, far_at: Instant::ZERO, near: Near::default(), precise }
    }

    /// A timer that is set for an earlier time is left alone: deadlines move later with almost every packet.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> io::Result<Poll<()>> {
        if self.precise && deadline.since(now) < NEAR {
            return self.near.poll(cx, now, deadline);
        }
        let far = match &mut self.far {
            Some(far) => far,
            none => {
                self.far_at = deadline;
                none.insert(Box::pin(tokio::time::sleep_until(clock::runtime_time(self.origin, deadline))))
            }
        };
        if far.is_elapsed() || self.far_at > deadline || self.far_at <= now {
            self.far_at = deadline;
            far.as_mut().reset(clock::runtime_time(self.origin, deadline));
        }
        Ok(far.as_mut().poll(cx))
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::Near;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::task::{Context, Poll};

    use bowline_base::Instant;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer descriptor, made when it is first needed.
    #[derive(Debug, Default)]
    pub(crate) struct Near {
        fd: Option<AsyncFd<OwnedFd>>,
        armed: Option<Instant>,
    }

    impl Near {
        pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> io::Result<Poll<()>> {
            let fd = match &self.fd {
                Some(fd) => fd,
                None => {
                    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                    let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                    self.fd.insert(crate::driver::watch(fd, Interest::READABLE)?)
                }
            };
            if self.armed.is_none_or(|armed| armed > deadline || armed <= now) {
                set(fd.get_ref(), deadline.since(now))?;
                self.armed = Some(deadline);
            }
            match fd.poll_read_ready(cx) {
                Poll::Pending => Ok(Poll::Pending),
                Poll::Ready(guard) => {
                    // Each expiry is a new edge, so the count in the descriptor needs no reading.
                    guard?.clear_ready();
                    self.armed = None;
                    Ok(Poll::Ready(()))
                }
            }
        }
    }

    fn set(fd: &OwnedFd, after: std::time::Duration) -> io::Result<()> {
        let it_value = Timespec { tv_sec: after.as_secs() as i64, tv_nsec: after.subsec_nanos().max(1).into() };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
        Ok(())
    }
}

/// Elsewhere, tokio's timer and a task that looks again are all there is.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
pub(crate) struct Near {
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

#[cfg(not(target_os = "linux"))]
impl Near {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> io::Result<Poll<()>> {
        let until = tokio::time::Instant::now() + deadline.since(now);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        sleep.as_mut().reset(until);
        Ok(sleep.as_mut().poll(cx))
    }
}
