//! What the endpoint tells its caller: readiness, once per change, not once per packet.

use crate::{ConnectionKey, ListenerKey};

bitflags::bitflags! {
    /// What has become possible on a connection since it was last reported.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Readiness: u8 {
        /// The handshake is complete.
        const CONNECTED = 1;
        /// There is data to read, or its end.
        const READABLE = 2;
        /// There is room in the send queue.
        const WRITABLE = 4;
        /// All that was sent, the FIN among it, has been acknowledged.
        const FLUSHED = 8;
        /// The connection has ended (CLOSED or TIME-WAIT), with an error or without.
        const CLOSED = 16;
        /// Urgent data is announced (RFC 6093).
        const URGENT = 32;
    }
}

/// Something the caller may want to act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A connection became ready for something.
    Connection(ConnectionKey, Readiness),
    /// A listener has a connection to accept, or a SYN to decide on.
    Listener(ListenerKey),
}
