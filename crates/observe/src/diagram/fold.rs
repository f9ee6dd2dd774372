//! What keeps a diagram short, and its memory bounded: plain runs are folded, and so is the middle of a long diagram.
//!
//! A run is a series of segments that carry nothing but data and acknowledgements. Of each run the first and the last
//! few stay, and the rest becomes one [`Fold`]. Of all rows the first and the last stay where there are too many.

use std::collections::VecDeque;

use super::model::{Fold, Row, What};

/// How much of a diagram is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Rows kept at the beginning of a plain run; default 4.
    pub head: usize,
    /// Rows kept at the end of a plain run; default 2.
    pub tail: usize,
    /// Rows kept of a connection, at least 8; default 400. Those in its middle are folded.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 4, tail: 2, rows: 400 }
    }
}

impl Limits {
    /// No run is folded, and as many rows are kept as one can use: for short connections that one wants to see whole.
    #[must_use]
    pub const fn whole() -> Self {
        Self { head: usize::MAX, tail: 0, rows: 100_000 }
    }
}

/// The rows of one connection.
#[derive(Debug)]
pub(super) struct Rows {
    limits: Limits,
    /// The first rows, up to half of the limit.
    first: Vec<Row>,
    /// What lies between.
    middle: Option<Row>,
    /// The last rows, up to half of the limit.
    last: VecDeque<Row>,
    run: Run,
}

/// The plain run that may still grow.
#[derive(Debug, Default)]
struct Run {
    /// How many of its rows are already in the diagram.
    shown: usize,
    fold: Option<Row>,
    tail: VecDeque<Row>,
}

impl Rows {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, first: Vec::new(), middle: None, last: VecDeque::new(), run: Run::default() }
    }

    /// Adds a row at the end.
    pub(super) fn push(&mut self, row: Row) {
        let plain = matches!(&row.what, What::Segment(segment) if segment.is_plain());
        if !plain {
            self.end_run();
            self.store(row);
        } else if self.run.shown < self.limits.head {
            self.run.shown += 1;
            self.store(row);
        } else {
            self.run.tail.push_back(row);
            if self.run.tail.len() > self.limits.tail
                && let Some(row) = self.run.tail.pop_front()
            {
                fold_into(&mut self.run.fold, row);
            }
        }
    }

    /// The newest rows first, as far as they may still be changed. Changing one ends the run it stands in.
    pub(super) fn find_recent(&mut self, mut wanted: impl FnMut(&Row) -> bool) -> Option<&mut Row> {
        if self.run.tail.iter().any(&mut wanted) {
            self.end_run();
        }
        if let Some(at) = self.last.iter().rposition(&mut wanted) {
            return self.last.get_mut(at);
        }
        self.first.iter_mut().rev().find(|row| wanted(row))
    }

    /// The newest row. Whoever changes it ends the run it may stand in: it is plain no more.
    pub(super) fn newest(&mut self) -> Option<&mut Row> {
        self.run.tail.back_mut().or(self.last.back_mut()).or(self.first.last_mut())
    }

    /// All rows, in order.
    pub(super) fn finish(mut self) -> Vec<Row> {
        self.end_run();
        let mut rows = self.first;
        rows.extend(self.middle);
        rows.extend(self.last);
        rows
    }

    /// Shows the end of the plain run that may still grow.
    pub(super) fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if let Some(fold) = run.fold {
            self.store(fold);
        }
        for row in run.tail {
            self.store(row);
        }
    }

    fn store(&mut self, row: Row) {
        let half = self.limits.rows.max(8) / 2;
        if self.first.len() < half {
            self.first.push(row);
            return;
        }
        self.last.push_back(row);
        if self.last.len() > half
            && let Some(row) = self.last.pop_front()
        {
            fold_into(&mut self.middle, row);
        }
    }
}

/// Adds `row` to the fold; one row alone stays what it is.
fn fold_into(place: &mut Option<Row>, row: Row) {
    match place {
        None => *place = Some(row),
        Some(Row { what: What::Fold(fold), .. }) => fold.add(&row),
        Some(single) => {
            let mut fold = Fold::default();
            fold.add(single);
            fold.add(&row);
            single.what = What::Fold(fold);
        }
    }
}
