//! Profiles: what a connection of a well-known system starts with, as plain configuration.
//!
//! Nothing else asks which profile it is: whatever differs between systems is a value in [`Config`] or [`Options`], and
//! can be set one by one.

use core::time::Duration;

use crate::{Config, Options};

/// A system whose choices to start with, where the RFCs leave one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Profile {
    /// Our own: Linux's, except where RFC 9293 says otherwise.
    #[default]
    Bowline,
    /// Linux 6.18, as it comes.
    Linux,
    /// FreeBSD 14, as it comes.
    FreeBsd,
}

impl Profile {
    /// The profile with this name: `bowline`, `linux`, `freebsd`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bowline" => Some(Self::Bowline),
            "linux" => Some(Self::Linux),
            "freebsd" => Some(Self::FreeBsd),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bowline => "bowline",
            Self::Linux => "linux",
            Self::FreeBsd => "freebsd",
        }
    }
}

impl Config {
    /// What endpoints of this profile start with.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let config = Self { options: Options::profile(profile), ..Self::default() };
        match profile {
            Profile::Bowline | Profile::Linux => config,
            Profile::FreeBsd => Self { ephemeral_ports: (10_000, 65_535), ..config },
        }
    }
}

impl Options {
    /// What connections of this profile start with.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        match profile {
            Profile::Bowline => Self::default(),
            // tcp_rmem 131072, half of which is for data; it grows to 6 MiB, as far as tcp_rmem goes.
            Profile::Linux => Self { receive_buffer: 64 << 10, ..Self::default() },
            // net.inet.tcp.recvspace and sendspace 64 KiB; recvbuf_max and sendbuf_max 2 MiB.
            Profile::FreeBsd => Self {
                receive_buffer: 64 << 10,
                receive_buffer_max: 2 << 20,
                send_buffer: 2 << 20,
                min_rto: Duration::from_millis(230),
                max_rto: Duration::from_secs(64),
                retries: 12,
                ..Self::default()
            },
        }
    }
}
