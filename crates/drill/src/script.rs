//! What a script says, as values: the parser makes them, the runner carries them out.
//!
//! Times are microseconds, as in the scripts' tolerances. Sequence numbers are the script's, relative to its own initial ones.

pub mod expr;
pub mod options;
pub mod packet;

pub use expr::{Expr, Field};
pub use options::{IpVersion, Options};
pub use packet::{Body, Direction, Icmp, Packet, Quoted, Seq, Tcp, TcpOption, Tos};

use crate::source::Place;

/// Microseconds.
pub type Micros = u64;

/// A whole script.
#[derive(Clone, PartialEq, Debug)]
pub struct Script {
    /// Where it lies: its commands are looked for from there.
    pub folder: std::path::PathBuf,
    /// What it asks of the runner.
    pub options: Options,
    /// The command before the first event, which takes no time.
    pub init: Option<Command>,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// The command after the last event, which is carried out whatever happened before.
    pub cleanup: Option<Command>,
}

impl Script {
    /// Whether the script can run in this version: its options say so, and the version has the ICMP messages that it names.
    #[must_use]
    pub fn admits(&self, version: IpVersion) -> bool {
        let has = |icmp: &Icmp| {
            let is_v4 = version.is_v4_on_the_wire();
            crate::wire::icmp_names::numbers(is_v4, &icmp.kind, icmp.code.as_deref()).is_ok()
        };
        let fits = |event: &Event| match &event.action {
            Action::Packet(packet) => !matches!(&packet.body, Body::Icmp(icmp) if !has(icmp)),
            _ => true,
        };
        self.options.admits(version) && self.events.iter().all(fits)
    }
}

/// A line of a script.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Where it stands.
    pub place: Place,
    /// When it happens.
    pub when: When,
    /// What happens.
    pub action: Action,
}

/// When something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// So long after the first event.
    At(Micros),
    /// So long after the first event, between the two.
    Between(Micros, Micros),
    /// So long after the event before.
    After(Micros),
    /// So long after the event before, between the two.
    AfterBetween(Micros, Micros),
    /// At any time.
    Any,
}

/// What happens.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A packet arrives, or must be seen.
    Packet(Box<Packet>),
    /// The program under test makes a call.
    Call(Box<Call>),
    /// A command for a shell.
    Command(Command),
    /// Statements about the connection's state.
    Code(Code),
}

/// A command for a shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Where it stands.
    pub place: Place,
    /// What stands between the backticks.
    pub text: String,
}

/// Statements about the connection's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// Where they stand.
    pub place: Place,
    /// What stands between `%{` and `}%`.
    pub text: String,
}

/// A call and what must come of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Where its name stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// What it must return.
    pub result: Expr,
    /// The error that it must give: `EINPROGRESS`.
    pub errno: Option<String>,
    /// A call that blocks: when it must return, as its event's time is written.
    pub until: Option<Micros>,
}
