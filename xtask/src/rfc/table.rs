//! `docs/requirements.toml`: each requirement with what it asks in our words, and why not where it is not met.

use serde::Deserialize;

/// How many requirements RFC 9293 numbers.
const OF_RFC_9293: usize = 119;

/// A requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Requirement {
    /// As RFC 9293 numbers it (`MUST-12`), or of our own making for another RFC (`RFC5961-3.2-1`: RFC, section, number).
    pub(super) id: String,
    /// Where RFC 9293 says it; for others the id has the section.
    #[serde(default)]
    pub(super) section: String,
    /// What it asks, in our words.
    pub(super) asks: String,
    /// Where we differ in a detail, on purpose.
    pub(super) but: Option<String>,
    /// Why it is not met, or has no code or test of its own.
    pub(super) why_not: Option<String>,
}

impl Requirement {
    /// The number of its RFC.
    pub(super) fn rfc(&self) -> &str {
        self.id.strip_prefix("RFC").and_then(|rest| rest.split('-').next()).unwrap_or("9293")
    }

    /// The section of its RFC.
    pub(super) fn section(&self) -> &str {
        match self.id.strip_prefix("RFC") {
            Some(rest) => rest.split('-').nth(1).unwrap_or_default(),
            None => &self.section,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requirement: Vec<Requirement>,
}

/// Reads the table; RFC 9293 must be complete in it, and no id there twice.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let Table { requirement: requirements } = toml::from_str(text).map_err(|error| error.to_string())?;
    for (at, requirement) in requirements.iter().enumerate() {
        let id = &requirement.id;
        if !super::sources::is_id(id) {
            return Err(format!("{id:?} does not look like the id of a requirement"));
        }
        if requirement.section().is_empty() || requirement.asks.trim().is_empty() {
            return Err(format!("{id} lacks its section or what it asks"));
        }
        if requirements.iter().take(at).any(|other| &other.id == id) {
            return Err(format!("{id} is there twice"));
        }
    }
    let count = requirements.iter().filter(|requirement| requirement.rfc() == "9293").count();
    if count == OF_RFC_9293 {
        Ok(requirements)
    } else {
        Err(format!("{count} of {OF_RFC_9293} requirements of RFC 9293"))
    }
}
