//! Pings of the program's: sent on by the host's own echo sockets, where it permits them. Nothing is answered in the name
//! of others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bowline::{Echo, EchoEvent, Net};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Shared, icmp};
use crate::host::Verdict;
use crate::host::echo::{Answer, EchoSocket};

/// How long an identifier may be silent before its socket is closed (RFC 5508 3.2 wants 60 s at least).
const IDLE: Duration = Duration::from_secs(60);

/// Identifiers with a socket at once; the program is told of no more.
const MAX_SOCKETS: usize = 256;

/// Requests that wait for one socket's task.
const MAX_WAITING: usize = 64;

/// What the program pings by: address family and identifier.
type Key = (IpAddr, u16);

/// Serves pings until the network stops.
pub(crate) async fn serve(net: Net, shared: Arc<Shared>) {
    let Ok(mut stack) = net.echo() else { return };
    let (answer, mut answers) = mpsc::channel::<(Echo, Option<Verdict>)>(MAX_WAITING);
    let mut sockets: HashMap<Key, mpsc::Sender<(IpAddr, Echo)>> = HashMap::new();
    let mut told = false;
    loop {
        tokio::select! {
            event = stack.recv() => match event {
                Ok(EchoEvent::Request(echo)) => {
                    match forward(&mut sockets, &answer, &shared, echo) {
                        Ok(()) => {}
                        Err((echo, verdict)) => {
                            if verdict == Verdict::Silence && !told {
                                told = true;
                                tracing::warn!("this host permits no ping to this user's group: `sudo sysctl \
                                                net.ipv4.ping_group_range='0 2147483647'` would");
                            }
                            if let Some(error) = icmp(verdict) {
                                stack.report_unreachable(echo, error);
                            }
                        }
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            },
            Some((echo, verdict)) = answers.recv() => match verdict {
                None => stack.reply(&echo),
                Some(verdict) => {
                    if let Some(error) = icmp(verdict) {
                        stack.report_unreachable(echo, error);
                    }
                }
            },
        }
    }
}

/// Hands a request to its socket's task, which is begun where there is none.
fn forward(
    sockets: &mut HashMap<Key, mpsc::Sender<(IpAddr, Echo)>>,
    answer: &mpsc::Sender<(Echo, Option<Verdict>)>,
    shared: &Shared,
    echo: Echo,
) -> Result<(), (Echo, Verdict)> {
    let target = match shared.targets().find_echo(echo.dst) {
        Ok(target) => target,
        Err(verdict) => return Err((echo, verdict)),
    };
    if echo.hop_limit <= 1 {
        return Err((echo, Verdict::TimeExceeded));
    }
    let key = (echo.src, echo.ident);
    let request = match sockets.get(&key) {
        Some(sender) => match sender.try_send((target, echo)) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(request)) => request,
        },
        None => (target, echo),
    };
    sockets.retain(|_, sender| !sender.is_closed());
    if sockets.len() >= MAX_SOCKETS {
        return Err((request.1, Verdict::Silence));
    }
    match EchoSocket::open(target.is_ipv6()) {
        Ok(socket) => {
            let (sender, requests) = mpsc::channel(MAX_WAITING);
            let _ = sender.try_send(request);
            sockets.insert(key, sender);
            tokio::spawn(carry(socket, requests, answer.clone()));
            Ok(())
        }
        Err(error) => {
            tracing::debug!(%error, "no echo socket");
            Err((request.1, Verdict::Silence))
        }
    }
}

/// The life of one socket.
async fn carry(
    socket: EchoSocket,
    mut requests: mpsc::Receiver<(IpAddr, Echo)>,
    answer: mpsc::Sender<(Echo, Option<Verdict>)>,
) {
    let mut asked: HashMap<u16, (IpAddr, Echo)> = HashMap::new();
    let mut until = Instant::now() + IDLE;
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some((target, echo)) = request else { return };
                until = Instant::now() + IDLE;
                if asked.len() >= MAX_WAITING {
                    // answers that have not come by now will not be waited for
                    asked.clear();
                }
                match socket.send(target, echo.hop_limit - 1, echo.sequence, &echo.data) {
                    Ok(()) => { asked.insert(echo.sequence, (target, echo)); }
                    Err(error) => {
                        let _ = answer.send((echo, Some(Verdict::of(&error)))).await;
                    }
                }
            }
            received = socket.receive() => match received {
                Ok(Answer::Reply(reply)) => {
                    // the destination itself has answered this very request
                    if let Some((_, mut echo)) = asked.remove(&reply.sequence) {
                        echo.data = reply.data.into();
                        let _ = answer.send((echo, None)).await;
                    }
                }
                Ok(Answer::Error(error)) => {
                    let about = asked.iter().filter(|(_, (target, _))| *target == error.destination.ip());
                    if let Some(sequence) = about.map(|(sequence, _)| *sequence).min()
                        && let Some((_, echo)) = asked.remove(&sequence)
                    {
                        let _ = answer.send((echo, Some(error.verdict))).await;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "an echo socket has failed");
                    return;
                }
            },
            () = sleep_until(until) => return,
        }
    }
}
