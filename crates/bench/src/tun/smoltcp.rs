//! smoltcp over its own `TunTapInterface`.
//!
//! Checksums are left to the kernel nowhere, because the device knows no offloads. Buffers and delayed acknowledgments
//! are tried, and there is no congestion control, since a write to a TUN loses nothing.

use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::{Control, Endpoint, Role};
use crate::Result;

/// Buffer sizes to try, each way, in bytes.
const BUFFERS: [usize; 4] = [128 << 10, 512 << 10, 1 << 20, 4 << 20];
/// The longest it sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(20);

/// smoltcp 0.14.
#[derive(Debug, Default)]
pub(super) struct Smoltcp {
    setting: usize,
}

impl Smoltcp {
    fn socket(&self) -> Socket<'static> {
        let size = BUFFERS.get(self.setting / 2).copied().unwrap_or(1 << 20);
        let buffer = || SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(), buffer());
        if self.setting % 2 == 1 {
            socket.set_ack_delay(None);
        }
        socket
    }
}

impl Endpoint for Smoltcp {
    fn name(&self) -> String {
        "smoltcp 0.14".to_owned()
    }

    fn settings(&self) -> usize {
        2 * BUFFERS.len()
    }

    fn choose(&mut self, setting: usize) {
        self.setting = setting;
    }

    fn run(&mut self, role: Role, device: &str, address: SocketAddrV4, control: &Control) -> Result<()> {
        let mut device = TunTapInterface::new(device, Medium::Ip)?;
        let fd = device.as_raw_fd();
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::now());
        interface.update_ip_addrs(|addresses| {
            // The list is empty, so that there is room for one.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(*address.ip()), 24));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(self.socket());
        sockets
            .get_mut::<Socket<'_>>(handle)
            .listen(address.port())
            .map_err(|error| format!("smoltcp cannot listen: {error:?}"))?;
        control.ready.store(true, Ordering::Release);
        while !control.is_stopped() {
            let now = Instant::now();
            interface.poll(now, &mut device, &mut sockets);
            let socket = sockets.get_mut::<Socket<'_>>(handle);
            let moved = match role {
                Role::Sink => read(socket, control),
                Role::Source => write(socket),
            };
            if moved == 0 {
                let delay = interface.poll_delay(now, &sockets).unwrap_or(NAP).min(NAP);
                wait(fd, Some(delay))?;
            }
        }
        Ok(())
    }
}

/// Throws away what has arrived, and says how much it was.
fn read(socket: &mut Socket<'_>, control: &Control) -> usize {
    let mut moved = 0;
    while socket.can_recv() {
        let Ok(len @ 1..) = socket.recv(|data| (data.len(), data.len())) else { break };
        moved += len;
    }
    control.bytes.fetch_add(moved as u64, Ordering::Relaxed);
    moved
}

/// Fills the send buffer, and says by how much.
fn write(socket: &mut Socket<'_>) -> usize {
    let mut moved = 0;
    while socket.can_send() {
        let Ok(len @ 1..) = socket.send(|room| (room.len(), room.len())) else { break };
        moved += len;
    }
    moved
}
