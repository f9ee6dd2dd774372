//! What a program does with a host: listeners, connections, sockets for datagrams, pings.

use std::net::{IpAddr, SocketAddr};

use bowline_stack::{IcmpError, UdpBind, UdpSend};
use bowline_tcp::{Listen, Refusal};

use super::{Bench, addresses, port};

impl Bench<'_> {
    pub(super) fn listener(&mut self, choice: u8) {
        if choice & 0x40 != 0
            && let Some(listener) = self.listeners.pop()
        {
            return self.stack.tcp_mut().close_listener(self.now, listener);
        }
        let port = if choice & 0x20 != 0 { None } else { Some(port(self.input.byte())) };
        let backlog = usize::from(choice >> 7);
        let listen = Listen { address: None, port, backlog, deferred: choice & 0x10 != 0, options: None };
        if self.listeners.len() < 8
            && let Ok(listener) = self.stack.tcp_mut().listen(listen)
        {
            self.listeners.push(listener);
        }
    }

    pub(super) fn connect(&mut self, choice: u8) {
        let (remote, local) = addresses(choice);
        let ports = self.input.byte();
        let (local, remote) = (SocketAddr::new(local, port(ports)), SocketAddr::new(remote, port(ports >> 2)));
        let result = match (choice & 0x40 != 0, self.listeners.last().copied()) {
            (true, Some(listener)) => self.stack.tcp_connect_from(self.now, listener, remote),
            _ => self.stack.tcp_connect(self.now, Some(local), remote, None),
        };
        self.connections.extend(result.ok());
    }

    pub(super) fn call(&mut self, choice: u8) {
        let (what, which) = (self.input.byte(), self.input.byte());
        for listener in self.listeners.clone() {
            while let Some(key) = self.stack.tcp_mut().accept(self.now, listener) {
                self.connections.push(key);
            }
            while let Some(pending) = self.stack.tcp_mut().pending(listener) {
                match choice >> 4 & 3 {
                    0 => self.stack.tcp_mut().refuse(self.now, pending.key, Refusal::Reset),
                    1 => self.stack.tcp_refuse_unreachable(self.now, &pending, IcmpError::HostUnreachable),
                    _ => self.connections.extend(self.stack.tcp_mut().admit(self.now, pending.key, None)),
                }
            }
        }
        let Some(&key) = self.connections.get(usize::from(which) % self.connections.len().max(1)) else { return };
        let (now, tcp) = (self.now, self.stack.tcp_mut());
        let len = usize::from(what & 0xf0) * 64;
        match what & 0xf {
            0..=3 => {
                let _ = tcp.send(now, key, &vec![0x33; len]);
            }
            4..=6 => {
                let _ = tcp.receive(now, key, &mut vec![0; len + 1]);
            }
            7 => {
                let _ = tcp.receive_bytes(now, key, len);
            }
            8 => {
                let _ = tcp.send_bytes(now, key, &mut vec![0x44; len].into());
            }
            9 => {
                let _ = tcp.send_urgent(now, key, b"!");
            }
            10 | 11 => {
                let _ = tcp.shutdown(now, key);
            }
            12 => {
                let _ = tcp.set_options(now, key, |options| {
                    options.nodelay = len & 0x400 != 0;
                    options.cork = len & 0x800 != 0;
                });
            }
            13 => tcp.abort(now, key),
            14 => tcp.close(now, key),
            _ => {
                let _ = (tcp.info(now, key), tcp.readiness(key), tcp.state(key));
            }
        }
    }

    pub(super) fn udp_call(&mut self, choice: u8) {
        let which = self.input.byte();
        let Some(&key) =
            self.sockets.get(usize::from(which) % self.sockets.len().max(1)).filter(|_| choice & 0x80 != 0)
        else {
            return self.bind(choice, which);
        };
        let (remote, local) = addresses(choice);
        let ports = self.input.byte();
        let (local, remote) = (SocketAddr::new(local, port(ports)), SocketAddr::new(remote, port(ports >> 2)));
        match ports >> 4 & 7 {
            0 => {
                let _ = self.stack.udp_receive(key);
            }
            1 => {
                let _ = self.stack.udp_connect(key, remote);
            }
            2 if ports & 0x80 != 0 => {
                if let Ok(peeked) = self.stack.udp_peek(key) {
                    assert_eq!(self.stack.udp_receive(key), Ok(peeked), "peek and receive differ");
                }
            }
            2 => self.stack.udp_close(key),
            3 if ports & 0x80 != 0 => {
                let _ = self.stack.udp_disconnect(key);
            }
            3 => {
                let _ = (self.stack.udp_failure(key), self.stack.udp_info(key), self.stack.udp_sockets());
            }
            _ => {
                let payload = vec![0x66; usize::from(self.input.word())].into();
                let segment_size = (ports & 0x80 != 0).then(|| self.input.word());
                let send = UdpSend {
                    destination: (ports & 3 != 3).then_some(remote),
                    source: (ports & 12 != 12).then_some(local),
                    segment_size,
                    traffic_class: which,
                    hop_limit: which ^ 64,
                    payload,
                };
                let _ = self.stack.udp_send(self.now, key, send);
            }
        }
    }

    /// A socket: on every port or one, an ephemeral one among them, and on every address, or one that may not be ours.
    fn bind(&mut self, choice: u8, which: u8) {
        let (far, near) = addresses(choice);
        let address = match which >> 2 & 7 {
            0 => Some(near),
            1 => Some(far),
            2 => Some(IpAddr::from([0; 4])),
            3 => Some(IpAddr::from([0; 16])),
            _ => None,
        };
        let port = match (choice & 0x40 != 0, which & 0x20 != 0) {
            (true, _) => None,
            (_, true) => Some(0),
            _ => Some(port(which)),
        };
        let bind = UdpBind { address, port, receive_buffer: 4096, send_buffer: 4096, trains: which & 0x40 != 0 };
        self.sockets.extend(self.stack.udp_bind(bind));
    }

    pub(super) fn echo(&mut self, choice: u8) {
        let (remote, _) = addresses(choice);
        match self.echoes.pop() {
            Some(echo) if choice & 0x40 == 0 => self.stack.echo_reply(&echo),
            Some(echo) => {
                let packet = bowline_stack::Undelivered::Echo(echo);
                self.stack.report_unreachable(self.now, &packet, IcmpError::NetworkUnreachable);
            }
            None => {
                let _ = self.stack.ping(remote, 1, 1, &vec![9; usize::from(self.input.word())]);
            }
        }
    }
}
