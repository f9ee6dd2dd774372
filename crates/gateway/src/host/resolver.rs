//! Which name server the host asks first, as its resolv.conf says now.
//!
//! The file is read again when it has changed: a laptop that has moved gets its new name server.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The port of DNS.
pub const PORT: u16 = 53;

/// The host's first name server.
#[derive(Debug)]
pub struct Resolver {
    path: PathBuf,
    version: Option<Version>,
    server: SocketAddr,
}

/// What changes when a file is written or replaced: device, inode, time, length.
type Version = (u64, u64, i64, i64, u64);

/// Whom the C library asks where no server is named.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

impl Default for Resolver {
    fn default() -> Self {
        Self::new("/etc/resolv.conf")
    }
}

impl Resolver {
    /// The resolver that `path` configures.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), version: None, server: DEFAULT }
    }

    /// The first name server, as of now.
    pub fn server(&mut self) -> SocketAddr {
        let version = fs::metadata(&self.path)
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
            .ok();
        if version != self.version || version.is_none() {
            let text = fs::read(&self.path).unwrap_or_default();
            self.server = first_server(&String::from_utf8_lossy(&text)).unwrap_or(DEFAULT);
            self.version = version;
        }
        self.server
    }
}

fn first_server(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().and_then(parse)).flatten()
    })
}

/// An address, possibly with the interface of a link-local one: `fe80::1%eth0`.
fn parse(word: &str) -> Option<SocketAddr> {
    let Some((address, interface)) = word.split_once('%') else {
        return word.parse().ok().map(|ip| SocketAddr::new(ip, PORT));
    };
    let ip: Ipv6Addr = address.parse().ok()?;
    let index = interface.parse().ok().or_else(|| {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
        rustix::net::netdevice::name_to_index(socket, interface).ok()
    })?;
    Some(SocketAddrV6::new(ip, PORT, 0, index).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_counts_and_comments_do_not() {
        let server = |text| first_server(text).map(|server| server.to_string());
        assert_eq!(
            server("# nameserver 192.0.2.9\nsearch a.b\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n").as_deref(),
            Some("192.0.2.1:53")
        );
        assert_eq!(server(" nameserver\t2001:db8::1").as_deref(), Some("[2001:db8::1]:53"));
        assert_eq!(server("nameserver fe80::1%7").as_deref(), Some("[fe80::1%7]:53"));
        assert_eq!(server("nameserver fe80::1%lo").as_deref(), Some("[fe80::1%1]:53"));
        assert_eq!(server("nameserver bogus\nnameserver 192.0.2.2").as_deref(), Some("192.0.2.2:53"));
        assert_eq!(server(""), None);
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_means_this_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let mut resolver = Resolver::new(&path);
        assert_eq!(resolver.server(), DEFAULT);
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(resolver.server().to_string(), "192.0.2.1:53");
        // replaced, as programs that write it do; the new one is as long
        let next = folder.path().join("next");
        fs::write(&next, "nameserver 192.0.2.2\n").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(resolver.server().to_string(), "192.0.2.2:53");
        fs::remove_file(&path).unwrap();
        assert_eq!(resolver.server(), DEFAULT);
    }
}
