//! The small programs at the other ends: a client that ping-pongs one byte, one that opens and closes connections, and the
//! server that echoes what they send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// No answer for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long something took, over many times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
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
pub(crate) fn ping(server: SocketAddr, count: u32) -> Result<Times> {
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
pub(crate) fn connect(server: SocketAddr, limit: Duration) -> Result<Times> {
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
pub(crate) fn serve_echo(listener: TcpListener) -> Result<SocketAddr> {
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
        let server = serve_echo(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let ping = ping(server, 100).unwrap();
        assert_eq!(ping.count, 100);
        assert!(ping.p50_us > 0.0 && ping.p50_us <= ping.p99_us);
        let connect = connect(server, Duration::from_secs(1)).unwrap();
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
}
