//! What a signal descriptor says about a signal: which one, and who sent it.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// A signal that has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignalInfo {
    /// Its number.
    pub(super) signal: i32,
    /// Why it was sent (`SI_USER`, `SI_KERNEL`…).
    code: i32,
    /// Its sender, or 0 where that is outside this process namespace.
    pid: u32,
}

const SI_KERNEL: i32 = 0x80;
/// `sizeof(struct signalfd_siginfo)`.
const LEN: usize = 128;

impl SignalInfo {
    /// The next signal, or `None` when no more is waiting.
    pub(super) fn read(descriptor: impl AsFd) -> Result<Option<Self>, Errno> {
        let mut bytes = [0u8; LEN];
        match rustix::io::retry_on_intr(|| rustix::io::read(descriptor.as_fd(), &mut bytes[..])) {
            Ok(LEN) => {}
            Ok(_) => return Err(Errno::IO),
            Err(Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Ok(Some(Self {
            signal: i32::from_ne_bytes(word(0)),
            code: i32::from_ne_bytes(word(8)),
            pid: u32::from_ne_bytes(word(12)),
        }))
    }

    /// Whether the kernel sent it by itself: the terminal's Ctrl-C, for one, which goes to every process in the
    /// foreground.
    pub(super) fn is_from_kernel(self) -> bool {
        self.code == SI_KERNEL
    }

    /// Whether it was sent from outside this process namespace, or by the kernel.
    pub(super) fn is_from_outside(self) -> bool {
        self.pid == 0 || self.is_from_kernel()
    }
}
