//! A sans-IO host: IPv4, IPv6, ICMP, UDP, and TCP from [`bowline_tcp`]. Packets, calls and the time go in; packets, events
//! and deadlines come out.
//!
//! ```text
//! device ─► Stack::handle_packets ─► ip ─► tcp, udp, icmp       (input only records intent)
//! caller ─► Stack::tcp_mut, udp_send, …
//! clock  ─► Stack::handle_timeout
//! then drain: poll_transmit ─► device     poll_event ─► caller     poll_timeout ─► when to come back
//! ```
//!
//! ```
//! use bowline_base::Instant;
//! use bowline_stack::{Config, Interface, Stack, UdpBind, UdpSend};
//! use bowline_wire::{Capabilities, RxPacket};
//!
//! let now = Instant::ZERO;
//! let mut stack = Stack::new(Config::default(), [7; 32], now);
//! let lan = Interface::new(Capabilities::plain(1500), ["192.0.2.1/24".parse()?]);
//! stack.add_interface(lan).ok_or("as many as there can be")?;
//! let socket = stack.udp_bind(UdpBind::port(5000))?;
//! stack.udp_send(now, socket, UdpSend::to("192.0.2.2:53".parse()?, "query".into()))?;
//! let mut sent = 0;
//! while stack.poll_transmit(now, &mut |_interface, packet| sent += packet.len()) {}
//! assert_eq!(sent, 20 + 8 + 5);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! What comes from outside is counted and dropped, or answered within a rate; it never panics, and every queue has its bound
//! in [`Config`]. `Result` is for the caller's mistakes.
//!
//! What is not here: forwarding between interfaces, multicast groups, neighbour discovery and router advertisements (devices
//! carry IP packets; addresses and routes come from the caller), source routing, IPv6 jumbograms.
#![no_std]
extern crate alloc;

mod batch;
mod config;
pub mod counters;
mod error;
mod event;
mod icmp;
mod interface;
mod pmtu;
mod rate;
mod reassembly;
mod receive;
mod scattered;
mod stack;
mod transmit;
pub mod udp;

pub use bowline_tcp::IcmpError;
pub use bowline_wire::{Cidr, CidrParseError};
pub use config::{Config, IcmpConfig, PathMtuConfig, ReassemblyConfig, UdpConfig};
pub use counters::Counters;
pub use error::{ConnectError, SendError};
pub use event::{Echo, Event, UdpReadiness};
pub use icmp::Undelivered;
pub use interface::{IfaceId, Interface, Route};
pub use stack::Stack;
pub use udp::{Datagram, UdpBind, UdpCallError, UdpFailure, UdpInfo, UdpKey, UdpSend};
