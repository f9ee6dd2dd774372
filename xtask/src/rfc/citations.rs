//! Pages that cite tests: `` [`name`](../path.rs) `` in them must be a test of that file, and where the page promises a test
//! for each of its entries, each entry must have one.

use std::path::Path;

use super::sources::Sources;

/// The pages that cite tests, and whether each entry (a `###` heading) must.
const PAGES: &[(&str, bool)] = &[("docs/past-bugs.md", true), ("docs/differences.md", false)];

/// What is wrong in the pages that are there.
pub(super) fn wrong(root: &Path, sources: &Sources) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    for (page, each) in PAGES {
        let path = root.join(page);
        if !path.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {page}: {error}"))?;
        wrong.extend(wrong_in(page, &text, *each, sources));
    }
    Ok(wrong)
}

pub(super) fn wrong_in(page: &str, text: &str, each: bool, sources: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut sections = text.split("\n### ");
    let _introduction = sections.next();
    for section in sections {
        let heading = section.lines().next().unwrap_or_default();
        if each && cited(section).next().is_none() {
            wrong.push(format!("{page}, {heading:?}: cites no test"));
        }
    }
    for (name, file) in cited(text).filter(|(name, file)| !sources.has(file, name)) {
        wrong.push(format!("{page}: there is no test {name} in {file}"));
    }
    wrong
}

/// The names and files of all cited tests.
fn cited(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](../")?;
        let (file, _) = rest.split_once(')')?;
        let is_test = (file.ends_with(".rs") || file.ends_with(".pkt")) && !name.contains(['`', '/', '\n']);
        is_test.then_some((name, file))
    })
}
