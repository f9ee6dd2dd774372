//! One end of a bulk transfer over a TUN device, the kernel at the other end: a sink, which the kernel sends to, and a
//! source, which the kernel receives from.
//!
//! It happens in a namespace made for the run. The receiving application counts, after a moment to get up to speed.

mod bowline;
mod smoltcp;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::process::{self, Program};
use crate::report::{Better, Report};

const SHORT: Duration = Duration::from_secs(5);
const DEVICE: &str = "bench0";
/// The address of the stack on the TUN; the kernel has the one before it.
const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 7);
/// What the kernel's application writes and reads at once, in bytes.
const CHUNK: usize = 256 << 10;
/// Time to get up to speed, before counting starts.
const WARM_UP: Duration = Duration::from_millis(500);

/// A direction, seen from the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The stack receives and throws away.
    Sink,
    /// The stack sends as fast as it can.
    Source,
}

/// What the stack and the one who measures it tell each other.
#[derive(Debug, Default)]
pub struct Control {
    /// Set by the stack once it listens.
    pub ready: AtomicBool,
    /// Set when the stack shall end.
    pub stop: AtomicBool,
    /// Payload bytes that the receiving application has got so far: counted by a sink, by the kernel's side of a source.
    pub bytes: AtomicU64,
}

impl Control {
    /// Whether the stack shall end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A stack that takes part.
pub trait Endpoint: Send {
    /// The name in the report.
    fn name(&self) -> String;

    /// The settings to try before the first run, of which the fastest is kept; none if there is nothing to choose.
    fn settings(&self) -> usize;

    /// Takes a setting, below [`Self::settings`].
    fn choose(&mut self, setting: usize);

    /// Opens the TUN device `device`, listens on `address`, takes one connection, and plays its role until it is stopped.
    ///
    /// # Errors
    /// When the stack cannot do it.
    fn run(&mut self, role: Role, device: &str, address: SocketAddrV4, control: &Control) -> Result<()>;
}

/// How much to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Only what has this in the name of the measure or of the stack; empty: everything.
    pub only: String,
    /// Turns of each stack.
    pub runs: usize,
    /// Length of one run, in seconds.
    pub seconds: u32,
    /// The MTUs of the TUN device, in bytes.
    pub mtus: Vec<u32>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { only: String::new(), runs: 5, seconds: 3, mtus: vec![1500, 65_520] }
    }
}

impl Plan {
    /// One turn of one second.
    pub fn quick() -> Self {
        Self { runs: 1, seconds: 1, ..Self::default() }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(120 + (self.runs * self.mtus.len()) as u64 * 8 * u64::from(self.seconds + 2))
    }
}

/// The stacks that this build has.
fn endpoints() -> Vec<Box<dyn Endpoint>> {
    vec![
        Box::new(bowline::Bowline::offloaded()),
        Box::new(bowline::Bowline::plain()),
        Box::new(smoltcp::Smoltcp::default()),
    ]
}

/// Runs the plan in a namespace of its own.
///
/// # Errors
/// When no namespace or no TUN device can be made.
pub fn run(plan: &Plan, program: &Program) -> Result<Report> {
    let printed = process::in_namespace(program, &["tun", &serde_json::to_string(plan)?], plan.limit())?;
    Ok(serde_json::from_str(&printed)?)
}

/// Runs the plan; this process is in the namespace.
pub(crate) fn stage(plan: &Plan) -> Result<Report> {
    process::output(&["ip", "link", "set", "lo", "up"], SHORT)?;
    process::set_sysctl("tcp_congestion_control", "reno")?;
    let mut report = Report::default();
    for mtu in &plan.mtus {
        for role in [Role::Sink, Role::Source] {
            let direction = if role == Role::Sink { "from the kernel" } else { "to the kernel" };
            let measure = format!("TUN, MTU {mtu}, one stream {direction}");
            let mut endpoints = endpoints();
            endpoints.retain(|endpoint| measure.contains(&plan.only) || endpoint.name().contains(&plan.only));
            for endpoint in &mut endpoints {
                choose(endpoint.as_mut(), role, *mtu)?;
            }
            for _ in 0..plan.runs {
                for endpoint in &mut endpoints {
                    let rate = measure_once(endpoint.as_mut(), role, *mtu, Duration::from_secs(plan.seconds.into()));
                    report.add_result((&measure, "Gbit/s", Better::Higher), &endpoint.name(), rate);
                }
            }
        }
    }
    Ok(report)
}

/// Tries every setting of `endpoint` and leaves it with the fastest.
fn choose(endpoint: &mut dyn Endpoint, role: Role, mtu: u32) -> Result<()> {
    let mut best: Option<(f64, usize)> = None;
    for setting in 0..endpoint.settings() {
        endpoint.choose(setting);
        let rate = measure_once(endpoint, role, mtu, WARM_UP)?;
        if best.is_none_or(|(other, _)| rate > other) {
            best = Some((rate, setting));
        }
    }
    if let Some((_, setting)) = best {
        endpoint.choose(setting);
    }
    Ok(())
}

/// One connection: the rate in Gbit/s over `length`.
fn measure_once(endpoint: &mut dyn Endpoint, role: Role, mtu: u32, length: Duration) -> Result<f64> {
    let mtu = mtu.to_string();
    process::output(&["ip", "tuntap", "add", "dev", DEVICE, "mode", "tun"], SHORT)?;
    process::output(&["ip", "link", "set", DEVICE, "mtu", &mtu, "txqueuelen", "10000", "up"], SHORT)?;
    process::output(&["ip", "address", "add", "10.9.0.1/24", "dev", DEVICE], SHORT)?;
    let control = Control::default();
    let rate = std::thread::scope(|scope| {
        let stack = scope.spawn(|| endpoint.run(role, DEVICE, ADDRESS, &control));
        let rate = drive(role, &control, length, || stack.is_finished());
        control.stop.store(true, Ordering::Relaxed);
        match stack.join() {
            Ok(Ok(())) => rate,
            Ok(Err(error)) => Err(error),
            Err(_) => Err("the stack panicked".into()),
        }
    });
    process::output(&["ip", "tuntap", "del", "dev", DEVICE, "mode", "tun"], SHORT)?;
    rate
}

/// The kernel's side of a run.
fn drive(role: Role, control: &Control, length: Duration, has_ended: impl Fn() -> bool) -> Result<f64> {
    process::wait_until("the stack to listen", SHORT, || {
        if has_ended() { Err("the stack ended early".into()) } else { Ok(control.ready.load(Ordering::Acquire)) }
    })?;
    let stream = TcpStream::connect_timeout(&ADDRESS.into(), SHORT)?;
    std::thread::scope(|scope| {
        let kernel = scope.spawn(|| match role {
            Role::Sink => send(&stream, control),
            Role::Source => receive(&stream, control),
        });
        std::thread::sleep(WARM_UP);
        let (started, before) = (Instant::now(), control.bytes.load(Ordering::Relaxed));
        std::thread::sleep(length);
        let (elapsed, after) = (started.elapsed(), control.bytes.load(Ordering::Relaxed));
        control.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that may be waiting on it; if the connection is gone already, so much the better.
        let _ = stream.shutdown(std::net::Shutdown::Both);
        kernel.join().map_err(|_| "the kernel's side panicked")?;
        if after == before {
            return Err("no byte arrived".into());
        }
        Ok((after - before) as f64 * 8.0 / elapsed.as_nanos() as f64)
    })
}

/// Writes until it is stopped or the connection ends.
fn send(mut stream: &TcpStream, control: &Control) {
    let bytes = vec![0x55; CHUNK];
    while !control.is_stopped() && stream.write_all(&bytes).is_ok() {}
}

/// Reads and counts until it is stopped or the connection ends.
fn receive(mut stream: &TcpStream, control: &Control) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(len @ 1..) = stream.read(&mut bytes) {
        control.bytes.fetch_add(len as u64, Ordering::Relaxed);
        if control.is_stopped() {
            break;
        }
    }
}
