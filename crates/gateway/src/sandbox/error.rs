//! What can go wrong before the command runs, in one line each that says what to do about it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::{fmt, fs, io};

use rustix::io::Errno;

/// A step that the init process takes inside the new namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// Cutting the mounts loose from the host's.
    Propagation = 1,
    /// Opening `/dev/net/tun`.
    OpenTun,
    /// Making the TUN.
    CreateTun,
    /// Opening a netlink socket.
    Netlink,
    /// Switching the loopback on.
    Loopback,
    /// Sizing the TUN and switching it on.
    Link,
    /// Giving it its IPv4 address.
    Address,
    /// Routing everything to it.
    Route,
    /// Writing the private files.
    Files,
    /// Mounting them.
    Mount,
    /// Listening to signals.
    Signals,
    /// Making the command's process.
    Fork,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Propagation,
        Self::OpenTun,
        Self::CreateTun,
        Self::Netlink,
        Self::Loopback,
        Self::Link,
        Self::Address,
        Self::Route,
        Self::Files,
        Self::Mount,
        Self::Signals,
        Self::Fork,
    ];

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&step| step as u32 == number)
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Propagation => "cut the sandbox's mounts loose from the host's",
            Self::OpenTun => "open /dev/net/tun",
            Self::CreateTun => "make a TUN",
            Self::Netlink => "open a netlink socket",
            Self::Loopback => "switch on the sandbox's loopback",
            Self::Link => "switch on the sandbox's TUN",
            Self::Address => "give the sandbox's TUN an address",
            Self::Route => "give the sandbox a default route",
            Self::Files => "write the sandbox's resolv.conf and hosts",
            Self::Mount => "mount the sandbox's resolv.conf and hosts",
            Self::Signals => "listen to signals",
            Self::Fork => "make a process for the command",
        }
    }
}

/// Why the command did not run. [`Self::exit_status`] tells which of the shell's conventional statuses fits, and
/// Display prints one line that says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refuses new namespaces.
    Namespaces(Errno),
    /// A user or group map could not be written.
    Maps(io::Error),
    /// A step inside the namespaces failed.
    Step(Step, Errno),
    /// A call on the host's side of the sandbox failed.
    Host(&'static str, Errno),
    /// The sandbox's first process was killed while it was setting up.
    Lost,
    /// The command line is empty, or an argument or a variable contains a NUL.
    BadCommand,
    /// There is no such command.
    NotFound(OsString),
    /// It is there, but its interpreter is not.
    NoInterpreter(PathBuf),
    /// It is there, but cannot be executed.
    NotExecutable(PathBuf, Errno),
}

impl Error {
    /// 127 where the command does not exist, 126 where it cannot be executed, 125 for everything that is our own
    /// failure: the statuses of `env` and `docker run`.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NoInterpreter(_) | Self::NotExecutable(..) => 126,
            _ => 125,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces(errno) => write!(f, "the kernel refuses new namespaces ({errno}): {}", advice(*errno)),
            Self::Maps(error) => write!(f, "cannot map the user into a new user namespace ({error}): {}", map_advice()),
            Self::Step(Step::OpenTun, errno) => write!(f, "cannot open /dev/net/tun ({errno}): {}", tun_advice(*errno)),
            Self::Step(step, errno) => {
                write!(f, "cannot {} ({errno})", step.verb())?;
                match *errno {
                    Errno::PERM | Errno::ACCESS => write!(f, ": {}", map_advice()),
                    _ => Ok(()),
                }
            }
            Self::Host(what, errno) => write!(f, "cannot {what} ({errno})"),
            Self::Lost => f.write_str("the sandbox was killed while it was being set up: try again"),
            Self::BadCommand => f.write_str("the command is empty or contains a NUL: name a program and its arguments"),
            Self::NotFound(command) => {
                let command = command.to_string_lossy();
                if command.contains('/') {
                    write!(f, "{command}: no such file: check the path")
                } else {
                    write!(f, "{command}: command not found: check the spelling and PATH")
                }
            }
            Self::NoInterpreter(path) => {
                write!(f, "{}: its interpreter is missing: check its first line, or install its loader", path.display())
            }
            Self::NotExecutable(path, Errno::ACCESS) if path.is_dir() => {
                write!(f, "{}: is a directory: name a program in it", path.display())
            }
            Self::NotExecutable(path, Errno::ACCESS) => {
                let path = path.display();
                write!(f, "{path}: permission denied: is it a program, and executable (`chmod +x {path}`)?")
            }
            Self::NotExecutable(path, errno) => write!(f, "{}: cannot be executed: {errno}", path.display()),
        }
    }
}

fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

/// What to do when the kernel refuses to make namespaces. The switches differ from distribution to distribution.
fn advice(errno: Errno) -> String {
    advice_for(errno, rustix::process::geteuid().is_root(), sysctl)
}

fn advice_for(errno: Errno, root: bool, sysctl: impl Fn(&str) -> Option<u64>) -> String {
    if sysctl("user/max_user_namespaces") == Some(0) && !root {
        return "allow them with `sudo sysctl user.max_user_namespaces=15000`, or run bowline as root".into();
    }
    if sysctl("kernel/unprivileged_userns_clone") == Some(0) && !root {
        return "allow them with `sudo sysctl kernel.unprivileged_userns_clone=1`, or run bowline as root".into();
    }
    if sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1) && !root {
        return APPARMOR.into();
    }
    match errno {
        Errno::NOSPC => "there are too many already: raise the limits in /proc/sys/user".into(),
        Errno::USERS => "they are nested too deeply: run bowline further out".into(),
        Errno::INVAL => "this kernel was built without them: run bowline as root, or on another kernel".into(),
        _ => "in a container, run it with `--privileged`, or with `--cap-add SYS_ADMIN --device /dev/net/tun` and a \
              seccomp profile that allows clone and mount"
            .into(),
    }
}

const APPARMOR: &str =
    "allow them with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run bowline as root";

fn map_advice() -> &'static str {
    if sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        APPARMOR
    } else {
        "a security module or a container forbids it: run bowline as root, or outside the container"
    }
}

fn tun_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => {
            "let everybody open it, as most systems do, with `sudo chmod 0666 /dev/net/tun`, or run bowline as root"
        }
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR => {
            "load the driver with `sudo modprobe tun`; for a container, add `--device /dev/net/tun`"
        }
        _ => "check that the tun driver is loaded and works",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_the_channel() {
        for step in Step::ALL {
            assert_eq!(Step::from_number(step as u32), Some(step));
        }
        assert_eq!(Step::from_number(0), None);
        assert_eq!(Step::from_number(Step::ALL.len() as u32 + 1), None);
    }

    #[test]
    fn refusals_name_the_switch_that_is_off() {
        let with = |name: &'static str, value| move |asked: &str| (asked == name).then_some(value);
        let advice = |errno, root, name, value| advice_for(errno, root, with(name, value));
        assert!(advice(Errno::NOSPC, false, "user/max_user_namespaces", 0).contains("user.max_user_namespaces"));
        assert!(
            advice(Errno::PERM, false, "kernel/unprivileged_userns_clone", 0).contains("unprivileged_userns_clone")
        );
        assert!(
            advice(Errno::PERM, false, "kernel/apparmor_restrict_unprivileged_userns", 1)
                .contains("apparmor_restrict_unprivileged_userns")
        );
        assert!(advice(Errno::PERM, false, "none", 0).contains("--privileged"));
        assert!(advice(Errno::PERM, true, "kernel/unprivileged_userns_clone", 0).contains("--privileged"));
        assert!(advice(Errno::NOSPC, false, "none", 0).contains("/proc/sys/user"));
    }

    #[test]
    fn every_failure_is_one_line_with_the_conventional_status() {
        let step = |step| Error::Step(step, Errno::PERM);
        let ours = Step::ALL.into_iter().map(step).chain([
            Error::Namespaces(Errno::PERM),
            Error::Maps(io::Error::from(Errno::PERM)),
            Error::Host("make a socket", Errno::MFILE),
            Error::Lost,
            Error::BadCommand,
        ]);
        for error in ours {
            assert_eq!((error.exit_status(), error.to_string().lines().count()), (125, 1), "{error}");
        }
        assert_eq!(Error::NotFound("x".into()).exit_status(), 127);
        assert_eq!(Error::NoInterpreter("x".into()).exit_status(), 126);
        assert_eq!(Error::NotExecutable("x".into(), Errno::ACCESS).exit_status(), 126);
        let folder = Error::NotExecutable("/".into(), Errno::ACCESS);
        assert_eq!(
            (folder.to_string().as_str(), folder.exit_status()),
            ("/: is a directory: name a program in it", 126)
        );
    }
}
