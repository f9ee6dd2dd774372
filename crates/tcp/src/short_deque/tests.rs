use alloc::collections::VecDeque;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::ShortDeque;

#[test]
fn one_element_lies_inline_and_none_owns_nothing() {
    let mut deque = ShortDeque::new();
    deque.push_back(1);
    assert_eq!((deque.memory(), deque.len()), (0, 1));
    deque.push_back(2);
    assert!(deque.memory() > 0);
    assert_eq!((deque.pop_front(), deque.pop_front(), deque.pop_front()), (Some(1), Some(2), None));
    assert_eq!((deque.memory(), deque.is_empty()), (0, true));
}

proptest! {
    #[test]
    fn it_agrees_with_a_deque(ops in proptest::collection::vec((0..6_u8, 0..6_usize, 0..6_usize), 0..60)) {
        let (mut short, mut plain) = (ShortDeque::new(), VecDeque::new());
        for (n, (op, a, b)) in ops.into_iter().enumerate() {
            match op {
                0 | 1 => {
                    short.push_back(n);
                    plain.push_back(n);
                }
                2 => prop_assert_eq!(short.pop_front(), plain.pop_front()),
                3 => {
                    short.insert(a, n);
                    plain.insert(a.min(plain.len()), n);
                }
                4 => {
                    let (start, end) = (a.min(b).min(plain.len()), a.max(b).min(plain.len()));
                    short.remove_range(start..end);
                    plain.drain(start..end);
                }
                _ => {
                    for (x, y) in short.iter_mut().zip(&mut plain).skip(a) {
                        *x += 100;
                        *y += 100;
                    }
                    prop_assert_eq!(short.get_mut(a), plain.get_mut(a));
                    prop_assert_eq!(short.back_mut(), plain.back_mut());
                }
            }
            prop_assert_eq!(short.iter().collect::<Vec<_>>(), plain.iter().collect::<Vec<_>>());
            prop_assert!(short.iter().rev().eq(plain.iter().rev()) && short.iter_from(a).eq(plain.iter().skip(a)));
            prop_assert_eq!((short.len(), short.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!((short.front(), short.get(b)), (plain.front(), plain.get(b)));
            prop_assert_eq!((short.partition_point(|_| false), short.partition_point(|_| true)), (0, plain.len()));
        }
    }
}
