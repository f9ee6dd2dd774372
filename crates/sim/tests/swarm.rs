//! Random worlds, by seed: hosts, routers, all that can be wrong with a wire, and flows with all that a program can ask for.
//! After a while the network heals; then all that was sent must arrive as it was sent, every flow must come to its end, and
//! nothing may be left. A world that fails is made smaller for as long as it fails, and written down.
//!
//! ```sh
//! cargo xtask swarm --seeds 0..10000 --minutes 30       # more seeds than the tests run
//! BOWLINE_SWARM_WORLD=FILE.toml cargo test -p bowline-sim --test swarm    # one world that was written down
//! ```

#[path = "swarm/draw.rs"]
mod draw;
#[path = "swarm/flow.rs"]
mod flow;
#[path = "swarm/life.rs"]
mod life;
#[path = "swarm/plan.rs"]
mod plan;
#[path = "swarm/settings.rs"]
mod settings;
#[path = "swarm/shrink.rs"]
mod shrink;

use std::ops::Range;
use std::time::{Duration, Instant};

use plan::Plan;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What the environment asks for: seeds and minutes. The tests run for a few seconds.
fn asked() -> Result<(Range<u64>, Duration), Box<dyn std::error::Error>> {
    let seeds = match std::env::var("BOWLINE_SWARM_SEEDS") {
        Ok(text) => {
            let (first, end) = text.split_once("..").ok_or("BOWLINE_SWARM_SEEDS wants FIRST..END")?;
            first.parse()?..end.parse()?
        }
        Err(_) => 0..100,
    };
    let time = match std::env::var("BOWLINE_SWARM_MINUTES") {
        Ok(text) => Duration::from_secs_f64(60.0 * text.parse::<f64>()?),
        Err(_) => Duration::from_secs(10),
    };
    Ok((seeds, time))
}

#[test]
fn every_world_heals_and_leaves_nothing_behind() -> Outcome {
    if let Ok(path) = std::env::var("BOWLINE_SWARM_WORLD") {
        let plan = Plan::read(&std::fs::read_to_string(&path)?)?;
        return life::live(&plan, Some(&std::path::Path::new(&path).with_extension("record")))
            .map(drop)
            .map_err(Into::into);
    }
    let (seeds, time) = asked()?;
    let (begin, mut worlds) = (Instant::now(), 0);
    for seed in seeds {
        if begin.elapsed() > time {
            break;
        }
        let plan = Plan::random(seed);
        // One world of eight is lived twice, and must be the same.
        let outcome = life::live(&plan, None).and_then(|first| match seed % 8 {
            0 if life::live(&plan, None)? != first => Err("the same seed gave another world".to_owned()),
            _ => Ok(()),
        });
        if let Err(why) = outcome {
            return Err(shrink::report(&plan, &why)?.into());
        }
        worlds += 1;
    }
    // Whoever runs it for hours wants to know how many worlds that was.
    eprintln!("{worlds} worlds healed");
    assert!(worlds > 0, "not a single world was done in time");
    Ok(())
}

/// Worlds that once did not come to their end, as small as they could be made. The first line of each says why.
#[test]
fn worlds_that_failed_once_heal() -> Outcome {
    let worlds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/swarm/worlds");
    for entry in std::fs::read_dir(&worlds)? {
        let path = entry?.path();
        let plan = Plan::read(&std::fs::read_to_string(&path)?)?;
        life::live(&plan, None).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    Ok(())
}

#[test]
fn a_world_is_read_as_it_was_written() -> Outcome {
    for seed in 0..200 {
        let plan = Plan::random(seed);
        assert_eq!(Plan::read(&plan.text()?)?, plan);
    }
    Ok(())
}

#[test]
fn what_a_world_sets_has_a_name_that_is_known() {
    let world = include_str!("swarm/worlds/cookie-and-then-room.toml");
    for (known, unknown) in [("max_half_open", "most_half_open"), ("[hosts.options]", "[hosts.options]\nnagle = 1")] {
        assert!(world.contains(known));
        assert!(Plan::read(&world.replacen(known, unknown, 1)).is_err_and(|why| why.contains("there is no option")));
    }
}

#[test]
fn a_world_that_fails_becomes_small() -> Outcome {
    let plan = Plan::random(3);
    // Whatever has loss fails: what is left is the loss alone.
    let is_bad = |plan: &Plan| plan.links.iter().any(|link| link.faults.iter().any(plan::Fault::is_lossy));
    let plan = (3..).map(Plan::random).find(is_bad).unwrap_or(plan);
    let small = shrink::shrink(&plan, |plan| is_bad(plan).then(|| "lossy".to_owned()));
    assert!(is_bad(&small));
    assert_eq!(small.flows.len(), 0);
    assert_eq!(small.links.iter().map(|link| link.faults.len()).sum::<usize>(), 1);
    Ok(())
}
