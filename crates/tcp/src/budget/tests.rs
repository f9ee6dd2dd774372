use super::*;

#[test]
fn it_takes_16_bytes() {
    assert_eq!(size_of::<Budget>(), 16);
}

#[test]
fn a_burst_then_one_each_interval() {
    let mut budget = Budget::per_second(10, 3);
    let start = Instant::from_secs(7);
    let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
    assert_eq!(taken(&mut budget, start), 3);
    assert_eq!(taken(&mut budget, start + Duration::from_millis(99)), 0);
    assert_eq!(taken(&mut budget, start + Duration::from_millis(100)), 1);
    assert_eq!(taken(&mut budget, start + Duration::from_millis(250)), 1);
    assert_eq!(taken(&mut budget, start + Duration::from_millis(300)), 1, "what was left of the interval counts");
    assert_eq!(taken(&mut budget, start + Duration::from_secs(3600)), 3, "never more than the burst");
}

#[test]
fn over_a_long_time_the_rate_holds() {
    let mut budget = Budget::per_second(1_000, 50);
    let taken = (0..10_000_000_u64).step_by(7).filter(|&us| budget.take(Instant::from_micros(us))).count();
    assert!((10_000..=10_050).contains(&taken), "{taken} in ten seconds");
}

#[test]
fn zero_is_nothing_and_the_clock_may_stand_still_or_go_back() {
    for mut nothing in [Budget::per_second(0, 5), Budget::per_second(5, 0), Budget::every(Duration::MAX, 0)] {
        assert!(!nothing.take(Instant::MAX));
    }
    let mut budget = Budget::every(Duration::from_millis(500), 1);
    assert!(budget.take(Instant::from_secs(10)));
    assert!(!budget.take(Instant::from_secs(10)));
    assert!(!budget.take(Instant::from_secs(1)));
    assert!(budget.take(Instant::from_millis(10_500)));
    let mut at_the_end = Budget::every(Duration::from_secs(9), 2);
    assert!(at_the_end.take(Instant::MAX), "arithmetic saturates");
}

#[test]
fn a_fixed_budget_is_the_same_in_half_the_room() {
    let (mut fixed, mut other) = (FixedBudget::<500, 3>::full(), Budget::every(Duration::from_millis(500), 3));
    assert_eq!(size_of_val(&fixed), 8);
    for now in (0..20_000).step_by(70).map(Instant::from_millis) {
        assert_eq!(fixed.take(now), other.take(now), "{now}");
    }
}
