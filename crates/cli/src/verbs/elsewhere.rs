//! The verbs that need Linux, where there is none: each takes any arguments and says what there is instead.
//!
//! Namespaces and a TUN device with them are Linux's; the stack itself, and `bowline demo`, are at home everywhere.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::usage::{OURS, complain};

/// What is on the command line: whatever it is, it is not looked at.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Not looked at
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub words: Vec<OsString>,
}

/// `bowline run`.
pub mod run {
    pub use super::Args;
    use super::{ExitCode, OURS, complain};

    /// Says that it needs Linux.
    #[must_use]
    pub fn run(_: Args) -> ExitCode {
        complain("`run` needs Linux, whose namespaces and TUN devices it is made of: `bowline demo` works here");
        ExitCode::from(OURS)
    }
}

/// `bowline ss`.
pub mod ss {
    pub use super::Args;
    use super::{ExitCode, complain};

    /// Says that it needs Linux.
    #[must_use]
    pub fn run(_: &Args) -> ExitCode {
        complain("`ss` shows instances of `bowline run`, which needs Linux: `bowline demo` prints such tables here");
        ExitCode::FAILURE
    }
}
