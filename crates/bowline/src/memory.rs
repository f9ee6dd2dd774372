//! Networks joined in memory: for examples, tests and demonstrations, without any privilege.

use std::io;

use bowline_device::memory::{self, MemoryConfig};

use crate::Net;

/// Two networks joined by a cable: the first is 10.0.0.1 and fd00::1, the second 10.0.0.2 and fd00::2. The MTU is 1500.
///
/// # Errors
/// The system has no randomness.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn pair() -> io::Result<(Net, Net)> {
    pair_of(MemoryConfig::plain(1500), false)
}

/// As [`pair`], but every address is the second one's: it is a gateway.
///
/// # Errors
/// The system has no randomness.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn any_ip_pair() -> io::Result<(Net, Net)> {
    pair_of(MemoryConfig::plain(1500), true)
}

fn pair_of(config: MemoryConfig, any_ip: bool) -> io::Result<(Net, Net)> {
    let (left, right) = memory::pair(config);
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut nets = Vec::with_capacity(2);
    for (number, device) in [left, right].into_iter().enumerate() {
        let host = number + 1;
        let net = Net::builder()
            .device(device)
            .addresses([
                format!("10.0.0.{host}/24").parse().map_err(invalid)?,
                format!("fd00::{host}/64").parse().map_err(invalid)?,
            ])
            .routes(["0.0.0.0/0".parse().map_err(invalid)?, "::/0".parse().map_err(invalid)?])
            .any_ip(any_ip && host == 2)
            .start()?;
        nets.push(net);
    }
    match (nets.pop(), nets.pop()) {
        (Some(second), Some(first)) => Ok((first, second)),
        _ => Err(io::ErrorKind::Other.into()),
    }
}
