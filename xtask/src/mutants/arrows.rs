//! The arrows of the table of transitions, each taken away and each led elsewhere.
//!
//! The table itself, which tests walk, stays whole: what breaks is the connection's looking up of its next state.

use bowline_tcp::state::{State, TRANSITIONS};

use super::{Place, Span, Variant};

/// The file with the table.
pub(super) const FILE: &str = "crates/tcp/src/state.rs";

/// Where a connection's next state is looked up.
const LOOK_UP: &str = "match (from, cause) {";

/// Two variants of each arrow.
pub(super) fn variants() -> Result<Vec<Variant>, String> {
    let nowhere = Place { line: 1, column: 1 };
    let mut variants = Vec::new();
    for arrow in TRANSITIONS {
        let (from, cause) = (format!("{:?}", arrow.from), format!("{:?}", arrow.cause));
        let astray = if arrow.to == State::Closed { State::Listen } else { State::Closed };
        for (deed, answer) in [
            ("take away".to_owned(), "None".to_owned()),
            (format!("lead to {astray:?}"), format!("Some(State::{astray:?})")),
        ] {
            variants.push(Variant {
                file: FILE.to_owned(),
                name: format!("{FILE}: {deed} the arrow from {from} by {cause}"),
                function: None,
                span: Span { start: nowhere, end: nowhere },
                replacement: format!("State::{from}, Cause::{cause}) => return {answer},"),
            });
        }
    }
    Ok(variants)
}

/// Weaves them into the text of the file, without another line.
pub(super) fn weave(text: &str, variants: &[(usize, &Variant)]) -> String {
    let arrows = variants.iter().filter(|(_, variant)| variant.is_arrow());
    let arms: String = arrows.map(|(number, variant)| format!("({number}, {} ", variant.replacement)).collect();
    let choice = format!("match (crate::mutant(), from, cause) {{ {arms} _ => {{}} }} {LOOK_UP}");
    text.replacen(LOOK_UP, &choice, 1).replacen("const fn next", "fn next", 1)
}
