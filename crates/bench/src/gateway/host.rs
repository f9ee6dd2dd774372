//! The outer namespace: the network of "the host", and the servers in it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{self, Background};
use crate::{Result, peer};

const SHORT: Duration = Duration::from_secs(5);

/// A network interface with an address and a default route, as pasta wants to find one; the other end leads nowhere.
const UPLINK: &[&[&str]] = &[
    &["ip", "link", "set", "lo", "up"],
    &["ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "uplink1"],
    &["ip", "address", "add", "198.18.0.2/24", "dev", "uplink0"],
    &["ip", "link", "set", "uplink0", "up"],
    &["ip", "link", "set", "uplink1", "up"],
    &["ip", "route", "add", "default", "via", "198.18.0.1"],
];

/// What every namespace of the run is set to: a congestion control that is always permitted, and room for many short
/// connections in a row.
pub(super) const SETTINGS: &[(&str, &str)] =
    &[("tcp_congestion_control", "reno"), ("ip_local_port_range", "10000 65000"), ("tcp_tw_reuse", "1")];

/// Where nginx listens; the configuration says the same.
const HTTP_PORT: u16 = 8080;

/// Small answers, no log, no limit on the requests of a connection.
const NGINX: &str = "\
daemon off;
master_process off;
user root root;
error_log stderr crit;
pid SCRATCH/nginx.pid;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path SCRATCH/body;
    proxy_temp_path SCRATCH/proxy;
    fastcgi_temp_path SCRATCH/fastcgi;
    uwsgi_temp_path SCRATCH/uwsgi;
    scgi_temp_path SCRATCH/scgi;
    server { listen 127.0.0.1:8080 backlog=4096; location / { return 200 \"hello\\n\"; } }
}
";

/// The servers, and a folder that is removed with them.
#[derive(Debug)]
pub(super) struct Host {
    scratch: PathBuf,
    nginx: std::result::Result<Background, String>,
    echo: u16,
}

impl Host {
    /// Sets the namespace up that this process is in.
    pub(super) fn set_up() -> Result<Self> {
        for words in UPLINK {
            process::output(words, SHORT)?;
        }
        for (name, value) in SETTINGS {
            process::set_sysctl(name, value)?;
        }
        let scratch = std::env::temp_dir().join(format!("bowline-bench-{}", std::process::id()));
        std::fs::create_dir(&scratch).map_err(|error| format!("cannot make {}: {error}", scratch.display()))?;
        let echo = peer::serve_echo(TcpListener::bind("127.0.0.1:0")?)?.port();
        let mut host = Self { scratch, nginx: Err("not started".to_owned()), echo };
        host.nginx = host.start_nginx().map_err(|error| error.to_string());
        Ok(host)
    }

    fn start_nginx(&self) -> Result<Background> {
        let scratch = self.scratch.to_str().ok_or("the temporary folder is not UTF-8")?;
        let configuration = self.scratch.join("nginx.conf");
        std::fs::write(&configuration, NGINX.replace("SCRATCH", scratch))?;
        let configuration = configuration.to_str().ok_or("the temporary folder is not UTF-8")?;
        let mut nginx = Background::start(&["/usr/sbin/nginx", "-p", scratch, "-c", configuration])?;
        process::wait_until("nginx to listen", SHORT, || {
            if nginx.has_ended() {
                Err("nginx ended: is nginx-light installed?".into())
            } else {
                is_listening(HTTP_PORT)
            }
        })?;
        Ok(nginx)
    }

    /// A folder for the length of the run.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The port of the HTTP server, or why it does not run.
    pub(super) fn http(&self) -> Result<u16> {
        self.nginx.as_ref().map(|_| HTTP_PORT).map_err(|error| error.as_str().into())
    }

    /// The port of the echo server.
    pub(super) fn echo(&self) -> u16 {
        self.echo
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.nginx = Err("ended".to_owned());
        // A folder that stays behind in /tmp is no failure of the run.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// Whether a TCP socket of this namespace listens on `port` of the IPv4 loopback or of any address.
pub(super) fn is_listening(port: u16) -> Result<bool> {
    let ending = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp")? + &std::fs::read_to_string("/proc/self/net/tcp6")?;
    Ok(table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next(), columns.nth(1));
        local.is_some_and(|local| local.ends_with(&ending)) && state == Some("0A")
    }))
}

#[cfg(test)]
mod tests {
    use super::is_listening;
    use std::net::TcpListener;

    #[test]
    fn listeners_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_listening(port).unwrap());
        drop(listener);
        assert!(!is_listening(port).unwrap());
    }
}
