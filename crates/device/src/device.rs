//! The contract between a host and whatever carries its packets.
//!
//! It decides who owns a packet when (the host until `transmit` says [`Transmitted::Sent`]), how time enters, and how an
//! event loop waits. It must not know what is in the packets.

use std::io;
#[cfg(unix)]
use std::os::fd::BorrowedFd;

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, RxPacket, TxPacket};

use crate::WakeSlot;

/// What became of a packet that was offered to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a packet that met a full queue must be offered again"]
pub enum Transmitted {
    /// The device has taken it. Whether it arrives is another matter.
    Sent,
    /// The device's queue is full and nothing was taken: offer the packet again once the device is ready.
    Full,
    /// The device could not carry this packet and counted it. Offering it again would not help at once: to the host it
    /// is a packet lost on the way.
    Dropped,
}

/// How an event loop learns that [`Device::receive`] or [`Device::transmit`] has become worth calling.
#[derive(Debug)]
pub enum Readiness<'a> {
    /// Wait for this descriptor to become readable (or writable, after [`Transmitted::Full`]).
    #[cfg(unix)]
    Fd(BorrowedFd<'a>),
    /// Wait for this slot.
    Wake(&'a WakeSlot),
    /// Nothing but the passing of time changes what the device has to give.
    Time,
}

/// Something that carries IP packets, without blocking.
///
/// The event loop that drives it: `receive` until `None`, offer packets until there are none or one is
/// [`Transmitted::Full`], then wait for [`readiness`](Self::readiness) or [`poll_timeout`](Self::poll_timeout),
/// whichever is first; after the latter, call [`handle_timeout`](Self::handle_timeout), and begin again.
pub trait Device {
    /// What the device does for its host. Constant while the device lives.
    fn capabilities(&self) -> Capabilities;

    /// The next packet for the host, or `None` if there is none now.
    ///
    /// # Errors
    /// The device is gone or broken. A bad packet is no error: it is counted and skipped.
    fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>>;

    /// Offers a packet of the host.
    ///
    /// # Errors
    /// The device is gone or broken, or ([`io::ErrorKind::InvalidInput`]) the packet asks for something that
    /// [`capabilities`](Self::capabilities) does not promise.
    fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted>;

    /// When the device wants [`handle_timeout`](Self::handle_timeout) called; `None` if time means nothing to it.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Lets the device do what has fallen due.
    ///
    /// # Errors
    /// As [`transmit`](Self::transmit): what falls due may be a packet that was held back.
    fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
        let _ = now;
        Ok(())
    }

    /// What to wait for.
    fn readiness(&self) -> Readiness<'_>;
}

macro_rules! forward {
    ($($kind:ty),*) => {$(
        impl<D: Device + ?Sized> Device for $kind {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            fn receive(&mut self, now: Instant) -> io::Result<Option<RxPacket>> {
                (**self).receive(now)
            }
            fn transmit(&mut self, now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
                (**self).transmit(now, packet)
            }
            fn poll_timeout(&self) -> Option<Instant> {
                (**self).poll_timeout()
            }
            fn handle_timeout(&mut self, now: Instant) -> io::Result<()> {
                (**self).handle_timeout(now)
            }
            fn readiness(&self) -> Readiness<'_> {
                (**self).readiness()
            }
        }
    )*};
}

forward!(&mut D, Box<D>);

/// The error for a packet that asks for more than the device promised.
pub(crate) fn beyond_capabilities(packet: &TxPacket<'_>, capabilities: &Capabilities) -> Option<io::Error> {
    use bowline_wire::packet::SegmentKind;
    let what = match packet.segment {
        Some((SegmentKind::Tcp4 | SegmentKind::Tcp6, _)) if !capabilities.tcp_segmentation => "TCP super-segments",
        Some((SegmentKind::Udp, _)) if !capabilities.udp_segmentation => "UDP trains",
        _ if packet.checksum.is_some() && !capabilities.checksum => "packets with a partial checksum",
        _ => return None,
    };
    Some(io::Error::new(io::ErrorKind::InvalidInput, format!("this device does not take {what}")))
}
