//! Keys that are shared with peers: `TCP_MD5SIG` and `TCP_MD5SIG_EXT` with Linux's `struct tcp_md5sig` (linux/tcp.h).
//!
//! They are read by nobody: as on Linux there is no `getsockopt` for them. FreeBSD keeps such keys with those of IPsec: here
//! there is one for everybody, or none.

use core::net::IpAddr;

use bowline_base::Instant;
use bowline_tcp::{Cidr, Keys, Md5Key};

use crate::abi::{Abi, Address, Errno, Reader, unmapped};
use crate::call::Fd;
use crate::host::Host;
use crate::socket::{Family, Role, Socket};

/// `struct sockaddr_storage`, in bytes.
pub(super) const STORAGE: usize = 128;
/// `TCP_MD5SIG_MAXKEYLEN`.
const MAX_KEY: usize = 80;
/// `TCP_MD5SIG_FLAG_PREFIX`: the prefix length counts.
const PREFIX: u8 = 1;
/// `TCP_MD5SIG_FLAG_IFINDEX`: for the network of one interface alone (VRF).
const IFINDEX: u8 = 2;

/// `struct tcp_md5sig`.
struct Md5Sig {
    address: [u8; STORAGE],
    flags: u8,
    prefix: u8,
    len: u16,
    interface: i32,
    key: [u8; MAX_KEY],
}

impl Md5Sig {
    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        Some(Self {
            address: reader.array()?,
            flags: reader.array::<1>()?[0],
            prefix: reader.array::<1>()?[0],
            len: reader.u16()?,
            interface: reader.i32()?,
            key: reader.array()?,
        })
    }
}

impl Host {
    /// A key for a peer or, with `TCP_MD5SIG_EXT`, for a network of peers; an empty one takes it away.
    pub(super) fn set_md5(&mut self, now: Instant, fd: Fd, value: &[u8], extended: bool) -> Result<(), Errno> {
        let asked = Md5Sig::read(value).ok_or(Errno::EINVAL)?;
        let flags = if extended { asked.flags } else { 0 };
        // There is one interface, and it is in no network of its own.
        if flags & IFINDEX != 0 && asked.interface != 0 {
            return Err(Errno::EINVAL);
        }
        let prefix = (flags & PREFIX != 0).then_some(asked.prefix);
        let peers = self.network(fd, &asked.address, prefix)?;
        let socket = self.fds.socket(fd)?;
        let len = usize::from(asked.len);
        if len == 0 {
            if !socket.settings.tcp.keys.md5().any(|(other, _)| other == peers) {
                return Err(Errno::ENOENT);
            }
            return self.change(now, fd, |options| {
                options.keys.remove_md5(peers);
            });
        }
        let key = asked.key.get(..len).and_then(Md5Key::new).ok_or(Errno::EINVAL)?;
        // As on Linux: a peer has keys of one kind.
        if socket.settings.tcp.keys.ao().any(|other| overlap(other.peers, peers)) {
            return Err(Errno::EKEYREJECTED);
        }
        self.change(now, fd, |options| options.keys.set_md5(peers, key.clone()))
    }

    /// `TCP_MD5SIG` of FreeBSD, where it is a flag: with the key that IPsec has for everybody.
    pub(super) fn set_md5_flag(&mut self, now: Instant, fd: Fd, on: bool) -> Result<(), Errno> {
        let key = self.md5_secret.clone().ok_or(Errno::ENOPROTOOPT)?;
        self.change(now, fd, |options| {
            for peers in [Cidr::default_v4(), Cidr::default_v6()] {
                match on {
                    true => options.keys.set_md5(peers, key.clone()),
                    false => drop(options.keys.remove_md5(peers)),
                }
            }
        })?;
        self.name_or_role_changed(fd);
        Ok(())
    }

    /// A stream socket on FreeBSD that has a name and a key, and neither listens nor is connected, refuses what is signed in its own hand;
    /// on Linux nobody is there to do so. To be called when any of it has changed.
    pub(crate) fn sign_refusals(&mut self, socket: &Socket, is_open: bool) {
        let Some(local) = socket.local.filter(|_| self.is_freebsd() && socket.is_stream()) else { return };
        let refuses = is_open && socket.role == Role::Idle;
        let keys = if refuses { socket.settings.tcp.keys.clone() } else { Keys::default() };
        self.stack.tcp_mut().reserve(socket.listen_address(), local.port(), keys);
    }

    /// The same, of a descriptor.
    pub(crate) fn name_or_role_changed(&mut self, fd: Fd) {
        if self.md5_secret.is_some()
            && let Ok(socket) = self.fds.socket(fd).cloned()
        {
            self.sign_refusals(&socket, true);
        }
    }

    /// What FreeBSD's sockets sign with that have `TCP_MD5SIG`, as if `setkey` had set it for every peer; `None`: the system was built
    /// without.
    pub fn set_md5_secret(&mut self, key: Option<Md5Key>) {
        self.md5_secret = key;
    }

    /// The network of peers in a `struct sockaddr_storage`, whose host bits count as zero. `prefix`: `None` for one peer.
    pub(super) fn network(&self, fd: Fd, address: &[u8; STORAGE], prefix: Option<u8>) -> Result<Cidr, Errno> {
        let Address::Inet(address) = Address::decode(Abi::Linux, address)? else { return Err(Errno::EINVAL) };
        if address.is_ipv4() != (self.fds.socket(fd)?.family == Family::Inet) {
            return Err(Errno::EINVAL);
        }
        // A mapped address has the prefix of the one that it stands for.
        let address = unmapped(address).ip();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(Errno::EINVAL);
        }
        let hosts = u32::from(bits - prefix);
        Ok(Cidr::new(
            match address {
                IpAddr::V4(v4) => (v4.to_bits() & u32::MAX.checked_shl(hosts).unwrap_or(0)).to_be_bytes().into(),
                IpAddr::V6(v6) => (v6.to_bits() & u128::MAX.checked_shl(hosts).unwrap_or(0)).to_be_bytes().into(),
            },
            prefix,
        ))
    }
}

/// Whether some peer is in both networks.
pub(super) fn overlap(one: Cidr, other: Cidr) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}
