//! Subscriptions to the record stream: state changes, segments with their reasons, losses, windows.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bowline_tcp::trace::{Record, TraceQueue};
use parking_lot::Mutex;

use crate::shared::Shared;
use crate::waiters::Waiters;

/// Records that a subscriber may be behind; more are lost, and counted.
const LIMIT: usize = 65_536;

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    waiters: Waiters,
    lost: u64,
    closed: bool,
}

/// A subscription to the records of a network, from [`Net::trace`](crate::Net::trace).
///
/// Records cost nothing while there is no subscription. A subscriber that does not keep up loses the newest records, and
/// [`lost`](Self::lost) counts them.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = bowline::memory::pair()?;
/// let mut trace = server.trace();
/// let listener = server.listen("10.0.0.2:80".parse().unwrap()).await?;
/// let _stream = client.connect("10.0.0.2:80".parse().unwrap()).await?;
/// let first = trace.next().await.unwrap();
/// assert_eq!(first.tuple.local, listener.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TraceStream {
    queue: Arc<Mutex<Queue>>,
    shared: Arc<Shared>,
}

impl TraceStream {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let queue = Arc::new(Mutex::new(Queue::default()));
        shared.look(|core, _| {
            core.tracers.list.push(Arc::downgrade(&queue));
            core.tcp().trace().set_enabled(true);
        });
        Self { queue, shared: Arc::clone(shared) }
    }

    /// The next record, or `None` once the network has stopped and all have been read. Cancel-safe.
    pub async fn next(&mut self) -> Option<Record> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for callers that poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Record>> {
        let mut queue = self.queue.lock();
        match queue.records.pop_front() {
            Some(record) => Poll::Ready(Some(record)),
            None if queue.closed => Poll::Ready(None),
            None => {
                queue.waiters.register(cx);
                Poll::Pending
            }
        }
    }

    /// Waits for records and moves all there are to `out`; false once the network has stopped and all have been read.
    pub async fn next_batch(&mut self, out: &mut Vec<Record>) -> bool {
        poll_fn(|cx| {
            let mut queue = self.queue.lock();
            if queue.records.is_empty() && !queue.closed {
                queue.waiters.register(cx);
                return Poll::Pending;
            }
            let any = !queue.records.is_empty();
            out.extend(queue.records.drain(..));
            Poll::Ready(any)
        })
        .await
    }

    /// The next record, if there is one.
    pub fn try_next(&mut self) -> Option<Record> {
        self.queue.lock().records.pop_front()
    }

    /// How many records this subscriber has lost because it did not keep up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lock().lost
    }
}

impl Drop for TraceStream {
    fn drop(&mut self) {
        let own = Arc::as_ptr(&self.queue);
        self.shared.look(|core, _| {
            core.tracers.list.retain(|other| other.as_ptr() != own);
            if core.tracers.list.is_empty() {
                core.tcp().trace().set_enabled(false);
            }
        });
    }
}

/// All subscriptions of a network.
#[derive(Debug, Default)]
pub(crate) struct Tracers {
    list: Vec<Weak<Mutex<Queue>>>,
    /// Records that the stack itself had to drop, as of the last look.
    lost_before: u64,
}

impl Tracers {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Hands the stack's records to every subscriber.
    pub(crate) fn distribute(&mut self, trace: &mut TraceQueue, wakers: &mut Vec<Waker>) {
        let lost = trace.lost() - self.lost_before;
        self.lost_before = trace.lost();
        let queues: Vec<_> = self.list.iter().filter_map(Weak::upgrade).collect();
        let mut queues: Vec<_> = queues.iter().map(|queue| queue.lock()).collect();
        while let Some(record) = trace.pop() {
            let Some((last, others)) = queues.split_last_mut() else { continue };
            for queue in others {
                queue.push(record.clone());
            }
            last.push(record);
        }
        for queue in &mut queues {
            queue.lost += lost;
            if !queue.records.is_empty() {
                queue.waiters.take(wakers);
            }
        }
    }

    /// There will be no more.
    pub(crate) fn close(&mut self, wakers: &mut Vec<Waker>) {
        for queue in self.list.iter().filter_map(Weak::upgrade) {
            let mut queue = queue.lock();
            queue.closed = true;
            queue.waiters.take(wakers);
        }
    }
}

impl Queue {
    fn push(&mut self, record: Record) {
        if self.records.len() < LIMIT {
            self.records.push_back(record);
        } else {
            self.lost += 1;
        }
    }
}
