//! The bytes of one connection, both ways, and its end: FIN for FIN, RST for RST, half-closed for as long as either side
//! likes.
//!
//! Upwards, the slices of the TUN's buffers are written to the host's socket, and only then is more read, so that a slow
//! host closes the program's window. Downwards, no more is read from the host than the program's side takes.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use bowline::ConnectionError;
use bowline_device::buffer::BufferPool;
use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{OutwardFlow, READ_SIZE, Shared};

/// The most that is taken from the stack at once, in bytes.
const UP_MAX: usize = 1 << 20;

/// What is smaller is copied into the stack, and the buffer is used again.
const COPY_BREAK: usize = 2 << 10;

/// Which side broke the connection, and how.
#[derive(Debug)]
pub(crate) enum Broken {
    Guest(io::Error),
    Host(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(error) => write!(f, "the program's side: {error}"),
            Self::Host(error) => write!(f, "the host's side: {error}"),
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
            Self::Guest(_) => Some(ConnectionError::Reset),
            Self::Host(_) => None,
        }
    }
}

/// Closes a host socket with a RST, when it is dropped.
pub(crate) fn reset(host: &TcpStream) {
    let _ = SockRef::from(host).set_linger(Some(Duration::ZERO));
}

/// Relays until both directions are closed, or either side has broken the connection, and passes that on.
pub(crate) async fn run(
    guest: bowline::TcpStream,
    host: TcpStream,
    shared: &Shared,
    outward: OutwardFlow<'_>,
) -> Result<(), Broken> {
    let result = tokio::try_join!(up(&guest, &host, outward), down(&guest, &host, &shared.buffers));
    if let Some(info) = guest.info() {
        shared.ended.lock().add_connection(&info, result.as_ref().err().and_then(Broken::guest));
    }
    match &result {
        Ok(_) => {}
        Err(Broken::Guest(_)) => reset(&host),
        Err(Broken::Host(_)) => guest.abort(),
    }
    result.map(drop)
}

async fn up(guest: &bowline::TcpStream, host: &TcpStream, outward: OutwardFlow<'_>) -> Result<(), Broken> {
    loop {
        let mut data = guest.recv_bytes(UP_MAX).await.map_err(Broken::Guest)?;
        if data.is_empty() {
            return match SockRef::from(host).shutdown(Shutdown::Write) {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(Broken::Host(error)),
                _ => Ok(()),
            };
        }
        while data.has_remaining() {
            match host.try_write(&data) {
                Ok(count) => {
                    outward.moved(count);
                    data.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    host.writable().await.map_err(Broken::Host)?;
                }
                Err(error) => return Err(Broken::Host(error)),
            }
        }
    }
}

async fn down(guest: &bowline::TcpStream, host: &TcpStream, buffers: &BufferPool) -> Result<(), Broken> {
    loop {
        guest.writable().await.map_err(Broken::Guest)?;
        host.readable().await.map_err(Broken::Host)?;
        let mut buffer = buffers.take();
        let count = match host.try_read(buffer.space()) {
            Ok(0) => return guest.close_write().map_err(Broken::Guest),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(Broken::Host(error)),
        };
        debug_assert!(count <= READ_SIZE, "a read is no larger than its buffer");
        let data = if count < COPY_BREAK {
            Bytes::copy_from_slice(buffer.space().get(..count).unwrap_or_default())
        } else {
            buffer.freeze(0, count)
        };
        guest.send_bytes(data).await.map_err(Broken::Guest)?;
    }
}
