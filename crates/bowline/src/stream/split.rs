//! The two directions of a connection for two owners.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::TcpStream;

/// The reading direction of a borrowed [`TcpStream`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing direction of a borrowed [`TcpStream`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading direction, for a task of its own.
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing direction, for a task of its own. Dropping it closes our direction, unless [`forget`](Self::forget) did.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    close: bool,
}

/// Two halves that are not of the same connection.
#[derive(Debug)]
pub struct ReuniteError(
    /// The reading half that was given.
    pub OwnedReadHalf,
    /// The writing half that was given.
    pub OwnedWriteHalf,
);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same connection")
    }
}

impl std::error::Error for ReuniteError {}

pub(super) fn borrowed(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    let stream: &TcpStream = stream;
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf(Arc::clone(&stream)), OwnedWriteHalf { stream, close: true })
}

impl OwnedReadHalf {
    /// Puts the connection together again.
    ///
    /// # Errors
    /// The halves are of different connections.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        let Self(stream) = self;
        if !Arc::ptr_eq(&stream, &write.stream) {
            return Err(ReuniteError(Self(stream), write));
        }
        let other = Arc::clone(&stream);
        write.forget();
        drop(stream);
        // A half is not `Clone`, so there were two references and this one.
        Arc::try_unwrap(other).map_err(|stream| {
            let write = OwnedWriteHalf { stream: Arc::clone(&stream), close: true };
            ReuniteError(Self(stream), write)
        })
    }
}

impl OwnedWriteHalf {
    /// Drops the half and leaves the direction open, until the reading half goes too.
    pub fn forget(mut self) {
        self.close = false;
    }

    /// Puts the connection together again: [`OwnedReadHalf::reunite`] from the other side.
    ///
    /// # Errors
    /// The halves are of different connections.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        read.reunite(self)
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.close {
            // It may have ended already.
            let _ = self.stream.close_write();
        }
    }
}

macro_rules! common {
    ($($half:ty, $stream:expr;)*) => {$(
        impl $half {
            /// The whole connection, for its options and its info.
            #[must_use]
            pub fn as_stream(&self) -> &TcpStream {
                let stream: fn(&Self) -> &TcpStream = $stream;
                stream(self)
            }

            /// Our address and port.
            ///
            /// # Errors
            /// Never; `io::Result` as tokio's has it.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.as_stream().local_addr()
            }

            /// The peer's address and port.
            ///
            /// # Errors
            /// Never; `io::Result` as tokio's has it.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.as_stream().peer_addr()
            }

            /// As [`TcpStream::ready`].
            ///
            /// # Errors
            /// `ENETDOWN` where the network is gone.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.as_stream().ready(interest).await
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                self.as_stream()
            }
        }
    )*};
}

common! {
    ReadHalf<'_>, |half| half.0;
    WriteHalf<'_>, |half| half.0;
    OwnedReadHalf, |half| &half.0;
    OwnedWriteHalf, |half| &half.stream;
}

macro_rules! reading {
    ($($half:ty),*) => {$(
        impl $half {
            /// As [`TcpStream::readable`].
            ///
            /// # Errors
            /// `ENETDOWN` where the network is gone.
            pub async fn readable(&self) -> io::Result<()> {
                self.0.readable().await
            }

            /// As [`TcpStream::try_read`].
            ///
            /// # Errors
            /// `WouldBlock` where there is nothing; otherwise as reading.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.try_read(buf)
            }

            /// As [`TcpStream::try_read_vectored`].
            ///
            /// # Errors
            /// `WouldBlock` where there is nothing; otherwise as reading.
            pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.try_read_vectored(bufs)
            }

            /// As [`TcpStream::try_read_buf`].
            ///
            /// # Errors
            /// `WouldBlock` where there is nothing; otherwise as reading.
            pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                self.0.try_read_buf(buf)
            }

            /// As [`TcpStream::peek`].
            ///
            /// # Errors
            /// As reading.
            pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.peek(buf).await
            }

            /// As [`TcpStream::poll_peek`].
            pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
                self.0.poll_peek(cx, buf)
            }

            /// As [`TcpStream::recv_bytes`].
            ///
            /// # Errors
            /// As reading.
            pub async fn recv_bytes(&self, max: usize) -> io::Result<Bytes> {
                self.0.recv_bytes(max).await
            }
        }

        impl AsyncRead for $half {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                self.0.poll_recv(cx, buf)
            }
        }
    )*};
}

reading!(ReadHalf<'_>, OwnedReadHalf);

macro_rules! writing {
    ($($half:ty),*) => {$(
        impl $half {
            /// As [`TcpStream::writable`].
            ///
            /// # Errors
            /// `ENETDOWN` where the network is gone.
            pub async fn writable(&self) -> io::Result<()> {
                self.as_stream().writable().await
            }

            /// As [`TcpStream::try_write`].
            ///
            /// # Errors
            /// `WouldBlock` where nothing fits; otherwise as writing.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.as_stream().try_write(buf)
            }

            /// As [`TcpStream::try_write_vectored`].
            ///
            /// # Errors
            /// `WouldBlock` where nothing fits; otherwise as writing.
            pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
                self.as_stream().try_write_vectored(bufs)
            }

            /// As [`TcpStream::send_bytes`].
            ///
            /// # Errors
            /// As writing.
            pub async fn send_bytes(&self, data: Bytes) -> io::Result<()> {
                self.as_stream().send_bytes(data).await
            }

            /// As [`TcpStream::flushed`].
            ///
            /// # Errors
            /// Why the connection ended before that.
            pub async fn flushed(&self) -> io::Result<()> {
                self.as_stream().flushed().await
            }
        }

        impl AsyncWrite for $half {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.as_stream().poll_send(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.as_stream().poll_send_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.as_stream().close_write())
            }
        }
    )*};
}

writing!(WriteHalf<'_>, OwnedWriteHalf);
