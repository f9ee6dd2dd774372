//! What a user's calls do to an endpoint, and what the ledger has to know of them.
//!
//! It must not decide when a user calls: `scenario` bounds that, and the host says whether there is occasion.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bowline_tcp::state::{Cause, State};
use bowline_tcp::{CallError, ConnectionKey, FourTuple, Listen, Options, Path};
use bowline_wire::tcp::{TcpFlags, TcpHeader};

use super::{Host, MTU, PORT, Step, address, endpoint};
use crate::ledger::{Ledger, Life};
use crate::scenario::Call;

impl Host {
    pub(super) fn call(&mut self, call: Call, step: &mut Step) -> Result<(), String> {
        self.left.take(call);
        let (now, side) = (self.now, self.side);
        let path = Path { lossless: true, ..Path::new(MTU) };
        match (call, self.socket) {
            (Call::Listen, _) => {
                let listen = Listen { backlog: 4, deferred: self.scenario.deferred, ..Listen::on_port(PORT) };
                self.listener = Some(self.endpoint.listen(listen).map_err(|error| format!("listen: {error}"))?);
                step.arrows.push((State::Closed, Cause::PassiveOpen, State::Listen));
            }
            (Call::Unlisten, _) => {
                if let Some(listener) = self.listener.take() {
                    self.endpoint.close_listener(now, listener);
                    // For a listener CLOSE and ABORT are one call: nothing of it is on the network.
                    step.arrows.push((State::Listen, Cause::Close, State::Closed));
                    step.arrows.push((State::Listen, Cause::Abort, State::Closed));
                }
            }
            (Call::Connect, None) => {
                let opened =
                    self.endpoint.connect(now, self.opens_from(), address(side.other()), path, self.opens_with());
                // In use by a half-open connection or by TIME-WAIT: the user is told, and nothing happens.
                opened.ok().into_iter().for_each(|key| self.hold(key));
            }
            (Call::ConnectFrom, None) => {
                if let Some(listener) = self.listener
                    && let Ok(key) =
                        self.endpoint.connect_from(now, listener, address(side).ip(), address(side.other()), path)
                {
                    self.listener = None;
                    self.hold(key);
                }
            }
            (Call::Admit, _) => {
                let pending = self.pending.take();
                if let Some(key) = pending.and_then(|pending| self.endpoint.admit(now, pending, None)) {
                    self.hold(key);
                }
            }
            (Call::Refuse, _) => {
                if let Some(pending) = self.pending.take() {
                    self.endpoint.refuse(now, pending, bowline_tcp::Refusal::Reset);
                }
            }
            (Call::Send, Some(key)) => self.send(key)?,
            (Call::Read, Some(key)) => self.read(key)?,
            (Call::Shutdown, Some(key)) => {
                let done = self.endpoint.shutdown(now, key);
                self.life(|life| life.shut = done.is_ok());
            }
            (Call::Close, Some(key)) => {
                self.life(|life| life.shut = true);
                self.endpoint.close(now, key);
                self.socket = None;
            }
            (Call::Abort, Some(key)) => {
                self.endpoint.abort(now, key);
                self.socket = None;
            }
            (Call::Crash, _) => self.crash(),
            (Call::Flood, _) => self.flood(),
            (Call::Wait, _) => self.now += Duration::from_secs(2),
            _ => {}
        }
        Ok(())
    }

    fn opens_from(&self) -> SocketAddr {
        let address = address(self.side);
        if self.scenario.given_port { SocketAddr::new(address.ip(), 0) } else { address }
    }

    /// Where the endpoint chooses the port, there is only one.
    fn opens_with(&self) -> Option<Options> {
        let local_ports = Some((PORT, PORT));
        self.scenario.given_port.then(|| Options { local_ports, ..self.scenario.config(self.side).options })
    }

    /// Each time it is another stranger.
    fn flood(&mut self) {
        let port = 2000 + u16::from(self.left.left(Call::Flood));
        let header =
            TcpHeader { src_port: port, dst_port: PORT, flags: TcpFlags::SYN, window: 1000, ..TcpHeader::default() };
        let stranger = SocketAddr::new(IpAddr::from([10, 0, 0, 9]), port);
        self.hear(FourTuple::new(address(self.side), stranger), &header, &[]);
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.endpoint = endpoint(self.side, self.crashes, &self.scenario);
        (self.listener, self.socket, self.pending) = (None, None, None);
        self.ledger.on_crash();
    }

    /// The user holds a connection from now on.
    pub(super) fn hold(&mut self, key: ConnectionKey) {
        let numbers = self.endpoint.initial_numbers(key);
        let info = self.endpoint.info(self.now, key);
        if let (Some((iss, irs)), Some(info)) = (numbers, info) {
            self.socket = Some(key);
            let mut life = Life::new(info.id, iss.0, irs.map(|irs| irs.0));
            life.early = info.fast_open.is_some_and(|opening| opening.is_server);
            life.established = life.has_both_syns(&info);
            self.ledger.lives.push(life);
        }
    }

    fn life(&mut self, change: impl FnOnce(&mut Life)) {
        if let Some(life) = self.ledger.lives.last_mut() {
            change(life);
        }
    }

    fn send(&mut self, key: ConnectionKey) -> Result<(), String> {
        let number = self.ledger.lives.len().saturating_sub(1);
        let Some(life) = self.ledger.lives.last_mut() else { return Ok(()) };
        let byte = Ledger::byte(self.side, number, life.wrote);
        match self.endpoint.send(self.now, key, &[byte]) {
            Ok(1) => life.wrote += 1,
            // It ended meanwhile.
            Err(CallError::Ended(_) | CallError::Closing) => {}
            other => return Err(format!("a byte to send came to {other:?}")),
        }
        Ok(())
    }

    pub(super) fn read(&mut self, key: ConnectionKey) -> Result<(), String> {
        let mut out = [0; 64];
        loop {
            let n = self.endpoint.receive(self.now, key, &mut out);
            let Some(life) = self.ledger.lives.last_mut() else { return Ok(()) };
            match n {
                Ok(0) => {
                    life.eof = true;
                    return Ok(());
                }
                Ok(n) if life.eof => return Err(format!("{n} bytes came after the end of the stream")),
                Ok(n) => life.read.extend_from_slice(&out[..n]),
                Err(_) => return Ok(()),
            }
        }
    }
}
