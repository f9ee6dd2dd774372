//! The structure-aware targets get somewhere: a target that only ever sees refused segments would find nothing.

use bowline_fuzz::mutate::{Random, mutate};
use bowline_fuzz::{endpoint, pair};

fn inputs(seeds: Vec<Vec<u8>>, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut random = Random::new(7);
    (0..count).map(move |_| {
        let mut input = seeds[random.below(seeds.len())].clone();
        let other = &seeds[random.below(seeds.len())];
        mutate(&mut random, &mut input, other);
        input
    })
}

#[test]
fn programs_over_an_endpoint_visit_every_state() {
    let mut visits = std::collections::BTreeMap::new();
    for input in inputs(endpoint::seeds(), 10_000) {
        for state in endpoint::explore(&input) {
            *visits.entry(state.name()).or_insert(0) += 1;
        }
    }
    let expected = [
        "CLOSE-WAIT",
        "CLOSING",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "LAST-ACK",
        "SYN-RECEIVED",
        "SYN-SENT",
        "TIME-WAIT",
    ];
    for state in expected {
        assert!(visits.get(state).is_some_and(|&count| count >= 3), "{state}: {visits:?}");
    }
}

#[test]
fn programs_over_a_pair_exchange_text() {
    let talked = inputs(pair::seeds(), 1000).filter(|input| pair::explore(input).iter().any(|&read| read > 1000));
    let talked = talked.count();
    assert!(talked > 500, "{talked} of 1000");
}
