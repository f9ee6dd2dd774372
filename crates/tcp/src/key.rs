//! The handles that callers hold. A handle outlives nothing: its generation tells a reused place from the old one.

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name {
            pub(crate) index: u32,
            pub(crate) generation: u32,
        }

        impl $name {
            /// The handle as one number, for a caller's own tables.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }

            /// The place in the endpoint's table: small and dense, for a caller's own arrays.
            #[must_use]
            pub const fn index(self) -> usize {
                self.index as usize
            }
        }
    )*};
}

keys! {
    /// A connection.
    ConnectionKey;
    /// A listener.
    ListenerKey;
    /// A SYN that waits for the caller's decision.
    PendingKey;
}
