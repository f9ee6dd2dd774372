//! Calls that make, name and end sockets, and what they say about the connection under test.

use bowline_posix::{self as posix, Address, Reply};

use super::super::flow::{Flow, Stage};
use super::super::values::Whose;
use super::{Call, Expr, Failure, Judge, Made, Runner};
use crate::script::IpVersion;

impl Runner<'_> {
    pub(super) fn socket(&mut self, call: &Call, domain: &Expr, kind: &Expr, protocol: &Expr) -> Result<Made, Failure> {
        let values = self.values(call);
        let family = if self.version == IpVersion::V4 { "AF_INET" } else { "AF_INET6" };
        let domain = if domain.is_any() {
            values.abi.constant(family).unwrap_or_default() as i32
        } else {
            values.int(domain)?
        };
        let (kind, protocol) = (values.int(kind)?, values.int(protocol)?);
        let v6only = values.abi.constant("IPPROTO_IPV6").zip(values.abi.constant("IPV6_V6ONLY"));
        let is_mapped = self.version == IpVersion::Mapped;
        let world = self.world();
        let result = world.socket(domain, kind, protocol);
        if let (Ok(fd), true, Some((level, name))) = (result, is_mapped, v6only) {
            // where sockets are for IPv6 alone by default, mapped addresses must be asked for
            let _ = world.setsockopt(fd, level as i32, name as i32, &0_i32.to_le_bytes());
        }
        let result = result.map(|fd| Reply { value: fd.into(), ..Reply::default() });
        Ok(Made::Returned(result, Judge::NewFd))
    }

    pub(super) fn bind(&mut self, call: &Call, fd: &Expr, address: &Expr) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let address = self.values(call).address(address, Whose::Ours)?;
        let world = self.world();
        let result = world.bind(fd, address);
        if let (Ok(()), Address::Inet(address)) = (&result, address) {
            self.bound.insert(script, address.port());
        }
        Ok(Made::nothing(result))
    }

    pub(super) fn listen(&mut self, call: &Call, fd: &Expr, backlog: &Expr) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let backlog = self.values(call).int(backlog)?;
        let world = self.world();
        let result = world.listen(fd, backlog);
        if result.is_ok() {
            // the next segment that arrives is a new peer's
            self.current = None;
            self.listener = Some(script);
        }
        Ok(Made::nothing(result))
    }

    pub(super) fn accept(&mut self, call: &Call, fd: &Expr, flags: Option<&Expr>) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let flags = flags.map_or(Ok(0), |flags| self.values(call).int(flags))?;
        Ok(Made::MayWait(posix::Call::Accept { fd, flags }, Judge::Accepted))
    }

    /// A new descriptor belongs to the flow of its peer's port.
    pub(super) fn accepted_connection(&mut self, call: &Call, reply: &Reply) -> Result<(), Failure> {
        let script = self.values(call).number(&call.result).ok();
        let Some(Address::Inet(peer)) = reply.address else { return Ok(()) };
        if let Some(flow) = self.flows.iter_mut().rev().find(|flow| flow.remote_port == peer.port()) {
            flow.fd = script;
        }
        match call.arguments.get(1) {
            Some(expected @ Expr::Struct(..)) => self.expect_address(call, expected, Some(Address::Inet(peer))),
            _ => Ok(()),
        }
    }

    pub(super) fn connect(&mut self, call: &Call, fd: &Expr, address: &Expr) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let address = self.values(call).address(address, Whose::Peers)?;
        if let Address::Inet(peer) = address {
            // A number that was closed is a descriptor's of another socket now, whose connection may have the same ports.
            let is_its = |flow: &Flow| flow.fd == Some(script) && !flow.is_closed && flow.remote_port == peer.port();
            let is_again = self.flows.iter().any(is_its);
            if !is_again {
                let local = self.bound.get(&script).copied().filter(|port| *port != 0);
                let flow = Flow::new(Stage::Connecting, local, peer.port()).of(script);
                self.flows.push(flow);
                self.current = Some(self.flows.len() - 1);
            }
        }
        Ok(Made::MayWait(posix::Call::Connect { fd, address }, Judge::Connected(script)))
    }

    /// A datagram socket has its port once it is connected.
    pub(super) fn connected(&mut self, script: i64) -> Result<(), Failure> {
        let Some(&fd) = self.fds.get(&script) else { return Ok(()) };
        if let Ok(Address::Inet(address)) = self.world().getsockname(fd)
            && let Some(flow) = self.flows.iter_mut().rev().find(|flow| flow.fd == Some(script))
        {
            flow.local_port.get_or_insert(address.port());
        }
        Ok(())
    }

    pub(super) fn shutdown(&mut self, call: &Call, fd: &Expr, how: &Expr) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let how = self.values(call).int(how)?;
        let world = self.world();
        let result = world.shutdown(fd, how);
        Ok(Made::nothing(result))
    }

    pub(super) fn close(&mut self, call: &Call, fd: &Expr) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        if self.files.close(script) {
            return Ok(Made::plain(Ok(0)));
        }
        self.fds.remove(&script);
        for flow in self.flows.iter_mut().filter(|flow| flow.fd == Some(script)) {
            flow.is_closed = true;
        }
        if self.listener == Some(script) {
            self.listener = None;
        }
        Ok(Made::MayWait(posix::Call::Close { fd }, Judge::Plain))
    }

    /// `getsockname` and `getpeername`.
    pub(super) fn name(&mut self, call: &Call, fd: &Expr, expected: &Expr) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let host = self.world();
        let found = if call.name == "getsockname" { host.getsockname(fd) } else { host.getpeername(fd) };
        if let (Ok(address), Expr::Struct(..)) = (found, expected) {
            self.expect_address(call, expected, Some(address))?;
        }
        Ok(Made::nothing(found.map(drop)))
    }

    /// Whether an address is what a structure in the script says.
    pub(super) fn expect_address(
        &mut self,
        call: &Call,
        expected: &Expr,
        seen: Option<Address>,
    ) -> Result<(), Failure> {
        let expected = self.values(call).address(expected, Whose::Peers)?;
        if seen == Some(expected) {
            return Ok(());
        }
        let words = |address: Option<Address>| match address {
            Some(Address::Inet(address)) => address.to_string(),
            Some(Address::Unspecified) => "AF_UNSPEC".to_owned(),
            Some(Address::Other(family)) => format!("family {family}"),
            None => "none".to_owned(),
        };
        let failure = Failure::new(call.place, format!("{}() gave another address", call.name));
        self.differs(failure.expected(words(Some(expected))).seen(words(seen)))
    }

    pub(super) fn pipe(&mut self, call: &Call, fds: &Expr) -> Result<Made, Failure> {
        let Expr::List(names) = fds else { return self.values(call).error("pipe() takes `[4, 5]`") };
        let names = names.iter().map(|name| self.values(call).number(name)).collect::<Result<Vec<_>, _>>()?;
        let [read, write] = *names.as_slice() else { return self.values(call).error("pipe() takes `[4, 5]`") };
        let result = self.world().pipe();
        if let Ok((reader, writer)) = result {
            self.fds.extend([(read, reader), (write, writer)]);
        }
        Ok(Made::nothing(result.map(drop)))
    }

    /// Time passes, and nothing else is done.
    pub(super) fn usleep(&mut self, call: &Call, micros: &Expr) -> Result<Made, Failure> {
        let micros = self.values(call).size(micros)? as u64;
        let until = self.now_micros() + micros;
        let until = self.world().at(until);
        self.world().pass(until);
        Ok(Made::plain(Ok(0)))
    }
}
