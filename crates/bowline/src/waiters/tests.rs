use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use super::Waiters;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn task() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

#[test]
fn a_task_that_polls_twice_is_woken_once() {
    let (count, waker) = task();
    let mut waiters = Waiters::default();
    waiters.register(&Context::from_waker(&waker));
    waiters.register(&Context::from_waker(&waker));
    let mut out = Vec::new();
    waiters.take(&mut out);
    out.into_iter().for_each(Waker::wake);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(waiters.is_empty());
}

#[test]
fn all_tasks_are_woken_and_the_abandoned_do_not_pile_up() {
    let tasks: Vec<_> = (0..1000).map(|_| task()).collect();
    let mut waiters = Waiters::default();
    for (_, waker) in &tasks {
        waiters.register(&Context::from_waker(waker));
    }
    assert!(waiters.more.as_ref().unwrap().len() <= super::MOST);
    let mut out = Vec::new();
    waiters.take(&mut out);
    out.into_iter().for_each(Waker::wake);
    assert!(tasks.iter().all(|(count, _)| count.0.load(Ordering::Relaxed) == 1));
}
