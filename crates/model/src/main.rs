//! The model checker as a command: explores, replays, and writes `docs/model.md`. `cargo xtask model` runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to the person who started it")]

use std::process::ExitCode;
use std::time::Duration;

use bowline_model::diagram::draw;
use bowline_model::explore::{Finding, Limits, Outcome};
use bowline_model::report;
use bowline_model::scenario::{Scenario, scenarios};

const HELP: &str = "\
Explores two endpoints and the network between them, every order of events to a bound.

Usage: cargo xtask model [OPTIONS] [SCENARIO]...

  SCENARIO        only these; without one, all
  --more N        raise every bound by N: calls, time-outs, duplicates, segments of old
  --depth N       stop at so many choices in a row
  --minutes M     stop each scenario after this long
  --states N      stop each scenario at so many states (default: 200,000,000; about 60 bytes each)
  --endings N     lead one of so many states to its end on a kind network (default: 1, every one)
  --twins         go on from all sides that count as one, not from the first of them only, and compare
  --threads N     scenarios at a time (default: 2)
  --write         write docs/model.md
  --replay WAY    draw a way that a finding named, as SCENARIO/CHOICE,CHOICE,…
";

struct Options {
    only: Vec<String>,
    limits: Limits,
    more: u8,
    threads: usize,
    write: bool,
    replay: Option<String>,
}

fn parse(args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options =
        Options { only: Vec::new(), limits: Limits::default(), more: 0, threads: 2, write: false, replay: None };
    let mut args = args;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<usize>().map_err(|_| format!("{text:?} is no number"));
        match arg.as_str() {
            "--more" => options.more = number(value()?)?.try_into().map_err(|_| "at most 255 more".to_owned())?,
            "--depth" => options.limits.depth = number(value()?)?,
            "--minutes" => options.limits.time = Duration::from_secs(60 * number(value()?)? as u64),
            "--states" => options.limits.states = number(value()?)?.min(u32::MAX as usize - 1),
            "--endings" => options.limits.endings = number(value()?)?.max(1),
            "--twins" => options.limits.twins = true,
            "--threads" => options.threads = number(value()?)?,
            "--write" => options.write = true,
            "--replay" => options.replay = Some(value()?),
            "--help" | "-h" => return Err(String::new()),
            name if name.starts_with('-') => return Err(format!("there is no option {name}")),
            name => options.only.push(name.to_owned()),
        }
    }
    Ok(options)
}

fn chosen(only: &[String], more: u8) -> Result<Vec<Scenario>, String> {
    let all = scenarios();
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|scenario| scenario.name != name.as_str())) {
        let names: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        return Err(format!("no scenario is called {unknown:?}; there are {}", names.join(", ")));
    }
    let is_chosen = |scenario: &Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(all.into_iter().filter(is_chosen).map(|scenario| scenario.raised(more)).collect())
}

fn replay(way: &str, more: u8) -> Result<(), String> {
    let (name, way) = way.split_once('/').ok_or("a way is SCENARIO/CHOICE,CHOICE,…")?;
    let scenario = chosen(&[name.to_owned()], more)?.pop().ok_or("no such scenario")?;
    let way = way.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    print!("{}", draw(&scenario, &Finding { what: String::new(), way })?);
    Ok(())
}

fn explore(options: &Options) -> Result<(), String> {
    let scenarios = chosen(&options.only, options.more)?;
    let show = |outcome: &Outcome| {
        println!("{}", report::line(outcome));
        if let Some(finding) = &outcome.finding {
            println!("\n{}\n\n{}", finding.what, draw(&outcome.scenario, finding).unwrap_or_else(|error| error));
        }
    };
    let outcomes = report::explore_all(&scenarios, options.limits, options.threads, show);
    let wrong = outcomes.iter().filter(|outcome| outcome.finding.is_some()).count();
    let missing = report::missing(&outcomes);
    if options.only.is_empty() {
        for arrow in &missing {
            println!("nothing takes {} by {:?} to {}", arrow.from, arrow.cause, arrow.to);
        }
    }
    if options.write {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/model.md");
        std::fs::write(path, report::page(&outcomes)).map_err(|error| format!("{path}: {error}"))?;
    }
    match (wrong, missing.len()) {
        (0, n) if n == 0 || !options.only.is_empty() => Ok(()),
        (0, n) => Err(format!("{n} arrows are not taken")),
        (n, _) => Err(format!("{n} scenarios went wrong")),
    }
}

fn main() -> ExitCode {
    // A panic inside an endpoint is a finding, and shown as one.
    std::panic::set_hook(Box::new(|_| {}));
    let result = parse(std::env::args().skip(1)).and_then(|options| match &options.replay {
        Some(way) => replay(way, options.more),
        None => explore(&options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) if message.is_empty() => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("model: {message}");
            ExitCode::FAILURE
        }
    }
}
