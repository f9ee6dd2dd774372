//! The program's routes, set from outside by a socket to its kernel: it has a way, or none, where the host has.

use std::os::fd::OwnedFd;

use super::netlink::{self, Request};
use crate::host::routes::Routes;

/// The routes inside, beside those of the TUN's own networks.
#[derive(Debug)]
pub struct Routing {
    /// It belongs to the namespace that it was made in, wherever it is used.
    kernel: OwnedFd,
    index: u32,
    set: Routes,
}

impl Routing {
    /// `index` is the TUN's; there is a way to everywhere as yet.
    pub(super) fn new(kernel: OwnedFd, index: u32) -> Self {
        Self { kernel, index, set: Routes::open() }
    }

    /// Has what the program sends go where `routes` says, and nowhere else.
    pub fn set(&mut self, routes: Routes) {
        let (gone, come) = self.set.changes_to(&routes);
        for to in gone {
            self.ask(Request::no_route(to));
        }
        for (to, way) in come {
            self.ask(Request::route(self.index, to, way));
        }
        self.set = routes;
    }

    /// Of IPv6, which may not be there at all, the kernel refuses each, and there is nothing to be done about any other.
    fn ask(&self, request: Request) {
        if let Err(error) = netlink::ask(&self.kernel, request) {
            tracing::debug!(%error, "a route of the host's cannot be had inside");
        }
    }
}
