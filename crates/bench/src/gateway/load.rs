//! What runs inside: iperf3, wrk and our own peer, and how their output becomes a figure.

use std::time::Duration;

use super::host::is_listening;
use super::room::Room;
use crate::peer::Times;
use crate::process::{self, Background};
use crate::{Error, Result};

/// What a run may take beyond its own length.
const SLACK: Duration = Duration::from_secs(20);
const IPERF3_PORT: u16 = 5201;

/// Bulk transfer in Gbit/s as the receiver saw it. `reverse` is towards the inside.
pub(super) fn iperf3(room: &Room, seconds: u32, congestion: &str, reverse: bool) -> Result<f64> {
    let (port, length) = (IPERF3_PORT.to_string(), seconds.to_string());
    // A server for one test, because one that lost its client would refuse the next.
    let _server = Background::start(&["iperf3", "--server", "--one-off", "--bind", "127.0.0.1", "--port", &port])?;
    process::wait_until("iperf3 to listen", SLACK, || is_listening(IPERF3_PORT))?;
    let mut words = vec!["iperf3", "--json", "--client", room.server, "--port", &port, "--time", &length];
    words.extend(["--congestion", congestion]);
    words.extend(reverse.then_some("--reverse"));
    iperf3_rate(&room.run(&words, SLACK + Duration::from_secs(seconds.into()))?)
}

fn iperf3_rate(printed: &str) -> Result<f64> {
    let result: serde_json::Value = serde_json::from_str(printed)?;
    let rate = result.pointer("/end/sum_received/bits_per_second").and_then(serde_json::Value::as_f64);
    Ok(rate.ok_or("iperf3 told no rate")? / 1e9)
}

/// Requests per second, and the errors that wrk counted.
pub(super) fn wrk(room: &Room, port: Result<u16>, seconds: u32, close: bool) -> Result<(f64, Option<String>)> {
    let port = port?;
    let (url, length) = (format!("http://{}:{port}/", room.server), format!("{seconds}s"));
    let mut words = vec!["wrk", "-t1", "-c32", "-d", &length];
    words.extend(close.then_some(["-H", "Connection: close"]).into_iter().flatten());
    words.push(&url);
    wrk_rate(&room.run(&words, SLACK + Duration::from_secs(seconds.into()))?)
}

fn wrk_rate(printed: &str) -> Result<(f64, Option<String>)> {
    let line = |start: &str| printed.lines().map(str::trim).find(|line| line.starts_with(start));
    let rate = line("Requests/sec:").and_then(|line| line.split_whitespace().nth(1));
    let rate = rate.ok_or("wrk told no rate")?.parse()?;
    let errors = line("Socket errors:").or_else(|| line("Non-2xx or 3xx responses:"));
    Ok((rate, errors.map(str::to_owned)))
}

/// What our own peer measured: `job` is its name, the server's port and its last argument.
pub(super) fn peer(room: &Room, program: &[String], job: (&str, u16, &str)) -> Result<Times> {
    let (name, port, argument) = job;
    let server = format!("{}:{port}", room.server);
    let mut words: Vec<&str> = program.iter().map(String::as_str).collect();
    words.extend([name, &server, argument]);
    let printed = room.run(&words, SLACK + SLACK)?;
    serde_json::from_str(&printed).map_err(|error| Error::from(format!("the peer printed {printed:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{iperf3_rate, wrk_rate};

    #[test]
    fn iperf3_output() {
        let printed = r#"{"end":{"sum_sent":{"bits_per_second":9e9},"sum_received":{"bits_per_second":8.5e9}}}"#;
        assert_eq!(iperf3_rate(printed).unwrap(), 8.5);
        assert!(iperf3_rate(r#"{"error":"unable to connect"}"#).is_err());
    }

    #[test]
    fn wrk_output() {
        let printed = "  4711 requests in 1.00s, 1MB read\nRequests/sec:   4690.12\nTransfer/sec:  1.0MB\n";
        assert_eq!(wrk_rate(printed).unwrap(), (4690.12, None));
        let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec: 1.5\n";
        let told = "Socket errors: connect 0, read 3, write 0, timeout 0".to_owned();
        assert_eq!(wrk_rate(errors).unwrap(), (1.5, Some(told)));
        assert!(wrk_rate("unable to connect").is_err());
    }
}
