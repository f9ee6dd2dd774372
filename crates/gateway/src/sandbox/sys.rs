//! The system calls that have no safe wrapper. Everything here may be called between a clone and an exec: nothing
//! allocates, locks or touches `errno`-sharing state of another thread.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_ulong};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, mem, ptr};

use rustix::io::Errno;
use rustix::process::Pid;

/// Which side of a [`clone_process`] this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old process, and the new one's id.
    Parent(Pid),
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Forks, into new namespaces if `namespaces` (`CLONE_NEW*`) says so.
///
/// # Safety
///
/// The caller's process may have other threads, and those stop existing in the child in the middle of what they do. Until
/// it calls [`execve`] or [`exit`], the child must not allocate, take locks or return to its caller's caller.
pub(super) unsafe fn clone_process(namespaces: c_int) -> Result<Fork, Errno> {
    let flags = (namespaces | libc::SIGCHLD) as c_ulong;
    // SAFETY: without CLONE_VM the child gets a copy of the address space and keeps the stack; no pointer is passed.
    // All of Linux's orders of arguments agree when everything but the flags is zero, and s390x swaps the first two.
    let pid = unsafe {
        if cfg!(target_arch = "s390x") {
            libc::syscall(libc::SYS_clone, 0, flags, 0, 0, 0)
        } else {
            libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0)
        }
    };
    if pid < 0 {
        return Err(last_errno());
    }
    Ok(Pid::from_raw(pid as i32).map_or(Fork::Child, Fork::Parent))
}

/// Ends the process at once: no destructor, no exit handler, no buffer flushed twice.
pub(super) fn exit(status: c_int) -> ! {
    // SAFETY: _exit takes a plain number and does not return.
    unsafe { libc::_exit(status) }
}

/// Replaces this process, and returns why it could not. Both arrays end with a null pointer.
///
/// # Safety
///
/// Every pointer but the last in `argv` and `envp` points to a string that ends with NUL, and the last one is null.
pub(super) unsafe fn execve(path: &CStr, argv: &[*const c_char], envp: &[*const c_char]) -> Errno {
    // SAFETY: as the caller promises.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    last_errno()
}

/// A set of signals.
#[derive(Clone, Copy)]
pub(super) struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// Every signal.
    pub(super) fn all() -> Self {
        let mut set = mem::MaybeUninit::uninit();
        // SAFETY: sigfillset initializes the set it is given and cannot fail.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    /// These signals.
    pub(super) fn of(signals: &[c_int]) -> Self {
        let mut set = mem::MaybeUninit::uninit();
        // SAFETY: sigemptyset initializes the set it is given and cannot fail.
        let mut set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            Self(set.assume_init())
        };
        set.add(signals);
        set
    }

    /// Adds `signals`; a number that is no signal changes nothing.
    pub(super) fn add(&mut self, signals: &[c_int]) {
        for &signal in signals {
            // SAFETY: the set is initialized; a bad number is refused with EINVAL.
            unsafe { libc::sigaddset(&raw mut self.0, signal) };
        }
    }

    /// Makes this the set of signals that this thread blocks, and returns the one it replaces.
    pub(super) fn block(&self) -> Self {
        let mut old = mem::MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, and SIG_SETMASK with valid pointers cannot fail, so `old` is filled.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, old.as_mut_ptr());
            Self(old.assume_init())
        }
    }

    /// Lets this thread receive `signal`, and returns the set that it blocked before.
    pub(super) fn unblock(signal: c_int) -> Self {
        let one = Self::of(&[signal]);
        let mut old = mem::MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, and SIG_UNBLOCK with valid pointers cannot fail, so `old` is filled.
        unsafe {
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const one.0, old.as_mut_ptr());
            Self(old.assume_init())
        }
    }

    /// A descriptor from which these signals can be read while they are blocked.
    pub(super) fn descriptor(&self) -> Result<OwnedFd, Errno> {
        // SAFETY: the set is valid for the call; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(last_errno());
        }
        // SAFETY: the call has just made this descriptor, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Gives SIGPIPE its default action back, which Rust's runtime took away.
pub(super) fn default_sigpipe() {
    // SAFETY: SIG_DFL is not a handler, so nothing of ours runs in a signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Turns a descriptor of `/dev/net/tun` into the TUN called `name`, without packet information and with a
/// virtio-net header before each packet.
pub(super) fn create_tun(fd: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    // SAFETY: ifreq is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as i16;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which lives through the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, ptr::from_mut(&mut request)) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Closes every descriptor from `first` to `last`. An empty range closes nothing.
pub(super) fn close_range(first: c_int, last: c_int) {
    if first <= last {
        // SAFETY: the init process, which alone calls this, uses no other descriptor afterwards, owned or borrowed.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Whether two processes are in one process group. A group whose leader is outside this process namespace has no number
/// in here, which is why rustix's call will not do.
pub(super) fn same_group(a: Pid, b: Option<Pid>) -> bool {
    // SAFETY: getpgid takes and returns plain numbers.
    unsafe { libc::getpgid(a.as_raw_nonzero().get()) == libc::getpgid(Pid::as_raw(b)) }
}
