//! The kernel's senders: sockets of this process's namespace, a thread each, which send as fast as they may.

use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use super::SENDERS;
use crate::Result;
use crate::process;

/// What a thread writes at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Flows that send until this is dropped; what is unsent then is thrown away.
pub(super) struct Senders(Vec<Arc<TcpStream>>);

impl Senders {
    /// Opens `flows` flows from an address, which becomes one of ours.
    pub(super) fn open(from: Ipv4Addr, target: SocketAddr, algorithm: &str, flows: usize) -> Result<Self> {
        let address = format!("{from}/32");
        process::output(&["ip", "address", "replace", &address, "dev", SENDERS], Duration::from_secs(5))?;
        let opening: Vec<_> = (0..flows)
            .map(|_| {
                let algorithm = algorithm.to_owned();
                std::thread::spawn(move || open(from, target, &algorithm).map_err(|error| error.to_string()))
            })
            .collect();
        let mut senders = Self(Vec::new());
        for thread in opening {
            let stream = Arc::new(thread.join().map_err(|_| "a sender panicked")??);
            senders.0.push(Arc::clone(&stream));
            std::thread::spawn(move || {
                let bytes = vec![0x55; CHUNK];
                while (&*stream).write_all(&bytes).is_ok() {}
            });
        }
        Ok(senders)
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        for stream in &self.0 {
            // An error says that it has ended already.
            let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// The congestion control is chosen before the connection opens: one that came in between would leave its pacing behind.
fn open(from: Ipv4Addr, target: SocketAddr, algorithm: &str) -> Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_tcp_congestion(&socket, algorithm)
        .map_err(|error| format!("the kernel has no congestion control {algorithm:?} for us: {error}"))?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect(&socket, &target)?;
    Ok(socket.into())
}
