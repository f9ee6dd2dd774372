//! A grid of variations of one scenario, run in parallel to a table: one row for each flow of each run.
//!
//! It decides what the points of the grid are and the order of rows, which is that of the grid, however the runs end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use toml::{Table, Value};

use super::ScenarioError;
use super::model::Scenario;
use super::report::Report;
use super::run::Settings;

mod table;

pub use table::{Column, Rows};

/// One thing that varies: where it stands in the scenario, and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The way to it: `seed`, `link.0.loss`, `hosts.alice.congestion`.
    pub path: String,
    /// Its values, in their order.
    pub values: Vec<Value>,
}

/// The most points that a grid may have.
const POINTS: usize = 100_000;

impl std::str::FromStr for Axis {
    type Err = String;

    /// Reads `seed=1..5` or `link.0.loss=0%,1%,3%`. A range of whole numbers includes its end.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is nothing to sweep, for example seed=1..5 or link.0.loss=0%,1%,3%");
        let (path, values) = text.split_once('=').ok_or_else(wrong)?;
        let range = values.split_once("..").and_then(|(first, last)| {
            Some((first.trim().parse::<i64>().ok()?, last.trim_start_matches('=').trim().parse::<i64>().ok()?))
        });
        let values: Vec<Value> = match range {
            Some((first, last)) if last >= first && last - first < POINTS as i64 => {
                (first..=last).map(Value::Integer).collect()
            }
            Some(_) => return Err(wrong()),
            None => values.split(',').map(|value| scalar(value.trim())).collect(),
        };
        let path = path.trim();
        if path.is_empty() || values.is_empty() {
            return Err(wrong());
        }
        Ok(Self { path: path.to_owned(), values })
    }
}

/// A number, a truth value, or text.
fn scalar(text: &str) -> Value {
    let number = text.parse().map(Value::Integer);
    number.or_else(|_| text.parse().map(Value::Boolean)).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// One point of a grid: the value of each axis, and what came of it.
#[derive(Clone, Debug)]
pub struct Point {
    /// The values, in the order of the axes.
    pub values: Vec<Value>,
    /// The report.
    pub report: Report,
}

/// Runs `scenario` at each point of the grid, `jobs` at a time, and tells `done` how many of how many are.
///
/// # Errors
/// An axis leads nowhere, a variation is no scenario, or the first run that failed.
pub fn sweep(
    scenario: &Table,
    axes: &[Axis],
    jobs: usize,
    done: &(impl Fn(usize, usize) + Sync),
) -> Result<Vec<Point>, ScenarioError> {
    let grid = grid(axes)?;
    // All variations are read before the first is run: nobody waits an hour for a misspelt word.
    let scenarios: Vec<Scenario> =
        grid.iter().map(|values| vary(scenario, axes, values)).collect::<Result<_, ScenarioError>>()?;
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let reports: Mutex<Vec<Option<Result<Report, ScenarioError>>>> =
        Mutex::new(scenarios.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, scenarios.len().max(1)) {
            scope.spawn(|| {
                while let Some((place, scenario)) = take(&next, &scenarios) {
                    let report = scenario.run(&Settings::default());
                    if report.is_err() {
                        next.store(scenarios.len(), Ordering::Relaxed); // the others need not begin
                    }
                    if let Some(slot) = reports.lock().get_mut(place) {
                        *slot = Some(report);
                    }
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1, scenarios.len());
                }
            });
        }
    });
    let mut points = Vec::new();
    for (values, report) in grid.into_iter().zip(reports.into_inner()) {
        if let Some(report) = report {
            points.push(Point { values, report: report? });
        }
    }
    Ok(points)
}

fn take<'a>(next: &AtomicUsize, scenarios: &'a [Scenario]) -> Option<(usize, &'a Scenario)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, scenarios.get(place)?))
}

/// All combinations; the last axis varies fastest.
fn grid(axes: &[Axis]) -> Result<Vec<Vec<Value>>, ScenarioError> {
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    if count.is_none_or(|count| count > POINTS) {
        return Err(ScenarioError::Text(format!("the grid has more than {POINTS} points: sweep less")));
    }
    Ok(axes.iter().fold(vec![Vec::new()], |points, axis| {
        let longer = |point: Vec<Value>| {
            axis.values.iter().map(move |value| point.iter().cloned().chain([value.clone()]).collect::<Vec<Value>>())
        };
        points.into_iter().flat_map(longer).collect()
    }))
}

/// The scenario with these values in place.
fn vary(scenario: &Table, axes: &[Axis], values: &[Value]) -> Result<Scenario, ScenarioError> {
    let mut table = scenario.clone();
    for (axis, value) in axes.iter().zip(values) {
        set(&mut table, &axis.path, value.clone())?;
    }
    Scenario::from_table(table)
}

/// Sets what stands at a path: names lead into tables, numbers into lists. What is missing at its end is added.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), ScenarioError> {
    let nowhere = || ScenarioError::Text(format!("{path:?} leads nowhere in this scenario, for example link.0.loss"));
    let (parents, last) = path.rsplit_once('.').map_or(("", path), |(parents, last)| (parents, last));
    let mut at = table;
    let mut steps = parents.split('.').filter(|step| !step.is_empty());
    while let Some(step) = steps.next() {
        at = match at.get_mut(step).ok_or_else(nowhere)? {
            Value::Table(table) => table,
            Value::Array(list) => {
                let number: usize = steps.next().and_then(|step| step.parse().ok()).ok_or_else(nowhere)?;
                list.get_mut(number).and_then(Value::as_table_mut).ok_or_else(nowhere)?
            }
            _ => return Err(nowhere()),
        };
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

/// The points as a table.
#[must_use]
pub fn rows(axes: &[Axis], points: &[Point]) -> Rows {
    table::rows(axes, points)
}
