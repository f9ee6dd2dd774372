//! What the sources say: which ids their comments name, where, and which tests there are.
//!
//! A test is a function under an attribute whose path ends in `test`, also inside a macro such as `proptest!`; or a
//! script, `scripts/**/*.pkt`. It names an id anywhere between the comment above it and its last line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A test: its file, from the root of the repository, and its name. A script's name is that of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) file: String,
    pub(super) name: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Sources {
    tests: BTreeSet<Test>,
    code: BTreeMap<String, BTreeSet<String>>,
    shown: BTreeMap<String, BTreeSet<Test>>,
}

impl Sources {
    /// Reads the sources of all crates, and all scripts.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut sources = Self::default();
        for folder in ["crates", "scripts"] {
            let mut files = Vec::new();
            if root.join(folder).is_dir() {
                list(&root.join(folder), &mut files)?;
            }
            for path in files {
                let text = read(&path)?;
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                sources.add(&name, &text)?;
            }
        }
        Ok(sources)
    }

    /// Reads one file.
    pub(super) fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        if file.ends_with(".pkt") {
            let name = file.rsplit('/').next().unwrap_or(file).to_owned();
            let test = Test { file: file.to_owned(), name };
            self.show(&test, text.lines());
            return Ok(());
        }
        let lines: Vec<&str> = text.lines().collect();
        let stream: TokenStream = text.parse().map_err(|error| format!("{file}: {error}"))?;
        let mut functions = Vec::new();
        tests_in(stream, &mut functions);
        let mut covered = BTreeSet::new();
        for (name, range) in functions {
            let range = with_comment_above(&lines, range);
            let test = Test { file: file.to_owned(), name };
            self.show(&test, lines.iter().take(*range.end()).skip(range.start().saturating_sub(1)).copied());
            covered.extend(range);
        }
        if file.contains("/tests/") || file.ends_with("tests.rs") {
            return Ok(());
        }
        for (at, line) in lines.iter().enumerate() {
            if let Some((_, comment)) = line.split_once("//")
                && !covered.contains(&(at + 1))
            {
                for id in ids(comment) {
                    self.code.entry(id.to_owned()).or_default().insert(file.to_owned());
                }
            }
        }
        Ok(())
    }

    fn show<'a>(&mut self, test: &Test, lines: impl Iterator<Item = &'a str>) {
        for id in lines.flat_map(ids) {
            self.shown.entry(id.to_owned()).or_default().insert(test.clone());
        }
        self.tests.insert(test.clone());
    }

    /// The files whose code names `id`.
    pub(super) fn code(&self, id: &str) -> Vec<&str> {
        self.code.get(id).into_iter().flatten().map(String::as_str).collect()
    }

    /// The tests that name `id`.
    pub(super) fn tests(&self, id: &str) -> Vec<&Test> {
        self.shown.get(id).into_iter().flatten().collect()
    }

    /// Whether there is such a test.
    pub(super) fn has(&self, file: &str, name: &str) -> bool {
        self.tests.contains(&Test { file: file.to_owned(), name: name.to_owned() })
    }

    /// Every id that is named anywhere, with one file that does.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&str, &str)> {
        let code = self.code.iter().filter_map(|(id, files)| Some((id.as_str(), files.first()?.as_str())));
        let shown = self.shown.iter().filter_map(|(id, tests)| Some((id.as_str(), tests.first()?.file.as_str())));
        code.chain(shown)
    }
}

fn list(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "rs" || ext == "pkt") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Every test function of `stream` with its lines, attributes included.
fn tests_in(stream: TokenStream, found: &mut Vec<(String, RangeInclusive<usize>)>) {
    let mut attribute_at: Option<usize> = None;
    let mut name: Option<String> = None;
    let mut after_fn = false;
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Bracket && is_test_attribute(&group.stream()) =>
            {
                attribute_at.get_or_insert(line);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                match (attribute_at.take(), name.take()) {
                    (Some(first), Some(name)) => found.push((name, first..=group.span_close().end().line)),
                    _ => tests_in(group.stream(), found),
                }
            }
            TokenTree::Ident(ident) if ident == "fn" => after_fn = true,
            TokenTree::Ident(ident) if after_fn => {
                name = Some(ident.to_string());
                after_fn = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => (attribute_at, name) = (None, None),
            _ => {}
        }
    }
}

/// `test`, `tokio::test`, `tokio::test(flavor = …)`.
fn is_test_attribute(stream: &TokenStream) -> bool {
    let path = stream.clone().into_iter().take_while(|tree| match tree {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    });
    path.last().is_some_and(|last| last.to_string() == "test")
}

/// Lines count from one. What stands directly above an attribute belongs to it.
fn with_comment_above(lines: &[&str], range: RangeInclusive<usize>) -> RangeInclusive<usize> {
    let is_above = |line: &&&str| line.trim_start().starts_with("//") || line.trim_start().starts_with("#[");
    let above = lines.iter().take(range.start().saturating_sub(1)).rev().take_while(is_above).count();
    range.start().saturating_sub(above)..=*range.end()
}

/// Every id in a text.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.split(move |c| !is_part(c)).map(|word| word.trim_end_matches(['.', '-'])).filter(|word| is_id(word))
}

/// `MUST-12`, `SHLD-3`, `MAY-1`, `REC-1`, `RFC5961-3.2-1`.
pub(super) fn is_id(word: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = word.split('-');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match (second, third, parts.next()) {
        (Some(number), None, None) => matches!(first, "MUST" | "SHLD" | "MAY" | "REC") && is_number(number),
        (Some(section), Some(number), None) => {
            let rfc = first.strip_prefix("RFC").is_some_and(is_number);
            rfc && section.split('.').all(is_number) && is_number(number)
        }
        _ => false,
    }
}
