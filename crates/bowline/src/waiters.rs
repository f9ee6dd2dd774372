//! Who waits for what: the wakers of tasks, kept beside the stack and under its lock, so that no wake-up is lost.
//!
//! Most often one task waits for one thing, which costs no allocation. Several may wait for the same (two tasks in
//! [`TcpListener::accept`](crate::TcpListener::accept)); all of them are woken, and look again.

use std::task::{Context, Waker};

/// Tasks that wait for the same thing.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    /// Boxed, because connections are many and it is almost always absent.
    #[allow(clippy::box_collection, reason = "8 bytes instead of 24 in every connection")]
    more: Option<Box<Vec<Waker>>>,
}

/// Beyond so many, stale ones are likelier than live ones: all are woken, and those that live come back.
const MOST: usize = 64;

impl Waiters {
    /// Adds the task, once.
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        let waker = cx.waker();
        match &mut self.first {
            None => self.first = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let more = self.more.get_or_insert_default();
                if more.iter().any(|other| other.will_wake(waker)) {
                    return;
                }
                if more.len() >= MOST {
                    more.drain(..).for_each(Waker::wake);
                }
                more.push(waker.clone());
            }
        }
    }

    /// Moves all of them to `out`, to be woken once the lock is released.
    pub(crate) fn take(&mut self, out: &mut Vec<Waker>) {
        out.extend(self.first.take());
        if let Some(more) = self.more.take() {
            out.extend(*more);
        }
    }

    /// Whether nobody waits.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_none()
    }
}

/// Waiters by the index of a key of the stack.
#[derive(Debug)]
pub(crate) struct Slots<T>(Vec<T>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Slots<T> {
    /// The slot, made where there is none yet. The stack's own bounds keep indices small.
    pub(crate) fn slot(&mut self, index: usize) -> &mut T {
        if index >= self.0.len() {
            self.0.resize_with(index + 1, T::default);
        }
        // The slot was just made.
        &mut self.0[index]
    }

    /// The slot, if anybody has ever waited there.
    pub(crate) fn get(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

/// Who waits on a connection.
#[derive(Debug, Default)]
pub(crate) struct Directions {
    /// For data, or its end.
    pub(crate) read: Waiters,
    /// For the handshake, for room, or for all to be acknowledged.
    pub(crate) write: Waiters,
}

#[cfg(test)]
mod tests;
