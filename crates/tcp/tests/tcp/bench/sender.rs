//! A connection of the scripted peer's whose local side sends: what the tests of windows look at.

use std::time::Duration;

use bowline_tcp::{ConnectionKey, Options};

use super::peer::Peer;

/// The round-trip time of its handshake.
pub(crate) const RTT: Duration = Duration::from_millis(100);

/// A connection with segments of 1,000 bytes, whose sender writes one stream.
pub(crate) struct Sender {
    pub(crate) p: Peer,
    pub(crate) key: ConnectionKey,
    pub(crate) written: u64,
}

impl Sender {
    pub(crate) fn open(options: Options) -> Self {
        let sackok = if options.sack { "sackok" } else { "" };
        let mut p = Peer::with_options(options);
        let listener = p.listen(5);
        p.run(&format!("< SYN seq=0 mss=1000 {sackok}\n> SYN,ACK seq=0 ack=1"));
        p.pass(RTT);
        p.run("< ACK seq=1 ack=1\n= ESTABLISHED");
        let key = p.accept(listener);
        Self { p, key, written: 0 }
    }

    /// Writes; how many bytes left at once.
    pub(crate) fn write(&mut self, len: usize) -> usize {
        self.p.write(self.key, self.written, len);
        self.written += len as u64;
        self.sent()
    }

    /// How many bytes have left.
    pub(crate) fn sent(&mut self) -> usize {
        let mut len = 0;
        while self.p.has_sent() {
            len += self.p.next_sent().payload.len();
        }
        len
    }

    /// The peer answers so; how many bytes left.
    pub(crate) fn hear(&mut self, segment: &str) -> usize {
        self.p.inject(segment);
        self.sent()
    }
}
