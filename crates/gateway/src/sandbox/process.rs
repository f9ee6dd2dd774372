//! The program, seen from the gateway: starting it, passing signals on, stopping and continuing with it, its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

use super::channel::{self, Attached, Message};
use super::command::Command;
use super::error::Error;
use super::siginfo::SignalInfo;
use super::sys::SignalSet;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl Exit {
    /// The status that a shell would show: the program's own, or 128 and the signal's number.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// The program and the init process above it. Dropping it ends both.
pub struct Process {
    init: Pid,
    channel: OwnedFd,
    signals: OwnedFd,
    mask: SignalSet,
    command: Command,
    /// How many SIGCONTs have been passed on. A report of a stop from before the last one is out of date.
    generation: u32,
    reaped: bool,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("init", &self.init).finish_non_exhaustive()
    }
}

impl Process {
    pub(super) fn new(init: Pid, channel: OwnedFd, signals: OwnedFd, mask: SignalSet, command: Command) -> Self {
        Self { init, channel, signals, mask, command, generation: 0, reaped: false }
    }

    pub(super) fn tell(&self, message: Message) -> Result<(), Error> {
        channel::send(&self.channel, message, &[]).map_err(|_| Error::Lost)
    }

    pub(super) fn hear(&self) -> Result<Option<(Message, Attached)>, Error> {
        channel::receive(&self.channel).map_err(|_| Error::Lost)
    }

    /// The process whose end is the end of the sandbox, as the host counts processes.
    #[must_use]
    pub fn init(&self) -> Pid {
        self.init
    }

    /// Lets the program run. From here on the descriptors of [`Self::descriptors`] do not block.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the sandbox was killed meanwhile. That the command does not exist is found out later, by
    /// [`Self::advance`].
    pub fn start(&mut self) -> Result<(), Error> {
        let flags = fcntl_getfl(&self.channel).map_err(|errno| Error::Host("read a socket's flags", errno))?;
        fcntl_setfl(&self.channel, flags | OFlags::NONBLOCK)
            .map_err(|errno| Error::Host("set a socket's flags", errno))?;
        self.tell(Message::Go)
    }

    /// The two descriptors which become readable when there is something for [`Self::advance`] to do.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.signals.as_fd(), self.channel.as_fd()]
    }

    /// Passes on the signals that have arrived, and looks whether the program has ended. Never waits, except that it
    /// stops this process where the terminal has stopped the program.
    ///
    /// # Errors
    ///
    /// Why the command could not be executed.
    pub fn advance(&mut self) -> Result<Option<Exit>, Error> {
        loop {
            self.pass_on()?;
            let message = match channel::receive(&self.channel) {
                Ok(Some((message, _))) => message,
                Err(Errno::AGAIN) => return Ok(None),
                // killed from outside, and the program with it
                Ok(None) | Err(_) => return Ok(Some(Exit::Killed(libc::SIGKILL))),
            };
            match message {
                Message::Exited { status } => return Ok(Some(Exit::Exited(status as u8))),
                Message::Killed { signal } => return Ok(Some(Exit::Killed(signal))),
                Message::ExecFailed { errno, candidate } => return Err(self.command.failure(errno, candidate)),
                Message::Failed { step, errno } => return Err(Error::Step(step, errno)),
                Message::Stopped { signal, generation } if generation == self.generation => stop_like(signal),
                _ => {}
            }
        }
    }

    /// Takes the signals that have arrived, and says whether one of them asks to end. For when the program has ended
    /// already.
    pub fn is_interrupted(&mut self) -> bool {
        let mut interrupted = false;
        while let Ok(Some(info)) = SignalInfo::read(&self.signals) {
            interrupted |= matches!(info.signal, libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT);
        }
        interrupted
    }

    /// Waits until the program ends.
    ///
    /// # Errors
    ///
    /// Why the command could not be executed.
    pub fn wait(&mut self) -> Result<Exit, Error> {
        loop {
            if let Some(exit) = self.advance()? {
                return Ok(exit);
            }
            let mut fds = self.descriptors().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Host("wait for the command", errno)),
            }
        }
    }

    /// The kernel keeps one of each signal: what is sent again before it is read here is one with the first, whoever else the
    /// first went to.
    fn pass_on(&mut self) -> Result<(), Error> {
        while let Some(info) = SignalInfo::read(&self.signals).map_err(|errno| Error::Host("read a signal", errno))? {
            if info.signal == libc::SIGCONT {
                self.generation = self.generation.wrapping_add(1);
            } else if info.is_from_kernel() && info.signal != libc::SIGHUP {
                // the terminal has sent it to the program as well; that it is gone it tells the leader of the session alone
                continue;
            }
            // if the init process is gone, the next receive says so
            let _ = self.tell(Message::Signal { signal: info.signal, generation: self.generation });
        }
        Ok(())
    }
}

/// Stops this process, by the same signal, if the program was stopped by its terminal: the shell sees a stopped job.
fn stop_like(signal: i32) {
    if matches!(signal, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
        && let Some(name) = Signal::from_named_raw(signal)
    {
        let _ = kill_process(getpid(), name);
        // it is delivered as soon as it is not blocked any more; what follows runs after the SIGCONT
        SignalSet::unblock(signal).block();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.reaped = true;
            let _ = kill_process(self.init, Signal::KILL);
            let _ = rustix::io::retry_on_intr(|| waitpid(Some(self.init), WaitOptions::empty()));
        }
        self.mask.block();
    }
}
