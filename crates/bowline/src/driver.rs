//! The driver: the one task that moves packets between the devices and the stack, and wakes those who wait.
//!
//! It decides the order (receive a batch, run the timers, tell the waiting, send), how much at once, and when to rest. It
//! must not know what the packets are. One turn stamps the time once. When nothing is left to do it rests until a device,
//! a socket or the next deadline wakes it; it never spins.
//!
//! Whoever has news is told before anything is sent, and gets its turn first, once: what it answers then travels with the
//! acknowledgement that is owed, and what it passes on does not wait for that to be sent.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bowline_base::Instant;
use bowline_device::RxPacket;

use crate::shared::{Core, Phase, Shared};

mod alarm;
mod port;

pub(crate) use alarm::Alarm;
pub(crate) use port::Port;

/// Packets received in one turn; whichever bound is met first ends the batch.
const BATCH_PACKETS: usize = 64;
/// Bytes received in one turn.
const BATCH_BYTES: usize = 1 << 20;
/// Packets sent in one turn, before looking at what has arrived.
const SEND_PACKETS: usize = 256;
/// Turns in one poll, before other tasks of the runtime get theirs.
const TURNS: usize = 4;

/// The task that drives a network. It ends when the network is shut down or dropped, or when a device fails.
///
/// [`NetBuilder::start`](crate::NetBuilder::start) spawns it; a program with rules of its own about tasks polls the one
/// that [`NetBuilder::build`](crate::NetBuilder::build) returns. It is `Send`.
#[must_use = "a network moves nothing unless its driver is polled"]
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    ports: Vec<Port>,
    alarm: Alarm,
    wakers: Vec<Waker>,
    /// Whether sending was put off until those who have news have looked at it.
    put_off: bool,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, ports: Vec<Port>, precise: bool) -> Self {
        let alarm = Alarm::new(&shared.clock, precise);
        Self { shared, ports, alarm, wakers: Vec::new(), put_off: false }
    }

    /// Does what there is to do; ready once there will never be anything again.
    fn run(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        self.shared.driver_begins(cx.waker());
        for _ in 0..TURNS {
            let now = self.shared.clock.now();
            // What was put off comes first, and then a look at the devices.
            let mut busy = self.put_off;
            if !self.put_off {
                for port in &mut self.ports {
                    busy |= port.receive(cx, now)?;
                }
            }
            let turn = self.turn(now)?;
            busy |= turn.busy;
            let woke = !self.wakers.is_empty();
            self.wakers.drain(..).for_each(Waker::wake);
            if self.put_off {
                break;
            }
            if turn.stopped {
                return Ok(Poll::Ready(()));
            }
            if !busy {
                let waiting = self.alarm.poll(cx, self.shared.clock.now(), turn.deadline)?.is_pending();
                if waiting && self.shared.driver_rests() {
                    return Ok(Poll::Pending);
                }
            } else if woke {
                // Those who were woken may have something to send along with what comes next.
                break;
            }
        }
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// One turn with the stack: packets in, timers, packets out, news.
    fn turn(&mut self, now: Instant) -> io::Result<Turn> {
        let Self { shared, ports, wakers, put_off, .. } = self;
        shared.drive(|core| {
            for port in ports.iter_mut() {
                core.stack.handle_packets(now, port.interface, &mut port.received);
                port.received.clear();
            }
            core.stack.handle_timeout(now);
            core.collect_events(wakers);
            *put_off = !*put_off && !wakers.is_empty();
            if *put_off {
                return Ok(Turn { busy: true, stopped: false, deadline: None });
            }
            let more = core.phase == Phase::Stopping && core.tcp().abort_all(now);
            let mut busy = transmit(core, ports, now)?;
            // A device that is full wakes the driver when it is not.
            busy |= more && !ports.iter().any(Port::is_stalled);
            // Sending makes room, and room is news.
            core.collect_events(wakers);
            if !core.tracers.is_empty() {
                let mut tracers = mem::take(&mut core.tracers);
                tracers.distribute(core.tcp().trace(), wakers);
                core.tracers = tracers;
            }
            let stopped = !busy && !more && advance(core, now, ports, wakers);
            let deadlines = ports.iter().map(|port| port.device.poll_timeout()).chain([core.stack.poll_timeout()]);
            Ok(Turn { busy, stopped, deadline: deadlines.flatten().min() })
        })
    }

    /// Everything ends: sockets fail, waiters look, the devices go.
    fn stop(&mut self) {
        let now = self.shared.clock.now();
        let wakers = &mut self.wakers;
        self.shared.drive(|core| {
            if core.phase != Phase::Stopped {
                core.abort_all(now);
                core.phase = Phase::Stopped;
            }
            core.take_all(wakers);
            core.stopped.take(wakers);
        });
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// What came of a turn.
struct Turn {
    /// Whether there may be more to do at once.
    busy: bool,
    /// Whether there will never be anything to do again.
    stopped: bool,
    deadline: Option<Instant>,
}

/// Sends until there is nothing to send, a device is full, or it is enough for one turn. Returns whether it was enough.
fn transmit(core: &mut Core, ports: &mut [Port], now: Instant) -> io::Result<bool> {
    for port in ports.iter_mut() {
        port.retry(now)?;
    }
    let mut failed = Ok(());
    for _ in 0..SEND_PACKETS {
        if ports.iter().any(Port::is_stalled) {
            // Packets stay in the stack, where they may still be replaced by better ones.
            return Ok(false);
        }
        let sent = core.stack.poll_transmit(now, &mut |interface, packet| {
            if let Some(port) = ports.get_mut(interface.index())
                && let Err(error) = port.offer(now, &packet)
            {
                failed = Err(error);
            }
        });
        mem::replace(&mut failed, Ok(()))?;
        if !sent {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Moves a network that is being shut down one phase on, once nothing is left of the one before.
fn advance(core: &mut Core, now: Instant, ports: &[Port], wakers: &mut Vec<Waker>) -> bool {
    if core.phase == Phase::Closing && !core.tcp().has_open() {
        core.phase = Phase::Stopping;
    }
    if core.phase != Phase::Stopping || ports.iter().any(|port| port.is_stalled() || port.holds_packets(now)) {
        return core.phase == Phase::Stopped;
    }
    core.phase = Phase::Stopped;
    core.take_all(wakers);
    core.stopped.take(wakers);
    true
}

impl Future for Driver {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match this.run(cx) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(error) => {
                tracing::error!(%error, "a device has failed, and the network stops");
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Registers a descriptor of our own with the runtime.
#[cfg(unix)]
#[allow(
    deprecated,
    reason = "its successor is `unsafe`, since it cannot know that a descriptor stays open: this one is owned"
)]
fn watch(
    fd: std::os::fd::OwnedFd,
    interest: tokio::io::Interest,
) -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    tokio::io::unix::AsyncFd::with_interest(fd, interest)
}

/// Where packets wait between a device and the stack.
type Batch = Vec<RxPacket>;
