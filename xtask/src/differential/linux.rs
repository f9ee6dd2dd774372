//! Linux under test: sockets of the running kernel, with a TUN for their network, in a namespace of our own.
//!
//! Many cases run at once, so that waiting costs little: each has a port to itself. What the kernel answers to a packet is
//! there when the write that brought it returns, so that "at once" needs no clock.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::tun::{Offloads, TunConfig};
use bowline_device::{Device as _, Transmitted, Tun};
use bowline_wire::TxPacket;
use socket2::{Domain, Socket, Type};

use super::bowline::is_failure;
use super::case::{Call, Case, Step};
use super::conversation::{Conversation, OURS};
use super::record::{Outcome, Record};
use crate::step;

/// What differs from the kernel's defaults, and why.
const SETTINGS: &[(&str, &str)] = &[
    // The defaults of this machine may be others, and BBR paces.
    ("net/ipv4/tcp_congestion_control", "cubic"),
    // One case must not teach the next.
    ("net/ipv4/tcp_no_metrics_save", "1"),
    // Challenges and the like are not rationed: cases are short.
    ("net/ipv4/tcp_invalid_ratelimit", "0"),
    // Acknowledgements go out when they are due.
    ("net/ipv4/tcp_comp_sack_nr", "0"),
    ("net/ipv4/tcp_autocorking", "0"),
    ("net/ipv4/tcp_rmem", "4096 131072 6291456"),
    ("net/ipv4/tcp_wmem", "4096 16384 4194304"),
    ("net/ipv4/tcp_syncookies", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
];

/// Ports are taken from here on; none twice.
const FIRST_PORT: u16 = 2_000;
const LAST_PORT: u16 = 30_000;

/// The kernel, behind its TUN.
pub(super) struct Linux {
    tun: Tun,
    port: u16,
}

/// A case under way.
struct Run<'a> {
    case: &'a Case,
    conversation: Conversation,
    record: Record,
    ready: Clock,
    listener: Option<Socket>,
    connection: Option<Socket>,
    has_failed: bool,
    /// An error that came behind text, for the next read.
    owed: Option<io::Error>,
}

impl Linux {
    /// Sets the namespace up, in which this process must be alone.
    pub(super) fn new() -> Result<Self, String> {
        let config = TunConfig { offloads: Offloads::None, mtu: Some(1500), ..TunConfig::default() };
        let tun = Tun::open(&config).map_err(|error| format!("cannot open a TUN: {error}"))?;
        for (name, value) in SETTINGS {
            // A kernel without the setting does not have what it switches off.
            let _ = fs::write(format!("/proc/sys/{name}"), value);
        }
        let name = tun.name().to_owned();
        for words in [
            "link set lo up".to_owned(),
            format!("addr add {}/24 dev {name}", OURS.0),
            format!("-6 addr add {}/64 dev {name} nodad", OURS.1),
            format!("link set {name} txqueuelen 5000 up"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            step::output(&mut step::command("ip", &words))?;
        }
        Ok(Self { tun, port: FIRST_PORT })
    }

    /// Runs cases beside each other.
    pub(super) fn run(&mut self, cases: &[Case]) -> Result<Vec<Record>, String> {
        let mut runs: Vec<Run<'_>> = cases.iter().map(|case| Run::new(case, self.take_port())).collect();
        let ports: BTreeMap<u16, usize> =
            runs.iter().enumerate().map(|(at, run)| (run.conversation.ends.0.port(), at)).collect();
        loop {
            let mut next: Option<Clock> = None;
            for at in 0..runs.len() {
                let Some(run) = runs.get_mut(at).filter(|run| run.has_more()) else { continue };
                if run.ready <= Clock::now() {
                    // What came while it waited belongs to what was before.
                    self.sort_in(&mut runs, &ports, None)?;
                    if let Some(run) = runs.get_mut(at) {
                        let packet = run.step();
                        self.write(packet)?;
                    }
                    self.sort_in(&mut runs, &ports, Some(at))?;
                    next = Some(Clock::now());
                } else {
                    next = Some(next.map_or(run.ready, |next| next.min(run.ready)));
                }
            }
            let waiting = runs.iter().filter(|run| run.ready > Clock::now()).map(|run| run.ready).min();
            match next.or(waiting) {
                Some(next) => self.wait(next)?,
                None => break,
            }
            self.sort_in(&mut runs, &ports, None)?;
        }
        Ok(runs.iter_mut().map(|run| std::mem::take(&mut run.record)).collect())
    }

    fn take_port(&mut self) -> u16 {
        self.port = if self.port >= LAST_PORT { FIRST_PORT } else { self.port + 1 };
        self.port
    }

    fn write(&mut self, packet: Option<Vec<u8>>) -> Result<(), String> {
        let Some(packet) = packet else { return Ok(()) };
        let packet = TxPacket { head: &packet, payload: &[], owners: &[], checksum: None, segment: None };
        match self.tun.transmit(Instant::ZERO, &packet) {
            Ok(Transmitted::Sent) => Ok(()),
            other => Err(format!("the TUN does not take a packet: {other:?}")),
        }
    }

    /// Reads all that the kernel has sent. `now`: whose step it was that has just been made.
    fn sort_in(
        &mut self,
        runs: &mut [Run<'_>],
        ports: &BTreeMap<u16, usize>,
        now: Option<usize>,
    ) -> Result<(), String> {
        while let Some(packet) = self.tun.receive(Instant::ZERO).map_err(|error| error.to_string())? {
            let Some(at) = source_port(&packet.data).and_then(|port| ports.get(&port).copied()) else { continue };
            let Some(run) = runs.get_mut(at) else { continue };
            let Some(seen) = run.conversation.look(&packet.data) else { continue };
            let waits = matches!(run.case.steps.get(run.record.len().wrapping_sub(1)), Some(Step::Wait(_)));
            let Some(outcome) = run.record.last_mut() else { continue };
            if now == Some(at) && !waits { outcome.at_once.push(seen) } else { outcome.add_later(seen) }
        }
        if let Some(run) = now.and_then(|at| runs.get_mut(at)) {
            run.accept();
        }
        Ok(())
    }

    fn wait(&self, until: Clock) -> Result<(), String> {
        let left = until.saturating_duration_since(Clock::now()).min(Duration::from_millis(20));
        if left.is_zero() {
            return Ok(());
        }
        let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let bowline_device::Readiness::Fd(fd) = self.tun.readiness() else { return Ok(()) };
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&timeout)).map(|_| ()).map_err(|error| error.to_string())
    }
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, port: u16) -> Self {
        let conversation = Conversation::new(case, port);
        Self {
            case,
            conversation,
            record: Record::new(),
            ready: Clock::now(),
            listener: None,
            connection: None,
            has_failed: false,
            owed: None,
        }
    }

    fn has_more(&self) -> bool {
        self.record.len() < self.case.steps.len()
    }

    /// Makes the next step; returns the packet that it wants written.
    fn step(&mut self) -> Option<Vec<u8>> {
        let step = *self.case.steps.get(self.record.len())?;
        let mut outcome = Outcome::default();
        let mut packet = None;
        match step {
            Step::Call(call) => {
                self.conversation.on_call(call);
                outcome.returned = self.call(call).filter(|_| !self.has_failed);
                self.has_failed |= outcome.returned.as_ref().is_some_and(|value| is_failure(value));
            }
            Step::Peer(segment) => packet = Some(self.conversation.packet(&segment)),
            Step::Wait(time) => self.ready = Clock::now() + time,
        }
        self.record.push(outcome);
        packet
    }

    fn call(&mut self, call: Call) -> Option<String> {
        let (local, remote) = self.conversation.ends;
        match call {
            Call::Listen => {
                self.listener = socket(local).and_then(|socket| socket.listen(8).map(|()| socket)).ok();
            }
            Call::Connect => {
                self.connection = socket(local).ok();
                // It is in progress, as it should be.
                let _ = self.connection.as_ref()?.connect(&remote.into());
            }
            Call::Write(len) => {
                let data: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
                return Some(named(self.connection.as_ref()?.write(&data)));
            }
            Call::Read => {
                let result = match self.owed.take() {
                    Some(error) => Err(error),
                    None => read_all(self.connection.as_ref()?, &mut self.owed),
                };
                return Some(named(result));
            }
            Call::Shutdown => {
                let _ = self.connection.as_ref()?.shutdown(std::net::Shutdown::Write);
            }
            Call::Close => drop(self.connection.take()),
            Call::Abort => {
                let _ = self.connection.as_ref()?.set_linger(Some(Duration::ZERO));
                drop(self.connection.take());
            }
        }
        None
    }

    fn accept(&mut self) {
        if let (Some(listener), None) = (&self.listener, &self.connection)
            && let Ok((socket, _)) = listener.accept()
        {
            let _ = socket.set_nonblocking(true);
            let _ = socket.set_out_of_band_inline(true);
            self.connection = Some(socket);
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            let _ = connection.set_linger(Some(Duration::ZERO));
        }
    }
}

/// Reads on and on, because one read ends at the urgent mark.
fn read_all(mut socket: &Socket, owed: &mut Option<io::Error>) -> io::Result<usize> {
    let mut data = vec![0; 1 << 16];
    let mut all = 0;
    loop {
        match socket.read(&mut data) {
            Ok(n @ 1..) => all += n,
            result if all == 0 => return result,
            Ok(_) => return Ok(all),
            Err(error) => {
                *owed = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                return Ok(all);
            }
        }
    }
}

fn socket(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Urgent data stays in the stream, as with Bowline.
    socket.set_out_of_band_inline(true)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

/// As Bowline's half says it.
fn named(result: io::Result<usize>) -> String {
    match result {
        Ok(n) => n.to_string(),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => "EAGAIN".to_owned(),
            io::ErrorKind::BrokenPipe => "EPIPE".to_owned(),
            io::ErrorKind::ConnectionReset => "ECONNRESET".to_owned(),
            io::ErrorKind::ConnectionRefused => "ECONNREFUSED".to_owned(),
            io::ErrorKind::TimedOut => "ETIMEDOUT".to_owned(),
            io::ErrorKind::NotConnected => "ENOTCONN".to_owned(),
            _ => error.to_string(),
        },
    }
}

fn source_port(packet: &[u8]) -> Option<u16> {
    let header = bowline_wire::ip::parse(packet).ok()?;
    let bytes = header.payload(packet).first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}
