//! Urgent data (RFC 9293 3.8.5, RFC 6093), which to a kernel's sockets is one byte out of band: the last one before the
//! urgent pointer. Here it stays in the stream, and is urgent on the other side too.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::{Broken, Carried, Waiting, keep};

// SAFETY: as POSIX declares it; the libc crate does not.
#[allow(unsafe_code)]
unsafe extern "C" {
    fn sockatmark(fd: libc::c_int) -> libc::c_int;
}

/// Receives up to `max` bytes from the program, no further than urgent data reaches, and says whether the last one is the
/// urgent one.
pub(super) async fn receive(guest: &bowline::TcpStream, max: usize) -> io::Result<(Bytes, bool)> {
    // both within one poll, so that nothing arrives in between
    poll_fn(|cx| {
        let left = usize::try_from(guest.urgent_left()).unwrap_or(usize::MAX);
        let most = if left == 0 { max } else { left.min(max) };
        guest.poll_recv_bytes(cx, most).map_ok(|data| {
            let is_urgent = !data.is_empty() && data.len() == left;
            (data, is_urgent)
        })
    })
    .await
}

/// Sends one byte to the host as urgent.
pub(super) async fn send(host: &TcpStream, byte: u8) -> io::Result<()> {
    host.async_io(Interest::WRITABLE, || SockRef::from(host).send_out_of_band(&[byte])).await.map(drop)
}

/// Whether the next byte from the host is urgent. Its kernel ends a read before such a byte.
fn is_next(host: &impl AsFd) -> bool {
    // SAFETY: the call takes a descriptor, which is open, and touches no memory of ours.
    #[allow(unsafe_code)]
    let at_mark = unsafe { sockatmark(host.as_fd().as_raw_fd()) };
    at_mark == 1
}

/// If the next byte from the host is urgent, carries it and what came behind it, until nothing more is there. Says whether
/// anything was.
pub(super) async fn carry(
    guest: &bowline::TcpStream,
    host: &TcpStream,
    carried: &Carried,
    waiting: &Waiting,
) -> Result<bool, Broken> {
    let mut is_urgent = is_next(host);
    if !is_urgent {
        return Ok(false);
    }
    let mut any = false;
    loop {
        let mut buffer = waiting.take();
        let space = if is_urgent { &mut buffer.space()[..1] } else { buffer.space() };
        let count = match rustix::net::recv(host, space, rustix::net::RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(rustix::io::Errno::AGAIN) => return Ok(any),
            Ok((count, _)) => count,
            Err(errno) => return Err(Broken::Host(errno.into())),
        };
        let data = keep(buffer, count);
        let sent =
            if is_urgent { guest.send_urgent(&data).await.map(drop) } else { guest.send_bytes(data).await.map(drop) };
        sent.map_err(Broken::Guest)?;
        carried.down.fetch_add(count as u64, Ordering::Relaxed);
        (any, is_urgent) = (true, is_next(host));
    }
}
