//! Runs packetdrill scripts against Bowline: the same language, in virtual time, without privilege.

pub mod code;
pub mod lex;
pub mod parse;
pub mod report;
pub mod run;
pub mod script;
pub mod source;
pub mod suite;
pub mod wire;
