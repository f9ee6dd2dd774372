//! A way through the world as a sequence diagram: what was chosen, what came of it, and what was wrong at its end.

use std::fmt::Write;

use bowline_wire::tcp::TcpFlags;

use crate::Side;
use crate::explore::{Finding, Replay, replay};
use crate::host::Input;
use crate::scenario::Scenario;
use crate::segment::Segment;
use crate::world::{Choice, State, World};

/// The initial numbers of both sides, as far as they were seen.
type Begins = [u32; 2];

/// A finding as a diagram with the command that shows it again.
///
/// # Errors
/// If the way does not exist.
pub fn draw(scenario: &Scenario, finding: &Finding) -> Result<String, String> {
    let Replay { world, way, wrong } = replay(scenario, &finding.way)?;
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}\n", scenario.name, scenario.about);
    let _ = writeln!(out, "  {:<14} {:<52} {:<14}", "A", "", "B");
    let mut begins = [0, 0];
    for (number, (state, choice)) in way.iter().enumerate() {
        row(&mut out, &world, state, *choice, number + 1, &mut begins);
    }
    let _ = writeln!(out, "\n{}\n", wrong.as_deref().unwrap_or("nothing is wrong on this way"));
    let _ = writeln!(out, "again: cargo xtask model --replay {}", name(scenario, &finding.way));
    Ok(out)
}

/// What `--replay` takes: `transfer/a:connect,b:listen,3fa2c1`.
#[must_use]
pub fn name(scenario: &Scenario, way: &[String]) -> String {
    format!("{}/{}", scenario.name, way.join(","))
}

fn row(out: &mut String, world: &World, state: &State, choice: Choice, number: usize, begins: &mut Begins) {
    let (side, what) = match choice {
        Choice::Call(side, call) => (side, format!("{call:?}").to_lowercase()),
        Choice::Deliver(name) | Choice::Duplicate(name) | Choice::Stray(name) => {
            let Some(segment) = world.segment(name) else { return };
            let how = match choice {
                Choice::Duplicate(_) => "arrives, and may once more",
                Choice::Stray(_) => "of old arrives",
                _ => "arrives",
            };
            (segment.to, format!("{} {how}", describe(segment, begins)))
        }
    };
    let input = match choice {
        Choice::Call(_, call) => Input::Call(call),
        Choice::Deliver(name) | Choice::Duplicate(name) | Choice::Stray(name) => match world.segment(name) {
            Some(segment) => Input::Segment(segment),
            None => return,
        },
    };
    let text = if side == Side::A { format!("{what:<52}") } else { format!("{what:>52}") };
    let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.host(state, side).step(input)));
    let mut states = Side::BOTH.map(|side| world.host(state, side).state().to_string());
    let mut sent = Vec::new();
    if let Ok(Ok((after, step))) = stepped {
        states[side as usize] = after.state().to_string();
        sent = step.sent;
    }
    let _ = writeln!(out, "{number:>3}  {:<14}{text} {:<14}", states[0], states[1]);
    for segment in sent {
        if segment.has(TcpFlags::SYN) {
            begins[side as usize] = segment.header.seq.0;
        }
        let text = describe(&segment, begins);
        let line = if side == Side::A {
            format!("──── {text} ───►")
        } else {
            format!("◄─── {text} ────")
        };
        let _ = writeln!(out, "     {:<14}{line:^52}", "");
    }
}

fn describe(segment: &Segment, begins: &Begins) -> String {
    let (from, to) = (segment.to.other() as usize, segment.to as usize);
    segment.describe(begins[from], begins[to])
}
