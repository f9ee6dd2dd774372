//! What a UDP socket is ready for. It is looked up, not remembered: a call that gave `WouldBlock` need not be told about.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bowline_stack::UdpReadiness;
use tokio::io::{Interest, Ready};

use super::{Direction, UdpSocket};
use crate::error::check_interest;

impl UdpSocket {
    /// Waits until there is a datagram, or an error.
    ///
    /// # Errors
    /// `ENETDOWN`.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_recv_ready(cx)).await
    }

    /// Waits until there is room for a datagram, or an error.
    ///
    /// # Errors
    /// `ENETDOWN`.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_ready(cx)).await
    }

    /// Waits for any of what `interest` names, or an error, and says which of it has come: an error makes it ready for both.
    ///
    /// # Errors
    /// `ENETDOWN`; `InvalidInput` for an interest in neither reading nor writing, which have the errors.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        check_interest(interest)?;
        poll_fn(|cx| self.poll_interest(cx, interest)).await
    }

    /// [`readable`](Self::readable) for callers that poll.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_interest(cx, Interest::READABLE).map_ok(drop)
    }

    /// [`writable`](Self::writable) for callers that poll.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_interest(cx, Interest::WRITABLE).map_ok(drop)
    }

    fn poll_interest(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<Ready>> {
        self.shared.look(|core, _| {
            core.check()?;
            let readiness = core.stack.udp_info(self.key).map_or(UdpReadiness::ERROR, |info| info.readiness);
            let mut ready = Ready::EMPTY;
            if interest.is_readable() && readiness.intersects(UdpReadiness::READABLE | UdpReadiness::ERROR) {
                ready |= Ready::READABLE;
            }
            if interest.is_writable() && readiness.intersects(UdpReadiness::WRITABLE | UdpReadiness::ERROR) {
                ready |= Ready::WRITABLE;
            }
            if !ready.is_empty() {
                return Poll::Ready(Ok(ready));
            }
            if interest.is_readable() {
                self.register(core, Direction::Read, cx);
            }
            if interest.is_writable() {
                self.register(core, Direction::Write, cx);
            }
            Poll::Pending
        })
    }
}
