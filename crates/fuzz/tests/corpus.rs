//! Replays `fuzz/corpus` and a short, fixed stretch of mutations through every target.

use bowline_fuzz::TARGETS;
use bowline_fuzz::mutate::{Random, mutate};
use std::path::Path;

#[test]
fn every_input_that_was_ever_interesting_passes() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target.name);
        let mut inputs = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            (target.run)(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{} is empty", folder.display());
    }
}

#[test]
fn a_short_run_finds_nothing() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let mut random = Random::new(0x00b0_711e);
        for _ in 0..target.rounds {
            let mut input = seeds[random.below(seeds.len())].clone();
            let other = &seeds[random.below(seeds.len())];
            mutate(&mut random, &mut input, other);
            (target.run)(&input);
        }
    }
}
