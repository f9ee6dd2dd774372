//! What `bowline bench`'s arguments come to.

use clap::Parser as _;

use super::{Part, Settings};
use crate::cli::{Cli, Verb};

fn resolve(words: &[&str]) -> Result<Settings, String> {
    let words = ["bowline", "bench"].iter().chain(words);
    match Cli::try_parse_from(words).map_err(|error| error.to_string())?.verb {
        Verb::Bench(args) => Settings::resolve(&args),
        verb => Err(format!("{verb:?}")),
    }
}

#[test]
fn without_a_word_everything_that_this_program_can_is_measured() {
    let settings = resolve(&[]).unwrap();
    assert_eq!(settings.parts, [Part::Memory, Part::Sim, Part::Tun, Part::Gateway]);
    assert_eq!((settings.quick, settings.runs, settings.only.as_str(), settings.json), (false, None, "", false));
}

#[test]
fn every_option_gets_where_it_counts() {
    let settings = resolve(&["tun", "--quick", "--runs", "7", "--only", "kernel", "--json"]).unwrap();
    assert_eq!(settings.parts, [Part::Tun]);
    assert_eq!((settings.quick, settings.runs, settings.only.as_str(), settings.json), (true, Some(7), "kernel", true));
}

#[test]
fn the_footprint_is_refused_with_the_command_that_has_it() {
    assert!(resolve(&["memory", "footprint"]).unwrap_err().contains("--bench footprint"));
}

#[test]
fn no_turn_at_all_is_a_mistake() {
    assert!(resolve(&["--runs", "0"]).is_err());
}

#[test]
fn a_path_is_as_it_was_asked_for() {
    let words =
        ["share", "--rtt", "20ms,100ms", "--queue", "0.5", "--rate", "8mbit", "--seconds", "30", "--controller", "bbr"];
    let path = resolve(&words).unwrap().path;
    assert_eq!((path.rtt, path.queue, path.seconds), (vec![20, 100], vec![0.5], Some(30)));
    assert_eq!(path.rate.map(bowline_device::units::Rate::bits_per_second), Some(8_000_000));
    assert_eq!((path.controller, path.against), (Some(super::path::Controller::Bbr), None));
}

#[test]
fn options_of_other_parts_are_refused() {
    assert!(resolve(&["loss", "--rtt", "100ms", "--controller", "bbr"]).is_ok());
    assert!(resolve(&["loss", "--queue", "1"]).unwrap_err().contains("bench share"));
    assert!(resolve(&["sim", "--seconds", "3"]).unwrap_err().contains("`bowline bench loss` and `share`"));
    assert!(resolve(&["loss", "--ours", "1"]).unwrap_err().contains("bench share"));
    assert!(resolve(&["share", "--ours", "0"]).is_ok());
    assert!(resolve(&["share", "--ours", "0", "--theirs", "0"]).unwrap_err().contains("no flow"));
    assert!(resolve(&["share", "--queue", "0"]).is_err() && resolve(&["share", "--rtt", "1.5ms"]).is_err());
}
