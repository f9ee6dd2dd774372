//! The options of one connection, as `setsockopt` and `getsockopt` have them.
//!
//! Each getter fails with `ENOTCONN` once nothing is left of the connection, each setter too, and with `EINVAL` for a
//! value that the connection cannot take. Defaults are those of [`Options`].

use std::io;
use std::time::Duration;

use bowline_tcp::{Algorithm, CallError, Keepalive, Keys, Options};

use super::TcpStream;
use super::calls::Direction;
use crate::error;

macro_rules! options {
    ($($(#[$doc:meta])* $get:ident, $set:ident: $type:ty = $field:ident;)*) => {
        impl TcpStream {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// `ENOTCONN` once nothing is left of the connection.
            pub fn $get(&self) -> io::Result<$type> {
                self.options(|options| options.$field)
            }

            #[doc = concat!("Sets what [`", stringify!($get), "`](Self::", stringify!($get), ") returns.")]
            ///
            /// # Errors
            /// `ENOTCONN` once nothing is left of the connection, `EINVAL` for a value that it cannot take.
            pub fn $set(&self, value: $type) -> io::Result<()> {
                self.set_options(|options| options.$field = value)
            }
        )*}
    };
}

options! {
    /// Whether small segments leave at once although others are in flight (`TCP_NODELAY`).
    nodelay, set_nodelay: bool = nodelay;
    /// Whether only full segments leave (`TCP_CORK`), for at most 200 ms at a time.
    cork, set_cork: bool = cork;
    /// Keepalive, with its times (`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`).
    keepalive, set_keepalive: Option<Keepalive> = keepalive;
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`).
    user_timeout, set_user_timeout: Option<Duration> = user_timeout;
    /// What dropping does with unsent data (`SO_LINGER`): with zero it resets the connection.
    linger, set_linger: Option<Duration> = linger;
    /// The send queue's bound in bytes (`SO_SNDBUF`, not doubled).
    send_buffer_size, set_send_buffer_size: u32 = send_buffer;
    /// What the receive queue's bound may grow to, in bytes.
    receive_buffer_max, set_receive_buffer_max: u32 = receive_buffer_max;
    /// Unsent bytes above which the stream is not writable (`TCP_NOTSENT_LOWAT`).
    notsent_lowat, set_notsent_lowat: u32 = notsent_lowat;
    /// The congestion controller (`TCP_CONGESTION`). On a device that loses nothing there is nothing to control, and
    /// [`Algorithm::Local`] is used whatever this says: [`info`](TcpStream::info) tells which one works.
    congestion, set_congestion: Algorithm = algorithm;
    /// The IP time to live of what is sent (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ttl, set_ttl: u8 = hop_limit;
    /// The IP traffic class of what is sent (`IP_TOS`, `IPV6_TCLASS`).
    traffic_class, set_traffic_class: u8 = traffic_class;
}

impl TcpStream {
    /// Has dropping reset the connection: [`set_linger`](Self::set_linger) with zero.
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// Whether the next segment with data will be acknowledged at once (`TCP_QUICKACK`), because the connection is young, was
    /// idle, or [was told so](Self::set_quickack).
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn quickack(&self) -> io::Result<bool> {
        self.shared
            .look(|core, _| core.tcp().state(self.key).map(|_| core.tcp().is_quick(self.key)))
            .ok_or_else(error::not_connected)
    }

    /// Acknowledges the next segments at once, or waits for more of them as usual. As on Linux it holds for a while only.
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.now_or_error(Direction::Write, |core, key, now| match core.tcp().state(key) {
            Some(_) => {
                core.tcp().set_quick(now, key, quickack);
                Ok(())
            }
            None => Err(CallError::NoConnection),
        })
    }

    /// The keys that segments are signed with, as far as they are for this peer (`TCP_MD5SIG`). To have the handshake signed, connect
    /// with [`Options::keys`].
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn keys(&self) -> io::Result<Keys> {
        self.options(|options| options.keys.clone())
    }

    /// Changes these keys, in force at once, both ways: the peer must do so as well. With TCP-AO a key that is added changes nothing
    /// before [one of both asks for it](Self::choose_keys).
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn set_keys(&self, keys: Keys) -> io::Result<()> {
        self.set_options(|options| options.keys = keys)
    }

    /// Signs with the master key that has this SendID from now on, and asks the peer to sign with the one that has this RecvID
    /// (RFC 5925 7.1; `TCP_AO_INFO`); `None`: as before.
    ///
    /// # Errors
    /// `EINVAL` where there is no such key, `ENOTCONN` once nothing is left of the connection.
    pub fn choose_keys(&self, send_id: Option<u8>, recv_id: Option<u8>) -> io::Result<()> {
        self.use_keys(send_id, recv_id)
    }

    /// The receive queue's bound in bytes (`SO_RCVBUF`, not doubled). Autotuning may have raised it.
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn receive_buffer_size(&self) -> io::Result<u32> {
        self.options(|options| options.receive_buffer)
    }

    /// Sets the receive queue's bound in bytes and, as `SO_RCVBUF` does, switches its autotuning off.
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection, `EINVAL` for a value that it cannot take.
    pub fn set_receive_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set_options(|options| {
            options.receive_buffer = bytes;
            options.receive_buffer_max = bytes;
        })
    }

    /// All options at once.
    ///
    /// # Errors
    /// `ENOTCONN` once nothing is left of the connection.
    pub fn tcp_options(&self) -> io::Result<Options> {
        self.options(Clone::clone)
    }
}
