//! Points over time in bounded memory: where there are too many, every second one goes, of those that come as of those that came,
//! so that no part of the plot is denser than another.

/// Points in their order.
#[derive(Debug)]
pub(super) struct Series<T> {
    points: Vec<T>,
    limit: usize,
    /// Of so many that come, one is kept.
    every: usize,
    skipped: usize,
}

impl<T: Copy> Series<T> {
    /// No more than `limit` points, at least 16.
    pub(super) fn new(limit: usize) -> Self {
        Self { points: Vec::new(), limit: limit.max(16), every: 1, skipped: 0 }
    }

    pub(super) fn push(&mut self, point: T) {
        self.skipped += 1;
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        self.points.push(point);
        if self.points.len() > self.limit {
            let mut number = 0_usize;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every *= 2;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.points.iter().copied()
    }
}
