//! Short connections: opened, used for a byte each way, closed, and waited for until TIME-WAIT is over.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bowline_base::Instant;
use bowline_tcp::state::State;
use bowline_tcp::{CallError, ConnectionKey, Endpoint, ListenerKey};

use super::{Bench, FAR, Host, NEAR, PATIENCE, told};
use crate::Result;

/// How long Bowline keeps TIME-WAIT, and a little more.
const TIME_WAIT: Duration = Duration::from_secs(61);

/// The application that opens a connection, asks with a byte, and closes once it has the answer.
struct Client {
    key: ConnectionKey,
    asked: bool,
    closed: bool,
}

impl Client {
    fn run(&mut self, now: Instant, host: &mut Endpoint) -> Result<()> {
        if !self.asked && host.state(self.key) == Some(State::Established) {
            host.send(now, self.key, b"x").map_err(|error| told("send", error))?;
            self.asked = true;
        } else if self.asked && !self.closed && host.receive(now, self.key, &mut [0]) == Ok(1) {
            host.close(now, self.key);
            self.closed = true;
        }
        Ok(())
    }
}

/// The application that answers a connection's byte, and closes when the client has.
struct Server {
    key: ConnectionKey,
    closed: bool,
}

impl Server {
    fn run(&mut self, now: Instant, host: &mut Endpoint) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match host.receive(now, self.key, &mut [0]) {
            Ok(0) => {
                host.close(now, self.key);
                self.closed = true;
            }
            Ok(_) => {
                host.send(now, self.key, b"y").map_err(|error| told("send", error))?;
            }
            Err(CallError::WouldBlock) => {}
            Err(error) => return Err(told("receive", error)),
        }
        Ok(())
    }
}

/// The applications of both hosts; their lists are used again from one visit to the next.
#[derive(Default)]
pub(super) struct Visits {
    clients: Vec<Client>,
    servers: Vec<Server>,
}

/// Opens connections from these ports, exchanges a byte each way on each and closes it, client first.
pub(super) fn visit(
    bench: &mut Bench,
    listener: ListenerKey,
    visits: &mut Visits,
    ports: RangeInclusive<u16>,
) -> Result<()> {
    let (count, Visits { clients, servers }) = (ports.len(), visits);
    clients.clear();
    servers.clear();
    for port in ports {
        let (local, remote) = (SocketAddr::new(NEAR, port), SocketAddr::new(FAR, 80));
        let opened = bench.near.stack.tcp_connect(bench.now, Some(local), remote, None);
        let key = opened.map_err(|error| told("connect", error))?;
        clients.push(Client { key, asked: false, closed: false });
    }
    for _ in 0..PATIENCE {
        bench.near.take(bench.now, &mut bench.far.out);
        for client in &mut *clients {
            client.run(bench.now, bench.near.stack.tcp_mut())?;
        }
        bench.near.send(bench.now);
        bench.far.take(bench.now, &mut bench.near.out);
        let host = bench.far.stack.tcp_mut();
        while servers.len() < count
            && let Some(key) = host.accept(bench.now, listener)
        {
            servers.push(Server { key, closed: false });
        }
        for server in &mut *servers {
            server.run(bench.now, host)?;
        }
        bench.far.send(bench.now);
        let gone = |host: &Host| host.stack.tcp().population().0 == 0;
        if servers.len() == count && gone(&bench.near) && gone(&bench.far) {
            return outlast_time_wait(bench, count);
        }
        bench.tick();
    }
    Err("bowline did not open, use and close a connection".into())
}

fn outlast_time_wait(bench: &mut Bench, count: usize) -> Result<()> {
    let before = bench.near.stack.tcp().population();
    bench.now += TIME_WAIT;
    bench.near.take(bench.now, &mut bench.far.out);
    let after = bench.near.stack.tcp().population();
    let orderly = (before, after) == ((0, 0, count), (0, 0, 0));
    if orderly { Ok(()) } else { Err(format!("bowline went from {before:?} to {after:?} in TIME-WAIT").into()) }
}
