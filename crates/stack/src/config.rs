//! Every number of the host that one can set, with its unit, default and reason. TCP's are in [`bowline_tcp::Config`].

use core::time::Duration;

use bowline_tcp::Profile;

/// What is the same for the whole host. Every queue here has its bound here.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// TCP.
    pub tcp: bowline_tcp::Config,
    /// Reassembly.
    pub reassembly: ReassemblyConfig,
    /// ICMP.
    pub icmp: IcmpConfig,
    /// UDP.
    pub udp: UdpConfig,
    /// Path MTU discovery.
    pub path_mtu: PathMtuConfig,
}

impl Config {
    /// What hosts of this profile start with.
    #[must_use]
    pub fn profile(profile: Profile) -> Self {
        let tcp = bowline_tcp::Config::profile(profile);
        let udp = UdpConfig { ephemeral_ports: tcp.ephemeral_ports, ..UdpConfig::default() };
        Self { tcp, udp, ..Self::default() }
    }
}

/// Reassembly of fragments (RFC 791 3.2, RFC 8200 4.5).
#[derive(Clone, Debug)]
pub struct ReassemblyConfig {
    /// Datagrams under way at once; default 1,024. The oldest yields.
    pub max_datagrams: usize,
    /// Bytes of all of them, overhead counted; default 4 MiB, as Linux `ipfrag_high_thresh`. The oldest yields.
    pub max_bytes: usize,
    /// Fragments of one datagram; default 256: 64 KiB in pieces of 256 bytes.
    pub max_fragments: usize,
    /// How long the rest of an IPv4 datagram may take; default 30 s, as Linux `ipfrag_time`.
    pub timeout_v4: Duration,
    /// How long the rest of an IPv6 datagram may take; default 60 s (RFC 8200 4.5).
    pub timeout_v6: Duration,
}

impl Default for ReassemblyConfig {
    fn default() -> Self {
        Self {
            max_datagrams: 1_024,
            max_bytes: 4 << 20,
            max_fragments: 256,
            timeout_v4: Duration::from_secs(30),
            timeout_v6: Duration::from_secs(60),
        }
    }
}

/// ICMP messages that we send.
#[derive(Clone, Debug)]
pub struct IcmpConfig {
    /// Errors per second to all destinations together; default 1,000, as Linux `icmp_msgs_per_sec`.
    pub errors_per_second: u32,
    /// Errors that may be sent at once; default 50, as Linux `icmp_msgs_burst`.
    pub burst: u32,
    /// Time per error to one destination; default 1 s, as Linux `icmp_ratelimit`.
    pub interval: Duration,
    /// Errors that may be sent at once to one destination; default 6, as Linux.
    pub burst_per_destination: u32,
    /// Messages waiting to be sent, and events waiting to be read; default 256 each. Further ones are dropped.
    pub max_queue: usize,
    /// Whether to answer pings to our own addresses; default true (RFC 1122 3.2.2.6).
    pub echo: bool,
}

impl Default for IcmpConfig {
    fn default() -> Self {
        Self {
            errors_per_second: 1_000,
            burst: 50,
            interval: Duration::from_secs(1),
            burst_per_destination: 6,
            max_queue: 256,
            echo: true,
        }
    }
}

/// UDP sockets.
#[derive(Clone, Debug)]
pub struct UdpConfig {
    /// Sockets; default 65,536.
    pub max_sockets: usize,
    /// Ephemeral ports, inclusive; default 32768–60999, as Linux.
    pub ephemeral_ports: (u16, u16),
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self { max_sockets: 65_536, ephemeral_ports: (32_768, 60_999) }
    }
}

/// What is remembered of paths narrower than their first link (RFC 1191, RFC 8201).
#[derive(Clone, Debug)]
pub struct PathMtuConfig {
    /// Destinations; default 4,096. The one to expire first yields.
    pub max_entries: usize,
    /// How long a value holds before the link's MTU is tried again; default 10 min (RFC 1191 6.3).
    pub lifetime: Duration,
    /// The smallest value believed for IPv4, in bytes; default 552, as Linux `min_pmtu`. For IPv6 it is 1,280.
    pub min_v4: u16,
}

impl Default for PathMtuConfig {
    fn default() -> Self {
        Self { max_entries: 4_096, lifetime: Duration::from_secs(600), min_v4: 552 }
    }
}
