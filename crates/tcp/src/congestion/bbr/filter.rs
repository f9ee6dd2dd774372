//! The largest value of the last rounds, in three samples (K. Nichols' windowed filter, as draft-ietf-ccwg-bbr 5.5.3 names it).

/// A value, and the round it was seen in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    round: u64,
    value: u64,
}

/// The filter: the best, and the best of what came later than the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowedMax([Seen; 3]);

impl WindowedMax {
    /// The largest value of the window.
    pub(super) fn get(&self) -> u64 {
        self.0[0].value
    }

    /// Takes a value of this round, where the window is so many rounds long.
    pub(super) fn update(&mut self, round: u64, value: u64, window: u64) {
        let seen = Seen { round, value };
        let [first, second, third] = &mut self.0;
        if value >= first.value || round.saturating_sub(third.round) > window {
            // It beats all, or all are too old.
            self.0 = [seen; 3];
            return;
        }
        if value >= second.value {
            (*second, *third) = (seen, seen);
        } else if value >= third.value {
            *third = seen;
        }
        self.expire(seen, window);
    }

    fn expire(&mut self, seen: Seen, window: u64) {
        let [first, second, third] = &mut self.0;
        let age = |of: &Seen| seen.round.saturating_sub(of.round);
        if age(first) > window {
            (*first, *second, *third) = (*second, *third, seen);
            if age(first) > window {
                (*first, *second) = (*second, *third);
            }
        } else if second.round == first.round && age(second) > window / 4 {
            // A quarter has passed without a better second: it is this one.
            (*second, *third) = (seen, seen);
        } else if third.round == second.round && age(third) > window / 2 {
            *third = seen;
        }
    }
}
