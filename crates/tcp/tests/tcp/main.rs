//! What a peer sees of the core: scripts, tables of state and event, every arrow of the state diagram, and random
//! conversations over a bad network. All in virtual time.

mod arrows;
mod bench;
mod chaos;
mod close;
mod open;
mod random;
mod receive;
mod send;
mod tables;
