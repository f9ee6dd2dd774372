//! The place where the two sides of a device without a descriptor leave word for each other.
//!
//! It decides that a notification is never lost: one that comes before anybody waits is remembered.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

#[derive(Debug, Default)]
struct Slot {
    notified: bool,
    waker: Option<Waker>,
}

/// A one-place mailbox for a wake-up. Clones share the place.
#[derive(Clone, Debug, Default)]
pub struct WakeSlot(Arc<Mutex<Slot>>);

impl WakeSlot {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that there is something to do and wakes whoever waits.
    ///
    /// The waker runs outside the lock, and may call back into the device.
    pub fn notify(&self) {
        let waker = {
            let mut slot = self.0.lock();
            slot.notified = true;
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once per notification (several may merge); otherwise `cx` is woken by the next one.
    ///
    /// Only the last task that polled is woken. Callers without tasks pass a [`Waker`] made of any [`std::task::Wake`].
    pub fn poll_notified(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = self.0.lock();
        if std::mem::take(&mut slot.notified) {
            return Poll::Ready(());
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits for the next notification.
    pub async fn notified(&self) {
        std::future::poll_fn(|cx| self.poll_notified(cx)).await;
    }
}
