//! Controllers from outside of this crate: how an application names its own, and what each begins with.

use alloc::boxed::Box;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::Controller;
use crate::HyStart;

/// What a controller begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// Payload bytes of a full segment, at least 1.
    pub mss: u32,
    /// Differs between connections: for controllers that must not do the same at the same time. No secret.
    pub seed: u32,
    /// What ends slow start early, for controllers that leave that to the options; default HyStart++.
    pub hystart: HyStart,
}

impl Start {
    /// With full segments of so many bytes, and seed 0.
    #[must_use]
    pub const fn new(mss: u32) -> Self {
        Self { mss, seed: 0, hystart: HyStart::Rfc9406 }
    }
}

/// The application's own controller, for [`Algorithm::Custom`](crate::Algorithm::Custom): a name and what makes one for a
/// connection. Two of them are the same if their names are.
#[derive(Clone, Copy)]
pub struct Custom {
    name: &'static str,
    begin: fn(Start) -> Box<dyn Controller>,
}

impl Custom {
    /// `begin` is called for each connection, and whenever one changes to it.
    #[must_use]
    pub const fn new(name: &'static str, begin: fn(Start) -> Box<dyn Controller>) -> Self {
        Self { name, begin }
    }

    /// Its name, as `ss` shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn begin(self, start: Start) -> Box<dyn Controller> {
        (self.begin)(start)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Custom {}

impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Custom").field(&self.name).finish()
    }
}
