//! Datagrams that came together go on together: one call for a whole train, where the kernel cuts it (`UDP_SEGMENT`).

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use socket2::{MsgHdr, SockAddr, SockRef};

/// The most datagrams that a kernel cuts at once (Linux `UDP_MAX_SEGMENTS`; 64 before 6.9).
const MAX_SEGMENTS: usize = 64;

/// Sends `payload` to `to`: as one datagram, or as many of `size` bytes, of which the last may be shorter.
///
/// # Errors
/// Those of `sendmsg`. What was sent before stays sent, and the rest is lost, as it may be on any network.
pub fn send(socket: &impl AsFd, payload: &[u8], size: Option<u16>, to: SocketAddr) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let address = to.into();
    let size = match size {
        Some(size) if size > 0 && payload.len() > usize::from(size) => size,
        _ => return socket.send_to(payload, &address).map(drop),
    };
    for train in payload.chunks(usize::from(size) * MAX_SEGMENTS) {
        match send_train(&socket, train, size, &address) {
            // it has no such option, or does not cut for this way out
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE)) => {
                train.chunks(size.into()).try_for_each(|part| socket.send_to(part, &address).map(drop))?;
            }
            done => done?,
        }
    }
    Ok(())
}

fn send_train(socket: &SockRef<'_>, train: &[u8], size: u16, to: &SockAddr) -> io::Result<()> {
    let buffers = [IoSlice::new(train)];
    let control = Control::segment(size);
    let message = MsgHdr::new().with_addr(to).with_buffers(&buffers).with_control(&control.0);
    socket.sendmsg(&message, 0).map(drop)
}

const HEADER: usize = mem::size_of::<libc::cmsghdr>();
const LEN: usize = HEADER + mem::size_of::<u16>();

/// One control message of two bytes, aligned as its header wants to be.
#[repr(align(8))]
struct Control([u8; LEN.next_multiple_of(mem::align_of::<libc::cmsghdr>())]);

impl Control {
    /// A header of length, level and type, and the size of a datagram.
    fn segment(size: u16) -> Self {
        let mut control = Self([0; LEN.next_multiple_of(mem::align_of::<libc::cmsghdr>())]);
        let parts: [(usize, &[u8]); 4] = [
            (0, &LEN.to_ne_bytes()),
            (HEADER - 8, &libc::SOL_UDP.to_ne_bytes()),
            (HEADER - 4, &libc::UDP_SEGMENT.to_ne_bytes()),
            (HEADER, &size.to_ne_bytes()),
        ];
        for (at, bytes) in parts {
            control.0.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
        }
        control
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn arrives(payload: &[u8], size: Option<u16>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for on in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(from), Ok(to)) = (UdpSocket::bind(on), UdpSocket::bind(on)) else { continue };
            send(&from, payload, size, to.local_addr().unwrap()).unwrap();
            // the last one, by which the others have arrived: the loopback keeps their order
            from.send_to(b"end", to.local_addr().unwrap()).unwrap();
            let mut buffer = vec![0; 65_536];
            let got = std::iter::from_fn(|| {
                let len = to.recv(&mut buffer).unwrap();
                (&buffer[..len] != b"end").then(|| buffer[..len].to_vec())
            });
            all.push(got.collect::<Vec<_>>());
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "IPv4 and IPv6 differ");
        all.pop().unwrap()
    }

    #[test]
    fn a_train_arrives_as_its_datagrams() {
        let payload: Vec<u8> = (0..1030_u32).map(|at| (at % 251) as u8).collect();
        assert_eq!(arrives(&payload, Some(100)), payload.chunks(100).map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(arrives(&payload, Some(1030)), arrives(&payload, None));
        assert_eq!(arrives(&payload, None), [payload]);
        assert_eq!(arrives(b"", None), [b""]);
    }

    #[test]
    fn more_than_the_kernel_cuts_at_once_is_several_trains() {
        let payload: Vec<u8> = (0..150_u8).flat_map(|number| [number; 8]).collect();
        assert_eq!(arrives(&payload, Some(8)), payload.chunks(8).map(<[u8]>::to_vec).collect::<Vec<_>>());
    }

    #[test]
    fn where_the_kernel_does_not_cut_each_is_sent_by_itself() {
        // together longer than a packet can be
        assert_eq!(arrives(&[7; 4 * 17_000], Some(17_000)), vec![vec![7; 17_000]; 4]);
    }
}
