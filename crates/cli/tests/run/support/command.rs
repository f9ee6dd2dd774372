//! Commands with a deadline: the one under test, and those around it.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// A command in a process group of its own, as a shell starts it. When it takes too long the group is killed, so that a
/// failure ends.
pub(crate) struct Limited {
    command: Command,
    limit: Duration,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `bowline run OPTIONS -- WORDS`, with options and words each separated by spaces.
pub(crate) fn bowline(options: &str, words: &[&str]) -> Limited {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.arg("run").args(options.split_whitespace()).arg("--").args(words);
    Limited::new(command)
}

/// A shell script, which finds the command under test as `$BOWLINE`.
pub(crate) fn shell(script: &str) -> Limited {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).env("BOWLINE", env!("CARGO_BIN_EXE_bowline"));
    Limited::new(command)
}

impl Limited {
    fn new(mut command: Command) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null()).process_group(0);
        Self { command, limit: Duration::from_secs(30) }
    }

    /// Takes at most this many seconds, instead of 30.
    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it a pipe as standard input.
    pub(crate) fn with_input(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let shown = format!("{:?}", self.command);
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = collect(child.stderr.take().unwrap());
        let deadline = Deadline::of(&child, self.limit);
        Running { shown, child, stdout: Some(stdout), said: String::new(), stderr: Some(stderr), deadline }
    }

    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert!(self.status.success(), "{:?}\n{}\n{}", self.status, self.stdout, self.stderr);
    }

    /// What it printed, if it ended well.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        self.assert_success();
        self.stdout
    }
}

/// A command that runs. Its group is killed when it is dropped.
pub(crate) struct Running {
    shown: String,
    child: Child,
    stdout: Option<std::process::ChildStdout>,
    said: String,
    stderr: Option<JoinHandle<String>>,
    deadline: Deadline,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has printed the line `wanted`.
    #[track_caller]
    pub(crate) fn read_until(&mut self, wanted: &str) {
        let mut byte = [0];
        let wanted = format!("{wanted}\n");
        while !self.said.ends_with(&wanted) {
            let got = self.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_ne!(got, 0, "{}: ended before {wanted:?}: {:?}", self.shown, self.said);
            self.said.push(char::from(byte[0]));
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        use std::io::Write as _;
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(pid(&self.child), signal).unwrap();
    }

    pub(crate) fn signal_group(&self, signal: Signal) {
        rustix::process::kill_process_group(pid(&self.child), signal).unwrap();
    }

    /// Waits for its end, and the end of everybody who could print in its name.
    pub(crate) fn wait(mut self) -> Ended {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        self.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        assert!(
            !self.deadline.has_struck(),
            "{}: took too long\n{}{stderr}",
            self.shown,
            String::from_utf8_lossy(&rest)
        );
        let stdout = std::mem::take(&mut self.said) + &String::from_utf8_lossy(&rest);
        Ended { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(pid(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Kills a process group unless it is dropped in time.
struct Deadline {
    _armed: mpsc::Sender<()>,
    struck: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Deadline {
    fn of(child: &Child, limit: Duration) -> Self {
        let (armed, receiver) = mpsc::channel();
        let struck = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let (pid, strikes) = (pid(child), std::sync::Arc::clone(&struck));
        std::thread::spawn(move || {
            if receiver.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                strikes.store(true, std::sync::atomic::Ordering::SeqCst);
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
        });
        Self { _armed: armed, struck }
    }

    fn has_struck(&self) -> bool {
        self.struck.load(std::sync::atomic::Ordering::SeqCst)
    }
}
