//! The statements of the rooms, each left out: cargo-mutants replaces values and operators, and what is done for its effect alone
//! would stay whole.
//!
//! What a statement is, is told by the layout that rustfmt gives: it begins its line, what came before has ended, and it ends
//! with a semicolon. Bindings stay (nothing would compile), and so do blocks, whose conditions and parts are broken by themselves.

use std::collections::BTreeMap;
use std::fs;

use super::{Place, Span, Variant};
use crate::step;

/// What of a name tells these variants from others.
pub(super) const DEED: &str = "leave out ";

/// Beginnings of what is no statement, or none that can be left out.
const OTHERS: [&str; 11] = ["//", "#", "let ", "if ", "match ", "for ", "while ", "loop ", "use ", "const ", "}"];

/// A variant for each statement in the functions of those that are `listed`.
pub(super) fn variants(listed: &[Variant]) -> Result<Vec<Variant>, String> {
    let mut functions = BTreeMap::new();
    for variant in listed {
        let Some(function) = &variant.function else { continue };
        functions.entry((&*variant.file, function.span.start.line)).or_insert(variant);
    }
    let mut texts = BTreeMap::new();
    let mut variants = Vec::new();
    for ((file, _), variant) in functions {
        if !texts.contains_key(file) {
            let text = fs::read_to_string(step::root().join(file)).map_err(|error| format!("{file}: {error}"))?;
            texts.insert(file, text);
        }
        variants.extend(texts.get(file).into_iter().flat_map(|text| of_function(text, variant)));
    }
    Ok(variants)
}

/// Those of one function, which `like` is a variant of.
fn of_function(text: &str, like: &Variant) -> Vec<Variant> {
    let Some(function) = &like.function else { return Vec::new() };
    let lines: Vec<&str> = text.lines().take(function.span.end.line).collect();
    let (file, name) = (&like.file, &function.function_name);
    let variant = |line: usize| {
        let begins = lines.get(..line)?.iter().rev().map(|line| line.trim()).find(|line| !line.starts_with("//"))?;
        let indent = lines.get(line)?.len() - lines.get(line)?.trim_start().len();
        let (end, statement) = statement(lines.get(line..)?).filter(|_| begins.ends_with(['{', '}', ';']))?;
        let (start, end) = ((line + 1, indent + 1), (line + 1 + end.0, end.1 + 1));
        let place = |(line, column)| Place { line, column };
        Some(Variant {
            file: file.clone(),
            name: format!("{file}:{}:{}: {DEED}{statement} in {name}", start.0, start.1),
            function: Some(function.clone()),
            span: Span { start: place(start), end: place(end) },
            replacement: "{}".to_owned(),
        })
    };
    (function.span.start.line..function.span.end.line).filter_map(variant).collect()
}

/// The statement that begins with the first of these lines: in which line it ends and before which column, from zero, and its text.
fn statement(lines: &[&str]) -> Option<((usize, usize), String)> {
    let first = lines.first()?.trim_start();
    if first.is_empty() || OTHERS.iter().any(|other| first.starts_with(other)) {
        return None;
    }
    let (mut depth, mut text) = (0_u32, String::new());
    for (number, line) in lines.iter().enumerate() {
        for (column, byte) in line.bytes().enumerate() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
                b';' if depth == 0 => {
                    text.push_str(line.get(..column)?.trim_start());
                    return Some(((number, column + 1), text));
                }
                _ => {}
            }
        }
        text.push_str(line.trim_start());
        text.push(' ');
    }
    None
}

#[cfg(test)]
mod tests;
