//! One connection, from both its ends: what their programs do, and whether that came out.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline::{Algorithm, Keepalive, Options, OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};
use bowline_sim::Host;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::plan::{FlowPlan, Order, Pen, Plan};

/// How many bytes one end has written and read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Side {
    wrote: u64,
    read: u64,
}

type Task = JoinHandle<io::Result<Side>>;

/// What both ends of a connection do.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) number: usize,
    pub(crate) plan: FlowPlan,
    /// Whether it may end for other reasons than that somebody goes.
    pub(crate) may_break: bool,
}

/// A listener, who comes to it, and how many came for whom nobody had called.
#[derive(Clone, Default)]
pub(crate) struct Door {
    guests: Arc<Mutex<BTreeMap<SocketAddr, Guest>>>,
    strangers: Arc<AtomicUsize>,
}

/// One that has called, and who serves it.
struct Guest {
    script: Script,
    server: Option<Task>,
}

impl Door {
    /// Serves those who call. What nobody calls for is an old segment that a cookie, or a SYN with text, made a connection
    /// of once more (RFC 7413 6.1): whoever takes part in that knows it. Elsewhere there is none.
    pub(crate) async fn keep(self, host: Host, listener: TcpListener, pause: Duration) {
        while let Ok((stream, peer)) = listener.accept().await {
            self.admit(stream, peer, &host);
            if !pause.is_zero() {
                host.clock().sleep(pause).await;
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, host: &Host) {
        let mut guests = self.guests.lock();
        match guests.get_mut(&peer).filter(|guest| guest.server.is_none()) {
            Some(guest) => {
                let (host, script) = (host.clone(), guest.script.clone());
                let serve = async move { converse(stream, &host, &script, (1, 0)).await };
                guest.server = Some(tokio::spawn(serve));
            }
            None => {
                self.strangers.fetch_add(1, Ordering::Relaxed);
                stream.abort();
            }
        }
    }
}

/// A flow under way.
pub(crate) struct Flow {
    pub(crate) script: Script,
    client: Task,
    door: Door,
}

impl Flow {
    pub(crate) fn begin(script: Script, from: &Host, to: SocketAddr, options: Options, door: Door) -> Self {
        let client = tokio::spawn(call(from.clone(), to, options, script.clone(), door.clone()));
        Self { script, client, door }
    }

    pub(crate) fn is_over(&self) -> bool {
        // Who is connected to may never hear of a connection that was given up at once.
        let guests = self.door.guests.lock();
        let server = guests
            .values()
            .find(|guest| guest.script.number == self.script.number)
            .and_then(|guest| guest.server.as_ref());
        self.client.is_finished() && server.is_none_or(JoinHandle::is_finished)
    }

    /// How many came to its listener of whom nobody knew.
    pub(crate) fn strangers(&self) -> usize {
        self.door.strangers.load(Ordering::Relaxed)
    }

    /// What became of it; an error if that is not what should have. `forgot`: whether the one that was connected to has forgotten a
    /// handshake for want of room (as Linux does), after which what the peer sends belongs to nobody.
    pub(crate) async fn outcome(self, plan: &Plan, forgot: bool) -> Result<String, String> {
        let is_over = self.is_over();
        let mut guests = std::mem::take(&mut *self.door.guests.lock());
        let guest =
            guests.iter().find(|(_, guest)| guest.script.number == self.script.number).map(|(address, _)| *address);
        let server = guest.and_then(|address| guests.remove(&address)?.server);
        // The others' are still wanted.
        self.door.guests.lock().extend(guests);
        if !is_over {
            let over = [Some(self.client.is_finished()), server.as_ref().map(JoinHandle::is_finished)];
            self.client.abort();
            server.iter().for_each(JoinHandle::abort);
            return Err(format!("not over (client and server: {over:?}) although all is well again"));
        }
        let client = self.client.await.map_err(|panic| panic.to_string())?;
        let server = match server {
            Some(server) => Some(server.await.map_err(|panic| panic.to_string())?),
            None => None,
        };
        let Script { plan: flow, may_break, .. } = &self.script;
        let [up, down] = flow.bytes;
        let expected = [Side { wrote: up, read: down }, Side { wrote: down, read: up }];
        let is_right = match (flow.leave, &client, &server) {
            // What was read was compared where it was read: what is left to ask is whether there was a reason.
            _ if [Some(&client), server.as_ref()].into_iter().flatten().any(is_damage) => false,
            (_, Ok(client), Some(Ok(server))) if [*client, *server] == expected => true,
            _ if *may_break => true,
            (_, client, None) if forgot && is_reset(client) && !is_refused(client) => true,
            (None, ..) => false,
            (Some(leave), client, server) => {
                let sides = [Some(client), server.as_ref()];
                let (left, stayed) = (sides[leave.side], sides[1 - leave.side]);
                let went = left.is_none_or(Result::is_ok);
                let told = |stayed: &io::Result<Side>| {
                    let timed_out = stayed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
                    is_reset(stayed) || (!leave.resets && stayed.is_ok()) || (plan.resets_go_unheard() && timed_out)
                };
                went && stayed.is_none_or(told)
            }
        };
        let said = format!("client {client:?}, server {server:?}");
        if is_right { Ok(said) } else { Err(format!("{said}, where {expected:?} was to be")) }
    }
}

/// Bytes that were not those that were sent.
fn is_damage(side: &io::Result<Side>) -> bool {
    side.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

/// The other one has reset it before it was open.
fn is_refused(side: &io::Result<Side>) -> bool {
    side.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The other one reset it, while it was open or before.
fn is_reset(side: &io::Result<Side>) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected};
    let kinds = [ConnectionReset, BrokenPipe, NotConnected, ConnectionRefused];
    side.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
}

/// The program of the side that connects.
async fn call(host: Host, address: SocketAddr, mut options: Options, script: Script, door: Door) -> io::Result<Side> {
    let plan = &script.plan;
    host.clock().sleep(Duration::from_millis(plan.start)).await;
    let most = plan.leave.filter(|leave| leave.side == 0).map_or(plan.bytes[0], |leave| leave.after);
    // Who has nothing to say does not wait for the first byte.
    options.fast_open.wait &= most > 0;
    let (says_first, waits) = (options.fast_open.connect, options.fast_open.wait && options.fast_open.connect);
    let stream = host.connect_now(None, address, Some(options))?;
    let guest = Guest { script: script.clone(), server: None };
    door.guests.lock().insert(stream.four_tuple().local, guest);
    let first = piece((script.number, 0), 0, most.min(plan.chunk as u64));
    let sent = if says_first { stream.try_write(&first).unwrap_or(0) } else { 0 };
    if !waits {
        stream.connected().await?;
    }
    converse(stream, &host, &script, (0, sent as u64)).await
}

/// What one side does once it is connected: which side, and how many bytes it has written before.
async fn converse(stream: TcpStream, host: &Host, script: &Script, (side, sent): (usize, u64)) -> io::Result<Side> {
    let Script { number, plan, may_break, .. } = script;
    if (plan.leave.is_some() || *may_break) && stream.keepalive()?.is_none() {
        // Whose peer is gone without a word that arrives must find out by himself.
        let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
        stream.set_keepalive(Some(Keepalive { idle, interval, probes: 9 }))?;
    }
    let [wants, expects] = [plan.bytes[side], plan.bytes[1 - side]];
    let [own, theirs] = [(*number, side as u64), (*number, 1 - side as u64)];
    let (mut reader, mut writer) = stream.into_split();
    if let Some(leave) = plan.leave.filter(|leave| leave.side == side) {
        give(&mut writer, plan, own, [sent, leave.after]).await?;
        let stream = reader.reunite(writer).map_err(io::Error::other)?;
        if leave.resets {
            stream.abort();
        }
        return Ok(Side { wrote: leave.after, read: 0 });
    }
    let read = take(&mut reader, host, plan, theirs);
    let write = async {
        give(&mut writer, plan, own, [sent, wants]).await?;
        writer.shutdown().await?;
        // Who waits for that is no orphan, which gives up sooner.
        if plan.leave.is_none() { writer.flushed().await } else { Ok(()) }
    };
    let (read, wrote) = match plan.order(side) {
        Order::Together => tokio::join!(read, write),
        Order::WriteFirst => {
            let wrote = write.await;
            (read.await, wrote)
        }
        Order::ReadFirst => {
            let read = read.await;
            (read, write.await)
        }
    };
    wrote?;
    let read = read?;
    if read != expects && plan.leave.is_none() {
        let error = format!("{read} bytes and an end came of {expects}");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
    }
    Ok(Side { wrote: wants, read })
}

/// The byte at a position of one direction of a flow: what is shifted, doubled or swapped is another byte.
fn byte((flow, way): (usize, u64), at: u64) -> u8 {
    let mixed = (at ^ (at >> 8) ^ (flow as u64) << 3 ^ way << 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

fn piece(id: (usize, u64), from: u64, end: u64) -> Vec<u8> {
    (from..end).map(|at| byte(id, at)).collect()
}

async fn give(to: &mut OwnedWriteHalf, plan: &FlowPlan, id: (usize, u64), [from, end]: [u64; 2]) -> io::Result<()> {
    let mut at = from;
    let mut pieces: u64 = 0;
    while at < end {
        pieces += 1;
        if plan.restless && pieces.is_multiple_of(8) {
            change(to.as_stream(), pieces / 8)?;
        }
        let data = piece(id, at, end.min(at + plan.chunk as u64));
        at += match plan.pen {
            Pen::Urgent if pieces.is_multiple_of(4) => to.as_stream().send_urgent(&data).await?,
            Pen::Shared => {
                let len = data.len();
                to.send_bytes(Bytes::from(data)).await?;
                len
            }
            _ => to.write(&data).await?,
        } as u64;
    }
    Ok(())
}

/// Sets what programs set in the middle of a connection.
fn change(stream: &TcpStream, time: u64) -> io::Result<()> {
    let algorithms = [Algorithm::Bbr, Algorithm::NewReno, Algorithm::Cubic, Algorithm::Local];
    stream.set_congestion(algorithms[time as usize % algorithms.len()])?;
    stream.set_cork(time.is_multiple_of(2))?;
    stream.set_nodelay(time.is_multiple_of(3))?;
    stream.set_notsent_lowat(if time.is_multiple_of(5) { 1 } else { u32::MAX })?;
    stream.set_send_buffer_size(stream.send_buffer_size()?.saturating_mul(2).min(1 << 20))
}

/// Reads to the end and compares; how much that was.
async fn take(from: &mut OwnedReadHalf, host: &Host, plan: &FlowPlan, id: (usize, u64)) -> io::Result<u64> {
    let (mut buffer, mut at) = (vec![0; plan.chunk], 0);
    loop {
        let count = match plan.pen {
            Pen::Shared => {
                let data = from.recv_bytes(plan.chunk).await?;
                buffer[..data.len()].copy_from_slice(&data);
                data.len()
            }
            _ => from.read(&mut buffer).await?,
        };
        if count == 0 {
            return Ok(at);
        }
        for got in &buffer[..count] {
            if *got != byte(id, at) {
                let error = format!("byte {at} is not the one that was sent");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            at += 1;
        }
        if plan.rest > 0 {
            host.clock().sleep(Duration::from_micros(plan.rest)).await;
        }
    }
}
