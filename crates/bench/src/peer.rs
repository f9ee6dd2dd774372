//! The small programs at the other ends: a client that ping-pongs one byte, one that opens and closes connections, and
//! the stages which run inside a namespace.
//!
//! They are part of the benchmark's own executable, which starts itself with [`crate::process::Program`], so that nothing
//! needs to be installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Result, gateway, loss, share, tun};

/// No answer for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs what `args` ask for and returns what is to be printed on standard output.
///
/// # Errors
/// When the arguments are not known, or what they ask for fails.
pub fn main(args: &[String]) -> Result<String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["ping", server, count] => Ok(serde_json::to_string(&ping(server.parse()?, count.parse()?)?)?),
        ["connect", server, seconds] => {
            let limit = Duration::from_secs(seconds.parse()?);
            Ok(serde_json::to_string(&connect(server.parse()?, limit)?)?)
        }
        ["gateway", plan] => gateway::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["loss", plan] => loss::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["share", plan] => share::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["tun", plan] => tun::stage(&serde_json::from_str(plan)?)?.to_json(),
        _ => Err(format!("the benchmark's peer does not know {args:?}").into()),
    }
}

/// How long something took, over many times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// How often it was done.
    pub count: u64,
    /// How often in a second.
    pub per_second: f64,
    /// Half took at most this, in microseconds.
    pub p50_us: f64,
    /// 99 in 100 took at most this, in microseconds.
    pub p99_us: f64,
}

impl Times {
    fn of(mut times: Vec<Duration>, elapsed: Duration) -> Result<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map(|time| time.as_secs_f64() * 1e6).ok_or("nothing was timed")
        };
        let (count, p50_us, p99_us) = (times.len() as u64, at(50)?, at(99)?);
        Ok(Self { count, per_second: count as f64 / elapsed.as_secs_f64(), p50_us, p99_us })
    }
}

/// Sends a byte and waits for it to come back, `count` times over one connection.
fn ping(server: SocketAddr, count: u32) -> Result<Times> {
    let mut stream = open(server)?;
    let mut times = Vec::new();
    let started = Instant::now();
    for _ in 0..count {
        let sent = Instant::now();
        exchange(&mut stream)?;
        times.push(sent.elapsed());
    }
    Times::of(times, started.elapsed())
}

/// Opens a connection, exchanges a byte and closes it, one after the other for as long as `limit`.
fn connect(server: SocketAddr, limit: Duration) -> Result<Times> {
    let mut times = Vec::new();
    let started = Instant::now();
    while started.elapsed() < limit {
        let opened = Instant::now();
        exchange(&mut open(server)?)?;
        times.push(opened.elapsed());
    }
    Times::of(times, started.elapsed())
}

fn open(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(())
}

/// Echoes what comes, one connection after the other, in a thread that lives as long as the process.
///
/// # Errors
/// When the address is taken.
pub fn serve_echo(listener: TcpListener) -> Result<SocketAddr> {
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_nodelay(true);
            let mut bytes = [0; 64];
            while let Ok(len @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(bytes.get(..len).unwrap_or_default()).is_err() {
                    break;
                }
            }
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let server = serve_echo(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap().to_string();
        let run = |args: [&str; 3]| main(&args.map(str::to_owned)).unwrap();
        let ping: Times = serde_json::from_str(&run(["ping", &server, "100"])).unwrap();
        assert_eq!(ping.count, 100);
        assert!(ping.p50_us > 0.0 && ping.p50_us <= ping.p99_us);
        let connect: Times = serde_json::from_str(&run(["connect", &server, "1"])).unwrap();
        assert!(connect.count > 0 && connect.per_second <= connect.count as f64);
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_micros).collect();
        let times = Times::of(times, Duration::from_secs(2)).unwrap();
        assert_eq!((times.count, times.per_second), (100, 50.0));
        assert!((times.p50_us - 51.0).abs() < 0.01 && (times.p99_us - 100.0).abs() < 0.01);
        assert!(Times::of(Vec::new(), Duration::from_secs(1)).is_err());
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(main(&["pong".to_owned()]).is_err());
    }
}
