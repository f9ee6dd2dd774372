//! Runs packetdrill scripts against Bowline: the same language, in virtual time, without privilege.

pub mod code;
pub mod lex;
pub mod parse;
pub mod script;
pub mod source;
pub mod wire;
