//! The first process of the sandbox: it sets the namespaces up, runs the command, passes signals on to it, reaps
//! whatever is orphaned, and reports how the command ended.
//!
//! It is a copy of the gateway's process, possibly of a gateway with other threads, and never executes anything itself.
//! So nothing here may allocate, take a lock or panic. It ends when the gateway's end of the channel closes, and the
//! kernel then ends every process in the sandbox.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, kill_process, setrlimit, wait};
use rustix::time::{ClockId, clock_gettime};

use super::channel::{self, Message};
use super::command::Command;
use super::error::Step;
use super::mounts::{self, PrivateFile};
use super::network::{self, Network};
use super::siginfo::SignalInfo;
use super::sys::{self, Fork, SignalSet};
use super::{Failure, PASSED_ON, at};

/// What [`Message::Ready`] says.
pub(super) mod flag {
    /// IPv6 works inside.
    pub(in crate::sandbox) const IPV6: u32 = 1;
    /// The host has no `/etc/resolv.conf` to replace.
    pub(in crate::sandbox) const NO_RESOLV_CONF: u32 = 2;
    /// The host has no `/etc/hosts` to replace.
    pub(in crate::sandbox) const NO_HOSTS: u32 = 4;
    /// The kernel refused a new `/proc`.
    pub(in crate::sandbox) const HOST_PROC: u32 = 8;
}

/// How long a signal to the whole process group may take from its first member to its last.
const GROUP_WINDOW_MS: i64 = 200;

/// Resolver sockets that lead out of the sandbox: nss-resolve's and nscd's.
const RESOLVER_SOCKETS: [&std::ffi::CStr; 2] = [c"/run/systemd/resolve/io.systemd.Resolve", c"/var/run/nscd/socket"];

/// Everything the init process needs, made ready before the clone.
pub(super) struct Plan {
    pub(super) command: Command,
    pub(super) mtu: u32,
    /// Without and with IPv6.
    pub(super) resolv_conf: [String; 2],
    /// Without and with IPv6.
    pub(super) hosts: [String; 2],
    /// A group that is mapped inside, for the kernel's echo sockets.
    pub(super) gid: String,
    /// The congestion control of the sandbox's own TCP.
    pub(super) congestion: Option<String>,
    /// The limit of open files that the command shall have.
    pub(super) open_files: Rlimit,
    /// The signals that the command shall block.
    pub(super) mask: SignalSet,
}

/// Ends this copy of the process if a panic unwinds: it must never return into the gateway's code.
struct NeverUnwind;

impl Drop for NeverUnwind {
    fn drop(&mut self) {
        sys::exit(125);
    }
}

/// The life of the init process. It speaks through `channel`, whose other end is the gateway's.
pub(super) fn run(plan: &mut Plan, [gateways, channel]: [&OwnedFd; 2]) -> ! {
    let _guard = NeverUnwind;
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // The gateway may have been killed before that. Without a copy of its end here, the channel then says so.
    sys::close_range(gateways.as_raw_fd(), gateways.as_raw_fd());
    let _ = rustix::thread::set_name(c"bowline-init");
    if let Err((step, errno)) = live(plan, channel) {
        let _ = channel::send(channel, Message::Failed { step, errno }, &[]);
    }
    sys::exit(0)
}

/// Waits for exactly `wanted`; ends the process if the gateway is gone.
fn expect(channel: &OwnedFd, wanted: Message) {
    match channel::receive(channel) {
        Ok(Some((message, _))) if message == wanted => {}
        _ => sys::exit(0),
    }
}

fn live(plan: &mut Plan, channel: &OwnedFd) -> Result<(), Failure> {
    expect(channel, Message::Mapped);
    let (network, flags) = set_up(plan)?;
    let ready = Message::Ready { flags, index: network.index as i32 };
    if channel::send(channel, ready, &[network.tun.as_fd(), network.kernel.as_fd()]).is_err() {
        sys::exit(0);
    }
    drop(network);
    expect(channel, Message::Go);

    let mut watched = SignalSet::of(&PASSED_ON);
    watched.add(&[libc::SIGCHLD]);
    let signals = at(Step::Signals, watched.descriptor())?;
    let (held, hold) = at(Step::Fork, pipe_with(PipeFlags::CLOEXEC))?;
    // SAFETY: the child calls nothing but `wait_for_end` and `become_command`, which allocate nothing and end in exec or exit.
    #[allow(unsafe_code)]
    let command = match at(Step::Fork, unsafe { sys::clone_process(0) })? {
        Fork::Child => {
            drop(hold);
            wait_for_end(&held);
            become_command(plan, channel)
        }
        Fork::Parent(pid) => pid,
    };
    let mut supervisor = Supervisor { channel, signals: &signals, command, generation: 0, seen: [i64::MIN; 65] };
    supervisor.hand_down();
    drop((held, hold));
    close_others(channel, &signals);
    supervisor.run()
}

/// Waits until nobody can write to the other end any more.
fn wait_for_end(pipe: &OwnedFd) {
    let _ = rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut [0u8; 1][..]));
}

fn set_up(plan: &Plan) -> Result<(Network, u32), Failure> {
    mounts::detach()?;
    let network = network::set_up(plan.mtu)?;
    let ipv6 = network.ipv6;
    let mut flags = if ipv6 { flag::IPV6 } else { 0 };
    let [resolv_conf, hosts] =
        [&plan.resolv_conf, &plan.hosts].map(|[v4, both]| if ipv6 { both.as_bytes() } else { v4.as_bytes() });
    let files = [
        PrivateFile { scratch: c"/proc/resolv.conf", target: c"/etc/resolv.conf", content: resolv_conf },
        PrivateFile { scratch: c"/proc/hosts", target: c"/etc/hosts", content: hosts },
    ];
    mounts::place(&files, |index| flags |= if index == 0 { flag::NO_RESOLV_CONF } else { flag::NO_HOSTS })?;
    mounts::shadow(&RESOLVER_SOCKETS);
    if mounts::fresh_proc().is_err() {
        flags |= flag::HOST_PROC;
    }
    switches(plan);
    Ok((network, flags))
}

/// Sets what the sandbox's kernel would not do by itself. All of it is a convenience, so a read-only `/proc/sys` is no
/// failure.
fn switches(plan: &Plan) {
    let ping = c"/proc/sys/net/ipv4/ping_group_range";
    if network::write_switch(ping, b"0 2147483647").is_err() {
        let _ = network::write_switch(ping, plan.gid.as_bytes());
    }
    let _ = network::write_switch(c"/proc/sys/net/ipv4/ip_unprivileged_port_start", b"0");
    let _ = network::write_switch(c"/proc/sys/net/ipv6/conf/bowline0/accept_ra", b"0");
    // Ports in TIME-WAIT serve again after a second (RFC 6191), as they do on the host's loopback by default: else a
    // program that opens 28,000 connections within a minute would run out of them here and not outside.
    let _ = network::write_switch(c"/proc/sys/net/ipv4/tcp_tw_reuse", b"1");
    if let Some(congestion) = &plan.congestion {
        let _ = network::write_switch(c"/proc/sys/net/ipv4/tcp_congestion_control", congestion.as_bytes());
    }
}

/// The life of the command's process up to its exec.
fn become_command(plan: &mut Plan, channel: &OwnedFd) -> ! {
    let _guard = NeverUnwind;
    sys::default_sigpipe();
    let _ = setrlimit(Resource::Nofile, plan.open_files);
    plan.mask.block();
    let (errno, candidate) = plan.command.execute();
    let _ = channel::send(channel, Message::ExecFailed { errno, candidate }, &[]);
    sys::exit(if errno == Errno::NOENT { 127 } else { 126 })
}

/// Lets go of everything else the gateway had open, so that its pipes and sockets end when the gateway closes them.
fn close_others(channel: &OwnedFd, signals: &OwnedFd) {
    let (a, b) = (channel.as_raw_fd().min(signals.as_raw_fd()), channel.as_raw_fd().max(signals.as_raw_fd()));
    sys::close_range(0, a - 1);
    sys::close_range(a + 1, b - 1);
    sys::close_range(b + 1, i32::MAX);
}

struct Supervisor<'a> {
    channel: &'a OwnedFd,
    signals: &'a OwnedFd,
    command: Pid,
    generation: u32,
    /// When the init process itself last got each signal from outside, in milliseconds.
    seen: [i64; 65],
}

pub(super) fn now_ms() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

impl Supervisor<'_> {
    fn run(&mut self) -> ! {
        loop {
            let mut fds = [PollFd::new(self.signals, PollFlags::IN), PollFd::new(self.channel, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => sys::exit(0),
            }
            let [signals, channel] = fds.map(|fd| !fd.revents().is_empty());
            // signals first: whether a signal came to the whole group must be known before it is passed on
            if signals {
                self.on_signals();
            }
            if channel {
                self.on_message();
            }
        }
    }

    fn on_signals(&mut self) {
        while let Ok(Some(info)) = SignalInfo::read(self.signals) {
            if info.signal == libc::SIGCHLD {
                self.reap();
            } else if info.is_from_outside() {
                self.note(info.signal);
            }
        }
    }

    /// Sends the command what came to this process while there was no command, a Ctrl-C during the set-up for one. What came
    /// just now it may have got itself: it still blocks them all, and the kernel keeps one of each.
    fn hand_down(&mut self) {
        while let Ok(Some(info)) = SignalInfo::read(self.signals) {
            if info.signal == libc::SIGCHLD {
                self.reap();
            } else if info.is_from_outside()
                && let Some(signal) = Signal::from_named_raw(info.signal)
            {
                self.note(info.signal);
                let _ = kill_process(self.command, signal);
            }
        }
    }

    fn note(&mut self, signal: i32) {
        if let Some(seen) = usize::try_from(signal).ok().and_then(|signal| self.seen.get_mut(signal)) {
            *seen = now_ms();
        }
    }

    fn on_message(&mut self) {
        match channel::receive(self.channel) {
            Ok(Some((Message::Signal { signal, generation }, _))) => {
                self.generation = generation;
                self.pass_on(signal);
            }
            Ok(Some(_)) | Err(Errno::BADMSG) => {}
            // the gateway is gone, and with this process goes every other one in here
            Ok(None) | Err(_) => sys::exit(0),
        }
    }

    /// Sends `signal` to the command, unless it went to the whole process group and the command is in it: then it has
    /// its own copy.
    fn pass_on(&mut self, signal: i32) {
        let same_group = sys::same_group(self.command, None);
        let seen = usize::try_from(signal).ok().and_then(|signal| self.seen.get_mut(signal));
        let recently = seen.is_some_and(|seen| {
            let recently = now_ms().saturating_sub(*seen) < GROUP_WINDOW_MS;
            *seen = i64::MIN;
            recently
        });
        if signal != libc::SIGCONT && same_group && recently {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process(self.command, signal);
        }
    }

    fn reap(&self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            if pid == self.command {
                self.report(status);
            }
        }
    }

    fn report(&self, status: WaitStatus) {
        let message = if let Some(signal) = status.stopping_signal() {
            Message::Stopped { signal, generation: self.generation }
        } else if let Some(status) = status.exit_status() {
            Message::Exited { status }
        } else if let Some(signal) = status.terminating_signal() {
            Message::Killed { signal }
        } else {
            return;
        };
        let _ = channel::send(self.channel, message, &[]);
        if !status.stopped() {
            sys::exit(0);
        }
    }
}
