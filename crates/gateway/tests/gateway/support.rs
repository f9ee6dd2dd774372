//! A client in memory behind a gateway, and servers on this host's loopback.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bowline::Net;
use bowline_device::memory::{self, MemoryConfig};
use bowline_gateway::addresses::{GUEST_V4, GUEST_V6, HOST_V4, HOST_V6};
use bowline_gateway::ports::Ports;
use bowline_gateway::rules::Rules;
use bowline_gateway::target::Targets;
use bowline_gateway::{Config, Gateway, QUEUE_MEMORY};
use tokio::net::{TcpListener, TcpStream};

/// A client behind a gateway. Everything ends after ten seconds, so that a failure does.
pub(crate) async fn behind<T>(targets: Targets, ports: Ports, test: impl AsyncFnOnce(Net, Gateway) -> T) -> T {
    behind_for(Duration::from_secs(10), targets, ports, test).await
}

/// A client behind a gateway, for no longer than `limit`.
pub(crate) async fn behind_for<T>(
    limit: Duration,
    targets: Targets,
    ports: Ports,
    test: impl AsyncFnOnce(Net, Gateway) -> T,
) -> T {
    let (inside, outside) = memory::pair(MemoryConfig::plain(1500));
    let client = Net::builder()
        .device(inside)
        .addresses([format!("{GUEST_V4}/24").parse().unwrap(), format!("{GUEST_V6}/64").parse().unwrap()])
        .routes(["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()])
        .start()
        .unwrap();
    let config = Config { targets, ports, congestion: None, descriptors: 1024, queue_memory: QUEUE_MEMORY };
    let gateway = Gateway::start(outside, config).unwrap();
    tokio::time::timeout(limit, test(client, gateway)).await.expect("it takes too long")
}

pub(crate) fn open() -> Targets {
    Targets { rules: Rules::default(), host_loopback: true }
}

/// The host's loopback as the client finds it, for each IP version that this machine has.
pub(crate) fn loopbacks() -> Vec<(&'static str, IpAddr)> {
    let all = [("127.0.0.1:0", IpAddr::V4(HOST_V4)), ("[::1]:0", IpAddr::V6(HOST_V6))];
    all.into_iter().filter(|(listen, _)| std::net::TcpListener::bind(listen).is_ok()).collect()
}

/// A listener on the loopback, and where the client finds it.
pub(crate) async fn listen(on: (&str, IpAddr)) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(on.0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, SocketAddr::new(on.1, port))
}

/// A connection through the gateway: the client's end and the host's.
pub(crate) async fn connect(client: &Net, on: (&str, IpAddr)) -> (bowline::TcpStream, TcpStream) {
    let (listener, address) = listen(on).await;
    let (inside, outside) = tokio::join!(client.connect(address), listener.accept());
    (inside.unwrap(), outside.unwrap().0)
}
