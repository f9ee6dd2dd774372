//! What a live instance and `bowline ss` tell each other: one question, one answer in JSON.

use bowline::Net;
use bowline_observe::ss::Row;
use serde::{Deserialize, Serialize};

/// The question for all sockets.
pub(crate) const SOCKETS: &str = "sockets";

/// An instance's sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Its process.
    pub(crate) pid: u32,
    /// The command it runs.
    pub(crate) command: String,
    /// Its listeners and connections.
    pub(crate) sockets: Vec<Row>,
    /// Its counters that are not zero, with the names of `nstat`.
    pub(crate) counters: Vec<(String, u64)>,
}

/// Answers `question` about `net`.
pub(crate) fn answer(question: &str, net: &Net, command: &str) -> String {
    if question != SOCKETS {
        // an instance of another version; nothing is an answer that it cannot misread
        return String::new();
    }
    let listeners = net.listeners();
    let connections = net.connections();
    let counters = net.counters();
    let counters = counters.iter().chain(net.stack_counters().iter().collect::<Vec<_>>());
    let answer = Answer {
        pid: std::process::id(),
        command: command.to_owned(),
        sockets: listeners.iter().map(Row::listener).chain(connections.iter().map(Row::connection)).collect(),
        counters: counters.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect(),
    };
    serde_json::to_string(&answer).unwrap_or_default()
}
