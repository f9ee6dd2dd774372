//! What a script asks of the runner, and what holds where it does not ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bowline_posix::Profile;
use serde::Serialize;

use super::Micros;
use crate::lex::Defines;

/// In which version of IP a script runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Hash)]
pub enum IpVersion {
    /// IPv4 sockets and packets.
    #[serde(rename = "ipv4")]
    V4,
    /// IPv6 sockets and packets.
    #[serde(rename = "ipv6")]
    V6,
    /// IPv6 sockets with mapped addresses, IPv4 packets.
    #[serde(rename = "ipv4-mapped-ipv6")]
    Mapped,
}

impl IpVersion {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Mapped];

    /// As options write it: `ipv4-mapped-ipv6`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
            Self::Mapped => "ipv4-mapped-ipv6",
        }
    }

    /// The version with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Whether its packets are IPv4 packets.
    #[must_use]
    pub const fn is_v4_on_the_wire(self) -> bool {
        !matches!(self, Self::V6)
    }
}

/// What a script asks of the runner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The only profiles it is for, because it says what others do otherwise; default: all of them.
    pub profiles: Option<Vec<Profile>>,
    /// The only version it is for; without it, all of them.
    pub ip_version: Option<IpVersion>,
    /// The local port that `bind(3, ..., ...)` takes; default 8080.
    pub bind_port: u16,
    /// The remote port that `connect(3, ..., ...)` goes to; default 8080.
    pub connect_port: u16,
    /// The stack's address; default 192.168.0.1, fd3d:a0b:17d6::1.
    pub local_ip: Option<IpAddr>,
    /// The peer's address; default 192.0.2.1, fd3d:fa7b:d17d::1.
    pub remote_ip: Option<IpAddr>,
    /// The text of each segment, in bytes, of which the device has put together a longer packet of the script's; default: such a
    /// packet is one segment.
    pub mss: Option<u16>,
    /// The device's MTU in bytes; see [`Options::mtu`] for the default.
    pub mtu: Option<u16>,
    /// By how much the time of an event may differ, in microseconds; default 4000.
    pub tolerance: Micros,
    /// The same as a part of the time since the event before, in thousandths; the larger of the two holds. Default 125.
    pub tolerance_permille: u32,
    /// Microseconds for each tick of TSval, where it is to be checked by the script's values; default: it is not.
    pub ts_tick: Option<Micros>,
    /// Whether a TSecr that was never sent as TSval is taken as a difference to the first one; default: it is an error.
    pub ts_ecr_scaled: bool,
    /// Whether one line of a script must be one packet; default: several segments in a row may make up a line.
    pub strict_segments: bool,
    /// Whether a packet that differs is only remarked; default no.
    pub non_fatal_packet: bool,
    /// Whether a result of a call that differs is only remarked; default no.
    pub non_fatal_call: bool,
    /// Whether the script is only read; default no.
    pub dry_run: bool,
    /// Whether all addresses of the local prefix are the stack's; default no.
    pub anyip: bool,
    /// What packets with `md5 valid` are signed with, and what `setsockopt(3, IPPROTO_TCP, TCP_MD5SIG, [1], 4)` sets on every system;
    /// default none.
    pub md5_secret: Option<String>,
    /// Commands before the script, one file name each; default none.
    pub init_scripts: Vec<String>,
    /// What was defined, on the command line and in the script.
    pub defines: Defines,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profiles: None,
            ip_version: None,
            bind_port: 8080,
            connect_port: 8080,
            local_ip: None,
            remote_ip: None,
            mss: None,
            mtu: None,
            tolerance: 4000,
            tolerance_permille: 125,
            ts_tick: None,
            ts_ecr_scaled: false,
            strict_segments: false,
            non_fatal_packet: false,
            non_fatal_call: false,
            dry_run: false,
            anyip: false,
            md5_secret: None,
            init_scripts: Vec::new(),
            defines: Defines::new(),
        }
    }
}

impl Options {
    /// Whether the script can run in this version: it does not ask for another, and its addresses are of this one.
    #[must_use]
    pub fn admits(&self, version: IpVersion) -> bool {
        let fits =
            |address: Option<IpAddr>| address.is_none_or(|address| address.is_ipv4() == version.is_v4_on_the_wire());
        self.ip_version.is_none_or(|only| only == version) && fits(self.local_ip) && fits(self.remote_ip)
    }

    /// Whether it is for this profile.
    #[must_use]
    pub fn is_for(&self, profile: Profile) -> bool {
        self.profiles.as_ref().is_none_or(|only| only.contains(&profile))
    }

    /// The device's MTU in bytes. By default 1500; but 1520 where a script for all versions runs in IPv6, so that its segments
    /// are as large as in IPv4.
    #[must_use]
    pub fn mtu(&self, version: IpVersion) -> u16 {
        let is_one_of_many = self.ip_version.is_none() && version == IpVersion::V6;
        self.mtu.unwrap_or(if is_one_of_many { 1520 } else { 1500 })
    }

    /// The stack's address.
    #[must_use]
    pub fn local(&self, version: IpVersion) -> IpAddr {
        self.local_ip.unwrap_or(if version.is_v4_on_the_wire() {
            IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1))
        } else {
            IpAddr::V6(Ipv6Addr::new(0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1))
        })
    }

    /// The peer's address.
    #[must_use]
    pub fn remote(&self, version: IpVersion) -> IpAddr {
        self.remote_ip.unwrap_or(if version.is_v4_on_the_wire() {
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))
        } else {
            IpAddr::V6(Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1))
        })
    }
}
