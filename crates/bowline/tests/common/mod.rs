//! What the tests share: two networks joined by a cable, with whatever the test wants between them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::time::Duration;

use bowline::{Config, Net, NetBuilder, TcpStream};
use bowline_device::memory::{self, MemoryConfig, MemoryDevice};
use bowline_device::{Impaired, ImpairmentConfig, Impairments};

pub(crate) fn server() -> SocketAddr {
    "10.0.0.2:80".parse().unwrap()
}

/// A device with an end's addresses: host 1 or 2.
pub(crate) fn host(number: u8, device: impl bowline_device::Device + Send + 'static) -> NetBuilder {
    Net::builder()
        .device(device)
        .address(format!("10.0.0.{number}/24").parse().unwrap())
        .address(format!("fd00::{number}/64").parse().unwrap())
        .route("0.0.0.0/0".parse().unwrap())
        .route("::/0".parse().unwrap())
        .seed([number; 32])
}

/// Two hosts without impairments.
pub(crate) fn pair() -> (Net, Net) {
    bowline::memory::pair().unwrap()
}

/// Two hosts, `impairments` on the way from and to the first one. Time is tokio's alone, so that a test may stop it.
pub(crate) fn impaired_pair(impairments: Impairments, config: &Config) -> (Net, Net) {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    let left = Impaired::new(left, ImpairmentConfig::symmetric(impairments, 7));
    let client = host(1, left).config(config.clone()).coarse_timers(true).start().unwrap();
    let server = host(2, right).config(config.clone()).coarse_timers(true).start().unwrap();
    (client, server)
}

/// One host, and the other end of its cable, at which nobody answers.
pub(crate) fn alone() -> (Net, MemoryDevice) {
    let (left, right) = memory::pair(MemoryConfig::plain(1500));
    (host(1, left).coarse_timers(true).start().unwrap(), right)
}

/// An open connection between two hosts, its client's end first.
pub(crate) async fn connected(client: &Net, server_net: &Net) -> (TcpStream, TcpStream) {
    let listener = server_net.listen(server()).await.unwrap();
    let (opened, accepted) = tokio::join!(client.connect(server()), listener.accept());
    (opened.unwrap(), accepted.unwrap().0)
}

/// Waits until `done` says so: for what happens in the driver's task. Virtual time moves on; real time is bounded.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), waiting).await.expect("it never came to that");
}

/// Bytes in which every misplacement shows.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}
