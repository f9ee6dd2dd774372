use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bowline_base::Randomness;

use super::*;

/// Reads a list from its head by taking it apart.
fn drain(slab: &mut LinkedSlab<u32, 3>, list: usize) -> Vec<u32> {
    core::iter::from_fn(|| {
        let (index, _) = slab.first(list)?;
        slab.remove(index, list)
    })
    .collect()
}

#[test]
fn lists_agree_with_queues_whatever_happens() {
    for seed in 0..50 {
        let mut random = Randomness::new([seed; 32]);
        let mut slab = LinkedSlab::<u32, 3>::new(40);
        let mut oracle: [VecDeque<(u32, u32)>; 3] = Default::default();
        for value in 0..2_000 {
            let list = random.below(3) as usize;
            let chosen = random.below(oracle[list].len().max(1) as u64) as usize;
            match random.below(4) {
                0 | 1 => match slab.insert(list, value) {
                    Some((index, _)) => oracle[list].push_back((index, value)),
                    None => assert_eq!(oracle.iter().map(VecDeque::len).sum::<usize>(), 40),
                },
                2 => {
                    let gone = oracle[list].remove(chosen);
                    assert_eq!(gone.and_then(|(index, _)| slab.remove(index, list)), gone.map(|(_, value)| value));
                }
                _ => {
                    let to = random.below(3) as usize;
                    if let Some(moved) = oracle[list].remove(chosen) {
                        slab.move_to(moved.0, list, to);
                        oracle[to].push_back(moved);
                    }
                }
            }
            for (list, queue) in oracle.iter().enumerate() {
                assert_eq!(slab.first(list).map(|(index, &value)| (index, value)), queue.front().copied());
            }
        }
        for (list, queue) in oracle.iter().enumerate() {
            assert_eq!(
                drain(&mut slab, list),
                queue.iter().map(|&(_, value)| value).collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
        assert_eq!(slab.len(), 0);
    }
}

#[test]
fn a_place_used_again_is_not_the_old_entry() {
    let mut slab = LinkedSlab::<u32, 3>::new(4);
    let (index, generation) = slab.insert(0, 1).unwrap();
    slab.remove(index, 0);
    assert!(!slab.contains(index, generation));
    let (again, later) = slab.insert(1, 2).unwrap();
    assert_eq!(again, index);
    assert!(slab.contains(again, later) && !slab.contains(index, generation));
    assert_eq!(slab.remove(77, 0), None);
}
