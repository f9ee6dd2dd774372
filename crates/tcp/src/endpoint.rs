//! SKELETON of the API; the bodies follow.
#![allow(missing_docs, unused_variables, clippy::unimplemented, clippy::too_many_arguments)]
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bowline_base::Instant;
use bytes::Bytes;

use crate::info::{Info, ListenerInfo};
use crate::segment::{Arrival, Departure, IcmpError, Path, Refusal};
use crate::trace::TraceQueue;
use crate::*;
use bowline_wire::tcp::TcpHeader;

/// What to listen on.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `None`: any address.
    pub address: Option<IpAddr>,
    /// `None`: any port that has no listener of its own.
    pub port: Option<u16>,
    /// Linux's meaning: connections that may wait to be accepted; 128 by default.
    pub backlog: usize,
    /// Whether the caller decides on each SYN (`pending`, `admit`, `refuse`) before it is answered.
    pub deferred: bool,
    /// What accepted connections start with; `None`: the endpoint's.
    pub options: Option<Options>,
}

/// A SYN that waits for the caller's decision.
#[derive(Clone, Debug)]
pub struct Pending {
    pub key: PendingKey,
    pub tuple: FourTuple,
    pub header: TcpHeader,
}

/// A whole TCP: all its connections and listeners.
pub struct Endpoint {}

impl Endpoint {
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        unimplemented!()
    }

    // ---- input from the network and the clock
    pub fn handle_segment(&mut self, now: Instant, arrival: &Arrival<'_>) {
        unimplemented!()
    }
    /// `tuple.local` is ours; `seq` is the sequence number in the quoted segment.
    pub fn handle_icmp(&mut self, now: Instant, tuple: FourTuple, seq: u32, error: IcmpError) {
        unimplemented!()
    }
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!()
    }

    // ---- output: drain in this order after every input or call
    /// Builds at most one segment and passes it to `transmit`; `None` when there is nothing to send now.
    pub fn poll_transmit<R>(&mut self, now: Instant, transmit: impl FnOnce(Departure<'_>) -> R) -> Option<R> {
        unimplemented!()
    }
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        unimplemented!()
    }

    // ---- user calls (RFC 9293 3.10.1 to 3.10.6)
    pub fn listen(&mut self, now: Instant, listen: Listen) -> Result<ListenerKey, ListenError> {
        unimplemented!()
    }
    pub fn accept(&mut self, now: Instant, listener: ListenerKey) -> Option<ConnectionKey> {
        unimplemented!()
    }
    /// Next SYN to decide on, each once.
    pub fn pending(&mut self, listener: ListenerKey) -> Option<Pending> {
        unimplemented!()
    }
    /// Answers a deferred SYN with SYN-ACK; the connection is in SYN-RECEIVED. `None` if the SYN has expired.
    pub fn admit(&mut self, now: Instant, pending: PendingKey, options: Option<Options>) -> Option<ConnectionKey> {
        unimplemented!()
    }
    pub fn refuse(&mut self, now: Instant, pending: PendingKey, refusal: Refusal) {
        unimplemented!()
    }
    /// Half-open and not yet accepted connections are reset.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerKey) {
        unimplemented!()
    }
    /// `local.port() == 0`: an ephemeral port.
    pub fn connect(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        path: Path,
        options: Option<Options>,
    ) -> Result<ConnectionKey, ConnectError> {
        unimplemented!()
    }
    /// LISTEN to SYN-SENT: the listener is closed and its port connects.
    pub fn connect_from(
        &mut self,
        now: Instant,
        listener: ListenerKey,
        local: IpAddr,
        remote: SocketAddr,
        path: Path,
    ) -> Result<ConnectionKey, ConnectError> {
        unimplemented!()
    }
    /// Queues a reference: nothing is copied (small ones are). Takes as much as fits and returns how much.
    pub fn send_bytes(&mut self, now: Instant, key: ConnectionKey, data: &mut Bytes) -> Result<usize, CallError> {
        unimplemented!()
    }
    pub fn send(&mut self, now: Instant, key: ConnectionKey, data: &[u8]) -> Result<usize, CallError> {
        unimplemented!()
    }
    pub fn send_urgent(&mut self, now: Instant, key: ConnectionKey, data: &[u8]) -> Result<usize, CallError> {
        unimplemented!()
    }
    /// Room in the send queue (what `send` would take).
    pub fn send_capacity(&self, key: ConnectionKey) -> Result<usize, CallError> {
        unimplemented!()
    }
    /// `Ok(0)` is the end of the stream.
    pub fn receive(&mut self, now: Instant, key: ConnectionKey, out: &mut [u8]) -> Result<usize, CallError> {
        unimplemented!()
    }
    /// An empty `Bytes` is the end of the stream.
    pub fn receive_bytes(&mut self, now: Instant, key: ConnectionKey, max: usize) -> Result<Bytes, CallError> {
        unimplemented!()
    }
    pub fn peek(&mut self, key: ConnectionKey, out: &mut [u8]) -> Result<usize, CallError> {
        unimplemented!()
    }
    /// Closes our direction: FIN after all that is queued. The handle stays valid, the other direction open.
    pub fn shutdown(&mut self, now: Instant, key: ConnectionKey) -> Result<(), CallError> {
        unimplemented!()
    }
    /// Closes both directions and gives the handle back; delivery goes on in the background (unread data: RST).
    pub fn close(&mut self, now: Instant, key: ConnectionKey) {
        unimplemented!()
    }
    /// RST, and gives the handle back.
    pub fn abort(&mut self, now: Instant, key: ConnectionKey) {
        unimplemented!()
    }

    // ---- looking
    pub fn state(&self, key: ConnectionKey) -> Option<State> {
        unimplemented!()
    }
    pub fn tuple(&self, key: ConnectionKey) -> Option<FourTuple> {
        unimplemented!()
    }
    /// Why it ended, if it ended early (the `SO_ERROR`).
    pub fn error(&self, key: ConnectionKey) -> Option<ConnectionError> {
        unimplemented!()
    }
    /// What it is ready for now.
    pub fn readiness(&self, key: ConnectionKey) -> Readiness {
        unimplemented!()
    }
    pub fn options(&self, key: ConnectionKey) -> Option<&Options> {
        unimplemented!()
    }
    pub fn set_options(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        change: impl FnOnce(&mut Options),
    ) -> Result<(), CallError> {
        unimplemented!()
    }
    pub fn info(&self, now: Instant, key: ConnectionKey) -> Option<Info> {
        unimplemented!()
    }
    /// Every connection, half-open and TIME-WAIT ones included. For people, not for the data path.
    pub fn connections(&self, now: Instant) -> Vec<Info> {
        unimplemented!()
    }
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        unimplemented!()
    }
    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }
    pub fn trace(&mut self) -> &mut TraceQueue {
        unimplemented!()
    }
    /// How many connections, half-open ones and TIME-WAIT entries there are.
    pub fn population(&self) -> (usize, usize, usize) {
        unimplemented!()
    }
}
