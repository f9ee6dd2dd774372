//! The measurement itself: one row per size and direction.

use std::error::Error;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as Clock};

use bowline_base::Instant;
use bowline_device::tun::{Offloads, TunConfig};
use bowline_device::{Capabilities, Device, Transmitted, Tun, TxPacket};
use bowline_wire::checksum::Accumulator;
use bowline_wire::packet::{PartialChecksum, SegmentKind};
use bowline_wire::{IpHeader, Protocol, ip};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const DATAGRAM: u16 = 1400;
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2));
const KERNEL: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 1));

/// Measures each row for `time` and prints it.
pub(crate) fn probe(time: Duration) -> Result<(), Box<dyn Error>> {
    unshare()?;
    let mut tun = Tun::open(&TunConfig::default())?;
    ip_command(&["addr", "add", "10.9.0.1/24", "dev", tun.name()])?;
    ip_command(&["link", "set", tun.name(), "up", "txqueuelen", "10000"])?;
    println!("{}: {:?}, {:?}", tun.name(), tun.offloads(), tun.capabilities());
    println!("{:<34} {:>12} {:>12} {:>10}", "", "calls/s", "Gbit/s", "CPU %");
    let whole = usize::from(DATAGRAM) * 45;
    if tun.offloads() >= Offloads::Udp {
        read(&mut tun, "read, trains of 63,000 bytes", whole, time)?;
        write(&mut tun, "write, trains of 63,000 bytes", whole, time)?;
    }
    read(&mut tun, "read, datagrams of 1400 bytes", usize::from(DATAGRAM), time)?;
    write(&mut tun, "write, datagrams of 1400 bytes", usize::from(DATAGRAM), time)?;
    read(&mut tun, "read, datagrams of 1 byte", 1, time)?;
    write(&mut tun, "write, datagrams of 1 byte", 1, time)?;
    Ok(())
}

/// What this thread has used of a processor.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn row(name: &str, calls: u64, bytes: u64, elapsed: Duration, cpu: Duration) {
    let seconds = elapsed.as_secs_f64();
    let gbit = bytes as f64 * 8e-9 / seconds;
    let percent = cpu.as_secs_f64() / seconds * 100.0;
    println!("{name:<34} {:>12.0} {gbit:>12.2} {percent:>10.0}", calls as f64 / seconds);
}

/// A kernel socket sends as fast as it can; we read.
fn read(tun: &mut Tun, name: &str, len: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((KERNEL, 0))?;
    if len > usize::from(DATAGRAM) {
        send_trains(&socket)?;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let body = vec![7; len];
            while !stop.load(Ordering::Relaxed) {
                // A full queue is an error here, and no reason to stop.
                let _ = socket.send_to(&body, (HERE, 9));
            }
        });
        let (start, cpu) = (Clock::now(), cpu_time());
        let (mut calls, mut bytes) = (0, 0);
        let outcome = loop {
            match tun.receive(Instant::ZERO) {
                Ok(Some(packet)) => (calls, bytes) = (calls + 1, bytes + packet.data.len() as u64),
                Ok(None) if start.elapsed() < time => {
                    let timeout = Timespec { tv_sec: 1, tv_nsec: 0 };
                    if let Err(errno) = poll(&mut [PollFd::new(&*tun, PollFlags::IN)], Some(&timeout)) {
                        break Err(errno.into());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if start.elapsed() >= time {
                break Ok(());
            }
        };
        stop.store(true, Ordering::Relaxed);
        row(name, calls, bytes, start.elapsed(), cpu_time() - cpu);
        outcome
    })?;
    while tun.receive(Instant::ZERO)?.is_some() {}
    Ok(())
}

/// We write as fast as we can; a kernel socket receives what it can.
fn write(tun: &mut Tun, name: &str, len: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((KERNEL, 0))?;
    let head = udp_head(socket.local_addr()?.port(), len);
    let body = vec![7; len];
    let Capabilities { checksum, .. } = tun.capabilities();
    let checksum = checksum.then_some(PartialChecksum { start: 20, offset: 6 });
    let segment = (len > usize::from(DATAGRAM)).then_some((SegmentKind::Udp, DATAGRAM));
    let stop = AtomicBool::new(false);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                let _ = socket.recv(&mut buffer);
            }
        });
        let (start, cpu) = (Clock::now(), cpu_time());
        let mut calls = 0;
        let outcome = loop {
            let packet = TxPacket { head: &head, payload: &[&body], owners: &[], checksum, segment };
            match tun.transmit(Instant::ZERO, &packet) {
                Ok(Transmitted::Sent) => calls += 1,
                Ok(other) => break Err(std::io::Error::other(format!("the kernel says {other:?}"))),
                Err(error) => break Err(error),
            }
            if start.elapsed() >= time {
                break Ok(());
            }
        };
        stop.store(true, Ordering::Relaxed);
        row(name, calls, calls * (head.len() + len) as u64, start.elapsed(), cpu_time() - cpu);
        outcome
    })?;
    Ok(())
}

fn udp_head(port: u16, len: usize) -> Vec<u8> {
    let header = IpHeader::new(HERE, KERNEL, Protocol::UDP, 8 + len);
    let mut head = vec![0; header.emit_len() + 8];
    let at = ip::emit(&header, &mut head);
    let pseudo = Accumulator::pseudo_header(HERE, KERNEL, Protocol::UDP, 8 + len).partial();
    for (index, word) in [9, port, 8 + len as u16, pseudo].into_iter().enumerate() {
        head[at + 2 * index..][..2].copy_from_slice(&word.to_be_bytes());
    }
    head
}

fn ip_command(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip (iproute2): {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

#[allow(unsafe_code)]
fn unshare() -> Result<(), Box<dyn Error>> {
    // SAFETY: only the network namespace of this thread changes; no memory or descriptor is unshared.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
        .map_err(|errno| format!("no network namespace of its own ({errno}): run as root").into())
}

#[allow(unsafe_code)]
fn send_trains(socket: &UdpSocket) -> Result<(), Box<dyn Error>> {
    use std::os::fd::AsRawFd;
    let size = libc::c_int::from(DATAGRAM);
    let value = std::ptr::from_ref(&size).cast();
    // SAFETY: the option reads one int, which outlives the call.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, 4) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}
