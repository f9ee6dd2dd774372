//! The runner, and how the tests start it, read it and end it.

use std::env;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use bowline_gateway::sandbox::{Config, Sandbox};

/// Set for a runner.
pub(crate) const ROLE: &str = "BOWLINE_TEST_RUNNER";

/// The runner.
pub(crate) fn run() -> u8 {
    let config = Config::new(env::args_os().skip(1).collect());
    let result = Sandbox::spawn(&config).and_then(|mut sandbox| {
        sandbox.process.start()?;
        sandbox.process.wait()
    });
    match result {
        Ok(exit) => exit.status(),
        Err(error) => {
            eprintln!("{error}");
            error.exit_status()
        }
    }
}

pub(crate) fn me() -> String {
    env::current_exe().unwrap().to_str().unwrap().to_owned()
}

pub(crate) fn runner(words: &[&str]) -> Command {
    let mut command = Command::new(me());
    command.args(words).env(ROLE, "1").stdin(Stdio::null());
    command
}

pub(crate) fn run_in_sandbox(words: &[&str]) -> Output {
    runner(words).output().unwrap()
}

/// Runs a shell script in a sandbox and returns what it printed.
pub(crate) fn shell(script: &str) -> String {
    printed(run_in_sandbox(&["sh", "-c", script]))
}

pub(crate) fn printed(output: Output) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{:?}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a command whose output can be read and whose input can be written.
pub(crate) fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Kills a child that has not said what it was to say after ten seconds, so that a failure ends.
struct Deadline(#[expect(dead_code, reason = "dropping it ends the wait")] std::sync::mpsc::Sender<()>);

impl Deadline {
    fn of(child: &Child) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let pid = child.id();
        std::thread::spawn(move || {
            if receiver.recv_timeout(std::time::Duration::from_secs(10))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                kill(pid, rustix::process::Signal::KILL);
            }
        });
        Self(sender)
    }
}

/// Reads up to and with `wanted`.
pub(crate) fn read_until(child: &mut Child, wanted: &str) -> String {
    let _deadline = Deadline::of(child);
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(wanted.as_bytes()) {
        let got = child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
        assert_ne!(got, 0, "the output ended before {wanted:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

/// Reads to the end of the output: until nobody has it open any more.
pub(crate) fn read_to_end(child: &mut Child) -> String {
    let _deadline = Deadline::of(child);
    let mut rest = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    rest
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether there is such a process, and it has not ended: nobody may have asked yet how.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits for a child with its input left open.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let _input = child.stdin.take();
    child.wait().unwrap()
}

pub(crate) fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}
