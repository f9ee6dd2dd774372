//! Servers on this host's loopback, on ports that the kernel picks. Those of ours are threads of the test; real programs
//! are killed by their number when they are dropped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::{Running, shell, wait_for};

/// How long a server may take to listen.
const READY: Duration = Duration::from_secs(10);

/// A port that is free on both loopbacks now.
pub(crate) fn free_port() -> u16 {
    loop {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = v4.local_addr().unwrap().port();
        if TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Waits until somebody listens on `port`, without connecting: some servers serve one connection only.
pub(crate) fn wait_until_listening(port: u16) {
    let wanted = format!(":{port:04X} ");
    wait_for(&format!("somebody who listens on port {port}"), READY, || {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        let listens = |line: &str| {
            let mut columns = line.split_whitespace().skip(1);
            let local = columns.next().unwrap_or_default();
            format!("{local} ").ends_with(&wanted) && columns.nth(1) == Some("0A")
        };
        tables.iter().flat_map(|table| table.lines()).any(listens).then_some(())
    });
}

/// nginx with `folder` as its root, on both loopbacks. It takes uploads by PUT below `/up/`.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    _process: Running,
}

impl Nginx {
    pub(crate) fn start(folder: &Path) -> Self {
        let port = free_port();
        let root = folder.display();
        let user = if super::is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; master_process off; worker_processes 1; {user} pid {root}/nginx.pid; error_log stderr;
             events {{ worker_connections 8192; }}
             http {{
               access_log off; client_max_body_size 0; keepalive_requests 1000000; sendfile on;
               client_body_temp_path {root}/body; proxy_temp_path {root}/t1; fastcgi_temp_path {root}/t2;
               uwsgi_temp_path {root}/t3; scgi_temp_path {root}/t4;
               server {{ listen 127.0.0.1:{port} backlog=4096; listen [::1]:{port} backlog=4096; root {root};
                 location = /small {{ return 200 \"hello\\n\"; }} }}
             }}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let process = shell("exec nginx -c $CONFIG -p $FOLDER").env("CONFIG", &file).env("FOLDER", folder);
        let process = process.within(600).start();
        wait_until_listening(port);
        Self { port, _process: process }
    }
}

/// Serves each connection to either loopback by `serve`, in a thread of its own. Returns the port.
pub(crate) fn tcp(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let port = free_port();
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    for address in addresses {
        let listener = TcpListener::bind(address).unwrap();
        let serve = serve.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
    }
    port
}

/// Sends back whatever comes, and closes when the client has.
pub(crate) fn echo() -> u16 {
    tcp(|mut stream| {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
    })
}

/// Sends back every datagram. Returns the port.
pub(crate) fn udp_echo() -> u16 {
    let port = free_port();
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))] {
        let socket = UdpSocket::bind(address).unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..count], from);
            }
        });
    }
    port
}
