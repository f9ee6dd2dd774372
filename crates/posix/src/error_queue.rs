//! The error queue of a socket (`MSG_ERRQUEUE`): ICMP errors about datagrams, and what a sender wants to be told of what it sent.
//!
//! Decides what enters the queue and what a program reads from it; when a notice is due, [`notices`](crate::notices) says. Bytes are
//! always copied, as Linux copies those that a TUN device reads: what tells that their memory is free says so.

use core::time::Duration;

use bowline_base::Instant;
use bowline_stack::UdpKey;
use bowline_tcp::endpoint::Progress;

use crate::abi::options::Opt;
use crate::abi::{Abi, Address, ControlMessage, Errno, Writer};
use crate::call::{Fd, Reply};
use crate::error;
use crate::host::{Host, Step};
use crate::notices::QueuedError;
use crate::socket::{Family, Socket};

/// Entries that wait for a reader, at most; more are lost, as on a full socket.
const MOST: usize = 256;

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
    /// The stack holds an ICMP error for a datagram socket.
    pub(crate) fn on_datagram_error(&mut self, key: UdpKey) {
        while let Some(failure) = self.stack.udp_failure(key) {
            let is_v4 = failure.remote.is_ipv4();
            let errno = error::of_icmp(self.profile, failure.error, is_v4);
            let icmp = error::icmp_of(failure.error, is_v4);
            let Some(socket) = self.datagram_socket(key) else { return };
            let wants = if is_v4 { socket.settings.recverr } else { socket.settings.recverr6 };
            if wants {
                let info = error::info_of(failure.error);
                socket.queue_error(QueuedError::Icmp { errno, icmp, info, destination: failure.remote });
            }
            socket.error = Some(errno);
            socket.activity += 1;
        }
    }

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
            QueuedError::Icmp { errno, icmp: (kind, code), info, destination } => {
                address = Some(socket.show(destination));
                let origin = if destination.is_ipv4() { "SO_EE_ORIGIN_ICMP" } else { "SO_EE_ORIGIN_ICMP6" };
                Extended { errno: errno.number(abi) as u32, origin: abi.get(origin) as u8, kind, code, info, data: 0 }
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
