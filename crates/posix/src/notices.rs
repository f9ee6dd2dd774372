//! What Linux tells a sender later, on the socket's error queue: that bytes written with `MSG_ZEROCOPY` are free again, and when the
//! last byte of a write was sent and acknowledged (`SO_TIMESTAMPING`). And the queue itself (`MSG_ERRQUEUE`).
//!
//! Decides when a notice is due, from how far the stream has come; it must not know segments. Each write has one notice of a kind,
//! for its last byte. Bytes are always copied, as Linux copies those that a TUN device reads: the notice says so.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use bowline_base::Instant;
use bowline_tcp::endpoint::Progress;

use crate::abi::options::Opt;
use crate::abi::{Abi, Address, ControlMessage, Errno, Writer};
use crate::call::{Fd, Reply};
use crate::host::{Host, Step};
use crate::socket::{Family, Socket};

/// Entries of an error queue that wait for a reader, at most; more are lost, as on a full socket.
const MOST: usize = 256;
/// Writes whose notices are not due yet, at most; those beyond have none.
const MOST_PENDING: usize = 4_096;

/// What of a packet Linux can stamp here: `SOF_TIMESTAMPING_*`.
pub(crate) mod stamping {
    pub(crate) const TX_SOFTWARE: u32 = 1 << 1;
    pub(crate) const RX_SOFTWARE: u32 = 1 << 3;
    pub(crate) const SOFTWARE: u32 = 1 << 4;
    pub(crate) const OPT_ID: u32 = 1 << 7;
    pub(crate) const TX_SCHED: u32 = 1 << 8;
    pub(crate) const TX_ACK: u32 = 1 << 9;
    pub(crate) const OPT_CMSG: u32 = 1 << 10;
    pub(crate) const OPT_TSONLY: u32 = 1 << 11;
    pub(crate) const OPT_ID_TCP: u32 = 1 << 16;
    /// All that is known here; the others are hardware's, or of drivers.
    pub(crate) const KNOWN: u32 =
        TX_SOFTWARE | RX_SOFTWARE | SOFTWARE | OPT_ID | TX_SCHED | TX_ACK | OPT_CMSG | OPT_TSONLY | OPT_ID_TCP;
    /// What asks for stamps of what is sent.
    pub(crate) const TX: u32 = TX_SOFTWARE | TX_SCHED | TX_ACK;
}

/// `SCM_TSTAMP_*`: which event a stamp is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stamp {
    /// It was handed to the device by the driver.
    Sent = 0,
    /// It entered the queue in front of the device: the same moment here.
    Scheduled = 1,
    /// The peer acknowledged it.
    Acknowledged = 2,
}

/// An entry of the error queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum QueuedError {
    /// An ICMP error: type and code, and where the datagram was going.
    Icmp { errno: Errno, icmp: (u8, u8), destination: SocketAddr },
    /// Writes with `MSG_ZEROCOPY`, from the first to the last of them.
    ZeroCopy { first: u32, last: u32 },
    /// The last byte of a write; its number, if `OPT_ID` asks for it.
    Stamp { stamp: Stamp, id: u32, at: Instant, truncated: bool },
}

/// A write whose notices are not due yet. Positions count the stream's bytes from its beginning.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Behind its last byte.
    end: u64,
    /// Its number among those with `MSG_ZEROCOPY`.
    zero_copy: Option<u32>,
    /// What of it is still to be stamped.
    stamps: u32,
    /// What its stamps say of it.
    id: u32,
    truncated: bool,
}

/// What a stream socket has asked to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notices {
    /// `SO_ZEROCOPY`.
    pub(crate) zero_copy: bool,
    /// The number of the next write with `MSG_ZEROCOPY`.
    next: u32,
    /// `SO_TIMESTAMPING`.
    pub(crate) flags: u32,
    /// From where `OPT_ID` counts.
    base: u64,
    pending: VecDeque<Pending>,
}

impl Notices {
    /// What a connection starts with that a listener with these accepted.
    pub(crate) fn inherited(&self) -> Self {
        Self { zero_copy: self.zero_copy, flags: self.flags, ..Self::default() }
    }

    /// New flags. What `OPT_ID` counts begins where the stream is now.
    pub(crate) fn set_flags(&mut self, flags: u32, progress: Option<Progress>) {
        if flags & stamping::OPT_ID != 0 && self.flags & stamping::OPT_ID == 0 {
            let from_written = flags & stamping::OPT_ID_TCP != 0;
            self.base = progress.map_or(0, |progress| if from_written { progress.written } else { progress.acked });
        }
        self.flags = flags;
    }

    /// A write up to `end` has been taken; whether there is something to wait for.
    fn add(&mut self, end: u64, zero_copy: bool) -> bool {
        let stamps = if self.flags & stamping::SOFTWARE == 0 { 0 } else { self.flags & stamping::TX };
        if (stamps == 0 && !zero_copy) || self.pending.len() >= MOST_PENDING {
            return false;
        }
        let has_id = self.flags & stamping::OPT_ID != 0;
        let number = zero_copy.then_some(self.next);
        self.next = self.next.wrapping_add(u32::from(zero_copy));
        self.pending.push_back(Pending {
            end,
            zero_copy: number,
            stamps,
            id: if has_id { (end - 1).wrapping_sub(self.base) as u32 } else { 0 },
            truncated: self.flags & stamping::OPT_TSONLY == 0,
        });
        true
    }

    /// What is due now; whether something remains.
    fn due(&mut self, now: Instant, progress: Progress, found: &mut Vec<QueuedError>) -> bool {
        for pending in &mut self.pending {
            let mut stamp = |kind: u32, stamp: Stamp, reached: u64| {
                if pending.stamps & kind != 0 && reached >= pending.end {
                    pending.stamps &= !kind;
                    found.push(QueuedError::Stamp { stamp, id: pending.id, at: now, truncated: pending.truncated });
                }
            };
            stamp(stamping::TX_SCHED, Stamp::Scheduled, progress.sent);
            stamp(stamping::TX_SOFTWARE, Stamp::Sent, progress.sent);
            stamp(stamping::TX_ACK, Stamp::Acknowledged, progress.acked);
        }
        while let Some(pending) = self.pending.front()
            && progress.acked >= pending.end
        {
            found.extend(pending.zero_copy.map(|number| QueuedError::ZeroCopy { first: number, last: number }));
            self.pending.pop_front();
        }
        !self.pending.is_empty()
    }
}

impl Socket {
    /// Puts something into the error queue. Writes in a row that are free again make one entry.
    pub(crate) fn queue_error(&mut self, error: QueuedError) {
        if let (Some(QueuedError::ZeroCopy { last, .. }), QueuedError::ZeroCopy { first, last: new }) =
            (self.errors.back_mut(), &error)
            && last.wrapping_add(1) == *first
        {
            *last = *new;
        } else if self.errors.len() < MOST {
            self.errors.push_back(error);
        }
        self.activity += 1;
    }
}

impl Host {
    /// A call has written on a stream: what it wants to be told is remembered.
    pub(crate) fn note_written(&mut self, fd: Fd, zero_copy: bool) {
        let Ok(socket) = self.fds.socket(fd) else { return };
        let progress = socket.connection().and_then(|key| self.stack.tcp().progress(key));
        let Some(progress) = progress else { return };
        let Ok(socket) = self.fds.socket_mut(fd) else { return };
        let zero_copy = zero_copy && socket.notices.zero_copy;
        if socket.notices.add(progress.written, zero_copy) && !self.noticed.contains(&fd) {
            self.noticed.push(fd);
        }
    }

    /// Tells what has become due.
    pub(crate) fn tell_notices(&mut self, now: Instant) {
        if self.noticed.is_empty() {
            return;
        }
        let mut noticed = core::mem::take(&mut self.noticed);
        noticed.retain(|fd| {
            let Ok(socket) = self.fds.socket(*fd) else { return false };
            // With the connection goes what was not acknowledged, and its memory is free.
            let over = Progress { written: u64::MAX, sent: 0, acked: u64::MAX };
            let progress = socket.connection().filter(|_| !socket.ended);
            let progress = progress.and_then(|key| self.stack.tcp().progress(key)).unwrap_or(over);
            let Ok(socket) = self.fds.socket_mut(*fd) else { return false };
            let mut found = Vec::new();
            let more = socket.notices.due(now, progress, &mut found);
            found.into_iter().for_each(|error| socket.queue_error(error));
            more
        });
        noticed.append(&mut self.noticed);
        self.noticed = noticed;
    }

    /// `MSG_ERRQUEUE`: the oldest entry, as control messages. The packet it is about is not kept, and no bytes of it are
    /// given; where Linux would give some, `MSG_TRUNC` says so.
    pub(crate) fn receive_error(&mut self, fd: Fd) -> Step {
        let abi = self.abi;
        let socket = self.fds.socket_mut(fd)?;
        let queued = socket.errors.pop_front().ok_or(Errno::EAGAIN)?;
        let mut flags = abi.get("MSG_ERRQUEUE");
        let mut control = Vec::new();
        let mut address = None;
        let is_v4 = socket.family == Family::Inet;
        let entry = match queued {
            QueuedError::Icmp { errno, icmp: (kind, code), destination } => {
                address = Some(socket.show(destination));
                let origin = if destination.is_ipv4() { "SO_EE_ORIGIN_ICMP" } else { "SO_EE_ORIGIN_ICMP6" };
                Extended {
                    errno: errno.number(abi) as u32,
                    origin: abi.get(origin) as u8,
                    kind,
                    code,
                    info: 0,
                    data: 0,
                }
            }
            QueuedError::ZeroCopy { first, last } => {
                let (origin, code) =
                    (abi.get("SO_EE_ORIGIN_ZEROCOPY") as u8, abi.get("SO_EE_CODE_ZEROCOPY_COPIED") as u8);
                Extended { errno: 0, origin, kind: 0, code, info: first, data: last }
            }
            QueuedError::Stamp { stamp, id, at, truncated } => {
                control.push(time_message(abi, at));
                flags |= if truncated { abi.get("MSG_TRUNC") } else { 0 };
                let origin = abi.get("SO_EE_ORIGIN_TIMESTAMPING") as u8;
                let errno = Errno::ENOMSG.number(abi) as u32;
                Extended { errno, origin, kind: 0, code: 0, info: stamp as u32, data: id }
            }
        };
        let offender = address.map(|address| match address {
            Address::Inet(mut inet) => {
                inet.set_port(0);
                Address::Inet(inet)
            }
            other => other,
        });
        let (level, kind) = if is_v4 { Opt::RecvErr } else { Opt::RecvErr6 }.place(abi);
        control.push(ControlMessage { level, kind, data: entry.encode(abi, offender, is_v4) });
        Ok(Some(Reply { address, flags, control, ..Reply::default() }))
    }
}

/// `struct scm_timestamping`: three `struct timespec`, of which the first is the software's.
fn time_message(abi: Abi, at: Instant) -> ControlMessage {
    let since = Duration::from_micros(at.as_micros());
    let mut data = Writer::default();
    data.i64(since.as_secs() as i64);
    data.i64(i64::from(since.subsec_nanos()));
    data.bytes(&[0; 32]);
    ControlMessage { level: abi.get("SOL_SOCKET"), kind: abi.get("SCM_TIMESTAMPING"), data: data.0 }
}

/// `struct sock_extended_err`.
struct Extended {
    errno: u32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
    data: u32,
}

impl Extended {
    /// The struct, and the address of who reported it: zeros where nobody did.
    fn encode(&self, abi: Abi, offender: Option<Address>, is_v4: bool) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(self.errno);
        out.bytes(&[self.origin, self.kind, self.code, 0]);
        out.u32(self.info);
        out.u32(self.data);
        match offender {
            Some(address) => out.bytes(&address.encode(abi)),
            None => out.bytes(if is_v4 { &[0; 16] } else { &[0; 28] }),
        }
        out.0
    }
}
