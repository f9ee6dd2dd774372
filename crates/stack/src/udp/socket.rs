//! One UDP socket: its name, its two queues and the errors it is owed.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{Datagram, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey};
use crate::event::UdpReadiness;

/// What a datagram costs beside its bytes, in the accounting.
const OVERHEAD: usize = 128;
/// A slice below this length is copied out of its device buffer, as is one below an eighth of it.
const COPY_BREAK: usize = 2_048;
/// Errors that may wait to be read.
const MAX_FAILURES: usize = 16;

/// A datagram that waits to be sent: all its addresses are decided.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) key: UdpKey,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Bytes,
    pub(crate) segment_size: Option<u16>,
    pub(crate) traffic_class: u8,
    pub(crate) hop_limit: u8,
}

impl Outgoing {
    fn cost(&self) -> usize {
        OVERHEAD + self.payload.len()
    }
}

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) bind: UdpBind,
    /// The peer, and our address towards it.
    pub(crate) connected: Option<(SocketAddr, IpAddr)>,
    /// What has not been reported yet.
    pub(crate) unreported: UdpReadiness,
    received: VecDeque<(Datagram, usize)>,
    received_bytes: usize,
    queued_bytes: usize,
    wants_room: bool,
    failures: VecDeque<UdpFailure>,
    /// Datagrams dropped because the receive queue was full.
    pub(crate) drops: u64,
}

impl Socket {
    pub(crate) const fn new(bind: UdpBind) -> Self {
        Self {
            bind,
            connected: None,
            unreported: UdpReadiness::empty(),
            received: VecDeque::new(),
            received_bytes: 0,
            queued_bytes: 0,
            wants_room: false,
            failures: VecDeque::new(),
            drops: 0,
        }
    }

    /// How well a datagram fits; `None`: not at all.
    pub(crate) fn score(&self, local: SocketAddr, remote: SocketAddr) -> Option<u8> {
        let fits = |address: IpAddr| match address.is_unspecified() {
            true => address.is_ipv4() == local.is_ipv4(),
            false => address == local.ip(),
        };
        if !self.bind.address.is_none_or(fits) {
            return None;
        }
        match self.connected {
            Some((peer, ours)) if peer == remote && ours == local.ip() => Some(2),
            Some(_) => None,
            None => Some(u8::from(self.bind.address.is_some_and(|address| !address.is_unspecified()))),
        }
    }

    /// Takes a datagram; returns whether the queue was empty before, or `None` where it is full.
    pub(crate) fn push(&mut self, mut datagram: Datagram, pinned: usize) -> Option<bool> {
        let len = datagram.payload.len();
        let copy = len < COPY_BREAK || len < pinned / 8;
        let cost = OVERHEAD + if copy { len } else { pinned.max(len) };
        // The bound counts what waits already, so that one datagram always fits, as in Linux.
        if self.received_bytes >= self.bind.receive_buffer {
            self.drops += 1;
            return None;
        }
        if copy {
            datagram.payload = Bytes::copy_from_slice(&datagram.payload);
        }
        let was_empty = self.received.is_empty();
        self.received_bytes += cost;
        self.received.push_back((datagram, cost));
        Some(was_empty)
    }

    /// The next datagram; of a train, the next one of it, unless the socket takes trains whole.
    pub(crate) fn pop(&mut self) -> Result<Datagram, UdpCallError> {
        if let Some(error) = self.take_connected_failure() {
            return Err(UdpCallError::Icmp(error.error));
        }
        let (front, _) = self.received.front_mut().ok_or(UdpCallError::WouldBlock)?;
        let size = front.segment_size.map_or(usize::MAX, usize::from).max(1);
        if !self.bind.trains && front.payload.len() > size {
            let payload = front.payload.split_to(size);
            return Ok(Datagram { payload, segment_size: None, ..front.clone() });
        }
        let (mut datagram, cost) = self.received.pop_front().ok_or(UdpCallError::WouldBlock)?;
        self.received_bytes -= cost;
        if !self.bind.trains {
            datagram.segment_size = None;
        }
        Ok(datagram)
    }

    /// What [`pop`](Self::pop) would give, left where it is.
    pub(crate) fn peek(&mut self) -> Result<Datagram, UdpCallError> {
        if let Some(error) = self.take_connected_failure() {
            return Err(UdpCallError::Icmp(error.error));
        }
        let (front, _) = self.received.front().ok_or(UdpCallError::WouldBlock)?;
        let size = front.segment_size.map_or(usize::MAX, usize::from).max(1);
        let mut datagram = front.clone();
        if !self.bind.trains {
            datagram.payload.truncate(size);
            datagram.segment_size = None;
        }
        Ok(datagram)
    }

    /// Keeps an ICMP error, where the socket wants it: when it is connected (RFC 1122 4.1.3.3), or any-port.
    pub(crate) fn fail(&mut self, failure: UdpFailure) -> bool {
        let is_wanted = self.connected.is_some() || self.bind.port.is_none();
        if is_wanted && self.failures.len() < MAX_FAILURES {
            self.failures.push_back(failure);
        }
        is_wanted
    }

    /// The oldest error that has not been read.
    pub(crate) fn take_failure(&mut self) -> Option<UdpFailure> {
        self.failures.pop_front()
    }

    /// The same, where it is the next call's to fail.
    pub(crate) fn take_connected_failure(&mut self) -> Option<UdpFailure> {
        if self.connected.is_some() { self.failures.pop_front() } else { None }
    }

    /// Accounts for a datagram that will be queued for sending.
    pub(crate) fn reserve(&mut self, outgoing: &Outgoing) -> Result<(), UdpCallError> {
        if self.queued_bytes >= self.bind.send_buffer {
            self.wants_room = true;
            return Err(UdpCallError::WouldBlock);
        }
        self.queued_bytes += outgoing.cost();
        Ok(())
    }

    /// Gives back what `reserve` took; returns whether somebody waits for it.
    pub(crate) fn release(&mut self, outgoing: &Outgoing) -> bool {
        self.queued_bytes = self.queued_bytes.saturating_sub(outgoing.cost());
        let has_room = self.queued_bytes < self.bind.send_buffer / 2 || self.queued_bytes == 0;
        has_room && core::mem::take(&mut self.wants_room)
    }

    /// What people and callers may know.
    pub(crate) fn info(&self, key: UdpKey) -> UdpInfo {
        UdpInfo {
            key,
            address: self.bind.address.or(self.connected.map(|(_, ours)| ours)),
            port: self.bind.port,
            peer: self.connected.map(|(peer, _)| peer),
            receive_queue: self.received_bytes,
            send_queue: self.queued_bytes,
            drops: self.drops,
            readiness: self.readiness(),
        }
    }

    /// What could be done now.
    fn readiness(&self) -> UdpReadiness {
        let mut ready = UdpReadiness::empty();
        ready.set(UdpReadiness::READABLE, !self.received.is_empty());
        ready.set(UdpReadiness::WRITABLE, self.queued_bytes < self.bind.send_buffer);
        ready.set(UdpReadiness::ERROR, !self.failures.is_empty());
        ready
    }
}
