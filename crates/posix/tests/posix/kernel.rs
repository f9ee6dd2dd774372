//! The same calls on the kernel's loopback and on two of our hosts: what they return must be the same, errno for errno.
//!
//! Where the kernel is not Linux, there is nothing to compare with.
#![cfg(target_os = "linux")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bowline_posix::{Abi, Address, Call, Errno, Fd, Profile, Reply};
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};

use crate::wire::{CLIENT, SERVER, Wire, addresses};

/// A system with sockets. All of them are nonblocking; descriptors are numbered as they are made.
trait System {
    fn socket(&mut self, side: usize, v6: bool, datagram: bool) -> usize;
    fn bind(&mut self, fd: usize, address: SocketAddr) -> Outcome;
    fn listen(&mut self, fd: usize, backlog: i32) -> Outcome;
    fn connect(&mut self, fd: usize, address: SocketAddr) -> Outcome;
    /// The new socket, and what the call returned.
    fn accept(&mut self, fd: usize) -> (Option<usize>, Outcome);
    fn send(&mut self, fd: usize, data: &[u8], flags: &str, to: Option<SocketAddr>) -> Outcome;
    fn recv(&mut self, fd: usize, len: usize, flags: &str) -> Outcome;
    fn shutdown(&mut self, fd: usize, how: i32) -> Outcome;
    fn close(&mut self, fd: usize);
    /// Whether there is a peer.
    fn peer(&mut self, fd: usize) -> Outcome;
    fn error(&mut self, fd: usize) -> Outcome;
    fn set_linger_zero(&mut self, fd: usize);
    fn set_reuse(&mut self, fd: usize);
    /// `poll` for everything: the `revents`.
    fn poll(&mut self, fd: usize) -> Outcome;
    /// An address of one side, by which it can be bound and reached.
    fn address(&self, side: usize, v6: bool) -> SocketAddr;
    /// The port that a socket is bound to.
    fn port(&mut self, fd: usize) -> u16;
}

/// A return value, or the name of an errno.
type Outcome = Result<i64, String>;

struct Kernel(Vec<Option<OwnedFd>>);

impl Kernel {
    fn fd(&self, fd: usize) -> &OwnedFd {
        self.0[fd].as_ref().unwrap()
    }
}

fn kernel<T>(result: rustix::io::Result<T>, value: impl FnOnce(T) -> i64) -> Outcome {
    let name = |number| Errno::from_number(Abi::Linux, number).map_or(format!("errno {number}"), |e| e.name().into());
    result.map(value).map_err(|errno| name(errno.raw_os_error()))
}

impl System for Kernel {
    fn socket(&mut self, _side: usize, v6: bool, datagram: bool) -> usize {
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let kind = if datagram { SocketType::DGRAM } else { SocketType::STREAM };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        self.0.push(Some(net::socket_with(family, kind, flags, None).unwrap()));
        self.0.len() - 1
    }

    fn bind(&mut self, fd: usize, address: SocketAddr) -> Outcome {
        kernel(net::bind(self.fd(fd), &address), |()| 0)
    }

    fn listen(&mut self, fd: usize, backlog: i32) -> Outcome {
        kernel(net::listen(self.fd(fd), backlog), |()| 0)
    }

    fn connect(&mut self, fd: usize, address: SocketAddr) -> Outcome {
        kernel(net::connect(self.fd(fd), &address), |()| 0)
    }

    fn accept(&mut self, fd: usize) -> (Option<usize>, Outcome) {
        match net::accept_with(self.fd(fd), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => {
                self.0.push(Some(socket));
                (Some(self.0.len() - 1), Ok(0))
            }
            Err(errno) => (None, kernel(Err(errno), |()| 0)),
        }
    }

    fn send(&mut self, fd: usize, data: &[u8], flags: &str, to: Option<SocketAddr>) -> Outcome {
        let flags = SendFlags::from_bits_retain(Abi::Linux.constant(flags).unwrap_or(0) as u32);
        match to {
            Some(to) => kernel(net::sendto(self.fd(fd), data, flags, &to), |n| n as i64),
            None => kernel(net::send(self.fd(fd), data, flags), |n| n as i64),
        }
    }

    fn recv(&mut self, fd: usize, len: usize, flags: &str) -> Outcome {
        let flags = RecvFlags::from_bits_retain(Abi::Linux.constant(flags).unwrap_or(0) as u32);
        let mut room = vec![0_u8; len];
        kernel(net::recv(self.fd(fd), &mut room[..], flags), |(_, n)| n as i64)
    }

    fn shutdown(&mut self, fd: usize, how: i32) -> Outcome {
        let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][how as usize];
        kernel(net::shutdown(self.fd(fd), how), |()| 0)
    }

    fn close(&mut self, fd: usize) {
        self.0[fd] = None;
    }

    fn peer(&mut self, fd: usize) -> Outcome {
        kernel(net::getpeername(self.fd(fd)), |_| 0)
    }

    fn error(&mut self, fd: usize) -> Outcome {
        let pending = sockopt::socket_error(self.fd(fd)).unwrap();
        kernel(pending, |()| 0)
    }

    fn set_linger_zero(&mut self, fd: usize) {
        sockopt::set_socket_linger(self.fd(fd), Some(std::time::Duration::ZERO)).unwrap();
    }

    fn set_reuse(&mut self, fd: usize) {
        sockopt::set_socket_reuseaddr(self.fd(fd), true).unwrap();
    }

    fn poll(&mut self, fd: usize) -> Outcome {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut asked = [PollFd::new(self.fd(fd), PollFlags::from_bits_retain(0x7fff))];
        poll(&mut asked, Some(&Timespec::default())).unwrap();
        Ok(i64::from(asked[0].revents().bits()))
    }

    fn address(&self, _side: usize, v6: bool) -> SocketAddr {
        let ip = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        SocketAddr::new(ip, 0)
    }

    fn port(&mut self, fd: usize) -> u16 {
        SocketAddr::try_from(net::getsockname(self.fd(fd)).unwrap()).unwrap().port()
    }
}

struct Ours {
    wire: Wire,
    fds: Vec<(usize, Fd)>,
}

impl Ours {
    fn outcome(&mut self, result: Result<Reply, Errno>) -> Outcome {
        // On loopback, packets have arrived when a call returns.
        self.wire.settle();
        result.map(|reply| reply.value).map_err(|errno| errno.name().into())
    }

    fn call(&mut self, side: usize, call: Call) -> Outcome {
        let result = self.wire.now(side, call);
        self.outcome(result)
    }

    fn flag(&self, side: usize, name: &str) -> i32 {
        if name.is_empty() { 0 } else { self.wire.number(side, name) }
    }
}

impl System for Ours {
    fn socket(&mut self, side: usize, v6: bool, datagram: bool) -> usize {
        let fd = self.wire.socket(side, v6, if datagram { "SOCK_DGRAM" } else { "SOCK_STREAM" });
        self.wire.nonblocking(side, fd);
        self.fds.push((side, fd));
        self.fds.len() - 1
    }

    fn bind(&mut self, fd: usize, address: SocketAddr) -> Outcome {
        let (side, fd) = self.fds[fd];
        let now = self.wire.now;
        let result = self.wire.hosts[side].bind(now, fd, Address::Inet(address));
        self.outcome(result.map(|()| Reply::default()))
    }

    fn listen(&mut self, fd: usize, backlog: i32) -> Outcome {
        let (side, fd) = self.fds[fd];
        let now = self.wire.now;
        let result = self.wire.hosts[side].listen(now, fd, backlog);
        self.outcome(result.map(|()| Reply::default()))
    }

    fn connect(&mut self, fd: usize, address: SocketAddr) -> Outcome {
        let (side, fd) = self.fds[fd];
        self.call(side, Call::Connect { fd, address: Address::Inet(address) })
    }

    fn accept(&mut self, fd: usize) -> (Option<usize>, Outcome) {
        let (side, fd) = self.fds[fd];
        let flags = self.flag(side, "SOCK_NONBLOCK");
        match self.call(side, Call::Accept { fd, flags }) {
            Ok(fd) => {
                self.fds.push((side, fd as Fd));
                (Some(self.fds.len() - 1), Ok(0))
            }
            failed => (None, failed),
        }
    }

    fn send(&mut self, fd: usize, data: &[u8], flags: &str, to: Option<SocketAddr>) -> Outcome {
        let (side, fd) = self.fds[fd];
        let (flags, data) = (self.flag(side, flags), Bytes::copy_from_slice(data));
        self.call(side, Call::Send { fd, data, flags, to: to.map(Address::Inet), control: Vec::new() })
    }

    fn recv(&mut self, fd: usize, len: usize, flags: &str) -> Outcome {
        let (side, fd) = self.fds[fd];
        let flags = self.flag(side, flags);
        self.call(side, Call::Receive { fd, len, flags })
    }

    fn shutdown(&mut self, fd: usize, how: i32) -> Outcome {
        let (side, fd) = self.fds[fd];
        let now = self.wire.now;
        let result = self.wire.hosts[side].shutdown(now, fd, how);
        self.outcome(result.map(|()| Reply::default()))
    }

    fn close(&mut self, fd: usize) {
        let (side, fd) = self.fds[fd];
        self.call(side, Call::Close { fd }).unwrap();
    }

    fn peer(&mut self, fd: usize) -> Outcome {
        let (side, fd) = self.fds[fd];
        let result = self.wire.hosts[side].getpeername(fd);
        self.outcome(result.map(|_| Reply::default()))
    }

    fn error(&mut self, fd: usize) -> Outcome {
        let (side, fd) = self.fds[fd];
        match self.wire.get(side, fd, "SOL_SOCKET", "SO_ERROR").unwrap() {
            0 => Ok(0),
            number => Err(Errno::from_number(Abi::Linux, number).unwrap().name().into()),
        }
    }

    fn set_linger_zero(&mut self, fd: usize) {
        let (side, fd) = self.fds[fd];
        let (level, name) = (self.wire.number(side, "SOL_SOCKET"), self.wire.number(side, "SO_LINGER"));
        let now = self.wire.now;
        self.wire.hosts[side].setsockopt(now, fd, level, name, &[1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    }

    fn set_reuse(&mut self, fd: usize) {
        let (side, fd) = self.fds[fd];
        self.wire.set(side, fd, "SOL_SOCKET", "SO_REUSEADDR", 1).unwrap();
    }

    fn poll(&mut self, fd: usize) -> Outcome {
        let (side, fd) = self.fds[fd];
        let fds = vec![bowline_posix::PollFd { fd, events: 0x7fff, revents: 0 }];
        Ok(i64::from(self.wire.now(side, Call::Poll { fds, timeout: 0 }).unwrap().polled[0].revents))
    }

    fn address(&self, side: usize, v6: bool) -> SocketAddr {
        SocketAddr::new(addresses(v6)[side], 0)
    }

    fn port(&mut self, fd: usize) -> u16 {
        let (side, fd) = self.fds[fd];
        let Ok(Address::Inet(name)) = self.wire.hosts[side].getsockname(fd) else { panic!("no name") };
        name.port()
    }
}

/// What a program saw: each call, and what it returned.
#[derive(Default)]
struct Log(Vec<(String, Outcome)>);

impl Log {
    fn note(&mut self, what: &str, outcome: Outcome) {
        self.0.push((what.into(), outcome));
    }
}

/// A program in one of its states, and every call there is on it.
fn every_call(system: &mut dyn System, log: &mut Log, state: &str, fd: usize, closed_port: SocketAddr) {
    log.note(&format!("{state}: poll"), system.poll(fd));
    log.note(&format!("{state}: getpeername"), system.peer(fd));
    for flags in ["", "MSG_PEEK", "MSG_DONTWAIT", "MSG_TRUNC", "MSG_OOB", "MSG_ERRQUEUE"] {
        if flags == "MSG_OOB" && state.contains("datagram") {
            continue; // Linux ignores it there, FreeBSD refuses it, and so do we
        }
        log.note(&format!("{state}: recv {flags}"), system.recv(fd, 3, flags));
    }
    let any = SocketAddr::new(if closed_port.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }, 0);
    if !state.contains("listening") && !state.contains("datagram") {
        log.note(&format!("{state}: send"), system.send(fd, b"abcd", "", None));
    }
    let is_named = !state.contains("fresh");
    if is_named {
        log.note(&format!("{state}: bind again"), system.bind(fd, any));
        if !state.contains("datagram") {
            log.note(&format!("{state}: connect"), system.connect(fd, closed_port));
        }
    }
    let (_, accepted) = system.accept(fd);
    log.note(&format!("{state}: accept"), accepted);
    if is_named && !state.contains("bound") {
        log.note(&format!("{state}: listen"), system.listen(fd, 1));
    }
    log.note(&format!("{state}: error"), system.error(fd));
}

/// A listener, a client and the server's side of the connection.
fn connection(system: &mut dyn System, log: &mut Log, v6: bool) -> (usize, usize, usize) {
    let listener = system.socket(SERVER, v6, false);
    let address = system.address(SERVER, v6);
    log.note("bind", system.bind(listener, address));
    log.note("listen", system.listen(listener, 4));
    let to = SocketAddr::new(address.ip(), system.port(listener));
    let client = system.socket(CLIENT, v6, false);
    // The loopback has the answer before the call returns; a wire does not.
    let connected = system.connect(client, to).or_else(|errno| if errno == "EINPROGRESS" { Ok(0) } else { Err(errno) });
    log.note("connect", connected);
    let (server, accepted) = system.accept(listener);
    log.note("accept", accepted);
    (listener, client, server.unwrap())
}

fn a_port_that_is_closed(system: &mut dyn System, v6: bool) -> SocketAddr {
    let closed = system.socket(SERVER, v6, false);
    let address = system.address(SERVER, v6);
    system.bind(closed, address).unwrap();
    let port = system.port(closed);
    system.close(closed);
    SocketAddr::new(address.ip(), port)
}

type Program = fn(&mut dyn System, &mut Log, bool);

/// States of sockets, each with all calls, and the ways into them.
const PROGRAMS: &[(&str, Program)] = &[
    ("fresh", |system, log, v6| {
        let closed = a_port_that_is_closed(system, v6);
        let fd = system.socket(CLIENT, v6, false);
        every_call(system, log, "fresh", fd, closed);
        log.note("shutdown", system.shutdown(fd, 2));
    }),
    ("bound", |system, log, v6| {
        let fd = system.socket(CLIENT, v6, false);
        let address = system.address(CLIENT, v6);
        log.note("bind", system.bind(fd, address));
        log.note("bind again", system.bind(fd, address));
        let other = system.socket(CLIENT, v6, false);
        let taken = SocketAddr::new(address.ip(), system.port(fd));
        log.note("bind to a taken port", system.bind(other, taken));
        system.set_reuse(other);
        log.note("one of both may share", system.bind(other, taken));
        system.set_reuse(fd);
        log.note("both may share", system.bind(other, taken));
        log.note("listen", system.listen(fd, 1));
        log.note("one listens", system.listen(other, 1));
        log.note("shutdown", system.shutdown(other, 0));
    }),
    ("listening", |system, log, v6| {
        let closed = a_port_that_is_closed(system, v6);
        let fd = system.socket(SERVER, v6, false);
        let address = system.address(SERVER, v6);
        log.note("bind", system.bind(fd, address));
        log.note("listen", system.listen(fd, 1));
        every_call(system, log, "listening", fd, closed);
        log.note("shutdown to write", system.shutdown(fd, 1));
        log.note("poll", system.poll(fd));
        log.note("shutdown to read", system.shutdown(fd, 0));
        log.note("accept", system.accept(fd).1);
        log.note("listen again", system.listen(fd, 1));
    }),
    ("established", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        let other = a_port_that_is_closed(system, v6);
        log.note("the first connect after success", system.connect(client, other).map(|_| 0).or(Ok(0)));
        every_call(system, log, "established", client, other);
        log.note("what came", system.recv(server, 10, "MSG_PEEK"));
        every_call(system, log, "with data", server, other);
        log.note("urgent", system.send(client, b"!", "", None));
    }),
    ("closed by the peer", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        let other = a_port_that_is_closed(system, v6);
        log.note("send", system.send(server, b"last", "", None));
        log.note("shutdown", system.shutdown(server, 1));
        log.note("send after shutdown", system.send(server, b"x", "", None));
        log.note("shutdown again", system.shutdown(server, 1));
        log.note("poll of who closed", system.poll(server));
        log.note("poll", system.poll(client));
        log.note("recv", system.recv(client, 10, ""));
        every_call(system, log, "close-wait", client, other);
        system.close(client);
        log.note("what the other sees", system.poll(server));
    }),
    ("reading is shut", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        log.note("shutdown", system.shutdown(client, 0));
        log.note("recv", system.recv(client, 10, ""));
        log.note("poll", system.poll(client));
        log.note("send", system.send(client, b"yes", "", None));
        log.note("the peer sends", system.send(server, b"late", "", None));
        log.note("recv of what came late", system.recv(client, 10, ""));
        log.note("recv", system.recv(client, 10, ""));
    }),
    ("reset", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        log.note("send", system.send(server, b"before", "", None));
        system.set_linger_zero(server);
        system.close(server);
        log.note("poll", system.poll(client));
        log.note("peer", system.peer(client));
        log.note("recv of what came before", system.recv(client, 10, ""));
        log.note("recv", system.recv(client, 10, ""));
        log.note("recv again", system.recv(client, 10, ""));
        log.note("send", system.send(client, b"x", "", None));
        log.note("error", system.error(client));
        log.note("poll at the end", system.poll(client));
        log.note("shutdown", system.shutdown(client, 2));
    }),
    ("reset, and writing first", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        system.set_linger_zero(server);
        system.close(server);
        log.note("send", system.send(client, b"x", "", None));
        log.note("send again", system.send(client, b"x", "", None));
        log.note("recv", system.recv(client, 10, ""));
    }),
    ("reset after the end", |system, log, v6| {
        let (_, client, server) = connection(system, log, v6);
        log.note("shutdown", system.shutdown(server, 1));
        system.set_linger_zero(server);
        system.close(server);
        log.note("poll", system.poll(client));
        log.note("recv", system.recv(client, 10, ""));
        log.note("send", system.send(client, b"x", "", None));
        log.note("error", system.error(client));
    }),
    ("refused", |system, log, v6| {
        let closed = a_port_that_is_closed(system, v6);
        let fd = system.socket(CLIENT, v6, false);
        // The loopback refuses a nonblocking connect at once or a moment later.
        let first = system.connect(fd, closed);
        let error = if first == Err("EINPROGRESS".into()) { system.error(fd) } else { first };
        log.note("connect", error);
        log.note("error", system.error(fd));
        log.note("poll", system.poll(fd));
        log.note("send", system.send(fd, b"x", "", None));
        log.note("recv", system.recv(fd, 1, ""));
    }),
    ("datagrams", |system, log, v6| {
        let closed = a_port_that_is_closed(system, v6);
        let server = system.socket(SERVER, v6, true);
        let address = system.address(SERVER, v6);
        log.note("bind", system.bind(server, address));
        let to = SocketAddr::new(address.ip(), system.port(server));
        let client = system.socket(CLIENT, v6, true);
        log.note("send to nobody", system.send(client, b"x", "", None));
        log.note("sendto", system.send(client, b"hello", "", Some(to)));
        log.note("empty", system.send(client, b"", "", Some(to)));
        log.note("peek a part", system.recv(server, 3, "MSG_PEEK"));
        log.note("the whole length", system.recv(server, 3, "MSG_TRUNC"));
        log.note("empty", system.recv(server, 3, ""));
        log.note("none", system.recv(server, 3, ""));
        log.note("listen", system.listen(server, 1));
        log.note("accept", system.accept(server).1);
        log.note("too long", system.send(client, &[0; 70_000], "", Some(to)));
        log.note("shutdown", system.shutdown(client, 2));
        let connected = system.socket(CLIENT, v6, true);
        log.note("connect", system.connect(connected, closed));
        log.note("poll", system.poll(connected));
        log.note("send into the void", system.send(connected, b"x", "", None));
        log.note("recv says refused", system.recv(connected, 1, ""));
        log.note("once", system.recv(connected, 1, ""));
        log.note("another", system.send(connected, b"x", "", None));
        log.note("send says refused", system.send(connected, b"x", "", None));
        log.note("shutdown", system.shutdown(connected, 1));
        log.note("send after shutdown", system.send(connected, b"x", "", None));
    }),
];

#[test]
fn sockets_say_what_the_kernel_s_say() {
    let mut differences = String::new();
    let mut compared = 0;
    for v6 in [false, true] {
        for (name, program) in PROGRAMS {
            let (mut expected, mut found) = (Log::default(), Log::default());
            program(&mut Kernel(Vec::new()), &mut expected, v6);
            let wire = Wire::new([Profile::Linux; 2]);
            program(&mut Ours { wire, fds: Vec::new() }, &mut found, v6);
            for (kernel, ours) in expected.0.iter().zip(&found.0) {
                compared += 1;
                if kernel != ours {
                    let (what, theirs) = kernel;
                    differences += &format!("{name}, v6 {v6}: {what}: Linux {theirs:?}, we {:?}\n", ours.1);
                }
            }
            assert_eq!(expected.0.len(), found.0.len(), "{name}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(compared > 200, "{compared}");
}
