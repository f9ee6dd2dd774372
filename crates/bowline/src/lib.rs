//! TCP and UDP sockets for tokio over a TCP/IP stack of our own, on any device that carries IP packets.
//!
//! A [`Net`] owns the stack and its devices; [`TcpStream`], [`TcpListener`] and [`UdpSocket`] are made from it and behave
//! as tokio's do, so that hyper, rustls or tonic run on them. A [`Forwarder`] sees every SYN for every address and
//! answers it once its caller has decided, which is what gateways are made of.
//!
//! ```
//! use bowline::memory;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! // Two hosts, 10.0.0.1 and 10.0.0.2, joined by a cable in memory.
//! let (client, server) = memory::pair()?;
//! let listener = server.listen("10.0.0.2:7".parse().unwrap()).await?;
//! tokio::spawn(async move {
//!     let (mut stream, _) = listener.accept().await?;
//!     let (mut read, mut write) = stream.split();
//!     tokio::io::copy(&mut read, &mut write).await
//! });
//! let mut stream = client.connect("10.0.0.2:7".parse().unwrap()).await?;
//! stream.write_all(b"hello").await?;
//! let mut echo = [0; 5];
//! stream.read_exact(&mut echo).await?;
//! assert_eq!(&echo, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! One task, the [`Driver`], moves packets between the devices and the stack. A socket's call takes the stack's lock,
//! makes the call, and either returns or registers its task under the same lock; then it wakes the driver. Nothing waits
//! for packets while it holds the lock, and the driver rests when there is nothing to do.
//!
//! What carries the packets is a [`device`]: a TUN, a cable in memory, a pair of channels ([`device::channel`]) for tunnels and VPN
//! clients that have packets in their hands already, or an implementation of [`Device`](device::Device) of one's own.
//!
//! It runs on tokio's current-thread and multi-thread runtimes; IO and time must be enabled.
//!
//! # With other crates
//! - hyper takes a [`TcpStream`] in `hyper_util::rt::TokioIo`, tokio-rustls takes it as it is.
//! - axum's `serve` takes every type that implements its trait `Listener`: a type of the program's own around a [`TcpListener`],
//!   whose `accept` is two lines. tonic's `serve_with_incoming` takes a stream of connections that implement its trait `Connected`:
//!   a type of the program's own around a [`TcpStream`]. Its clients take `connect_with_connector`.
//! - There are no descriptors behind these sockets, so nothing that asks for `AsFd` works with them.
//!
//! # What is not here
//! Multicast groups, neighbour discovery, DNS, TLS, and a way to share one network between processes.

mod clock;
mod driver;
mod echo;
mod error;
mod forwarder;
mod listener;
pub mod memory;
mod net;
mod shared;
mod stream;
mod trace;
mod udp;
mod waiters;

pub use bowline_base::Instant;
#[doc(inline)]
pub use bowline_device as device;
pub use bowline_stack::{Cidr, Config, Datagram, Echo, IcmpError, UdpBind, UdpFailure, UdpInfo, UdpSend};
pub use bowline_tcp::congestion;
pub use bowline_tcp::trace::{Record, Trace};
pub use bowline_tcp::{
    Algorithm, AoAlgorithm, AoCounts, AoKey, ConnectionError, Counters, EcnMode, EcnOption, FastOpenKeys,
    FastOpenOptions, FourTuple, Info, Keepalive, KeyName, Keys, Listen, ListenerInfo, Md5Key, OddSegments, Options,
    State, SynFin, TimeWaitSyn,
};
pub use clock::{Alarm, Timekeeper};
pub use driver::Driver;
pub use echo::{EchoEvent, EchoSocket};
pub use error::connection_error;
pub use forwarder::{Forwarder, Incoming, Refusal};
pub use listener::TcpListener;
pub use net::{Net, NetBuilder};
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpStream, WriteHalf};
pub use trace::TraceStream;
pub use udp::UdpSocket;

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
