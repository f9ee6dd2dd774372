//! The page can be read again: what it lists is what a campaign of `--again` breaks.

use super::super::arrows;
use super::*;

#[test]
fn what_the_page_lists_is_known_without_its_place() {
    let known = known_as("connection/arrives/fin.rs:18:19: replace < with <= in Tcb::check_fin");
    assert_eq!(known.as_deref(), Some("connection/arrives/fin.rs: replace < with <= in Tcb::check_fin"));
}

#[test]
fn survivors_stand_on_the_page_and_the_model_checkers_catches_do_not() {
    let variants = arrows::variants().unwrap();
    let outcome = Outcome { survivors: [1].into(), by_model: [2, 3].into() };
    let report = Report::new(&variants[..4], &[1, 2, 3], &outcome, true).unwrap();
    assert_eq!((report.arrows, report.by_model, report.uncompiled), ((3, 2), [2, 0, 0], 1));
    let page = report.to_string();
    let names: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`')).collect();
    assert_eq!(names.iter().filter_map(|name| known_as(name)).collect::<Vec<_>>(), [variants[0].known_as()]);
    assert!(page.contains("notices 2 of the broken arrows and 0 of the places"), "{page}");
}
