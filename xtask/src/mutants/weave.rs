//! All variants of the code in one: each function that can be broken becomes a choice between its variants.
//!
//! It decides the text of the woven files, and knows afterwards which variant a line is of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use super::{Place, Span, Variant, arrows};

/// The variable that chooses a variant by its number; without it, the code is whole.
pub(super) const CHOICE: &str = "BOWLINE_MUTANT";

const CHOOSER: &str = "
extern crate std;
/// The variant that the environment chooses.
pub(crate) fn mutant() -> usize {
    static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var(\"BOWLINE_MUTANT\").ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}
";

/// The file of the chooser, and the line that it follows.
const CRATE: (&str, &str) = ("crates/tcp/src/lib.rs", "extern crate alloc;");

/// Which variants were woven in, and where.
#[derive(Default)]
pub(super) struct Woven {
    /// By file: the lines of each variant, and its number.
    lines: BTreeMap<String, Vec<(Range<usize>, usize)>>,
    /// The arrows, which all lie on lines that compile.
    arrows: Vec<usize>,
}

impl Woven {
    /// The variant that this line is of; lines count from one.
    pub(super) fn at(&self, file: &str, line: usize) -> Option<usize> {
        let places = self.lines.get(file)?;
        places.iter().find(|(lines, _)| lines.contains(&line)).map(|(_, number)| *number)
    }

    /// The variants, in order. They count from one.
    pub(super) fn numbers(&self) -> Vec<usize> {
        let lines = self.lines.values().flatten().map(|(_, number)| *number);
        lines.chain(self.arrows.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The files to be woven as they are, by name.
pub(super) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads them below `root`: once, since whoever waits for a campaign may go on with the sources.
    pub(super) fn read(root: &Path, variants: &[Variant]) -> Result<Self, String> {
        let files: BTreeSet<&str> = variants.iter().map(|variant| &*variant.file).chain([CRATE.0]).collect();
        let read = |file: &str| {
            let text = fs::read_to_string(root.join(file)).map_err(|error| format!("cannot read {file}: {error}"))?;
            Ok((file.to_owned(), text))
        };
        files.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Writes the woven files into `tree`, without the variants in `dead`.
pub(super) fn weave(
    Sources(sources): &Sources,
    tree: &Path,
    variants: &[Variant],
    dead: &BTreeSet<usize>,
) -> Result<Woven, String> {
    let read = |file: &str| sources.get(file).map_or("", String::as_str);
    let write = |file: &str, text: &str| {
        fs::write(tree.join(file), text).map_err(|error| format!("cannot write {file}: {error}"))
    };
    // A file whose last variant has died is whole again.
    let mut by_file: BTreeMap<&str, Vec<(usize, &Variant)>> =
        sources.keys().map(|file| (&**file, Vec::new())).collect();
    for (number, variant) in (1..).zip(variants).filter(|(number, _)| !dead.contains(number)) {
        by_file.entry(&variant.file).or_default().push((number, variant));
    }
    let mut woven = Woven::default();
    for (file, variants) in by_file {
        let mut lines = Vec::new();
        let mut text = weave_file(read(file), &variants, &mut lines);
        if variants.iter().any(|(_, variant)| variant.is_arrow()) {
            text = arrows::weave(&text, &variants);
            woven.arrows.extend(variants.iter().filter(|(_, variant)| variant.is_arrow()).map(|(number, _)| *number));
        }
        write(file, &text)?;
        woven.lines.insert(file.to_owned(), lines);
    }
    let (file, after) = CRATE;
    write(file, &read(file).replacen(after, &format!("{after}{CHOOSER}"), 1))?;
    Ok(woven)
}

/// The text of a file with its functions as choices; where each variant lies is added to `lines`.
fn weave_file(source: &str, variants: &[(usize, &Variant)], lines: &mut Vec<(Range<usize>, usize)>) -> String {
    let starts: Vec<usize> = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |place: Place| {
        let start = starts.get(place.line - 1).copied().unwrap_or(source.len());
        let line = &source[start..];
        start + line.char_indices().nth(place.column - 1).map_or(line.len(), |(at, _)| at)
    };
    let range = |span: Span| offset(span.start)..offset(span.end);
    let mut functions: BTreeMap<usize, Vec<(usize, &Variant)>> = BTreeMap::new();
    for &(number, variant) in variants {
        // An iterator of each variant would be of a type of its own.
        let Some(function) = variant.function.as_ref().filter(|it| !it.return_type.contains("impl ")) else { continue };
        functions.entry(offset(function.span.end)).or_default().push((number, variant));
    }
    let (mut out, mut at) = (String::new(), 0);
    for variants in functions.into_values() {
        let function = variants.first().and_then(|(_, variant)| variant.function.as_ref());
        let body = function.and_then(|function| body(source, &range(function.span)));
        let Some(body) = body.filter(|body| body.start >= at) else { continue };
        // A choice cannot be made before run time.
        out.push_str(&source[at..body.start].replace("const fn", "fn"));
        out.push_str("{ match crate::mutant() {\n");
        for (number, variant) in variants {
            let (replaced, replacement) = (range(variant.span), &variant.replacement);
            if replaced.start < body.start || replaced.end > body.end {
                continue;
            }
            let first = out.matches('\n').count() + 1;
            let (before, after) = (&source[body.start..replaced.start], &source[replaced.end..body.end]);
            out.push_str(&format!("{number} => {before}{replacement}{after}\n"));
            lines.push((first..out.matches('\n').count() + 1, number));
        }
        out.push_str(&format!("_ => {} }} }}", &source[body.clone()]));
        at = body.end;
    }
    out.push_str(&source[at..]);
    out
}

/// A function's body with its braces.
fn body(source: &str, function: &Range<usize>) -> Option<Range<usize>> {
    let mut depth = 0;
    let signature = function.start + source.get(function.clone())?.find("fn ")?;
    for (at, byte) in source.bytes().enumerate().take(function.end).skip(signature) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at..function.end),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
