//! Devices: what carries IP packets between a host and the rest of the world.
//!
//! A [`Device`] takes and gives whole IP packets, or super-segments where its [`Capabilities`] say so. [`Tun`] is a
//! Linux TUN interface with the kernel's offloads, [`memory::pair`] two ends of a cable in memory, [`channel::channel`] one whose
//! other side is a program, [`Loopback`] a device whose host talks to itself.
//!
//! This crate knows how packets travel and nothing about connections. It reads no clock: time is an argument, so that
//! every device also works in virtual time. Only the doors to the kernel hold `unsafe`.

pub mod buffer;
pub mod channel;
pub mod cut;
mod device;
pub mod impairment;
mod loopback;
pub mod memory;
pub mod pcapng;
pub mod tap;
#[cfg(target_os = "linux")]
pub mod tun;
pub mod units;
mod wake;

pub use bowline_wire::packet::{Capabilities, Piece, RxChecksum, RxPacket, Stretch, Stretches, TxPacket};
pub use device::{Device, Readiness, Transmitted};
pub use impairment::{Impaired, ImpairmentConfig, Impairments};
pub use loopback::Loopback;
pub use tap::{Capture, CaptureConfig, Tapped};
#[cfg(target_os = "linux")]
pub use tun::Tun;
pub use wake::WakeSlot;

#[cfg(test)]
mod testing;
