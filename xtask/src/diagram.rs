//! The state diagram in `docs/states.md`, drawn from the table that the code runs on.
//!
//! Decides only how it looks; which arrows there are is decided by `bowline_tcp::state`.

use std::fmt::Write as _;

use bowline_tcp::state::{Cause, STATES, State, TRANSITIONS, Transition};

use crate::step;

const FILE: &str = "docs/states.md";

const HEAD: &str = "\
# The states of a connection

Drawn by `cargo xtask diagram` from the transition table in `crates/tcp/src/state.rs`, which is the only thing that moves a
connection from one state to another. `cargo xtask ci` fails when this page and the table differ.

The arrows are those of RFC 9293 figure 5, and the reuse of TIME-WAIT (RFC 6191).
";

const EARLY: &str = "\
## Early ends

Not drawn above: a reset, an abort or a timer ends a connection at once. Where a cell is empty there is no such arrow.

| in | reset | abort | timer |
|---|---|---|---|
";

/// Writes the page.
pub(crate) fn write() -> Result<(), String> {
    let path = step::root().join(FILE);
    std::fs::write(&path, page()?).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("wrote {FILE}");
    Ok(())
}

/// Checks that the page is what [`write()`] would write.
pub(crate) fn check() -> Result<(), String> {
    let path = step::root().join(FILE);
    let found = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if found == page()? {
        println!("{FILE} shows the table");
        Ok(())
    } else {
        Err(format!("{FILE} does not show the table any more: run `cargo xtask diagram`"))
    }
}

fn page() -> Result<String, String> {
    let mut page = String::from(HEAD);
    draw(&mut page).map_err(|error| error.to_string())?;
    Ok(page)
}

fn draw(page: &mut String) -> std::fmt::Result {
    page.push_str("\n```mermaid\nstateDiagram-v2\n");
    for state in STATES {
        writeln!(page, "    state \"{state}\" as {state:?}")?;
    }
    for arrow in TRANSITIONS.iter().filter(|arrow| !is_early_end(arrow)) {
        writeln!(page, "    {:?} --> {:?}: {}", arrow.from, arrow.to, label(arrow))?;
    }
    writeln!(page, "```\n\n{}", EARLY.trim_end())?;
    for state in STATES {
        let ends = |cause| {
            let arrow = TRANSITIONS.iter().find(|arrow| arrow.from == state && arrow.cause == cause);
            arrow.filter(|arrow| is_early_end(arrow)).map(|arrow| arrow.to.to_string()).unwrap_or_default()
        };
        let (reset, abort, timer) = (ends(Cause::Reset), ends(Cause::Abort), ends(Cause::Timeout));
        if [&reset, &abort, &timer].iter().any(|cell| !cell.is_empty()) {
            writeln!(page, "| {state} | {reset} | {abort} | {timer} |")?;
        }
    }
    Ok(())
}

/// Whether an arrow leads to CLOSED out of order. The end of TIME-WAIT is in order.
fn is_early_end(arrow: &Transition) -> bool {
    let in_order = arrow.from == State::TimeWait && arrow.cause == Cause::Timeout;
    arrow.to == State::Closed && matches!(arrow.cause, Cause::Reset | Cause::Abort | Cause::Timeout) && !in_order
}

fn label(arrow: &Transition) -> &'static str {
    match arrow.cause {
        Cause::Close if arrow.to == State::Closed => "close",
        Cause::PassiveOpen => "passive open",
        Cause::ActiveOpen => "active open / SYN",
        Cause::Syn => "SYN / SYN, ACK",
        Cause::SynAck => "SYN, ACK / ACK",
        Cause::AckOfSyn => "ACK of SYN",
        Cause::Fin => "FIN / ACK",
        Cause::AckOfFin => "ACK of FIN",
        Cause::FinAndAckOfFin => "FIN, ACK of FIN / ACK",
        Cause::Close => "close / FIN",
        Cause::Abort => "abort / RST",
        Cause::Reset => "RST",
        Cause::ResetPassive => "RST after a passive open",
        Cause::Timeout => "timer",
    }
}

#[cfg(test)]
mod tests {
    use super::{STATES, TRANSITIONS, is_early_end, page};

    #[test]
    fn every_arrow_and_every_state_is_on_the_page() {
        let page = page().unwrap();
        let drawn = page.lines().filter(|line| line.contains(" --> ")).count();
        let cells: usize = page
            .lines()
            .skip_while(|line| !line.starts_with("|---"))
            .skip(1)
            .map(|line| line.split('|').skip(2).filter(|cell| !cell.trim().is_empty()).count())
            .sum();
        assert_eq!(drawn + cells, TRANSITIONS.len());
        assert_eq!(cells, TRANSITIONS.iter().filter(|arrow| is_early_end(arrow)).count());
        assert!(STATES.iter().all(|state| page.contains(&format!("state \"{state}\" as {state:?}"))));
    }
}
