//! A deque that mostly holds one element, and holds it inline: no allocation for what a connection has most of the time,
//! one segment in flight and one piece of text behind it. Empty, it owns no memory.
//!
//! It knows nothing of what it holds.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::ops::Range;

#[cfg(test)]
mod tests;

/// The deque: all elements lie in the box if there is one, else at most one lies inline. The box goes with its last element.
#[derive(Clone, Hash, Debug)]
pub(crate) struct ShortDeque<T> {
    one: Option<T>,
    #[allow(clippy::box_collection, reason = "24 bytes less in every connection")]
    many: Option<Box<VecDeque<T>>>,
}

impl<T> ShortDeque<T> {
    pub(crate) const fn new() -> Self {
        Self { one: None, many: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.many.as_ref().map_or(usize::from(self.one.is_some()), |many| many.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.one.is_none() && self.many.is_none()
    }

    /// The bytes that it has allocated.
    pub(crate) fn memory(&self) -> usize {
        self.many.as_ref().map_or(0, |many| size_of::<VecDeque<T>>() + many.capacity() * size_of::<T>())
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match &self.many {
            Some(many) => many.get(index),
            None => self.one.as_ref().filter(|_| index == 0),
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match &mut self.many {
            Some(many) => many.get_mut(index),
            None => self.one.as_mut().filter(|_| index == 0),
        }
    }

    /// The element that lies inline: there is no other then.
    #[inline]
    pub(crate) const fn only(&self) -> Option<&T> {
        self.one.as_ref()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    pub(crate) fn back(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        match &mut self.many {
            Some(many) => many.back_mut(),
            None => self.one.as_mut(),
        }
    }

    pub(crate) fn push_back(&mut self, value: T) {
        if self.is_empty() {
            self.one = Some(value);
        } else {
            self.spread().push_back(value);
        }
    }

    /// Puts a value before the one at `index`; at the end if there is none.
    pub(crate) fn insert(&mut self, index: usize, value: T) {
        let many = self.spread();
        many.insert(index.min(many.len()), value);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let Some(many) = &mut self.many else { return self.one.take() };
        let value = many.pop_front();
        self.tidy();
        value
    }

    /// Removes the elements with these indices; of those beyond the end there are none.
    pub(crate) fn remove_range(&mut self, range: Range<usize>) {
        match &mut self.many {
            Some(many) => {
                let end = range.end.min(many.len());
                many.drain(range.start.min(end)..end);
                self.tidy();
            }
            None if range.contains(&0) => self.one = None,
            None => {}
        }
    }

    /// The elements, the first one first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.one.iter().chain(self.many.iter().flat_map(|many| many.iter()))
    }

    /// The elements from this index on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &T> {
        let many = self.many.iter().flat_map(move |many| many.range(index.min(many.len())..));
        self.one.iter().skip(index).chain(many)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.one.iter_mut().chain(self.many.iter_mut().flat_map(|many| many.iter_mut()))
    }

    /// The index of the first element for which `before` does not hold, in a deque that is sorted by it.
    pub(crate) fn partition_point(&self, before: impl FnMut(&T) -> bool) -> usize {
        match &self.many {
            Some(many) => many.partition_point(before),
            None => usize::from(self.one.as_ref().is_some_and(before)),
        }
    }

    /// All elements in the box, which is made if need be.
    fn spread(&mut self) -> &mut VecDeque<T> {
        let Self { one, many } = self;
        let many = many.get_or_insert_default();
        many.extend(one.take());
        many
    }

    fn tidy(&mut self) {
        self.many.take_if(|many| many.is_empty());
    }
}
