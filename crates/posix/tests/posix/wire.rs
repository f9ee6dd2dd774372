//! Two hosts and a wire of 1 ms that loses nothing, and calls in the words of C.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bowline_base::Instant;
use bowline_posix::{Address, Call, Errno, Fd, Host, HostConfig, Profile, Progress, Reply, Waiting};

const DELAY: Duration = Duration::from_millis(1);

/// Which of the two.
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// Two hosts and what is on the way between them.
pub(crate) struct Wire {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    /// (when, to whom, what)
    flying: Vec<(Instant, usize, Vec<u8>)>,
    /// Lengths of the packets that each host has sent.
    pub(crate) sent: [Vec<usize>; 2],
}

pub(crate) fn addresses(v6: bool) -> [IpAddr; 2] {
    let parse = |text: &str| text.parse().unwrap();
    if v6 { [parse("2001:db8::1"), parse("2001:db8::2")] } else { [parse("192.0.2.1"), parse("192.0.2.2")] }
}

impl Wire {
    pub(crate) fn new(profiles: [Profile; 2]) -> Self {
        let host = |side: usize| {
            let own = vec![addresses(false)[side], addresses(true)[side]];
            let config = HostConfig { addresses: own, any_address: false, ..HostConfig::new(profiles[side]) };
            Host::new(config, [side as u8; 32], Instant::ZERO)
        };
        Self { now: Instant::ZERO, hosts: [host(0), host(1)], flying: Vec::new(), sent: [Vec::new(), Vec::new()] }
    }

    /// A number by its name.
    pub(crate) fn number(&self, side: usize, name: &str) -> i32 {
        self.hosts[side].abi().constant(name).unwrap_or_else(|| panic!("no {name}")) as i32
    }

    /// Moves packets and time until nothing flies, or for so long.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            for side in [CLIENT, SERVER] {
                while let Some(packet) = self.hosts[side].poll_packet(self.now) {
                    self.sent[side].push(packet.len());
                    self.flying.push((self.now + DELAY, 1 - side, packet));
                }
            }
            let arrival = self.flying.iter().map(|(at, ..)| *at).min();
            let timers = [self.hosts[0].poll_timeout(), self.hosts[1].poll_timeout()];
            let next = timers.into_iter().flatten().chain(arrival).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break self.now = end,
            }
            for host in &mut self.hosts {
                host.handle_timeout(self.now);
            }
            let (due, later) = core::mem::take(&mut self.flying).into_iter().partition(|(at, ..)| *at <= self.now);
            self.flying = later;
            for (_, to, packet) in Vec::<(Instant, usize, Vec<u8>)>::from_iter(due) {
                self.hosts[to].packet_in(self.now, &packet);
            }
        }
    }

    /// A moment, in which what flies arrives and is answered.
    pub(crate) fn settle(&mut self) {
        self.run(Duration::from_millis(5));
    }

    pub(crate) fn start(&mut self, side: usize, call: Call) -> Progress {
        self.hosts[side].call(self.now, call)
    }

    pub(crate) fn resume(&mut self, side: usize, waiting: Waiting) -> Progress {
        self.hosts[side].resume(self.now, waiting)
    }

    /// A call that must return at once.
    pub(crate) fn now(&mut self, side: usize, call: Call) -> Result<Reply, Errno> {
        self.start(side, call).done().expect("must not wait")
    }

    /// A call that may wait, until it returns.
    pub(crate) fn wait(&mut self, side: usize, call: Call) -> Result<Reply, Errno> {
        let mut progress = self.start(side, call);
        for _ in 0..10_000 {
            match progress {
                Progress::Done(result) => return result,
                Progress::Waits(waiting) => {
                    self.run(Duration::from_millis(1));
                    progress = self.resume(side, waiting);
                }
            }
        }
        panic!("waits for ever");
    }

    pub(crate) fn socket(&mut self, side: usize, v6: bool, kind: &str) -> Fd {
        let (domain, kind) = (self.number(side, if v6 { "AF_INET6" } else { "AF_INET" }), self.number(side, kind));
        self.hosts[side].socket(domain, kind, 0).unwrap()
    }

    pub(crate) fn bind(&mut self, side: usize, fd: Fd, address: SocketAddr) {
        self.hosts[side].bind(self.now, fd, Address::Inet(address)).unwrap();
    }

    pub(crate) fn nonblocking(&mut self, side: usize, fd: Fd) {
        let (set, flag) = (self.number(side, "F_SETFL"), self.number(side, "O_NONBLOCK"));
        self.hosts[side].fcntl(fd, set, i64::from(flag)).unwrap();
    }

    /// Sets an integer option.
    pub(crate) fn set(&mut self, side: usize, fd: Fd, level: &str, name: &str, value: i32) -> Result<(), Errno> {
        let (level, name) = (self.number(side, level), self.number(side, name));
        self.hosts[side].setsockopt(self.now, fd, level, name, &value.to_le_bytes())
    }

    /// Reads an integer option.
    pub(crate) fn get(&mut self, side: usize, fd: Fd, level: &str, name: &str) -> Result<i32, Errno> {
        let (level, name) = (self.number(side, level), self.number(side, name));
        let value = self.hosts[side].getsockopt(self.now, fd, level, name, 4)?;
        Ok(i32::from_le_bytes(value.try_into().unwrap()))
    }

    /// A listener of the server.
    pub(crate) fn listener(&mut self, v6: bool) -> Fd {
        let fd = self.socket(SERVER, v6, "SOCK_STREAM");
        self.bind(SERVER, fd, SocketAddr::new(addresses(v6)[SERVER], 80));
        self.hosts[SERVER].listen(self.now, fd, 8).unwrap();
        fd
    }

    /// A connection: the client's descriptor, and the server's.
    pub(crate) fn connected(&mut self, v6: bool) -> (Fd, Fd) {
        let listener = self.listener(v6);
        let fd = self.socket(CLIENT, v6, "SOCK_STREAM");
        let address = Address::Inet(SocketAddr::new(addresses(v6)[SERVER], 80));
        self.wait(CLIENT, Call::Connect { fd, address }).unwrap();
        self.settle();
        let accepted = self.now(SERVER, Call::Accept { fd: listener, flags: 0 }).unwrap();
        (fd, accepted.value as Fd)
    }
}
