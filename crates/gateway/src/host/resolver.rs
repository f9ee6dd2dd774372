//! Which name server is asked: the first that the host's resolv.conf names and that answers.
//!
//! The file is read again when it has changed: a laptop that has moved gets its new name servers. The program's C library
//! knows the gateway alone, so that what it would do about a server that is dead, which is to ask the next one, is done here.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// The port of DNS.
pub const PORT: u16 = 53;

/// How many of the servers that a file names are asked, as the C library does (resolv.conf(5)).
const MAX_SERVERS: usize = 3;

/// How long a server may leave everything unanswered until questions go to the next one. C libraries ask again after 5 s,
/// or 2.5.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a server that failed is not asked, if there is another.
const REST: Duration = Duration::from_secs(30);

/// The host's name servers.
#[derive(Debug)]
pub struct Resolver {
    path: PathBuf,
    version: Option<Version>,
    servers: Vec<Server>,
}

/// What changes when a file is written or replaced: device, inode, time, length.
type Version = (u64, u64, i64, i64, u64);

/// One name server and how it has done lately.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// Since when it owes an answer.
    asked: Option<Instant>,
    resting_until: Option<Instant>,
}

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
        Self { path: path.into(), version: None, servers: Vec::new() }
    }

    /// Whom to ask a question that is put at `now`: the first server, as of now, that has not failed lately.
    pub fn ask(&mut self, now: Instant) -> SocketAddr {
        self.look();
        let chosen = self.servers.iter_mut().position(|server| server.is_usable(now)).unwrap_or(0);
        self.servers.get_mut(chosen).map_or(DEFAULT, |server| server.ask(now))
    }

    /// The server is alive.
    pub fn answered(&mut self, server: SocketAddr) {
        if let Some(server) = self.servers.iter_mut().find(|known| known.address == server) {
            (server.asked, server.resting_until) = (None, None);
        }
    }

    /// The server cannot be reached, or does not serve. Whom to ask instead: the first behind it that has not failed lately.
    pub fn failed(&mut self, server: SocketAddr, now: Instant) -> Option<SocketAddr> {
        let mut servers = self.servers.iter_mut().skip_while(|known| known.address != server);
        servers.next()?.rest(now);
        let next = servers.find_map(|server| server.is_usable(now).then_some(server))?;
        Some(next.ask(now))
    }

    /// Reads the file if it is not the one that was read.
    fn look(&mut self) {
        let version = fs::metadata(&self.path)
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
            .ok();
        if version != self.version || self.servers.is_empty() {
            let text = fs::read(&self.path).unwrap_or_default();
            self.servers = servers(&String::from_utf8_lossy(&text));
            self.version = version;
        }
    }
}

impl Server {
    const fn new(address: SocketAddr) -> Self {
        Self { address, asked: None, resting_until: None }
    }

    fn ask(&mut self, now: Instant) -> SocketAddr {
        self.asked.get_or_insert(now);
        self.address
    }

    fn rest(&mut self, now: Instant) {
        (self.asked, self.resting_until) = (None, Some(now + REST));
    }

    fn is_usable(&mut self, now: Instant) -> bool {
        let owes = self.asked.map(|asked| now.saturating_duration_since(asked));
        match owes {
            // nobody has asked again: that one was lost, or nobody wanted the answer any more
            Some(owes) if owes >= REST => self.asked = None,
            Some(owes) if owes >= PATIENCE => self.rest(now),
            _ => {}
        }
        self.resting_until.is_none_or(|until| until <= now)
    }
}

/// The servers that a resolv.conf names, each once, or the default; never none.
fn servers(text: &str) -> Vec<Server> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().and_then(parse)).flatten()
    });
    let mut servers: Vec<Server> = Vec::new();
    for address in named.take(MAX_SERVERS) {
        if servers.iter().all(|known| known.address != address) {
            servers.push(Server::new(address));
        }
    }
    if servers.is_empty() {
        servers.push(Server::new(DEFAULT));
    }
    servers
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
    fn servers_count_in_their_order_and_comments_do_not() {
        let named = |text: &str| servers(text).iter().map(|server| server.address.to_string()).collect::<Vec<_>>();
        assert_eq!(
            named("# nameserver 192.0.2.9\nsearch a.b\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"),
            ["192.0.2.1:53", "192.0.2.2:53"]
        );
        assert_eq!(named(" nameserver\t2001:db8::1"), ["[2001:db8::1]:53"]);
        assert_eq!(named("nameserver fe80::1%7"), ["[fe80::1%7]:53"]);
        assert_eq!(named("nameserver fe80::1%lo"), ["[fe80::1%1]:53"]);
        assert_eq!(named("nameserver bogus\nnameserver 192.0.2.2"), ["192.0.2.2:53"]);
        let many = (1..=9).map(|n| format!("nameserver 192.0.2.{n}\n")).collect::<String>();
        assert_eq!(named(&many), ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"]);
        assert_eq!(named(&"nameserver 192.0.2.2\n".repeat(9)), ["192.0.2.2:53"]);
        assert_eq!(named(""), ["127.0.0.1:53"]);
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_means_this_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let mut resolver = Resolver::new(&path);
        let now = Instant::now();
        assert_eq!(resolver.ask(now), DEFAULT);
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(resolver.ask(now).to_string(), "192.0.2.1:53");
        // replaced, as programs that write it do; the new one is as long
        let next = folder.path().join("next");
        fs::write(&next, "nameserver 192.0.2.2\n").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(resolver.ask(now).to_string(), "192.0.2.2:53");
        fs::remove_file(&path).unwrap();
        assert_eq!(resolver.ask(now), DEFAULT);
    }

    /// A resolver with these servers, and what a question put so many seconds later is asked of.
    fn with_servers(count: usize) -> (tempfile::TempDir, Resolver, impl Fn(&mut Resolver, u64) -> String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let text = (1..=count).map(|n| format!("nameserver 192.0.2.{n}\n")).collect::<String>();
        fs::write(&path, text).unwrap();
        let start = Instant::now();
        let ask = move |resolver: &mut Resolver, at| resolver.ask(start + Duration::from_secs(at)).ip().to_string();
        (folder, Resolver::new(path), ask)
    }

    #[test]
    fn a_silent_server_makes_way_for_the_next_one_and_is_asked_again_later() {
        let (_folder, mut resolver, ask) = with_servers(2);
        assert_eq!([0, 1].map(|at| ask(&mut resolver, at)), ["192.0.2.1"; 2]);
        for at in [2, 3, 31] {
            assert_eq!(ask(&mut resolver, at), "192.0.2.2");
            resolver.answered("192.0.2.2:53".parse().unwrap());
        }
        for at in [32, 40] {
            assert_eq!(ask(&mut resolver, at), "192.0.2.1");
            resolver.answered("192.0.2.1:53".parse().unwrap());
        }
    }

    #[test]
    fn an_answer_that_was_never_wanted_again_says_nothing_about_the_server() {
        let (_folder, mut resolver, ask) = with_servers(2);
        assert_eq!([0, 60].map(|at| ask(&mut resolver, at)), ["192.0.2.1"; 2]);
    }

    #[test]
    fn a_server_that_fails_is_left_at_once_and_the_first_is_asked_where_all_have() {
        let (_folder, mut resolver, ask) = with_servers(3);
        let now = Instant::now();
        for (expected, next) in
            [("192.0.2.1", Some("192.0.2.2")), ("192.0.2.2", Some("192.0.2.3")), ("192.0.2.3", None)]
        {
            assert_eq!(ask(&mut resolver, 0), expected);
            let instead = resolver.failed(SocketAddr::new(expected.parse().unwrap(), PORT), now);
            assert_eq!(instead.map(|server| server.ip().to_string()).as_deref(), next, "instead of {expected}");
        }
        assert_eq!(resolver.failed("192.0.2.1:53".parse().unwrap(), now), None, "all the others have failed before");
        assert_eq!(ask(&mut resolver, 0), "192.0.2.1");
        resolver.answered("192.0.2.2:53".parse().unwrap());
        assert_eq!(ask(&mut resolver, 1), "192.0.2.2");
    }
}
