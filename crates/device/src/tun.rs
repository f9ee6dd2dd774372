//! A Linux TUN interface, with the kernel's segmentation and checksum offloads.
//!
//! It decides how packets enter and leave the kernel: one `read` per super-segment straight into a pool buffer, one
//! `writev` per super-segment from the host's own slices. It claims only offloads that the kernel has accepted. It knows
//! nothing about addresses and routes: whoever made the interface configures it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use bowline_base::Instant;
use bowline_wire::packet::{Capabilities, MAX_PACKET, RxPacket, Stretches, TxPacket};
use rustix::io::Errno;

use crate::buffer::{Arena, Buffer, BufferPool, CHUNK, PACKET_BUFFER};
use crate::device::beyond_capabilities;
use crate::{Device, Readiness, Transmitted};

mod ioctl;
pub mod vnet;

/// Packets up to this length are copied out of their 64 KiB buffer, which then serves the next read: a burst of small
/// packets stays within the cache.
const COPY_BREAK: usize = 2048;

/// Unused receive buffers that are kept, 17 MB at most: some flows' windows of packets that applications have not taken
/// yet, so that a busy interface never allocates.
const KEEP: usize = 256;

/// Slices that one `writev` takes from the stack frame; more are copied together first.
const SLICES: usize = 64;

/// How to open a TUN interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunConfig {
    /// The interface's name, at most 15 bytes; made if it does not exist. `%d` in it becomes the first free number.
    /// Default `bowline%d`.
    pub name: String,
    /// The MTU to set, in bytes. Default: as it is.
    pub mtu: Option<u16>,
    /// The most offloads to ask for; the kernel may grant less. Default: all.
    pub offloads: Offloads,
}

impl Default for TunConfig {
    fn default() -> Self {
        Self { name: "bowline%d".to_owned(), mtu: None, offloads: Offloads::Udp }
    }
}

/// What the kernel does for us, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offloads {
    /// Nothing, and no header before the packets.
    None,
    /// Packets carry a header that says nothing but whether a checksum has been verified.
    Header,
    /// Partial checksums, in both directions.
    Checksum,
    /// TCP super-segments, in both directions.
    Tcp,
    /// TCP super-segments and UDP trains, in both directions (Linux 6.2).
    Udp,
}

impl Offloads {
    /// The mask that announces these offloads. ECN comes with TCP: without it the kernel cuts super-segments that carry
    /// CWR.
    fn mask(self) -> u32 {
        let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
        match self {
            Self::None | Self::Header => 0,
            Self::Checksum => libc::TUN_F_CSUM,
            Self::Tcp => tcp,
            // Either of the two alone is refused.
            Self::Udp => tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6,
        }
    }
}

/// What passed through a [`Tun`], and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunCounters {
    /// Packets read, super-segments counting one.
    pub rx_packets: u64,
    /// Bytes read, without virtio-net headers.
    pub rx_bytes: u64,
    /// Packets whose virtio-net header made no sense: dropped.
    pub rx_malformed: u64,
    /// Packets larger than an IP packet can be: dropped.
    pub rx_oversized: u64,
    /// Packets written, super-segments counting one.
    pub tx_packets: u64,
    /// Bytes written, without virtio-net headers.
    pub tx_bytes: u64,
    /// Packets that the kernel did not take, because it found them malformed or had no memory, or that were too large.
    pub tx_refused: u64,
    /// Packets written while the interface was down: lost.
    pub tx_down: u64,
}

/// An open TUN interface.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
    offloads: Offloads,
    mtu: u16,
    pool: BufferPool,
    spare: Option<Buffer>,
    small: Arena,
    counters: TunCounters,
}

impl Tun {
    /// Opens the interface in the calling thread's network namespace. It is not brought up here.
    ///
    /// # Errors
    /// Says what is missing (the device file, a permission, a free interface) and what to do about it.
    pub fn open(config: &TunConfig) -> io::Result<Self> {
        let (fd, attached) = open_with_fallback(config)?;
        if let Some(mtu) = config.mtu {
            ioctl::set_mtu(&attached.name, mtu)?;
        }
        let mtu = ioctl::mtu(&attached.name)?;
        Self::with(fd, attached, config.offloads, mtu)
    }

    /// Uses a descriptor that was opened elsewhere, perhaps in another network namespace, and passed here.
    ///
    /// Name and header are read from the descriptor; the offloads are announced anew, so that what the interface was
    /// told before does not matter; the `mtu` cannot be known here.
    ///
    /// # Errors
    /// The descriptor is not attached to a TUN interface, or has a packet-information header (no `IFF_NO_PI`).
    pub fn from_fd(fd: OwnedFd, offloads: Offloads, mtu: u16) -> io::Result<Self> {
        let attached = ioctl::attached(&fd)?;
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        Self::with(fd, attached, offloads, mtu)
    }

    fn with(fd: OwnedFd, attached: ioctl::Attached, most: Offloads, mtu: u16) -> io::Result<Self> {
        let offloads = announce(&fd, attached.vnet, most)?;
        Ok(Self {
            fd,
            name: attached.name,
            offloads,
            mtu,
            pool: BufferPool::new(PACKET_BUFFER, KEEP),
            spare: None,
            small: Arena::new(32),
            counters: TunCounters::default(),
        })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The offloads that the kernel has granted.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// What has passed so far.
    #[must_use]
    pub fn counters(&self) -> TunCounters {
        self.counters
    }

    /// The 64 KiB receive buffers, for watching how many are out.
    #[must_use]
    pub fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// Gives the descriptor away.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    fn header_len(&self) -> usize {
        if self.offloads == Offloads::None { 0 } else { vnet::LEN }
    }

    /// Makes a packet of the `len` bytes that were read into `buffer`, or counts why not and keeps the buffer.
    fn accept(&mut self, mut buffer: Buffer, len: usize) -> Option<RxPacket> {
        let header_len = self.header_len();
        let read = buffer.space().get(..len).unwrap_or(&[]);
        let known = match header_len {
            0 => Ok(vnet::Received { checksum: Default::default(), segment_size: None }),
            _ => vnet::parse(read),
        };
        let body = read.get(header_len..).unwrap_or(&[]);
        let known = match known {
            Ok(known) if body.len() <= MAX_PACKET => known,
            outcome => {
                match outcome {
                    Ok(_) => self.counters.rx_oversized += 1,
                    Err(_) => self.counters.rx_malformed += 1,
                }
                self.spare = Some(buffer);
                return None;
            }
        };
        self.counters.rx_packets += 1;
        self.counters.rx_bytes += body.len() as u64;
        let (data, pinned) = if body.len() <= COPY_BREAK {
            let data = self.small.carve(&[body]);
            self.spare = Some(buffer);
            (data, CHUNK)
        } else {
            (buffer.freeze(header_len, len), PACKET_BUFFER)
        };
        Some(RxPacket {
            data,
            pinned,
            checksum: known.checksum,
            segment_size: known.segment_size,
            more: Stretches::new(),
        })
    }

    fn write(&self, header: &[u8], packet: &TxPacket<'_>) -> Result<usize, Errno> {
        let mut slices = [IoSlice::new(&[]); SLICES + 2];
        if packet.payload.len() > SLICES {
            // Rare: a message made of many tiny writes. One copy costs less than as many segments of a writev.
            let together = packet.payload.concat();
            slices[0] = IoSlice::new(header);
            slices[1] = IoSlice::new(packet.head);
            slices[2] = IoSlice::new(&together);
            return rustix::io::writev(&self.fd, &slices[..3]);
        }
        let parts = [header, packet.head].into_iter().chain(packet.payload.iter().copied());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts.filter(|part| !part.is_empty())) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        rustix::io::writev(&self.fd, &slices[..count])
    }
}

impl Device for Tun {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            mtu: self.mtu,
            checksum: self.offloads >= Offloads::Checksum,
            tcp_segmentation: self.offloads >= Offloads::Tcp,
            udp_segmentation: self.offloads >= Offloads::Udp,
            // What we write, the kernel receives before `writev` returns; what it writes waits in a bounded ring.
            lossless: true,
        }
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<RxPacket>> {
        loop {
            let mut buffer = self.spare.take().unwrap_or_else(|| self.pool.take());
            match rustix::io::read(&self.fd, buffer.space()) {
                Ok(len) => {
                    if let Some(packet) = self.accept(buffer, len) {
                        return Ok(Some(packet));
                    }
                }
                Err(errno) => {
                    self.spare = Some(buffer);
                    match errno {
                        Errno::AGAIN => return Ok(None),
                        Errno::INTR => {}
                        _ => return Err(gone(errno, &self.name)),
                    }
                }
            }
        }
    }

    fn transmit(&mut self, _now: Instant, packet: &TxPacket<'_>) -> io::Result<Transmitted> {
        if let Some(error) = beyond_capabilities(packet, &self.capabilities()) {
            return Err(error);
        }
        let len = packet.len();
        let most = if packet.segment.is_some() { MAX_PACKET } else { usize::from(self.mtu) };
        if len > most {
            self.counters.tx_refused += 1;
            return Ok(Transmitted::Dropped);
        }
        let header = vnet::emit(packet);
        let header = header.get(..self.header_len()).unwrap_or(&[]);
        loop {
            match self.write(header, packet) {
                Ok(_) => {
                    self.counters.tx_packets += 1;
                    self.counters.tx_bytes += len as u64;
                    return Ok(Transmitted::Sent);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Transmitted::Full),
                Err(Errno::IO) => {
                    self.counters.tx_down += 1;
                    return Ok(Transmitted::Dropped);
                }
                Err(Errno::INVAL | Errno::NOBUFS | Errno::NOMEM | Errno::MSGSIZE) => {
                    self.counters.tx_refused += 1;
                    return Ok(Transmitted::Dropped);
                }
                Err(errno) => return Err(gone(errno, &self.name)),
            }
        }
    }

    fn readiness(&self) -> Readiness<'_> {
        Readiness::Fd(self.fd.as_fd())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Opens and attaches, without the virtio-net header where the kernel or an existing interface has none.
fn open_with_fallback(config: &TunConfig) -> io::Result<(OwnedFd, ioctl::Attached)> {
    let fd = ioctl::open()?;
    if config.offloads == Offloads::None {
        let attached = ioctl::attach(&fd, &config.name, false)?;
        return Ok((fd, attached));
    }
    match ioctl::attach(&fd, &config.name, true) {
        Ok(attached) => Ok((fd, attached)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let fd = ioctl::open()?;
            let attached = ioctl::attach(&fd, &config.name, false)?;
            Ok((fd, attached))
        }
        Err(error) => Err(error),
    }
}

/// Announces as much of `most` as the kernel takes. Always says something: the mask is the interface's, and may be left
/// over from another program.
fn announce(fd: &OwnedFd, vnet: bool, most: Offloads) -> io::Result<Offloads> {
    if !vnet {
        ioctl::set_offload(fd, 0)?;
        return Ok(Offloads::None);
    }
    ioctl::set_vnet_header_size(fd, vnet::LEN)?;
    for step in [Offloads::Udp, Offloads::Tcp, Offloads::Checksum] {
        if step <= most && ioctl::set_offload(fd, step.mask())? {
            return Ok(step);
        }
    }
    ioctl::set_offload(fd, 0)?;
    Ok(Offloads::Header)
}

fn gone(errno: Errno, name: &str) -> io::Error {
    let os = io::Error::from(errno);
    match errno {
        Errno::BADFD => io::Error::new(io::ErrorKind::NotConnected, format!("the TUN interface {name} was removed")),
        _ => io::Error::new(os.kind(), format!("the TUN interface {name}: {os}")),
    }
}

#[cfg(test)]
mod tests;
