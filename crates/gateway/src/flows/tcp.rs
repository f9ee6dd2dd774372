//! What becomes of each SYN: the host's socket is connected first, and its fate is the answer.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Poll;

use bowline::{Forwarder, Incoming};
use tokio::time::Instant;

use super::{Shared, refusal, relay};
use crate::host::{Verdict, dial};
use crate::target::Target;

/// Serves SYNs until the network stops. Dials do not wait for each other; how many there may be at once, the forwarder
/// bounds.
pub(crate) async fn serve(mut forwarder: Forwarder, shared: Arc<Shared>) {
    while let Ok(incoming) = forwarder.next().await {
        tokio::spawn(carry(incoming, Arc::clone(&shared)));
    }
}

async fn carry(incoming: Incoming, shared: Arc<Shared>) {
    let (source, destination) = (incoming.source(), incoming.destination());
    let host = match open(&incoming, &shared).await {
        Ok(host) => host,
        Err(verdict) => {
            tracing::info!(%source, %destination, ?verdict, "refused");
            return incoming.refuse(refusal(verdict));
        }
    };
    tracing::info!(%source, %destination, "opened");
    match incoming.accept_now(None) {
        Ok(guest) => {
            let outward = shared.outward.begin();
            // the answer leaves, and the rest is made ready while the program looks at it
            others_first().await;
            let result = match watched(host) {
                Ok(host) => relay::run(guest, host, &shared, outward).await,
                Err(error) => {
                    tracing::warn!(%error, "the gateway is at its limit");
                    guest.abort();
                    Err(relay::Broken::Host(error))
                }
            };
            relay::report(source, destination, &result);
        }
        // the program has given up meanwhile
        Err(error) => {
            tracing::debug!(%source, %destination, %error, "gone before it was open");
            relay::reset(&host);
        }
    }
}

/// Lets the tasks that are ready have their turn, the network's driver among them. The runtime's own `yield_now` would
/// look at all descriptors first.
async fn others_first() {
    let mut had_theirs = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut had_theirs, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Registers a host's socket with the runtime. Nagle's algorithm is off: the program's own TCP has decided already what
/// goes out when.
fn watched(host: TcpStream) -> io::Result<tokio::net::TcpStream> {
    let _ = host.set_nodelay(true);
    tokio::net::TcpStream::from_std(host)
}

/// Dials, or says how to turn the program away.
async fn open(incoming: &Incoming, shared: &Shared) -> Result<TcpStream, Verdict> {
    match shared.targets().find(incoming.destination()) {
        Target::Host(target) => reach(target, shared).await,
        Target::Dns => reach_name_server(shared).await,
        Target::Refused(verdict) => Err(verdict),
    }
}

async fn reach(target: SocketAddr, shared: &Shared) -> Result<TcpStream, Verdict> {
    let host = dial(target).await.map_err(|error| shared.failure(target, &error))?;
    // where nobody listens on a loopback port, dialling it may connect a socket to itself
    if host.local_addr().ok() == Some(target) {
        relay::reset(&host);
        return Err(Verdict::Closed);
    }
    Ok(host)
}

/// Dials one name server after the other; what the last one says is the answer where none is there.
async fn reach_name_server(shared: &Shared) -> Result<TcpStream, Verdict> {
    let mut server = shared.resolver.lock().ask(Instant::now());
    loop {
        let verdict = match reach(server, shared).await {
            Ok(host) => {
                shared.resolver.lock().answered(server);
                return Ok(host);
            }
            Err(verdict) => verdict,
        };
        server = shared.resolver.lock().failed(server, Instant::now()).ok_or(verdict)?;
    }
}
