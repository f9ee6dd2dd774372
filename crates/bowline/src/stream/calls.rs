//! How a stream's calls meet the stack: what they wait for, which error they give, and when a writer yields.

use std::io;
use std::task::{Context, Poll, ready};

use bowline_base::Instant;
use bowline_tcp::{CallError, ConnectionKey, Options, Readiness};
use tokio::io::ReadBuf;

use super::TcpStream;
use crate::error;
use crate::shared::Core;

/// Which direction a task waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl Core {
    /// SEND of several buffers, one after the other, as far as there is room.
    pub(super) fn send_vectored(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        bufs: &[io::IoSlice<'_>],
    ) -> Result<usize, CallError> {
        one_after_the_other(bufs.iter().map(|buf| (buf.len(), buf)), |buf| self.tcp().send(now, key, buf))
    }
}

/// A call for each of several buffers with their lengths, until one of them is not used up. An error counts if it is the first
/// thing to tell: what is left of it is told again by the next call.
pub(super) fn one_after_the_other<B, E>(
    bufs: impl Iterator<Item = (usize, B)>,
    mut call: impl FnMut(B) -> Result<usize, E>,
) -> Result<usize, E> {
    let mut total = 0;
    for (len, buf) in bufs.filter(|(len, _)| *len > 0) {
        match call(buf) {
            Ok(count) => {
                total += count;
                if count < len {
                    break;
                }
            }
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(total)
}

impl TcpStream {
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let space = buf.initialize_unfilled();
        let count = ready!(self.poll_call(cx, Direction::Read, |core, key, now| core.tcp().receive(now, key, space)))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_queue(cx, |core, key, now| core.tcp().send(now, key, buf))
    }

    pub(crate) fn poll_send_vectored(&self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.poll_queue(cx, |core, key, now| core.send_vectored(now, key, bufs))
    }

    /// A call that queues bytes. Now and then it lets the driver send them first.
    pub(super) fn poll_queue(
        &self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut Core, ConnectionKey, Instant) -> Result<usize, CallError>,
    ) -> Poll<io::Result<usize>> {
        let mut yields = false;
        let queued = self.poll_call(cx, Direction::Write, |core, key, now| {
            yields = core.should_yield();
            if yields {
                return Err(CallError::WouldBlock);
            }
            let count = call(core, key, now)?;
            core.queued += count;
            Ok(count)
        });
        if yields {
            cx.waker().wake_by_ref();
        }
        queued
    }

    /// Makes a call that may have to wait. The task is registered under the same lock, so no wake-up is lost.
    pub(super) fn poll_call<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        call: impl FnOnce(&mut Core, ConnectionKey, Instant) -> Result<R, CallError>,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let result = self.shared.act(|core, now| match self.call(core, direction, now, call)? {
            Err(CallError::WouldBlock) => {
                self.register(core, direction, cx);
                Ok(None)
            }
            Ok(done) => Ok(Some(done)),
            Err(why) => Err(error::call(why, self.tuple.is_ipv6())),
        });
        match result.transpose() {
            None => Poll::Pending,
            Some(done) => {
                coop.made_progress();
                Poll::Ready(done)
            }
        }
    }

    /// Makes a call, unless the network has stopped. What had arrived before that, and the end of it, can still be read.
    fn call<R>(
        &self,
        core: &mut Core,
        direction: Direction,
        now: Instant,
        call: impl FnOnce(&mut Core, ConnectionKey, Instant) -> Result<R, CallError>,
    ) -> io::Result<Result<R, CallError>> {
        if direction == Direction::Write {
            core.check()?;
        }
        let done = call(core, self.key, now);
        if done.is_err() {
            core.check()?;
        }
        Ok(done)
    }

    /// Waits for a state of the connection; `look` says when it has come.
    pub(super) fn poll_state(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        look: impl FnOnce(&mut Core, ConnectionKey) -> Option<Result<(), CallError>>,
    ) -> Poll<io::Result<()>> {
        self.shared.look(|core, _| {
            core.check()?;
            match look(core, self.key) {
                None => {
                    self.register(core, direction, cx);
                    Poll::Pending
                }
                Some(done) => Poll::Ready(done.map_err(|why| error::call(why, self.tuple.is_ipv6()))),
            }
        })
    }

    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        wanted: Readiness,
    ) -> Poll<io::Result<()>> {
        self.poll_state(cx, direction, |core, key| {
            let gone = core.tcp().state(key).is_none();
            if gone || core.tcp().readiness(key).intersects(wanted | Readiness::CLOSED) {
                return Some(Ok(()));
            }
            if wanted.contains(Readiness::WRITABLE) {
                core.tcp().wait_writable(key);
            }
            None
        })
    }

    pub(super) fn now_or_error<R>(
        &self,
        direction: Direction,
        call: impl FnOnce(&mut Core, ConnectionKey, Instant) -> Result<R, CallError>,
    ) -> io::Result<R> {
        self.shared.act(|core, now| {
            self.call(core, direction, now, call)?.map_err(|why| error::call(why, self.tuple.is_ipv6()))
        })
    }

    pub(super) fn register(&self, core: &mut Core, direction: Direction, cx: &Context<'_>) {
        let waiting = core.connections.slot(self.key.index());
        match direction {
            Direction::Read => waiting.read.register(cx),
            Direction::Write => waiting.write.register(cx),
        }
    }

    pub(super) fn options<R>(&self, look: impl FnOnce(&Options) -> R) -> io::Result<R> {
        self.shared.look(|core, _| core.tcp().options(self.key).map(look)).ok_or_else(error::not_connected)
    }

    pub(super) fn set_options(&self, change: impl FnOnce(&mut Options)) -> io::Result<()> {
        self.now_or_error(Direction::Write, |core, key, now| {
            let before = core.tcp().options(key).ok_or(CallError::NoConnection)?;
            let mut options = before.clone();
            change(&mut options);
            if !takes(before, &options) {
                return Err(CallError::Invalid);
            }
            core.tcp().set_options(now, key, |current| *current = options)
        })
    }

    pub(super) fn use_keys(&self, send_id: Option<u8>, recv_id: Option<u8>) -> io::Result<()> {
        self.now_or_error(Direction::Write, |core, key, now| core.tcp().choose_keys(now, key, send_id, recv_id))
    }
}

/// Whether a connection can take what is new in these options: what it began with is no mistake of a later call about another.
fn takes(before: &Options, options: &Options) -> bool {
    let numbers = |options: &Options| {
        let probes = options.keepalive.map_or(1, |keepalive| keepalive.probes);
        [options.hop_limit.into(), options.send_buffer, options.receive_buffer, u32::from(probes)]
    };
    numbers(before).into_iter().zip(numbers(options)).all(|(before, now)| now != 0 || before == 0)
}
