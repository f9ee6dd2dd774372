//! The bytes of one connection, both ways, and its end: FIN for FIN, RST for RST, half-closed for as long as either side
//! likes.
//!
//! Urgent data stays where it is in the stream and stays urgent (RFC 6093): [`urgent`] carries the byte that it ends with.
//!
//! Upwards, the slices of the TUN's buffers are written to the host's socket, and only then is more read, so that a slow
//! host closes the program's window. Downwards, no more is read from the host than the program's side takes.

mod urgent;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bowline::{ConnectionError, Keepalive};
use bowline_device::buffer::Buffer;
use bowline_observe::Summary;
use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep};

use super::end::{LOOK, OutwardFlow, PATIENCE};
use super::waiting::{FRUGAL, Waiting};
use super::{READ_SIZE, Shared};

/// The most that is taken from the stack at once, in bytes.
const UP_MAX: usize = 1 << 20;

/// What is smaller is copied, and the buffer is used again: an eighth of it, so that what waits pins no more than eight times
/// its length.
const COPY_BREAK: usize = READ_SIZE / 8;

/// How the program's side is asked whether it is still there once it has closed its direction: of a connection that nobody has
/// any more its kernel says nothing by itself. It keeps one for a minute, where the other side does not close (Linux
/// `tcp_fin_timeout`).
const STILL_THERE: Keepalive =
    Keepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(60), probes: 10 };

/// Which side broke the connection, and how.
#[derive(Debug)]
pub(crate) enum Broken {
    Guest(io::Error),
    Host(io::Error),
    /// Everything has ended, and not all that the program had written was brought out.
    Unfinished,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(error) => write!(f, "the program's side: {error}"),
            Self::Host(error) => write!(f, "the host's side: {error}"),
            Self::Unfinished => f.write_str("everything has ended before all was brought out"),
        }
    }
}

/// Says how a relay ended.
pub(crate) fn report(source: SocketAddr, destination: SocketAddr, result: &Result<(), Broken>) {
    match result {
        Ok(()) => tracing::info!(%source, %destination, "closed"),
        Err(broken) => tracing::info!(%source, %destination, %broken, "broken"),
    }
}

impl Broken {
    /// How the program's side ended, where it is that which broke.
    fn guest(&self) -> Option<ConnectionError> {
        match self {
            Self::Guest(error) if error.kind() == io::ErrorKind::TimedOut => Some(ConnectionError::TimedOut),
            // it was still open when everything ended
            Self::Guest(error) if error.kind() == io::ErrorKind::NetworkDown => None,
            Self::Guest(_) => Some(ConnectionError::Reset),
            Self::Host(_) | Self::Unfinished => None,
        }
    }
}

/// Closes a host socket with a RST, when it is dropped.
pub(crate) fn reset(host: &impl AsFd) {
    let _ = SockRef::from(host).set_linger(Some(Duration::ZERO));
}

/// Relays until both directions are closed, or either side has broken the connection, and passes that on.
pub(crate) async fn run(
    guest: bowline::TcpStream,
    mut host: TcpStream,
    shared: &Shared,
    outward: OutwardFlow<'_>,
) -> Result<(), Broken> {
    let carried = Carried::default();
    let _relay = shared.relays.begin();
    // what is urgent comes in its place, so that none of it is lost
    let _ = SockRef::from(&host).set_out_of_band_inline(true);
    let result = both(&guest, &mut host, &carried, shared, outward).await;
    let error = result.as_ref().err().and_then(Broken::guest);
    match guest.info() {
        Some(info) => shared.ended.lock().add_connection(&info, error),
        None => carried.add_to(&mut shared.ended.lock(), error),
    }
    match &result {
        Ok(()) => {}
        Err(Broken::Guest(_) | Broken::Unfinished) => reset(&host),
        Err(Broken::Host(_)) => guest.abort(),
    }
    result
}

/// Relays both directions. Each hears by itself of the end of the connection; where one is done, somebody listens in its place,
/// for the other one may wait for very long.
///
/// When everything ends, nobody reads any more what comes from the host: what has been brought out is delivered by the host's
/// kernel, and its connection ends as that of a program that has.
async fn both(
    guest: &bowline::TcpStream,
    host: &mut TcpStream,
    carried: &Carried,
    shared: &Shared,
    outward: OutwardFlow<'_>,
) -> Result<(), Broken> {
    let socket = host.as_raw_fd();
    let (reading, writing) = host.split();
    let mut up = pin!(up(guest, writing, carried, outward));
    let mut down = pin!(down(guest, reading, carried, &shared.waiting));
    tokio::select! {
        done = &mut up => {
            done?;
            let _ = guest.set_keepalive(Some(STILL_THERE));
            tokio::select! {
                done = down => done.map(drop),
                gone = gone(guest, socket) => gone.map_err(Broken::Guest),
                () = shared.over.wait() => Ok(()),
            }
        }
        done = &mut down => {
            let host = done?;
            tokio::select! {
                done = up => done,
                error = broken(host.as_ref()) => Err(Broken::Host(error)),
                () = shared.over.wait() => Err(Broken::Unfinished),
            }
        }
        () = shared.over.wait() => Err(Broken::Unfinished),
    }
}

/// Waits until nobody has the program's end any more, which has closed its direction. Its reset does not overtake what it had
/// written before.
async fn gone(guest: &bowline::TcpStream, host: RawFd) -> io::Result<()> {
    let closed = guest.closed().await;
    if closed.is_err() {
        let (mut left, mut since, mut look) = (unsent(host), Instant::now(), Duration::from_millis(1));
        while left > 0 && since.elapsed() < PATIENCE {
            sleep(look).await;
            look = (2 * look).min(LOOK);
            let before = std::mem::replace(&mut left, unsent(host));
            if left != before {
                since = Instant::now();
            }
        }
    }
    closed
}

/// Waits for the host's connection to break.
async fn broken(host: &TcpStream) -> io::Error {
    loop {
        let ready = host.ready(Interest::ERROR).await;
        match ready.and_then(|_| host.take_error()) {
            Ok(Some(error)) | Err(error) => return error,
            // nothing yet: it is to be announced
            Ok(None) => drop(host.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()))),
        }
    }
}

/// What a relay has carried itself: all that is left to tell of a connection that was reset.
#[derive(Debug, Default)]
struct Carried {
    up: AtomicU64,
    down: AtomicU64,
}

impl Carried {
    fn add_to(&self, summary: &mut Summary, error: Option<ConnectionError>) {
        summary.connections += 1;
        summary.bytes_received += self.up.load(Ordering::Relaxed);
        summary.bytes_sent += self.down.load(Ordering::Relaxed);
        match error {
            Some(ConnectionError::Reset) => summary.resets_received += 1,
            Some(ConnectionError::TimedOut) => summary.timeouts += 1,
            _ => {}
        }
    }
}

async fn up(
    guest: &bowline::TcpStream,
    mut host: WriteHalf<'_>,
    carried: &Carried,
    outward: OutwardFlow<'_>,
) -> Result<(), Broken> {
    loop {
        let (mut data, is_urgent) = urgent::receive(guest, UP_MAX).await.map_err(Broken::Guest)?;
        if data.is_empty() {
            return match SockRef::from(host.as_ref()).shutdown(Shutdown::Write) {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(Broken::Host(error)),
                _ => Ok(()),
            };
        }
        carried.up.fetch_add(data.len() as u64, Ordering::Relaxed);
        let last = if is_urgent { data.split_off(data.len() - 1) } else { Bytes::new() };
        while !data.is_empty() {
            let count = write(&mut host, &data, &outward).await.map_err(Broken::Host)?;
            outward.moved(count);
            data.advance(count);
        }
        if let Some(&last) = last.first() {
            urgent::send(host.as_ref(), last).await.map_err(Broken::Host)?;
            outward.moved(1);
        }
    }
}

/// Writes some of `data`. While there is no room, says to who asks whether the host takes what was written before: of that there
/// may be megabytes, and a slow one makes room in large steps only.
async fn write(host: &mut WriteHalf<'_>, data: &[u8], outward: &OutwardFlow<'_>) -> io::Result<usize> {
    let socket = host.as_ref().as_raw_fd();
    let mut queued = unsent(socket);
    let mut write = pin!(host.write(data));
    loop {
        tokio::select! {
            biased;
            written = &mut write => return written,
            () = outward.asked() => {
                let before = std::mem::replace(&mut queued, unsent(socket));
                outward.moved(before.saturating_sub(queued));
            }
        }
    }
}

/// How many bytes have been written to a socket that the other side has not acknowledged (`SIOCOUTQ`, tcp(7)).
fn unsent(socket: RawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the call writes one int, which lives through it; of a descriptor that is none it says so.
    #[allow(unsafe_code)]
    let _ = unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &raw mut count) };
    usize::try_from(count).unwrap_or(0)
}

/// Gives its half of the host's socket back at the end.
async fn down<'a>(
    guest: &bowline::TcpStream,
    mut host: ReadHalf<'a>,
    carried: &Carried,
    waiting: &Waiting,
) -> Result<ReadHalf<'a>, Broken> {
    // a read that has filled its buffer has not come to urgent data, but by chance
    let (mut left_room, mut frugal) = (true, false);
    loop {
        if waiting.is_pressed() != frugal {
            frugal = !frugal;
            // a connection that has ended says so below
            let _ = guest.set_notsent_lowat(if frugal { FRUGAL } else { u32::MAX });
        }
        guest.writable().await.map_err(Broken::Guest)?;
        host.readable().await.map_err(Broken::Host)?;
        if left_room && urgent::carry(guest, host.as_ref(), carried, waiting).await? {
            continue;
        }
        let mut buffer = waiting.take();
        let mut space = ReadBuf::new(buffer.space());
        // Polled once, so that no buffer waits. Unlike `try_read`, it knows that a read which left room was the last one.
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut host).poll_read(cx, &mut space))).await {
            Poll::Pending => continue,
            Poll::Ready(done) => done.map_err(Broken::Host)?,
        }
        let count = space.filled().len();
        if count == 0 {
            return guest.close_write().map(|()| host).map_err(Broken::Guest);
        }
        debug_assert!(count <= READ_SIZE, "a read is no larger than its buffer");
        guest.send_bytes(keep(buffer, count)).await.map_err(Broken::Guest)?;
        carried.down.fetch_add(count as u64, Ordering::Relaxed);
        left_room = count < READ_SIZE;
        if left_room {
            // the runtime believes that this read was the last one, and would not announce urgent data that ended it
            urgent::carry(guest, host.as_ref(), carried, waiting).await?;
        }
    }
}

/// The first `count` bytes of a buffer, which goes back at once where they are few.
fn keep(mut buffer: Buffer, count: usize) -> Bytes {
    if count < COPY_BREAK {
        Bytes::copy_from_slice(buffer.space().get(..count).unwrap_or_default())
    } else {
        buffer.freeze(0, count)
    }
}
