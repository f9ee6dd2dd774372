//! A whole run: the sandbox, the gateway on its TUN, the program, and its end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bowline::Net;
use bowline_device::impairment::ImpairmentMonitor;
use bowline_device::tun::Offloads;
use bowline_device::{Device, Tun};
use bowline_observe::Summary;
use bowline_observe::words::counted;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::Interest;

use crate::gateway::{Config, Gateway};
use crate::host::routes::{Changes, Routes};
use crate::host::watch;
use crate::sandbox::{self, Exit, Process, Routing, Sandbox};

/// Why a run did not come about.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The sandbox could not be made, or the command not be executed.
    Sandbox(sandbox::Error),
    /// The gateway's own machinery failed.
    Io(&'static str, io::Error),
}

impl Error {
    /// The status to exit with: see [`sandbox::Error::exit_status`].
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Sandbox(error) => error.exit_status(),
            Self::Io(..) => 125,
        }
    }
}

impl std::error::Error for Error {}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sandbox(error) => error.fmt(f),
            Self::Io(what, error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                write!(f, "cannot {what}: {error}: raise `ulimit -n`, of which each flow takes one")
            }
            Self::Io(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl From<sandbox::Error> for Error {
    fn from(error: sandbox::Error) -> Self {
        Self::Sandbox(error)
    }
}

fn io(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io(what, error)
}

/// Raises the limit of open files to what is permitted, and returns it. Each flow of the program's is a descriptor here;
/// the program itself keeps the limit that it would have had.
#[must_use]
pub fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let effective = if raised { limit.maximum } else { limit.current };
    effective.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// How long connections that are still open may take to end once the program has: its kernel still answers, so that it
/// takes a round trip, or two time-outs of 200 and 400 ms where a bad network loses the last acknowledgement.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the program of `sandbox` behind a gateway, to its end, and says what its connections came to.
///
/// `wrap` puts what it likes around the TUN, impairments and captures, and hands out the former's monitor. `observe` gets the
/// network and that monitor before the program runs, and what it returns is polled until the network has stopped; it should end
/// then.
///
/// This builds a runtime of its own on the calling thread.
///
/// # Errors
/// See [`Error`]: each says what to do.
pub fn run<D, F>(
    sandbox: Sandbox,
    mtu: u16,
    config: Config,
    wrap: impl FnOnce(Tun) -> (D, Option<ImpairmentMonitor>),
    observe: impl FnOnce(&Net, Option<ImpairmentMonitor>) -> F,
) -> Result<(Exit, Summary), Error>
where
    D: Device + Send + 'static,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("start a runtime"))?;
    let Sandbox { mut process, tun, routing, .. } = sandbox;
    let tun = Tun::from_fd(tun, Offloads::Udp, mtu).map_err(io("use the sandbox's TUN"))?;
    let (device, impaired) = wrap(tun);
    runtime.block_on(async {
        let gateway = Gateway::start(device, config).map_err(io("start the gateway"))?;
        let mut outside = Outside::look(routing);
        process.start()?;
        let observer = observe(gateway.net(), impaired.clone());
        let serve = async {
            let ended = wait(&mut process, &mut outside).await;
            if ended.is_ok() {
                drain(&gateway, impaired.as_ref(), &mut process).await;
            }
            // the observer ends with the network
            let summary = gateway.finish(GRACE).await;
            ended.map(|exit| (exit, summary))
        };
        let (ended, ()) = tokio::join!(serve, observer);
        ended
    })
}

/// What the program is told of the host's network.
struct Outside {
    changes: Option<Changes>,
    routing: Routing,
}

impl Outside {
    fn look(mut routing: Routing) -> Self {
        // listening comes first, so that no change is missed; where that is forbidden, what is true now stays so
        let changes = Changes::listen().ok();
        routing.set(Routes::now());
        Self { changes, routing }
    }

    /// Has the program's routes follow the host's, for ever.
    async fn follow(&mut self) -> Infallible {
        loop {
            match &self.changes {
                Some(changes) => changes.next().await,
                None => std::future::pending().await,
            }
            self.routing.set(Routes::now());
        }
    }
}

/// Waits for the program's end, and meanwhile passes signals on, and what becomes of the host's network.
async fn wait(process: &mut Process, outside: &mut Outside) -> Result<Exit, Error> {
    let [signals, channel] = watches(process)?;
    loop {
        if let Some(exit) = process.advance()? {
            return Ok(exit);
        }
        tokio::select! {
            ready = signals.readable() => ready.map_err(io("watch for signals"))?.clear_ready(),
            ready = channel.readable() => ready.map_err(io("watch the sandbox"))?.clear_ready(),
            never = outside.follow() => match never {},
        }
    }
}

/// Copies of the process's descriptors that the runtime watches.
fn watches(process: &Process) -> Result<[tokio::io::unix::AsyncFd<OwnedFd>; 2], Error> {
    let [signals, channel] = process.descriptors().map(|fd| {
        let copy = fd.try_clone_to_owned().map_err(io("copy a descriptor"))?;
        watch(copy, Interest::READABLE).map_err(io("watch a descriptor"))
    });
    Ok([signals?, channel?])
}

/// Lets what the program has written go out, unless the user is tired of waiting.
async fn drain(gateway: &Gateway, impaired: Option<&ImpairmentMonitor>, process: &mut Process) {
    let interrupted = async {
        let Ok([signals, _]) = watches(process) else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = signals.readable().await else { return };
            if process.is_interrupted() {
                return;
            }
            ready.clear_ready();
        }
    };
    let drained = async {
        match gateway.drained().await {
            0 => {}
            left => tracing::error!(
                "nobody has taken anything for a minute of what the command had written to {}: it is lost",
                counted(left as u64, "connection")
            ),
        }
        gateway.hung_up().await;
        gateway.settled(|| impaired.map_or(0, |impaired| impaired.in_flight().0)).await;
    };
    tokio::select! {
        () = drained => {}
        () = interrupted => {}
    }
}
