//! Other programs: started, waited for and ended, always by handle and always within a time.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Result;

/// The longest that any run takes; a namespace that nobody ended goes away by itself after it.
const LIFETIME_S: &str = "3600";

/// How this process's own executable is started so that it ends up in [`crate::job::main`].
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub exe: PathBuf,
    /// What comes before the arguments of [`crate::job::main`].
    pub args: Vec<OsString>,
}

impl Program {
    /// The running executable, with these arguments before those of the peer.
    ///
    /// # Errors
    /// When the system does not tell the path of the executable.
    pub fn current<I: IntoIterator<Item = S>, S: Into<OsString>>(args: I) -> Result<Self> {
        Ok(Self { exe: std::env::current_exe()?, args: args.into_iter().map(Into::into).collect() })
    }

    /// The words of a command line that runs the peer with `args`.
    pub(crate) fn words(&self, args: &[&str]) -> Result<Vec<String>> {
        let own = std::iter::once(self.exe.clone().into_os_string()).chain(self.args.iter().cloned());
        let own = own.map(|word| word.into_string().map_err(|word| format!("not UTF-8: {}", word.display())));
        let mut words = own.collect::<std::result::Result<Vec<_>, _>>()?;
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        Ok(words)
    }
}

/// A program in the background. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(words: &[&str]) -> Result<Self> {
        let mut command = command(words)?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().map_err(|error| format!("cannot start {words:?}: {error}"))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end, at most `limit`, and returns its standard output.
pub(crate) fn output(words: &[&str], limit: Duration) -> Result<String> {
    let seconds = limit.as_secs().max(1).to_string();
    let mut bounded = vec!["timeout", "--kill-after=2", seconds.as_str()];
    bounded.extend(words);
    let output = command(&bounded)?.output().map_err(|error| format!("cannot start {words:?}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told = stderr.lines().chain(stdout.lines()).rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    let why = if output.status.code() == Some(124) { format!("took more than {seconds} s") } else { told.to_owned() };
    Err(format!("`{}`: {why}", words.join(" ")).into())
}

fn command(words: &[&str]) -> Result<Command> {
    let (program, args) = words.split_first().ok_or("an empty command line")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    Ok(command)
}

/// Waits until `condition` holds, at most `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !condition()? {
        if started.elapsed() > limit {
            return Err(format!("waited {} s for {what}", limit.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Runs the peer with `args` in a user, network and mount namespace of its own, and returns what it printed.
pub(crate) fn in_namespace(program: &Program, args: &[&str], limit: Duration) -> Result<String> {
    let words = program.words(args)?;
    let rootless = ["unshare", "--user", "--map-root-user", "--net", "--mount"];
    let as_root = ["unshare", "--net", "--mount"];
    let works = |unshare: &[&str]| output(&[unshare, &["true"]].concat(), Duration::from_secs(5)).is_ok();
    let unshare = if works(&rootless) {
        &rootless[..]
    } else if works(&as_root) {
        &as_root[..]
    } else {
        return Err("no namespace can be made here: allow user namespaces or become root".into());
    };
    let words: Vec<&str> = unshare.iter().copied().chain(words.iter().map(String::as_str)).collect();
    output(&words, limit)
}

/// A process that does nothing in a network namespace of its own.
pub(crate) fn keeper() -> Result<(Background, u32)> {
    let keeper = Background::start(&["unshare", "--net", "sleep", LIFETIME_S])?;
    let pid = keeper.id();
    let outside = std::fs::read_link("/proc/self/ns/net")?;
    wait_until("a network namespace", Duration::from_secs(10), || {
        Ok(std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|inside| inside != outside))
    })?;
    Ok((keeper, pid))
}

/// A network namespace beside the one that this process is in. It goes away with this.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    _keeper: Background,
}

impl Namespace {
    pub(crate) fn open() -> Result<Self> {
        let (keeper, pid) = keeper()?;
        Ok(Self { file: File::open(format!("/proc/{pid}/ns/net"))?, _keeper: keeper })
    }

    /// Does something in there: on a thread that moves, and ends. Sockets and devices that it opens stay there.
    pub(crate) fn within<T: Send>(&self, job: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                job()
            });
            thread.join().map_err(|_| "a thread in the other namespace panicked")?
        })
    }
}

/// Writes a setting of the network namespace that this process is in.
pub(crate) fn set_sysctl(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/{name}");
    Ok(std::fs::write(&path, value).map_err(|error| format!("cannot write {value:?} to {path}: {error}"))?)
}
