//! The kernel's receiver: a listener in a namespace of its own, and a thread for each flow that reads and counts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net;

use crate::Result;

/// What a thread reads at once, in bytes.
const CHUNK: usize = 256 << 10;

#[derive(Default)]
struct Flows {
    streams: Vec<(SocketAddr, TcpStream, Arc<AtomicU64>)>,
}

/// A listener and its flows, which end when this is dropped.
pub(super) struct Receiver {
    address: SocketAddr,
    flows: Arc<Mutex<Flows>>,
    listener: Arc<TcpListener>,
}

/// Payload bytes that the application got, by flow.
pub(super) type Counts = BTreeMap<SocketAddr, u64>;

impl Receiver {
    /// Listens on any port of `address`, in the namespace of the calling thread.
    pub(super) fn open(address: Ipv4Addr) -> Result<Self> {
        let listener = Arc::new(TcpListener::bind((address, 0))?);
        let address = listener.local_addr()?;
        let flows = Arc::<Mutex<Flows>>::default();
        let (theirs, listening) = (Arc::clone(&flows), Arc::clone(&listener));
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listening.accept() {
                let Ok(ours) = stream.try_clone() else { return };
                let count = Arc::<AtomicU64>::default();
                let mut flows = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                flows.streams.push((from, ours, Arc::clone(&count)));
                std::thread::spawn(move || read(stream, &count));
            }
        });
        Ok(Self { address, flows, listener })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many flows are open.
    pub(super) fn flows(&self) -> usize {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).streams.len()
    }

    /// What has been read so far.
    pub(super) fn counts(&self) -> Counts {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.streams.iter().map(|(from, _, count)| (*from, count.load(Ordering::Relaxed))).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Errors say that it has ended already. To shut a listener down ends its thread's wait.
        let _ = net::shutdown(&*self.listener, net::Shutdown::Both);
        for (_, stream, _) in &self.flows.lock().unwrap_or_else(PoisonError::into_inner).streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn read(mut stream: TcpStream, count: &AtomicU64) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(len @ 1..) = stream.read(&mut bytes) {
        count.fetch_add(len as u64, Ordering::Relaxed);
    }
}

/// The rates in Mbit/s of all flows from one address, between two counts.
pub(super) fn rates(before: &Counts, after: &Counts, from: IpAddr, elapsed: Duration) -> Vec<f64> {
    let flows = after.iter().filter(|(address, _)| address.ip() == from);
    let bytes = flows.map(|(address, count)| count - before.get(address).copied().unwrap_or(0));
    bytes.map(|bytes| bytes as f64 * 8e-6 / elapsed.as_secs_f64()).collect()
}
