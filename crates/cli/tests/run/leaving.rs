//! What a program leaves behind when it ends: what it has sent still arrives, as it would from a kernel.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{bowline, needs, servers, wait_for};

#[test]
fn what_a_program_has_written_arrives_although_it_has_ended() {
    needs!("python3");
    let (report, seen) = mpsc::channel();
    let port = servers::tcp(move |mut stream| {
        let mut read = Vec::new();
        let end = stream.read_to_end(&mut read).map_err(|error| error.kind());
        let _ = report.send((read.len(), end));
    });
    let client = "import socket, sys, os; s = socket.create_connection(('10.0.2.2', int(sys.argv[1]))); \
                  s.setblocking(False); n = s.send(bytes(1 << 20)); print(n, flush=True); os._exit(0)";
    for options in ["-q", "-q --delay 50ms", "-q --delay 20ms --loss 5% --seed 3"] {
        let run = bowline(options, &["python3", "-c", client, &port.to_string()]).run();
        let sent: usize = run.printed().trim().parse().unwrap();
        let (read, end) = seen.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!((read, end), (sent, Ok(sent)), "{options}");
    }
}

#[test]
fn the_last_datagrams_of_a_program_arrive_although_it_has_ended() {
    needs!("python3");
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let client = "import os, socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                  [s.sendto(bytes([n]) * 1000, ('10.0.2.2', int(sys.argv[1]))) for n in range(20)]; os._exit(0)";
    let port = server.local_addr().unwrap().port().to_string();
    for options in ["-q", "-q --delay 300ms", "-q --rate-up 500kbit"] {
        bowline(options, &["python3", "-c", client, &port]).run().assert_success();
        for n in 0..20 {
            let mut datagram = [0; 2000];
            let len = server.recv(&mut datagram).map_err(|error| format!("{options}: {n}: {error}")).unwrap();
            assert_eq!((len, datagram[0]), (1000, n), "{options}");
        }
    }
}

/// Connects, writes more than anybody has room for, and ends.
const GENEROUS: &str = "
import os, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.settimeout(0.5)
sent = 0
try:
    while True: sent += s.send(bytes(1 << 20))
except TimeoutError:
    print(sent, flush=True)
os._exit(3)
";

/// Waits until the program of the run `pid` has ended: its init is left, as a zombie.
fn wait_for_its_end(pid: u32) {
    wait_for("the program's end", Duration::from_secs(10), || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", children.split_whitespace().next()?)).ok()?;
        stat.contains(") Z ").then_some(())
    });
}

#[test]
fn a_busy_server_gets_it_all_and_an_idle_one_holds_nobody_up() {
    needs!("python3");
    let (report, seen) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let port = servers::tcp(move |mut stream| {
        let _ = wait.lock().unwrap().recv();
        let mut read = vec![0; 1 << 20];
        let mut total = 0;
        while let Ok(count @ 1..) = stream.read(&mut read) {
            total += count;
        }
        let _ = report.send(total);
        // it does not close before the run has ended
        let _ = wait.lock().unwrap().recv();
    });
    for host in ["10.0.2.2", "fd00::2"] {
        let run = bowline("-q", &["python3", "-c", GENEROUS, host, &port.to_string()]).start();
        wait_for_its_end(run.pid());
        go_on.send(()).unwrap();
        let total = seen.recv_timeout(Duration::from_secs(10)).unwrap();
        let began = Instant::now();
        let ended = run.wait();
        assert!(total > 1 << 20, "{total}");
        assert_eq!((ended.status.code(), ended.stdout.trim().parse()), (Some(3), Ok(total)), "{host}");
        assert!(began.elapsed() < Duration::from_secs(3), "{host}: {:?}", began.elapsed());
        go_on.send(()).unwrap();
    }
}

#[test]
fn a_ctrl_c_after_the_programs_end_gives_up_what_is_left() {
    needs!("python3");
    let (report, seen) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let port = servers::tcp(move |mut stream| {
        let _ = wait.lock().unwrap().recv();
        let _ = report.send(stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind()));
    });
    let run = bowline("", &["python3", "-c", GENEROUS, "10.0.2.2", &port.to_string()]).start();
    wait_for_its_end(run.pid());
    let began = Instant::now();
    run.signal(Signal::INT);
    let ended = run.wait();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(2) && ended.stderr.contains("1 connection"), "{}", ended.stderr);
    go_on.send(()).unwrap();
    assert_eq!(seen.recv_timeout(Duration::from_secs(5)).unwrap(), Err(std::io::ErrorKind::ConnectionReset));
}

/// What left here before the program's FIN had come is answered by its kernel with a RST that has the FIN's number. It ends the
/// connection at once; else what is not acknowledged would go out again, after a time-out, for the RST that fits.
#[test]
fn a_program_that_closes_while_text_is_on_its_way_to_it_costs_no_timeout() {
    needs!("python3");
    let (report, seen) = mpsc::channel();
    let port = servers::tcp(move |mut stream| {
        let _ = stream.set_nodelay(true);
        let until = Instant::now() + Duration::from_secs(5);
        while stream.write_all(b"tick").is_ok() && Instant::now() < until {
            std::thread::yield_now();
        }
        let _ = report.send(Instant::now() < until);
    });
    let client = "import socket, sys; s = socket.create_connection(('10.0.2.2', int(sys.argv[1]))); \
                  s.recv(4); s.settimeout(0)
try:
    while True: s.recv(1 << 20)
except BlockingIOError: s.close()
sys.stdin.readline()";
    let mut run = bowline("--delay 20ms --diagram", &["python3", "-c", client, &port.to_string()]).with_input().start();
    assert!(seen.recv_timeout(Duration::from_secs(10)).unwrap(), "the server is not told");
    run.say("");
    let ended = run.wait();
    assert!(ended.stderr.contains("CLOSE-WAIT → CLOSED"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("retransmission: time-out"), "{}", ended.stderr);
}
