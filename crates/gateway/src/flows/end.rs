//! The end of everything: what of the flows is to be waited for then, and for how long.
//!
//! Once the program has ended, what it wrote is still delivered, as a kernel would. What the host's kernel has taken needs nobody
//! any more; what a slow server leaves no room for waits here, and is waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Things that are open, and are counted.
#[derive(Debug, Default)]
pub(crate) struct Open {
    count: AtomicUsize,
    closed: Notify,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Opened<'a>(&'a Open);

impl Open {
    pub(crate) fn begin(&self) -> Opened<'_> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Opened(self)
    }

    /// Waits until none is open.
    pub(crate) async fn drained(&self) {
        loop {
            let closed = self.closed.notified();
            if self.count.load(Ordering::Relaxed) == 0 {
                return;
            }
            closed.await;
        }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }
}

/// Something that happens once.
#[derive(Debug, Default)]
pub(crate) struct Over {
    is_over: AtomicBool,
    news: Notify,
}

impl Over {
    pub(crate) fn set(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    pub(crate) async fn wait(&self) {
        // made before looking, so that nothing is missed
        let news = self.news.notified();
        if !self.is_over.load(Ordering::Relaxed) {
            news.await;
        }
    }
}

/// Flows that may still have something to bring out, and how much has come out.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    open: Open,
    moved: AtomicU64,
    asked: Notify,
}

/// One flow that may still have something to bring out.
#[derive(Debug)]
pub(crate) struct OutwardFlow<'a> {
    outward: &'a Outward,
    _open: Opened<'a>,
}

/// How long nothing may move before what is left is given up: as long as a kernel keeps a connection whose program has ended
/// (Linux `tcp_fin_timeout`).
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look whether anything moves.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// After how long somebody who waits for the end is told what for.
const TOLD: Duration = Duration::from_secs(2);

impl Outward {
    pub(crate) fn begin(&self) -> OutwardFlow<'_> {
        OutwardFlow { outward: self, _open: self.open.begin() }
    }

    /// Waits until every flow has brought out what it had, or nothing moves any more. Says how many are left.
    pub(crate) async fn drained(&self) -> usize {
        let state = || (self.open.count.load(Ordering::Relaxed), self.moved.load(Ordering::Relaxed));
        let (begin, mut told) = (Instant::now(), false);
        let (mut before, mut since) = (state(), begin);
        while timeout(LOOK, self.open.drained()).await.is_err() {
            // answered by those that cannot write, each in its turn
            self.asked.notify_waiters();
            let now = state();
            if now != before {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() >= PATIENCE {
                return now.0;
            }
            if begin.elapsed() >= TOLD && !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    "the command has ended; what it has written to {} is still on its way: Ctrl-C would give it up",
                    bowline_observe::words::counted(now.0 as u64, "connection")
                );
            }
        }
        0
    }
}

impl OutwardFlow<'_> {
    /// So much has come out.
    pub(crate) fn moved(&self, bytes: usize) {
        self.outward.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Waits until somebody wants to know whether anything moves that [`moved`](Self::moved) has not told of.
    pub(crate) async fn asked(&self) {
        self.outward.asked.notified().await;
    }
}
