//! A model checker for the real `bowline-tcp`: two endpoints, a network that may do anything but forge, and users that may
//! call anything at any time, explored exhaustively to a bound.
//!
//! | room | decides |
//! |---|---|
//! | [`scenario`] | what is explored, and to what bound |
//! | [`host`] | one side: an endpoint, its clock, its user; what a step of it may not do |
//! | [`ledger`] | what a side has written, read and been told: the memory against which it is judged |
//! | [`segment`] | segments with small numbers for names |
//! | [`world`] | both sides and the network; which choices there are, and what each leads to; what both sides may not do |
//! | [`explore`] | the search, breadth first, so that the first violation found is a shortest one |
//! | [`diagram`] | a way through the world as a sequence diagram |
//! | [`report`] | what was explored, as `docs/model.md` has it |
//!
//! The code that is explored is the code that is shipped: endpoints are copied before each step
//! ([`Endpoint`](bowline_tcp::Endpoint) is `Clone`) and told apart by their
//! [fingerprints](bowline_tcp::Endpoint::fingerprint).

pub mod diagram;
pub mod explore;
pub mod host;
pub mod ledger;
pub mod report;
pub mod scenario;
pub mod segment;
pub mod world;

/// One of the two sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The one on the left.
    A,
    /// The one on the right.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}
