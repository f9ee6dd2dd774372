//! Packets as bytes: those that a script sends are built, those that the stack sent are read and compared.
//!
//! Everything is in the numbers of the wire; how a script's numbers become those is [`crate::run`]'s business. Headers are
//! written and read here and not by `bowline-wire` where a script may say what the stack never would: options in any order.

pub mod build;
pub mod compare;
pub mod icmp_names;
pub mod md5;
pub mod options;
pub mod seen;
pub mod show;

pub use build::Sent;
pub use compare::{Difference, Wanted, differences};
pub use seen::{Seen, SeenTcp, Transport};

use std::net::IpAddr;

/// Who talks to whom, seen from a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The sender's address.
    pub src: IpAddr,
    /// The receiver's address.
    pub dst: IpAddr,
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
}

impl Ends {
    /// The other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port }
    }
}

#[cfg(test)]
mod tests;
