//! The environment of the program: user, network, mount, process, IPC and host-name namespaces of its own, with a TUN as
//! the only way out. Needs no privilege where the kernel allows user namespaces.
//!
//! [`Sandbox::spawn`] clones the init process, maps the user, and waits until the network stands and the TUN's
//! descriptor has come out. [`Process::start`] then lets the program run. Whichever side dies, by whatever signal, takes
//! the other along: nothing of it has a name in the host's file system or a process outside.
//!
//! It must not know what happens to the packets.

mod channel;
mod command;
mod error;
mod files;
mod init;
mod maps;
mod mounts;
mod netlink;
mod network;
mod process;
mod routing;
mod siginfo;
mod sys;

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, getegid, geteuid, getrlimit};

pub use error::{Error, Step};
pub use process::{Exit, Process};
pub use routing::Routing;

use channel::Message;
use command::Command;
use init::{Plan, flag};
use sys::{Fork, SignalSet};

/// The signals that are passed on to the program.
const PASSED_ON: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGCONT,
];

const NAMESPACES: i32 =
    libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// A step that failed, and why.
type Failure = (Step, Errno);

fn at<T>(step: Step, result: Result<T, Errno>) -> Result<T, Failure> {
    result.map_err(|errno| (step, errno))
}

/// The largest packet on the TUN in bytes, unless another is asked for: that of an Ethernet.
pub const DEFAULT_MTU: u16 = 1500;

/// What to run, and in which surroundings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The command and its arguments. A name without a slash is looked for in PATH.
    pub command: Vec<OsString>,
    /// The largest packet on the TUN in bytes: 68 to 65535, [`DEFAULT_MTU`] by default. Below 1280 there is no IPv6.
    pub mtu: u16,
    /// The congestion control of the program's own TCP, or `None` for the host's default. A name the kernel does not
    /// know changes nothing.
    pub congestion: Option<String>,
}

impl Config {
    /// Runs `command` with the defaults.
    #[must_use]
    pub fn new(command: Vec<OsString>) -> Self {
        Self { command, mtu: DEFAULT_MTU, congestion: None }
    }
}

/// Something about the surroundings that is not as it should be, but does not stop the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// There is no `/etc/resolv.conf` to replace.
    NoResolvConf,
    /// There is no `/etc/hosts` to replace.
    NoHosts,
    /// The program sees the host's processes in `/proc`.
    HostProc,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoResolvConf => {
                "this system has no /etc/resolv.conf: names resolve only where a program asks 10.0.2.3"
            }
            Self::NoHosts => "this system has no /etc/hosts: bowline.internal is 10.0.2.4, the host is 10.0.2.2",
            Self::HostProc => "the kernel refused a new /proc: the program sees the host's processes in it",
        })
    }
}

/// Namespaces that stand, with a program that waits to run in them.
#[derive(Debug)]
pub struct Sandbox {
    /// The program.
    pub process: Process,
    /// The TUN: non-blocking, each packet after a virtio-net header of 10 bytes.
    pub tun: OwnedFd,
    /// Where the program has a way to: everywhere, as yet.
    pub routing: Routing,
    /// Whether the program has IPv6.
    pub ipv6: bool,
    /// What is not as it should be.
    pub notes: Vec<Note>,
}

impl Sandbox {
    /// Makes the namespaces.
    ///
    /// From here until the [`Process`] is dropped, the calling thread blocks the signals that are passed on to the
    /// program. The program is killed if this thread ends before that.
    ///
    /// # Errors
    ///
    /// See [`Error`]: each says what to do.
    pub fn spawn(config: &Config) -> Result<Self, Error> {
        let host = |what| move |errno| Error::Host(what, errno);
        let (ours, theirs) = channel::pair().map_err(host("make a socket pair"))?;
        let signals = SignalSet::of(&PASSED_ON).descriptor().map_err(host("make a signal descriptor"))?;
        // the first reading of the clock prepares what the copy must not prepare by itself
        let _ = init::now_ms();
        // no handler of this process may run in the copy
        let mask = SignalSet::all().block();
        let mut blocked = mask;
        blocked.add(&PASSED_ON);
        let cloned = Plan::new(config, mask).and_then(|mut plan| {
            let pid = clone_init(&mut plan, [&ours, &theirs])?;
            Ok((pid, plan.command))
        });
        drop(theirs);
        let (init, command) = match cloned {
            Ok(cloned) => cloned,
            Err(error) => {
                mask.block();
                return Err(error);
            }
        };
        blocked.block();
        let mut process = Process::new(init, ours, signals, mask, command);
        let (tun, routing, flags) = process.set_up()?;
        let notes = [
            (flag::NO_RESOLV_CONF, Note::NoResolvConf),
            (flag::NO_HOSTS, Note::NoHosts),
            (flag::HOST_PROC, Note::HostProc),
        ];
        let notes = notes.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, note)| note).collect();
        Ok(Self { process, tun, routing, ipv6: flags & flag::IPV6 != 0, notes })
    }
}

impl Plan {
    fn new(config: &Config, mask: SignalSet) -> Result<Self, Error> {
        let read = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let (resolv_conf, hosts) = (read("/etc/resolv.conf"), read("/etc/hosts"));
        let gid = getegid().as_raw();
        Ok(Self {
            command: Command::new(&config.command)?,
            mtu: u32::from(config.mtu),
            resolv_conf: [false, true].map(|ipv6| files::resolv_conf(&resolv_conf, ipv6)),
            hosts: [false, true].map(|ipv6| files::hosts(&hosts, ipv6)),
            gid: format!("{gid} {gid}"),
            congestion: config.congestion.clone(),
            open_files: getrlimit(Resource::Nofile),
            mask,
        })
    }
}

/// Clones the init process into new namespaces. As root on a kernel without user namespaces, it does without. `channel` is
/// the gateway's end and the init process's.
fn clone_init(plan: &mut Plan, channel: [&OwnedFd; 2]) -> Result<Pid, Error> {
    let mut namespaces = NAMESPACES | libc::CLONE_NEWUSER;
    loop {
        // SAFETY: the child calls nothing but `init::run`, which allocates nothing and never returns.
        #[allow(unsafe_code)]
        match unsafe { sys::clone_process(namespaces) } {
            Ok(Fork::Child) => init::run(plan, channel),
            Ok(Fork::Parent(pid)) => {
                if namespaces & libc::CLONE_NEWUSER != 0
                    && let Err(error) = maps::write(pid)
                {
                    // it waits for the maps, and has done nothing yet
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                    return Err(Error::Maps(error));
                }
                return Ok(pid);
            }
            Err(_) if geteuid().is_root() && namespaces & libc::CLONE_NEWUSER != 0 => namespaces = NAMESPACES,
            Err(errno) => return Err(Error::Namespaces(errno)),
        }
    }
}

impl Process {
    /// Lets the init process begin, and waits until it is done.
    fn set_up(&mut self) -> Result<(OwnedFd, Routing, u32), Error> {
        self.tell(Message::Mapped)?;
        match self.hear()? {
            Some((Message::Ready { flags, index }, Some([tun, kernel]))) => {
                Ok((tun, Routing::new(kernel, index.unsigned_abs()), flags))
            }
            Some((Message::Failed { step, errno }, _)) => Err(Error::Step(step, errno)),
            _ => Err(Error::Lost),
        }
    }
}
