//! smoltcp with many connections: what a packet costs among them.

use std::time::{Duration, Instant as Clock};

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::Socket;

use super::{Bench, SMALL_BUFFER, Single, open};
use crate::Result;
use crate::memory::{Crowd, Link};

/// Many open connections: all the far ends in one set, the near ends by themselves.
pub(super) struct Connections {
    bench: Bench,
    near: Vec<Option<Socket<'static>>>,
    far: SocketSet<'static>,
    handles: Vec<SocketHandle>,
}

impl Connections {
    /// Each connection is opened in sets of one and then moved, since opening it among all the others would take hours.
    pub(super) fn new(count: usize) -> Result<Self> {
        let mut crowd = Self {
            bench: Bench::new(Link::ETHERNET)?,
            near: Vec::with_capacity(count),
            far: SocketSet::new(Vec::with_capacity(count)),
            handles: Vec::with_capacity(count),
        };
        for index in 0..count {
            let (mut near, mut far) = (Single::new(SMALL_BUFFER), Single::new(SMALL_BUFFER));
            let from = u16::try_from(10_000 + index % 50_000)?;
            let port = u16::try_from(80 + index / 50_000)?;
            open(&mut crowd.bench, &mut near, &mut far, (from, port))?;
            far.get().set_ack_delay(None);
            crowd.near.push(Some(near.into_socket()?));
            crowd.handles.push(crowd.far.add(far.into_socket()?));
        }
        Ok(crowd)
    }
}

impl Crowd for Connections {
    fn round(&mut self, index: usize) -> Result<Duration> {
        let missing = || "smoltcp lost a connection";
        let slot = self.near.get_mut(index).ok_or_else(missing)?;
        let mut near = Single::with(slot.take().ok_or_else(missing)?);
        let handle = *self.handles.get(index).ok_or_else(missing)?;
        near.get().send_slice(b"x").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
        self.bench.poll_near(&mut near.sockets);
        let started = Clock::now();
        self.bench.poll_far(&mut self.far);
        let elapsed = started.elapsed();
        let mut byte = [0];
        let read = self.far.get_mut::<Socket<'_>>(handle).recv_slice(&mut byte);
        if read != Ok(1) {
            return Err(format!("smoltcp did not deliver a byte: {read:?}").into());
        }
        self.bench.poll_near(&mut near.sockets);
        self.bench.tick();
        if near.get().send_queue() != 0 {
            return Err("smoltcp did not acknowledge a byte".into());
        }
        self.near.get_mut(index).ok_or_else(missing)?.replace(near.into_socket()?);
        Ok(elapsed)
    }

    fn batch(&mut self, indices: &[usize]) -> Result<Duration> {
        let missing = || "smoltcp lost a connection";
        let mut near = SocketSet::new(Vec::with_capacity(indices.len()));
        let mut ends = Vec::with_capacity(indices.len());
        for index in indices {
            let slot = self.near.get_mut(*index).ok_or_else(missing)?;
            let mut socket = slot.take().ok_or_else(missing)?;
            socket.send_slice(b"x").map_err(|error| format!("smoltcp cannot send: {error:?}"))?;
            ends.push((*index, near.add(socket)));
        }
        self.bench.send_near(&mut near);
        let started = Clock::now();
        self.bench.take_far(&mut self.far);
        self.bench.send_far(&mut self.far);
        let elapsed = started.elapsed();
        self.bench.take_near(&mut near);
        self.bench.tick();
        for (index, handle) in ends {
            let far = *self.handles.get(index).ok_or_else(missing)?;
            let read = self.far.get_mut::<Socket<'_>>(far).recv_slice(&mut [0]);
            if read != Ok(1) {
                return Err(format!("smoltcp did not deliver a byte: {read:?}").into());
            }
            let smoltcp::socket::Socket::Tcp(socket) = near.remove(handle) else { return Err(missing().into()) };
            if socket.send_queue() != 0 {
                return Err("smoltcp did not acknowledge a byte".into());
            }
            self.near.get_mut(index).ok_or_else(missing)?.replace(socket);
        }
        Ok(elapsed)
    }
}
