//! Sending that opens the connection (RFC 7413), as Linux and FreeBSD have it, and the options about it.
//!
//! On Linux `MSG_FASTOPEN` is a `connect` and a `send` in one, and after `TCP_FASTOPEN_CONNECT` the first `send` is one; where
//! nobody waits, no more is taken than the SYN takes along. On FreeBSD `TCP_FASTOPEN` lets `sendto` connect.

use bowline_base::Instant;
use bowline_tcp::{FastOpenKeys, FastOpenPolicy, Profile};
use bytes::Bytes;

use crate::abi::options::Opt;
use crate::abi::{Abi, Address, Errno};
use crate::call::{Call, Fd, Reply, Waiting};
use crate::error;
use crate::host::{Host, Step};
use crate::socket::Role;

/// How many early connections a listener of FreeBSD's has: half of its queue's usual bound.
const FREEBSD_PENDING: u32 = 64;
const KEY: usize = 16;

impl Host {
    /// Whether a socket was told to connect, and waits for what is sent first.
    pub(crate) fn waits_for_data(&self, role: Role) -> bool {
        matches!(role, Role::Opening(key) if self.stack.tcp().waits_for_data(key))
    }

    /// What a call comes to that opens the connection; `None`: it is a call like any other. `rest`: the bytes to send.
    pub(crate) fn send_with_syn(
        &mut self,
        now: Instant,
        waiting: &mut Waiting,
        (fd, flags): (Fd, i32),
        blocking: bool,
        mut rest: Bytes,
    ) -> Result<Option<Step>, Errno> {
        let to = match &waiting.call {
            Call::Send { to, .. } => *to,
            _ => None,
        };
        let socket = self.fds.socket(fd)?;
        let (role, patience) = (socket.role, socket.settings.send_timeout);
        let reported = socket.reported;
        let is_freebsd = self.profile == Profile::FreeBsd;
        let has_flag = self.abi == Abi::Linux && flags & self.abi.get("MSG_FASTOPEN") != 0;
        let asks = has_flag && !waiting.begun;
        let connects = is_freebsd && to.is_some() && socket.settings.tcp.fast_open.connect;
        match role {
            Role::Opening(_) if self.waits_for_data(role) => {}
            Role::Opening(_) if asks => return Err(Errno::EALREADY),
            Role::Open(_) if asks && reported => return Err(Errno::EISCONN),
            // As with `connect`: the first call after the open tells of it, and then sends like any other.
            Role::Open(_) if has_flag => {
                self.fds.socket_mut(fd)?.reported = true;
                return Ok(None);
            }
            Role::Idle if asks || connects => self.open_fast(now, fd, to)?,
            _ => return Ok(None),
        }
        let Role::Opening(key) = self.fds.socket(fd)?.role else { return Ok(None) };
        let tcp = self.stack.tcp_mut();
        // What the SYN does not take along follows the handshake: where the call waits for that, and on FreeBSD always, all that there
        // is room for is queued, so that it leaves with the handshake's ACK.
        let most = if is_freebsd || blocking { rest.len() } else { tcp.syn_capacity(key).min(rest.len()) };
        let mut part = rest.split_to(most);
        if !part.is_empty() {
            waiting.sent += tcp.send_bytes(now, key, &mut part).map_err(error::of_call)?;
        }
        // Without a byte it is an open like any other.
        tcp.set_options(now, key, |options| options.fast_open.wait = false).map_err(error::of_call)?;
        if is_freebsd || !blocking {
            let sent = waiting.sent;
            self.note_written_by(fd, waiting, flags);
            let empty = if is_freebsd { Ok(Some(Reply::default())) } else { Err(Errno::EINPROGRESS) };
            return Ok(Some(if sent > 0 { Ok(Some(Reply::value(sent))) } else { empty }));
        }
        Ok(Some(self.would_block(now, waiting, true, patience)))
    }

    /// `connect`, for a SYN that takes data along.
    fn open_fast(&mut self, now: Instant, fd: Fd, to: Option<Address>) -> Result<(), Errno> {
        let socket = self.fds.socket(fd)?;
        let remote = self.destination(socket, to.ok_or(Errno::EINVAL)?)?;
        let settings = &mut self.fds.socket_mut(fd)?.settings.tcp.fast_open;
        let before = settings.clone();
        (settings.connect, settings.wait) = (true, false);
        let opened = self.open(now, fd, remote);
        self.fds.socket_mut(fd)?.settings.tcp.fast_open = before;
        opened
    }

    /// Whether active opens may be fast at all; `EOPNOTSUPP` is what Linux says where not.
    pub(crate) fn may_open_fast(&self) -> bool {
        self.stack.tcp().fast_open_policy().contains(FastOpenPolicy::CLIENT)
    }

    // ---- options

    /// `TCP_FASTOPEN` and the options beside it.
    pub(crate) fn set_fast_open(&mut self, now: Instant, fd: Fd, opt: Opt, number: i32) -> Result<(), Errno> {
        let role = self.fds.socket(fd)?.role;
        let (is_idle, listens) = (role == Role::Idle, matches!(role, Role::Listening(_)));
        let is_flag = matches!(number, 0 | 1);
        let on = number != 0;
        match opt {
            Opt::FastOpen if self.profile == Profile::FreeBsd => self.change(now, fd, |options| {
                options.fast_open.connect = on;
                options.fast_open.listen = if on { FREEBSD_PENDING } else { 0 };
            }),
            Opt::FastOpen => {
                let most = u32::try_from(number).ok().filter(|_| is_idle || listens).ok_or(Errno::EINVAL)?;
                self.change(now, fd, |options| options.fast_open.listen = most)
            }
            Opt::FastOpenConnect if !is_flag => Err(Errno::EINVAL),
            Opt::FastOpenConnect if !self.may_open_fast() => Err(Errno::EOPNOTSUPP),
            Opt::FastOpenConnect if !is_idle => Err(Errno::EINVAL),
            Opt::FastOpenConnect => self.change(now, fd, |options| {
                (options.fast_open.connect, options.fast_open.wait) = (on, on);
            }),
            _ if !is_flag || !(is_idle || listens) => Err(Errno::EINVAL),
            _ => self.change(now, fd, |options| options.fast_open.without_cookie = on),
        }
    }

    /// `TCP_FASTOPEN_KEY`: a key, or one that makes cookies and one whose cookies are believed, too.
    pub(crate) fn set_fast_open_key(&mut self, now: Instant, fd: Fd, value: &[u8]) -> Result<(), Errno> {
        let key = |at: usize| value.get(at..at + KEY).and_then(|key| <[u8; KEY]>::try_from(key).ok());
        let keys = match (value.len(), key(0), key(KEY)) {
            (KEY, Some(key), _) => FastOpenKeys::new(key),
            (32, Some(key), Some(backup)) => FastOpenKeys::with_backup(key, backup),
            _ => return Err(Errno::EINVAL),
        };
        self.change(now, fd, |options| options.fast_open.keys = Some(keys.clone()))
    }

    /// The keys that are in force for a socket.
    pub(crate) fn fast_open_key(&self, own: Option<&FastOpenKeys>) -> Vec<u8> {
        let keys = own.unwrap_or_else(|| self.stack.tcp().fast_open_keys());
        keys.primary().iter().chain(keys.backup().into_iter().flatten()).copied().collect()
    }
}
