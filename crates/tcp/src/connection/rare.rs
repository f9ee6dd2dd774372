//! What few connections have: one box, so that the others pay for a pointer.

use alloc::boxed::Box;

use super::fast_open::FastOpening;
use super::validation::Validation;
use crate::FourTuple;
use crate::auth::{Auth, Keys};

/// The rare parts of a connection. Where none is there, there is no box.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Rare {
    /// The connection began, or wanted to begin, with data on a SYN.
    pub(crate) fast_open: Option<FastOpening>,
    /// Its segments are signed.
    pub(crate) auth: Option<Auth>,
    /// Its congestion window is kept while the application does not fill it (RFC 7661).
    pub(crate) validation: Option<Validation>,
}

impl Rare {
    /// What a connection with this name begins with.
    #[inline]
    pub(crate) fn with_keys(keys: &Keys, tuple: &FourTuple) -> Option<Box<Self>> {
        keys.of(tuple).map(|auth| Box::new(Self { auth: Some(auth), ..Self::default() }))
    }
}
