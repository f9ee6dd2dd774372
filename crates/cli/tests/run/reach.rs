//! Who reaches whom: half-closed connections, published ports, datagrams, pings, and what is forbidden.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use crate::support::servers::{self, echo, free_port, udp_echo};
use crate::support::{bowline, needs};

/// Greets, reads to the end, answers with how much that was, and closes.
fn counts() -> u16 {
    servers::tcp(|mut stream| {
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read);
        let _ = writeln!(stream, "{} bytes", read.len());
    })
}

#[test]
fn a_half_closed_connection_still_carries_the_other_way() {
    needs!("nc.openbsd", "python3");
    let port = counts();
    for host in ["10.0.2.2", "fd00::2"] {
        let words = ["sh", "-c", "head -c 300000 /dev/zero | nc.openbsd -N $0 $1", host, &port.to_string()];
        assert_eq!(bowline("-q", &words).run().printed(), "300000 bytes\n", "{host}");
    }
    // the server closes first, and reads what comes after
    let (report, seen) = std::sync::mpsc::channel();
    let port = servers::tcp(move |mut stream| {
        let _ = stream.write_all(b"that is all\n");
        let _ = stream.shutdown(Shutdown::Write);
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read);
        let _ = report.send(read.len());
    });
    let client = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); \
                  assert s.recv(100) == b'that is all\\n' and s.recv(1) == b''; s.sendall(bytes(300000))";
    for host in ["10.0.2.2", "fd00::2"] {
        bowline("-q", &["python3", "-c", client, host, &port.to_string()]).run().assert_success();
        assert_eq!(seen.recv_timeout(Duration::from_secs(5)), Ok(300_000), "{host}");
    }
}

#[test]
fn published_ports_lead_in_with_tcp_and_udp() {
    needs!("nc.openbsd", "python3");
    let (tcp, tcp6, udp) = (free_port(), free_port(), free_port());
    let options = format!("-q -p 127.0.0.1:{tcp}:80 -p [::1]:{tcp6}:80 -p 127.0.0.1:{udp}:53/udp");
    let server = "
import socket, threading
listener = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(('', 53))
def answer():
    data, peer = datagrams.recvfrom(100)
    datagrams.sendto(data[::-1] + peer[0].encode(), peer)
thread = threading.Thread(target=answer)
thread.start()
print('ready', flush=True)
for _ in range(2):
    stream, peer = listener.accept()
    data = b''
    while got := stream.recv(65536): data += got
    stream.sendall(b'%d bytes from %s' % (len(data), peer[0].removeprefix('::ffff:').encode()))
    stream.close()
thread.join()
";
    let mut run = bowline(&options, &["python3", "-c", server]).start();
    run.read_until("ready");
    for (address, seen) in [(format!("127.0.0.1:{tcp}"), "10.0.2.2"), (format!("[::1]:{tcp6}"), "fd00::2")] {
        let mut client = TcpStream::connect(&address).unwrap();
        client.write_all(&[7; 100_000]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("100000 bytes from {seen}"));
    }
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(b"abc", ("127.0.0.1", udp)).unwrap();
    let mut answer = [0; 100];
    let (len, from) = client.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..len], from.port()), (&b"cba10.0.2.2"[..], udp));
    run.wait().assert_success();
}

#[test]
fn datagrams_come_back_whatever_their_size() {
    needs!("python3");
    let port = udp_echo();
    let client = "
import socket, sys
for host in ['10.0.2.2', 'fd00::2']:
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    for size in [0, 1, 1000, 1472, 1473, 9000, 40000]:
        data = bytes(n % 251 for n in range(size))
        s.sendto(data, (host, int(sys.argv[1])))
        got, peer = s.recvfrom(65536)
        assert got == data and peer[0] == host, (host, size, len(got), peer)
";
    bowline("-q", &["python3", "-c", client, &port.to_string()]).run().assert_success();
}

#[test]
fn the_gateway_answers_pings() {
    needs!("python3");
    // the kernel's own echo sockets, so that no ping program is needed
    let client = "
import socket
for host in ['10.0.2.2', 'fd00::2', '10.0.2.4', 'fd00::4']:
    six = ':' in host
    s = socket.socket(*((socket.AF_INET6, socket.SOCK_DGRAM, 58) if six else (socket.AF_INET, socket.SOCK_DGRAM, 1)))
    s.settimeout(5)
    s.sendto(bytes([128 if six else 8, 0, 0, 0, 0, 0, 0, 1]) + b'hello', (host, 0))
    got, peer = s.recvfrom(100)
    assert got[0] == (129 if six else 0) and got[8:] == b'hello' and peer[0] == host, (host, got, peer)
";
    bowline("-q", &["python3", "-c", client]).run().assert_success();
}

/// Connects to each address and port, and prints `+`, or the name of the error.
const TRY: &str = "
import errno, socket, sys
for host in sys.argv[1:]:
    try:
        host, port = host.rsplit(',', 1)
        socket.create_connection((host, int(port)), 5).close()
        print('+', end=' ')
    except OSError as error:
        print(errno.errorcode.get(error.errno, error), end=' ')
";

#[test]
fn what_is_forbidden_is_refused_at_once() {
    needs!("python3");
    let port = echo();
    let (v4, v6) = (format!("10.0.2.2,{port}"), format!("fd00::2,{port}"));
    let tries = ["python3", "-c", TRY, &v4, &v6, "10.0.2.4,80", "fd00::4,80"];
    for (options, expected) in [
        ("", "+ + + + "),
        ("--no-host-loopback", "EHOSTUNREACH EACCES + + "),
        ("--deny 10.0.2.0/24", "EHOSTUNREACH + + + "),
        ("--deny [fd00::]/64", "+ EACCES + + "),
        (&format!("--deny 0.0.0.0/0:{port}"), "EHOSTUNREACH + + + "),
        (&format!("--allow 10.0.2.2:{port}"), "+ EACCES + + "),
        (&format!("--deny 10.0.2.2 --allow 10.0.2.2:{port}"), "EHOSTUNREACH EACCES + + "),
    ] {
        let seen = bowline(&format!("-q {options}"), &tries).run().printed();
        assert_eq!(seen, expected, "{options}");
    }
}

#[test]
fn a_slow_reader_costs_bounded_memory() {
    needs!("python3");
    let (report, seen) = std::sync::mpsc::channel();
    // sends 1 GiB unless it is held back, and says how far it has come when it has not been able to go on for a second
    let port = servers::tcp(move |mut stream| {
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let block = vec![0; 1 << 20];
        let sent = (0..1024).take_while(|_| stream.write_all(&block).is_ok()).count();
        let _ = report.send(sent);
        let _ = stream.read(&mut [0]);
    });
    let client = "import socket, sys; s = socket.create_connection(('10.0.2.2', int(sys.argv[1]))); \
                  print('ready', flush=True); sys.stdin.readline()";
    let mut run = bowline("-q", &["python3", "-c", client, &port.to_string()]).with_input().start();
    run.read_until("ready");
    let sent = seen.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(sent < 64, "{sent} MiB have gone to a program that reads nothing");
    let memory = crate::support::resident(run.pid());
    assert!(memory < 64 << 20, "the gateway holds {memory} bytes");
    run.say("");
    run.wait().assert_success();
}

#[test]
fn many_slow_readers_share_a_bound_and_hold_nobody_up() {
    needs!("python3");
    const SLOW: usize = 60;
    let (report, seen) = std::sync::mpsc::channel();
    let port = servers::tcp(move |mut stream| {
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let block = vec![0; 1 << 20];
        let sent = (0..32).take_while(|_| stream.write_all(&block).is_ok()).count();
        let _ = report.send(sent);
        if sent < 32 {
            let _ = stream.read(&mut [0]);
        }
    });
    let client = "
import socket, sys
connect = lambda: socket.create_connection(('10.0.2.2', int(sys.argv[1])))
slow = [connect() for _ in range(int(sys.argv[2]))]
print('ready', flush=True)
sys.stdin.readline()
brisk, read = connect(), 0
while got := brisk.recv(1 << 20): read += len(got)
print('read', read, flush=True)
sys.stdin.readline()
";
    let words = ["python3", "-c", client, &port.to_string(), &SLOW.to_string()];
    let mut run = bowline("--queue-memory 4MiB", &words).with_input().within(60).start();
    run.read_until("ready");
    for _ in 0..SLOW {
        let sent = seen.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(sent < 32, "{sent} MiB have gone to a program that reads nothing");
    }
    run.say("");
    run.read_until("read 33554432");
    let memory = crate::support::resident(run.pid());
    assert!(memory < 48 << 20, "the gateway holds {memory} bytes");
    run.say("");
    let ended = run.wait();
    ended.assert_success();
    assert!(ended.stderr.contains(" waited for slow readers, which is all that may"), "{}", ended.stderr);
}
