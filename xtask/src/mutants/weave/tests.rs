//! A woven file keeps what it was, and has each variant where it says.

use super::super::Function;
use super::*;

const SOURCE: &str = "\
/// Doubles — as it says.
pub const fn twice(n: [u32; 1]) -> u32 {
    n[0] * 2
}
fn other() {}
";

fn place(line: usize, column: usize) -> Place {
    Place { line, column }
}

fn variant(replacement: &str, span: Span) -> Variant {
    let span_of_all = Span { start: place(2, 1), end: place(4, 2) };
    let function = Function { function_name: "twice".to_owned(), return_type: "-> u32".to_owned(), span: span_of_all };
    let name = format!("a.rs: {replacement}");
    Variant { file: "a.rs".to_owned(), name, function: Some(function), span, replacement: replacement.to_owned() }
}

#[test]
fn a_function_becomes_a_choice_of_its_variants() {
    let plus = variant("+", Span { start: place(3, 10), end: place(3, 11) });
    let one = variant("1", Span { start: place(3, 5), end: place(3, 13) });
    let mut lines = Vec::new();
    let woven = weave_file(SOURCE, &[(7, &plus), (9, &one)], &mut lines);
    assert_eq!(
        woven,
        "/// Doubles — as it says.\npub fn twice(n: [u32; 1]) -> u32 { match crate::mutant() {\n\
         7 => {\n    n[0] + 2\n}\n9 => {\n    1\n}\n_ => {\n    n[0] * 2\n} } }\nfn other() {}\n"
    );
    assert_eq!(lines, [(3..6, 7), (6..9, 9)]);
}

#[test]
fn an_arrow_breaks_on_the_line_where_it_is_looked_up() {
    let variants = arrows::variants().unwrap();
    assert_eq!(variants.len(), 2 * bowline_tcp::state::TRANSITIONS.len());
    let text = "pub const fn next() {\n    match (from, cause) {\n";
    let woven = arrows::weave(text, &[(3, &variants[0]), (4, &variants[1])]);
    assert!(
        woven.starts_with("pub fn next() {\n    match (crate::mutant(), from, cause) { (3, State::Closed, "),
        "{woven}"
    );
    assert!(woven.contains("=> return None,") && woven.contains("=> return Some(State::Closed),"), "{woven}");
    assert_eq!(woven.lines().count(), text.lines().count());
}

#[test]
fn a_file_whose_variants_have_all_died_is_whole_again() {
    let tree = std::env::temp_dir().join(format!("bowline-weave-{}", std::process::id()));
    fs::create_dir_all(tree.join("crates/tcp/src")).unwrap();
    let sources = [("a.rs", SOURCE), (CRATE.0, CRATE.1)].map(|(file, text)| (file.to_owned(), text.to_owned()));
    let sources = Sources(BTreeMap::from(sources));
    let one = [variant("1", Span { start: place(3, 5), end: place(3, 13) })];
    let woven = weave(&sources, &tree, &one, &BTreeSet::new()).unwrap();
    assert_eq!(woven.numbers(), [1]);
    assert_ne!(fs::read_to_string(tree.join("a.rs")).unwrap(), SOURCE);
    let woven = weave(&sources, &tree, &one, &BTreeSet::from([1])).unwrap();
    assert!(woven.numbers().is_empty());
    assert_eq!(fs::read_to_string(tree.join("a.rs")).unwrap(), SOURCE);
    fs::remove_dir_all(&tree).unwrap();
}
