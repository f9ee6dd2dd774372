//! What the gateway and the init process of the sandbox tell each other: twelve bytes a message, over a pair of
//! SOCK_SEQPACKET sockets, once with descriptors attached.
//!
//! Both ends are the same program, so there is no version. Nothing here allocates.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::error::Step;

/// A message. `Mapped`, `Go` and `Signal` go to the init process, the others come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The user and group maps are written.
    Mapped,
    /// Run the command.
    Go,
    /// Send this signal to the command. `generation` counts the SIGCONTs the gateway has seen.
    Signal {
        /// The signal's number.
        signal: i32,
        /// How many SIGCONTs the gateway had seen.
        generation: u32,
    },
    /// The network is set up, and here are its TUN and a socket to its kernel's routing (attached).
    Ready {
        /// See [`super::init::flag`].
        flags: u32,
        /// The TUN's index inside.
        index: i32,
    },
    /// A step of the set-up failed.
    Failed {
        /// Which.
        step: Step,
        /// Why.
        errno: Errno,
    },
    /// The command could not be executed.
    ExecFailed {
        /// Why.
        errno: Errno,
        /// Which of the candidates in PATH.
        candidate: u32,
    },
    /// The command has exited.
    Exited {
        /// With this status.
        status: i32,
    },
    /// The command was killed.
    Killed {
        /// By this signal.
        signal: i32,
    },
    /// The command was stopped.
    Stopped {
        /// By this signal.
        signal: i32,
        /// The newest generation the init process had heard of.
        generation: u32,
    },
}

const LEN: usize = 12;

impl Message {
    fn encode(self) -> [u8; LEN] {
        let (kind, a, b) = match self {
            Self::Mapped => (1, 0, 0),
            Self::Go => (2, 0, 0),
            Self::Signal { signal, generation } => (3, signal, generation),
            Self::Ready { flags, index } => (4, index, flags),
            Self::Failed { step, errno } => (5, errno.raw_os_error(), step as u32),
            Self::ExecFailed { errno, candidate } => (6, errno.raw_os_error(), candidate),
            Self::Exited { status } => (7, status, 0),
            Self::Killed { signal } => (8, signal, 0),
            Self::Stopped { signal, generation } => (9, signal, generation),
        };
        let mut out = [0; LEN];
        let fields = [u32::to_ne_bytes(kind), i32::to_ne_bytes(a), u32::to_ne_bytes(b)];
        for (to, from) in out.iter_mut().zip(fields.as_flattened()) {
            *to = *from;
        }
        out
    }

    fn decode(bytes: [u8; LEN]) -> Option<Self> {
        let [k0, k1, k2, k3, a0, a1, a2, a3, b0, b1, b2, b3] = bytes;
        let a = i32::from_ne_bytes([a0, a1, a2, a3]);
        let b = u32::from_ne_bytes([b0, b1, b2, b3]);
        Some(match u32::from_ne_bytes([k0, k1, k2, k3]) {
            1 => Self::Mapped,
            2 => Self::Go,
            3 => Self::Signal { signal: a, generation: b },
            4 => Self::Ready { flags: b, index: a },
            5 => Self::Failed { step: Step::from_number(b)?, errno: Errno::from_raw_os_error(a) },
            6 => Self::ExecFailed { errno: Errno::from_raw_os_error(a), candidate: b },
            7 => Self::Exited { status: a },
            8 => Self::Killed { signal: a },
            9 => Self::Stopped { signal: a, generation: b },
            _ => return None,
        })
    }
}

/// The two ends: the gateway's, then the init process's.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends `message`, and `attached` with it. The other side being gone is `EPIPE`, never a signal.
pub(super) fn send(to: impl AsFd, message: Message, attached: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let bytes = message.encode();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !attached.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(attached));
    }
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(to.as_fd(), &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    if sent == LEN { Ok(()) } else { Err(Errno::IO) }
}

/// What is attached to a message: two descriptors, or nothing.
pub(super) type Attached = Option<[OwnedFd; 2]>;

/// Receives one message and what is attached to it; `None` when the other side is gone.
pub(super) fn receive(from: impl AsFd) -> Result<Option<(Message, Attached)>, Errno> {
    let mut bytes = [0; LEN];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let result = recvmsg(from.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        match result {
            // reset: the other side has ended without reading all of ours. It is told once, before what that side has said
            Err(Errno::INTR | Errno::CONNRESET) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut attached = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message {
            attached = fds.next().zip(fds.next()).map(<[OwnedFd; 2]>::from);
        }
    }
    let message = if received.bytes == LEN { Message::decode(bytes) } else { None };
    message.map(|message| Some((message, attached))).ok_or(Errno::BADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_one_who_did_not_listen_are_heard() {
        let (ours, theirs) = pair().unwrap();
        send(&ours, Message::Go, &[]).unwrap();
        send(&theirs, Message::Exited { status: 3 }, &[]).unwrap();
        drop(theirs);
        let (message, _) = receive(&ours).unwrap().unwrap();
        assert_eq!(message, Message::Exited { status: 3 });
        assert!(receive(&ours).unwrap().is_none());
    }
}
