//! The `bowline` command: what is on its command line, and what each verb does.
//!
//! [`cli`] has the raw arguments. Each verb has a file, which resolves its raw arguments once into settings; what is
//! behind the verb knows settings only.

pub mod cli;
pub mod demo;
pub mod usage;
pub mod verbs;
