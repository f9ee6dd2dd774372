//! What a stream is ready for, and the calls that do not wait.
//!
//! Readiness is looked up, not remembered: a stream that was found readable is so until somebody has read, and a call that gave
//! `WouldBlock` need not be told about.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use bowline_tcp::{Readiness, State};
use bytes::BufMut;
use tokio::io::{Interest, ReadBuf, Ready};

use super::TcpStream;
use super::calls::{Direction, one_after_the_other};
use crate::error::check_interest;

impl TcpStream {
    /// Waits until there is data to read, or its end, or an error.
    ///
    /// # Errors
    /// `ENETDOWN` where the network is gone.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_read_ready(cx)).await
    }

    /// Waits until there is room to write, or an error.
    ///
    /// # Errors
    /// `ENETDOWN` where the network is gone.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write_ready(cx)).await
    }

    /// Waits for any of what `interest` names, and says which of it has come. The end of the peer's data is
    /// [`READ_CLOSED`](Ready::READ_CLOSED) as soon as it has arrived, be there data before it or not.
    ///
    /// # Errors
    /// `ENETDOWN` where the network is gone; `InvalidInput` for an interest in neither reading nor writing: urgent data and errors are
    /// no readiness of their own here.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        check_interest(interest)?;
        poll_fn(|cx| self.poll_interest(cx, interest)).await
    }

    /// [`readable`](Self::readable) for callers that poll.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Direction::Read, Readiness::READABLE)
    }

    /// [`writable`](Self::writable) for callers that poll.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Direction::Write, Readiness::WRITABLE)
    }

    fn poll_interest(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<Ready>> {
        self.shared.look(|core, _| {
            core.check()?;
            let (state, readiness) = (core.tcp().state(self.key), core.tcp().readiness(self.key));
            let ready = said(state, readiness, interest);
            if !ready.is_empty() {
                return Poll::Ready(Ok(ready));
            }
            if interest.is_readable() {
                self.register(core, Direction::Read, cx);
            }
            if interest.is_writable() {
                core.tcp().wait_writable(self.key);
                self.register(core, Direction::Write, cx);
            }
            Poll::Pending
        })
    }

    /// Reads what is there, without waiting; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing; otherwise as reading.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.now_or_error(Direction::Read, |core, key, now| core.tcp().receive(now, key, buf))
    }

    /// [`try_read`](Self::try_read) into several buffers, one after the other.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
        one_after_the_other(bufs.iter_mut().map(|buf| (buf.len(), buf)), |buf| self.try_read(buf))
    }

    /// [`try_read`](Self::try_read) into what `buf` has room for, which it advances.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        let room = buf.chunk_mut().len();
        if room == 0 {
            return Ok(0);
        }
        let bytes = self.now_or_error(Direction::Read, |core, key, now| core.tcp().receive_bytes(now, key, room))?;
        buf.put_slice(&bytes);
        Ok(bytes.len())
    }

    /// Writes as much as fits, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where nothing fits; otherwise as writing.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.now_or_error(Direction::Write, |core, key, now| core.tcp().send(now, key, buf))
    }

    /// [`try_write`](Self::try_write) of several buffers, one after the other.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.now_or_error(Direction::Write, |core, key, now| core.send_vectored(now, key, bufs))
    }

    /// Reads without taking: the next read gets the same bytes again.
    ///
    /// # Errors
    /// As reading.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
    }

    /// [`peek`](Self::peek) for callers that poll; `buf` is advanced.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let space = buf.initialize_unfilled();
        let count = ready!(self.poll_call(cx, Direction::Read, |core, key, _| core.tcp().peek(key, space)))?;
        buf.advance(count);
        Poll::Ready(Ok(count))
    }
}

/// What is ready of what was asked for.
fn said(state: Option<State>, readiness: Readiness, interest: Interest) -> Ready {
    let over = state.is_none() || readiness.contains(Readiness::CLOSED);
    let ended = over || matches!(state, Some(State::CloseWait | State::Closing | State::LastAck | State::TimeWait));
    let mut ready = Ready::EMPTY;
    if interest.is_readable() {
        if over || readiness.contains(Readiness::READABLE) {
            ready |= Ready::READABLE;
        }
        if ended {
            ready |= Ready::READ_CLOSED;
        }
    }
    if interest.is_writable() {
        if over || readiness.contains(Readiness::WRITABLE) {
            ready |= Ready::WRITABLE;
        }
        if over {
            ready |= Ready::WRITE_CLOSED;
        }
    }
    ready
}
