//! The kernel's door: opening `/dev/net/tun` and the few ioctls a TUN needs.
//!
//! It decides how the calls are spelled and how their errors read. It knows no packets.

use std::ffi::{c_int, c_short, c_uint};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

const IFNAMSIZ: usize = 16;

/// `struct ifreq`, with the two members of its union that are used here.
#[repr(C)]
#[derive(Clone, Copy)]
struct IfReq {
    name: [u8; IFNAMSIZ],
    data: IfReqData,
}

#[repr(C)]
#[derive(Clone, Copy)]
union IfReqData {
    flags: c_short,
    mtu: c_int,
    size: [u64; 3],
}

const _: () = assert!(size_of::<IfReq>() == size_of::<libc::ifreq>() && size_of::<IfReq>() == 40);

impl IfReq {
    /// # Errors
    /// The name is longer than 15 bytes or has a NUL or a slash in it.
    fn new(name: &str) -> io::Result<Self> {
        if name.len() >= IFNAMSIZ || name.bytes().any(|b| b == 0 || b == b'/') {
            let message = format!("{name:?} is no interface name: at most 15 bytes, no slash");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut bytes = [0; IFNAMSIZ];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self { name: bytes, data: IfReqData { size: [0; 3] } })
    }

    fn name(&self) -> String {
        let end = self.name.iter().position(|&b| b == 0).unwrap_or(IFNAMSIZ);
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    #[allow(unsafe_code)]
    fn flags(&self) -> c_int {
        // SAFETY: the union is plain integers, fully initialized by `new`.
        c_int::from(unsafe { self.data.flags })
    }

    #[allow(unsafe_code)]
    fn mtu(&self) -> c_int {
        // SAFETY: the union is plain integers, fully initialized by `new`.
        unsafe { self.data.mtu }
    }
}

/// What an open TUN descriptor is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) vnet: bool,
}

/// Opens the clone device. Not attached to any interface yet.
pub(super) fn open() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/net/tun", flags, Mode::empty()).map_err(|errno| {
        explain(
            errno,
            match errno {
                rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO => {
                    "/dev/net/tun is missing: load the module (modprobe tun), or pass the device into the container \
                 (--device /dev/net/tun)"
                }
                rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
                    "/dev/net/tun may not be opened by this user: run as root, or let everybody open it \
                 (chmod 0666 /dev/net/tun), which is safe: attaching needs CAP_NET_ADMIN"
                }
                _ => "/dev/net/tun cannot be opened",
            },
        )
    })
}

/// Attaches `fd` to the TUN interface `name`, made if it does not exist; empty or with `%d`, the kernel picks a number.
pub(super) fn attach(fd: &OwnedFd, name: &str, vnet: bool) -> io::Result<Attached> {
    let mut request = IfReq::new(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | if vnet { libc::IFF_VNET_HDR } else { 0 };
    request.data.flags = flags as c_short;
    update::<{ libc::TUNSETIFF as Opcode }>(fd, &mut request).map_err(|errno| {
        explain(errno, match errno {
            rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
                "making a TUN interface needs CAP_NET_ADMIN in this network namespace: run as root or inside a user \
                 namespace"
            }
            rustix::io::Errno::BUSY => "the TUN interface is already in use by another program",
            rustix::io::Errno::INVAL => "the interface exists and is no TUN of this kind",
            _ => "the TUN interface cannot be attached",
        })
    })?;
    Ok(Attached { name: request.name(), vnet })
}

/// What a descriptor from elsewhere is attached to.
pub(super) fn attached(fd: impl AsFd) -> io::Result<Attached> {
    let mut request = IfReq::new("")?;
    update::<{ libc::TUNGETIFF as Opcode }>(fd, &mut request)
        .map_err(|errno| explain(errno, "the descriptor is no TUN that is attached to an interface"))?;
    let flags = request.flags();
    if flags & libc::IFF_TUN == 0 || flags & libc::IFF_NO_PI == 0 {
        let message = format!("{} is not a TUN interface opened with IFF_TUN and IFF_NO_PI", request.name());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(Attached { name: request.name(), vnet: flags & libc::IFF_VNET_HDR != 0 })
}

/// Fixes the length of the virtio-net header, which is a property of the interface and may be left over from another
/// program.
#[allow(unsafe_code)]
pub(super) fn set_vnet_header_size(fd: &OwnedFd, size: usize) -> io::Result<()> {
    let size = size as c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one int through the pointer that `Setter` passes.
    unsafe { ioctl(fd, Setter::<{ libc::TUNSETVNETHDRSZ as Opcode }, c_int>::new(size))? };
    Ok(())
}

/// Announces which packets the reader of `fd` can take. `false` if the kernel does not know one of them.
#[allow(unsafe_code)]
pub(super) fn set_offload(fd: &OwnedFd, mask: c_uint) -> io::Result<bool> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of ours.
    match unsafe { ioctl(fd, IntegerSetter::<{ libc::TUNSETOFFLOAD as Opcode }>::new_usize(mask as usize)) } {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::INVAL) => Ok(false),
        Err(errno) => Err(explain(errno, "the TUN interface refuses to set its offloads")),
    }
}

/// The MTU of the interface `name` in the calling thread's network namespace.
pub(super) fn mtu(name: &str) -> io::Result<u16> {
    let mut request = IfReq::new(name)?;
    update::<{ libc::SIOCGIFMTU as Opcode }>(control_socket()?, &mut request)
        .map_err(|errno| explain(errno, "the MTU of the TUN interface cannot be read"))?;
    // A TUN's MTU is at most 65535 bytes.
    Ok(u16::try_from(request.mtu()).unwrap_or(u16::MAX))
}

/// Sets the MTU of the interface `name` in the calling thread's network namespace.
pub(super) fn set_mtu(name: &str, mtu: u16) -> io::Result<()> {
    let mut request = IfReq::new(name)?;
    request.data.mtu = c_int::from(mtu);
    update::<{ libc::SIOCSIFMTU as Opcode }>(control_socket()?, &mut request)
        .map_err(|errno| explain(errno, &format!("the MTU of {name} cannot be set to {mtu}")))
}

fn control_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

#[allow(unsafe_code)]
fn update<const OPCODE: Opcode>(fd: impl AsFd, request: &mut IfReq) -> rustix::io::Result<()> {
    // SAFETY: all opcodes used in this file read and write one `struct ifreq`, whose size and layout `IfReq` has.
    unsafe { ioctl(fd, Updater::<OPCODE, IfReq>::new(request)) }
}

fn explain(errno: rustix::io::Errno, message: &str) -> io::Error {
    let os = io::Error::from(errno);
    io::Error::new(os.kind(), Explained { message: format!("{message} ({os})"), os })
}

/// A message for people that keeps the system's error for programs.
#[derive(Debug)]
struct Explained {
    message: String,
    os: io::Error,
}

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.os)
    }
}
