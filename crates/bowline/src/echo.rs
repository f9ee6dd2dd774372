//! Pings: those that somebody must answer for addresses that only any-IP makes ours, and those that we send.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bowline_stack::{Echo, Event, IcmpError, Undelivered};

use crate::error;
use crate::shared::Shared;
use crate::waiters::Waiters;

/// Events that may wait to be read; the newest are lost.
const LIMIT: usize = 256;

/// Something about a ping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EchoEvent {
    /// Somebody pings an address that only any-IP makes ours. It is unanswered unless [`EchoSocket::reply`] or
    /// [`EchoSocket::report_unreachable`] is called.
    Request(Echo),
    /// The answer to a ping of ours.
    Reply(Echo),
    /// An ICMP error about a ping of ours.
    Error(Echo, IcmpError),
}

/// All pings of a network; there is one at a time. From [`Net::echo`](crate::Net::echo).
///
/// # Example
/// ```
/// use bowline::EchoEvent;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, _server) = bowline::memory::pair()?;
/// let mut echo = client.echo()?;
/// echo.ping("10.0.0.2".parse().unwrap(), 7, 1, b"anybody there?")?;
/// let EchoEvent::Reply(reply) = echo.recv().await? else { panic!("no reply") };
/// assert_eq!((reply.ident, &reply.data[..]), (7, &b"anybody there?"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EchoSocket(Arc<Shared>);

impl EchoSocket {
    pub(crate) fn open(shared: &Arc<Shared>) -> io::Result<Self> {
        shared.look(|core, _| {
            core.check_open()?;
            if core.echoes.open {
                return Err(error::address_in_use());
            }
            core.echoes.open = true;
            Ok(Self(Arc::clone(shared)))
        })
    }

    /// The next event. Cancel-safe.
    ///
    /// # Errors
    /// `ENETDOWN` once the network has stopped.
    pub async fn recv(&mut self) -> io::Result<EchoEvent> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for callers that poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<EchoEvent>> {
        self.0.look(|core, _| match core.echoes.events.pop_front() {
            Some(event) => Poll::Ready(Ok(event)),
            None => {
                core.check()?;
                core.echoes.waiters.register(cx);
                Poll::Pending
            }
        })
    }

    /// Answers a ping in its destination's name.
    pub fn reply(&self, echo: &Echo) {
        self.0.act(|core, _| core.stack.echo_reply(echo));
    }

    /// Tells who pinged that the destination cannot be reached, within the stack's rate limits.
    pub fn report_unreachable(&self, echo: Echo, error: IcmpError) {
        self.0.act(|core, now| core.stack.report_unreachable(now, &Undelivered::Echo(echo), error));
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// `ENETUNREACH` without a route, `WouldBlock` where the queue is full, `EMSGSIZE` for too much data.
    pub fn ping(&self, destination: IpAddr, ident: u16, sequence: u16, data: &[u8]) -> io::Result<()> {
        self.0.act(|core, _| {
            core.check()?;
            core.stack.ping(destination, ident, sequence, data).map_err(error::ping)
        })
    }

    /// How many events were lost because nobody read them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.look(|core, _| core.echoes.lost)
    }
}

impl Drop for EchoSocket {
    fn drop(&mut self) {
        self.0.look(|core, _| core.echoes = EchoQueue::default());
    }
}

/// The events that wait for the socket, while there is one.
#[derive(Debug, Default)]
pub(crate) struct EchoQueue {
    open: bool,
    events: VecDeque<EchoEvent>,
    waiters: Waiters,
    lost: u64,
}

impl EchoQueue {
    pub(crate) fn push(&mut self, event: Event, wakers: &mut Vec<Waker>) {
        let event = match event {
            Event::EchoRequest(echo) => EchoEvent::Request(echo),
            Event::EchoReply(echo) => EchoEvent::Reply(echo),
            Event::EchoError(echo, error) => EchoEvent::Error(echo, error),
            Event::Tcp(_) | Event::Udp(..) => return,
        };
        if !self.open {
            return;
        }
        if self.events.len() < LIMIT {
            self.events.push_back(event);
            self.waiters.take(wakers);
        } else {
            self.lost += 1;
        }
    }

    /// Those who wait.
    pub(crate) fn take(&mut self, wakers: &mut Vec<Waker>) {
        self.waiters.take(wakers);
    }
}
