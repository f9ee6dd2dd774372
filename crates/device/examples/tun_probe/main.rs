//! How fast a TUN carries packets with no protocol behind it: the ceiling for any stack on this machine.
//!
//! Needs root: `cargo run --release -p bowline-device --example tun_probe [seconds per row]`. It works in a network
//! namespace of its own. Both directions use UDP trains (Linux 6.2), which a kernel socket sends and receives.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

#[cfg(target_os = "linux")]
mod probe;

#[cfg(target_os = "linux")]
fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    if let Err(error) = probe::probe(std::time::Duration::from_secs(seconds)) {
        eprintln!("tun_probe: {error}");
        std::process::exit(1);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("tun_probe: TUN with offloads is a thing of Linux");
    std::process::exit(1);
}
