//! Which requirement is fulfilled where, and which test shows it: `docs/conformance.md`, from `docs/requirements.toml` and
//! the comments in the sources.
//!
//! Decides what counts: code names a requirement in a comment; a test names it in a comment or a message of its own; a
//! requirement without both needs a reason. Pages that cite tests by name cite tests that exist. What the requirements
//! mean is decided by the RFCs, and how they are worded by the table.

mod citations;
mod page;
mod sources;
mod table;

use crate::step;
use sources::Sources;
use table::Requirement;

const TABLE: &str = "docs/requirements.toml";
const PAGE: &str = "docs/conformance.md";

/// Writes the page. Fails, with all that is wrong, if a requirement is not accounted for.
pub(crate) fn write() -> Result<(), String> {
    let (page, summary) = look()?;
    let path = step::root().join(PAGE);
    std::fs::write(&path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("wrote {PAGE}: {summary}");
    Ok(())
}

/// Checks that everything is accounted for, and that the page is what [`write()`] would write.
pub(crate) fn check() -> Result<(), String> {
    let (page, summary) = look()?;
    let path = step::root().join(PAGE);
    let found = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if found == page {
        println!("{PAGE} is current: {summary}");
        Ok(())
    } else {
        Err(format!("{PAGE} is not what the sources say any more: run `cargo xtask rfc`"))
    }
}

/// The page, and its first line.
fn look() -> Result<(String, String), String> {
    let root = step::root();
    let text = std::fs::read_to_string(root.join(TABLE)).map_err(|error| format!("cannot read {TABLE}: {error}"))?;
    let requirements = table::parse(&text)?;
    let sources = Sources::read(&root)?;
    let mut wrong = unaccounted(&requirements, &sources);
    wrong.extend(citations::wrong(&root, &sources)?);
    if wrong.is_empty() {
        Ok((page::page(&requirements, &sources), page::summary(&requirements)))
    } else {
        Err(format!("{} thing(s) to put right:\n  {}", wrong.len(), wrong.join("\n  ")))
    }
}

/// What is wrong between the table and the sources.
fn unaccounted(requirements: &[Requirement], sources: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    for requirement in requirements {
        let id = &requirement.id;
        let (code, tests) = (sources.code(id), sources.tests(id));
        match &requirement.why_not {
            None if code.is_empty() => {
                wrong.push(format!("{id}: no comment in the code names it, and no reason is given"));
            }
            None if tests.is_empty() => wrong.push(format!("{id}: no test names it, and no reason is given")),
            Some(_) if !code.is_empty() && !tests.is_empty() => {
                wrong.push(format!("{id}: has code and a test, and a reason why not"));
            }
            _ => {}
        }
    }
    let known = |id: &str| requirements.iter().any(|requirement| requirement.id == id);
    for (id, file) in sources.ids().filter(|(id, _)| !known(id)) {
        wrong.push(format!("{file} names {id}, which {TABLE} does not have"));
    }
    wrong
}

#[cfg(test)]
mod tests;
