//! Segments signed with MD5 (RFC 2385), with the running kernel at the other end of a TUN, in a network namespace that goes with
//! the test. The kernel's sockets are Python's, which can set `TCP_MD5SIG`.
//!
//! Where namespaces, a TUN or the kernel's MD5 are not to be had, a test says so and passes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]
#![allow(clippy::print_stdout, reason = "why a test was skipped, and what it measured")]

mod common;
#[path = "common/namespace.rs"]
mod namespace;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};

use bowline::{AoKey, KeyName, Keys, Listen, Md5Key, Net, Options, TcpStream};
use common::{pattern, until};
use namespace::in_namespace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LENGTH: usize = 4 << 20;

/// One side of the kernel's: says when it is ready, then sends back all that it receives.
const KERNEL: &str = r#"
import ipaddress, socket, struct, sys
verb, address, port, peer, key = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5].encode()
family = socket.AF_INET6 if ':' in address else socket.AF_INET
packed = ipaddress.ip_address(peer).packed
storage = struct.pack('=HH', family, 0) + (b'' if family == socket.AF_INET else bytes(4)) + packed
s = socket.socket(family)
s.setsockopt(socket.IPPROTO_TCP, 14, storage.ljust(128, b'\0') + struct.pack('=BBHi', 0, 0, len(key), 0) + key.ljust(80, b'\0'))
if verb == 'listen':
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen()
    print('ready', flush=True)
    s = s.accept()[0]
else:
    print('ready', flush=True)
    s.connect((address, port))
while data := s.recv(1 << 16):
    s.sendall(data)
s.close()
print('done', flush=True)
"#;

/// The kernel's end, started and ready.
struct Kernel(Child, BufReader<std::process::ChildStdout>);

impl Kernel {
    /// `None` if the kernel has no MD5; says so.
    fn start(verb: &str, address: SocketAddr, peer: IpAddr, key: &str) -> Option<Self> {
        let words = [verb.into(), address.ip().to_string(), address.port().to_string(), peer.to_string(), key.into()];
        let mut child = Command::new("python3");
        let mut child = child.arg("-c").arg(KERNEL).args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let kernel = Self(child, out);
        if line != "ready\n" {
            println!("skipped: the kernel has no TCP_MD5SIG");
            return None;
        }
        Some(kernel)
    }

    /// Its last word.
    fn finish(mut self) {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keys(key: &str) -> Keys {
    let mut keys = Keys::default();
    keys.set_md5("10.9.0.1/32".parse().unwrap(), Md5Key::new(key.as_bytes()).unwrap());
    keys.set_md5("fd09::/64".parse().unwrap(), Md5Key::new(key.as_bytes()).unwrap());
    keys
}

fn options(key: &str) -> Options {
    Options { keys: keys(key), ..Options::default() }
}

/// Sends a pattern, and reads it back.
async fn echo(stream: bowline::TcpStream) {
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        write.write_all(&pattern(LENGTH, 3)).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    assert!(received == pattern(LENGTH, 3), "{} bytes came back", received.len());
    writing.await.unwrap();
}

/// What the kernel has counted, by `nstat`'s name without its prefix.
fn counted(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/net/netstat").unwrap();
    let (names, values) = text.split_once('\n').unwrap();
    let place = names.split(' ').position(|word| word == name).unwrap();
    values.lines().next().unwrap().split(' ').nth(place).unwrap().parse().unwrap()
}

/// Neither end has met a segment whose signature was wrong, missing or not asked for.
fn assert_nothing_refused(net: &Net) {
    let counters = net.counters();
    assert_eq!([counters.md5_failure, counters.md5_not_found, counters.md5_unexpected], [0; 3]);
    assert_eq!(counted("TCPMD5Failure"), 0);
}

fn peers() -> [(SocketAddr, SocketAddr); 2] {
    [("10.9.0.1:179", "10.9.0.2:179"), ("[fd09::1]:179", "[fd09::2]:179")]
        .map(|(kernel, ours)| (kernel.parse().unwrap(), ours.parse().unwrap()))
}

async fn connect(net: &Net, to: SocketAddr, key: &str) -> std::io::Result<bowline::TcpStream> {
    net.connect_with(None, to, Some(options(key))).await
}

#[test]
fn we_connect_with_a_key() {
    in_namespace("we_connect_with_a_key", async |net| {
        for (kernel, ours) in peers() {
            let Some(python) = Kernel::start("listen", kernel, ours.ip(), "a secret") else { return };
            let stream = connect(&net, kernel, "a secret").await.unwrap();
            assert_eq!(stream.info().unwrap().keys.len(), 1);
            echo(stream).await;
            python.finish();
        }
        assert_nothing_refused(&net);
    });
}

#[test]
fn the_kernel_connects_with_a_key() {
    in_namespace("the_kernel_connects_with_a_key", async |net| {
        let listen = Listen { options: Some(options("a secret")), ..Listen::on_port(179) };
        let listener = net.listen_with(listen).unwrap();
        for (kernel, ours) in peers() {
            let Some(python) = Kernel::start("connect", ours, ours.ip(), "a secret") else { return };
            let (stream, from) = listener.accept().await.unwrap();
            assert_eq!(from.ip(), kernel.ip());
            echo(stream).await;
            python.finish();
        }
        assert_nothing_refused(&net);
    });
}

#[test]
fn who_has_another_key_or_none_is_not_heard() {
    in_namespace("who_has_another_key_or_none_is_not_heard", async |net| {
        let [(kernel, ours), _] = peers();
        // The kernel does not hear us.
        let Some(_python) = Kernel::start("listen", kernel, ours.ip(), "a secret") else { return };
        for (key, name) in [(Some("another"), "TCPMD5Failure"), (None, "TCPMD5NotFound")] {
            let options = key.map_or_else(Options::default, options);
            tokio::select! {
                opened = net.connect_with(None, kernel, Some(options)) => panic!("{opened:?}"),
                () = until(|| counted(name) > 0) => {}
            }
        }
        // We do not hear the kernel, until the key is right.
        let listener = net.listen(ours).await.unwrap();
        let Some(_python) = Kernel::start("connect", ours, ours.ip(), "a secret") else { return };
        until(|| net.counters().md5_unexpected > 0).await;
        listener.set_keys(keys("another"));
        until(|| net.counters().md5_failure > 0).await;
        assert!(listener.info().unwrap().accept_queue == 0 && listener.info().unwrap().syn_queue == 0);
        listener.set_keys(keys("a secret"));
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.info().unwrap().keys.len(), 1);
    });
}

/// Keys for TCP-AO with these identifiers, the same both ways.
fn ao_keys(ids: &[u8]) -> Keys {
    let mut keys = Keys::default();
    for id in ids {
        assert!(keys.add_ao(AoKey::new("10.0.0.0/24".parse().unwrap(), (*id, *id), &[*id; 20]).unwrap()));
    }
    keys
}

/// A word there and back.
async fn talk(ends: [&mut TcpStream; 2]) {
    let mut ends = ends;
    for _ in 0..2 {
        ends.reverse();
        let [from, to] = &mut ends;
        from.write_all(b"hello").await.unwrap();
        let mut word = [0; 5];
        to.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"hello");
    }
}

/// SendID of the key that signs.
fn signs_with(stream: &TcpStream) -> Option<u8> {
    stream.info().unwrap().keys.into_iter().find_map(|key| match key {
        KeyName::Ao { send_id, is_current: true, .. } => Some(send_id),
        _ => None,
    })
}

#[tokio::test]
async fn keys_of_tcp_ao_roll_over() {
    let (client, server) = common::pair();
    let with = |ids: &[u8]| Some(Options { keys: ao_keys(ids), ..Options::default() });
    let listener = server.listen_with(Listen { options: with(&[1, 2]), ..Listen::on_port(80) }).unwrap();
    let (opened, accepted) = tokio::join!(client.connect_with(None, common::server(), with(&[1])), listener.accept());
    let (mut ours, (mut theirs, _)) = (opened.unwrap(), accepted.unwrap());
    talk([&mut ours, &mut theirs]).await;
    assert_eq!([&ours, &theirs].map(signs_with), [Some(1), Some(1)]);
    assert!(ours.choose_keys(Some(2), None).is_err());
    ours.set_keys(ao_keys(&[1, 2])).unwrap();
    // Each end signs with what the other one asks for.
    ours.choose_keys(Some(2), Some(2)).unwrap();
    talk([&mut ours, &mut theirs]).await;
    assert_eq!([&ours, &theirs].map(signs_with), [Some(1), Some(2)]);
    theirs.choose_keys(None, Some(2)).unwrap();
    talk([&mut ours, &mut theirs]).await;
    assert_eq!([&ours, &theirs].map(signs_with), [Some(2), Some(2)]);
    let counts = theirs.info().unwrap().ao.unwrap();
    assert!(counts.good >= 3 && counts.bad + counts.required + counts.key_not_found == 0, "{counts:?}");
}
