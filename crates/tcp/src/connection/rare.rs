//! What few connections have: one box, so that the others pay for a pointer.

use super::fast_open::FastOpening;

/// The rare parts of a connection. Where none is there, there is no box.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Rare {
    /// The connection began, or wanted to begin, with data on a SYN.
    pub(crate) fast_open: Option<FastOpening>,
}
