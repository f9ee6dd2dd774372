//! Master keys of TCP-AO (RFC 5925): `TCP_AO_ADD_KEY`, `TCP_AO_DEL_KEY`, `TCP_AO_INFO` and `TCP_AO_GET_KEYS` with Linux's structs
//! (linux/tcp.h).
//!
//! What `TCP_AO_GET_KEYS` gives are all keys of the socket, without the keys: they are nobody's business. That every peer of a listener
//! must have one (`ao_required`) and counters that are set are refused.

use bowline_base::Instant;
use bowline_tcp::{AoAlgorithm, AoKey, Cidr, KeyName};

use super::keys::{STORAGE, overlap};
use crate::abi::{Abi, Address, Errno, Reader, Writer};
use crate::call::Fd;
use crate::host::Host;
use crate::socket::{Role, Socket};

/// `TCP_AO_MAXKEYLEN`.
const MAX_KEY: usize = 80;
/// The algorithm's name, in bytes.
const NAME: usize = 64;
/// The MACs of both algorithms, in bytes.
const MAC_LEN: u8 = 12;
/// `TCP_AO_KEYF_IFINDEX`: for the network of one interface alone (VRF), of which there are none here.
const IFINDEX: u8 = 1;
/// `TCP_AO_KEYF_EXCLUDE_OPT`: TCP options are not covered.
const EXCLUDE_OPTIONS: u8 = 2;
/// The first of the bits that structs have: CURRENT_KEY is told, RNEXT_KEY is.
const SET_CURRENT: u32 = 1;
const SET_NEXT: u32 = 2;
/// Of `TCP_AO_INFO`: everybody must have a key, counters are set, ICMP errors are believed.
const REQUIRED: u32 = 4;
const SET_COUNTERS: u32 = 8;
const ACCEPT_ICMPS: u32 = 16;

/// What `struct tcp_ao_add` and `tcp_ao_del` begin with, and what follows the name that the first has.
struct Asked {
    address: [u8; STORAGE],
    name: [u8; NAME],
    interface: i32,
    bits: u32,
    reserved: u16,
    /// Prefix, SendID, RecvID; then MAC's length, flags and key's length, or CURRENT_KEY, RNEXT_KEY and flags.
    bytes: [u8; 6],
}

impl Asked {
    fn read(reader: &mut Reader<'_>, has_name: bool) -> Option<Self> {
        Some(Self {
            address: reader.array()?,
            name: if has_name { reader.array()? } else { [0; NAME] },
            interface: reader.i32()?,
            bits: reader.u32()?,
            reserved: reader.u16()?,
            bytes: reader.array()?,
        })
    }

    /// The key that is signed with and the one that is asked for, where they are told.
    const fn chosen(&self, (current, next): (u8, u8)) -> (Option<u8>, Option<u8>) {
        let current = if self.bits & SET_CURRENT != 0 { Some(current) } else { None };
        (current, if self.bits & SET_NEXT != 0 { Some(next) } else { None })
    }
}

impl Host {
    /// A key for a peer or a network of peers.
    pub(super) fn add_ao_key(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let mut reader = Reader(value);
        let asked = Asked::read(&mut reader, true).ok_or(Errno::EINVAL)?;
        let secret: [u8; MAX_KEY] = reader.array().ok_or(Errno::EINVAL)?;
        let [prefix, send_id, recv_id, mac_len, flags, len] = asked.bytes;
        let is_odd = asked.reserved != 0 || asked.bits & !(SET_CURRENT | SET_NEXT) != 0;
        if is_odd || !matches!(mac_len, 0 | MAC_LEN) || flags & !(IFINDEX | EXCLUDE_OPTIONS) != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & IFINDEX != 0 || asked.interface != 0 {
            return Err(Errno::EINVAL);
        }
        let peers = self.ao_network(fd, &asked, prefix)?;
        let name = asked.name.split(|byte| *byte == 0).next().unwrap_or_default();
        let algorithm = str::from_utf8(name).ok().and_then(AoAlgorithm::from_name).ok_or(Errno::ENOENT)?;
        let secret = secret.get(..usize::from(len)).ok_or(Errno::EINVAL)?;
        let key = AoKey::new(peers, (send_id, recv_id), secret).ok_or(Errno::EINVAL)?;
        let key = key.with_algorithm(algorithm).covering_options(flags & EXCLUDE_OPTIONS == 0);

        let socket = self.fds.socket(fd)?;
        let keys = &socket.settings.tcp.keys;
        let is_open = matches!(socket.role, Role::Open(_) | Role::Opening(_));
        if is_open && keys.ao().next().is_none() {
            return Err(Errno::EISCONN);
        }
        // A listener uses what its peers ask for.
        if matches!(socket.role, Role::Listening(_)) && asked.bits != 0 {
            return Err(Errno::EINVAL);
        }
        if keys.md5().any(|(other, _)| overlap(other, peers)) {
            return Err(Errno::EKEYREJECTED);
        }
        if !keys.clone().add_ao(key.clone()) {
            return Err(Errno::EEXIST);
        }
        self.change(now, fd, |options| {
            let _ = options.keys.add_ao(key.clone());
        })?;
        self.choose_ao(now, fd, asked.chosen((send_id, recv_id)))
    }

    /// Takes a key away.
    pub(super) fn remove_ao_key(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let asked = Asked::read(&mut Reader(value), false).ok_or(Errno::EINVAL)?;
        let [prefix, send_id, recv_id, current, next, flags] = asked.bytes;
        // That the key may still be in use for a while (`del_async`) is for listeners.
        if asked.reserved != 0 || asked.bits & !(SET_CURRENT | SET_NEXT) != 0 || flags & !IFINDEX != 0 {
            return Err(Errno::EINVAL);
        }
        let peers = self.ao_network(fd, &asked, prefix)?;
        let ids = (send_id, recv_id);
        let socket = self.fds.socket(fd)?;
        if !socket.settings.tcp.keys.clone().remove_ao(peers, ids) {
            return Err(Errno::ENOENT);
        }
        self.choose_ao(now, fd, asked.chosen((current, next)))?;
        let (current, next) = self.ao_in_use(now, self.fds.socket(fd)?);
        if current == Some(send_id) || next == Some(recv_id) {
            return Err(Errno::EBUSY);
        }
        self.change(now, fd, |options| {
            options.keys.remove_ao(peers, ids);
        })
    }

    /// Which keys are used, and whether ICMP is believed.
    pub(super) fn set_ao_info(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let mut reader = Reader(value);
        let bits = reader.u32().ok_or(Errno::EINVAL)?;
        let (reserved, [current, next]) = reader.u16().zip(reader.array::<2>()).ok_or(Errno::EINVAL)?;
        let known = SET_CURRENT | SET_NEXT | REQUIRED | SET_COUNTERS | ACCEPT_ICMPS;
        if value.len() < 48 || reserved != 0 || bits & !known != 0 {
            return Err(Errno::EINVAL);
        }
        if bits & (REQUIRED | SET_COUNTERS) != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if matches!(self.fds.socket(fd)?.role, Role::Listening(_)) && bits & (SET_CURRENT | SET_NEXT) != 0 {
            return Err(Errno::EINVAL);
        }
        let current = (bits & SET_CURRENT != 0).then_some(current);
        self.choose_ao(now, fd, (current, (bits & SET_NEXT != 0).then_some(next)))?;
        self.change(now, fd, |options| options.odd.believe_icmp = bits & ACCEPT_ICMPS != 0)
    }

    /// `struct tcp_ao_info_opt`.
    pub(super) fn ao_info(&self, now: Instant, socket: &Socket) -> Result<Vec<u8>, Errno> {
        let options = &socket.settings.tcp;
        if options.keys.ao().next().is_none() {
            return Err(Errno::ENOENT);
        }
        let (current, next) = self.ao_in_use(now, socket);
        let bits =
            [(current.is_some(), SET_CURRENT), (next.is_some(), SET_NEXT), (options.odd.believe_icmp, ACCEPT_ICMPS)];
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        let counts = info.and_then(|info| info.ao).unwrap_or_default();
        let mut out = Writer::default();
        out.u32(bits.into_iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum());
        out.u16(0);
        out.bytes(&[current.unwrap_or(0), next.unwrap_or(0)]);
        for count in [counts.good, counts.bad, counts.key_not_found, counts.required, counts.dropped_icmps] {
            out.i64(count as i64);
        }
        Ok(out.0)
    }

    /// As many `struct tcp_ao_getsockopt` as there are keys; the first tells their number.
    pub(super) fn ao_keys(&self, now: Instant, socket: &Socket) -> Result<Vec<u8>, Errno> {
        let keys = &socket.settings.tcp.keys;
        let (current, next) = self.ao_in_use(now, socket);
        let count = keys.ao().count() as u32;
        if count == 0 {
            return Err(Errno::ENOENT);
        }
        let mut out = Writer::default();
        for key in keys.ao() {
            let begins = out.0.len();
            out.bytes(&Address::Inet((key.peers.address(), 0).into()).encode(Abi::Linux));
            out.0.resize(begins + STORAGE, 0);
            out.bytes(key.algorithm.name().as_bytes());
            out.0.resize(begins + STORAGE + NAME + MAX_KEY, 0);
            out.u32(count);
            let is_current = u16::from(current == Some(key.send_id));
            out.u16(is_current | u16::from(next == Some(key.recv_id)) << 1);
            let flags = if key.covers_options { 0 } else { EXCLUDE_OPTIONS };
            out.bytes(&[key.send_id, key.recv_id, key.peers.prefix(), MAC_LEN, flags, 0]);
            out.i32(0);
            out.bytes(&[0; 16]);
        }
        Ok(out.0)
    }

    /// SendID of the key that signs, RecvID of the one that is asked for.
    fn ao_in_use(&self, now: Instant, socket: &Socket) -> (Option<u8>, Option<u8>) {
        let info = socket.connection().and_then(|key| self.stack.tcp().info(now, key));
        let keys = info.map(|info| info.keys).unwrap_or_default();
        let current = keys.iter().find_map(|key| match *key {
            KeyName::Ao { send_id, is_current: true, .. } => Some(send_id),
            _ => None,
        });
        let next = keys.iter().find_map(|key| match *key {
            KeyName::Ao { recv_id, is_next: true, .. } => Some(recv_id),
            _ => None,
        });
        (current, next)
    }

    /// Uses these keys, now where there is a connection, and from the beginning of those to come.
    fn choose_ao(&mut self, now: Instant, fd: Fd, (current, next): (Option<u8>, Option<u8>)) -> Result<(), Errno> {
        if (current, next) == (None, None) {
            return Ok(());
        }
        let socket = self.fds.socket_mut(fd)?;
        let keys = &mut socket.settings.tcp.keys;
        let has = |found: bool| if found { Ok(()) } else { Err(Errno::ENOENT) };
        has(current.is_none_or(|id| keys.ao().any(|key| key.send_id == id)))?;
        has(next.is_none_or(|id| keys.ao().any(|key| key.recv_id == id)))?;
        keys.choose_ao(current, next);
        match socket.connection() {
            // Where it has ended, there is nothing left to sign.
            Some(key) => self.stack.tcp_mut().choose_keys(now, key, current, next).or(Ok(())),
            None => Ok(()),
        }
    }

    /// The network of peers of a key. Its address has no bits beyond the prefix, and no port.
    fn ao_network(&self, fd: Fd, asked: &Asked, prefix: u8) -> Result<Cidr, Errno> {
        let Address::Inet(address) = Address::decode(Abi::Linux, &asked.address)? else { return Err(Errno::EINVAL) };
        let peers = self.network(fd, &asked.address, Some(prefix))?;
        let is_exact = self.network(fd, &asked.address, None)?.address() == peers.address();
        let is_right = is_exact && address.port() == 0 && (prefix > 0 || peers.address().is_unspecified());
        if is_right { Ok(peers) } else { Err(Errno::EINVAL) }
    }
}
