//! The mounts of the new namespace: a private resolv.conf and hosts, and the `/proc` of the new process namespace.
//!
//! The private files live in a file system in memory which has no name in any directory: they go when the namespace
//! goes, however it ends. It runs between a clone and an exec: nothing here allocates.

use std::ffi::CStr;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount};

use super::error::Step;
use super::{Failure, at};

/// A file of the program's own, and the content it shall have.
pub(super) struct PrivateFile<'a> {
    /// Where it is written: a name under `/proc`, which is covered while it is.
    pub(super) scratch: &'a CStr,
    /// Where the program finds it.
    pub(super) target: &'a CStr,
    /// What is in it.
    pub(super) content: &'a [u8],
}

/// Keeps what is mounted from here on to this namespace. What the host mounts later still arrives.
pub(super) fn detach() -> Result<(), Failure> {
    at(Step::Propagation, mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC))
}

/// Puts each file in its place. A target that the host does not have is passed over and reported through `missing`.
pub(super) fn place(files: &[PrivateFile<'_>], mut missing: impl FnMut(usize)) -> Result<(), Failure> {
    // `/proc` is the one directory that is always there and not needed meanwhile
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    at(Step::Mount, mount(c"bowline", c"/proc", c"tmpfs", flags, c"size=1m,mode=0755"))?;
    let mut outcome = Ok(());
    for (index, file) in files.iter().enumerate() {
        outcome = at(Step::Files, write(file)).and_then(|()| match mount_bind(file.scratch, file.target) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                missing(index);
                Ok(())
            }
            other => at(Step::Mount, other),
        });
        if outcome.is_err() {
            break;
        }
    }
    at(Step::Mount, unmount(c"/proc", UnmountFlags::DETACH))?;
    outcome
}

fn write(file: &PrivateFile<'_>) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o644);
    let fd = open(file.scratch, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, mode)?;
    // the mode was subject to the umask
    rustix::fs::fchmod(&fd, mode)?;
    let mut rest = file.content;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Shadows `sockets` of resolvers which would answer for the host, not for the sandbox: without them the C library
/// goes on to our files and our name server. Those the host does not have are passed over.
pub(super) fn shadow(sockets: &[&CStr]) {
    for socket in sockets {
        let _ = mount_bind(c"/dev/null", *socket);
    }
}

/// Mounts the `/proc` of this process namespace. Where the host's is partly covered, as in containers, the kernel
/// refuses, and the program keeps seeing the host's.
pub(super) fn fresh_proc() -> Result<(), Errno> {
    mount(c"proc", c"/proc", c"proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
}
